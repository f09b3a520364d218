"""Writes one merchant's catalogue: the merchant, its services, its staff and rooms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from slotlease.domain.merchant import Merchant, Service
from slotlease.store import rows, statements
from slotlease.store.prefetch import Query
from slotlease.store.protocol import CatalogueCounts


def put(
    query: Query,
    merchant_id: str,
    name: str | None,
    services: Sequence[Service],
    staff: Sequence[str],
    rooms: Sequence[str],
) -> tuple[Merchant, CatalogueCounts]:
    """See `protocol.Inventory.put_catalogue`. Runs inside the caller's transaction."""
    merchants_new = 0
    if not query(statements.MERCHANT_BY_ID, {"merchant_id": merchant_id}):
        query(statements.INSERT_MERCHANT, {"merchant_id": merchant_id, "name": name or merchant_id})
        merchants_new = 1
    merchant_no, _, retired, longest_us, _, _ = query(statements.MERCHANT_BY_ID, {"merchant_id": merchant_id})[0]
    of_merchant = {"merchant_no": merchant_no}
    services_now, counts = _put_services(query, merchant_no, services)
    staff_now, staff_added = _add_names(query, merchant_no, statements.STAFF, statements.INSERT_STAFF, staff)
    rooms_now, rooms_added = _add_names(query, merchant_no, statements.ROOMS, statements.INSERT_ROOM, rooms)
    ((name_before,),) = query(statements.MERCHANT_NAME, of_merchant)
    renamed = name is not None and name != name_before
    if counts != CatalogueCounts() or staff_added or rooms_added or renamed or retired:
        query(statements.UPDATE_MERCHANT, {**of_merchant, "name": name if renamed else name_before})
    merchant = Merchant(merchant_no, merchant_id, False, longest_us, services_now, staff_now, rooms_now)
    is_changed = merchants_new == 0 and bool(renamed or retired)
    return merchant, replace(counts, merchants_new=merchants_new, merchants_changed=int(is_changed))


def _put_services(
    query: Query, merchant_no: int, services: Sequence[Service]
) -> tuple[dict[str, Service], CatalogueCounts]:
    known = {s.service_id: s for s in map(rows.service_of, query(statements.SERVICES, {"merchant_no": merchant_no}))}
    wanted = {service.service_id: replace(service, merchant_no=merchant_no) for service in services}
    retired = [replace(s, retired=True) for s in known.values() if s.service_id not in wanted and not s.retired]
    next_no = len(known) + 1  # rows are never deleted, so the next number was never used
    new: list[Service] = []
    changed: list[Service] = []
    for service in wanted.values():
        before = known.get(service.service_id)
        if before is None:
            new.append(replace(service, service_no=next_no + len(new)))
        elif before != replace(service, service_no=before.service_no):
            changed.append(replace(service, service_no=before.service_no))
    for service in (*new, *changed, *retired):
        query(statements.PUT_SERVICE, rows.service_params(service))
        known[service.service_id] = service
    counts = CatalogueCounts(services_new=len(new), services_changed=len(changed), services_retired=len(retired))
    return known, counts


def _add_names(
    query: Query, merchant_no: int, known_sql: str, insert_sql: str, names: Sequence[str]
) -> tuple[dict[str, int], bool]:
    """Staff or rooms by id. They are only ever added: a number once given explains old spots for ever."""
    known = {name: int(number) for name, number in query(known_sql, {"merchant_no": merchant_no})}
    added = [name for name in dict.fromkeys(names) if name not in known]
    for name in added:
        known[name] = len(known) + 1
        query(insert_sql, {"merchant_no": merchant_no, "number": known[name], "id": name})
    return known, bool(added)

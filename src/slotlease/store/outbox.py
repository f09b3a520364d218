"""Reads what happened to bookings, for those who must hear of it."""

from __future__ import annotations

from collections.abc import Mapping

from slotlease.domain.event import EventTold
from slotlease.store import rows, statements
from slotlease.store.prefetch import Query
from slotlease.store.protocol import StoreRefused

_AHEAD = (
    "the cursor is ahead of the ledger, as it is after a backup was restored: what happened since the backup is gone,"
    " and its numbers will be given again; compare your bookings with `slotlease booking list`, then read on from an"
    " older cursor, or from the first event on"
)


def read(query: Query, after: Mapping[int, int], merchant_id: str | None, limit: int) -> list[EventTold]:
    """See `protocol.Ledger.events`. Merchant by merchant, for a cursor holds one number of each."""
    if merchant_id is None:
        merchants = query(statements.MERCHANTS, {})
    else:
        merchants = query(statements.MERCHANT_BY_ID, {"merchant_id": merchant_id})
    found: list[EventTold] = []
    for merchant_no, _, _, _, _, next_no in sorted(map(tuple, merchants)):
        seen_no = after.get(merchant_no, 0)
        if seen_no >= next_no:
            raise StoreRefused(_AHEAD)
        if len(found) < limit and seen_no + 1 < next_no:
            page = {"merchant_no": merchant_no, "after_event_no": seen_no, "rows_max": limit - len(found)}
            found += map(rows.event_told_of, query(statements.EVENTS_OF_MERCHANT, page))
    return found

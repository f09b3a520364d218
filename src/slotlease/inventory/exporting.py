"""The ledger as feeds: what merchants offer, written in Google's format.

Importing an export into the same ledger changes nothing, and into an empty one makes the same inventory.

What Google calls `spots_open` is what nobody has bought at `generation_timestamp`: spots_total without those sold
elsewhere and our own bookings. A live lease does not count as taken: it ends within minutes while a feed lasts a day,
the booking server answers for it meanwhile, and an import counts whatever the feed says is taken and we did not book as
sold elsewhere, so it would hold the spot long after the lease has gone.

A slot that the operator closed is written with no spot open: Google must not show it, and it is still the merchant's.

Two things have no word of Google's and are written as keys of our own (see feed.py) where they are needed: a service
that one user may book again, and what was sold elsewhere of a slot with more bookings than spots, or of one that the
operator closed. A ledger knows
staff, rooms and services by id alone, so their names are their ids; it knows nothing of a merchant but its name. An
availability feed can go to Google as it is; the merchants and services feeds are for another ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slotlease.domain.merchant import Merchant, Service
from slotlease.domain.policy import admits_until_us
from slotlease.domain.slot import SECOND_US, Resources, Slot
from slotlease.domain.spot import FOREVER_US
from slotlease.inventory.feed_writer import SHARD_BYTES_MAX, FeedWriter
from slotlease.inventory.importing import begun_since_us
from slotlease.inventory.naming import Names
from slotlease.store.protocol import Store

_Entry = dict[str, Any]

_ROWS_READ_AT_ONCE = 20_000


@dataclass(frozen=True, slots=True)
class Exported:
    """The files, merchants first, and how many entries each feed has."""

    paths: tuple[Path, ...]
    merchants: int
    services: int
    slots: int


def export_feeds(
    store: Store,
    folder: Path,
    now_us: int,
    *,
    gzipped: bool = True,
    for_google: bool = False,
    shard_bytes_max: int = SHARD_BYTES_MAX,
) -> Exported:
    """Writes what merchants offer from the second of `now_us` on, into the folder, which is made if it is not there.

    What is retired, closed or begun is left out. `for_google` leaves out keys of our own as well: such a feed is not
    for importing. `shard_bytes_max` is before compression. Files are there under their names only when whole.
    Raises StoreUnavailable, OSError where the files cannot be written.
    """
    generation_s = now_us // SECOND_US
    merchants = [merchant for merchant in store.merchants() if not merchant.retired]
    names = store.merchant_names()
    with FeedWriter(folder, "merchant", generation_s, gzipped=gzipped) as merchant_feed:
        for merchant in merchants:
            merchant_feed.add({"merchant_id": merchant.merchant_id, "name": names[merchant.merchant_id]})
    with FeedWriter(folder, "service", generation_s, gzipped=gzipped) as service_feed:
        for merchant in merchants:
            for service in _services(merchant):
                service_feed.add(_google_only(_service(merchant, service), for_google))
    slot_feed = FeedWriter(
        folder, "service_availability", generation_s, gzipped=gzipped, shard_bytes_max=shard_bytes_max
    )
    with slot_feed:
        for merchant in merchants:
            for entry in _slots(store, merchant, generation_s * SECOND_US):
                slot_feed.add(_google_only(entry, for_google))
    paths = (*merchant_feed.paths, *service_feed.paths, *slot_feed.paths)
    return Exported(paths, merchant_feed.entries, service_feed.entries, slot_feed.entries)


def _google_only(entry: _Entry, for_google: bool) -> _Entry:
    if not for_google:
        return entry
    return {key: value for key, value in entry.items() if not key.startswith("slotlease_")}


def _services(merchant: Merchant) -> list[Service]:
    services = [service for service in merchant.services.values() if not service.retired]
    return sorted(services, key=lambda service: service.service_id)


def _service(merchant: Merchant, service: Service) -> _Entry:
    entry: _Entry = {
        "merchant_id": merchant.merchant_id,
        "service_id": service.service_id,
        "localized_service_name": {"value": service.service_id},
    }
    late_s = service.min_booking_buffer_before_end_time_s
    rules = {
        "min_advance_booking": service.min_advance_booking_s or None,
        "min_advance_online_canceling": service.min_advance_online_canceling_s,
        "admission_policy": None if late_s is None else "TIME_FLEXIBLE",
        "min_booking_buffer_before_end_time": late_s,
    }
    given = {key: value for key, value in rules.items() if value is not None}
    if given:
        entry["rules"] = given
    if not service.one_booking_per_user:
        entry["slotlease_one_booking_per_user"] = False
    return entry


def _slots(store: Store, merchant: Merchant, generation_us: int) -> Iterator[_Entry]:
    own_bookings = store.own_bookings(merchant.merchant_no, generation_us)
    names = Names(merchant)
    offered = {service.service_no: service for service in _services(merchant)}
    for slot in _slots_by_start(store, merchant.merchant_no, begun_since_us(merchant, generation_us)):
        service = offered.get(slot.service_no)
        if slot.closed or service is None or admits_until_us(slot, service) <= generation_us:
            continue
        asked = names.asked(slot)
        entry: _Entry = {
            "merchant_id": merchant.merchant_id,
            "service_id": asked.service_id,
            "start_sec": slot.start_us // SECOND_US,
            "duration_sec": slot.duration_us // SECOND_US,
            **_spots(slot, own_bookings.get(slot.slot_no, 0)),
            "confirmation_mode": f"CONFIRMATION_MODE_{'A' if slot.asynchronous else ''}SYNCHRONOUS",
        }
        if slot.availability_tag:
            entry["availability_tag"] = slot.availability_tag
        if asked.resources is not None:
            entry["resources"] = _resources(asked.resources)
        overrides = _overrides(slot)
        if overrides:
            entry["scheduling_rule_overrides"] = overrides
        yield entry


def _slots_by_start(store: Store, merchant_no: int, after_us: int) -> Iterator[Slot]:
    """Slots that start after this instant, a page at a time. An import takes what is past for new customers when the
    feed is generated for past, and leaves it alone: so it is left out here."""
    after = (after_us, FOREVER_US)
    while True:
        page = store.slots_by_start(merchant_no, after=after, until_us=FOREVER_US, limit=_ROWS_READ_AT_ONCE)
        yield from page
        if len(page) < _ROWS_READ_AT_ONCE:
            return
        after = (page[-1].start_us, page[-1].slot_no)


def _spots(slot: Slot, own_bookings: int) -> _Entry:
    # What the operator closed takes no booking, and is open again when they say so: Google may not show it meanwhile.
    spots_open = 0 if slot.closed_by_operator else max(0, slot.capacity - own_bookings)
    spots: _Entry = {"spots_total": slot.spots_total, "spots_open": spots_open}
    if slot.spots_elsewhere != max(0, slot.spots_total - spots_open - own_bookings):
        spots["slotlease_spots_elsewhere"] = slot.spots_elsewhere
    return spots


def _resources(resources: Resources) -> _Entry:
    entry: _Entry = {}
    if resources.staff_id:
        entry |= {"staff_id": resources.staff_id, "staff_name": resources.staff_id}
    if resources.room_id:
        entry |= {"room_id": resources.room_id, "room_name": resources.room_id}
    if resources.party_size:
        entry["party_size"] = resources.party_size
    return entry


def _overrides(slot: Slot) -> dict[str, int]:
    overrides = {
        "first_bookable_sec": slot.first_bookable_us,
        "last_bookable_sec": slot.last_bookable_us,
        "last_online_cancellable_sec": slot.last_online_cancellable_us,
    }
    return {key: at_us // SECOND_US for key, at_us in overrides.items() if at_us is not None}

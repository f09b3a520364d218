"""Feeds onto the ledger: what a validated feed says becomes merchants, services and slots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from slotlease.domain.facts import natural_key
from slotlease.domain.merchant import Merchant, Service
from slotlease.domain.slot import AskedSlot, Resources, Slot, slot_number
from slotlease.inventory.feed import Feed, FeedSlot, Known
from slotlease.store.protocol import Store

PIECE = 500
"""Slots written in one transaction at most, so that a running server's leases wait a few milliseconds behind it."""


@dataclass(slots=True)
class ImportSummary:
    """What an import did, in rows."""

    merchants: int = 0
    merchants_retired: int = 0
    services_new: int = 0
    services_changed: int = 0
    services_retired: int = 0
    slots_new: int = 0
    slots_changed: int = 0
    slots_unchanged: int = 0
    slots_closed: int = 0


class ImportRefused(Exception):
    """The feed cannot go onto this ledger; the text says why and what to do."""


@dataclass(slots=True)
class _Difference:
    """A merchant's slots as the feed has them against those on the ledger."""

    new: list[Slot] = field(default_factory=list)
    changed: list[Slot] = field(default_factory=list)
    unchanged: int = 0
    vanished: list[Slot] = field(default_factory=list)


def known_inventory(store: Store) -> Known:
    """What feeds may refer to without bringing it along."""
    merchants = store.merchants()
    return Known(
        frozenset(merchant.merchant_id for merchant in merchants),
        frozenset((merchant.merchant_id, service_id) for merchant in merchants for service_id in merchant.services),
    )


def import_feed(store: Store, feed: Feed) -> ImportSummary:
    """Puts a feed on the ledger, merchant by merchant, in short transactions beside a running server.

    Each kind of feed is complete (PROCESS_AS_COMPLETE): what it no longer names is retired or closed. A kind that
    was not among the files says nothing. Interrupted, it is run again and ends the same. Raises ImportRefused,
    StoreUnavailable.
    """
    summary = ImportSummary()
    on_ledger = {merchant.merchant_id: merchant for merchant in store.merchants()}
    names = {merchant.merchant_id: merchant.name for merchant in feed.merchants}
    if feed.merchants_generation_us is not None:
        vanished = [m.merchant_id for m in on_ledger.values() if m.merchant_id not in names and not m.retired]
        store.retire_merchants(vanished)
        summary.merchants_retired = len(vanished)
        touched = set(names)
    else:
        touched = {merchant.merchant_id for merchant in on_ledger.values() if not merchant.retired}
    for merchant_id in sorted(touched):
        _import_merchant(store, feed, merchant_id, names.get(merchant_id), on_ledger.get(merchant_id), summary)
    return summary


def _import_merchant(
    store: Store, feed: Feed, merchant_id: str, name: str | None, before: Merchant | None, summary: ImportSummary
) -> None:
    slots = feed.slots.get(merchant_id, ())
    merchant, counts = store.put_catalogue(
        merchant_id,
        name,
        _services(feed, merchant_id, before),
        sorted({slot.staff_id for slot in slots if slot.staff_id}),
        sorted({slot.room_id for slot in slots if slot.room_id}),
    )
    summary.merchants += 1
    summary.services_new += counts.services_new
    summary.services_changed += counts.services_changed
    summary.services_retired += counts.services_retired
    if feed.slots_generation_us is None:
        return
    difference = _compare(store, merchant, slots, feed.slots_generation_us)
    closed = [replace(slot, closed=True) for slot in difference.vanished]
    for piece in _pieces((*difference.new, *difference.changed, *closed)):
        store.put_slots(merchant.merchant_no, piece)
    summary.slots_new += len(difference.new)
    summary.slots_changed += len(difference.changed)
    summary.slots_unchanged += difference.unchanged
    summary.slots_closed += len(closed)


def _services(feed: Feed, merchant_id: str, before: Merchant | None) -> list[Service]:
    """The merchant's services as they shall be; without a services feed they stay as they are."""
    if feed.services_generation_us is None:
        return [] if before is None else [s for s in before.services.values() if not s.retired]
    return [
        Service(
            merchant_no=0,
            service_no=0,
            service_id=service.service_id,
            min_advance_booking_s=service.min_advance_booking_s,
            min_advance_online_canceling_s=service.min_advance_online_canceling_s,
            one_booking_per_user=service.one_booking_per_user,
        )
        for service in feed.services
        if service.merchant_id == merchant_id
    ]


def _compare(store: Store, merchant: Merchant, slots: Sequence[FeedSlot], generation_us: int) -> _Difference:
    difference = _Difference()
    on_ledger = store.slots_of(merchant.merchant_no)
    own_bookings = store.own_bookings(merchant.merchant_no, generation_us)
    seen: dict[int, Slot] = {}
    for offered in slots:
        slot = _slot(merchant, offered, own_bookings)
        before = on_ledger.pop(slot.slot_no, None) or seen.get(slot.slot_no)
        if before is not None and before.natural_key != slot.natural_key:
            message = (
                f"merchant {merchant.merchant_id}, service {offered.service_id}: two slots have the same number"
                f" {slot.slot_no}; move one of them by a second and import again"
            )
            raise ImportRefused(message)
        seen[slot.slot_no] = slot
        if before is None:
            difference.new.append(slot)
        elif before == slot:
            difference.unchanged += 1
        else:
            difference.changed.append(slot)
    # Feeds look ahead: a slot that has begun is missing because it is past, not because it was withdrawn.
    difference.vanished = [s for s in on_ledger.values() if not s.closed and s.start_us > generation_us]
    return difference


def _slot(merchant: Merchant, offered: FeedSlot, own_bookings: dict[int, int]) -> Slot:
    asked = AskedSlot(
        merchant.merchant_id,
        offered.service_id,
        offered.start_us,
        offered.duration_us,
        resources=Resources(offered.staff_id, offered.room_id, offered.party_size),
    )
    key = natural_key(merchant, asked)
    assert key is not None, "the catalogue was written from this feed"  # noqa: S101 - states what holds
    slot_no = slot_number(key)
    # What the feed counts as taken and we did not sell was sold elsewhere (DESIGN 3).
    taken = offered.spots_total - offered.spots_open
    service_no, start_us, duration_us, staff_no, room_no, party_size = key
    return Slot(
        merchant_no=merchant.merchant_no,
        slot_no=slot_no,
        service_no=service_no,
        start_us=start_us,
        duration_us=duration_us,
        staff_no=staff_no,
        room_no=room_no,
        party_size=party_size,
        availability_tag=offered.availability_tag,
        spots_total=offered.spots_total,
        spots_elsewhere=max(0, taken - own_bookings.get(slot_no, 0)),
        closed=False,
        asynchronous=offered.asynchronous,
        first_bookable_us=offered.first_bookable_us,
        last_bookable_us=offered.last_bookable_us,
        last_online_cancellable_us=offered.last_online_cancellable_us,
    )


def _pieces(slots: Sequence[Slot]) -> Iterator[Sequence[Slot]]:
    for start in range(0, len(slots), PIECE):
        yield slots[start : start + PIECE]

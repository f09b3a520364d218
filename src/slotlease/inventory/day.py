"""A merchant's day as it stands: every slot, who holds it, and how many spots a caller could claim this instant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NoReturn

from slotlease.desk.batch import Batches, unwrap
from slotlease.desk.check_availability import Availability, CheckAvailability
from slotlease.domain.facts import Wanted
from slotlease.domain.policy import Rules
from slotlease.domain.slot import SECOND_US, AskedSlot
from slotlease.domain.spot import FOREVER_US
from slotlease.inventory.naming import Names
from slotlease.store.protocol import Claims, Store

_NOTHING_HELD = Claims()
_SLOTS_MAX = 100_000


class MerchantUnknown(Exception):
    """No merchant has this id; the text says so, and what to do."""


@dataclass(frozen=True, slots=True)
class DaySlot:
    """One slot of the day."""

    slot: AskedSlot
    spots_total: int
    spots_elsewhere: int
    """Sold through other channels."""
    bookings: int
    leases: int
    """Live ones."""
    available: int
    """What CheckAvailability answers now: 0 too where staff or room are busy, it is too late, or it was retired."""
    asynchronous: bool
    closed: bool
    """By the feed, which no longer offers it."""
    closed_by_operator: bool


def day_of(store: Store, merchant_id: str, day: date, zone: tzinfo = UTC) -> Sequence[DaySlot]:
    """The merchant's slots that start on that day of its zone, by start; closed ones too.

    A day lasts from one local midnight to the next: 23 or 25 hours when clocks change. Raises MerchantUnknown,
    StoreUnavailable, DeskFault.
    """
    with store.snapshot(Wanted(merchant_ids={merchant_id})) as snapshot:
        merchant = snapshot.facts.merchants.get(merchant_id)
    if merchant is None:
        message = f"no merchant on the ledger has the id {merchant_id!r}; import its feeds, or correct the id"
        raise MerchantUnknown(message)
    from_us, until_us = _midnight_us(day, zone), _midnight_us(day + timedelta(days=1), zone)
    slots = store.slots_by_start(
        merchant.merchant_no, after=(from_us - 1, FOREVER_US), until_us=until_us, limit=_SLOTS_MAX
    )
    claims = store.claims(merchant.merchant_no, from_us=from_us, until_us=until_us)
    names = Names(merchant)
    asked = [names.asked(slot) for slot in slots]
    return [
        DaySlot(
            slot=asked_slot,
            spots_total=slot.spots_total,
            spots_elsewhere=slot.spots_elsewhere,
            bookings=claims.get(slot.slot_no, _NOTHING_HELD).bookings,
            leases=claims.get(slot.slot_no, _NOTHING_HELD).leases,
            available=available,
            asynchronous=slot.asynchronous,
            closed=slot.closed,
            closed_by_operator=slot.closed_by_operator,
        )
        for asked_slot, slot, available in zip(asked, slots, _available(store, asked), strict=True)
    ]


def _midnight_us(day: date, zone: tzinfo) -> int:
    return int(datetime.combine(day, time(), tzinfo=zone).timestamp()) * SECOND_US


def _available(store: Store, asked: Sequence[AskedSlot]) -> list[int]:
    """By the very rules that answer Google, on the caller's own thread."""
    batches = Batches(store, Rules(store.fingerprint_key), _raise)
    answers = [unwrap(answer) for answer in batches.read([CheckAvailability(slot) for slot in asked])]
    return [answer.count_available if isinstance(answer, Availability) else 0 for answer in answers]


def _raise(error: BaseException) -> NoReturn:
    raise error

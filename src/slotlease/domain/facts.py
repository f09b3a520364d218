"""What a batch asks the store for (`Wanted`), what the store found (`Facts`), what it shall write (`Changes`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from slotlease.domain.booking import Booking
from slotlease.domain.event import Event
from slotlease.domain.lease import Lease
from slotlease.domain.marketing import MarketingPreference
from slotlease.domain.merchant import Merchant
from slotlease.domain.opaque_id import parse_row_id
from slotlease.domain.slot import NOBODY, AskedSlot, NaturalKey, Slot
from slotlease.domain.spot import Occupancy, Spot

CLAIMS_MAX = 200
"""Of how many spots of one slot an operator is told who holds them."""

RowKey = tuple[int, int]
"""(merchant_no, slot_no), (merchant_no, lease_no) or (merchant_no, booking_no)."""

UserOfSlot = tuple[int, int, str]
"""(merchant_no, slot_no, user_key)."""


@dataclass(slots=True)
class Wanted:
    """Everything that a batch needs to see, named once for all its requests."""

    merchant_ids: set[str] = field(default_factory=set)
    merchant_nos: set[int] = field(default_factory=set)
    slots: list[AskedSlot] = field(default_factory=list)
    """Once for each request that may take a spot of it: the store loads that many rows to take over."""
    leases: set[RowKey] = field(default_factory=set)
    references: set[tuple[str, str]] = field(default_factory=set)
    """(merchant_id, client_reference)"""
    bookings: set[RowKey] = field(default_factory=set)
    tokens: set[tuple[str, str]] = field(default_factory=set)
    """(merchant_id, idempotency_token)"""
    users_of_slots: set[UserOfSlot] = field(default_factory=set)
    users: set[str] = field(default_factory=set)
    """user_keys whose bookings are wanted, over all merchants"""
    claims: set[RowKey] = field(default_factory=set)
    """slots of which it is wanted who claims their spots"""

    def add_lease(self, lease_id: str) -> None:
        """The lease of that id with its merchant; an id that is none of ours names nothing."""
        row_id = parse_row_id("l", lease_id)
        if row_id is not None:
            self.leases.add((row_id.merchant_no, row_id.row_no))
            self.merchant_nos.add(row_id.merchant_no)

    def add_booking(self, booking_id: str) -> None:
        """The booking of that id with its merchant; an id that is none of ours names nothing."""
        row_id = parse_row_id("b", booking_id)
        if row_id is not None:
            self.bookings.add((row_id.merchant_no, row_id.row_no))
            self.merchant_nos.add(row_id.merchant_no)


@dataclass(slots=True)
class Facts:
    """What the store found. Never changed once decisions begin, so that a batch can be decided afresh."""

    now_us: int
    merchants: dict[str, Merchant] = field(default_factory=dict)
    merchant_ids: dict[int, str] = field(default_factory=dict)
    next_nos: dict[int, int] = field(default_factory=dict)
    slots: dict[RowKey, Slot] = field(default_factory=dict)
    """Those that were wanted, and those that share their staff or room"""
    slots_sought: set[RowKey] = field(default_factory=set)
    """Those that were wanted, found or not: only of these are all the rivals known"""
    occupancies: dict[RowKey, Occupancy] = field(default_factory=dict)
    leases: dict[RowKey, Lease] = field(default_factory=dict)
    leases_by_reference: dict[tuple[int, str], RowKey] = field(default_factory=dict)
    bookings: dict[RowKey, Booking] = field(default_factory=dict)
    bookings_by_token: dict[tuple[int, str], RowKey] = field(default_factory=dict)
    users_of_slots: dict[UserOfSlot, frozenset[int]] = field(default_factory=dict)
    """booking_nos of the user's bookings that claim a spot of the slot"""
    bookings_of_users: dict[str, tuple[Booking, ...]] = field(default_factory=dict)
    """Of each known user (one with any booking row) those that start after `now_us` and are not CANCELED,
    by start: the rest is history and not loaded"""
    spots_busy: dict[RowKey, tuple[Spot, ...]] = field(default_factory=dict)
    """Of each slot whose claims were wanted the busy spots by number, at most CLAIMS_MAX of them; who holds them is
    among `leases` and `bookings`"""


@dataclass(frozen=True, slots=True)
class Changes:
    """The net effect of a batch: one write per row, beside the row as prefetched (None: it was not there).

    `leases_buried` are leases that nobody loaded: ACTIVE and lapsed on the ledger, they become EXPIRED.
    `slots` explains the slots of new spot rows. `next_nos` holds each counter before and after. `slots_closed` are
    slots that the operator closes or opens; `leases_purged` have ended, in this batch or before, and are deleted.
    `marketing_preferences` replace whatever was said before, the one row that no merchant's lock guards.
    """

    next_nos: Mapping[int, tuple[int, int]]
    slots: Mapping[RowKey, Slot]
    spots: tuple[tuple[Spot | None, Spot], ...]
    leases: tuple[tuple[Lease | None, Lease], ...]
    leases_buried: tuple[RowKey, ...]
    bookings: tuple[tuple[Booking | None, Booking], ...]
    events: tuple[Event, ...]
    slots_closed: tuple[tuple[Slot, Slot], ...] = ()
    leases_purged: tuple[RowKey, ...] = ()
    marketing_preferences: tuple[MarketingPreference, ...] = ()

    def __bool__(self) -> bool:
        rows = self.spots or self.leases or self.leases_buried or self.bookings or self.events
        return bool(rows or self.slots_closed or self.leases_purged or self.marketing_preferences)


def natural_key(merchant: Merchant, asked: AskedSlot) -> NaturalKey | None:
    """The key of the slot that was asked for, or None where its service, staff or room is unknown."""
    service = merchant.services.get(asked.service_id)
    resources = asked.resources_or_none_given
    staff_no = merchant.staff.get(resources.staff_id) if resources.staff_id else NOBODY
    room_no = merchant.rooms.get(resources.room_id) if resources.room_id else NOBODY
    if service is None or staff_no is None or room_no is None:
        return None
    return (service.service_no, asked.start_us, asked.duration_us, staff_no, room_no, resources.party_size)

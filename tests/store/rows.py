"""Rows made by hand, and written as a batch would write them: for what no request would ever ask."""

from __future__ import annotations

from collections.abc import Sequence

from slotlease.domain.booking import Booking, BookingStatus, user_key
from slotlease.domain.event import Actor, Event, EventKind
from slotlease.domain.facts import Changes, Wanted
from slotlease.domain.lease import Lease, LeaseState
from slotlease.domain.slot import AskedSlot, Slot
from slotlease.domain.spot import FOREVER_US, Spot
from slotlease.store.protocol import Store
from tests.support import MINUTE_US, NOON_US, user


def lease_row(slot: Slot, asked: AskedSlot, *, lease_no: int = 1, spot_no: int = 1) -> Lease:
    return Lease(
        merchant_no=slot.merchant_no,
        lease_no=lease_no,
        secret=lease_no.to_bytes(16, "big"),
        state=LeaseState.ACTIVE,
        expires_us=NOON_US + 10 * MINUTE_US,
        client_reference=f"reference {lease_no}",
        slot=asked,
        slot_no=slot.slot_no,
        spot_no=spot_no,
        cancel_by_us=slot.start_us,
        asynchronous=False,
        created_us=NOON_US,
    )


def booking_row(slot: Slot, asked: AskedSlot, *, booking_no: int = 2, spot_no: int = 2) -> Booking:
    return Booking(
        merchant_no=slot.merchant_no,
        booking_no=booking_no,
        secret=booking_no.to_bytes(16, "big"),
        status=BookingStatus.CONFIRMED,
        revision=1,
        slot=asked,
        slot_no=slot.slot_no,
        spot_no=spot_no,
        slot_created=asked,
        status_created=BookingStatus.CONFIRMED,
        user_key=user_key("u1"),
        user=user(),
        payment=None,
        additional_request="",
        idempotency_token=f"token {booking_no}",
        lease_no=0,
        fingerprint=bytes(32),
        cancel_by_us=slot.start_us,
        created_us=NOON_US,
    )


def event_row(booking: Booking, *, event_no: int = 3) -> Event:
    return Event(booking.merchant_no, event_no, booking.created_us, EventKind.BOOKING_CREATED, Actor.USER, booking)


def changes_for(slot: Slot, leases: Sequence[Lease] = (), bookings: Sequence[Booking] = ()) -> Changes:
    """New rows of one slot with their spots and events, on a merchant whose counter still stands at 1."""
    last_no = max([row.lease_no for row in leases] + [row.booking_no for row in bookings])
    events = tuple(event_row(row, event_no=last_no + place) for place, row in enumerate(bookings, start=1))
    lease_spots = (Spot(*slot.key, row.spot_no, row.expires_us, row.lease_no) for row in leases)
    booking_spots = (Spot(*slot.key, row.spot_no, FOREVER_US, row.booking_no) for row in bookings)
    return Changes(
        next_nos={slot.merchant_no: (1, last_no + len(events) + 1)},
        slots={slot.key: slot},
        spots=tuple((None, spot) for spot in (*lease_spots, *booking_spots)),
        leases=tuple((None, row) for row in leases),
        leases_buried=(),
        bookings=tuple((None, row) for row in bookings),
        events=events,
    )


def put_rows(store: Store, slot: Slot, leases: Sequence[Lease] = (), bookings: Sequence[Booking] = ()) -> None:
    with store.transact(Wanted(merchant_nos={slot.merchant_no})) as transaction:
        transaction.commit(changes_for(slot, leases, bookings))

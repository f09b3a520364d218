"""What a few slots that touch each other must answer, as if asked one after the other: the model of the check.

A place is one slot, or slots that a move or a shared member of staff joins: nothing asked of one place depends on
another, so each is checked by itself. Leases and bookings are called by the tokens with which they were asked for,
since a caller whose answer was lost knows nothing else of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from tests.linearizability.checker import Told
from tests.support import MINUTE_US

LEASE_US = 10 * MINUTE_US
CONFIRMED, CANCELED = "CONFIRMED", "CANCELED"

# --- what is asked; slots by their number in the place -----------------------------------------------------------


class CreateLease(NamedTuple):
    token: str
    slot: int


class CreateBooking(NamedTuple):
    """`lease`: the token of the lease to consume; empty books the slot directly."""

    token: str
    slot: int
    lease: str


class Cancel(NamedTuple):
    booking: str


class Move(NamedTuple):
    booking: str
    slot: int


class CheckAvailability(NamedTuple):
    slot: int


class GetBookingStatus(NamedTuple):
    booking: str


class TimePasses(NamedTuple):
    now_us: int


Write: TypeAlias = CreateLease | CreateBooking | Cancel | Move
Asked: TypeAlias = Write | CheckAvailability | GetBookingStatus | TimePasses

# --- what is told: a count, a status, a cause, or one of these ---------------------------------------------------


class Leased(NamedTuple):
    slot: int
    expires_us: int


class Booked(NamedTuple):
    slot: int
    status: str


SLOT_UNAVAILABLE, LEASE_EXPIRED = "SLOT_UNAVAILABLE", "LEASE_EXPIRED"
ALREADY_CANCELLED = "BOOKING_ALREADY_CANCELLED"
REFUSALS = {SLOT_UNAVAILABLE, LEASE_EXPIRED, ALREADY_CANCELLED}


# --- what is so --------------------------------------------------------------------------------------------------


class LeaseIs(NamedTuple):
    token: str
    slot: int
    expires_us: int
    consumed: bool


class BookingIs(NamedTuple):
    token: str
    created: int
    slot: int
    status: str


class State(NamedTuple):
    """By token, so that what is so looks the same whichever way it came about."""

    now_us: int
    leases: tuple[LeaseIs, ...] = ()
    bookings: tuple[BookingIs, ...] = ()

    def lease(self, token: str) -> LeaseIs | None:
        return next((lease for lease in self.leases if lease.token == token), None)

    def booking(self, token: str) -> BookingIs | None:
        return next((booking for booking in self.bookings if booking.token == token), None)

    def with_lease(self, lease: LeaseIs) -> State:
        others = [one for one in self.leases if one.token != lease.token]
        return self._replace(leases=tuple(sorted([*others, lease])))

    def with_booking(self, booking: BookingIs) -> State:
        others = [one for one in self.bookings if one.token != booking.token]
        return self._replace(bookings=tuple(sorted([*others, booking])))

    def claims(self, slot: int) -> int:
        live = sum(one.slot == slot and not one.consumed and self.now_us < one.expires_us for one in self.leases)
        return live + sum(one.slot == slot and one.status != CANCELED for one in self.bookings)


@dataclass(frozen=True, slots=True)
class Place:
    """`capacities` of its slots, and which of them exclude each other because they share staff at one time."""

    capacities: tuple[int, ...]
    excludes: tuple[frozenset[int], ...]

    def available(self, state: State, slot: int) -> int:
        if any(state.claims(other) for other in self.excludes[slot]):
            return 0
        return max(0, self.capacities[slot] - state.claims(slot))

    def is_harmless(self, state: State, asked: Asked, told: Told, /) -> bool:
        match asked:
            case CheckAvailability() | GetBookingStatus():
                return True
            case CreateLease():
                return told in REFUSALS or state.lease(asked.token) is not None
            case CreateBooking():
                return told in REFUSALS or state.booking(asked.token) is not None
            case Cancel() | Move():
                booking = state.booking(asked.booking)
                return told in REFUSALS or (booking is not None and booking.status == CANCELED)
            case TimePasses():
                return False

    def step(self, state: State, asked: Asked, /) -> tuple[Told, State]:
        match asked:
            case TimePasses():
                return None, state._replace(now_us=asked.now_us)
            case CheckAvailability():
                return self.available(state, asked.slot), state
            case GetBookingStatus():
                booking = state.booking(asked.booking)
                return None if booking is None else booking.status, state
            case CreateLease():
                return self._lease(state, asked)
            case CreateBooking():
                return self._book(state, asked)
            case Cancel():
                return self._cancel(state, asked)
            case Move():
                return self._move(state, asked)

    def _lease(self, state: State, asked: CreateLease) -> tuple[Told, State]:
        lease = state.lease(asked.token)
        if lease is None:
            if not self.available(state, asked.slot):
                return SLOT_UNAVAILABLE, state
            lease = LeaseIs(asked.token, asked.slot, state.now_us + LEASE_US, consumed=False)
            state = state.with_lease(lease)
        return Leased(lease.slot, lease.expires_us), state

    def _book(self, state: State, asked: CreateBooking) -> tuple[Told, State]:
        earlier = state.booking(asked.token)
        if earlier is not None:
            return Booked(earlier.created, CONFIRMED), state
        if asked.lease:
            lease = state.lease(asked.lease)
            if lease is None or lease.consumed or state.now_us >= lease.expires_us:
                return LEASE_EXPIRED, state
            state = state.with_lease(lease._replace(consumed=True))
        elif not self.available(state, asked.slot):
            return SLOT_UNAVAILABLE, state
        booking = BookingIs(asked.token, asked.slot, asked.slot, CONFIRMED)
        return Booked(asked.slot, CONFIRMED), state.with_booking(booking)

    def _cancel(self, state: State, asked: Cancel) -> tuple[Told, State]:
        booking = state.booking(asked.booking)
        if booking is None:
            return None, state
        booking = booking._replace(status=CANCELED)
        return Booked(booking.slot, CANCELED), state.with_booking(booking)

    def _move(self, state: State, asked: Move) -> tuple[Told, State]:
        booking = state.booking(asked.booking)
        if booking is None:
            return None, state
        if booking.status == CANCELED:
            return ALREADY_CANCELLED, state
        if booking.slot == asked.slot:
            return Booked(booking.slot, CONFIRMED), state
        without = state.with_booking(booking._replace(status=CANCELED))
        if not self.available(without, asked.slot):
            return SLOT_UNAVAILABLE, state
        return Booked(asked.slot, CONFIRMED), state.with_booking(booking._replace(slot=asked.slot))

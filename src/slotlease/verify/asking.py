"""Between a case and the connection: calls are noted, and what is booked is remembered until it is cancelled."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from slotlease.verify.answer import (
    ALREADY_CANCELLED,
    DEADLINE_EXCEEDED,
    INTERNAL,
    OK,
    UNAVAILABLE,
    UNKNOWN,
    Answer,
    ValueT,
)
from slotlease.verify.caller import Caller, Hostile
from slotlease.verify.shop import Availability, Booking, BookingWish, Lease, LeaseWish, LookedUp, Slot, Version

_UNSURE: Final = frozenset({UNAVAILABLE, DEADLINE_EXCEEDED, UNKNOWN, INTERNAL, "CANCELLED", "ABORTED"})


class RequestsSpent(Exception):
    """The run has made as many requests as it may."""


class Left:
    """What a run has taken and not given back, and how many requests it may make. Used by many threads."""

    def __init__(self, requests_max: int) -> None:
        self._lock = threading.Lock()
        self._requests_left = requests_max
        self.bookings: dict[str, Slot] = {}
        self.leases: dict[str, int] = {}
        """Id and expiry, in microseconds since 1970 UTC."""
        self.unsure: dict[str, BookingWish] = {}
        """By token: asked for, and no answer came that says whether it was made."""

    def spend(self) -> None:
        """Raises RequestsSpent."""
        with self._lock:
            self._requests_left -= 1
            if self._requests_left < 0:
                raise RequestsSpent

    def leased(self, answer: Answer[Lease]) -> None:
        if answer.value is not None:
            self.leases[answer.value.lease_id] = answer.value.expires_us

    def booked(self, wish: BookingWish, answer: Answer[Booking]) -> None:
        if answer.word in _UNSURE:
            self.unsure[wish.token] = wish
        elif answer.word == OK:
            self.unsure.pop(wish.token, None)
        if answer.value is not None and answer.value.booking_id:
            self.bookings[answer.value.booking_id] = wish.slot
            self.leases.pop(wish.lease_id, None)

    def cancelled(self, booking_id: str, answer: Answer[Booking]) -> None:
        if answer.word in {OK, ALREADY_CANCELLED}:
            self.bookings.pop(booking_id, None)


class Asking:
    """A Caller as cases have it. Each call raises RequestsSpent where the run's bound is reached."""

    def __init__(self, caller: Caller, note: Callable[[Answer[object]], None], left: Left) -> None:
        self._caller = caller
        self._tell = note
        self._left = left

    @property
    def version(self) -> Version:
        return self._caller.version

    @property
    def methods(self) -> frozenset[str]:
        return self._caller.methods

    @property
    def optional(self) -> frozenset[str]:
        return self._caller.optional

    @property
    def required(self) -> Mapping[str, Sequence[str]]:
        return self._caller.required

    @property
    def health_names(self) -> Sequence[str]:
        return self._caller.health_names

    def health(self, name: str) -> Answer[str]:
        self._left.spend()
        return self._note(self._caller.health(name))

    def check_availability(self, slot: Slot) -> Answer[Availability]:
        self._left.spend()
        return self._note(self._caller.check_availability(slot))

    def look_up(self, merchant_id: str, slots: Sequence[Slot]) -> Answer[tuple[LookedUp, ...]]:
        self._left.spend()
        return self._note(self._caller.look_up(merchant_id, slots))

    def create_lease(self, wish: LeaseWish) -> Answer[Lease]:
        self._left.spend()
        answer = self._caller.create_lease(wish)
        self._left.leased(answer)
        return self._note(answer)

    def create_booking(self, wish: BookingWish) -> Answer[Booking]:
        self._left.spend()
        answer = self._caller.create_booking(wish)
        self._left.booked(wish, answer)
        return self._note(answer)

    def cancel(self, booking_id: str) -> Answer[Booking]:
        self._left.spend()
        answer = self._caller.cancel(booking_id)
        self._left.cancelled(booking_id, answer)
        return self._note(answer)

    def move(self, booking_id: str, to: Slot) -> Answer[Booking]:
        self._left.spend()
        return self._note(self._caller.move(booking_id, to))

    def status(self, booking_id: str) -> Answer[Booking]:
        self._left.spend()
        return self._note(self._caller.status(booking_id))

    def list_bookings(self, user_id: str) -> Answer[tuple[Booking, ...]]:
        self._left.spend()
        return self._note(self._caller.list_bookings(user_id))

    def send_hostile(self, kind: Hostile, method: str, slot: Slot) -> Answer[None] | None:
        self._left.spend()
        answer = self._caller.send_hostile(kind, method, slot)
        return None if answer is None else self._note(answer)

    def close(self) -> None:
        self._caller.close()

    def _note(self, answer: Answer[ValueT]) -> Answer[ValueT]:
        self._tell(answer)
        return answer

"""The seam between cases and versions: what can be asked of a booking server, whichever version it speaks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Final, Protocol

from slotlease.verify.answer import Answer
from slotlease.verify.shop import (
    Availability,
    Booking,
    BookingWish,
    Dialing,
    Lease,
    LeaseWish,
    LookedUp,
    Slot,
    Version,
)

HEALTH: Final = "Health"
CHECK: Final = "CheckAvailability"
LOOK_UP: Final = "BatchAvailabilityLookup"
CREATE_LEASE: Final = "CreateLease"
CREATE_BOOKING: Final = "CreateBooking"
UPDATE: Final = "UpdateBooking"
STATUS: Final = "GetBookingStatus"
LIST: Final = "ListBookings"
AVAILABILITY: Final = f"{CHECK} or {LOOK_UP}"
"""Google's names of the methods. AVAILABILITY is either of the two. Health is gRPC's health service, or HealthCheck in
version 3."""


class Hostile(StrEnum):
    """What no honest caller sends; `Caller.send_hostile` puts each into its version's form."""

    NOTHING = "an empty request"
    GARBAGE = "bytes that are no message"
    TRUNCATED = "a message cut in the middle"
    BAD_UTF8 = "a text that is not UTF-8"
    BAD_INSTANT = "a start that is no instant"
    NEGATIVE_DURATION = "a duration below nothing"
    LONG_TEXT = "an id of 100,000 characters"
    CONTROL_CHARACTERS = "an id with control characters"
    SQL = "an id that is a piece of SQL"
    UNKNOWN_FIELD = "a field that the definition does not have"
    HUGE = "a request of 8 MB"
    NO_SUCH_METHOD = "a method that is not there"


class Caller(Protocol):
    """One connection to a booking server, speaking one version.

    A call never raises for what the server does: it gives an Answer. Safe to use from one thread at a time.
    """

    @property
    def version(self) -> Version: ...

    @property
    def methods(self) -> frozenset[str]:
        """Those that the version has."""

    @property
    def optional(self) -> frozenset[str]:
        """Those that a server of this version need not offer."""

    @property
    def required(self) -> Mapping[str, Sequence[str]]:
        """By method, the fields that a request must have, as dotted paths in the version's spelling."""

    @property
    def health_names(self) -> Sequence[str]:
        """What health is asked for: the service's full name, and the empty one; only the empty one in version 3."""

    def health(self, name: str) -> Answer[str]:
        """The value is SERVING, NOT_SERVING and so on."""

    def check_availability(self, slot: Slot) -> Answer[Availability]: ...

    def look_up(self, merchant_id: str, slots: Sequence[Slot]) -> Answer[tuple[LookedUp, ...]]: ...

    def create_lease(self, wish: LeaseWish) -> Answer[Lease]: ...

    def create_booking(self, wish: BookingWish) -> Answer[Booking]: ...

    def cancel(self, booking_id: str) -> Answer[Booking]: ...

    def move(self, booking_id: str, to: Slot) -> Answer[Booking]: ...

    def status(self, booking_id: str) -> Answer[Booking]: ...

    def list_bookings(self, user_id: str) -> Answer[tuple[Booking, ...]]: ...

    def send_hostile(self, kind: Hostile, method: str, slot: Slot) -> Answer[None] | None:
        """None where the version has no such thing to say. `slot` is a good one, for what is otherwise in order."""

    def close(self) -> None: ...


Dial = Callable[[Dialing], Caller]

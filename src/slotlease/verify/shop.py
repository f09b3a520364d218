"""What is offered, asked for and had, in no version's spelling: cases are written with these."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

SECOND_US: Final = 1_000_000
CANCELED: Final = "CANCELED"


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Version(StrEnum):
    V0 = "v0"
    V2 = "v2"
    V3 = "v3"


@dataclass(frozen=True, slots=True)
class Resources:
    staff_id: str = ""
    room_id: str = ""
    party_size: int = 0


@dataclass(frozen=True, slots=True)
class Slot:
    """`resources` None: none were given. Two slots are equal when they say the same on the wire."""

    merchant_id: str
    service_id: str
    start_us: int
    duration_us: int
    availability_tag: str = ""
    resources: Resources | None = None

    @property
    def end_us(self) -> int:
        return self.start_us + self.duration_us


@dataclass(frozen=True, slots=True)
class User:
    user_id: str
    given_name: str
    family_name: str
    telephone: str
    email: str


@dataclass(frozen=True, slots=True)
class LeaseWish:
    """What CreateLease is asked. `without` names a field that is left out, as the version's `required` spells it;
    `expires_us` 0 leaves the expiry to the server; a `lease_id` is for the server to ignore."""

    slot: Slot
    token: str
    expires_us: int = 0
    lease_id: str = ""
    without: str = ""


@dataclass(frozen=True, slots=True)
class BookingWish:
    """What CreateBooking is asked; `without` as above. Version 0 sends no token: its lease is the token."""

    slot: Slot
    user: User
    token: str
    lease_id: str = ""
    without: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """As an answer tells it; what is not told is empty, an expiry that is not told is 0."""

    lease_id: str
    slot: Slot
    token: str
    expires_us: int


@dataclass(frozen=True, slots=True)
class Booking:
    """As an answer tells it. `status` is the name that Google gives it; `user` and `slot` None where not told."""

    booking_id: str
    status: str
    slot: Slot | None = None
    user: User | None = None


@dataclass(frozen=True, slots=True)
class Availability:
    slot: Slot
    count: int


@dataclass(frozen=True, slots=True)
class LookedUp:
    """One element of a batch lookup's answer. Its slot has the merchant of the request."""

    slot: Slot
    available: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """A slot as the availability feed offers it."""

    slot: Slot
    spots_open: int
    spots_total: int


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM texts; None: the system's roots, no client certificate. `name` is the server's, where not the address's."""

    roots: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = field(default=None, repr=False)
    name: str = ""


@dataclass(frozen=True, slots=True)
class Dialing:
    """Where and how to call. `via` is the address to connect to instead, while speaking as if to `address`. Version 3
    sends `user` and `password`, where `user` is given, and `prefix` stands before its paths."""

    address: str
    timeout_s: float
    tls: Tls | None = None
    via: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    prefix: str = ""


def instant(at_us: int) -> str:
    """As people read it: `2026-01-31T12:00:00Z`. What no calendar has, as the number that it is."""
    try:
        at = _EPOCH + timedelta(microseconds=at_us)
    except OverflowError:
        return f"{at_us} us after 1970"
    return at.isoformat().replace("+00:00", "Z")

"""What came back from one call, and the words that say how it ended, the same for all versions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

ValueT = TypeVar("ValueT")
ValueT_co = TypeVar("ValueT_co", covariant=True)

OK: Final = "OK"
INVALID_ARGUMENT: Final = "INVALID_ARGUMENT"
NOT_FOUND: Final = "NOT_FOUND"
UNIMPLEMENTED: Final = "UNIMPLEMENTED"
UNAUTHENTICATED: Final = "UNAUTHENTICATED"
PERMISSION_DENIED: Final = "PERMISSION_DENIED"
RESOURCE_EXHAUSTED: Final = "RESOURCE_EXHAUSTED"
INTERNAL: Final = "INTERNAL"
UNAVAILABLE: Final = "UNAVAILABLE"
UNKNOWN: Final = "UNKNOWN"
DEADLINE_EXCEEDED: Final = "DEADLINE_EXCEEDED"
"""gRPC's status names. Version 3's caller says an HTTP code by the name that it stands for."""

SLOT_UNAVAILABLE: Final = "SLOT_UNAVAILABLE"
ALREADY_BOOKED: Final = "SLOT_ALREADY_BOOKED_BY_USER"
LEASE_EXPIRED: Final = "LEASE_EXPIRED"
ALREADY_CANCELLED: Final = "BOOKING_ALREADY_CANCELLED"
OUTSIDE_WINDOW: Final = "OUTSIDE_CANCELLATION_WINDOW"
CAUSE_UNSPECIFIED: Final = "CAUSE_UNSPECIFIED"
"""BookingFailure.Cause's names. Version 0's caller says a status code by the cause that it stands for."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a connection brings back: a status by its name, an answer's bytes when OK, else the error's text."""

    word: str
    payload: bytes
    text: str
    took_s: float


@dataclass(frozen=True, slots=True)
class Answer(Generic[ValueT_co]):
    """How one call ended.

    `word` is OK, the name of the cause where the answer carries a refusal, or the name of the status. `value` is there
    when the word is OK; `payload` are the bytes as they came; `text` is the error's own. `flaw` says what no answer may
    be, whatever was asked: both a booking and a failure, say. `sent` and `came` are for people.
    """

    method: str
    word: str
    value: ValueT_co | None
    sent: str
    came: str
    payload: bytes
    text: str
    took_s: float
    flaw: str = ""

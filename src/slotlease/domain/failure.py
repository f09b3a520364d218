"""Why a lawful request is refused. A refusal is an answer, so it is a value and never an exception."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Cause(Enum):
    """Google's `BookingFailure.Cause` by name; its numbers belong to the codec of each API version."""

    SLOT_UNAVAILABLE = "SLOT_UNAVAILABLE"
    SLOT_ALREADY_BOOKED_BY_USER = "SLOT_ALREADY_BOOKED_BY_USER"
    LEASE_EXPIRED = "LEASE_EXPIRED"
    OUTSIDE_CANCELLATION_WINDOW = "OUTSIDE_CANCELLATION_WINDOW"
    BOOKING_ALREADY_CANCELLED = "BOOKING_ALREADY_CANCELLED"
    PAYMENT_ERROR = "PAYMENT_ERROR"
    OFFER_UNAVAILABLE = "OFFER_UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class BookingFailure:
    """The request was lawful and the world says no: the user picks something else."""

    cause: Cause
    description: str


class Reason(Enum):
    """Machine-readable reason of an INVALID_ARGUMENT (AIP-193: UPPER_SNAKE_CASE, at most 63 characters)."""

    FIELD_INVALID = "FIELD_INVALID"
    SLOT_UNKNOWN = "SLOT_UNKNOWN"
    SLOT_DIFFERS_FROM_LEASE = "SLOT_DIFFERS_FROM_LEASE"
    IDEMPOTENCY_TOKEN_REUSED = "IDEMPOTENCY_TOKEN_REUSED"  # noqa: S105 - the name of a reason, not a secret


@dataclass(frozen=True, slots=True)
class InvalidArgument:
    """The message itself is wrong: the caller's engineer mends it. `field` is a path as Google spells it."""

    field: str
    description: str
    reason: Reason = Reason.FIELD_INVALID


@dataclass(frozen=True, slots=True)
class NotFound:
    """A booking or user that is not on this ledger. Malformed and unknown ids answer alike (INV-31)."""

    field: str
    description: str


Refusal = BookingFailure | InvalidArgument | NotFound

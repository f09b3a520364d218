"""What happened to a booking, for those who must hear of it. Carries no personal data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from slotlease.domain.booking import Booking, BookingStatus
from slotlease.domain.slot import AskedSlot


class EventKind(Enum):
    """The texts are stored and never change."""

    BOOKING_CREATED = "BOOKING_CREATED"
    BOOKING_MOVED = "BOOKING_MOVED"
    BOOKING_CANCELED = "BOOKING_CANCELED"
    BOOKING_CONFIRMED = "BOOKING_CONFIRMED"
    BOOKING_DECLINED = "BOOKING_DECLINED"


class Actor(Enum):
    """Who did it. The texts are stored and never change."""

    USER = "USER"
    MERCHANT = "MERCHANT"


@dataclass(frozen=True, slots=True)
class Event:
    """One change of one booking: `booking` is the row after it. `event_no` orders a merchant's events."""

    merchant_no: int
    event_no: int
    at_us: int
    kind: EventKind
    actor: Actor
    booking: Booking


@dataclass(frozen=True, slots=True)
class EventTold:
    """An event as those read it who must hear of it: `status`, `revision` and `slot` are the booking's after it."""

    merchant_no: int
    event_no: int
    at_us: int
    kind: EventKind
    actor: Actor
    booking_id: str
    revision: int
    status: BookingStatus
    spot_no: int
    slot: AskedSlot

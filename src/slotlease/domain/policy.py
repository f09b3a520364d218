"""When a slot may be booked and until when a booking may be cancelled. A slot's own rule wins over its service's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from slotlease.domain.event import Actor
from slotlease.domain.failure import BookingFailure, Cause
from slotlease.domain.lease import LeaseTerms
from slotlease.domain.merchant import Service
from slotlease.domain.slot import SECOND_US, Slot


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator has settled, and the ledger's own key for request fingerprints (32 bytes)."""

    fingerprint_key: bytes
    lease_terms: LeaseTerms = field(default_factory=LeaseTerms)


class Closed(Enum):
    """A policy that forbids a new claim."""

    BY_FEED = "CLOSED_BY_FEED"
    BY_OPERATOR = "CLOSED_BY_OPERATOR"
    OVER = "OVER"
    BEGUN = "BEGUN"
    NOT_YET = "NOT_BOOKABLE_YET"
    LEAD_TIME = "LEAD_TIME_PASSED"


_TOLD = {
    # Who closed it is the merchant's matter and not the caller's.
    Closed.BY_FEED: "the slot is closed for booking",
    Closed.BY_OPERATOR: "the slot is closed for booking",
    Closed.OVER: "the slot is over",
    Closed.BEGUN: "the slot has begun",
    Closed.NOT_YET: "the slot cannot be booked yet",
    Closed.LEAD_TIME: "the slot can no longer be booked: its lead time has passed",
}


def why_not_bookable(slot: Slot, service: Service, now_us: int, actor: Actor = Actor.USER) -> BookingFailure | None:
    """The policy that forbids a new claim on the slot at this instant, or None.

    Source: services feed `rules.min_advance_booking` and `rules.min_booking_buffer_before_end_time`, availability feed
    `scheduling_rule_overrides`.
    """
    reason = next(reasons_not_bookable(slot, service, now_us, actor), None)
    return None if reason is None else BookingFailure(Cause.SLOT_UNAVAILABLE, _TOLD[reason])


def reasons_not_bookable(slot: Slot, service: Service, now_us: int, actor: Actor = Actor.USER) -> Iterator[Closed]:
    """Every policy that forbids it, the first to be told first. Lead times bind the user and not the merchant, who
    may also seat somebody in a slot that has begun; what is closed is closed to both."""
    if slot.closed:
        yield Closed.BY_FEED
    if slot.closed_by_operator:
        yield Closed.BY_OPERATOR
    if actor is Actor.MERCHANT:
        if now_us >= slot.end_us:
            yield Closed.OVER
        return
    if now_us >= admits_until_us(slot, service):
        yield Closed.BEGUN if service.min_booking_buffer_before_end_time_s is None else Closed.OVER
    if slot.first_bookable_us is not None and now_us < slot.first_bookable_us:
        yield Closed.NOT_YET
    if now_us > last_bookable_us(slot, service):
        yield Closed.LEAD_TIME


def last_bookable_us(slot: Slot, service: Service) -> int:
    """The last instant at which the slot may be booked: Google's words for both rules are inclusive."""
    if slot.last_bookable_us is not None:
        return slot.last_bookable_us
    if service.min_booking_buffer_before_end_time_s is not None:
        return slot.end_us - service.min_booking_buffer_before_end_time_s * SECOND_US
    return slot.start_us - service.min_advance_booking_s * SECOND_US


def admits_until_us(slot: Slot, service: Service) -> int:
    """The first instant at which the slot is past for new customers: its start, or its end where the service admits
    late bookings (Google: a buffer before the end goes with TIME_FLEXIBLE, customers may come after the start)."""
    return slot.start_us if service.min_booking_buffer_before_end_time_s is None else slot.end_us


def cancel_by_us(slot: Slot, service: Service) -> int:
    """The last instant at which a user may cancel or move: the slot's rule, else the service's, else the start.

    Inclusive, as Google's words for `last_online_cancellable_sec` and `min_advance_online_canceling` are.
    """
    if slot.last_online_cancellable_us is not None:
        return slot.last_online_cancellable_us
    return slot.start_us - (service.min_advance_online_canceling_s or 0) * SECOND_US

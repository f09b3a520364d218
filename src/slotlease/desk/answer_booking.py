"""AnswerBooking: the merchant confirms or declines a booking that waits for it. Google has no such call."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from slotlease.desk.operation import Operation
from slotlease.desk.update_booking import BOOKING_UNKNOWN, cancel
from slotlease.domain.booking import Booking, BookingStatus
from slotlease.domain.event import Actor, EventKind
from slotlease.domain.facts import Wanted
from slotlease.domain.failure import BookingFailure, Cause, InvalidArgument, Refusal
from slotlease.domain.view import View


@dataclass(frozen=True, slots=True)
class AnswerBooking(Operation[Booking | Refusal]):
    """`confirms` False declines. Version 2 knows no status for that, so a booking declined is CANCELED, its spot is
    given back, and its event is BOOKING_DECLINED."""

    booking_id: str
    confirms: bool

    writes: ClassVar[bool] = True

    def want(self, wanted: Wanted) -> None:
        wanted.add_booking(self.booking_id)

    def decide(self, view: View) -> Booking | Refusal:
        booking = view.booking_named(self.booking_id)
        if booking is None:
            return BOOKING_UNKNOWN
        answered = BookingStatus.CONFIRMED if self.confirms else BookingStatus.CANCELED
        if booking.status is answered or view.may_have_been_done(booking):
            return booking
        if not booking.claims_spot:
            return BookingFailure(Cause.BOOKING_ALREADY_CANCELLED, "the booking is cancelled; make a new one")
        if booking.status is not BookingStatus.PENDING_MERCHANT_CONFIRMATION:
            return InvalidArgument("booking_id", f"the booking waits for no answer: it is {booking.status.name}")
        if not self.confirms:
            return cancel(view, booking, EventKind.BOOKING_DECLINED, Actor.MERCHANT)
        confirmed = replace(booking, status=BookingStatus.CONFIRMED, revision=booking.revision + 1)
        view.put_booking(confirmed, EventKind.BOOKING_CONFIRMED, Actor.MERCHANT)
        return confirmed

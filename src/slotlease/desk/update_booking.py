"""UpdateBooking: cancel a booking, or move it to another slot of its service (another party size is a move)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from slotlease.desk.operation import Operation
from slotlease.domain.booking import Booking, BookingStatus, status_when_booked
from slotlease.domain.event import Actor, EventKind
from slotlease.domain.facts import Facts, Wanted, natural_key
from slotlease.domain.failure import BookingFailure, Cause, InvalidArgument, NotFound, Refusal
from slotlease.domain.opaque_id import parse_row_id
from slotlease.domain.policy import cancel_by_us
from slotlease.domain.slot import AskedSlot, Resources, slot_number
from slotlease.domain.spot import FOREVER_US
from slotlease.domain.view import Offer, View, spot_of_booking

BOOKING_UNKNOWN = NotFound("booking_id", "no booking with this id")


@dataclass(frozen=True, slots=True)
class UpdateBooking(Operation[Booking | Refusal]):
    """What shall become of a booking; None where nothing was said.

    `merchant_id`, `service_id`, `staff_id` and `room_id` cannot change: given, they must be the booking's.
    The merchant as `actor` is bound by no cancellation window and no lead time.
    """

    booking_id: str
    status: BookingStatus | None = None
    start_us: int | None = None
    duration_us: int | None = None
    party_size: int | None = None
    merchant_id: str | None = None
    service_id: str | None = None
    staff_id: str | None = None
    room_id: str | None = None
    actor: Actor = Actor.USER

    writes: ClassVar[bool] = True

    def want(self, wanted: Wanted) -> None:
        wanted.add_booking(self.booking_id)

    def want_more(self, facts: Facts, wanted: Wanted) -> None:
        row_id = parse_row_id("b", self.booking_id)
        booking = None if row_id is None else facts.bookings.get((row_id.merchant_no, row_id.row_no))
        if booking is None:
            return
        target = self._target(booking)
        wanted.slots.append(target)
        merchant = facts.merchants[target.merchant_id]
        key = natural_key(merchant, target)
        if key is not None:
            wanted.users_of_slots.add((merchant.merchant_no, slot_number(key), booking.user_key))

    def decide(self, view: View) -> Booking | Refusal:
        booking = view.booking_named(self.booking_id)
        if booking is None:
            return BOOKING_UNKNOWN
        mistake = self._mistake(booking)
        if mistake is not None:
            return mistake
        if self._is_so_already(booking) or view.may_have_been_done(booking):
            return booking
        if not booking.claims_spot:
            return BookingFailure(Cause.BOOKING_ALREADY_CANCELLED, "the booking is cancelled; make a new one")
        if self.status is BookingStatus.CANCELED:
            return self._cancel(view, booking)
        return self._move(view, booking)

    def _target(self, booking: Booking) -> AskedSlot:
        """The slot the booking shall have. No tag: a partner may change its tags daily, and the caller names the
        slot by its start, duration and party size (DESIGN 3)."""
        slot = booking.slot
        resources = slot.resources
        if self.party_size is not None:
            resources = replace(resources or Resources(), party_size=self.party_size)
        return replace(
            slot,
            start_us=slot.start_us if self.start_us is None else self.start_us,
            duration_us=slot.duration_us if self.duration_us is None else self.duration_us,
            availability_tag="",
            resources=resources,
        )

    def _mistake(self, booking: Booking) -> InvalidArgument | None:
        resources = booking.slot.resources_or_none_given
        for field, given, current in (
            ("slot.merchant_id", self.merchant_id, booking.slot.merchant_id),
            ("slot.service_id", self.service_id, booking.slot.service_id),
            ("slot.resources.staff_id", self.staff_id, resources.staff_id),
            ("slot.resources.room_id", self.room_id, resources.room_id),
        ):
            if given is not None and given != current:
                return InvalidArgument(field, "this cannot be changed; cancel the booking and make a new one")
        if booking.claims_spot and self.status not in {None, BookingStatus.CANCELED, booking.status}:
            return InvalidArgument("status", "the only status a caller may set is CANCELED")
        if self.status is BookingStatus.CANCELED and not _same_place(self._target(booking), booking.slot):
            return InvalidArgument("slot", "a booking is either cancelled or moved, not both at once")
        return None

    def _is_so_already(self, booking: Booking) -> bool:
        """What is asked for is true already: OK as it is, before any other rule (DESIGN 5)."""
        if self.status is BookingStatus.CANCELED:
            return booking.status is BookingStatus.CANCELED
        return booking.claims_spot and _same_place(self._target(booking), booking.slot)

    def _move(self, view: View, booking: Booking) -> Booking | Refusal:
        target = self._target(booking)
        offer = view.find(target)
        if isinstance(offer, InvalidArgument):
            return offer
        refusal = self._why_not_movable(view, booking, offer)
        if refusal is not None:
            return refusal
        slot = offer.slot
        saved = view.save()
        view.give_back(spot_of_booking(booking))
        spot = view.take(slot, holder_no=booking.booking_no, busy_until_us=FOREVER_US)
        if isinstance(spot, BookingFailure):
            view.restore(saved)
            return spot
        tag = slot.availability_tag if booking.slot.availability_tag else ""
        moved = replace(
            booking,
            status=status_when_booked(asynchronous=slot.asynchronous and self.actor is Actor.USER),
            revision=booking.revision + 1,
            slot=replace(target, availability_tag=tag),
            slot_no=slot.slot_no,
            spot_no=spot.spot_no,
            cancel_by_us=cancel_by_us(slot, offer.service),
        )
        view.put_booking(moved, EventKind.BOOKING_MOVED, self.actor)
        return moved

    def _why_not_movable(self, view: View, booking: Booking, offer: Offer) -> BookingFailure | None:
        doubled = view.user_has_slot(booking.user_key, offer.slot.key, apart_from=booking.booking_no)
        if offer.service.one_booking_per_user and doubled:
            return BookingFailure(Cause.SLOT_ALREADY_BOOKED_BY_USER, "this user has another booking of that slot")
        if self._is_too_late(view, booking):
            # Moving late gives the spot back late, which is what the merchant's window forbids: docs/decisions.
            return BookingFailure(Cause.OUTSIDE_CANCELLATION_WINDOW, "it is too late to move this booking")
        return view.why_not_bookable(offer, self.actor)

    def _cancel(self, view: View, booking: Booking) -> Booking | BookingFailure:
        if self._is_too_late(view, booking):
            return BookingFailure(Cause.OUTSIDE_CANCELLATION_WINDOW, "it is too late to cancel this booking")
        return cancel(view, booking, EventKind.BOOKING_CANCELED, self.actor)

    def _is_too_late(self, view: View, booking: Booking) -> bool:
        """The window is the merchant's own rule for its users: it does not bind the merchant."""
        return self.actor is Actor.USER and view.now_us > booking.cancel_by_us


def _same_place(target: AskedSlot, current: AskedSlot) -> bool:
    return (target.start_us, target.duration_us, target.resources_or_none_given) == (
        current.start_us,
        current.duration_us,
        current.resources_or_none_given,
    )


def cancel(view: View, booking: Booking, kind: EventKind, actor: Actor) -> Booking:
    """Gives the spot back and tells of it. The booking claims its spot so far."""
    view.give_back(spot_of_booking(booking))
    cancelled = replace(booking, status=BookingStatus.CANCELED, revision=booking.revision + 1)
    view.put_booking(cancelled, kind, actor)
    return cancelled

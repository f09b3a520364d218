"""What becomes of a booking: status, list, cancel, move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from slotlease.verify.answer import ALREADY_CANCELLED, INVALID_ARGUMENT, NOT_FOUND, OK, SLOT_UNAVAILABLE, Answer
from slotlease.verify.caller import CREATE_BOOKING, LIST, STATUS, UPDATE
from slotlease.verify.case import case
from slotlease.verify.cases_availability import NOBODY
from slotlease.verify.shop import CANCELED, Booking, Slot, Version
from slotlease.verify.trial import STANDING, Trial

_UPDATES = (CREATE_BOOKING, UPDATE)


@case(
    "booking.status",
    "a booking's status is told",
    rule="GetBookingStatus answers with the booking's id, and with the status that it has.",
    source="GetBookingStatus",
    hint="The id is left out of the answer, or the numbers of the statuses are another version's.",
    needs=(CREATE_BOOKING, STATUS),
)
def _status(t: Trial) -> None:
    booking = t.booked(t.slot())
    answer = t.caller.status(booking.booking_id)
    t.equal("booking_id", booking.booking_id, t.value(answer).booking_id, answer)
    t.holds(t.value(answer).status in STANDING, " or ".join(STANDING), t.value(answer).status, answer)


@case(
    "booking.status.unknown",
    "the status of a booking that there is not",
    rule="An unknown booking_id is NOT_FOUND.",
    source="GetBookingStatus; Status codes",
    hint="A status of 0 is answered for what is not found.",
    needs=(STATUS,),
)
def _status_unknown(t: Trial) -> None:
    t.expect(t.caller.status(NOBODY), NOT_FOUND)


@case(
    "booking.list",
    "a user's bookings are listed",
    rule="ListBookings has every upcoming booking of the user, with its slot.",
    source="ListBookings",
    hint="Only the bookings of one merchant are searched, or users are told apart by e-mail.",
    needs=(CREATE_BOOKING, LIST),
)
def _list(t: Trial) -> None:
    user = t.names.user()
    made = {t.booked(slot, user).booking_id: (slot.start_us, slot.duration_us) for slot in t.two_slots()}
    answer = t.caller.list_bookings(user.user_id)
    told = {one.booking_id: _time(one.slot) for one in t.value(answer)}
    t.equal("bookings and their times", made, told, answer)


@case(
    "booking.list.unknown-user",
    "the bookings of a user that there is not",
    rule="An unknown user_id is NOT_FOUND; some take it for a user without bookings.",
    source="ListBookings; Status codes",
    hint="An empty list is answered for everybody.",
    needs=(LIST,),
)
def _list_unknown(t: Trial) -> None:
    answer = t.caller.list_bookings(t.names.user().user_id)
    if answer.word == OK:
        t.equal("bookings", (), answer.value, answer)
        t.warn_unless(False, NOT_FOUND, "an empty list", answer)
        return
    t.expect(answer, NOT_FOUND)


@case(
    "booking.list.cancelled",
    "a cancelled booking is no longer listed",
    rule="ListBookings has what is upcoming; two of Google's pages differ on whether all others are there too.",
    source="ListBookings (left open)",
    hint="Cancelled bookings are listed: Google shows the user an appointment that is none, unless its status says so.",
    needs=(CREATE_BOOKING, UPDATE, LIST),
    required=False,
)
def _list_cancelled(t: Trial) -> None:
    user = t.names.user()
    booking = t.booked(t.slot(), user)
    t.prepared(t.caller.cancel(booking.booking_id), "a cancellation")
    answer = t.caller.list_bookings(user.user_id)
    listed = answer.value or ()
    t.expect(answer, OK, NOT_FOUND)
    standing = [one for one in listed if one.status != CANCELED]
    t.holds(not standing, "no booking that stands", f"{len(standing)}", answer)
    t.holds(not listed, "no booking", f"{len(listed)}, said to be {CANCELED}", answer)


@case(
    "booking.cancel",
    "a booking is cancelled",
    rule="UpdateBooking with the status CANCELED answers with the booking's id and that status.",
    source="UpdateBooking; Google's test list: cancel",
    hint="The update mask is ignored, or the number of CANCELED is another version's (v0: 4, else 3).",
    needs=_UPDATES,
)
def _cancel(t: Trial) -> None:
    booking = t.booked(t.slot())
    answer = t.caller.cancel(booking.booking_id)
    t.equal("booking_id", booking.booking_id, t.value(answer).booking_id, answer)
    t.equal("status", CANCELED, t.value(answer).status, answer)


@case(
    "booking.cancel.status",
    "a cancelled booking is told as cancelled",
    rule="After a cancellation, GetBookingStatus says CANCELED.",
    source="GetBookingStatus; UpdateBooking",
    hint="The cancellation is answered and not stored, or the row is deleted.",
    needs=(CREATE_BOOKING, UPDATE, STATUS),
)
def _cancel_status(t: Trial) -> None:
    booking = t.booked(t.slot())
    t.prepared(t.caller.cancel(booking.booking_id), "a cancellation")
    answer = t.caller.status(booking.booking_id)
    t.equal("status", CANCELED, t.value(answer).status, answer)


@case(
    "booking.cancel.frees",
    "a cancelled booking gives its spot back",
    rule="After a cancellation, the spot can be had again.",
    source="CheckAvailability; BatchAvailabilityLookup: the truth at that instant",
    hint="The booking is marked and the count of taken spots is not lowered.",
    needs=_UPDATES,
)
def _cancel_frees(t: Trial) -> None:
    slot = t.counted()
    before = t.spots_before(slot)
    booking = t.booked(slot)
    t.prepared(t.caller.cancel(booking.booking_id), "a cancellation")
    t.spots_are(slot, before)


@case(
    "booking.cancel.again",
    "a booking is cancelled twice",
    rule="UpdateBooking is idempotent, so again OK and CANCELED; the cause BOOKING_ALREADY_CANCELLED exists too.",
    source="Implement the booking server: idempotency; BookingFailure (left open)",
    hint="A repeat that fails shows the user an error for a cancellation that worked.",
    needs=_UPDATES,
)
def _cancel_again(t: Trial) -> None:
    booking = t.booked(t.slot())
    t.prepared(t.caller.cancel(booking.booking_id), "a cancellation")
    answer = t.caller.cancel(booking.booking_id)
    # Version 0 has one word for all that the rules of business forbid.
    choices = (INVALID_ARGUMENT,) if t.version is Version.V0 else (ALREADY_CANCELLED,)
    if t.expect(answer, OK, open_words=choices):
        t.equal("status", CANCELED, t.value(answer).status, answer)


@case(
    "booking.cancel.unknown",
    "a booking that there is not is cancelled",
    rule="An unknown booking_id is NOT_FOUND in versions 0 and 2, 400 in version 3.",
    source="UpdateBooking; Status codes",
    hint="An update of no rows is taken for success.",
    needs=(UPDATE,),
)
def _cancel_unknown(t: Trial) -> None:
    word, other = (INVALID_ARGUMENT, NOT_FOUND) if t.version is Version.V3 else (NOT_FOUND, "")
    t.expect(t.caller.cancel(NOBODY), word, open_words=(other,))


@case(
    "booking.cancel.then-move",
    "a cancelled booking cannot be moved",
    rule="A cancelled booking stays cancelled; which cause refuses the move, no page says.",
    source="UpdateBooking; BookingFailure: BOOKING_ALREADY_CANCELLED",
    hint="A move sets the status to CONFIRMED without looking at it.",
    needs=_UPDATES,
)
def _cancel_then_move(t: Trial) -> None:
    one, other = t.two_slots()
    booking = t.booked(one)
    t.prepared(t.caller.cancel(booking.booking_id), "a cancellation")
    answer = t.caller.move(booking.booking_id, other)
    expected = INVALID_ARGUMENT if t.version is Version.V0 else ALREADY_CANCELLED
    t.expect(answer, expected, open_words=("BOOKING_NOT_CANCELLABLE", NOT_FOUND, INVALID_ARGUMENT))


@case(
    "booking.move",
    "a booking is moved",
    rule="UpdateBooking with another start answers with the same booking_id and the new time.",
    source="UpdateBooking; Google's test list: reschedule; FAQ: answer with the new values",
    hint="A new booking is made instead, or the old slot is answered.",
    needs=_UPDATES,
)
def _move(t: Trial) -> None:
    one, other = t.two_slots()
    booking = t.booked(one)
    answer = t.caller.move(booking.booking_id, other)
    moved = t.value(answer)
    t.equal("booking_id", booking.booking_id, moved.booking_id, answer)
    t.equal("start and duration", _time(other), _time(moved.slot), answer)


@case(
    "booking.move.spots",
    "a move takes the new spot and gives the old one back",
    rule="After a move the old slot has one spot more, the new one one less.",
    source="CheckAvailability; BatchAvailabilityLookup: the truth at that instant",
    hint="Only one of the two counts is changed.",
    needs=_UPDATES,
)
def _move_spots(t: Trial) -> None:
    one, other = t.counted_slots(2)
    before = t.spots_before(one), t.spots_before(other)
    booking = t.booked(one)
    t.prepared(t.caller.move(booking.booking_id, other), "a move")
    t.spots_are(one, before[0])
    t.spots_are(other, before[1] - 1)


@case(
    "booking.move.again",
    "a booking is moved twice to the same slot",
    rule="UpdateBooking is idempotent: the same move again is answered in the same way.",
    source="Implement the booking server: idempotency",
    hint="The booking is in its own way: its new slot counts as taken.",
    needs=_UPDATES,
)
def _move_again(t: Trial) -> None:
    one, other = t.slots_with(2, 1)
    booking = t.booked(one)
    t.prepared(t.caller.move(booking.booking_id, other), "a move")
    answer = t.caller.move(booking.booking_id, other)
    t.equal("start and duration", _time(other), _time(t.value(answer).slot), answer)


@case(
    "booking.move.taken",
    "a move to a slot that is taken is refused",
    rule="It is SLOT_UNAVAILABLE (v0: RESOURCE_EXHAUSTED).",
    source="UpdateBooking; BookingFailure",
    hint="A move checks less than a new booking does.",
    needs=_UPDATES,
)
def _move_taken(t: Trial) -> None:
    _, _, answer = _moved_to_taken(t)
    t.expect(answer, SLOT_UNAVAILABLE)


@case(
    "booking.move.taken-keeps",
    "a move that is refused leaves the booking where it was",
    rule="The old slot stays booked: the status stands, the list names the old time, nobody else gets the spot.",
    source="UpdateBooking (implied)",
    hint="The old spot is given back before the new one is had, and not taken again.",
    needs=_UPDATES,
)
def _move_taken_keeps(t: Trial) -> None:
    one, booking, refused = _moved_to_taken(t)
    t.holds(refused.word != OK, "a refusal", OK, refused)
    if STATUS in t.caller.methods:
        answer = t.caller.status(booking.booking_id)
        t.holds(t.value(answer).status in STANDING, " or ".join(STANDING), t.value(answer).status, answer)
    if LIST in t.caller.methods and booking.user is not None:
        listed = t.caller.list_bookings(booking.user.user_id)
        t.equal("the booking's time", _time(one), _time(_find(t.value(listed), booking.booking_id)), listed)
    t.spots_are(one, 0)


def _moved_to_taken(t: Trial) -> tuple[Slot, Booking, Answer[Booking]]:
    """Two slots of one spot each, both booked: the first booking is asked to move to the second slot."""
    one, other = t.slots_with(2, 1)
    user = t.names.user()
    booking = replace(t.booked(one, user), user=user)
    t.booked(other)
    return one, booking, t.caller.move(booking.booking_id, other)


def _find(bookings: Sequence[Booking], booking_id: str) -> Slot | None:
    return next((one.slot for one in bookings if one.booking_id == booking_id), None)


def _time(slot: Slot | None) -> tuple[int, int] | None:
    return None if slot is None else (slot.start_us, slot.duration_us)

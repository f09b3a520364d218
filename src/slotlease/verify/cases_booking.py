"""CreateBooking: what the answer must say, tokens, capacity, mistakes. What becomes of it is in cases_update.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from slotlease.verify.answer import ALREADY_BOOKED, INVALID_ARGUMENT, OK, SLOT_UNAVAILABLE
from slotlease.verify.caller import AVAILABILITY, CREATE_BOOKING
from slotlease.verify.case import case
from slotlease.verify.cases_availability import NOBODY, no_such_time
from slotlease.verify.shop import Slot, Version
from slotlease.verify.trial import FILL_MAX, STANDING, NotTried, Trial, said

OVERLAPPING: Final = "OVERLAPPING_RESERVATION"

_BOOKING = "CreateBooking; Booking"
_BOOKINGS = (CREATE_BOOKING,)
_TOKENS = (CREATE_BOOKING, AVAILABILITY)
"""Version 0 has no token in CreateBooking, and does not tell availability either."""


@case(
    "booking.made",
    "a free slot is booked",
    rule="CreateBooking answers with the booking: an id, and a status of CONFIRMED, or PENDING_MERCHANT_CONFIRMATION "
    "where the merchant answers later.",
    source=f"{_BOOKING}; Google's test list: book requested slot",
    hint="See what the server answered; most often a field of the request is not understood.",
    needs=_BOOKINGS,
)
def _made(t: Trial) -> None:
    answer = t.caller.create_booking(t.wish(t.slot()))
    booking = t.value(answer)
    t.holds(bool(booking.booking_id), "a booking_id", "none", answer)
    t.holds(booking.status in STANDING, " or ".join(STANDING), booking.status, answer)


@case(
    "booking.echo.slot",
    "the booking has the slot that was asked for",
    rule="The answer's slot repeats the request's values; another start is a listed common mistake.",
    source=f"{_BOOKING}; Common issues",
    hint="A time zone, or a slot built from the database without its tag or resources.",
    needs=_TOKENS,
)
def _echo_slot(t: Trial) -> None:
    slot = t.slot(rich=True, kind="resources or an availability_tag")
    answer = t.caller.create_booking(t.wish(slot))
    t.equal("slot", slot, t.prepared(answer, "a booking").slot, answer)


@case(
    "booking.echo.user",
    "the booking has the user who asked for it",
    rule="user_information is in the booking that CreateBooking answers with, as it was sent.",
    source=f"{_BOOKING}; UserInformation",
    hint="The partner's own customer record is answered instead of what Google sent.",
    needs=_BOOKINGS,
)
def _echo_user(t: Trial) -> None:
    wish = t.wish(t.slot())
    answer = t.caller.create_booking(wish)
    sent = wish.user if t.version is not Version.V0 else replace(wish.user, user_id="")
    t.equal("user", sent, t.prepared(answer, "a booking").user, answer)


@case(
    "booking.id",
    "each booking has an id of its own",
    rule="booking_id is unique over all bookings of the partner.",
    source="Booking; Best practices",
    hint="The id is the slot's, or the user's.",
    needs=_BOOKINGS,
)
def _id(t: Trial) -> None:
    one, other = (t.booked(slot).booking_id for slot in t.two_slots())
    t.holds(one != other, "two ids", f"twice {one}")


@case(
    "booking.takes-spot",
    "a booking takes one spot",
    rule="After a booking there is one spot less to be had.",
    source="CheckAvailability; BatchAvailabilityLookup: the truth at that instant",
    hint="Availability is answered from a cache, or from the feed.",
    needs=_BOOKINGS,
)
def _takes_spot(t: Trial) -> None:
    slot = t.counted()
    before = t.spots_before(slot)
    t.booked(slot)
    t.spots_are(slot, before - 1)


@case(
    "booking.token.same",
    "the same request gets the same answer",
    rule="After success, the same request with the same token gets the same response.",
    source="Google's test list: repeat after success; CreateBooking: idempotency",
    hint="The token is not looked up, or not kept in the transaction that makes the booking.",
    needs=_BOOKINGS,
)
def _token_same(t: Trial) -> None:
    wish = t.wish(t.slot(spots_min=2, kind="2 open spots"))
    first = t.prepared(t.caller.create_booking(wish), "a booking")
    again = t.caller.create_booking(wish)
    t.equal("booking", first, t.value(again), again)


@case(
    "booking.token.one-effect",
    "the same token takes one spot",
    rule="One token, one booking, however often it is sent.",
    source="CreateBooking: idempotency",
    hint="The answer is remembered, but the booking is made again.",
    needs=_BOOKINGS,
)
def _token_one_effect(t: Trial) -> None:
    slot = t.counted(2)
    before, wish = t.spots_before(slot), t.wish(slot)
    t.prepared(t.caller.create_booking(wish), "a booking")
    t.caller.create_booking(wish)
    t.spots_are(slot, before - 1)


@case(
    "booking.token.other-content",
    "the same token with another request is no second booking",
    rule="A token names one request. What another one with it gets, no page says: an error tells the mistake.",
    source="CreateBooking: idempotency_token (reuse left open)",
    hint="The token is found and the request is not compared, or the token is not looked up at all.",
    needs=_TOKENS,
    required=False,
)
def _token_other_content(t: Trial) -> None:
    one, other = t.two_slots()
    wish = t.wish(one)
    t.prepared(t.caller.create_booking(wish), "a booking")
    t.expect(t.caller.create_booking(replace(wish, slot=other)), INVALID_ARGUMENT)


@case(
    "booking.token.after-failure",
    "a failed attempt is tried again",
    rule="A refusal is not remembered: the same request, sent when the slot is free again, books it.",
    source="Google's test list: repeat after failure",
    hint="The refusal was stored under the token.",
    needs=_TOKENS,
)
def _token_after_failure(t: Trial) -> None:
    slot = t.single()
    first = t.booked(slot)
    wish = t.wish(slot)
    refused = t.caller.create_booking(wish)
    if refused.word == OK:
        raise NotTried("it needs a slot that is full, and the server booked it once more")
    t.prepared(t.caller.cancel(first.booking_id), "a cancellation")
    t.expect(t.caller.create_booking(wish), OK)


@case(
    "booking.full",
    "a slot that is full is refused with its cause",
    rule="The last spot taken, the next booking is answered SLOT_UNAVAILABLE (v2, v3: OK with a booking_failure; v0: "
    "RESOURCE_EXHAUSTED).",
    source="BookingFailure; Google's test list: business failure in the response",
    hint="A refusal of business is sent as a status code, or without its cause.",
    needs=_TOKENS,
)
def _full(t: Trial) -> None:
    slot = t.single()
    t.booked(slot)
    t.expect(t.caller.create_booking(t.wish(slot)), SLOT_UNAVAILABLE)


@case(
    "booking.full.none-left",
    "a slot that is full has no spot",
    rule="count_available is 0 and the lookup says false, with OK: being full is no error.",
    source="CheckAvailability; BatchAvailabilityLookup",
    hint="Availability is answered from a cache, or from the feed.",
    needs=_TOKENS,
)
def _full_none_left(t: Trial) -> None:
    slot = t.single()
    t.booked(slot)
    t.equal("spots to be had", 0, t.free(slot))


@case(
    "booking.fill",
    "a class is filled to its last spot, and not beyond",
    rule="As many bookings as there are open spots succeed; the next one is SLOT_UNAVAILABLE.",
    source="Google's test list: a class can be filled to its capacity",
    hint="Capacity is compared with one too many or one too few, or read before the lock.",
    needs=_TOKENS,
)
def _fill(t: Trial) -> None:
    offer = t.offers(1, spots_min=2, spots_max=FILL_MAX, kind=f"2 to {FILL_MAX} open spots")[0]
    for number in range(offer.spots_open):
        answer = t.caller.create_booking(t.wish(offer.slot))
        t.holds(answer.word == OK, f"booking {number + 1} of {offer.spots_open} succeeds", said(answer), answer)
    t.expect(t.caller.create_booking(t.wish(offer.slot)), SLOT_UNAVAILABLE)


@case(
    "booking.double",
    "a user's second booking of the same slot",
    rule="A partner may refuse it (SLOT_ALREADY_BOOKED_BY_USER, OVERLAPPING_RESERVATION) or allow it.",
    source="BookingFailure (left open)",
    hint="Nothing need be wrong: say in your own tests which of the two you mean.",
    needs=_TOKENS,
    required=False,
)
def _double(t: Trial) -> None:
    slot = t.slot(spots_min=2, kind="2 open spots")
    user = t.names.user()
    t.booked(slot, user)
    answer = t.caller.create_booking(t.wish(slot, user))
    t.expect(answer, ALREADY_BOOKED, OVERLAPPING)


@case(
    "booking.missing",
    "required fields left out, one by one",
    rule="A request without one of slot, user (each of its fields) or token is INVALID_ARGUMENT.",
    source="CreateBooking; UserInformation; Slot: required fields",
    hint="proto3 gives an empty text or zero for what is missing: check for it.",
    needs=_BOOKINGS,
)
def _missing(t: Trial) -> None:
    wish = t.wish(t.slot())
    accepted = []
    for field in t.caller.required[CREATE_BOOKING]:
        answer = t.caller.create_booking(replace(wish, without=field))
        if answer.word != INVALID_ARGUMENT:
            accepted.append(f"without {field}: {said(answer)}")
    t.holds(not accepted, "INVALID_ARGUMENT for each", "; ".join(accepted))


@case(
    "booking.unknown-merchant",
    "a booking at a merchant that there is not",
    rule="Unknown data is a status code: INVALID_ARGUMENT.",
    source="Implement the booking server: two kinds of error; Status codes",
    hint="An empty result of a query is taken for a full slot.",
    needs=_TOKENS,
)
def _unknown_merchant(t: Trial) -> None:
    _refuses(t, replace(t.around.offers[0].slot, merchant_id=NOBODY))


@case(
    "booking.unknown-service",
    "a booking of a service that there is not",
    rule="Unknown data is a status code: INVALID_ARGUMENT.",
    source="Implement the booking server: two kinds of error; Status codes",
    hint="As for an unknown merchant.",
    needs=_TOKENS,
)
def _unknown_service(t: Trial) -> None:
    _refuses(t, replace(t.around.offers[0].slot, service_id=NOBODY))


@case(
    "booking.unknown-slot",
    "a booking of a start at which nothing begins",
    rule="It is refused: INVALID_ARGUMENT; no page forbids SLOT_UNAVAILABLE, as of a slot that was taken off sale.",
    source="Implement the booking server: two kinds of error (left open)",
    hint="The start is rounded, or the slot is made up as it is asked for.",
    needs=_TOKENS,
)
def _unknown_slot(t: Trial) -> None:
    answer = t.caller.create_booking(t.wish(no_such_time(t)))
    t.expect(answer, INVALID_ARGUMENT, open_words=(SLOT_UNAVAILABLE,))


def _refuses(t: Trial, slot: Slot) -> None:
    t.expect(t.caller.create_booking(t.wish(slot)), INVALID_ARGUMENT)

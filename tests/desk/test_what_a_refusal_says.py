"""Every refusal in its whole: the field or cause that a program reads, and the words that a person does. The words are
part of what callers get, so that they change only when somebody means it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from slotlease.desk.answer_booking import AnswerBooking
from slotlease.desk.batch import TRIES_MAX
from slotlease.desk.batch_availability_lookup import BatchAvailabilityLookup
from slotlease.desk.book_lease import BookLease
from slotlease.desk.check_availability import CheckAvailability
from slotlease.desk.desk import Desk
from slotlease.desk.fault import Unavailable
from slotlease.desk.get_booking_status import GetBookingStatus
from slotlease.desk.list_bookings import ListBookings
from slotlease.desk.release_lease import ReleaseLease
from slotlease.desk.show_lease import ShowLease
from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import BookingStatus, PaymentInformation, PrepaymentStatus, user_key
from slotlease.domain.failure import BookingFailure, Cause, InvalidArgument, NotFound, Reason
from slotlease.domain.merchant import Service
from slotlease.domain.slot import SECOND_US
from tests.desk.broken import conflict, lossy, unavailable
from tests.support import HOUR_US, Offered, Shop, booked, open_shop

TEN = Offered(spots_total=3)
ELEVEN = replace(TEN, start_us=TEN.start_us + HOUR_US)
WINDOW_S = 3600
TOKEN = "token-of-a-test"  # noqa: S105 - no password


# --- leases ------------------------------------------------------------------------------------------------------


def lease_with_the_token_of_another(shop: Shop) -> object:
    shop.lease(TEN.asked(), reference="r")
    return shop.ask(shop.create_lease(ELEVEN.asked(), reference="r"))


def lease_at_no_merchant(shop: Shop) -> object:
    return shop.ask(shop.create_lease(TEN.asked("nobody")))


def lease_for_no_service(shop: Shop) -> object:
    return shop.ask(shop.create_lease(replace(TEN.asked(), service_id="nothing")))


def lease_of_no_staff(shop: Shop) -> object:
    return shop.ask(shop.create_lease(replace(TEN, staff_id="nobody").asked()))


def lease_of_a_slot_with_another_tag(shop: Shop) -> object:
    return shop.ask(shop.create_lease(replace(TEN.asked(), availability_tag="last week's")))


def lease_of_a_full_slot(shop: Shop) -> object:
    for _ in range(TEN.spots_total):
        shop.lease(TEN.asked())
    return shop.ask(shop.create_lease(TEN.asked()))


def lease_half_a_second_before(shop: Shop) -> object:
    shop.clock.now_us = TEN.start_us - SECOND_US // 2
    return shop.ask(shop.create_lease(TEN.asked()))


def release_of_nothing(shop: Shop) -> object:
    return shop.ask(ReleaseLease("l1-1-00"))


def look_at_no_lease(shop: Shop) -> object:
    return shop.ask(ShowLease("l1-1-00"))


# --- bookings ----------------------------------------------------------------------------------------------------


def booking_with_the_token_of_another(shop: Shop) -> object:
    shop.book(TEN.asked(), token=TOKEN)
    return shop.ask(shop.create_booking(TEN.asked(), user_id="u2", token=TOKEN))


def lease_booked_at_no_merchant(shop: Shop) -> object:
    lease = shop.lease(TEN.asked())
    return shop.ask(shop.create_booking(TEN.asked("nobody"), lease_id=lease.lease_id))


def lease_booked_for_no_service(shop: Shop) -> object:
    lease = shop.lease(TEN.asked())
    return shop.ask(shop.create_booking(replace(TEN.asked(), service_id="nothing"), lease_id=lease.lease_id))


def lease_booked_for_another_slot(shop: Shop) -> object:
    return shop.ask(shop.create_booking(ELEVEN.asked(), lease_id=shop.lease(TEN.asked()).lease_id))


def second_booking_of_a_user(shop: Shop) -> object:
    shop.book(TEN.asked())
    return shop.ask(shop.create_booking(TEN.asked()))


def booking_to_be_charged(shop: Shop) -> object:
    return shop.ask(replace(shop.create_booking(TEN.asked()), asks_to_charge=True))


def booking_with_an_offer(shop: Shop) -> object:
    return shop.ask(replace(shop.create_booking(TEN.asked()), asks_for_offer=True))


# --- updates -----------------------------------------------------------------------------------------------------


def move_of_a_cancelled_booking(shop: Shop) -> object:
    booking = shop.book(TEN.asked())
    shop.cancel(booking)
    return shop.move(booking, start_us=ELEVEN.start_us)


def other_service(shop: Shop) -> object:
    return shop.ask(UpdateBooking(shop.book(TEN.asked()).booking_id, service_id="colour"))


def status_no_show(shop: Shop) -> object:
    return shop.ask(UpdateBooking(shop.book(TEN.asked()).booking_id, status=BookingStatus.NO_SHOW))


def cancelled_and_moved(shop: Shop) -> object:
    booking = shop.book(TEN.asked())
    return shop.ask(UpdateBooking(booking.booking_id, status=BookingStatus.CANCELED, start_us=ELEVEN.start_us))


def move_onto_a_booking_of_the_same_user(shop: Shop) -> object:
    shop.book(ELEVEN.asked())
    return shop.move(shop.book(TEN.asked()), start_us=ELEVEN.start_us)


def move_too_late(shop: Shop) -> object:
    booking = shop.book(TEN.asked())
    shop.clock.now_us = TEN.start_us - WINDOW_S * SECOND_US + 1
    return shop.move(booking, start_us=ELEVEN.start_us)


def cancel_too_late(shop: Shop) -> object:
    booking = shop.book(TEN.asked())
    shop.clock.now_us = TEN.start_us - WINDOW_S * SECOND_US + 1
    return shop.cancel(booking)


def answer_to_a_cancelled_booking(shop: Shop) -> object:
    booking = shop.book(TEN.asked())
    shop.cancel(booking)
    return shop.ask(AnswerBooking(booking.booking_id, confirms=True))


def answer_nobody_waits_for(shop: Shop) -> object:
    return shop.ask(AnswerBooking(shop.book(TEN.asked()).booking_id, confirms=False))


# --- reads -------------------------------------------------------------------------------------------------------


def bookings_of_a_stranger(shop: Shop) -> object:
    return shop.ask(ListBookings(user_key("stranger")))


def status_of_nothing(shop: Shop) -> object:
    return shop.ask(GetBookingStatus("b1-1-00"))


def slots_of_no_merchant(shop: Shop) -> object:
    return shop.ask(BatchAvailabilityLookup("nobody", (TEN.asked(),)))


def check_of_no_slot(shop: Shop) -> object:
    return shop.ask(CheckAvailability(replace(TEN.asked(), start_us=TEN.start_us + 1)))


REUSED, UNKNOWN = Reason.IDEMPOTENCY_TOKEN_REUSED, Reason.SLOT_UNKNOWN
NO_MERCHANT = "no merchant with this id takes bookings here"
REFUSALS: dict[Callable[[Shop], object], object] = {
    lease_with_the_token_of_another: InvalidArgument(
        "client_reference", "this token was used for a lease of another slot of the merchant; use a new one", REUSED
    ),
    lease_half_a_second_before: BookingFailure(Cause.SLOT_UNAVAILABLE, "less than a second is left to book the slot"),
    lease_for_no_service: InvalidArgument("slot.service_id", "the merchant offers no service with this id", UNKNOWN),
    lease_of_no_staff: InvalidArgument("slot.resources", "the merchant has no such staff or room", UNKNOWN),
    lease_of_a_slot_with_another_tag: InvalidArgument(
        "slot.availability_tag", "the slot carries another availability_tag", UNKNOWN
    ),
    lease_of_a_full_slot: BookingFailure(Cause.SLOT_UNAVAILABLE, "no spot of the slot is free"),
    lease_at_no_merchant: InvalidArgument("slot.merchant_id", NO_MERCHANT, UNKNOWN),
    release_of_nothing: NotFound("lease_id", "no lease with this id"),
    look_at_no_lease: NotFound("lease_id", "no lease with this id"),
    booking_with_the_token_of_another: InvalidArgument(
        "idempotency_token", "this token was used for a booking with other content; use a new one", REUSED
    ),
    lease_booked_at_no_merchant: InvalidArgument("slot.merchant_id", NO_MERCHANT, UNKNOWN),
    lease_booked_for_no_service: InvalidArgument(
        "slot.service_id", "the merchant offers no service with this id", UNKNOWN
    ),
    lease_booked_for_another_slot: InvalidArgument(
        "slot",
        "the slot is not the one the lease holds; send the slot exactly as it was leased",
        Reason.SLOT_DIFFERS_FROM_LEASE,
    ),
    second_booking_of_a_user: BookingFailure(Cause.SLOT_ALREADY_BOOKED_BY_USER, "this user has a booking of this slot"),
    booking_to_be_charged: BookingFailure(
        Cause.PAYMENT_ERROR, "this server charges nobody; book without partner payment"
    ),
    booking_with_an_offer: BookingFailure(Cause.OFFER_UNAVAILABLE, "this server knows no offers; book without one"),
    move_of_a_cancelled_booking: BookingFailure(
        Cause.BOOKING_ALREADY_CANCELLED, "the booking is cancelled; make a new one"
    ),
    other_service: InvalidArgument("slot.service_id", "this cannot be changed; cancel the booking and make a new one"),
    status_no_show: InvalidArgument("status", "the only status a caller may set is CANCELED"),
    cancelled_and_moved: InvalidArgument("slot", "a booking is either cancelled or moved, not both at once"),
    move_onto_a_booking_of_the_same_user: BookingFailure(
        Cause.SLOT_ALREADY_BOOKED_BY_USER, "this user has another booking of that slot"
    ),
    move_too_late: BookingFailure(Cause.OUTSIDE_CANCELLATION_WINDOW, "it is too late to move this booking"),
    cancel_too_late: BookingFailure(Cause.OUTSIDE_CANCELLATION_WINDOW, "it is too late to cancel this booking"),
    answer_to_a_cancelled_booking: BookingFailure(
        Cause.BOOKING_ALREADY_CANCELLED, "the booking is cancelled; make a new one"
    ),
    answer_nobody_waits_for: InvalidArgument("booking_id", "the booking waits for no answer: it is CONFIRMED"),
    bookings_of_a_stranger: NotFound("user_id", "no booking of a user with this id"),
    status_of_nothing: NotFound("booking_id", "no booking with this id"),
    slots_of_no_merchant: InvalidArgument("merchant_id", NO_MERCHANT, UNKNOWN),
    check_of_no_slot: InvalidArgument(
        "slot.start_time", "the service has no slot with this start, duration and resources", UNKNOWN
    ),
}


@pytest.mark.parametrize("refused", REFUSALS, ids=lambda refused: refused.__name__)
def test_refusal_says_exactly_this(shop: Shop, refused: Callable[[Shop], object]) -> None:
    shop.serve(Service(0, 0, "cut", min_advance_online_canceling_s=WINDOW_S))
    shop.offer(TEN, ELEVEN)
    assert refused(shop) == REFUSALS[refused]


def test_store_that_is_away_is_said_to_be_away(shop: Shop) -> None:
    shop.offer(TEN)
    lossy(shop, unavailable)
    with pytest.raises(Unavailable, match=r"^the store is not available: the disk is full$"):
        shop.ask(shop.create_lease(TEN.asked()))


def test_store_that_is_away_all_the_time_is_said_to_be_away_by_the_last_try(shop: Shop) -> None:
    shop.offer(TEN)
    lossy(shop, *[conflict] * TRIES_MAX)
    with pytest.raises(Unavailable, match=r"^the store is not available: another writer came between$"):
        shop.ask(shop.create_lease(TEN.asked()))


def test_store_that_cannot_be_read_is_said_to_be_away(tmp_path: Path) -> None:
    shop = open_shop(tmp_path)
    shop.store.close()
    with pytest.raises(Unavailable, match=r"^the store is not available: (?!None$)."):
        shop.ask(CheckAvailability(TEN.asked()))


def test_booking_made_by_lease_alone_keeps_its_payment_and_asks_for_nothing_more(shop: Shop) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked())
    paid = PaymentInformation(PrepaymentStatus.PROVIDED, "tx-1")
    asked = shop.create_booking(TEN.asked())
    request = BookLease(lease.lease_id, "someone", asked.user, paid, asks_to_charge=False, secret=asked.secret)
    booking = booked(shop.ask(request))
    assert (booking.payment, booking.additional_request) == (paid, "")


def test_lanes_of_the_desk_are_found_by_name_among_the_threads(shop: Shop) -> None:
    desk = Desk(shop.store, shop.rules, shop.report)
    names = {thread.name: thread.daemon for thread in threading.enumerate()}
    desk.close()
    # A desk that was forgotten must not keep the process from ending.
    assert names["desk-writes"]
    assert names["desk-reads"]

"""CreateBooking without a lease: the slot is booked directly, once for each token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from slotlease.desk.create_booking import CreateBooking
from slotlease.domain.booking import (
    BookingStatus,
    PaymentInformation,
    PaymentProcessedBy,
    PrepaymentStatus,
    Price,
    UserInformation,
)
from slotlease.domain.failure import Cause, Reason
from slotlease.domain.merchant import Service
from slotlease.domain.opaque_id import parse_row_id
from slotlease.domain.slot import AskedSlot, Resources
from tests.desk.checks import cause_of, count_rows, events, invalid, reason_of, retire_merchant
from tests.support import HOUR_US, NOON_US, Offered, Shop, booked, open_shop

T1 = "t1"
TEN = Offered()
ELEVEN = replace(TEN, start_us=TEN.start_us + HOUR_US)
CLASS = replace(TEN, spots_total=3)
PAID = PaymentInformation(PrepaymentStatus.PROVIDED, price=Price(1, "CHF"))


def test_booking_takes_a_spot_for_ever_under_an_id_of_ours(shop: Shop, tmp_path: Path) -> None:
    shop.offer(TEN)
    booking = shop.book(TEN.asked(), user_id="u7", token=T1)
    assert parse_row_id("b", booking.booking_id) is not None
    assert booking.status is booking.status_created is BookingStatus.CONFIRMED
    assert booking.slot == booking.slot_created == TEN.asked()
    assert (booking.user_key, booking.user.user_id) == ("id:u7", "u7")
    assert (booking.revision, booking.lease_no, booking.created_us) == (1, 0, NOON_US)
    assert shop.store.bookings(limit=9) == [booking]
    assert events(tmp_path) == [("BOOKING_CREATED", booking.booking_no, 1)]
    shop.clock.now_us = TEN.start_us - 1
    assert shop.count_available(TEN.asked()) == 0


def test_booked_class_has_one_spot_for_each_user_and_not_one_more(shop: Shop) -> None:
    shop.offer(CLASS)
    assert [shop.book(CLASS.asked(), user_id=f"u{n}").spot_no for n in range(3)] == [1, 2, 3]
    assert cause_of(shop.ask(shop.create_booking(CLASS.asked(), user_id="u9"))) is Cause.SLOT_UNAVAILABLE


@pytest.mark.parametrize(
    "unbookable",
    [
        replace(TEN, closed=True),
        replace(TEN, start_us=NOON_US),
        replace(TEN, first_bookable_us=NOON_US + 1),
        replace(TEN, last_bookable_us=NOON_US - 1),
        replace(TEN, spots_elsewhere=1),
    ],
)
def test_slot_that_cannot_be_had_is_refused_as_unavailable(shop: Shop, unbookable: Offered, tmp_path: Path) -> None:
    shop.offer(unbookable)
    assert cause_of(shop.ask(shop.create_booking(unbookable.asked()))) is Cause.SLOT_UNAVAILABLE
    assert count_rows(tmp_path, "booking") == count_rows(tmp_path, "event") == count_rows(tmp_path, "spot") == 0


def test_slot_held_by_a_live_lease_cannot_be_booked_without_it(shop: Shop) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked())
    shop.clock.now_us = lease.expires_us - 1
    assert cause_of(shop.ask(shop.create_booking(TEN.asked()))) is Cause.SLOT_UNAVAILABLE
    shop.clock.advance(us=1)
    assert shop.book(TEN.asked()).spot_no == lease.spot_no


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (replace(TEN.asked(), merchant_id="m2"), "slot.merchant_id"),
        (replace(TEN.asked(), service_id="dye"), "slot.service_id"),
        (replace(TEN.asked(), resources=Resources("cleo")), "slot.resources"),
        (replace(TEN.asked(), start_us=1), "slot.start_time"),
        (replace(TEN.asked(), availability_tag="monday"), "slot.availability_tag"),
    ],
)
def test_what_no_feed_offers_is_invalid(shop: Shop, wrong: AskedSlot, field: str) -> None:
    shop.offer(TEN)
    assert invalid(shop.ask(shop.create_booking(wrong))) == (Reason.SLOT_UNKNOWN, field)


# --- asynchronous ------------------------------------------------------------------------------------------------


def test_booking_that_its_merchant_must_confirm_is_pending_and_holds_its_spot(shop: Shop) -> None:
    shop.offer(replace(TEN, asynchronous=True))
    booking = shop.book(TEN.asked())
    assert booking.status is booking.status_created is BookingStatus.PENDING_MERCHANT_CONFIRMATION
    assert shop.count_available(TEN.asked()) == 0
    shop.cancel(booking)
    assert shop.count_available(TEN.asked()) == 1


# --- the same user -----------------------------------------------------------------------------------------------


def test_user_has_at_most_one_booking_of_a_slot(shop: Shop) -> None:
    shop.offer(CLASS, ELEVEN)
    first = shop.book(CLASS.asked(), user_id="u1")
    again = shop.create_booking(CLASS.asked(), user_id="u1")
    assert cause_of(shop.ask(again)) is Cause.SLOT_ALREADY_BOOKED_BY_USER
    shop.book(CLASS.asked(), user_id="u2")
    shop.book(ELEVEN.asked(), user_id="u1")
    shop.cancel(first)
    assert booked(shop.ask(again)).user_key == "id:u1"


def test_service_may_allow_a_user_several_bookings_of_a_slot(shop: Shop) -> None:
    shop.serve(Service(0, 0, "cut", one_booking_per_user=False))
    shop.offer(CLASS)
    assert [shop.book(CLASS.asked(), user_id="u1").spot_no for _ in range(3)] == [1, 2, 3]


def test_users_are_told_apart_exactly(shop: Shop) -> None:
    shop.offer(CLASS)
    for user_id in ("u1", "U1", "u1 "):
        shop.book(CLASS.asked(), user_id=user_id)


def test_user_of_another_merchant_is_no_double(shop: Shop) -> None:
    shop.offer(TEN)
    shop.offer(TEN, merchant_id="m2")
    shop.book(TEN.asked("m1"), user_id="u1")
    shop.book(TEN.asked("m2"), user_id="u1")


# --- payment: docs/decisions/0005 --------------------------------------------------------------------------------


def charging(operation: CreateBooking) -> CreateBooking:
    return replace(operation, asks_to_charge=True)


def test_request_that_asks_us_to_charge_is_refused_and_books_nothing(shop: Shop, tmp_path: Path) -> None:
    shop.offer(TEN)
    by_partner = replace(PAID, payment_processed_by=PaymentProcessedBy.PARTNER)
    for attempt in (
        charging(shop.create_booking(TEN.asked(), token=T1)),
        shop.create_booking(TEN.asked(), token=T1, payment=by_partner),
    ):
        assert cause_of(shop.ask(attempt)) is Cause.PAYMENT_ERROR
    assert count_rows(tmp_path, "booking") == 0
    assert shop.book(TEN.asked(), token=T1).idempotency_token == T1


@pytest.mark.parametrize("payment", [None, PaymentInformation(), PAID, replace(PAID, payment_transaction_id="7")])
def test_payment_facts_that_ask_for_nothing_are_kept(shop: Shop, payment: PaymentInformation | None) -> None:
    shop.offer(TEN)
    booking = booked(shop.ask(shop.create_booking(TEN.asked(), payment=payment)))
    assert booking.payment == payment
    assert shop.store.bookings(limit=1) == [booking]


# --- one token, one booking --------------------------------------------------------------------------------------


def nothing(shop: Shop, booking_id: str, folder: Path) -> None:
    pass


def a_month(shop: Shop, _booking_id: str, _folder: Path) -> None:
    shop.clock.advance(s=30 * 86_400)


def close_slot(shop: Shop, _booking_id: str, _folder: Path) -> None:
    shop.offer(replace(TEN, closed=True))


def retire_service(shop: Shop, _booking_id: str, _folder: Path) -> None:
    shop.store.put_catalogue("m1", "M1", [], [], [])


def retire(_shop: Shop, _booking_id: str, folder: Path) -> None:
    retire_merchant(folder)


@pytest.mark.parametrize("meanwhile", [nothing, a_month, close_slot, retire_service, retire])
def test_same_request_gets_the_same_booking_whatever_happened_meanwhile(
    shop: Shop, tmp_path: Path, meanwhile: Callable[[Shop, str, Path], None]
) -> None:
    shop.offer(TEN)
    booking = shop.book(TEN.asked(), token=T1)
    meanwhile(shop, booking.booking_id, tmp_path)
    assert shop.book(TEN.asked(), token=T1) == booking
    assert count_rows(tmp_path, "booking") == count_rows(tmp_path, "event") == 1


def test_same_request_after_a_cancellation_is_answered_as_created_and_books_nothing(shop: Shop) -> None:
    shop.offer(TEN)
    booking = shop.book(TEN.asked(), token=T1)
    shop.cancel(booking)
    replayed = shop.book(TEN.asked(), token=T1)
    assert replayed.booking_id == booking.booking_id
    assert (replayed.slot_created, replayed.status_created) == (booking.slot, booking.status)
    assert replayed.status is BookingStatus.CANCELED
    assert shop.count_available(TEN.asked()) == 1


def test_same_request_after_a_move_is_answered_as_created_and_books_nothing(shop: Shop) -> None:
    shop.offer(TEN, replace(ELEVEN, asynchronous=True))
    booking = shop.book(TEN.asked(), token=T1)
    moved = booked(shop.move(booking, start_us=ELEVEN.start_us))
    replayed = shop.book(TEN.asked(), token=T1)
    assert replayed == moved
    assert (replayed.slot_created, replayed.status_created) == (TEN.asked(), BookingStatus.CONFIRMED)
    assert shop.count_available(TEN.asked()) == 1


def test_same_request_after_a_restart_gets_the_same_booking(shop: Shop, tmp_path: Path) -> None:
    shop.offer(TEN)
    booking = booked(shop.ask(shop.create_booking(TEN.asked(), token=T1, payment=PAID)))
    again = open_shop(tmp_path, clock=shop.clock)
    assert booked(again.ask(again.create_booking(TEN.asked(), token=T1, payment=PAID))) == booking
    again.store.close()


def other_user(user: UserInformation) -> UserInformation:
    return replace(user, telephone="+41 44 000 00 01")


def test_token_used_for_other_content_is_refused(shop: Shop, tmp_path: Path) -> None:
    shop.offer(CLASS, ELEVEN)
    lease = shop.lease(CLASS.asked())
    first = shop.create_booking(CLASS.asked(), token=T1, payment=PAID)
    booking = booked(shop.ask(first))
    for other in (
        replace(first, slot=ELEVEN.asked()),
        replace(first, slot=replace(CLASS.asked(), resources=Resources())),
        replace(first, slot=replace(CLASS.asked(), service_id="dye")),
        replace(first, user=other_user(first.user)),
        shop.create_booking(CLASS.asked(), user_id="u2", token=T1, payment=PAID),
        replace(first, payment=None),
        replace(first, payment=replace(PAID, price=Price(2, "CHF"))),
        replace(first, lease_id=lease.lease_id),
    ):
        assert invalid(shop.ask(other)) == (Reason.IDEMPOTENCY_TOKEN_REUSED, "idempotency_token")
    assert booked(shop.ask(first)) == booking
    assert count_rows(tmp_path, "booking") == 1
    assert shop.book(CLASS.asked(), lease_id=lease.lease_id, user_id="u2").lease_no == lease.lease_no


def test_note_to_the_merchant_is_no_part_of_the_comparison(shop: Shop) -> None:
    shop.offer(TEN)
    first = shop.create_booking(TEN.asked(), token=T1)
    booking = booked(shop.ask(first))
    assert booked(shop.ask(replace(first, additional_request="a window seat"))) == booking


def test_token_stays_used_after_its_booking_was_cancelled(shop: Shop) -> None:
    shop.offer(TEN, ELEVEN)
    shop.cancel(shop.book(TEN.asked(), token=T1))
    answer = shop.ask(shop.create_booking(ELEVEN.asked(), token=T1))
    assert reason_of(answer) is Reason.IDEMPOTENCY_TOKEN_REUSED


def test_same_token_at_another_merchant_is_another_token(shop: Shop) -> None:
    shop.offer(TEN)
    shop.offer(TEN, merchant_id="m2")
    one, other = (shop.book(TEN.asked(merchant_id), token=T1) for merchant_id in ("m1", "m2"))
    assert one.booking_id != other.booking_id


def test_failed_attempt_is_never_remembered(shop: Shop) -> None:
    shop.offer(TEN, ELEVEN)
    holder = shop.book(TEN.asked(), user_id="u2")
    attempt = shop.create_booking(TEN.asked(), token=T1)
    assert cause_of(shop.ask(attempt)) is Cause.SLOT_UNAVAILABLE
    shop.cancel(holder)
    assert booked(shop.ask(attempt)).idempotency_token == T1


def test_token_of_a_failed_attempt_is_free_for_other_content(shop: Shop) -> None:
    shop.offer(replace(TEN, closed=True), ELEVEN)
    assert cause_of(shop.ask(shop.create_booking(TEN.asked(), token=T1))) is Cause.SLOT_UNAVAILABLE
    assert shop.book(ELEVEN.asked(), user_id="u2", token=T1).slot == ELEVEN.asked()

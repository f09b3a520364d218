"""The merchant confirms or declines a booking that waits for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from slotlease.desk.answer_booking import AnswerBooking
from slotlease.domain.booking import Booking, BookingStatus
from slotlease.domain.failure import Cause, Reason
from tests.desk.checks import cause_of, events, invalid, not_found
from tests.support import Offered, Shop, booked

WAITING = Offered(asynchronous=True)


@pytest.fixture
def booking(shop: Shop) -> Booking:
    shop.offer(WAITING)
    booking = shop.book(WAITING.asked())
    assert booking.status is BookingStatus.PENDING_MERCHANT_CONFIRMATION
    return booking


def answer(shop: Shop, booking: Booking, *, confirms: bool) -> Booking:
    return booked(shop.ask(AnswerBooking(booking.booking_id, confirms=confirms)))


def test_confirmed_booking_keeps_its_spot_and_tells_of_it(shop: Shop, booking: Booking, tmp_path: Path) -> None:
    confirmed = answer(shop, booking, confirms=True)
    assert confirmed == replace(booking, status=BookingStatus.CONFIRMED, revision=2)
    assert shop.store.bookings(limit=9) == [confirmed]
    assert shop.count_available(WAITING.asked()) == 0
    assert [kind for kind, _, _ in events(tmp_path)] == ["BOOKING_CREATED", "BOOKING_CONFIRMED"]


def test_declined_booking_is_cancelled_and_its_spot_is_free(shop: Shop, booking: Booking, tmp_path: Path) -> None:
    declined = answer(shop, booking, confirms=False)
    assert declined == replace(booking, status=BookingStatus.CANCELED, revision=2)
    assert shop.count_available(WAITING.asked()) == 1
    assert [kind for kind, _, _ in events(tmp_path)] == ["BOOKING_CREATED", "BOOKING_DECLINED"]


@pytest.mark.parametrize("confirms", [True, False])
def test_answer_given_twice_is_done_once(shop: Shop, booking: Booking, tmp_path: Path, confirms: bool) -> None:
    first = answer(shop, booking, confirms=confirms)
    assert answer(shop, booking, confirms=confirms) == first
    assert len(events(tmp_path)) == 2


def test_declined_booking_cannot_be_confirmed_any_more(shop: Shop, booking: Booking) -> None:
    answer(shop, booking, confirms=False)
    refusal = shop.ask(AnswerBooking(booking.booking_id, confirms=True))
    assert cause_of(refusal) is Cause.BOOKING_ALREADY_CANCELLED


def test_confirmed_booking_is_cancelled_and_not_declined(shop: Shop, booking: Booking, tmp_path: Path) -> None:
    answer(shop, booking, confirms=True)
    refusal = shop.ask(AnswerBooking(booking.booking_id, confirms=False))
    assert invalid(refusal) == (Reason.FIELD_INVALID, "booking_id")
    assert shop.count_available(WAITING.asked()) == 0
    assert len(events(tmp_path)) == 2


def test_merchant_answers_though_the_slot_has_begun_or_its_window_closed(shop: Shop, booking: Booking) -> None:
    shop.clock.now_us = booking.slot.start_us + 1
    assert answer(shop, booking, confirms=True).status is BookingStatus.CONFIRMED


def test_answers_to_one_booking_in_one_batch_are_judged_in_their_order(shop: Shop, booking: Booking) -> None:
    operations = [AnswerBooking(booking.booking_id, confirms=confirms) for confirms in (False, True, False)]
    first, second, third = shop.ask_all(operations)
    assert booked(first).status is BookingStatus.CANCELED
    assert cause_of(second) is Cause.BOOKING_ALREADY_CANCELLED
    assert third == first


@pytest.mark.parametrize("booking_id", ["", "nonsense", "b1-1-" + "0" * 32, "b9-9-" + "0" * 32])
def test_unknown_guessed_and_malformed_bookings_answer_alike(shop: Shop, booking: Booking, booking_id: str) -> None:
    assert booking.booking_id != booking_id
    assert not_found(shop.ask(AnswerBooking(booking_id, confirms=True))) == "booking_id"

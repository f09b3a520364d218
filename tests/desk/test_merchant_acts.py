"""The merchant books, moves and cancels for itself: its own rules for its users do not bind it, all others do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import Booking, BookingStatus
from slotlease.domain.event import Actor
from slotlease.domain.failure import Cause, Refusal
from slotlease.domain.merchant import Service
from slotlease.domain.slot import AskedSlot
from tests.desk.checks import cause_of, run_beside
from tests.support import HOUR_US, MINUTE_US, Offered, Shop, booked

TEN = Offered()
ELEVEN = replace(TEN, start_us=TEN.start_us + HOUR_US)
STRICT = Service(0, 0, "cut", min_advance_booking_s=86_400, min_advance_online_canceling_s=86_400)


def book(shop: Shop, slot: AskedSlot, *, user_id: str = "u1", token: str | None = None) -> Booking | Refusal:
    return shop.ask(replace(shop.create_booking(slot, user_id=user_id, token=token), actor=Actor.MERCHANT))


def move(shop: Shop, booking: Booking, start_us: int) -> Booking | Refusal:
    return shop.ask(UpdateBooking(booking.booking_id, start_us=start_us, actor=Actor.MERCHANT))


def cancel(shop: Shop, booking: Booking) -> Booking | Refusal:
    return shop.ask(UpdateBooking(booking.booking_id, status=BookingStatus.CANCELED, actor=Actor.MERCHANT))


def actors(folder: Path) -> Sequence[tuple[str, str]]:
    found = run_beside(folder, "SELECT kind, actor FROM event ORDER BY merchant_no, event_no")
    return [(kind, actor) for kind, actor in found]


def test_event_says_who_did_it(shop: Shop, tmp_path: Path) -> None:
    shop.offer(TEN, ELEVEN)
    booking = booked(book(shop, TEN.asked()))
    booked(move(shop, booking, ELEVEN.start_us))
    booked(cancel(shop, booking))
    shop.cancel(shop.book(TEN.asked()))
    assert actors(tmp_path) == [
        ("BOOKING_CREATED", "MERCHANT"),
        ("BOOKING_MOVED", "MERCHANT"),
        ("BOOKING_CANCELED", "MERCHANT"),
        ("BOOKING_CREATED", "USER"),
        ("BOOKING_CANCELED", "USER"),
    ]


def test_no_lead_time_and_no_window_binds_the_merchant(shop: Shop) -> None:
    shop.serve(STRICT)
    shop.offer(TEN, ELEVEN)
    shop.clock.now_us = TEN.start_us - MINUTE_US
    assert cause_of(shop.ask(shop.create_booking(TEN.asked()))) is Cause.SLOT_UNAVAILABLE
    booking = booked(book(shop, TEN.asked()))
    assert cause_of(shop.move(booking, start_us=ELEVEN.start_us)) is Cause.OUTSIDE_CANCELLATION_WINDOW
    moved = booked(move(shop, booking, ELEVEN.start_us))
    assert moved.slot.start_us == ELEVEN.start_us
    assert cause_of(shop.cancel(moved)) is Cause.OUTSIDE_CANCELLATION_WINDOW
    assert booked(cancel(shop, moved)).status is BookingStatus.CANCELED


@pytest.mark.parametrize(("step_us", "is_booked"), [(-1, True), (0, False)])
def test_walk_in_may_take_a_slot_until_it_is_over(shop: Shop, step_us: int, is_booked: bool) -> None:
    shop.offer(TEN)
    shop.clock.now_us = TEN.start_us + TEN.duration_us + step_us
    answer = book(shop, TEN.asked())
    assert isinstance(answer, Booking) == is_booked


def test_merchant_waits_for_no_confirmation_of_its_own(shop: Shop) -> None:
    waiting, later = replace(TEN, asynchronous=True), replace(ELEVEN, asynchronous=True)
    shop.offer(waiting, later)
    booking = booked(book(shop, waiting.asked()))
    assert booking.status is BookingStatus.CONFIRMED
    assert booked(move(shop, booking, later.start_us)).status is BookingStatus.CONFIRMED


def test_spot_is_sold_once_whoever_sells_it(shop: Shop) -> None:
    shop.offer(TEN, ELEVEN)
    shop.lease(TEN.asked())
    assert cause_of(book(shop, TEN.asked())) is Cause.SLOT_UNAVAILABLE
    booking = booked(book(shop, ELEVEN.asked()))
    assert cause_of(shop.ask(shop.create_lease(ELEVEN.asked()))) is Cause.SLOT_UNAVAILABLE
    assert cause_of(move(shop, booking, TEN.start_us)) is Cause.SLOT_UNAVAILABLE


def test_busy_staff_binds_the_merchant_too(shop: Shop) -> None:
    ann, overlapping = replace(TEN, staff_id="ann"), replace(TEN, service_id="dye", staff_id="ann")
    shop.offer(ann, overlapping)
    shop.book(ann.asked())
    assert cause_of(book(shop, overlapping.asked(), user_id="u2")) is Cause.SLOT_UNAVAILABLE


def test_same_token_books_once(shop: Shop) -> None:
    shop.offer(replace(TEN, spots_total=2))
    first, second = (book(shop, TEN.asked(), token=token) for token in ("till 1", "till 1"))
    assert first == second
    assert len(shop.store.bookings(limit=9)) == 1

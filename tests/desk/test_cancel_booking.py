"""UpdateBooking with status CANCELED: a spot comes back exactly once, and only while the merchant's window is open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import BookingStatus
from slotlease.domain.failure import Cause, Reason
from slotlease.domain.merchant import Service
from tests.desk.checks import cause_of, events, invalid, not_found, retire_merchant
from tests.support import DAY_US, HOUR_US, NOON_US, Offered, Shop, booked

TEN = Offered()
ELEVEN = replace(TEN, start_us=TEN.start_us + HOUR_US)
DAY_BEFORE = Service(0, 0, "cut", min_advance_online_canceling_s=86_400)


def test_cancelled_booking_gives_its_spot_back(shop: Shop, tmp_path: Path) -> None:
    shop.offer(TEN)
    booking = shop.book(TEN.asked())
    cancelled = booked(shop.cancel(booking))
    assert cancelled == replace(booking, status=BookingStatus.CANCELED, revision=2)
    assert shop.store.bookings(limit=9) == [cancelled]
    assert shop.count_available(TEN.asked()) == 1
    number = booking.booking_no
    assert events(tmp_path) == [("BOOKING_CREATED", number, 1), ("BOOKING_CANCELED", number, 2)]
    assert shop.book(TEN.asked(), user_id="u2").spot_no == booking.spot_no


def test_cancelling_again_answers_the_booking_as_it_is_and_gives_nothing_back_twice(shop: Shop, tmp_path: Path) -> None:
    shop.offer(TEN)
    booking = shop.book(TEN.asked())
    cancelled = shop.cancel(booking)
    shop.book(TEN.asked(), user_id="u2")
    told = events(tmp_path)
    assert shop.cancel(booking) == cancelled
    assert shop.cancel(booking) == cancelled
    assert shop.count_available(TEN.asked()) == 0, "the spot is the next user's now"
    assert events(tmp_path) == told


def test_cancelling_again_is_answered_after_the_window_closed_too(shop: Shop) -> None:
    shop.offer(TEN)
    booking = shop.book(TEN.asked())
    cancelled = shop.cancel(booking)
    shop.clock.now_us = TEN.start_us + DAY_US
    assert shop.cancel(booking) == cancelled


@pytest.mark.parametrize(
    ("service", "offered", "by_us"),
    [
        pytest.param(Service(0, 0, "cut"), TEN, TEN.start_us, id="no rule: until the start"),
        pytest.param(DAY_BEFORE, replace(TEN, start_us=NOON_US + 2 * DAY_US), NOON_US + DAY_US, id="the service's"),
        pytest.param(
            DAY_BEFORE,
            replace(TEN, last_online_cancellable_us=TEN.start_us - HOUR_US),
            TEN.start_us - HOUR_US,
            id="the slot's own",
        ),
    ],
)
@pytest.mark.parametrize(("step_us", "in_time"), [(-1, True), (0, True), (1, False)])
def test_booking_may_be_cancelled_up_to_the_last_instant_of_its_window(
    shop: Shop, service: Service, offered: Offered, by_us: int, step_us: int, *, in_time: bool
) -> None:
    shop.serve(service)
    shop.offer(offered)
    booking = shop.book(offered.asked())
    shop.clock.now_us = by_us + step_us
    answer = shop.cancel(booking)
    if in_time:
        assert booked(answer).status is BookingStatus.CANCELED
    else:
        assert cause_of(answer) is Cause.OUTSIDE_CANCELLATION_WINDOW
        assert shop.store.bookings(limit=9) == [booking]


def test_booking_keeps_the_window_it_was_booked_with(shop: Shop) -> None:
    shop.offer(TEN)
    booking = shop.book(TEN.asked())
    shop.offer(replace(TEN, last_online_cancellable_us=NOON_US - 1))
    assert booked(shop.cancel(booking)).status is BookingStatus.CANCELED


def test_booking_is_cancelled_whatever_became_of_its_slot_and_merchant(shop: Shop, tmp_path: Path) -> None:
    shop.offer(TEN)
    booking = shop.book(TEN.asked())
    shop.offer(replace(TEN, closed=True))
    shop.store.put_catalogue("m1", "M1", [], [], [])
    retire_merchant(tmp_path)
    assert booked(shop.cancel(booking)).status is BookingStatus.CANCELED


def test_cancellation_may_name_the_slot_as_it_is(shop: Shop) -> None:
    shop.offer(TEN)
    booking = shop.book(TEN.asked())
    answer = shop.ask(
        UpdateBooking(
            booking.booking_id,
            BookingStatus.CANCELED,
            start_us=TEN.start_us,
            duration_us=TEN.duration_us,
            party_size=0,
            merchant_id="m1",
            service_id="cut",
            staff_id="",
            room_id="",
        )
    )
    assert booked(answer).status is BookingStatus.CANCELED


def test_booking_is_either_cancelled_or_moved(shop: Shop) -> None:
    shop.offer(TEN, ELEVEN)
    booking = shop.book(TEN.asked())
    both = UpdateBooking(booking.booking_id, BookingStatus.CANCELED, start_us=ELEVEN.start_us)
    assert invalid(shop.ask(both)) == (Reason.FIELD_INVALID, "slot")
    assert shop.store.bookings(limit=9) == [booking]


@pytest.mark.parametrize(
    "status",
    [BookingStatus.PENDING_MERCHANT_CONFIRMATION, BookingStatus.NO_SHOW, BookingStatus.NO_SHOW_PENALIZED],
)
def test_only_cancelling_may_be_asked_for_as_a_status(shop: Shop, status: BookingStatus) -> None:
    shop.offer(TEN)
    booking = shop.book(TEN.asked())
    assert invalid(shop.ask(UpdateBooking(booking.booking_id, status))) == (Reason.FIELD_INVALID, "status")
    assert shop.store.bookings(limit=9) == [booking]


def test_status_that_the_booking_has_already_is_fine(shop: Shop) -> None:
    shop.offer(TEN, replace(ELEVEN, asynchronous=True))
    for offered in (TEN, ELEVEN):
        booking = shop.book(offered.asked())
        assert shop.ask(UpdateBooking(booking.booking_id, booking.status)) == booking


@pytest.mark.parametrize(
    "change", [{"start_us": ELEVEN.start_us}, {"party_size": 4}, {"duration_us": 1}, {"start_us": TEN.start_us}, {}]
)
def test_cancelled_booking_cannot_be_changed_otherwise(
    shop: Shop, tmp_path: Path, change: dict[str, int | None]
) -> None:
    shop.offer(TEN, ELEVEN)
    booking = shop.book(TEN.asked())
    cancelled = shop.cancel(booking)
    told = events(tmp_path)
    answer = shop.ask(UpdateBooking(booking.booking_id, **change))  # type: ignore[arg-type] # single changes
    assert cause_of(answer) is Cause.BOOKING_ALREADY_CANCELLED
    assert shop.store.bookings(limit=9) == [cancelled]
    assert events(tmp_path) == told


def test_cancelled_booking_is_not_brought_back_by_its_status(shop: Shop) -> None:
    shop.offer(TEN)
    booking = shop.book(TEN.asked())
    cancelled = shop.cancel(booking)
    answer = shop.ask(UpdateBooking(booking.booking_id, BookingStatus.CONFIRMED))
    assert cause_of(answer) is Cause.BOOKING_ALREADY_CANCELLED
    assert shop.store.bookings(limit=9) == [cancelled]


def test_unknown_booking_is_not_found(shop: Shop) -> None:
    shop.offer(TEN)
    booking = shop.book(TEN.asked())
    for wrong in (
        "",
        "unknown",
        booking.booking_id.upper(),
        booking.booking_id[:-1] + ("0" if booking.booking_id[-1] != "0" else "1"),
        booking.booking_id.replace("b1-", "b2-"),
        "l" + booking.booking_id[1:],
    ):
        assert not_found(shop.ask(UpdateBooking(wrong, BookingStatus.CANCELED))) == "booking_id"
    assert shop.store.bookings(limit=9) == [booking]


def test_cancelled_booking_from_a_lease_does_not_bring_the_lease_back(shop: Shop) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked())
    booking = shop.book(TEN.asked(), lease_id=lease.lease_id)
    shop.cancel(booking)
    assert shop.count_available(TEN.asked()) == 1
    answer = shop.ask(shop.create_booking(TEN.asked(), lease_id=lease.lease_id))
    assert cause_of(answer) is Cause.LEASE_EXPIRED

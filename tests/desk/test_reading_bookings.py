"""GetBookingStatus and ListBookings: what a user has booked, and where each booking stands."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slotlease.desk.get_booking_status import GetBookingStatus
from slotlease.desk.list_bookings import ListBookings
from slotlease.domain.booking import Booking, user_key
from tests.desk.checks import not_found
from tests.support import DAY_US, HOUR_US, Offered, Shop, booked

TEN = Offered(spots_total=3)
ELEVEN = replace(TEN, start_us=TEN.start_us + HOUR_US)
TWELVE = replace(TEN, start_us=TEN.start_us + 2 * HOUR_US)


def listed(shop: Shop, user_id: str = "u1") -> list[Booking]:
    answer = shop.ask(ListBookings(user_key(user_id)))
    assert isinstance(answer, tuple), answer
    return list(answer)


def test_status_of_a_booking_is_its_present_state(shop: Shop) -> None:
    shop.offer(TEN, ELEVEN)
    booking = shop.book(TEN.asked())
    assert shop.ask(GetBookingStatus(booking.booking_id)) == booking
    moved = booked(shop.move(booking, start_us=ELEVEN.start_us))
    assert shop.ask(GetBookingStatus(booking.booking_id)) == moved
    cancelled = booked(shop.cancel(booking))
    shop.clock.advance(s=400 * 86_400)
    assert shop.ask(GetBookingStatus(booking.booking_id)) == cancelled


def test_unknown_guessed_and_malformed_bookings_answer_alike(shop: Shop) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked())
    booking = shop.book(TEN.asked())
    own = booking.booking_id
    guessed = own[:-1] + ("0" if own[-1] != "0" else "1")
    for wrong in ("", "unknown", own.upper(), own + "\n", guessed, own.replace("b1-", "b7-"), lease.lease_id):
        assert not_found(shop.ask(GetBookingStatus(wrong))) == "booking_id"


def test_bookings_of_a_user_are_listed_by_start_over_all_merchants(shop: Shop) -> None:
    shop.offer(TEN, TWELVE, merchant_id="m1")
    shop.offer(ELEVEN, TWELVE, merchant_id="m2")
    last_there = shop.book(TWELVE.asked("m2"))
    last = shop.book(TWELVE.asked("m1"))
    first = shop.book(TEN.asked("m1"))
    middle = shop.book(ELEVEN.asked("m2"))
    shop.book(TEN.asked("m1"), user_id="u2")
    assert listed(shop) == [first, middle, last, last_there]


def test_cancelled_bookings_are_not_listed(shop: Shop) -> None:
    shop.offer(TEN, ELEVEN)
    shop.cancel(shop.book(TEN.asked()))
    assert listed(shop) == [], "the user is known all the same"
    booking = shop.book(ELEVEN.asked())
    assert listed(shop) == [booking]


@pytest.mark.parametrize(("step_us", "upcoming"), [(-1, True), (0, False), (1, False)])
def test_booking_is_upcoming_until_it_starts(shop: Shop, step_us: int, *, upcoming: bool) -> None:
    shop.offer(TEN)
    booking = shop.book(TEN.asked())
    shop.clock.now_us = TEN.start_us + step_us
    assert listed(shop) == ([booking] if upcoming else [])


def test_user_is_known_while_any_booking_of_theirs_is_on_the_ledger(shop: Shop) -> None:
    shop.offer(TEN)
    assert not_found(shop.ask(ListBookings(user_key("u1")))) == "user_id"
    shop.cancel(shop.book(TEN.asked()))
    shop.clock.now_us = TEN.start_us + 400 * DAY_US
    assert listed(shop) == []
    assert not_found(shop.ask(ListBookings(user_key("u2")))) == "user_id"


def test_lease_and_refused_attempt_make_nobody_known(shop: Shop) -> None:
    shop.offer(replace(TEN, closed=True), ELEVEN)
    shop.lease(ELEVEN.asked(), reference="u1")
    shop.ask(shop.create_booking(TEN.asked(), user_id="u1"))
    assert not_found(shop.ask(ListBookings(user_key("u1")))) == "user_id"


def test_moved_booking_is_listed_where_it_is_now(shop: Shop) -> None:
    shop.offer(TEN, ELEVEN, TWELVE)
    late, early = shop.book(TWELVE.asked()), shop.book(ELEVEN.asked())
    moved = booked(shop.move(late, start_us=TEN.start_us))
    assert listed(shop) == [moved, early]


def test_pending_booking_is_listed(shop: Shop) -> None:
    shop.offer(replace(TEN, asynchronous=True))
    booking = shop.book(TEN.asked())
    assert listed(shop) == [booking]


def test_user_ids_are_compared_exactly(shop: Shop) -> None:
    shop.offer(TEN)
    shop.book(TEN.asked(), user_id="u1")
    for other in ("U1", "u1 ", "u", ""):
        assert not_found(shop.ask(ListBookings(user_key(other)))) == "user_id"


def test_reads_of_one_batch_see_one_instant(shop: Shop) -> None:
    shop.offer(TEN)
    booking = shop.book(TEN.asked())
    answers = shop.batches.read(
        [GetBookingStatus(booking.booking_id), ListBookings("id:u1"), ListBookings("id:u9"), GetBookingStatus("x")]
    )
    assert answers[:2] == [booking, (booking,)]
    assert [not_found(answer) for answer in answers[2:]] == ["user_id", "booking_id"]

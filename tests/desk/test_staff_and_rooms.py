"""A member of staff and a room are in one slot at a time; the spots of one slot share them (INV-2)."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest

from slotlease.desk.release_lease import ReleaseLease
from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.failure import BookingFailure, Cause
from tests.desk.checks import cause_of, events, run_beside
from tests.support import DAY_US, HOUR_US, MINUTE_US, Offered, Shop, booked

ANNA = Offered(staff_id="anna", spots_total=2)
RED = Offered(room_id="red", spots_total=2)


def later(one: Offered, by_us: int, *, service_id: str = "shave") -> Offered:
    return replace(one, start_us=one.start_us + by_us, service_id=service_id)


@pytest.mark.parametrize("one", [ANNA, RED], ids=["staff", "room"])
@pytest.mark.parametrize(
    ("by_us", "excluded"),
    [
        (0, True),
        (1, True),
        (HOUR_US - 1, True),
        (HOUR_US, False),
        (HOUR_US + 1, False),
        (1 - HOUR_US, True),
        (-HOUR_US, False),
        (-HOUR_US - 1, False),
    ],
)
def test_claim_forbids_overlapping_slots_of_the_same_staff_or_room(
    shop: Shop, one: Offered, by_us: int, *, excluded: bool
) -> None:
    other = later(one, by_us)
    shop.offer(one, other)
    shop.lease(one.asked())
    assert shop.count_available(other.asked()) == (0 if excluded else 2)
    answer = shop.ask(shop.create_lease(other.asked()))
    if excluded:
        assert cause_of(answer) is Cause.SLOT_UNAVAILABLE
        assert cause_of(shop.ask(shop.create_booking(other.asked()))) is Cause.SLOT_UNAVAILABLE
    else:
        assert not isinstance(answer, BookingFailure)


def test_spots_of_one_slot_share_their_staff_and_room(shop: Shop) -> None:
    shop.offer(replace(ANNA, room_id="red"))
    asked = replace(ANNA, room_id="red").asked()
    shop.lease(asked)
    shop.book(asked)
    assert cause_of(shop.ask(shop.create_lease(asked))) is Cause.SLOT_UNAVAILABLE


@pytest.mark.parametrize(
    ("one", "other", "excluded"),
    [
        pytest.param(ANNA, replace(ANNA, staff_id="ben"), False, id="other staff"),
        pytest.param(RED, replace(RED, room_id="blue"), False, id="other room"),
        pytest.param(ANNA, Offered(service_id="shave"), False, id="a slot without staff"),
        pytest.param(ANNA, replace(ANNA, party_size=4), True, id="the same staff for another party size"),
        pytest.param(replace(ANNA, room_id="red"), replace(ANNA, staff_id="ben", room_id="red"), True, id="same room"),
        pytest.param(replace(ANNA, room_id="red"), replace(ANNA, room_id="blue"), True, id="same staff"),
        pytest.param(replace(ANNA, room_id="red"), ANNA, True, id="same staff, no room"),
    ],
)
def test_sharing_one_of_staff_and_room_is_enough(shop: Shop, one: Offered, other: Offered, *, excluded: bool) -> None:
    shop.offer(one, other)
    shop.book(one.asked())
    assert (shop.count_available(other.asked()) == 0) is excluded


def test_staff_of_another_merchant_is_somebody_else(shop: Shop) -> None:
    shop.offer(ANNA)
    shop.offer(ANNA, merchant_id="m2")
    shop.book(ANNA.asked("m1"))
    assert shop.count_available(ANNA.asked("m2")) == 2


def test_staff_and_room_of_one_name_are_not_each_other(shop: Shop) -> None:
    one, other = replace(ANNA, staff_id="x"), replace(RED, room_id="x")
    shop.offer(one, other)
    shop.book(one.asked())
    assert shop.count_available(other.asked()) == 2


@pytest.mark.parametrize("end", ["expired", "released", "cancelled"])
def test_staff_is_free_again_when_the_claim_ends(shop: Shop, end: str) -> None:
    other = later(ANNA, HOUR_US // 2)
    shop.offer(ANNA, other)
    if end == "cancelled":
        shop.cancel(shop.book(ANNA.asked()))
    else:
        lease = shop.lease(ANNA.asked())
        if end == "released":
            shop.ask(ReleaseLease(lease.lease_id))
        else:
            shop.clock.now_us = lease.expires_us - 1
            assert shop.count_available(other.asked()) == 0
            shop.clock.advance(us=1)
    assert shop.count_available(other.asked()) == 2
    shop.book(other.asked())
    assert shop.count_available(ANNA.asked()) == 0


def test_staff_stays_busy_until_the_last_claim_on_the_slot_ends(shop: Shop) -> None:
    other = later(ANNA, HOUR_US // 2)
    shop.offer(ANNA, other)
    first, second = (shop.book(ANNA.asked(), user_id=user_id) for user_id in ("u1", "u2"))
    shop.cancel(first)
    assert shop.count_available(other.asked()) == 0
    shop.cancel(second)
    assert shop.count_available(other.asked()) == 2


def test_claim_within_a_much_longer_slot_is_seen_from_both_sides(shop: Shop) -> None:
    """The search for overlaps is bounded by the merchant's longest duration, which a later feed may raise."""
    short = replace(ANNA, start_us=ANNA.start_us + 20 * HOUR_US, duration_us=MINUTE_US)
    shop.offer(short)
    long = replace(ANNA, service_id="spa", duration_us=DAY_US)
    shop.offer(long)
    booking = shop.book(long.asked())
    assert shop.count_available(short.asked()) == 0
    shop.cancel(booking)
    shop.book(short.asked())
    assert shop.count_available(long.asked()) == 0


def test_first_of_two_overlapping_requests_in_a_batch_gets_the_staff(shop: Shop) -> None:
    other = later(ANNA, HOUR_US // 2)
    shop.offer(ANNA, other)
    for order in permutations([ANNA, other]):
        first, second = (shop.create_lease(one.asked()) for one in order)
        answers = shop.ask_all([first, second])
        assert cause_of(answers[1]) is Cause.SLOT_UNAVAILABLE
        shop.clock.advance(s=3600)


def test_chain_of_slots_that_touch_can_all_be_taken_in_one_batch(shop: Shop) -> None:
    slots = [later(ANNA, number * HOUR_US) for number in range(5)]
    shop.offer(*slots)
    answers = shop.ask_all([shop.create_lease(one.asked()) for one in slots])
    assert not [answer for answer in answers if isinstance(answer, BookingFailure)]


# --- moves -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", [ANNA, RED], ids=["staff", "room"])
def test_booking_can_be_moved_to_an_overlapping_slot_of_its_own_staff_or_room(shop: Shop, one: Offered) -> None:
    half_later = replace(one, start_us=one.start_us + HOUR_US // 2)
    shop.offer(one, half_later)
    booking = shop.book(one.asked())
    moved = booked(shop.move(booking, start_us=half_later.start_us))
    assert shop.count_available(one.asked()) == 0
    assert booked(shop.move(moved, start_us=one.start_us)).slot == one.asked()
    assert shop.count_available(half_later.asked()) == 0


def test_booking_cannot_be_moved_while_somebody_else_keeps_its_staff_in_the_old_slot(
    shop: Shop, tmp_path: Path
) -> None:
    half_later = replace(ANNA, start_us=ANNA.start_us + HOUR_US // 2)
    shop.offer(ANNA, half_later)
    other, booking = (shop.book(ANNA.asked(), user_id=user_id) for user_id in ("u1", "u2"))
    before = run_beside(tmp_path, "SELECT * FROM spot")
    assert cause_of(shop.move(booking, start_us=half_later.start_us)) is Cause.SLOT_UNAVAILABLE
    assert run_beside(tmp_path, "SELECT * FROM spot") == before
    assert shop.store.bookings(limit=9) == [booking, other]
    assert len(events(tmp_path)) == 2


def test_refused_move_gives_nothing_away_to_the_next_request_of_its_batch(shop: Shop) -> None:
    single = replace(ANNA, spots_total=1)
    target = replace(single, start_us=single.start_us + 2 * HOUR_US)
    shop.offer(single, target)
    shop.book(target.asked(), user_id="u2")
    booking = shop.book(single.asked(), user_id="u1")
    move = UpdateBooking(booking.booking_id, start_us=target.start_us)
    answers = shop.ask_all([move, shop.create_booking(single.asked(), user_id="u3")])
    assert [cause_of(answer) for answer in answers] == [Cause.SLOT_UNAVAILABLE] * 2

"""Requests that share one batch: each sees what the one before it did, and a mistake in one costs only that one."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest

from slotlease.desk.check_availability import Availability, CheckAvailability
from slotlease.desk.fault import Broken
from slotlease.desk.operation import Operation
from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import Booking, BookingStatus
from slotlease.domain.failure import Cause, Reason
from slotlease.domain.lease import Lease
from tests.desk.broken import Mistake, MistakenIn
from tests.desk.checks import assert_sound, cause_of, count_rows, events, reason_of, run_beside
from tests.support import HOUR_US, Offered, Shop, booked, open_shop

T1 = "t1"
TEN = Offered()
ELEVEN = replace(TEN, start_us=TEN.start_us + HOUR_US)
CLASS = replace(TEN, spots_total=3)


def cancelling(booking: Booking) -> UpdateBooking:
    return UpdateBooking(booking.booking_id, BookingStatus.CANCELED)


# --- each sees what the one before it did ------------------------------------------------------------------------


def test_batch_of_nothing_is_answered_with_nothing(shop: Shop) -> None:
    assert shop.ask_all([]) == []
    assert shop.batches.read([]) == []


def test_two_requests_with_one_lease_token_get_one_lease(shop: Shop, tmp_path: Path) -> None:
    shop.offer(CLASS)
    first, second = shop.ask_all([shop.create_lease(CLASS.asked(), reference="r1") for _ in range(2)])
    assert first == second
    assert isinstance(first, Lease)
    assert count_rows(tmp_path, "lease") == count_rows(tmp_path, "spot") == 1


def test_lease_token_of_one_batch_cannot_be_used_for_two_slots(shop: Shop) -> None:
    shop.offer(TEN, ELEVEN)
    first, second = shop.ask_all([shop.create_lease(one.asked(), reference="r1") for one in (TEN, ELEVEN)])
    assert isinstance(first, Lease)
    assert reason_of(second) is Reason.IDEMPOTENCY_TOKEN_REUSED
    assert shop.count_available(ELEVEN.asked()) == 1


def test_two_requests_with_one_booking_token_get_one_booking(shop: Shop, tmp_path: Path) -> None:
    shop.offer(CLASS)
    first, second, other = shop.ask_all(
        [
            shop.create_booking(CLASS.asked(), token=T1),
            shop.create_booking(CLASS.asked(), token=T1),
            shop.create_booking(CLASS.asked(), token=T1, user_id="u2"),
        ]
    )
    assert first == second
    assert isinstance(first, Booking)
    assert reason_of(other) is Reason.IDEMPOTENCY_TOKEN_REUSED
    assert count_rows(tmp_path, "booking") == count_rows(tmp_path, "spot") == count_rows(tmp_path, "event") == 1


def test_first_of_a_batch_gets_the_last_spot(shop: Shop) -> None:
    shop.offer(CLASS)
    answers = shop.ask_all([shop.create_lease(CLASS.asked()) for _ in range(5)])
    assert [isinstance(answer, Lease) for answer in answers] == [True] * 3 + [False] * 2
    assert [cause_of(answer) for answer in answers[3:]] == [Cause.SLOT_UNAVAILABLE] * 2


def test_last_spot_of_a_class_with_lapsed_leases_is_sold_once(shop: Shop) -> None:
    shop.offer(CLASS)
    shop.book(CLASS.asked(), user_id="u0")
    lapsing = [shop.lease(CLASS.asked()) for _ in range(2)]
    shop.clock.now_us = lapsing[0].expires_us
    requests = [shop.create_booking(CLASS.asked(), user_id=f"u{n}") for n in range(1, 5)]
    answers = shop.ask_all(requests)
    assert [isinstance(answer, Booking) for answer in answers] == [True, True, False, False]


def test_one_lease_is_consumed_by_the_first_of_a_batch(shop: Shop) -> None:
    shop.offer(CLASS)
    lease = shop.lease(CLASS.asked())
    first, second = shop.ask_all(
        [shop.create_booking(CLASS.asked(), lease_id=lease.lease_id, user_id=user_id) for user_id in ("u1", "u2")]
    )
    assert isinstance(first, Booking)
    assert cause_of(second) is Cause.LEASE_EXPIRED


def test_same_user_books_a_slot_once_within_a_batch_too(shop: Shop) -> None:
    shop.offer(CLASS)
    lease = shop.lease(CLASS.asked())
    first, second, third = shop.ask_all(
        [
            shop.create_booking(CLASS.asked(), user_id="u1"),
            shop.create_booking(CLASS.asked(), user_id="u1"),
            shop.create_booking(CLASS.asked(), user_id="u1", lease_id=lease.lease_id),
        ]
    )
    assert isinstance(first, Booking)
    assert [cause_of(answer) for answer in (second, third)] == [Cause.SLOT_ALREADY_BOOKED_BY_USER] * 2


def test_spot_cancelled_in_a_batch_is_booked_by_the_next_of_it(shop: Shop, tmp_path: Path) -> None:
    shop.offer(TEN)
    holder = shop.book(TEN.asked(), user_id="u1")
    cancelled, next_one = shop.ask_all([cancelling(holder), shop.create_booking(TEN.asked(), user_id="u2")])
    assert isinstance(cancelled, Booking)
    assert isinstance(next_one, Booking)
    assert next_one.spot_no == holder.spot_no
    assert run_beside(tmp_path, "SELECT spot_no, holder_no FROM spot") == [(1, next_one.booking_no)]


def test_booking_before_the_cancellation_of_its_batch_comes_too_early(shop: Shop) -> None:
    shop.offer(TEN)
    holder = shop.book(TEN.asked(), user_id="u1")
    refused, cancelled = shop.ask_all([shop.create_booking(TEN.asked(), user_id="u2"), cancelling(holder)])
    assert cause_of(refused) is Cause.SLOT_UNAVAILABLE
    assert isinstance(cancelled, Booking)
    assert shop.count_available(TEN.asked()) == 1


def test_booking_is_cancelled_once_by_two_requests_of_a_batch(shop: Shop, tmp_path: Path) -> None:
    shop.offer(TEN)
    holder = shop.book(TEN.asked())
    first, second = shop.ask_all([cancelling(holder), cancelling(holder)])
    assert first == second
    assert [kind for kind, *_ in events(tmp_path)] == ["BOOKING_CREATED", "BOOKING_CANCELED"]


def test_booking_moved_and_cancelled_within_a_batch_leaves_both_slots_free(shop: Shop, tmp_path: Path) -> None:
    shop.offer(TEN, ELEVEN)
    booking = shop.book(TEN.asked())
    shop.ask_all([UpdateBooking(booking.booking_id, start_us=ELEVEN.start_us), cancelling(booking)])
    assert [shop.count_available(one.asked()) for one in (TEN, ELEVEN)] == [1, 1]
    assert [revision for *_, revision in events(tmp_path)] == [1, 2, 3]


def test_user_who_moves_away_can_book_the_slot_again_in_the_same_batch(shop: Shop) -> None:
    shop.offer(CLASS, replace(ELEVEN, spots_total=2))
    booking = shop.book(CLASS.asked(), user_id="u1")
    _, again, double = shop.ask_all(
        [
            UpdateBooking(booking.booking_id, start_us=ELEVEN.start_us),
            shop.create_booking(CLASS.asked(), user_id="u1"),
            shop.create_booking(ELEVEN.asked(), user_id="u1"),
        ]
    )
    assert isinstance(again, Booking)
    assert cause_of(double) is Cause.SLOT_ALREADY_BOOKED_BY_USER


def test_lease_found_expired_by_one_request_frees_its_spot_for_the_next(shop: Shop) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked())
    shop.clock.now_us = lease.expires_us
    for order in permutations(
        [shop.create_booking(TEN.asked(), lease_id=lease.lease_id), shop.create_lease(TEN.asked(), reference="r2")]
    ):
        answers = shop.ask_all(order)
        assert {type(answer).__name__ for answer in answers} == {"BookingFailure", "Lease"}


def test_merchants_of_one_batch_do_not_touch_each_other(shop: Shop) -> None:
    merchant_ids = [f"m{n}" for n in range(1, 6)]
    for merchant_id in merchant_ids:
        shop.offer(TEN, merchant_id=merchant_id)
    requests = [shop.create_lease(TEN.asked(merchant_id), reference="r1") for merchant_id in merchant_ids * 2]
    answers = shop.ask_all(requests)
    assert [answer.slot.merchant_id for answer in answers if isinstance(answer, Lease)] == merchant_ids * 2
    assert answers[:5] == answers[5:]


def test_full_batch_on_one_slot_gets_every_spot_and_not_one_more(shop: Shop) -> None:
    shop.offer(replace(TEN, spots_total=100))
    answers = shop.ask_all([shop.create_lease(TEN.asked()) for _ in range(256)])
    assert [isinstance(answer, Lease) for answer in answers] == [True] * 100 + [False] * 156
    assert sorted(answer.spot_no for answer in answers if isinstance(answer, Lease)) == list(range(1, 101))


def test_read_after_an_acknowledged_write_shows_it(shop: Shop) -> None:
    shop.offer(CLASS)
    for left in (2, 1, 0):
        shop.lease(CLASS.asked())
        assert shop.count_available(CLASS.asked()) == left


# --- a mistake costs only its own request ------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["want", "want_more", "decide"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_mistake_in_one_request_costs_only_that_request(tmp_path: Path, step: str, place: int) -> None:
    shop = open_shop(tmp_path)
    shop.offer(CLASS)
    requests: list[Operation[object]] = [shop.create_lease(CLASS.asked()) for _ in range(2)]
    requests.insert(place, MistakenIn(step, shop.create_lease(CLASS.asked())))
    answers = shop.ask_all(requests)
    assert [type(answer) for answer in answers if answer is not answers[place]] == [Lease, Lease]
    assert isinstance(answers[place], Broken)
    assert [str(error) for error in shop.incidents] == [step]
    assert count_rows(tmp_path, "lease") == count_rows(tmp_path, "spot") == 2
    assert_sound(shop)
    shop.store.close()


def test_what_a_request_decided_before_it_broke_is_undone_for_the_others(tmp_path: Path) -> None:
    """It took the last spot, and cancelled a booking, and then it raised: the others are decided afresh."""
    shop = open_shop(tmp_path)
    shop.offer(TEN, ELEVEN)
    booking = shop.book(ELEVEN.asked(), user_id="u1")
    answers = shop.ask_all(
        [
            MistakenIn("decide", shop.create_lease(TEN.asked())),
            MistakenIn("decide", cancelling(booking)),
            shop.create_booking(TEN.asked(), user_id="u2"),
            shop.create_booking(ELEVEN.asked(), user_id="u2"),
        ]
    )
    assert [type(answer) for answer in answers[:3]] == [Broken, Broken, Booking]
    assert cause_of(answers[3]) is Cause.SLOT_UNAVAILABLE
    assert_sound(shop)
    shop.store.close()


def test_each_mistake_is_an_incident_of_its_own(tmp_path: Path) -> None:
    shop = open_shop(tmp_path)
    shop.offer(CLASS)
    answers = shop.ask_all([MistakenIn("decide", shop.create_lease(CLASS.asked())) for _ in range(3)])
    assert [answer.incident for answer in answers if isinstance(answer, Broken)] == [
        "incident-1",
        "incident-2",
        "incident-3",
    ]
    assert count_rows(tmp_path, "lease") == 0
    shop.store.close()


@pytest.mark.parametrize("step", ["want", "want_more", "decide"])
def test_mistake_in_one_read_costs_only_that_read(tmp_path: Path, step: str) -> None:
    shop = open_shop(tmp_path)
    shop.offer(CLASS)
    check = CheckAvailability(CLASS.asked())
    answers = shop.batches.read([check, MistakenIn(step, check), check])
    assert [answers[0], answers[2]] == [Availability(CLASS.asked(), 3)] * 2
    assert isinstance(answers[1], Broken)
    shop.store.close()


def test_command_that_meets_a_mistake_sees_a_fault_that_names_the_incident_and_nothing_else(tmp_path: Path) -> None:
    shop = open_shop(tmp_path)
    shop.offer(TEN)
    with pytest.raises(Broken, match=r"^incident incident-1$"):
        shop.ask(MistakenIn("decide", shop.create_lease(TEN.asked())))
    assert isinstance(shop.incidents[0], Mistake)
    shop.store.close()


def test_commands_and_batches_answer_alike(shop: Shop) -> None:
    shop.offer(CLASS)
    booking = shop.book(CLASS.asked(), token=T1)
    assert shop.ask_all([shop.create_booking(CLASS.asked(), token=T1)]) == [booking]
    assert booked(shop.ask(shop.create_booking(CLASS.asked(), token=T1))) == booking

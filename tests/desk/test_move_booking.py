"""UpdateBooking with another start, duration or party size: the booking moves, in one piece or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import BookingStatus
from slotlease.domain.failure import Cause, Reason
from slotlease.domain.merchant import Service
from slotlease.domain.slot import Resources
from tests.desk.checks import cause_of, count_rows, events, invalid
from tests.support import DAY_US, HOUR_US, MINUTE_US, NOON_US, Offered, Shop, booked

TEN = Offered()
ELEVEN = replace(TEN, start_us=TEN.start_us + HOUR_US)
TWELVE = replace(TEN, start_us=TEN.start_us + 2 * HOUR_US)


def free(shop: Shop, *offered: Offered) -> list[int]:
    return [shop.count_available(one.asked()) for one in offered]


def test_moved_booking_gives_back_its_spot_and_takes_one_there(shop: Shop, tmp_path: Path) -> None:
    shop.offer(TEN, ELEVEN)
    booking = shop.book(TEN.asked())
    moved = booked(shop.move(booking, start_us=ELEVEN.start_us))
    assert moved.booking_id == booking.booking_id
    assert moved.slot == ELEVEN.asked()
    assert (moved.slot_created, moved.status, moved.revision) == (TEN.asked(), BookingStatus.CONFIRMED, 2)
    assert moved.cancel_by_us == ELEVEN.start_us
    assert shop.store.bookings(limit=9) == [moved]
    assert free(shop, TEN, ELEVEN) == [1, 0]
    number = booking.booking_no
    assert events(tmp_path) == [("BOOKING_CREATED", number, 1), ("BOOKING_MOVED", number, 2)]


def test_booking_moved_back_and_forth_needs_no_more_rows_than_spots(shop: Shop, tmp_path: Path) -> None:
    shop.offer(TEN, ELEVEN)
    booking = shop.book(TEN.asked())
    for revision in range(2, 8):
        there = ELEVEN if revision % 2 == 0 else TEN
        booking = booked(shop.move(booking, start_us=there.start_us))
        assert (booking.revision, booking.slot) == (revision, there.asked())
    assert count_rows(tmp_path, "spot") == 2
    assert free(shop, TEN, ELEVEN) == [0, 1]


# --- what is asked for is true already: OK as it is, before any other rule ---------------------------------------


def test_move_to_where_the_booking_is_changes_nothing(shop: Shop, tmp_path: Path) -> None:
    shop.offer(replace(TEN, party_size=2))
    booking = shop.book(replace(TEN, party_size=2).asked())
    for same in (
        {"start_us": TEN.start_us},
        {"duration_us": HOUR_US},
        {"party_size": 2},
        {"start_us": TEN.start_us, "duration_us": HOUR_US, "party_size": 2},
        {},
    ):
        assert shop.ask(UpdateBooking(booking.booking_id, **same)) == booking  # type: ignore[arg-type] # as above
    assert len(events(tmp_path)) == 1


def test_move_to_where_the_booking_is_comes_before_every_other_rule(shop: Shop) -> None:
    """Too late to cancel, the slot closed and lowered and its service gone: it is so already."""
    shop.offer(replace(TEN, last_online_cancellable_us=NOON_US))
    booking = shop.book(TEN.asked())
    shop.offer(replace(TEN, closed=True))
    shop.store.put_catalogue("m1", "M1", [], [], [])
    shop.clock.now_us = TEN.start_us + 1
    assert shop.move(booking, start_us=TEN.start_us) == booking


def test_asking_for_no_party_is_what_a_booking_without_resources_has_already(shop: Shop) -> None:
    shop.offer(TEN)
    booking = shop.book(TEN.asked())
    assert shop.ask(UpdateBooking(booking.booking_id, party_size=0)) == booking


# --- refused: the booking is untouched ---------------------------------------------------------------------------


def assert_untouched(shop: Shop, folder: Path, answer: object, cause: Cause) -> None:
    assert cause_of(answer) is cause
    booking, *_ = shop.store.bookings(limit=1)
    assert (booking.revision, booking.slot) == (1, booking.slot_created)
    assert len([kind for kind, *_ in events(folder) if kind == "BOOKING_MOVED"]) == 0


def test_move_onto_a_full_slot_leaves_the_booking_where_it_is(shop: Shop, tmp_path: Path) -> None:
    shop.offer(TEN, ELEVEN)
    shop.book(TEN.asked(), user_id="u2")
    booking = shop.book(ELEVEN.asked())
    assert_untouched(shop, tmp_path, shop.move(booking, start_us=TEN.start_us), Cause.SLOT_UNAVAILABLE)
    assert free(shop, TEN, ELEVEN) == [0, 0]


def test_move_onto_a_leased_slot_waits_for_the_end_of_the_lease(shop: Shop, tmp_path: Path) -> None:
    shop.offer(TEN, ELEVEN)
    booking = shop.book(ELEVEN.asked())
    lease = shop.lease(TEN.asked())
    assert_untouched(shop, tmp_path, shop.move(booking, start_us=TEN.start_us), Cause.SLOT_UNAVAILABLE)
    shop.clock.now_us = lease.expires_us
    assert booked(shop.move(booking, start_us=TEN.start_us)).slot == TEN.asked()


@pytest.mark.parametrize(
    "unbookable",
    [
        replace(ELEVEN, closed=True),
        replace(ELEVEN, first_bookable_us=NOON_US + 1),
        replace(ELEVEN, last_bookable_us=NOON_US - 1),
        replace(ELEVEN, spots_total=0),
        replace(ELEVEN, start_us=NOON_US),
    ],
)
def test_move_onto_a_slot_that_cannot_be_had_is_refused(shop: Shop, tmp_path: Path, unbookable: Offered) -> None:
    shop.offer(TEN, unbookable)
    booking = shop.book(TEN.asked())
    answer = shop.move(booking, start_us=unbookable.start_us)
    assert_untouched(shop, tmp_path, answer, Cause.SLOT_UNAVAILABLE)


@pytest.mark.parametrize(("step_us", "in_time"), [(-1, True), (0, True), (1, False)])
def test_booking_may_be_moved_only_while_it_may_be_cancelled(shop: Shop, step_us: int, *, in_time: bool) -> None:
    shop.offer(replace(TEN, last_online_cancellable_us=TEN.start_us - HOUR_US), TWELVE)
    booking = shop.book(TEN.asked())
    shop.clock.now_us = TEN.start_us - HOUR_US + step_us
    answer = shop.move(booking, start_us=TWELVE.start_us)
    if in_time:
        assert booked(answer).slot == TWELVE.asked()
    else:
        assert cause_of(answer) is Cause.OUTSIDE_CANCELLATION_WINDOW


def test_moved_booking_has_the_window_of_its_new_slot(shop: Shop) -> None:
    shop.offer(TEN, replace(ELEVEN, last_online_cancellable_us=NOON_US))
    moved = booked(shop.move(shop.book(TEN.asked()), start_us=ELEVEN.start_us))
    assert moved.cancel_by_us == NOON_US
    shop.clock.advance(us=1)
    assert cause_of(shop.move(moved, start_us=TEN.start_us)) is Cause.OUTSIDE_CANCELLATION_WINDOW
    assert cause_of(shop.cancel(moved)) is Cause.OUTSIDE_CANCELLATION_WINDOW


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"start_us": TEN.start_us + 1}, "slot.start_time"),
        ({"start_us": TEN.start_us - DAY_US}, "slot.start_time"),
        ({"duration_us": HOUR_US + 1}, "slot.start_time"),
        ({"party_size": 3}, "slot.start_time"),
    ],
)
def test_move_to_a_slot_that_nobody_offers_is_invalid(shop: Shop, change: dict[str, int], field: str) -> None:
    shop.offer(TEN)
    booking = shop.book(TEN.asked())
    answer = shop.ask(UpdateBooking(booking.booking_id, **change))  # type: ignore[arg-type] # single changes
    assert invalid(answer) == (Reason.SLOT_UNKNOWN, field)
    assert shop.store.bookings(limit=9) == [booking]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"merchant_id": "m2"}, "slot.merchant_id"),
        ({"merchant_id": ""}, "slot.merchant_id"),
        ({"service_id": "shave"}, "slot.service_id"),
        ({"staff_id": "ben"}, "slot.resources.staff_id"),
        ({"staff_id": ""}, "slot.resources.staff_id"),
        ({"room_id": "blue"}, "slot.resources.room_id"),
    ],
)
def test_merchant_service_staff_and_room_of_a_booking_cannot_change(
    shop: Shop, change: dict[str, str], field: str
) -> None:
    with_anna = replace(TEN, staff_id="anna", room_id="red")
    shop.offer(with_anna, replace(with_anna, staff_id="ben", room_id="blue"), replace(with_anna, service_id="shave"))
    booking = shop.book(with_anna.asked())
    answer = shop.ask(UpdateBooking(booking.booking_id, **change))  # type: ignore[arg-type] # single changes
    assert invalid(answer) == (Reason.FIELD_INVALID, field)
    assert shop.store.bookings(limit=9) == [booking]


def test_move_may_repeat_what_does_not_change(shop: Shop) -> None:
    with_anna = [replace(one, staff_id="anna", room_id="red") for one in (TEN, ELEVEN)]
    shop.offer(*with_anna)
    booking = shop.book(with_anna[0].asked())
    move = UpdateBooking(
        booking.booking_id,
        status=BookingStatus.CONFIRMED,
        start_us=ELEVEN.start_us,
        duration_us=HOUR_US,
        merchant_id="m1",
        service_id="cut",
        staff_id="anna",
        room_id="red",
    )
    assert booked(shop.ask(move)).slot == with_anna[1].asked()


# --- where it can be moved to ------------------------------------------------------------------------------------


def test_another_party_size_is_a_move_to_the_slot_for_that_party(shop: Shop) -> None:
    two, four = (replace(TEN, party_size=size) for size in (2, 4))
    shop.offer(two, four)
    booking = shop.book(two.asked())
    moved = booked(shop.ask(UpdateBooking(booking.booking_id, party_size=4)))
    assert moved.slot == four.asked()
    assert free(shop, two, four) == [1, 0]


def test_party_size_of_a_booking_without_resources_can_be_set(shop: Shop) -> None:
    four = replace(TEN, party_size=4)
    shop.offer(TEN, four)
    moved = booked(shop.ask(UpdateBooking(shop.book(TEN.asked()).booking_id, party_size=4)))
    assert moved.slot.resources == Resources(party_size=4)


def test_another_duration_is_a_move_to_the_slot_of_that_duration(shop: Shop) -> None:
    short = replace(TEN, duration_us=30 * MINUTE_US)
    shop.offer(TEN, short)
    moved = booked(shop.ask(UpdateBooking(shop.book(TEN.asked()).booking_id, duration_us=30 * MINUTE_US)))
    assert moved.slot == short.asked()


def test_resources_are_told_after_a_move_as_the_booking_was_asked_for(shop: Shop) -> None:
    shop.offer(TEN, ELEVEN)
    booking = shop.book(replace(TEN.asked(), resources=Resources()))
    assert booked(shop.move(booking, start_us=ELEVEN.start_us)).slot.resources == Resources()


@pytest.mark.parametrize(("asked_tag", "told_tag"), [("monday", "tuesday"), ("", "")])
def test_tag_after_a_move_is_the_new_slots_if_the_booking_carried_one(
    shop: Shop, asked_tag: str, told_tag: str
) -> None:
    shop.offer(replace(TEN, availability_tag="monday"), replace(ELEVEN, availability_tag="tuesday"))
    booking = shop.book(TEN.asked(availability_tag=asked_tag))
    assert booked(shop.move(booking, start_us=ELEVEN.start_us)).slot.availability_tag == told_tag


def test_booking_is_moved_though_its_own_tag_and_slot_are_gone(shop: Shop) -> None:
    shop.offer(replace(TEN, availability_tag="monday"), ELEVEN)
    booking = shop.book(TEN.asked(availability_tag="monday"))
    shop.offer(replace(TEN, availability_tag="wednesday", closed=True))
    assert booked(shop.move(booking, start_us=ELEVEN.start_us)).slot == ELEVEN.asked()


def test_booking_moved_to_a_slot_that_its_merchant_confirms_is_pending_again(shop: Shop) -> None:
    shop.offer(TEN, replace(ELEVEN, asynchronous=True))
    moved = booked(shop.move(shop.book(TEN.asked()), start_us=ELEVEN.start_us))
    assert (moved.status, moved.status_created) == (
        BookingStatus.PENDING_MERCHANT_CONFIRMATION,
        BookingStatus.CONFIRMED,
    )
    assert shop.count_available(ELEVEN.asked()) == 0
    assert booked(shop.move(moved, start_us=TEN.start_us)).status is BookingStatus.CONFIRMED


# --- the same user -----------------------------------------------------------------------------------------------


def test_booking_cannot_be_moved_onto_another_of_the_same_user(shop: Shop, tmp_path: Path) -> None:
    shop.offer(TEN, replace(ELEVEN, spots_total=3))
    shop.book(ELEVEN.asked(), user_id="u1")
    booking = shop.book(TEN.asked(), user_id="u1")
    answer = shop.move(booking, start_us=ELEVEN.start_us)
    assert cause_of(answer) is Cause.SLOT_ALREADY_BOOKED_BY_USER
    assert [kind for kind, *_ in events(tmp_path)] == ["BOOKING_CREATED"] * 2


def test_booking_may_be_moved_onto_another_of_the_user_where_the_service_allows_it(shop: Shop) -> None:
    shop.serve(Service(0, 0, "cut", one_booking_per_user=False))
    shop.offer(TEN, replace(ELEVEN, spots_total=3))
    shop.book(ELEVEN.asked(), user_id="u1")
    moved = booked(shop.move(shop.book(TEN.asked(), user_id="u1"), start_us=ELEVEN.start_us))
    assert moved.spot_no == 2


# --- two at once -------------------------------------------------------------------------------------------------


def test_two_full_slots_cannot_swap_their_bookings(shop: Shop) -> None:
    """D-15: neither gives way, neither is lost, and nobody waits for ever."""
    shop.offer(TEN, ELEVEN)
    one, other = shop.book(TEN.asked(), user_id="u1"), shop.book(ELEVEN.asked(), user_id="u2")
    answers = shop.ask_all(
        [
            UpdateBooking(one.booking_id, start_us=ELEVEN.start_us),
            UpdateBooking(other.booking_id, start_us=TEN.start_us),
        ]
    )
    assert [cause_of(answer) for answer in answers] == [Cause.SLOT_UNAVAILABLE] * 2
    assert shop.store.bookings(limit=9) == [other, one]
    assert free(shop, TEN, ELEVEN) == [0, 0]


def test_chain_of_moves_within_one_batch_needs_only_one_free_slot(shop: Shop) -> None:
    shop.offer(TEN, ELEVEN, TWELVE)
    one, other = shop.book(TEN.asked(), user_id="u1"), shop.book(ELEVEN.asked(), user_id="u2")
    answers = shop.ask_all(
        [
            UpdateBooking(other.booking_id, start_us=TWELVE.start_us),
            UpdateBooking(one.booking_id, start_us=ELEVEN.start_us),
            UpdateBooking(other.booking_id, start_us=TEN.start_us),
        ]
    )
    assert [(b.slot, b.revision) for b in shop.store.bookings(limit=9)] == [(ELEVEN.asked(), 2), (TEN.asked(), 3)]
    assert len(answers) == 3
    assert free(shop, TEN, ELEVEN, TWELVE) == [0, 0, 1]

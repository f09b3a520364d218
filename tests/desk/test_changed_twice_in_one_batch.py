"""Two requests in one batch, and the second starts from what the first makes: it wants slots that nobody prefetched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import Booking
from slotlease.domain.failure import Cause
from tests.desk.broken import lossy, lost_after, lost_before
from tests.desk.checks import cause_of, events
from tests.support import HOUR_US, Offered, Shop, booked

TEN = Offered(party_size=2)
ELEVEN = replace(TEN, start_us=TEN.start_us + HOUR_US)
TABLES = tuple(replace(one, party_size=size) for one in (TEN, ELEVEN) for size in (2, 4))
ELEVEN_FOR_FOUR = TABLES[3]


def later_and_larger(booking: Booking) -> list[UpdateBooking]:
    return [
        UpdateBooking(booking.booking_id, start_us=ELEVEN.start_us),
        UpdateBooking(booking.booking_id, party_size=4),
    ]


def test_booking_moved_and_then_enlarged_is_both(shop: Shop, tmp_path: Path) -> None:
    shop.offer(*TABLES)
    booking = shop.book(TEN.asked())
    first, second = map(booked, shop.ask_all(later_and_larger(booking)))
    assert (first.slot, first.revision) == (ELEVEN.asked(), 2)
    assert (second.slot, second.revision) == (ELEVEN_FOR_FOUR.asked(), 3)
    assert [shop.count_available(one.asked()) for one in TABLES] == [1, 1, 1, 0]
    assert [revision for *_, revision in events(tmp_path)] == [1, 2, 3]


def test_requests_after_it_are_still_judged_in_the_order_of_their_arrival(shop: Shop) -> None:
    """The large table at eleven is the mover's, who came before; the small one was given back by then."""
    shop.offer(*TABLES)
    booking = shop.book(TEN.asked())
    large, small = shop.create_lease(ELEVEN_FOR_FOUR.asked()), shop.create_lease(ELEVEN.asked())
    _, _, refused, granted = shop.ask_all([*later_and_larger(booking), large, small])
    assert cause_of(refused) is Cause.SLOT_UNAVAILABLE
    assert granted.slot == ELEVEN.asked()  # type: ignore[attr-defined] # a refusal has none, and that is the proof


def test_staff_busy_elsewhere_stop_the_second_move_though_their_slot_was_only_seen_as_a_rival(shop: Shop) -> None:
    """Without looking again, the view knows the slots of Anna that rival with the first target, and no others."""
    at = {name: replace(TEN, start_us=TEN.start_us + n * HOUR_US) for n, name in enumerate(("ten", "eleven", "noon"))}
    first = replace(at["eleven"], staff_id="anna")
    second = replace(first, party_size=4, duration_us=2 * HOUR_US)
    busy = replace(at["noon"], staff_id="anna", party_size=6)
    home = replace(at["ten"], staff_id="anna")
    shop.offer(home, first, second, replace(second, duration_us=HOUR_US), busy)
    shop.book(busy.asked(), user_id="u9")
    booking = shop.book(home.asked())
    moves = [
        UpdateBooking(booking.booking_id, start_us=first.start_us),
        UpdateBooking(booking.booking_id, party_size=4, duration_us=2 * HOUR_US),
    ]
    moved, refused = shop.ask_all(moves)
    assert booked(moved).slot == first.asked()
    assert cause_of(refused) is Cause.SLOT_UNAVAILABLE


def test_lost_commit_of_the_first_does_not_make_the_second_look_done(shop: Shop, tmp_path: Path) -> None:
    """The enlargement was never decided before the commit was lost, so nothing can have done it."""
    shop.offer(*TABLES)
    booking = shop.book(TEN.asked())
    lossy(shop, lost_after)
    answers = shop.ask_all(later_and_larger(booking))
    assert booked(answers[1]).slot == ELEVEN_FOR_FOUR.asked()
    assert [revision for *_, revision in events(tmp_path)] == [1, 2, 3]


def test_commit_of_the_second_that_was_lost_is_found_again(shop: Shop, tmp_path: Path) -> None:
    shop.offer(*TABLES)
    booking = shop.book(TEN.asked())
    lossy(shop, lost_before, lost_after)
    answers = shop.ask_all(later_and_larger(booking))
    assert booked(answers[1]).slot == ELEVEN_FOR_FOUR.asked()
    assert [revision for *_, revision in events(tmp_path)] == [1, 2, 3]

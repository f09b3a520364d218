"""The operator takes a slot off sale, and puts it back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slotlease.desk.close_slot import CloseSlot
from slotlease.domain.failure import Cause, InvalidArgument, Reason
from slotlease.domain.slot import Slot
from tests.desk.checks import cause_of, invalid
from tests.support import Offered, Shop, booked

TEN = Offered(spots_total=3)


def close(shop: Shop, offered: Offered = TEN, *, closes: bool = True) -> Slot:
    answer = shop.ask(CloseSlot(offered.asked(), closes=closes))
    assert isinstance(answer, Slot), answer
    return answer


def test_closed_slot_takes_no_claim_of_anybody(shop: Shop) -> None:
    shop.offer(TEN)
    assert close(shop).closed_by_operator
    assert shop.count_available(TEN.asked()) == 0
    for request in (shop.create_lease(TEN.asked()), shop.create_booking(TEN.asked())):
        refusal = shop.ask(request)
        assert cause_of(refusal) is Cause.SLOT_UNAVAILABLE


def test_opened_slot_is_on_sale_again(shop: Shop) -> None:
    shop.offer(TEN)
    close(shop)
    assert not close(shop, closes=False).closed_by_operator
    assert shop.count_available(TEN.asked()) == 3
    shop.lease(TEN.asked())


def test_closing_keeps_what_was_promised(shop: Shop) -> None:
    """A live lease is a promise (DESIGN 3), and a booking is one too."""
    shop.offer(TEN)
    lease, booking = shop.lease(TEN.asked()), shop.book(TEN.asked(), user_id="u2")
    close(shop)
    shop.book(TEN.asked(), lease_id=lease.lease_id)
    assert booking in shop.store.bookings(limit=9)
    assert booked(shop.cancel(booking)).revision == 2


def test_moving_onto_a_closed_slot_is_refused(shop: Shop) -> None:
    later = replace(TEN, start_us=TEN.start_us + TEN.duration_us)
    shop.offer(TEN, later)
    booking = shop.book(TEN.asked())
    close(shop, later)
    assert cause_of(shop.move(booking, start_us=later.start_us)) is Cause.SLOT_UNAVAILABLE


def test_next_feed_opens_nothing_that_the_operator_closed(shop: Shop) -> None:
    shop.offer(TEN)
    close(shop)
    shop.offer(replace(TEN, spots_total=5, availability_tag="new"))
    assert shop.count_available(TEN.asked()) == 0
    assert close(shop, closes=False).availability_tag == "new"
    assert shop.count_available(TEN.asked()) == 5


def test_opening_opens_nothing_that_a_feed_closed(shop: Shop) -> None:
    shop.offer(replace(TEN, closed=True))
    assert close(shop, closes=False).closed
    assert shop.count_available(TEN.asked()) == 0


@pytest.mark.parametrize("closes", [True, False])
def test_closing_or_opening_twice_changes_nothing_more(shop: Shop, closes: bool) -> None:
    shop.offer(TEN)
    assert close(shop, closes=closes) == close(shop, closes=closes)


def test_requests_of_one_batch_see_the_slot_as_those_before_them_left_it(shop: Shop) -> None:
    shop.offer(TEN)
    operations = [
        shop.create_lease(TEN.asked()),
        CloseSlot(TEN.asked(), closes=True),
        shop.create_lease(TEN.asked()),
        CloseSlot(TEN.asked(), closes=False),
        shop.create_lease(TEN.asked()),
    ]
    answers = shop.ask_all(operations)
    assert cause_of(answers[2]) is Cause.SLOT_UNAVAILABLE
    assert shop.count_available(TEN.asked()) == 1


def test_slot_that_is_not_offered_is_refused_by_name(shop: Shop) -> None:
    shop.offer(TEN)
    wrong = replace(TEN.asked(), start_us=TEN.start_us + 1)
    answer = shop.ask(CloseSlot(wrong, closes=True))
    assert isinstance(answer, InvalidArgument)
    assert invalid(answer) == (Reason.SLOT_UNKNOWN, "slot.start_time")

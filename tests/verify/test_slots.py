"""Which slots cases get: none twice, none at the time of another of that merchant, none that is gone."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from slotlease.verify.shop import SECOND_US, Offer, Resources, Slot
from slotlease.verify.slots import NoSlot, Slots

HOUR_US = 3600 * SECOND_US
DAY_US = 24 * HOUR_US


def offer(start_us: int, spots: int = 1, *, merchant: str = "m", staff: str = "", hours: int = 1) -> Offer:
    resources = Resources(staff) if staff else None
    return Offer(Slot(merchant, "s", start_us, hours * HOUR_US, resources=resources), spots, spots)


def slots(*offers: Offer, counts: Mapping[Offer, int] | None = None) -> Slots:
    """The server has what the feed says, unless `counts` says otherwise."""
    spots = {one.slot: one.spots_open for one in offers}
    spots |= {one.slot: count for one, count in (counts or {}).items()}
    return Slots(offers, 0, spots.get)


def test_no_slot_is_used_twice_nor_another_of_that_merchant_at_its_time() -> None:
    early, beside, touching, elsewhere = (
        offer(3 * DAY_US),
        offer(3 * DAY_US, staff="anna", hours=2),
        offer(3 * DAY_US + HOUR_US),
        offer(3 * DAY_US, merchant="n"),
    )
    supply = slots(early, beside, touching, elsewhere)
    taken = [supply.take()[0] for _ in range(3)]
    assert taken in ([early, touching, elsewhere], [early, elsewhere, touching])
    with pytest.raises(NoSlot, match="give a feed with more"):
        supply.take()


def test_two_slots_differ_in_their_start_only() -> None:
    with_anna, with_ben, later_with_anna = (
        offer(3 * DAY_US, staff="anna"),
        offer(3 * DAY_US + HOUR_US, staff="ben"),
        offer(3 * DAY_US + 2 * HOUR_US, staff="anna"),
    )
    assert slots(with_anna, with_ben, later_with_anna).take(2) == (with_anna, later_with_anna)


def test_slots_far_enough_ahead_to_be_cancelled_come_first_and_of_those_the_smallest() -> None:
    soon, big, small = offer(HOUR_US), offer(3 * DAY_US, 12), offer(4 * DAY_US, 2)
    supply = slots(soon, big, small)
    assert [supply.take()[0] for _ in range(3)] == [small, big, soon]


def test_what_the_server_says_is_taken_is_passed_over() -> None:
    gone, there = offer(3 * DAY_US), offer(4 * DAY_US)
    assert slots(gone, there, counts={gone: 0}).take() == (there,)


def test_where_spots_are_counted_a_slot_is_preferred_of_which_feed_and_server_say_the_same() -> None:
    half_gone, whole = offer(3 * DAY_US, 4), offer(4 * DAY_US, 5)
    supply = slots(half_gone, whole, counts={half_gone: 2})
    assert supply.take(spots_min=2) == (whole,)
    assert supply.take(spots_min=2) == (half_gone,)


def test_a_server_that_says_of_everything_that_it_is_taken_is_not_believed() -> None:
    one, other = offer(3 * DAY_US), offer(4 * DAY_US)
    assert slots(one, other, counts={one: 0, other: 0}).take() == (one,)

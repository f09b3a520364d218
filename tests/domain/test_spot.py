"""Which spot a new claim takes, what it must bury, and what keeps staff and rooms apart.

Spots are told by letters: b booked, h held by a live lease, l lapsed, f given back.
"""

from __future__ import annotations

import pytest

from slotlease.domain.spot import Occupancy, Spot, choose_spot, count_available
from tests.domain.samples import START_US, occupancy, rows_of, slot
from tests.support import HOUR_US


def told(letters: str, *, capacity: int = 1) -> Occupancy:
    offered = slot(spots_total=capacity)
    return occupancy(offered, rows_of(offered, letters))


@pytest.mark.parametrize(
    ("letters", "capacity", "spot_no", "buried"),
    [
        pytest.param("", 1, 1, [], id="nobody came yet: the first number"),
        pytest.param("b", 2, 2, [], id="a number is left: the next one"),
        pytest.param("h", 2, 2, [], id="a live lease holds its number"),
        pytest.param("l", 2, 2, [], id="a number is left: the lapsed row is let alone"),
        pytest.param("f", 2, 2, [], id="a number is left: the row given back is let alone"),
        pytest.param("f", 1, 1, [], id="a row given back is used again"),
        pytest.param("l", 1, 1, [], id="a lapsed row is taken over"),
        pytest.param("bl", 2, 2, [], id="the lapsed row beside a busy one"),
        pytest.param("lb", 2, 1, [], id="whatever their numbers"),
        pytest.param("lf", 2, 2, [], id="a row given back before a lapsed one: it costs nobody a burial"),
        pytest.param("ll", 2, 1, [], id="the lapsed one of the lowest number; the other may still be revived"),
        pytest.param("hfl", 3, 2, [], id="given back first, and what could be revived still fits"),
        pytest.param("blf", 2, 3, [2], id="lowered by one: the lapsed one could be revived beside both"),
        pytest.param("bll", 2, 2, [3], id="lowered by one: one taken over, one buried"),
        pytest.param("lbl", 2, 1, [3], id="lowered by one: the same whatever their numbers"),
        pytest.param("lll", 1, 1, [2, 3], id="lowered by two: one taken over, two buried"),
        pytest.param("llf", 1, 3, [1, 2], id="lowered by two: the row given back, and both lapsed buried"),
        pytest.param("llll", 2, 1, [2, 3], id="lowered by two: the last lapsed one may still be revived"),
        pytest.param("bblll", 3, 3, [4, 5], id="lowered by two under two live ones"),
        pytest.param("ff", 1, 1, [], id="lowered: rows given back bury nobody"),
    ],
)
def test_new_claim_takes_a_spot(letters: str, capacity: int, spot_no: int, buried: list[int]) -> None:
    choice = choose_spot(told(letters, capacity=capacity), [], capacity)
    assert choice is not None
    assert choice.spot_no == spot_no
    assert (choice.replaces is None) == (spot_no > len(letters))
    assert choice.replaces is None or choice.replaces.spot_no == spot_no
    assert [spot.spot_no for spot in choice.bury] == buried


@pytest.mark.parametrize(
    ("letters", "capacity"),
    [
        ("", 0),
        ("l", 0),
        ("f", 0),
        ("b", 1),
        ("h", 1),
        ("hb", 2),
        pytest.param("bbb", 2, id="lowered under live claims"),
        pytest.param("bbl", 2, id="lowered under live claims: a lapsed row is nobody's"),
        pytest.param("bbf", 2, id="lowered under live claims: nor is one given back"),
        pytest.param("bbbb", 0, id="lowered to nothing"),
    ],
)
def test_full_slot_has_no_spot_for_a_new_claim(letters: str, capacity: int) -> None:
    assert choose_spot(told(letters, capacity=capacity), [], capacity) is None
    assert count_available(told(letters, capacity=capacity), [], capacity) == 0


@pytest.mark.parametrize(
    ("letters", "capacity", "count"), [("", 12, 12), ("hbl", 12, 10), ("lf", 2, 2), ("bbl", 3, 1), ("b", 2, 1)]
)
def test_every_spot_that_nobody_holds_can_be_had(letters: str, capacity: int, count: int) -> None:
    assert count_available(told(letters, capacity=capacity), [], capacity) == count


def test_slot_that_nobody_counted_gives_its_next_number() -> None:
    uncounted = told("", capacity=9)._replace(highest=4, busy=4, counted=False)
    choice = choose_spot(uncounted, [], 9)
    assert choice is not None
    assert (choice.spot_no, choice.replaces, choice.bury) == (5, None, ())
    taken = uncounted.with_taken(choice)
    assert taken == uncounted._replace(highest=5, busy=5)


def test_slot_that_nobody_counted_learns_nothing_of_spots_that_come_free() -> None:
    uncounted = told("", capacity=9)._replace(highest=4, busy=4, counted=False)
    freed = Spot(1, uncounted.slot_no, 2, 0, 0)
    assert uncounted.with_given_back(freed) is uncounted
    assert uncounted.with_buried(freed._replace(busy_until_us=1, holder_no=7), freed) is uncounted


# --- how the count moves -----------------------------------------------------------------------------------------


def counts(one: Occupancy) -> tuple[int, int, int, list[int], list[int]]:
    return (
        one.highest,
        one.busy,
        one.lapsed_count,
        [spot.spot_no for spot in one.lapsed],
        [spot.spot_no for spot in one.free],
    )


@pytest.mark.parametrize(
    ("letters", "capacity", "after"),
    [
        pytest.param("b", 2, (2, 2, 0, [], []), id="a new number"),
        pytest.param("bf", 2, (2, 2, 0, [], []), id="a row given back"),
        pytest.param("ll", 2, (2, 1, 1, [2], []), id="a lapsed row"),
    ],
)
def test_taken_spot_is_counted(letters: str, capacity: int, after: tuple[int, int, int, list[int], list[int]]) -> None:
    one = told(letters, capacity=capacity)
    choice = choose_spot(one, [], capacity)
    assert choice is not None
    assert counts(one.with_taken(choice)) == after


def test_buried_lease_leaves_a_spot_to_take() -> None:
    one = told("lbl", capacity=3)
    buried = one.lapsed[1]._replace(busy_until_us=0, holder_no=0)
    assert counts(one.with_buried(one.lapsed[1], buried)) == (3, 1, 1, [1], [3])


def test_claim_given_back_leaves_a_spot_to_take() -> None:
    one = told("bb", capacity=2)
    assert counts(one.with_given_back(Spot(1, one.slot_no, 2, 0, 0))) == (2, 1, 0, [], [2])


# --- staff and rooms ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rival", ["b", "h", "lb", "fh"])
def test_claim_elsewhere_on_the_same_staff_or_room_forbids_every_spot(rival: str) -> None:
    rivals = [told("f"), told(rival)]
    assert choose_spot(told("", capacity=9), rivals, 9) is None
    assert count_available(told("", capacity=9), rivals, 9) == 0


def test_lapsed_claims_elsewhere_on_the_same_staff_or_room_are_all_buried() -> None:
    first, second = told("lfl"), told("l")
    choice = choose_spot(told("", capacity=9), [first, second], 9)
    assert choice is not None
    assert choice.bury == (*first.lapsed, *second.lapsed)
    assert count_available(told("", capacity=9), [first, second], 9) == 9


def test_lapsed_claims_elsewhere_are_buried_beside_those_of_a_lowered_slot() -> None:
    elsewhere, here = told("l"), told("bll", capacity=2)
    choice = choose_spot(here, [elsewhere], 2)
    assert choice is not None
    assert choice.bury == (*elsewhere.lapsed, here.lapsed[1])


def place(
    *,
    slot_no: int = 1,
    start_us: int = START_US,
    duration_us: int = HOUR_US,
    staff_no: int = 0,
    room_no: int = 0,
    merchant_no: int = 1,
) -> Occupancy:
    return Occupancy(merchant_no, slot_no, start_us, start_us + duration_us, staff_no, room_no)


ANNA = place(slot_no=1, staff_no=1)
RED = place(slot_no=1, room_no=1)


@pytest.mark.parametrize(
    ("one", "other", "excluded"),
    [
        pytest.param(ANNA, place(slot_no=2, staff_no=1), True, id="same staff, same time"),
        pytest.param(RED, place(slot_no=2, room_no=1), True, id="same room, same time"),
        pytest.param(ANNA, place(slot_no=2, staff_no=2), False, id="other staff"),
        pytest.param(RED, place(slot_no=2, room_no=2), False, id="other room"),
        pytest.param(ANNA, place(slot_no=2, room_no=1), False, id="staff 1 is not room 1"),
        pytest.param(place(slot_no=1), place(slot_no=2), False, id="staff 0 and room 0 are nobody and nowhere"),
        pytest.param(ANNA, place(slot_no=1, staff_no=1), False, id="spots of one slot share their staff"),
        pytest.param(ANNA, place(slot_no=2, staff_no=1, merchant_no=2), False, id="numbers of another merchant"),
        pytest.param(ANNA, place(slot_no=1, staff_no=1, merchant_no=2), False, id="another merchant's slot 1"),
        pytest.param(
            ANNA, place(slot_no=2, staff_no=1, start_us=START_US + HOUR_US), False, id="touching ends do not overlap"
        ),
        pytest.param(
            ANNA, place(slot_no=2, staff_no=1, start_us=START_US + HOUR_US - 1), True, id="overlapping by 1 us"
        ),
        pytest.param(
            ANNA, place(slot_no=2, staff_no=1, start_us=START_US + HOUR_US + 1), False, id="1 us between them"
        ),
        pytest.param(
            ANNA, place(slot_no=2, staff_no=1, start_us=START_US + 10, duration_us=1), True, id="one within the other"
        ),
        pytest.param(
            place(slot_no=1, staff_no=1, room_no=1),
            place(slot_no=2, staff_no=2, room_no=1),
            True,
            id="other staff in the same room",
        ),
        pytest.param(
            place(slot_no=1, staff_no=1, room_no=1),
            place(slot_no=2, staff_no=1, room_no=2),
            True,
            id="same staff in another room",
        ),
    ],
)
def test_slots_exclude_each_other(one: Occupancy, other: Occupancy, *, excluded: bool) -> None:
    assert one.excludes(other) is excluded
    assert other.excludes(one) is excluded


def test_spot_is_found_by_merchant_slot_and_number() -> None:
    assert Spot(1, 2, 3, 4, 5).key == (1, 2, 3)

"""Who shares whose staff and room at an overlapping time, found among many."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slotlease.domain.rivals import Rivals
from slotlease.domain.spot import Occupancy

PLACES = st.builds(
    lambda merchant_no, start_us, lasts_us, staff_no, room_no: (
        merchant_no,
        start_us,
        start_us + lasts_us,
        staff_no,
        room_no,
    ),
    st.integers(1, 2),
    st.integers(0, 30),
    st.sampled_from([1, 2, 9, 40]),
    st.integers(0, 2),
    st.integers(0, 2),
)


@given(st.lists(PLACES, max_size=12))
def test_rivals_are_all_that_exclude_the_slot_and_no_others(places: list[tuple[int, int, int, int, int]]) -> None:
    batch = [
        Occupancy(merchant_no, number, start_us, end_us, staff_no, room_no)
        for number, (merchant_no, start_us, end_us, staff_no, room_no) in enumerate(places)
    ]
    rivals = Rivals(batch)
    for one in batch:
        found = rivals.of(one)
        assert set(found) == {other.key for other in batch if one.excludes(other)}
        assert len(found) == len(set(found)), "once each, though they share both staff and room"


def test_slot_that_no_other_was_loaded_with_has_no_rivals() -> None:
    anna = Occupancy(1, 1, 0, 10, staff_no=1, room_no=1)
    assert Rivals([]).of(anna) == []
    assert Rivals([anna]).of(anna) == []

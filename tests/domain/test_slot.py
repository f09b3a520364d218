"""How a slot is named, numbered and counted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slotlease.domain.slot import NO_RESOURCES, NaturalKey, Resources, slot_number
from tests.domain.samples import ASKED, START_US, slot
from tests.support import HOUR_US

INT64 = st.integers(-(2**63), 2**63 - 1)

# service_no, start_us, duration_us, staff_no, room_no, party_size
KEY: NaturalKey = (1, 1_767_355_200_000_000, 3_600_000_000, 2, 0, 0)


@pytest.mark.parametrize(
    ("key", "number"),
    [
        # The first is what `b2sum --length=64` says of the six little-endian numbers, without its highest bit.
        (KEY, 7_879_404_278_431_256_991),
        ((1, 1_767_355_200_000_000, 3_600_000_000, 0, 0, 0), 5_907_286_580_257_662_417),
        ((1, 1_767_355_200_000_000, 3_600_000_000, 0, 2, 0), 6_940_517_264_153_219_517),
        ((1, 1_767_355_200_000_000, 3_600_000_000, 0, 0, 2), 3_562_526_010_139_105_558),
        ((7, -1, 1, 0, 0, 0), 5_128_194_897_898_778_729),
        ((2**31, 2**62, 2**40, 2**31, 2**31, 2**31 - 1), 1_400_064_019_538_571_229),
    ],
)
def test_number_of_a_slot_never_changes_since_ledgers_hold_it(key: NaturalKey, number: int) -> None:
    assert slot_number(key) == number


@pytest.mark.parametrize("place", range(6))
def test_each_part_of_the_natural_key_makes_another_slot(place: int) -> None:
    other = list(KEY)
    other[place] += 1
    a, b, c, d, e, f = other
    assert slot_number((a, b, c, d, e, f)) != slot_number(KEY)


@settings(deadline=None)
@given(st.tuples(INT64, INT64, INT64, INT64, INT64, INT64))
def test_number_of_any_slot_fits_a_database_integer_and_is_not_negative(key: NaturalKey) -> None:
    assert 0 <= slot_number(key) < 2**63


def test_availability_tag_is_no_part_of_what_makes_a_slot_this_one() -> None:
    assert slot(availability_tag="monday").natural_key == slot(availability_tag="tuesday").natural_key


def test_spots_sold_elsewhere_are_not_ours_to_sell() -> None:
    assert slot(spots_total=12)._replace(spots_elsewhere=5).capacity == 7


def test_slot_ends_when_its_duration_is_over() -> None:
    assert slot().end_us == START_US + HOUR_US


def test_slot_is_found_by_merchant_and_number() -> None:
    one = slot()
    assert one.key == (1, slot_number(one.natural_key))


def test_no_resources_name_the_slot_that_empty_ones_name_yet_are_told_apart() -> None:
    absent, empty = replace(ASKED, resources=None), replace(ASKED, resources=Resources())
    assert absent.resources_or_none_given == empty.resources_or_none_given == NO_RESOURCES
    assert absent != empty


def test_given_resources_are_taken_as_they_are() -> None:
    resources = Resources("anna", "red", 2)
    assert replace(ASKED, resources=resources).resources_or_none_given is resources

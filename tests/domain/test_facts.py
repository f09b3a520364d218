"""What a batch asks for, and by which key a slot is found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slotlease.domain.facts import Changes, RowKey, Wanted, natural_key
from slotlease.domain.slot import AskedSlot, NaturalKey, Resources, Slot
from slotlease.domain.spot import Spot
from tests.domain.samples import ASKED, MERCHANT, START_US, booking_of, lease_of, slot
from tests.support import HOUR_US

HEX = "000102030405060708090a0b0c0d0e0f"


def test_id_of_ours_names_its_row_and_its_merchant() -> None:
    wanted = Wanted()
    wanted.add_lease(f"l3-7-{HEX}")
    wanted.add_booking(f"b4-8-{HEX}")
    assert wanted == Wanted(merchant_nos={3, 4}, leases={(3, 7)}, bookings={(4, 8)})


@pytest.mark.parametrize("text", ["", "l1", "none of ours", f"x1-1-{HEX}"])
def test_id_that_is_none_of_ours_names_nothing(text: str) -> None:
    wanted = Wanted()
    wanted.add_lease(text)
    wanted.add_booking(text)
    assert wanted == Wanted()


def test_id_of_a_lease_names_no_booking() -> None:
    wanted = Wanted()
    wanted.add_booking(f"l3-7-{HEX}")
    wanted.add_lease(f"b3-7-{HEX}")
    assert wanted == Wanted()


@pytest.mark.parametrize(
    ("resources", "numbers"),
    [
        (None, (0, 0, 0)),
        (Resources(), (0, 0, 0)),
        (Resources("anna"), (1, 0, 0)),
        (Resources("", "blue"), (0, 2, 0)),
        (Resources("", "", 4), (0, 0, 4)),
        (Resources("ben", "red", 2), (2, 1, 2)),
    ],
)
def test_slot_is_named_by_service_start_duration_and_resources(
    resources: Resources | None, numbers: tuple[int, int, int]
) -> None:
    expected: NaturalKey = (1, START_US, HOUR_US, *numbers)
    assert natural_key(MERCHANT, replace(ASKED, resources=resources, availability_tag="any")) == expected


@pytest.mark.parametrize(
    "unknown",
    [
        replace(ASKED, service_id="dye"),
        replace(ASKED, resources=Resources("cleo")),
        replace(ASKED, resources=Resources("", "green")),
        replace(ASKED, resources=Resources("red")),
    ],
)
def test_unknown_service_staff_or_room_names_no_slot(unknown: AskedSlot) -> None:
    assert natural_key(MERCHANT, unknown) is None


def changes(
    *,
    next_nos: dict[int, tuple[int, int]] | None = None,
    slots: dict[RowKey, Slot] | None = None,
    spots: int = 0,
    leases: int = 0,
    leases_buried: int = 0,
    bookings: int = 0,
) -> Changes:
    one = slot()
    return Changes(
        next_nos or {},
        slots or {},
        ((None, Spot(1, 1, 1, 1, 1)),) * spots,
        ((None, lease_of(one)),) * leases,
        ((1, 1),) * leases_buried,
        ((None, booking_of(one)),) * bookings,
        (),
    )


@pytest.mark.parametrize("kind", ["spots", "leases", "leases_buried", "bookings"])
def test_every_kind_of_change_must_be_written(kind: str) -> None:
    assert changes(**{kind: 1})  # type: ignore[arg-type] # one of the four, by name


def test_numbers_drawn_for_nothing_need_no_write() -> None:
    assert not changes(next_nos={1: (1, 2)}, slots={(1, 1): slot()})

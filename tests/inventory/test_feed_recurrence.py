"""Slots that recur: what one entry of the availability feed stands for."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from slotlease.inventory.example import start_sec
from slotlease.inventory.feed import FeedSlot
from tests.inventory.feed_folder import SECOND_US, SLOT, START_S, FeedFolder, changed, read_whole, without

IN_SLOT = "service_availability[0].availability[0]"
HOUR_S = 3_600
ENTRY = without(without(SLOT, "spots_total"), "spots_open") | {
    "recurrence": {"repeat_every_sec": HOUR_S, "repeat_until_sec": START_S + 3 * HOUR_S}
}


@pytest.fixture
def shop(tmp_path: Path) -> FeedFolder:
    return FeedFolder(tmp_path)


def slots_of(shop: FeedFolder, *entries: dict[str, Any]) -> tuple[FeedSlot, ...]:
    return read_whole([shop.merchants(), shop.services(), shop.availability(*entries)]).slots["m1"]


def starts_s(slots: tuple[FeedSlot, ...]) -> list[int]:
    return [slot.start_us // SECOND_US - START_S for slot in slots]


def blocking(begin_s: int, end_s: int) -> dict[str, Any]:
    return {"time_range": {"begin_sec": START_S + begin_s, "end_sec": START_S + end_s}}


def test_slot_recurs_up_to_its_last_start_inclusive_with_one_open_spot_each(shop: FeedFolder) -> None:
    slots = slots_of(shop, ENTRY)
    assert starts_s(slots) == [0, HOUR_S, 2 * HOUR_S, 3 * HOUR_S]
    assert {(slot.spots_total, slot.spots_open, slot.duration_us) for slot in slots} == {(1, 1, HOUR_S * SECOND_US)}
    assert all(slot.recurs for slot in slots)
    assert not shop.slot().recurs


@pytest.mark.parametrize(
    ("until_s", "starts"),
    [(0, 1), (HOUR_S - 1, 1), (HOUR_S, 2), (2 * HOUR_S - 1, 2), (24 * HOUR_S, 25)],
)
def test_last_start_is_not_after_the_end_of_the_recurrence(shop: FeedFolder, until_s: int, starts: int) -> None:
    assert len(slots_of(shop, changed(ENTRY, "recurrence.repeat_until_sec", START_S + until_s))) == starts


@pytest.mark.parametrize("spots", [{"spots_total": 1}, {"spots_open": 1}, {"spots_total": "1", "spots_open": "1"}])
def test_spots_that_a_recurrence_implies_may_be_said(shop: FeedFolder, spots: dict[str, Any]) -> None:
    assert slots_of(shop, ENTRY | spots) == slots_of(shop, ENTRY)


def test_everything_else_of_the_entry_is_every_occurrences(shop: FeedFolder) -> None:
    entry = ENTRY | {
        "availability_tag": "t",
        "resources": {"staff_id": "anna", "room_id": "r", "party_size": 2},
        "confirmation_mode": "CONFIRMATION_MODE_ASYNCHRONOUS",
        "scheduling_rule_overrides": {"last_bookable_sec": START_S - 1},
    }
    found = {
        (slot.availability_tag, slot.staff_id, slot.room_id, slot.party_size, slot.asynchronous, slot.last_bookable_us)
        for slot in slots_of(shop, entry)
    }
    assert found == {("t", "anna", "r", 2, True, (START_S - 1) * SECOND_US)}


@pytest.mark.parametrize(
    ("blocks", "is_open"),
    [
        ([(HOUR_S, 2 * HOUR_S)], [1, 0, 1, 1]),
        ([(HOUR_S + 1, 2 * HOUR_S)], [1, 0, 1, 1]),
        ([(HOUR_S, 2 * HOUR_S + 1)], [1, 0, 0, 1]),
        ([(HOUR_S - 1, HOUR_S)], [0, 1, 1, 1]),
        ([(-HOUR_S, 0)], [1, 1, 1, 1]),
        ([(-HOUR_S, 1)], [0, 1, 1, 1]),
        ([(4 * HOUR_S, 5 * HOUR_S)], [1, 1, 1, 1]),
        ([(0, HOUR_S), (3 * HOUR_S + 5, 3 * HOUR_S + 6)], [0, 1, 1, 0]),
        ([(0, 24 * HOUR_S)], [0, 0, 0, 0]),
        ([], [1, 1, 1, 1]),
    ],
)
def test_exception_blocks_what_it_overlaps_and_not_what_it_touches(
    shop: FeedFolder, blocks: list[tuple[int, int]], is_open: list[int]
) -> None:
    slots = slots_of(shop, ENTRY | {"schedule_exception": [blocking(*block) for block in blocks]})
    assert [slot.spots_open for slot in slots] == is_open
    assert {slot.spots_total for slot in slots} == {1}


def test_exception_blocks_longer_slots_that_began_before_it(shop: FeedFolder) -> None:
    entry = ENTRY | {"duration_sec": 2 * HOUR_S, "schedule_exception": [blocking(2 * HOUR_S, 2 * HOUR_S + 1)]}
    assert [slot.spots_open for slot in slots_of(shop, entry)] == [1, 0, 0, 1]


REFUSED: list[tuple[str, object, str]] = [
    ("recurrence.repeat_every_sec", 0, "must be from 60 to 86,400 seconds"),
    ("recurrence.repeat_every_sec", 59, "must be from 60"),
    ("recurrence.repeat_every_sec", 86_401, "must be from 60"),
    ("recurrence.repeat_every_sec", None, "is required"),
    ("recurrence.repeat_until_sec", None, "is required"),
    ("recurrence.repeat_until_sec", START_S - 1, "must lie from start_sec to 24 hours after it"),
    ("recurrence.repeat_until_sec", START_S + 86_401, "must lie from start_sec to 24 hours after it"),
    ("recurrence.repeat_until_sec", "soon", "must be a whole number"),
    ("recurrence.count", 5, "is no field of Google's Recurrence"),
    ("recurrence.repeatEverySec", 5, 'is spelt "repeat_every_sec"'),
    ("recurrence", [1], "must be an object, one Recurrence"),
    ("spots_total", 2, "must be 1 or left out, as a recurrence implies"),
    ("spots_open", 0, "must be 1 or left out, as a recurrence implies"),
    ("spots_open", 2, "must be 1 or left out, as a recurrence implies"),
    ("schedule_exception", {"time_range": {}}, "must be a list of objects"),
]


@pytest.mark.parametrize(("place", "value", "problem"), REFUSED, ids=lambda value: repr(value)[:40])
def test_recurrence_that_cannot_be_is_refused(shop: FeedFolder, place: str, value: object, problem: str) -> None:
    (error,) = shop.slot_refusal(changed(ENTRY, place, value))
    assert (error.place, error.value) == (f"{IN_SLOT}.{place}", json.dumps(value))
    assert problem in error.problem


@pytest.mark.parametrize(
    ("exception", "place", "problem"),
    [
        ({}, ".time_range", "is required; give begin_sec and end_sec"),
        (7, "", "must be an object, one ScheduleException"),
        ({"time_range": 7}, ".time_range", "must be an object, one TimeRange"),
        ({"time_range": {"begin_sec": START_S}}, ".time_range.end_sec", "is required"),
        ({"time_range": {"begin_sec": 5, "end_sec": 5}}, ".time_range.end_sec", "must be after begin_sec"),
        ({"time_range": {"begin_sec": 5, "end_sec": 6}, "why": "ill"}, ".why", "is no field of Google's"),
    ],
)
def test_exception_that_cannot_be_is_refused(shop: FeedFolder, exception: object, place: str, problem: str) -> None:
    (error,) = shop.slot_refusal(ENTRY | {"schedule_exception": [blocking(0, 1), exception]})
    assert error.place == f"{IN_SLOT}.schedule_exception[1]{place}"
    assert problem in error.problem


def test_exception_of_a_slot_that_does_not_recur_is_refused(shop: FeedFolder) -> None:
    (error,) = shop.slot_refusal(SLOT | {"schedule_exception": [blocking(0, 1)]})
    assert error.place == f"{IN_SLOT}.schedule_exception"
    assert "is a part of a recurrence" in error.problem


def test_occurrences_that_are_the_same_slot_are_refused_naming_the_entries_and_the_start(shop: FeedFolder) -> None:
    other = ENTRY | {
        "start_sec": START_S + 2 * HOUR_S,
        "recurrence": {"repeat_every_sec": 3 * HOUR_S, "repeat_until_sec": START_S + 9 * HOUR_S},
    }
    (error,) = shop.slot_refusal(ENTRY, other)
    assert error.place == "service_availability[0].availability[1]"
    assert error.value == f'{{"service_id": "s1", "start_sec": {START_S + 2 * HOUR_S}}}'
    assert f"is the same slot as {IN_SLOT}" in error.problem


def test_single_slots_may_stand_beside_recurrences(shop: FeedFolder) -> None:
    """Google wants one or the other within a service: `lint` says so, the ledger does not mind."""
    slots = slots_of(shop, ENTRY, SLOT | {"start_sec": START_S + 10 * HOUR_S})
    assert [slot.recurs for slot in slots] == [True, True, True, True, False]


ZONES_THAT_CHANGE_CLOCKS = [
    ("Europe/Amsterdam", date(2026, 3, 29), date(2026, 10, 25)),
    ("America/New_York", date(2026, 3, 8), date(2026, 11, 1)),
    ("Australia/Lord_Howe", date(2026, 10, 4), date(2026, 4, 5)),  # by half an hour, the other way round
    ("America/Santiago", date(2026, 9, 6), date(2026, 4, 4)),  # at midnight
]


@pytest.mark.parametrize(("name", "forward", "back"), ZONES_THAT_CHANGE_CLOCKS)
def test_days_recurrence_keeps_its_local_hours_on_the_days_that_clocks_change(
    shop: FeedFolder, name: str, forward: date, back: date
) -> None:
    """A feed's generator makes an entry of each day; the hours it means come back, whatever the clocks did at night."""
    zone = ZoneInfo(name)
    for day in (forward + timedelta(days=shift) for shift in (-1, 0, 1)):
        assert _local_hours(shop, day, zone) == [time(hour) for hour in range(9, 18)]
    for day in (back + timedelta(days=shift) for shift in (-1, 0, 1)):
        assert _local_hours(shop, day, zone) == [time(hour) for hour in range(9, 18)]


def _local_hours(shop: FeedFolder, day: date, zone: ZoneInfo) -> list[time]:
    first_sec, last_sec = start_sec(day, time(9), zone), start_sec(day, time(17), zone)
    entry = ENTRY | {"start_sec": first_sec, "recurrence": {"repeat_every_sec": 3600, "repeat_until_sec": last_sec}}
    starts = [datetime.fromtimestamp(slot.start_us // SECOND_US, zone) for slot in slots_of(shop, entry)]
    assert {start.date() for start in starts} == {day}
    return [start.time() for start in starts]


def test_recurrence_through_the_night_goes_on_by_the_hour_while_local_clocks_jump(shop: FeedFolder) -> None:
    zone = ZoneInfo("Europe/Amsterdam")
    for day, hours in ((date(2026, 3, 29), [0, 1, 3, 4]), (date(2026, 10, 25), [0, 1, 2, 2, 3])):
        first_sec, last_sec = start_sec(day, time(0), zone), start_sec(day, time(hours[-1]), zone)
        entry = ENTRY | {"start_sec": first_sec, "recurrence": {"repeat_every_sec": 3600, "repeat_until_sec": last_sec}}
        starts = [datetime.fromtimestamp(slot.start_us // SECOND_US, zone) for slot in slots_of(shop, entry)]
        assert [start.hour for start in starts] == hours

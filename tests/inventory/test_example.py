"""The example feeds: in Google's form, read back as they were meant, and the same whenever they are written again."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from slotlease.inventory import example
from slotlease.inventory.example import start_sec, write_example
from slotlease.inventory.feed import FeedSlot
from tests.inventory.feed_folder import WholeFeed, read_whole

GENERATED_S = 1_740_000_000
FIRST_DAY = date(2025, 3, 1)
SECOND_US = 1_000_000


def written(folder: Path, days: int = 2, **options: Any) -> WholeFeed:
    return read_whole(write_example(folder, FIRST_DAY, days, generation_s=GENERATED_S, **options).paths)


def slots_of(feed: WholeFeed, merchant_id: str, service_id: str) -> list[FeedSlot]:
    return [slot for slot in feed.slots[merchant_id] if slot.service_id == service_id]


@pytest.fixture
def feed(tmp_path: Path) -> WholeFeed:
    return written(tmp_path)


def test_example_is_read_back_whole_with_as_many_slots_as_it_says(tmp_path: Path) -> None:
    example_written = write_example(tmp_path / "new" / "folder", FIRST_DAY, 3, generation_s=GENERATED_S)
    feed = read_whole(reversed(example_written.paths))
    assert [merchant.merchant_id for merchant in feed.merchants] == [example.GYM, example.RESTAURANT, example.SALON]
    found = {
        (service.merchant_id, service.service_id): len(slots_of(feed, service.merchant_id, service.service_id))
        for service in feed.services
    }
    assert found == example_written.slots
    assert min(found.values()) >= 3
    assert feed.slots_generation_us == GENERATED_S * SECOND_US


def test_days_begin_with_the_first_and_follow_one_another(feed: WholeFeed) -> None:
    days = {
        datetime.fromtimestamp(slot.start_us // SECOND_US, UTC).date()
        for slots in feed.slots.values()
        for slot in slots
    }
    assert days == {FIRST_DAY, FIRST_DAY + timedelta(days=1)}


def test_files_are_named_as_google_wants(tmp_path: Path) -> None:
    paths = write_example(tmp_path, FIRST_DAY, 1, generation_s=GENERATED_S, availability_shards=2, gzipped=True).paths
    assert [path.name for path in paths] == [
        "merchant_feed_1740000000_001_of_001.json.gz",
        "service_feed_1740000000_001_of_001.json.gz",
        "availability_feed_1740000000_001_of_002.json.gz",
        "availability_feed_1740000000_002_of_002.json.gz",
    ]


@pytest.mark.parametrize("options", [{"availability_shards": 3}, {"gzipped": True}, {"availability_shards": 40}])
def test_shards_and_gzip_say_the_same(tmp_path: Path, options: dict[str, Any]) -> None:
    assert written(tmp_path / "a") == written(tmp_path / "b", **options)


def test_same_arguments_write_the_same_bytes(tmp_path: Path) -> None:
    first, again = (
        write_example(tmp_path / name, FIRST_DAY, 2, generation_s=GENERATED_S, gzipped=True).paths
        for name in ("first", "again")
    )
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    written_at = first[0].read_bytes()[4:8]  # of the gzip header; a test within one second would not see it change
    assert written_at == bytes(4)


def test_hours_are_those_of_the_zone(tmp_path: Path) -> None:
    zone = timezone(timedelta(hours=2))
    feed = written(tmp_path, zone=zone)
    first = slots_of(feed, example.GYM, example.YOGA)[0]
    assert first.start_us == start_sec(FIRST_DAY, example.YOGA_STARTS[0], zone) * SECOND_US
    assert first.start_us == datetime(2025, 3, 1, 5, tzinfo=UTC).timestamp() * SECOND_US


def test_class_has_twelve_spots_is_named_without_resources_and_sold_elsewhere_at_noon(feed: WholeFeed) -> None:
    yoga = slots_of(feed, example.GYM, example.YOGA)
    noon_us = start_sec(FIRST_DAY, example.NOON) * SECOND_US
    assert {(slot.spots_total, slot.staff_id, slot.room_id, slot.party_size) for slot in yoga} == {(12, "", "", 0)}
    assert [slot.spots_open for slot in yoga if slot.start_us == noon_us] == [9]
    assert {slot.spots_open for slot in yoga if slot.start_us % (86_400 * SECOND_US) != 12 * 3_600 * SECOND_US} == {12}


def test_staff_of_the_salon_are_shared_by_overlapping_slots_of_two_services(feed: WholeFeed) -> None:
    for staff_id in (example.ANNA, example.BEN):
        slots = [slot for slot in feed.slots[example.SALON] if slot.staff_id == staff_id]
        assert {slot.service_id for slot in slots} == {example.CUT, example.COLOUR}
        assert any(first.start_us + first.duration_us > second.start_us for first, second in pairwise(slots))


def test_basin_is_shared_by_staff_who_share_no_service(feed: WholeFeed) -> None:
    at_basin = [slot for slot in feed.slots[example.SALON] if slot.room_id == example.BASIN]
    assert {(slot.service_id, slot.staff_id) for slot in at_basin} == {
        (example.COLOUR, example.ANNA),
        (example.COLOUR, example.BEN),
        (example.TREATMENT, example.DORA),
    }


def test_restaurant_offers_each_party_size_at_the_same_start_without_rooms(feed: WholeFeed) -> None:
    start_us = start_sec(FIRST_DAY, example.TABLE_STARTS[0]) * SECOND_US
    tables = [slot for slot in slots_of(feed, example.RESTAURANT, example.TABLE) if slot.start_us == start_us]
    assert [(slot.party_size, slot.spots_total, slot.room_id) for slot in tables] == [
        (2, 4, ""),
        (4, 3, ""),
        (6, 1, ""),
    ]


def test_services_show_a_cancellation_window_a_lead_time_and_repeated_booking(feed: WholeFeed) -> None:
    services = {service.service_id: service for service in feed.services}
    assert services[example.COLOUR].min_advance_online_canceling_s == 24 * 3600
    assert services[example.TABLE].min_advance_booking_s == 3600
    assert [name for name, service in services.items() if not service.one_booking_per_user] == [example.SPINNING]


def test_only_the_trainer_confirms_later_and_every_slot_has_a_tag(feed: WholeFeed) -> None:
    slots = [slot for merchant_slots in feed.slots.values() for slot in merchant_slots]
    assert {slot.service_id for slot in slots if slot.asynchronous} == {example.TRAINING}
    assert all(re.fullmatch(r"[a-z-]+-[0-9]+", slot.availability_tag) for slot in slots)


@pytest.mark.parametrize(
    ("starts", "first", "last", "count"),
    [
        (example.CUT_STARTS, time(9), time(17, 30), 18),
        (example.TREATMENT_STARTS, time(9, 30), time(16, 30), 8),
        (example.TABLE_STARTS, time(17), time(21), 9),
    ],
    ids=["cut", "treatment", "table"],
)
def test_starts_run_from_the_first_to_the_last_of_the_day(
    starts: tuple[time, ...], first: time, last: time, count: int
) -> None:
    assert (starts[0], starts[-1], len(starts)) == (first, last, count)


def test_file_is_json_that_begins_with_its_metadata(tmp_path: Path) -> None:
    path = write_example(tmp_path, FIRST_DAY, 1, generation_s=GENERATED_S).paths[0]
    feed = json.loads(path.read_text(encoding="utf-8"))
    assert list(feed) == ["metadata", "merchant"]
    assert feed["metadata"] == {
        "processing_instruction": "PROCESS_AS_COMPLETE",
        "shard_number": 0,
        "total_shards": 1,
        "nonce": str(GENERATED_S),
        "generation_timestamp": GENERATED_S,
    }


@pytest.mark.parametrize(("days", "shards", "merchants"), [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_example_of_nothing_is_a_mistake(tmp_path: Path, days: int, shards: int, merchants: int) -> None:
    with pytest.raises(ValueError, match="a day, a merchant and a shard at least"):
        write_example(
            tmp_path, FIRST_DAY, days, generation_s=GENERATED_S, availability_shards=shards, merchants=merchants
        )


@pytest.mark.parametrize(
    ("name", "forward", "back", "lost_or_won"),
    [
        ("Europe/Amsterdam", date(2026, 3, 29), date(2026, 10, 25), timedelta(hours=1)),
        ("America/New_York", date(2026, 3, 8), date(2026, 11, 1), timedelta(hours=1)),
        ("America/Santiago", date(2026, 9, 6), date(2026, 4, 5), timedelta(hours=1)),
        ("Australia/Lord_Howe", date(2026, 10, 4), date(2026, 4, 5), timedelta(minutes=30)),
    ],
)
def test_hours_stay_those_of_the_zone_on_the_days_that_its_clocks_change(
    tmp_path: Path, name: str, forward: date, back: date, lost_or_won: timedelta
) -> None:
    zone = ZoneInfo(name)
    day = timedelta(days=1)
    for changed, length in ((forward, day - lost_or_won), (back, day + lost_or_won)):
        paths = write_example(tmp_path / str(changed), changed - day, 3, generation_s=GENERATED_S, zone=zone).paths
        yoga = slots_of(read_whole(paths), example.GYM, example.YOGA)
        starts = [datetime.fromtimestamp(slot.start_us // SECOND_US, zone) for slot in yoga]
        assert [start.time() for start in starts] == list(example.YOGA_STARTS) * 3
        assert [start.date() for start in starts[::5]] == [changed - day, changed, changed + day]
        evening_before, evening = yoga[4].start_us, yoga[9].start_us
        assert timedelta(microseconds=evening - evening_before) == length


def test_clocks_stay_the_same_where_they_are_never_changed(tmp_path: Path) -> None:
    feed = written(tmp_path, days=365, zone=ZoneInfo("Asia/Tokyo"), merchants=1)
    seconds = {slot.start_us // SECOND_US % 86_400 for slot in slots_of(feed, example.GYM, example.YOGA)}
    assert len(seconds) == len(example.YOGA_STARTS)


def test_usual_number_of_merchants_has_over_five_thousand_slots_in_thirty_days(tmp_path: Path) -> None:
    slots = write_example(tmp_path, FIRST_DAY, 30, generation_s=GENERATED_S, merchants=example.MERCHANTS).slots
    assert sum(slots.values()) > 5_000
    assert len({merchant_id for merchant_id, _ in slots}) == example.MERCHANTS == 6


def test_more_merchants_are_more_of_the_same_with_staff_and_rooms_of_their_own(tmp_path: Path) -> None:
    feed = written(tmp_path, merchants=8)
    ids = ["gym-1", "gym-2", "gym-3", "restaurant-1", "restaurant-2", "salon-1", "salon-2", "salon-3"]
    assert [merchant.merchant_id for merchant in feed.merchants] == ids
    assert [merchant.name for merchant in feed.merchants][:2] == ["Example Gym", "Example Gym 2"]
    first, third = ({(s.staff_id, s.room_id) for s in feed.slots[name]} for name in ("salon-1", "salon-3"))
    assert third == {(f"{staff}-3", f"{room}-3") for staff, room in first}
    starts = [[slot.start_us for slot in feed.slots[name]] for name in ("salon-1", "salon-3")]
    assert starts[0] == starts[1]


def test_first_three_merchants_are_the_same_however_many_there_are(tmp_path: Path) -> None:
    few, many = written(tmp_path / "few"), written(tmp_path / "many", merchants=20)
    assert {name: many.slots[name] for name in few.slots} == few.slots
    assert [s for s in many.services if s.merchant_id in few.slots] == list(few.services)


def test_a_single_merchant_is_the_gym(tmp_path: Path) -> None:
    assert list(written(tmp_path, merchants=1).slots) == [example.GYM]

"""The example feeds: in Google's form, read back as they were meant, and the same whenever they are written again."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from slotlease.inventory import example
from slotlease.inventory.example import start_sec, write_example
from slotlease.inventory.feed import Feed, FeedSlot, read_feed

GENERATED_S = 1_740_000_000
FIRST_DAY = date(2025, 3, 1)
SECOND_US = 1_000_000


def written(folder: Path, days: int = 2, **options: Any) -> Feed:
    return read_feed(write_example(folder, FIRST_DAY, days, generation_s=GENERATED_S, **options).paths)


def slots_of(feed: Feed, merchant_id: str, service_id: str) -> list[FeedSlot]:
    return [slot for slot in feed.slots[merchant_id] if slot.service_id == service_id]


@pytest.fixture
def feed(tmp_path: Path) -> Feed:
    return written(tmp_path)


def test_example_is_read_back_whole_with_as_many_slots_as_it_says(tmp_path: Path) -> None:
    example_written = write_example(tmp_path / "new" / "folder", FIRST_DAY, 3, generation_s=GENERATED_S)
    feed = read_feed(reversed(example_written.paths))
    assert [merchant.merchant_id for merchant in feed.merchants] == [example.GYM, example.RESTAURANT, example.SALON]
    found = {
        (service.merchant_id, service.service_id): len(slots_of(feed, service.merchant_id, service.service_id))
        for service in feed.services
    }
    assert found == example_written.slots
    assert min(found.values()) >= 3
    assert feed.slots_generation_us == GENERATED_S * SECOND_US


def test_days_begin_with_the_first_and_follow_one_another(feed: Feed) -> None:
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


def test_class_has_twelve_spots_is_named_without_resources_and_sold_elsewhere_at_noon(feed: Feed) -> None:
    yoga = slots_of(feed, example.GYM, example.YOGA)
    noon_us = start_sec(FIRST_DAY, example.NOON) * SECOND_US
    assert {(slot.spots_total, slot.staff_id, slot.room_id, slot.party_size) for slot in yoga} == {(12, "", "", 0)}
    assert [slot.spots_open for slot in yoga if slot.start_us == noon_us] == [9]
    assert {slot.spots_open for slot in yoga if slot.start_us % (86_400 * SECOND_US) != 12 * 3_600 * SECOND_US} == {12}


def test_staff_of_the_salon_are_shared_by_overlapping_slots_of_two_services(feed: Feed) -> None:
    for staff_id in (example.ANNA, example.BEN):
        slots = [slot for slot in feed.slots[example.SALON] if slot.staff_id == staff_id]
        assert {slot.service_id for slot in slots} == {example.CUT, example.COLOUR}
        assert any(first.start_us + first.duration_us > second.start_us for first, second in pairwise(slots))


def test_basin_is_shared_by_staff_who_share_no_service(feed: Feed) -> None:
    at_basin = [slot for slot in feed.slots[example.SALON] if slot.room_id == example.BASIN]
    assert {(slot.service_id, slot.staff_id) for slot in at_basin} == {
        (example.COLOUR, example.ANNA),
        (example.COLOUR, example.BEN),
        (example.TREATMENT, example.DORA),
    }


def test_restaurant_offers_each_party_size_at_the_same_start_without_rooms(feed: Feed) -> None:
    start_us = start_sec(FIRST_DAY, example.TABLE_STARTS[0]) * SECOND_US
    tables = [slot for slot in slots_of(feed, example.RESTAURANT, example.TABLE) if slot.start_us == start_us]
    assert [(slot.party_size, slot.spots_total, slot.room_id) for slot in tables] == [
        (2, 4, ""),
        (4, 3, ""),
        (6, 1, ""),
    ]


def test_services_show_a_cancellation_window_a_lead_time_and_repeated_booking(feed: Feed) -> None:
    services = {service.service_id: service for service in feed.services}
    assert services[example.COLOUR].min_advance_online_canceling_s == 24 * 3600
    assert services[example.TABLE].min_advance_booking_s == 3600
    assert [name for name, service in services.items() if not service.one_booking_per_user] == [example.SPINNING]


def test_only_the_trainer_confirms_later_and_every_slot_has_a_tag(feed: Feed) -> None:
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


@pytest.mark.parametrize(("days", "shards"), [(0, 1), (1, 0)])
def test_example_of_nothing_is_a_mistake(tmp_path: Path, days: int, shards: int) -> None:
    with pytest.raises(ValueError, match="a day and a shard at least"):
        write_example(tmp_path, FIRST_DAY, days, generation_s=GENERATED_S, availability_shards=shards)

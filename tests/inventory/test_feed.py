"""What `read_feed` makes of Google's feeds. How it refuses them stands in test_feed_refused.py."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from slotlease.inventory.feed import FeedMerchant, FeedService, FeedSlot, Known
from tests.inventory.feed_folder import (
    GENERATED_S,
    MERCHANT,
    SECOND_US,
    SERVICE,
    SLOT,
    START_S,
    FeedFolder,
    WholeFeed,
    metadata,
    read_whole,
    without,
)


@pytest.fixture
def shop(tmp_path: Path) -> FeedFolder:
    return FeedFolder(tmp_path)


def test_feeds_become_one_value_with_instants_in_microseconds(shop: FeedFolder) -> None:
    feed = read_whole([shop.merchants(), shop.services(), shop.availability()])
    assert feed == WholeFeed(
        merchants=(FeedMerchant("m1", "Example Gym"),),
        services=(FeedService("m1", "s1", "Yoga"),),
        slots={"m1": (FeedSlot("m1", "s1", START_S * SECOND_US, 3600 * SECOND_US, 12, 12),)},
        merchants_generation_us=GENERATED_S * SECOND_US,
        services_generation_us=GENERATED_S * SECOND_US,
        slots_generation_us=GENERATED_S * SECOND_US,
    )


def test_slot_brings_its_resources_tag_rules_and_confirmation(shop: FeedFolder) -> None:
    slot = shop.slot(
        availability_tag="morning",
        confirmation_mode="CONFIRMATION_MODE_ASYNCHRONOUS",
        duration_requirement="DO_NOT_SHOW_DURATION",
        resources={
            "staff_id": "anna",
            "staff_name": "Anna",
            "room_id": "r1",
            "room_name": "Blue room",
            "room_description": "at the back",
            "party_size": 4,
        },
        scheduling_rule_overrides={
            "first_bookable_sec": START_S - 3,
            "last_bookable_sec": str(START_S - 2),
            "last_online_cancellable_sec": START_S - 1,
        },
    )
    assert slot == FeedSlot(
        "m1",
        "s1",
        START_S * SECOND_US,
        3600 * SECOND_US,
        12,
        12,
        availability_tag="morning",
        staff_id="anna",
        room_id="r1",
        party_size=4,
        asynchronous=True,
        first_bookable_us=(START_S - 3) * SECOND_US,
        last_bookable_us=(START_S - 2) * SECOND_US,
        last_online_cancellable_us=(START_S - 1) * SECOND_US,
    )


def test_service_brings_its_rules_and_whether_one_user_may_book_twice(shop: FeedFolder) -> None:
    rules = {"min_advance_booking": "3600", "min_advance_online_canceling": 86400, "admission_policy": "TIME_STRICT"}
    service = SERVICE | {"rules": rules, "slotlease_one_booking_per_user": False}
    feed = read_whole([shop.merchants(), shop.services(service)])
    assert feed.services == (FeedService("m1", "s1", "Yoga", 3600, 86400, one_booking_per_user=False),)


@pytest.mark.parametrize(
    ("rules", "late_s"),
    [
        ({"admission_policy": "TIME_FLEXIBLE", "min_booking_buffer_before_end_time": "1800"}, 1_800),
        ({"admission_policy": "TIME_FLEXIBLE", "min_booking_buffer_before_end_time": 0}, None),
        ({"admission_policy": "TIME_FLEXIBLE"}, None),
        ({"admission_policy": "TIME_STRICT", "min_booking_buffer_before_end_time": "0"}, None),
        ({"admission_policy": "TIME_STRICT_WITH_FLEXIBLE_DURATION"}, None),
        ({"min_advance_booking": 60}, None),
    ],
)
def test_service_admits_late_bookings_only_where_it_says_until_when(
    shop: FeedFolder, rules: dict[str, Any], late_s: int | None
) -> None:
    feed = read_whole([shop.merchants(), shop.services(SERVICE | {"rules": rules})])
    assert feed.services[0].min_booking_buffer_before_end_time_s == late_s


def test_late_bookings_beside_a_lead_time_are_refused_for_they_contradict_each_other(shop: FeedFolder) -> None:
    late = {"admission_policy": "TIME_FLEXIBLE", "min_booking_buffer_before_end_time": 60, "min_advance_booking": 60}
    (error,) = shop.refusal(shop.merchants(), shop.services(SERVICE | {"rules": late}))
    assert error.place == "service[0].rules.min_booking_buffer_before_end_time"
    assert "cannot stand beside min_advance_booking" in error.problem


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ({"name": "Yoga", "localized_service_name": {"value": "Joga"}}, "Joga"),
        ({"name": "Yoga"}, "Yoga"),
        ({"service_name": "Yoga"}, "Yoga"),
        ({}, "s1"),
    ],
)
def test_service_is_called_by_its_best_name(shop: FeedFolder, entry: dict[str, Any], name: str) -> None:
    feed = read_whole([shop.merchants(), shop.services({"merchant_id": "m1", "service_id": "s1"} | entry)])
    assert feed.services[0].name == name


def test_number_may_be_written_as_decimal_digits_in_quotes(shop: FeedFolder) -> None:
    fields = {"start_sec": str(START_S), "duration_sec": "3600", "spots_total": "12", "spots_open": "7"}
    assert shop.slot(**fields) == FeedSlot("m1", "s1", START_S * SECOND_US, 3600 * SECOND_US, 12, 7)


def test_full_slot_written_without_its_default_zero_is_full_and_not_free(shop: FeedFolder) -> None:
    path = shop.availability(without(SLOT, "spots_open"))
    feed = read_whole([shop.merchants(), shop.services(), path])
    assert feed.slots["m1"][0].spots_open == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"recurrence": None},
        {"payment_option_id": []},
        {"ticket_type_id": []},
        {"require_credit_card": "REQUIRE_CREDIT_CARD_UNSPECIFIED"},
        {"confirmation_mode": "CONFIRMATION_MODE_UNSPECIFIED"},
        {"resources": {"staff_id": "", "party_size": 0}},
        {"scheduling_rule_overrides": {"first_bookable_sec": 0, "last_bookable_sec": "0"}},
        {"availability_tag": None},
    ],
)
def test_field_written_only_to_leave_it_empty_is_no_field(shop: FeedFolder, fields: dict[str, Any]) -> None:
    assert shop.slot(**fields) == shop.slot()


def test_fields_that_only_describe_are_read_over(shop: FeedFolder) -> None:
    geo = {"latitude": 52.37, "longitude": 4.89, "address": {"country": "NL"}}
    merchant = MERCHANT | {"geo": geo, "url": "https://gym.example", "terms": {"text": "…"}, "category": "gym"}
    service = SERVICE | {"price": {"price_micros": "10000000"}, "prepayment_type": "NOT_SUPPORTED"}
    feed = read_whole([shop.merchants(merchant), shop.services(service)])
    assert feed.merchants == (FeedMerchant("m1", "Example Gym"),)
    assert feed.services == (FeedService("m1", "s1", "Yoga"),)


def test_gzip_is_told_by_what_is_in_the_file_and_not_by_its_name(shop: FeedFolder) -> None:
    plain = shop.merchants()
    zipped_without_saying_so = shop.folder / "services.json"
    zipped_without_saying_so.write_bytes(gzip.compress(json.dumps({"metadata": metadata(), "service": []}).encode()))
    called_gz_but_plain = plain.rename(plain.with_suffix(".json.gz"))
    feed = read_whole([zipped_without_saying_so, called_gz_but_plain])
    assert feed.merchants == (FeedMerchant("m1", "Example Gym"),)
    assert feed.services == ()


def test_byte_order_mark_at_the_start_of_a_file_does_no_harm(shop: FeedFolder) -> None:
    path = shop.folder / "merchants.json"
    path.write_text(json.dumps({"metadata": metadata(), "merchant": [MERCHANT]}), encoding="utf-8-sig")
    assert read_whole([path]).merchants == (FeedMerchant("m1", "Example Gym"),)


def test_order_of_files_shards_and_entries_makes_no_difference(shop: FeedFolder) -> None:
    early, late, other = SLOT, SLOT | {"start_sec": START_S + 60}, SLOT | {"merchant_id": "m0"}
    known = Known(frozenset({"m0", "m1"}), frozenset({("m0", "s1"), ("m1", "s1")}))
    files = [
        shop.availability(late, other, name="b.json", shard=1, shards=2, nonce=7),
        shop.availability(early, name="a.json", shard=0, shards=2, nonce="7"),
    ]
    feed = read_whole(files, known=known)
    assert feed == read_whole(reversed(files), known=known)
    assert list(feed.slots) == ["m0", "m1"]
    assert [slot.start_us for slot in feed.slots["m1"]] == [START_S * SECOND_US, (START_S + 60) * SECOND_US]


def test_kind_of_feed_that_is_not_given_says_nothing_and_an_empty_one_says_none(shop: FeedFolder) -> None:
    feed = read_whole([shop.write("none.json", {"metadata": metadata(), "service_availability": []})])
    assert feed.slots == {}
    assert feed.slots_generation_us == GENERATED_S * SECOND_US
    assert feed.merchants_generation_us is None
    assert feed.services_generation_us is None


def test_service_availability_without_slots_is_none(shop: FeedFolder) -> None:
    assert read_whole([shop.write("none.json", {"metadata": metadata(), "service_availability": [{}]})]).slots == {}


def test_slots_of_one_start_differ_by_staff_room_party_size_and_duration(shop: FeedFolder) -> None:
    others = [
        SLOT | {"resources": {"staff_id": "anna"}},
        SLOT | {"resources": {"room_id": "anna"}},
        SLOT | {"resources": {"party_size": 2}},
        SLOT | {"duration_sec": 1800},
    ]
    feed = read_whole([shop.merchants(), shop.services(), shop.availability(SLOT, *others)])
    assert len(feed.slots["m1"]) == 5
    assert len({slot.natural_key for slot in feed.slots["m1"]}) == 5

"""How `read_feed` refuses: the whole or nothing, every error at once, each with its file, its place and its value."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.inventory.feed_folder import (
    MERCHANT,
    SERVICE,
    SLOT,
    START_S,
    FeedFolder,
    changed,
    metadata,
    without,
)

IN_SLOT = "service_availability[0].availability[0]"


@pytest.fixture
def shop(tmp_path: Path) -> FeedFolder:
    return FeedFolder(tmp_path)


WHOLE = "must be a whole number"
RANGES: list[tuple[str, object, str, str]] = [
    ("merchant_id", "", '""', "is required"),
    ("merchant_id", 7, "7", "must be text"),
    ("merchant_id", "m" * 256, '"' + "m" * 76 + "...", "is 256 characters long; at most 255"),
    ("service_id", "s\n1", '"s\\n1"', "holds a control character"),
    ("service_id", "s\ud800", '"s\\ud800"', "holds a control character"),
    ("start_sec", None, "null", "is required"),
    ("start_sec", 0, "0", "must be from 1 to 253,402,300,799 Unix seconds"),
    ("start_sec", 253_402_300_800, "253402300800", "must be from"),
    ("start_sec", 1740820000.0, "1740820000.0", WHOLE),
    ("start_sec", True, "true", WHOLE),
    ("start_sec", "1e9", '"1e9"', WHOLE),
    ("start_sec", "\u0661", '"\\u0661"', WHOLE),
    ("start_sec", " 1", '" 1"', WHOLE),
    ("start_sec", "0x1", '"0x1"', WHOLE),
    ("start_sec", "1" * 20, '"' + "1" * 20 + '"', WHOLE),
    ("duration_sec", 0, "0", "must be from 1 to 2,678,400 seconds (31 days)"),
    ("duration_sec", -3600, "-3600", "must be from"),
    ("duration_sec", 31 * 86_400 + 1, "2678401", "must be from"),
    ("spots_total", 0, "0", "must be from 1 to 10,000 spots"),
    ("spots_total", 10_001, "10001", "must be from"),
    ("spots_total", [1], "[1]", WHOLE),
    ("spots_open", -1, "-1", "must be from 0"),
    ("spots_open", 13, "13", "must not be more than spots_total, 12"),
    ("spots_open", 7.5, "7.5", WHOLE),
    ("availability_tag", 5, "5", "must be text"),
    ("availability_tag", "t" * 1001, '"' + "t" * 76 + "...", "is 1001 characters long"),
    ("confirmation_mode", "CONFIRMATION_MODE_SOMETIME", '"CONFIRMATION_MODE_SOMETIME"', "does not understand"),
    ("confirmation_mode", 2, "2", "say CONFIRMATION_MODE_SYNCHRONOUS or CONFIRMATION_MODE_ASYNCHRONOUS"),
    ("resources", ["anna"], '["anna"]', "must be an object, one Resources"),
    ("resources.staff_id", "\x07", '"\\u0007"', "holds a control character"),
    ("resources.room_name", "Blue\x9b", '"Blue\\u009b"', "holds a control character"),
    ("resources.party_size", 1001, "1001", "must be from 0 to 1,000"),
    ("resources.party_size", -2, "-2", "must be from 0 to 1,000"),
    ("scheduling_rule_overrides.first_bookable_sec", -1, "-1", "must be from 0"),
    ("scheduling_rule_overrides.last_bookable_sec", 1e300, "1e+300", WHOLE),
    ("scheduling_rule_overrides.last_online_cancellable_sec", 10**12, "1000000000000", "must be from 0"),
]


@pytest.mark.parametrize(("place", "value", "shown", "problem"), RANGES, ids=lambda value: repr(value)[:40])
def test_slot_that_cannot_be_is_refused(shop: FeedFolder, place: str, value: object, shown: str, problem: str) -> None:
    (error,) = shop.slot_refusal(changed(SLOT, place, value))
    assert error.place == f"{IN_SLOT}.{place}"
    assert error.value == shown
    assert problem in error.problem


@pytest.mark.parametrize("key", ["merchant_id", "service_id", "start_sec", "duration_sec", "spots_total"])
def test_slot_without_a_required_field_is_refused_with_no_value_shown(shop: FeedFolder, key: str) -> None:
    (error,) = shop.slot_refusal(without(SLOT, key))
    assert (error.place, error.value) == (f"{IN_SLOT}.{key}", "")
    assert error.problem.startswith("is required")


def test_most_spots_of_a_slot_is_the_readers_to_say(shop: FeedFolder) -> None:
    (error,) = shop.slot_refusal(SLOT | {"spots_total": 21}, spots_total_max=20)
    assert "must be from 1 to 20 spots" in error.problem


NOT_YET: list[tuple[str, object]] = [
    ("payment_option_id", ["gold-card"]),
    ("prepayment", {"price_info": {}}),
    ("deposit", {}),
    ("no_show_fee", {"fee_type": "FIXED_RATE_DEFAULT"}),
    ("require_credit_card", "REQUIRE_CREDIT_CARD_ALWAYS"),
    ("ticket_type_id", ["adult"]),
    ("linkout_required_reason", "PAYMENT_REQUIRED"),
]


@pytest.mark.parametrize(("key", "value"), NOT_YET)
def test_slot_field_not_yet_understood_is_refused_by_name(shop: FeedFolder, key: str, value: object) -> None:
    (error,) = shop.slot_refusal(SLOT | {key: value})
    assert error.place == f"{IN_SLOT}.{key}"
    assert error.value == json.dumps(value)
    assert error.problem.startswith(f'this version does not understand "{key}" yet; remove it, or ')


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("start_timestamp_restrict", START_S),
        ("end_timestamp_restrict", str(START_S)),
        ("merchant_id_restrict", "m1"),
        ("service_id_restrict", "s1"),
        ("duration_restrict_sec", 1800),
        ("resources_restrict", {"staff_id": "anna"}),
    ],
)
def test_feed_of_a_part_of_the_slots_is_refused_by_name(shop: FeedFolder, key: str, value: object) -> None:
    availability = {"metadata": metadata(), "service_availability": [{key: value, "availability": []}]}
    (error,) = shop.refusal(shop.write("slots.json", availability))
    assert error.place == f"service_availability[0].{key}"
    assert error.value == json.dumps(value)
    assert f'does not understand "{key}" yet; remove it, or send the whole availability' in error.problem


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        ("rules.admission_policy", "TIME_ELASTIC", 'does not understand "TIME_ELASTIC" yet; say TIME_STRICT'),
        ("rules.min_booking_buffer_before_end_time", 600, 'needs "admission_policy": "TIME_FLEXIBLE"'),
        ("rules.min_booking_buffer_before_end_time", -1, "must be from 0 to"),
        ("rules.late_cancellation_fee", {}, 'does not understand "late_cancellation_fee"'),
        ("rules.cancellation_policy", {}, 'does not understand "cancellation_policy"'),
        ("rules.min_advance_booking", -1, "must be from 0 to 316,224,000 seconds"),
        ("rules.min_advance_online_canceling", 1.5, WHOLE),
        ("prepayment_type", "REQUIRED", 'does not understand "prepayment_type"'),
        ("integration_type", "INTEGRATION_TYPE_INVENTORY_ONLY", 'does not understand "integration_type"'),
        ("waitlist_rules", {"max_party_size": 8}, 'does not understand "waitlist_rules"'),
        ("ticket_type", [{}], 'does not understand "ticket_type"'),
        ("form", [{}], 'does not understand "form"'),
        ("slotlease_one_booking_per_user", "no", "must be true or false"),
        ("one_booking_per_user", True, '"one_booking_per_user" is no field of Google\'s Service'),
        ("serviceId", "s1", 'is spelt "service_id" in Google\'s feeds'),
        ("localized_service_name", "Yoga", "must be an object, one Text"),
        ("service_id", "", "is required"),
    ],
)
def test_service_that_is_not_understood_is_refused(shop: FeedFolder, place: str, value: object, problem: str) -> None:
    path = shop.services(changed(SERVICE, place, value))
    (error,) = shop.refusal(shop.merchants(), path)
    assert (error.file, error.place, error.value) == (str(path), f"service[0].{place}", json.dumps(value))
    assert problem in error.problem


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("payment_option", [{}], 'does not understand "payment_option"'),
        ("tokenization_config", {"x": 1}, 'does not understand "tokenization_config"'),
        ("waitlist_advisement", {}, 'does not understand "waitlist_advisement"'),
        ("reservation_linkout_template", [{}], 'does not understand "reservation_linkout_template"'),
        ("opening_hours", [], '"opening_hours" is no field of Google\'s Merchant'),
        ("merchantName", "Gym", 'is spelt "merchant_name"'),
        ("name", 5, "must be text"),
        ("merchant_id", None, "is required"),
    ],
)
def test_merchant_that_is_not_understood_is_refused(shop: FeedFolder, key: str, value: object, problem: str) -> None:
    path = shop.merchants(MERCHANT | {key: value})
    (error,) = shop.refusal(path)
    assert (error.file, error.place, error.value) == (str(path), f"merchant[0].{key}", json.dumps(value))
    assert problem in error.problem


def test_field_with_a_strange_name_is_named_without_its_control_characters(shop: FeedFolder) -> None:
    (error,) = shop.slot_refusal(SLOT | {"spots\x1b[2J": 1})
    assert error.place == IN_SLOT + '["spots\\u001b[2J"]'
    assert "\x1b" not in str(error)


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("processing_instruction", "PROCESS_AS_INCREMENTAL", 'does not understand "PROCESS_AS_INCREMENTAL" yet'),
        ("processing_instruction", "PROCESS_UNKNOWN", "is required; send the whole feed"),
        ("processing_instruction", 0, "is required; send the whole feed"),
        ("processing_instruction", 1, "say PROCESS_AS_COMPLETE"),
        ("generation_timestamp", 0, "must be from 1"),
        ("generation_timestamp", "0", "must be from 1"),
        ("generation_timestamp", None, "is required"),
        ("generation_timestamp", "2025-03-01T00:00:00Z", WHOLE),
        ("total_shards", "many", WHOLE),
        ("shard_number", 1, "must be below total_shards, 1"),
        ("shard_number", -1, "must be from 0"),
        ("nonce", 1.5, "must be text"),
        ("name", "merchants", '"name" is no field of Google\'s FeedMetadata'),
    ],
    ids=repr,
)
def test_feed_that_does_not_say_what_it_is_is_refused(shop: FeedFolder, key: str, value: object, problem: str) -> None:
    path = shop.write("merchants.json", {"metadata": metadata() | {key: value}, "merchant": [MERCHANT]})
    (error,) = shop.refusal(path)
    assert (error.file, error.place, error.value) == (str(path), f"metadata.{key}", json.dumps(value))
    assert problem in error.problem


BROKEN_FILES: list[tuple[bytes, str, str, str]] = [
    (b"", "", "", "is no JSON: Expecting value at line 1, column 1"),
    (b'{"merchant": [}', "", "", "at line 1, column 15"),
    (b'{"merchant": ["\xff"]}', "", "", "is not UTF-8 (byte 15)"),
    (b"[]", "", "[]", "a feed is one JSON object"),
    (b"[" * 100_000, "", "", "nested too deeply"),
    (b'{"merchant": [' + b"1" * 5_000 + b"]}", "", "", "thousands of digits"),
    (gzip.compress(b"{}", mtime=0)[:-3], "", "", "cut short or damaged"),
    (b"\x1f\x8bnot really", "", "", "cannot be read"),
    (b"{}", "metadata", "", "is required"),
    (b'{"metadata": [], "merchant": []}', "metadata", "[]", "must be an object, one FeedMetadata"),
    (b'{"merchant": [], "offers": []}', "offers", "[]", '"offers" is no field of Google\'s feed'),
    (b'{"merchant": {}}', "merchant", "{}", "must be a list of objects"),
    (b'{"merchant": ["m1"]}', "merchant[0]", '"m1"', "must be an object, one Merchant"),
    (b'{"service": [7]}', "service[0]", "7", "must be an object, one Service"),
    (b'{"service_availability": [[]]}', "service_availability[0]", "[]", "must be an object, one ServiceAvailability"),
    (b'{"service_availability": [{"availability": {}}]}', "service_availability[0].availability", "{}", "a list of"),
    (b'{"service_availability": [{"availability": [1]}]}', IN_SLOT, "1", "must be an object, one Availability"),
    (b'{"metadata": {"nonce": 1}, "merchant": [], "service": []}', "", '"merchant and service"', "one feed per file"),
    (b'{"merchant": [{"merchant_id": 1, "merchant_id": 2}]}', "merchant[0].merchant_id", "2", "more than once"),
    (b'{"merchant": [], "metadata": {"nonce": NaN}}', "metadata.nonce", "NaN", "is no JSON number"),
    (b'{"merchant": [{"geo": {"latitude": -Infinity}}]}', "merchant[0].geo.latitude", "-Infinity", "no JSON number"),
]


@pytest.mark.parametrize(("content", "place", "value", "problem"), BROKEN_FILES, ids=lambda value: repr(value)[:40])
def test_file_that_is_no_feed_is_refused(
    shop: FeedFolder, content: bytes, place: str, value: str, problem: str
) -> None:
    path = shop.folder / "broken.json"
    path.write_bytes(content)
    found = [error for error in shop.refusal(path) if problem in error.problem]
    assert [(error.file, error.place, error.value) for error in found] == [(str(path), place, value)]


def test_file_that_is_not_there_is_refused_by_name(shop: FeedFolder) -> None:
    (error,) = shop.refusal(shop.folder / "nowhere.json")
    assert str(error).startswith(f"{shop.folder / 'nowhere.json'}: cannot be read (No such file or directory)")

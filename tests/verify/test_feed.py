"""What `slotlease verify` takes from an availability feed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from slotlease.verify.feed import FeedUnreadable, read_offers
from slotlease.verify.shop import SECOND_US, Offer, Resources, Slot

NOW_S = 1_800_000_000
HOUR_S = 3600
SLOT = {"merchant_id": "m", "service_id": "s", "start_sec": NOW_S + HOUR_S, "duration_sec": HOUR_S}
SPOTS = {"spots_total": 3, "spots_open": 2}


def read(folder: Path, *entries: dict[str, Any], packed: bool = False) -> tuple[list[Offer], list[Offer]]:
    feed = {"metadata": {}, "service_availability": [{"availability": [entry]} for entry in entries]}
    path = folder / "availability.json"
    content = json.dumps(feed).encode()
    path.write_bytes(gzip.compress(content) if packed else content)
    return read_offers([path], NOW_S * SECOND_US)


def slot(start_s: int = NOW_S + HOUR_S, **more: Any) -> Slot:
    return Slot("m", "s", start_s * SECOND_US, HOUR_S * SECOND_US, **more)


def test_a_slot_is_offered_as_the_feed_says_it(tmp_path: Path) -> None:
    named = {"staff_id": "anna", "staff_name": "Anna", "party_size": 2}
    entry = {**SLOT, **SPOTS, "availability_tag": "t", "resources": named}
    offered = Offer(slot(availability_tag="t", resources=Resources("anna", "", 2)), 2, 3)
    assert read(tmp_path, entry) == ([offered], [])
    assert read(tmp_path, entry, packed=True) == ([offered], [])


def test_names_in_camel_case_and_numbers_as_texts_are_the_same_feed(tmp_path: Path) -> None:
    path = tmp_path / "feed.json"
    entry = {"merchantId": "m", "serviceId": "s", "startSec": str(NOW_S + HOUR_S), "durationSec": "3600"}
    entry |= {"spotsTotal": "3", "spotsOpen": "2"}
    path.write_text(json.dumps({"serviceAvailability": [{"availability": [entry]}]}), encoding="utf-8")
    assert read_offers([path], NOW_S * SECOND_US) == ([Offer(slot(), 2, 3)], [])


def test_what_has_begun_is_offered_no_more_and_what_is_full_is_kept_apart(tmp_path: Path) -> None:
    begun = {**SLOT, **SPOTS, "start_sec": NOW_S}
    full = {**SLOT, "spots_total": 3, "spots_open": 0}
    assert read(tmp_path, begun, full) == ([], [Offer(slot(), 0, 3)])


def test_a_recurrence_stands_for_slots_of_one_spot_and_its_exceptions_for_full_ones(tmp_path: Path) -> None:
    start_s = NOW_S - 10 * HOUR_S + 60
    entry = {
        **SLOT,
        "start_sec": start_s,
        "recurrence": {"repeat_every_sec": HOUR_S, "repeat_until_sec": NOW_S + 3 * HOUR_S + 60},
        "schedule_exception": [{"time_range": {"begin_sec": NOW_S + 2 * HOUR_S, "end_sec": NOW_S + 2 * HOUR_S + 60}}],
    }
    free, full = read(tmp_path, entry)
    starts = [NOW_S + 60 + number * HOUR_S for number in range(4)]
    # The exception ends where the third begins, so it meets the second only.
    assert [one.slot.start_us // SECOND_US for one in free] == [starts[0], starts[2], starts[3]]
    assert [one.slot.start_us // SECOND_US for one in full] == [starts[1]]
    assert {(one.spots_open, one.spots_total) for one in free} == {(1, 1)}


def test_a_recurrence_that_has_not_begun_begins_with_its_first(tmp_path: Path) -> None:
    entry = {**SLOT, "recurrence": {"repeat_every_sec": 86_400, "repeat_until_sec": NOW_S + HOUR_S + 86_400}}
    free, _ = read(tmp_path, entry)
    assert [one.slot.start_us // SECOND_US - NOW_S for one in free] == [HOUR_S, HOUR_S + 86_400]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param("{", "is no JSON", id="no JSON"),
        pytest.param('{"merchant": []}', "has no service_availability", id="another feed"),
        pytest.param('{"service_availability": [{"availability": [{}]}]}', "cannot be read", id="no start"),
        pytest.param('{"service_availability": []}', "no slot in the availability feeds begins after now", id="empty"),
    ],
)
def test_what_is_no_feed_is_refused_by_name(content: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "feed.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(FeedUnreadable, match=told):
        read_offers([path], NOW_S * SECOND_US)


def test_a_feed_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(FeedUnreadable, match=r"nothing\.json cannot be read \(No such file or directory\)"):
        read_offers([tmp_path / "nothing.json"], NOW_S * SECOND_US)

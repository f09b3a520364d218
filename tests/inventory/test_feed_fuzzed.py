"""Whatever stands in a file, the reader answers with a feed or a refusal: it never fails, and never takes a half."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slotlease.inventory.feed import FeedRefused
from tests.inventory.feed_folder import (
    GENERATED_S,
    MERCHANT,
    SERVICE,
    SLOT,
    START_S,
    FeedFolder,
    WholeFeed,
    metadata,
    read_whole,
)

RULES = {"min_advance_booking": 60, "admission_policy": "TIME_STRICT"}
OVERRIDES = {"last_bookable_sec": START_S}
RESOURCES = {"staff_id": "a", "room_name": "b", "party_size": 2}
FULL_SLOT = SLOT | {"resources": RESOURCES, "scheduling_rule_overrides": OVERRIDES, "confirmation_mode": ""}
FEEDS: list[dict[str, Any]] = [
    {"metadata": metadata(), "merchant": [MERCHANT]},
    {"metadata": metadata(), "service": [SERVICE | {"rules": RULES}]},
    {"metadata": metadata(nonce="n"), "service_availability": [{"availability": [FULL_SLOT, SLOT]}]},
]

ODD_NUMBERS = [0, -1, 1, GENERATED_S, 2**63, 10**400, 0.5, float("nan"), float("inf")]
ODD_TEXTS = ["", "0", "12", "-", "\x00", "\ud800", "CONFIRMATION_MODE_ASYNCHRONOUS", "x" * 300]
LEAVES = st.sampled_from([None, True, False, *ODD_NUMBERS, *ODD_TEXTS])
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2))


def places(value: object, way: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    deeper = [place for key, part in inner for place in places(part, (*way, key))]
    return [(*way, key) for key, _ in inner] + deeper


def answer(paths: list[Path]) -> WholeFeed | FeedRefused:
    try:
        return read_whole(paths)
    except FeedRefused as refused:
        return refused


@st.composite
def spoiled_feeds(draw: st.DrawFn) -> list[dict[str, Any]]:
    feeds = deepcopy(FEEDS)
    for _ in range(draw(st.integers(1, 2))):
        *way, last = draw(st.sampled_from(places(feeds)))
        inner: Any = feeds
        for key in way:
            inner = inner[key]
        if isinstance(inner, dict) and draw(st.booleans()):
            inner[draw(st.sampled_from([*inner, "recurrence", "surprise"]))] = draw(JSON)
        else:
            inner[last] = draw(JSON)
    return feeds


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(spoiled_feeds())
def test_spoiled_feed_is_read_or_refused_with_reasons(tmp_path: Path, feeds: list[dict[str, Any]]) -> None:
    folder = FeedFolder(tmp_path)
    paths = [folder.write(f"{number}.json", json.dumps(feed)) for number, feed in enumerate(feeds)]
    found = answer(paths)
    if isinstance(found, FeedRefused):
        assert found.errors
        assert all(error.problem and error.file in map(str, paths) for error in found.errors)
        assert str(found).isascii()
        return
    slots = [slot for slots in found.slots.values() for slot in slots]
    assert all(slot.spots_total >= 1 and 0 <= slot.spots_open <= slot.spots_total for slot in slots)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.binary(max_size=60), st.booleans())
def test_any_bytes_are_refused(tmp_path: Path, content: bytes, zipped: bool) -> None:
    path = tmp_path / "bytes"
    path.write_bytes(b"\x1f\x8b" + content if zipped else content)
    with pytest.raises(FeedRefused):
        read_whole([path])

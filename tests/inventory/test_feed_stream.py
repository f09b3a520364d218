"""Files of any size: read piece by piece, the same wherever the pieces end, and faults found where they stand."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slotlease.inventory.feed import FeedRefused, read_feed
from slotlease.inventory.feed_file import ERRORS_KEPT_MAX, PIECE_BYTES, Faults, FileBroken
from slotlease.inventory.feed_stream import ENTRY_CHARS_MAX, FeedStream
from tests.inventory.feed_folder import MERCHANT, SLOT, START_S, FeedFolder, metadata, read_whole

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))


@pytest.fixture
def shop(tmp_path: Path) -> FeedFolder:
    return FeedFolder(tmp_path)


def pieces_of(text: str, ends: list[int]) -> Iterator[str]:
    at = 0
    for end in sorted({end % (len(text) + 1) for end in ends} | {len(text)}):
        if end > at:
            yield text[at:end]
        at = end


def read_by_hand(stream: FeedStream) -> Any:
    """Goes into the outermost list or object, and takes the rest whole."""
    if stream.begins("["):
        found: Any = [stream.value(f"[{number}]") for number in stream.entries()]
    elif stream.begins("{"):
        found = {key: stream.value(key) for key in stream.keys("")}
    else:
        found = stream.value("")
    stream.end()
    return found


@settings(max_examples=150, deadline=None)
@given(VALUES, st.sampled_from([None, 0, 2]), st.booleans(), st.lists(st.integers(0, 10_000), max_size=20))
def test_json_is_the_same_wherever_its_pieces_end(
    value: Any, indent: int | None, ascii_: bool, ends: list[int]
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_)
    faults = Faults("x")
    assert read_by_hand(FeedStream(pieces_of(text, ends), faults)) == value
    assert faults.count == 0


@settings(max_examples=150, deadline=None)
@given(VALUES, st.data())
def test_broken_json_is_broken_at_the_same_place_wherever_its_pieces_end(value: Any, data: st.DataObject) -> None:
    text = json.dumps({"a": value, "b": [value]}, indent=data.draw(st.sampled_from([None, 1])))
    at = data.draw(st.integers(1, len(text) - 1))
    broken = text[:at] + data.draw(st.sampled_from(["", "}", "]", ",", '"', "x", "\n"])) + text[at + 1 :]
    ends = data.draw(st.lists(st.integers(0, len(broken)), max_size=5))
    whole, cut = (_outcome(broken, cuts) for cuts in ([], ends))
    assert whole == cut


def _outcome(text: str, ends: list[int]) -> Any:
    faults = Faults("x")
    try:
        return read_by_hand(FeedStream(pieces_of(text, ends), faults)), faults.errors
    except FileBroken as broken:
        return str(broken)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": 1, }', "Expecting property name enclosed in double quotes at line 1, column 10"),
        ('{"a" 1}', "Expecting ':' delimiter at line 1, column 6"),
        ('{"a": 1 "b": 2}', "Expecting ',' delimiter at line 1, column 9"),
        ("[1, 2", "Expecting ',' delimiter at line 1, column 6"),
        ("[1,\n 2,\n ]", "Expecting value at line 3, column 2"),
        ('["abc', "Unterminated string starting at at line 1, column 2"),
        ("[1] [2]", "Extra data at line 1, column 5"),
        ("{1: 2}", "Expecting property name enclosed in double quotes at line 1, column 2"),
    ],
)
def test_what_is_no_json_is_told_with_its_line_and_column(text: str, problem: str) -> None:
    for ends in ([], list(range(len(text)))):
        with pytest.raises(FileBroken) as broken:
            read_by_hand(FeedStream(pieces_of(text, ends), Faults("x")))
        assert str(broken.value) == f"is no JSON: {problem}; write the feed again"


def test_line_and_column_far_into_a_file_count_from_its_beginning(shop: FeedFolder) -> None:
    lines = [json.dumps(MERCHANT | {"merchant_id": f"m{number}"}) for number in range(30_000)]
    lines[29_000] = lines[29_000].replace(":", ";", 1)
    text = '{"merchant": [\n' + ",\n".join(lines) + "]}"
    assert text.index(";") > PIECE_BYTES
    (error,) = shop.refusal(shop.write("merchants.json", text))
    assert "Expecting ':' delimiter at line 29002, column 15" in error.problem


def test_byte_that_is_no_utf8_is_told_where_it_stands_in_a_later_piece(shop: FeedFolder) -> None:
    before = b'{"merchant": ["' + "é".encode() * PIECE_BYTES
    path = shop.folder / "merchants.json"
    path.write_bytes(before + b"\xff" + b'"]}')
    (error,) = shop.refusal(path)
    assert error.problem.startswith(f"is not UTF-8 (byte {len(before)})")


def test_letter_cut_in_two_by_the_end_of_a_piece_is_whole(shop: FeedFolder) -> None:
    for shift in range(2):
        name = "x" * shift + "é" * PIECE_BYTES
        path = shop.write("m.json", json.dumps({"metadata": metadata(), "merchant": [], "x": name}, ensure_ascii=False))
        (error,) = shop.refusal(path)
        assert error.place == "x"


def test_entry_without_an_end_is_not_read_to_the_end_of_a_large_file(shop: FeedFolder) -> None:
    (error,) = shop.refusal(shop.write("m.json", '{"merchant": [{"name": "' + "x" * (3 * ENTRY_CHARS_MAX)))
    assert "is no JSON: Unterminated string" in error.problem
    assert f"or has an entry of more than {ENTRY_CHARS_MAX:,} characters" in error.problem


def test_list_given_twice_in_one_file_is_noted(shop: FeedFolder) -> None:
    text = '{"metadata": %s, "merchant": [{"merchant_id": "m1"}], "merchant": [{"merchant_id": "m2"}]}'
    (error,) = shop.refusal(shop.write("merchants.json", text % json.dumps(metadata())))
    assert (error.place, error.problem) == ("merchant", "stands more than once in one object; keep one of them")


def test_key_given_twice_within_a_slot_is_noted_at_its_place(shop: FeedFolder) -> None:
    slot = json.dumps(SLOT)[:-1] + ', "resources": {"staff_id": "a", "staff_id": "b"}}'
    text = f'{{"metadata": {json.dumps(metadata())}, "service_availability": [{{"availability": [{slot}]}}]}}'
    (error,) = shop.refusal(shop.merchants(), shop.services(), shop.write("slots.json", text))
    assert error.place == "service_availability[0].availability[0].resources.staff_id"


def test_metadata_may_stand_last(shop: FeedFolder) -> None:
    path = shop.write("merchants.json", {"merchant": [MERCHANT], "metadata": metadata()})
    assert len(read_whole([path]).merchants) == 1


def test_gzipped_file_cut_short_far_into_it_is_told(shop: FeedFolder) -> None:
    slots = [SLOT | {"start_sec": START_S + number} for number in range(30_000)]
    path = shop.availability(*slots)
    path.write_bytes(gzip.compress(path.read_bytes())[:-20])
    (error,) = shop.refusal(shop.merchants(), shop.services(), path)
    assert error.problem.startswith("the gzip data is cut short or damaged")


def test_progress_of_reading_is_told_in_bytes_of_the_files_and_in_entries(shop: FeedFolder) -> None:
    told: list[tuple[int, int]] = []
    entries: list[int] = []

    def note(done: int, total: int, rows: int | None = None, /) -> None:
        told.append((done, total))
        entries.append(rows or 0)

    slots = shop.availability(*[SLOT | {"start_sec": START_S + number} for number in range(30_000)])
    slots.write_bytes(gzip.compress(slots.read_bytes()))
    paths = [shop.merchants(), shop.services(), slots]
    with read_feed(paths, progress=note) as feed:
        assert feed.slots_total == 30_000
    total = sum(path.stat().st_size for path in paths)
    assert told == sorted(told)
    assert len(told) > 4
    assert told[-1] == (total, total)
    assert entries == sorted(entries)
    assert entries[len(entries) // 2] > 5_000
    assert entries[-1] <= 30_000 + 2, "a merchant, a service and the slots"


def test_errors_past_the_most_that_are_kept_are_counted(shop: FeedFolder) -> None:
    wrong = ERRORS_KEPT_MAX + 5
    path = shop.availability(*[SLOT | {"start_sec": -1 - number} for number in range(wrong)])
    with pytest.raises(FeedRefused) as refused:
        read_feed([shop.merchants(), shop.services(), path])
    assert (refused.value.count, len(refused.value.errors)) == (wrong, ERRORS_KEPT_MAX)
    assert refused.value.entries == {"merchant": 0, "service": 0, "service_availability": wrong}
    assert f"errors: {wrong}" in str(refused.value)

"""A reader's cursor: read back whole, or refused."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotlease.domain.event_cursor import cursor_of, seen_of

KEY = bytes(range(32))
NUMBERS = st.integers(1, 2**63 - 1)


@given(st.dictionaries(NUMBERS, NUMBERS, max_size=20))
def test_cursor_holds_what_was_seen_of_each_merchant(seen: dict[int, int]) -> None:
    cursor = cursor_of(seen, KEY)
    assert seen_of(cursor, KEY) == seen
    assert quote(cursor, safe="") == cursor
    assert not cursor.startswith("-"), "it would be taken for an option"


def test_cursor_may_end_in_any_letter() -> None:
    cursors = {number: cursor_of({1: 1, 2: 1, 3: number}, KEY) for number in range(1, 128)}
    assert len({cursor[-1] for cursor in cursors.values()}) == 64
    assert {number: seen_of(cursor, KEY) for number, cursor in cursors.items()} == {
        number: {1: 1, 2: 1, 3: number} for number in cursors
    }


@given(st.dictionaries(NUMBERS, NUMBERS, max_size=5), st.data())
def test_cursor_that_was_changed_anywhere_is_none(seen: dict[int, int], data: st.DataObject) -> None:
    cursor = cursor_of(seen, KEY)
    place = data.draw(st.integers(0, len(cursor) - 1))
    letter = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"))
    changed = cursor[:place] + letter + cursor[place + 1 :]
    assert seen_of(changed, KEY) in (None, seen)
    if place < len(cursor) - 1 and letter != cursor[place]:
        assert seen_of(changed, KEY) is None, "only the last letter has bits that say nothing"
    assert seen_of(cursor[:place], KEY) is None


@given(st.text())
def test_any_other_text_is_none(text: str) -> None:
    assert seen_of(text, KEY) is None


def test_cursor_with_anything_in_between_is_none() -> None:
    cursor = cursor_of({1: 7}, KEY)
    assert seen_of(cursor[:8] + "!!!!" + cursor[8:], KEY) is None


def test_cursor_of_another_ledger_is_none() -> None:
    assert seen_of(cursor_of({1: 7}, KEY), bytes(32)) is None


@pytest.mark.parametrize(("merchants", "letters_max"), [(1, 18), (1000, 5500)])
def test_cursor_grows_by_a_few_letters_a_merchant(merchants: int, letters_max: int) -> None:
    seen = {merchant_no: 100_000 + merchant_no for merchant_no in range(1, merchants + 1)}
    assert len(cursor_of(seen, KEY)) <= letters_max

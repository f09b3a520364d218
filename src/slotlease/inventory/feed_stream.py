"""Reads the JSON of one feed file piece by piece, so that a feed of any size takes the memory of its largest entry.

Python's own parser does the parsing, one entry at a time, and here we only walk the lists around them: as fast as the
best streaming parser (ijson with its C backend) that still tells places, and it lets us see a key that stands twice
(docs/decisions/0017).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from slotlease.inventory.feed_file import ABSENT, Faults, FileBroken, NotANumber, joined

ENTRY_CHARS_MAX = 4 << 20
"""The most that is read ahead for one entry: a real one has a few hundred characters."""

_AHEAD_CHARS = 1 << 16
"""Read ahead of every value, so that no number is taken for whole that goes on in the next piece."""

_SPACE = re.compile(r"[ \t\n\r]*").match


class _RepeatedKeys(dict[str, Any]):
    """An object in which a key stands twice: JSON's parser would silently keep the last."""

    repeated: tuple[str, ...] = ()


class FeedStream:
    """The JSON text of one file. Whoever reads it says which lists and objects to go into (`entries`, `keys`) and
    what to take whole (`value`), always the next thing that stands there. Raises FileBroken where it is no JSON."""

    def __init__(self, pieces: Iterator[str], faults: Faults) -> None:
        self._pieces = pieces
        self._faults = faults
        self._text = ""
        self._at = 0
        self._ended = False
        self._lines_before = 0
        self._column_before = 0
        """Where `_text` begins in the file."""
        self._suspects: list[object] = []
        self._parse = json.JSONDecoder(object_pairs_hook=self._object, parse_constant=self._not_a_number).raw_decode

    def begins(self, opening: str) -> bool:
        """Whether what comes next begins with this character."""
        return self._peek() == opening

    def keys(self, place: str) -> Iterator[str]:
        """Goes into the object that comes next. The value of each key is to be taken before the next key."""
        self._at += 1
        seen: set[str] = set()
        more = not self._closes("}")
        while more:
            if self._peek() != '"':
                raise self._no_json("Expecting property name enclosed in double quotes")
            key = self._take_next()
            if self._peek() != ":":
                raise self._no_json("Expecting ':' delimiter")
            self._at += 1
            if key in seen:
                self._faults.add(joined(place, key), ABSENT, _TWICE)
            seen.add(key)
            yield key
            more = self._goes_on("}")

    def entries(self) -> Iterator[int]:
        """Goes into the list that comes next, with the number of each entry, which is to be taken before the next."""
        self._at += 1
        number = 0
        more = not self._closes("]")
        while more:
            yield number
            number += 1
            more = self._goes_on("]")

    def value(self, place: str) -> Any:
        """All of what comes next. A key that stands twice in it, or a NaN, is noted as a fault at its place."""
        found = self._take_next()
        if self._suspects:
            # Their places are not known while parsing, and walking good entries for nothing would cost every import.
            self._suspects.clear()
            _place_suspects(found, place, self._faults)
        return found

    def end(self) -> None:
        """Nothing may follow."""
        if self._peek():
            raise self._no_json("Extra data")

    # --- below ---------------------------------------------------------------------------------------------------

    def _peek(self) -> str:
        """The next character that is no white space; "" at the end."""
        while True:
            # The pattern matches always, if only nothing.
            self._at = _SPACE(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_on():
                return ""

    def _closes(self, closing: str) -> bool:
        if self._peek() != closing:
            return False
        self._at += 1
        return True

    def _goes_on(self, closing: str) -> bool:
        if self._closes(closing):
            return False
        if not self._closes(","):
            raise self._no_json("Expecting ',' delimiter")
        return True

    def _take_next(self) -> Any:
        self._peek()
        while len(self._text) - self._at < _AHEAD_CHARS and self._read_on():
            pass
        while True:
            try:
                found, self._at = self._parse(self._text, self._at)
            except json.JSONDecodeError as error:
                # Most likely the entry goes on in the next piece of the file.
                if len(self._text) - self._at < ENTRY_CHARS_MAX and self._read_on():
                    self._suspects.clear()
                    continue
                too_long = "" if self._ended else f", or has an entry of more than {ENTRY_CHARS_MAX:,} characters"
                self._at = error.pos
                raise self._no_json(error.msg, too_long) from error
            except (RecursionError, ValueError) as error:
                message = "is no feed: nested too deeply, or with a number of thousands of digits; write it again"
                raise FileBroken(message) from error
            return found

    def _read_on(self) -> bool:
        """Forgets the text that was read and adds the next piece of the file; False where there is none."""
        piece = "" if self._ended else next(self._pieces, "")
        if not piece:
            self._ended = True
            return False
        read = self._text[: self._at]
        lines = read.count("\n")
        self._lines_before += lines
        self._column_before = len(read) - read.rfind("\n") - 1 if lines else self._column_before + len(read)
        self._text = self._text[self._at :] + piece
        self._at = 0
        return True

    def _no_json(self, problem: str, too_long: str = "") -> FileBroken:
        read = self._text[: self._at]
        lines = read.count("\n")
        column = len(read) - read.rfind("\n") if lines else self._column_before + len(read) + 1
        where = f"line {self._lines_before + lines + 1}, column {column}"
        return FileBroken(f"is no JSON: {problem} at {where}{too_long}; write the feed again")

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        keys = [key for key, _ in pairs]
        marked = _RepeatedKeys(found)
        marked.repeated = tuple(key for key in found if keys.count(key) > 1)
        self._suspects.append(marked)
        return marked

    def _not_a_number(self, text: str) -> NotANumber:
        self._suspects.append(text)
        return NotANumber(text)


_TWICE = "stands more than once in one object; keep one of them"


def _place_suspects(found: object, place: str, faults: Faults) -> None:
    for inner_place, value in _walk(found, place):
        if isinstance(value, _RepeatedKeys):
            for key in value.repeated:
                faults.add(joined(inner_place, key), value[key], _TWICE)
        if isinstance(value, NotANumber):
            faults.add(inner_place, value, "is no JSON number; write a number or remove the field")


def _walk(found: object, place: str) -> Iterator[tuple[str, object]]:
    """Everything in a value with its place, in the file's order. A stack: nesting is bounded by the parser only."""
    waiting: list[tuple[str, object]] = [(place, found)]
    while waiting:
        place, value = waiting.pop()
        yield place, value
        if isinstance(value, dict):
            waiting += [(joined(place, key), inner) for key, inner in reversed(value.items())]
        elif isinstance(value, list):
            waiting += [(f"{place}[{index}]", inner) for index, inner in reversed(list(enumerate(value)))]

"""One feed file: from bytes to the JSON object in it, with what JSON itself gets wrong found and placed.

The file is held in memory as a whole. Whoever must read feeds of 200 MB replaces `read_file` alone.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slotlease.inventory.feed_values import FeedError

_GZIP_MAGIC = b"\x1f\x8b"
_VALUE_SHOWN_MAX = 80


class Faults:
    """Collects what is wrong in one file."""

    __slots__ = ("errors", "file")

    def __init__(self, file: str) -> None:
        self.file = file
        self.errors: list[FeedError] = []

    def add(self, place: str, value: object, problem: str) -> None:
        """`value` is what the JSON holds at `place`; ABSENT where it holds nothing."""
        self.errors.append(FeedError(self.file, place, _shown(value), problem))


class _Absent:
    __slots__ = ()


ABSENT = _Absent()
"""Stands for a value that is not there, where None would be JSON's null."""


class _RepeatedKeys(dict[str, Any]):
    """An object in which a key stands twice: JSON's parser would silently keep the last."""

    repeated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _NotANumber:
    """NaN or Infinity, which Python's parser lets pass and JSON does not have."""

    text: str


def read_file(path: Path, faults: Faults) -> dict[str, Any] | None:
    """The JSON object in the file, None if there is none. Gzip is told by its first bytes, whatever the file's name.

    What is wrong is added to `faults`: unreadable, broken gzip, broken JSON, a key twice in one object, NaN.
    """
    try:
        raw = path.read_bytes()
        if raw.startswith(_GZIP_MAGIC):
            raw = gzip.decompress(raw)
    except OSError as error:  # gzip.BadGzipFile is one of them, and carries no strerror
        faults.add("", ABSENT, f"cannot be read ({error.strerror or error}); check the path, its rights and the upload")
        return None
    except (EOFError, zlib.error):
        faults.add("", ABSENT, "the gzip data is cut short or damaged; write or upload the file again")
        return None
    return _parse(raw, faults)


def _parse(raw: bytes, faults: Faults) -> dict[str, Any] | None:
    suspects: list[object] = []

    def whole_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        keys = [key for key, _ in pairs]
        marked = _RepeatedKeys(found)
        marked.repeated = tuple(key for key in found if keys.count(key) > 1)
        suspects.append(marked)
        return marked

    def not_a_number(text: str) -> _NotANumber:
        suspects.append(text)
        return _NotANumber(text)

    try:
        tree = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=whole_object, parse_constant=not_a_number)
    except UnicodeDecodeError as error:
        faults.add("", ABSENT, f"is not UTF-8 (byte {error.start}); write the feed as UTF-8 JSON")
        return None
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, column {error.colno}"
        faults.add("", ABSENT, f"is no JSON: {error.msg} at {at}; write the feed again")
        return None
    except (RecursionError, ValueError):
        faults.add("", ABSENT, "is no feed: nested too deeply, or with a number of thousands of digits; write it again")
        return None
    if not isinstance(tree, dict):
        faults.add("", tree, 'is no feed: a feed is one JSON object, {"metadata": ..., ...}')
        return None
    if suspects:
        # Their paths are not known while parsing, and walking a good feed for nothing would cost every import.
        _place_suspects(tree, faults)
    return tree


def _place_suspects(tree: dict[str, Any], faults: Faults) -> None:
    for place, value in _walk(tree, ""):
        if isinstance(value, _RepeatedKeys):
            for key in value.repeated:
                faults.add(joined(place, key), value[key], "stands more than once in one object; keep one of them")
        if isinstance(value, _NotANumber):
            faults.add(place, value, "is no JSON number; write a number or remove the field")


def _walk(tree: dict[str, Any], place: str) -> Iterator[tuple[str, object]]:
    """Everything in the tree with its place, in the file's order. A stack: nesting is bounded by the parser only."""
    waiting: list[tuple[str, object]] = [(place, tree)]
    while waiting:
        place, value = waiting.pop()
        yield place, value
        if isinstance(value, dict):
            waiting += [(joined(place, key), inner) for key, inner in reversed(value.items())]
        elif isinstance(value, list):
            waiting += [(f"{place}[{index}]", inner) for index, inner in reversed(list(enumerate(value)))]


def joined(place: str, key: str) -> str:
    """The place of the value under `key` in the object at `place`."""
    if not (key.isascii() and key.isidentifier()):
        return f"{place}[{quoted(key)}]"
    return f"{place}.{key}" if place else key


def quoted(value: object) -> str:
    """The value as JSON, shortened; in ASCII, since a feed's control characters must not reach a terminal."""
    text = json.dumps(value, default=lambda inner: inner.text)
    return text if len(text) <= _VALUE_SHOWN_MAX else text[: _VALUE_SHOWN_MAX - 3] + "..."


def _shown(value: object) -> str:
    if isinstance(value, _NotANumber):
        return value.text
    return "" if value is ABSENT else quoted(value)

"""One feed file: its text, piece by piece, and what is wrong with it, each thing with its place."""

from __future__ import annotations

import codecs
import gzip
import json
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from slotlease.inventory.feed_values import FeedError

PIECE_BYTES = 1 << 20

ERRORS_KEPT_MAX = 10_000
"""Of all files together. A feed can be wrong in a million places, and nobody reads more than these."""

_GZIP_MAGIC = b"\x1f\x8b"
_VALUE_SHOWN_MAX = 80


class FileBroken(Exception):
    """The file cannot be read any further; the text says why and what to do."""


class Allowance:
    """How many more errors are kept with their texts; past that they are counted."""

    __slots__ = ("left",)

    def __init__(self, left: int = ERRORS_KEPT_MAX) -> None:
        self.left = left


class Faults:
    """Collects what is wrong in one file: the first errors as they are, all of them as a number."""

    __slots__ = ("_allowance", "count", "errors", "file")

    def __init__(self, file: str, allowance: Allowance | None = None) -> None:
        self.file = file
        self.errors: list[FeedError] = []
        self.count = 0
        self._allowance = Allowance() if allowance is None else allowance

    def add(self, place: str, value: object, problem: str) -> None:
        """`value` is what the JSON holds at `place`; ABSENT where it holds nothing."""
        self.count += 1
        if self._allowance.left > 0:
            self._allowance.left -= 1
            self.errors.append(FeedError(self.file, place, _shown(value), problem))


class _Absent:
    __slots__ = ()


ABSENT = _Absent()
"""Stands for a value that is not there, where None would be JSON's null."""


@dataclass(frozen=True, slots=True)
class NotANumber:
    """NaN or Infinity, which Python's parser lets pass and JSON does not have."""

    text: str


def text_of(path: Path, note_bytes: Callable[[int], None]) -> Generator[str]:
    """The file's text in pieces. Gzip is told by its first bytes, whatever the file's name.

    `note_bytes` hears after each piece how many bytes of the file, as it lies on the disk, have been read.
    Raises FileBroken: unreadable, broken gzip, not UTF-8.
    """
    try:
        with path.open("rb") as raw:
            zipped = raw.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC)
            source = cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if zipped else raw
            for text in _decoded(source):
                note_bytes(raw.tell())
                yield text
    except OSError as error:  # gzip.BadGzipFile is one of them, and carries no strerror
        message = f"cannot be read ({error.strerror or error}); check the path, its rights and the upload"
        raise FileBroken(message) from error
    except (EOFError, zlib.error) as error:
        message = "the gzip data is cut short or damaged; write or upload the file again"
        raise FileBroken(message) from error


def _decoded(source: BinaryIO) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    bytes_before = 0
    while True:
        piece = source.read(PIECE_BYTES)
        begins_at = bytes_before
        bytes_before += len(piece)
        if begins_at == 0 and piece.startswith(codecs.BOM_UTF8):
            piece = piece.removeprefix(codecs.BOM_UTF8)
            begins_at = len(codecs.BOM_UTF8)
        try:
            text = decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            # What was left of the piece before stands in front of this one.
            begins_at -= len(decoder.getstate()[0])
            message = f"is not UTF-8 (byte {begins_at + error.start}); write the feed as UTF-8 JSON"
            raise FileBroken(message) from error
        if text:
            yield text
        if not piece:
            return


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
    if isinstance(value, NotANumber):
        return value.text
    return "" if value is ABSENT else quoted(value)

"""Moves a ledger from one store to another, row by row, and compares what arrived with what was sent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from slotlease.store.address import shown
from slotlease.store.open import POSTGRES_PREFIXES, SQLITE_PREFIX, open_store
from slotlease.store.protocol import Clock, Finding, StoreRefused
from slotlease.store.rows import Row
from slotlease.store.sqlite_tables import sqlite_source, sqlite_target

TABLES = (
    *("ledger", "merchant", "service", "staff", "room", "slot", "spot", "lease", "booking", "event"),
    *("credential", "marketing_preference"),
)
"""Every table that holds the ledger, those that others refer to first. `ledger` is one row, the fingerprint key: with
it the tokens, ids and cursors of the old ledger are good on the new one."""

PIECE_ROWS = 1000

_DIGEST_BYTES = 32

Note = Callable[[int, int], None]
"""Told how many rows are done, and of how many: each is written, and then read again."""


class Source(Protocol):
    """A ledger in one snapshot, that nobody writes to meanwhile."""

    def columns(self, tables: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Of each table, in any order."""

    def count(self, table: str) -> int: ...

    def rows(self, table: str, columns: Sequence[str], piece_rows: int) -> Iterator[Sequence[Row]]:
        """All rows in pieces, in any order. Their values are int, str, bytes or None, alike in every store."""


class Target(Source, Protocol):
    """A ledger of the newest schema in one transaction, which only the end of its block commits."""

    def put(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Inserts them as they are, past every guard against taking a spot: they were taken before."""

    def commit(self) -> None:
        """All or nothing, durably. Afterwards `rows` and `count` read what was committed."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What arrived, the same as what was sent, and what is wrong in either."""

    rows: Mapping[str, int]
    """How many, by table."""

    digest: str
    """Of all rows of all tables, in hexadecimal: the same for the same rows in any store."""

    findings_from: Sequence[Finding]
    findings_to: Sequence[Finding]


def copy_ledger(url_from: str, url_to: str, clock: Clock, note: Note | None = None) -> Copied:
    """Copies every row of the ledger at `url_from` to the one at `url_to`, which must be empty or not be there yet.

    Both are claimed as by a server, so no server may serve either; nothing else can write to them meanwhile. The copy
    is one transaction: cut off at any moment, the target is as empty as before. Raises StoreRefused, StoreUnavailable.
    """
    if url_from == url_to:
        message = f"{shown(url_from)} cannot be copied to itself: name another ledger"
        raise StoreRefused(message)
    with _source(url_from, clock) as source, _target(url_to, clock) as target:
        columns = _columns_of_both(source, target)
        _require_empty(target, url_to)
        expected = {table: source.count(table) for table in TABLES}
        progress = _Progress(note, 2 * sum(expected.values()))
        sent = {table: _send(source, target, table, columns[table], progress) for table in TABLES}
        target.commit()
        arrived = {table: _read(target, table, columns[table], progress) for table in TABLES}
        counts = {table: target.count(table) for table in TABLES}
        wrong = [table for table in TABLES if arrived[table] != sent[table] or counts[table] != expected[table]]
        if wrong:
            message = (
                f"{shown(url_to)} does not hold what was sent to it ({', '.join(wrong)}): do not serve it, remove it,"
                f" and copy again; {shown(url_from)} is as it was"
            )
            raise StoreRefused(message)
        digest = hashlib.blake2b(repr(arrived).encode(), digest_size=_DIGEST_BYTES).hexdigest()
        return Copied(counts, digest, _audit(url_from, clock), _audit(url_to, clock))


class _Progress:
    def __init__(self, note: Note | None, total: int) -> None:
        self._note = note
        self._total = total
        self._done = 0

    def add(self, rows: int) -> None:
        self._done += rows
        if self._note is not None:
            self._note(self._done, self._total)


def _source(url: str, clock: Clock) -> AbstractContextManager[Source]:
    if url.startswith(POSTGRES_PREFIXES):
        from slotlease.store.postgres_tables import postgres_source  # noqa: PLC0415 - slow to import: see open.py

        return postgres_source(url, TABLES)
    return sqlite_source(_path(url), clock)


def _target(url: str, clock: Clock) -> AbstractContextManager[Target]:
    if url.startswith(POSTGRES_PREFIXES):
        from slotlease.store.postgres_tables import postgres_target  # noqa: PLC0415 - slow to import: see open.py

        return postgres_target(url, TABLES, clock)
    return sqlite_target(_path(url), clock)


def _path(url: str) -> str:
    if not url.startswith(SQLITE_PREFIX) or len(url) == len(SQLITE_PREFIX):
        message = (
            f"cannot copy from or to {shown(url)!r}: expected sqlite:///PATH, for example sqlite:///ledger.db, or"
            " postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        )
        raise StoreRefused(message)
    return url.removeprefix(SQLITE_PREFIX)


def _columns_of_both(source: Source, target: Target) -> dict[str, tuple[str, ...]]:
    """A column that only one of them has would be lost without a word."""
    ours, theirs = source.columns(TABLES), target.columns(TABLES)
    differ = [table for table in TABLES if sorted(ours[table]) != sorted(theirs[table])]
    if differ:
        message = f"the two ledgers have not the same columns (of {', '.join(differ)}): please report it"
        raise StoreRefused(message)
    return {table: tuple(sorted(ours[table])) for table in TABLES}


def _require_empty(target: Target, url: str) -> None:
    filled = [table for table in TABLES if table != "ledger" and target.count(table)]
    if filled:
        message = (
            f"{shown(url)} is not empty (it has rows in {', '.join(filled)}), and a copy overwrites nothing: name a"
            " ledger that is not there yet, or remove that one"
        )
        raise StoreRefused(message)


def _send(source: Source, target: Target, table: str, columns: Sequence[str], progress: _Progress) -> int:
    """The sum of the digests of all rows: what arrived is summed likewise, in whatever order it is read."""
    sum_ = 0
    for rows in source.rows(table, columns, PIECE_ROWS):
        target.put(table, columns, rows)
        sum_ += sum(map(_digest, rows))
        progress.add(len(rows))
    return sum_


def _read(target: Target, table: str, columns: Sequence[str], progress: _Progress) -> int:
    sum_ = 0
    for rows in target.rows(table, columns, PIECE_ROWS):
        sum_ += sum(map(_digest, rows))
        progress.add(len(rows))
    return sum_


def _digest(row: Row) -> int:
    # repr tells a number from the same digits as text, and None from both.
    return int.from_bytes(hashlib.blake2b(repr(tuple(row)).encode(), digest_size=_DIGEST_BYTES).digest())


def _audit(url: str, clock: Clock) -> Sequence[Finding]:
    store = open_store(url, clock)
    try:
        return store.audit()
    finally:
        store.close()

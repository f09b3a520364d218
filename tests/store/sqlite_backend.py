"""The ledger in one SQLite file, as the conformance suite wants it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from slotlease.store.protocol import Clock
from slotlease.store.sqlite import SqliteStore


class SqliteBackend:
    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, clock: Clock) -> SqliteStore:
        return SqliteStore(str(self.path), clock, create=True, serve=False)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with raw(self.path) as connection:
            return connection.execute(statement).fetchall()

    def refuses(self, statement: str) -> bool:
        try:
            self.sql(statement)
        except apsw.ConstraintError:
            return True
        return False

    def corrupt(self, statement: str) -> None:
        with raw(self.path) as connection:
            connection.pragma("foreign_keys", False)
            connection.pragma("ignore_check_constraints", True)
            guards = connection.execute(
                "SELECT type, name FROM sqlite_schema WHERE type = 'trigger' OR sql LIKE 'CREATE UNIQUE INDEX%'"
            ).fetchall()
            for kind, name in guards:
                connection.execute(f"DROP {kind} {name}")
            connection.execute(statement)


@contextmanager
def raw(path: Path) -> Iterator[apsw.Connection]:
    """A connection of somebody else's: none of the store's settings but foreign keys and patience."""
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(10_000)
    connection.pragma("foreign_keys", True)
    try:
        yield connection
    finally:
        connection.close(True)

"""What happens at the k-th statement that the store sends: the one that was chosen is sent as another, which the
database itself fails with the class that was chosen, or ends the connection. Production code has no hook for it and
needs none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.postgres.ledger_database import LedgerDatabase

FAILS = """
    CREATE FUNCTION test_fails(state text) RETURNS void LANGUAGE plpgsql
    AS 'BEGIN RAISE EXCEPTION ''made to fail'' USING ERRCODE = state; END'
"""
LOST = "lost"
"""In place of a class: the database ends the connection."""

DATA = ("23505", "22003")
"""A row or a value is refused: one request is to blame."""
AWAY = ("53100", "25006", "57014", "58030", "55P03")
"""Disk full, read-only, too slow, disk broken, no lock: nobody is to blame, and nothing was written."""
CONFLICTS = ("40001", "40P01", "22012")
"""Another writer came between: done again. The last is what a conditional write makes of a row that is no longer so."""
UNKNOWN = ("40003",)

_WRITES = re.compile(r"(?<!KEY )\b(INSERT INTO|UPDATE|DELETE FROM)\b")


def writes(statement: str) -> bool:
    return _WRITES.search(statement) is not None


class Tripwire:
    """`passed` are the statements since it was armed."""

    def __init__(self, send: Callable[..., Any]) -> None:
        self.passed: list[str] = []
        self.sprung_at = ""
        self._send = send
        self._failure = ""
        self._at = 0
        self._is_armed = False
        self._each: Callable[[str], None] = lambda _: None

    def arm(self, failure: str = "", at: int = 0, *, each: Callable[[str], None] | None = None) -> None:
        """The statement `at` (from 1) fails. `each` is told of every one before it is sent."""
        self.passed, self.sprung_at = [], ""
        self._failure, self._at, self._is_armed = failure, at, True
        self._each = each or (lambda _: None)

    def disarm(self) -> None:
        self._is_armed = False

    def send(self, connection: Any, query: str, params: Any = None, **options: Any) -> Any:
        if not self._is_armed:
            return self._send(connection, query, params, **options)
        self._each(query)
        self.passed.append(query)
        if len(self.passed) != self._at:
            return self._send(connection, query, params, **options)
        self.sprung_at = query
        ends = "pg_terminate_backend(pg_backend_pid())"
        other = f"SELECT {ends if self._failure == LOST else f'test_fails({self._failure!r})'}"
        return self._send(connection, other, None, prepare=False, binary=True)


@contextmanager
def set_tripwire(ledger: LedgerDatabase, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tripwire]:
    """Over every connection of this process: to be armed only while the store alone asks."""
    ledger.sql(FAILS)
    tripwire = Tripwire(psycopg.Connection.execute)

    def send(connection: Any, query: str, *args: Any, **options: Any) -> Any:
        return tripwire.send(connection, query, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Connection, "execute", send)
        yield tripwire

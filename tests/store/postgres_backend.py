"""The ledger in a PostgreSQL database of its own, as the conformance suite wants it."""

from __future__ import annotations

from typing import Any

import psycopg

from slotlease.store.postgres import PostgresStore
from slotlease.store.protocol import Clock
from tests.support import HandClock

CLOCK = """
    CREATE TABLE test_clock (now_us bigint NOT NULL);
    CREATE FUNCTION test_now_us() RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT now_us FROM test_clock';
"""
"""The database's clock in tests: one row, which moves only when told."""

_GUARDS = """
    SELECT format('ALTER TABLE %I DROP CONSTRAINT %I', relation.relname, con.conname)
    FROM pg_constraint AS con JOIN pg_class AS relation ON relation.oid = con.conrelid
    WHERE con.contype IN ('c', 'f') AND relation.relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT format('ALTER TABLE %I DISABLE TRIGGER USER', relation.relname)
    FROM pg_class AS relation WHERE relation.relkind = 'r' AND relation.relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT format('DROP INDEX %I', relation.relname)
    FROM pg_index AS index JOIN pg_class AS relation ON relation.oid = index.indexrelid
    WHERE index.indisunique AND relation.relnamespace = 'public'::regnamespace
      AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = index.indexrelid)
"""


class PostgresBackend:
    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = psycopg.connect(url, autocommit=True)

    def close(self) -> None:
        self._connection.close()

    def open(self, clock: Clock) -> PostgresStore:  # noqa: ARG002 - the database has a clock of its own
        return PostgresStore(self.url, clock="test_now_us()")

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        cursor = self._connection.execute(statement)
        return cursor.fetchall() if cursor.description else []

    def refuses(self, statement: str) -> bool:
        try:
            self.sql(statement)
        except (psycopg.IntegrityError, psycopg.DataError):
            return True
        return False

    def corrupt(self, statement: str) -> None:
        for (drop,) in self.sql(_GUARDS):
            self.sql(drop)
        self.sql(statement)


class DatabaseClock(HandClock):
    """The clock of a ledger on PostgreSQL: what it is told, its database is told."""

    def __init__(self, backend: PostgresBackend) -> None:
        self._backend = backend
        backend.sql("DELETE FROM test_clock")
        backend.sql("INSERT INTO test_clock VALUES (0)")
        super().__init__()

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "now_us":
            self._backend.sql(f"UPDATE test_clock SET now_us = {value}")  # noqa: S608 - a number

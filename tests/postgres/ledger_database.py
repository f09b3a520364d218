"""A ledger in a PostgreSQL database of its own: read whole, kept and put back as it was, its clock moved by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from slotlease.store.postgres import PostgresStore
from slotlease.store.protocol import Finding
from tests.postgres_server import database
from tests.proofs.ledger_file import Content
from tests.store.backend import TABLES
from tests.store.postgres_backend import DatabaseClock, PostgresBackend
from tests.support import Shop

# ruff: noqa: S608 - the names are those of our own tables

TEST_CLOCK = "test_now_us()"
"""The SQL of the clock that a test sets."""

_TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1"


class LedgerDatabase:
    """`url` is the database's own; who is to go through a line is given another."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.backend = PostgresBackend(url)
        self.clock = DatabaseClock(self.backend)
        self.sql = self.backend.sql
        self._tables = [name for (name,) in self.sql(_TABLES)]

    def open_shop(self, url: str = "") -> Shop:
        return Shop(PostgresStore(url or self.url, clock=TEST_CLOCK), self.clock)

    def audit(self) -> Sequence[Finding]:
        with closing(PostgresStore(self.url, clock=TEST_CLOCK)) as store:
            return store.audit()

    def close(self) -> None:
        self.backend.close()

    def content(self) -> Content:
        return {
            table: sorted(self.sql(f"SELECT * FROM {table}"), key=repr)
            for table in self._tables
            if table != "test_clock"
        }

    def wipe(self) -> None:
        """An empty ledger again; who opened it before knows nothing of that."""
        deletions = [f"DELETE FROM {table};" for table in TABLES]
        self.sql(f"BEGIN; SET LOCAL session_replication_role = replica; {' '.join(deletions)} COMMIT")

    def keep(self) -> None:
        """As it is now, for `put_back`."""
        self.sql("CREATE SCHEMA kept")
        for table in self._tables:
            self.sql(f"CREATE TABLE kept.{table} AS TABLE {table}")

    def put_back(self) -> None:
        """The rows alone: no guard of the schema looks."""
        steps = [f"DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept.{table};" for table in self._tables]
        self.sql(f"BEGIN; SET LOCAL session_replication_role = replica; {' '.join(steps)} COMMIT")


@contextmanager
def ledger_database(server: str, template: str) -> Iterator[LedgerDatabase]:
    with database(server, template) as url:
        ledger = LedgerDatabase(url)
        try:
            yield ledger
        finally:
            ledger.close()

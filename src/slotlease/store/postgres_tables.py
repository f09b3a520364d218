"""The tables of a ledger on PostgreSQL, whole: what `store/copying.py` reads and fills."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from slotlease.store import address
from slotlease.store.postgres_connections import open_session
from slotlease.store.postgres_faults import faults, told_of
from slotlease.store.postgres_schema import migrate, require_current, version_of
from slotlease.store.protocol import Clock, StoreRefused, StoreUnavailable
from slotlease.store.rows import Row

_APPLICATION = "slotlease store copy"

_SETTINGS = """
    SELECT set_config('statement_timeout', '0', false), set_config('idle_in_transaction_session_timeout', '0', false),
           set_config('lock_timeout', '3s', false),
           set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'remote_apply'
                      THEN 'remote_apply' ELSE 'on' END, false)
"""
# Of other users' sessions only a superuser and pg_read_all_stats see the name. The locks keep those out as well.
_SERVERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'slotlease' AND pid <> pg_backend_pid()
"""
_COLUMNS = """
    SELECT attname FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
"""

Connection = psycopg.Connection[tuple[Any, ...]]


class PostgresTables:
    """See `copying.Target`."""

    def __init__(self, connection: Connection, tables: Sequence[str]) -> None:
        self._connection = connection
        self._tables = tables

    def keep_others_out(self) -> None:
        """Until the transaction ends others only read."""
        every = sql.SQL(", ").join(map(sql.Identifier, self._tables))
        with faults(), _as_owner():
            self._connection.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(every))

    def guard_spots(self, *, enabled: bool) -> None:
        with faults(), _as_owner():
            self._connection.execute(f"ALTER TABLE spot {'ENABLE' if enabled else 'DISABLE'} TRIGGER USER")

    def columns(self, tables: Sequence[str]) -> Mapping[str, Sequence[str]]:
        with faults():
            return {
                table: [row[0] for row in self._connection.execute(_COLUMNS, (f'"{table}"',)).fetchall()]
                for table in tables
            }

    def count(self, table: str) -> int:
        with faults():
            found = self._connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
            return int(found.fetchall()[0][0])

    def rows(self, table: str, columns: Sequence[str], piece_rows: int) -> Iterator[Sequence[Row]]:
        every = sql.SQL("SELECT {} FROM {}").format(_list(columns), sql.Identifier(table))
        with faults(), self._connection.cursor(name="whole_table") as cursor:
            cursor.execute(every)
            while piece := cursor.fetchmany(piece_rows):
                yield piece

    def put(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        into = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), _list(columns))
        with faults():
            if table == "ledger":
                self._connection.execute("DELETE FROM ledger")  # its one row was made with the tables
            with self._connection.cursor().copy(into) as copy:
                for row in rows:
                    copy.write_row(row)

    def commit(self) -> None:
        self.guard_spots(enabled=True)
        try:
            self._connection.commit()
        except psycopg.Error:
            # Of one transaction on locked tables: whatever became of it, the same command finds it out.
            message = "nobody knows whether the copy was committed: run the command again"
            raise StoreUnavailable(message) from None
        self.keep_others_out()


@contextmanager
def postgres_source(url: str, tables: Sequence[str]) -> Iterator[PostgresTables]:
    """A ledger that nobody serves and, while the block lasts, nobody writes to. Raises StoreRefused, StoreOutdated,
    StoreUnavailable."""
    name = address.shown(url)
    session = open_session(url, name=name)
    try:
        require_current(session, name)
    finally:
        session.close()
    with _locked(url, name, tables) as source:
        yield source


@contextmanager
def postgres_target(url: str, tables: Sequence[str], clock: Clock) -> Iterator[PostgresTables]:
    """A ledger of the newest schema, made in a database that has none; without `commit` it stays as it was. Raises as
    `postgres_source`."""
    name = address.shown(url)
    session = open_session(url, name=name)
    try:
        if version_of(session, name) == 0:
            key = os.urandom(32)  # noqa: TID251 - of a new ledger, until the copied one takes its place
            migrate(session, name, clock(), key)
        else:
            require_current(session, name)
    finally:
        session.close()
    with _locked(url, name, tables) as target:
        # The capacity of a slot may have been lowered under live claims, and they come along.
        target.guard_spots(enabled=False)
        yield target


@contextmanager
def _locked(url: str, name: str, tables: Sequence[str]) -> Iterator[PostgresTables]:
    try:
        connection = psycopg.connect(url, application_name=_APPLICATION, target_session_attrs="read-write")
    except psycopg.Error as error:
        raise StoreUnavailable(told_of(error)) from error
    try:
        with faults():
            connection.execute(_SETTINGS)
            ((servers,),) = connection.execute(_SERVERS).fetchall()
            if servers:
                message = (
                    f"{name} is in use: {servers} connections of slotlease are open to it; stop its servers first, and"
                    " let commands end"
                )
                raise StoreRefused(message)
        locked = PostgresTables(connection, tables)
        locked.keep_others_out()
        yield locked
    finally:
        connection.close()


@contextmanager
def _as_owner() -> Iterator[None]:
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        message = (
            "this user may not copy the ledger: that takes the owner of its tables, who ran `slotlease migrate`; name"
            " that user in the address"
        )
        raise StoreRefused(message) from error


def _list(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))

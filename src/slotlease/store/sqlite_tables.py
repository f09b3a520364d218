"""The tables of a ledger in SQLite, whole: what `store/copying.py` reads and fills."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import apsw

from slotlease.store.protocol import Clock, StoreUnavailable
from slotlease.store.rows import Row
from slotlease.store.sqlite_file import claim_for_server, connect, faults, migrate, require_file, require_whole

# ruff: noqa: S608 - the names are those of the ledger's own tables and columns

_COLUMNS = "SELECT name FROM pragma_table_info(:table_name)"


class SqliteTables:
    """See `copying.Target`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def columns(self, tables: Sequence[str]) -> Mapping[str, Sequence[str]]:
        with faults():
            return {
                table: [row[0] for row in self._connection.execute(_COLUMNS, {"table_name": table})] for table in tables
            }

    def count(self, table: str) -> int:
        with faults():
            found: Sequence[Row] = self._connection.execute(f'SELECT count(*) FROM "{table}"').fetchall()
            return int(found[0][0])

    def rows(self, table: str, columns: Sequence[str], piece_rows: int) -> Iterator[Sequence[Row]]:
        with faults():
            found = self._connection.execute(f'SELECT {_list(columns)} FROM "{table}"')
            piece: list[Row] = []
            for row in found:
                piece.append(row)
                if len(piece) == piece_rows:
                    yield piece
                    piece = []
            if piece:
                yield piece

    def put(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        marks = ", ".join("?" for _ in columns)
        with faults():
            if table == "ledger":
                self._connection.execute("DELETE FROM ledger")  # its one row was made with the tables
            self._connection.executemany(f'INSERT INTO "{table}" ({_list(columns)}) VALUES ({marks})', rows)

    def commit(self) -> None:
        with faults():
            try:
                self._connection.execute("COMMIT")
            except apsw.Error:
                # Of one transaction on a claimed file: whatever became of it, the same command finds it out.
                message = "the copy could not be brought to the disk: run the command again"
                raise StoreUnavailable(message) from None
        _keep_others_out(self._connection)


@contextmanager
def sqlite_source(path: str, clock: Clock) -> Iterator[SqliteTables]:
    """A ledger that nobody serves and, while the block lasts, nobody writes to. Raises StoreRefused, StoreOutdated,
    StoreUnavailable."""
    with _claimed(Path(path), clock, create=False) as connection:
        yield SqliteTables(connection)


@contextmanager
def sqlite_target(path: str, clock: Clock) -> Iterator[SqliteTables]:
    """A ledger of the newest schema, made where there is none; without `commit` it stays as it was. Raises as
    `sqlite_source`."""
    with _claimed(Path(path), clock, create=True) as connection:
        # The capacity of a slot may have been lowered under live claims, and they come along.
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
        yield SqliteTables(connection)


@contextmanager
def _claimed(path: Path, clock: Clock, *, create: bool) -> Iterator[apsw.Connection]:
    require_file(path, create=create)
    with ExitStack() as stack:
        stack.enter_context(claim_for_server(path))
        connection = connect(path, create=create)
        stack.callback(connection.close, True)
        if not create:
            require_whole(connection, path)
        key = os.urandom(32)  # noqa: TID251 - of a new ledger, until the copied one takes its place
        migrate(connection, path, clock(), key, older_too=False)
        _keep_others_out(connection)
        yield connection


def _keep_others_out(connection: apsw.Connection) -> None:
    """The claim keeps out servers; the file's write lock, commands."""
    with faults():
        connection.execute("BEGIN IMMEDIATE")


def _list(columns: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)

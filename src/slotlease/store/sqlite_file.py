"""One SQLite file: opening connections to it, bringing its schema up to date, claiming it for one server."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import IO

import apsw

from slotlease.store.prefetch import Query
from slotlease.store.protocol import (
    CommitUnknown,
    RowRefused,
    SchemaVersions,
    StoreFault,
    StoreOutdated,
    StoreRefused,
    StoreUnavailable,
)

SQLITE_OLDEST = (3, 51, 3)
"""Older ones can corrupt a WAL file that two connections write and checkpoint at once."""

BUSY_STEP_S = 0.001
BUSY_STEPS_MAX = 10_000

_PRAGMAS = {
    "journal_mode": "wal",
    # FULL: what was acknowledged survives a power cut; NORMAL loses the last commits (reliability, finding 7).
    "synchronous": 2,
    "foreign_keys": 1,
    "trusted_schema": 0,
    "secure_delete": 1,
}

_MIGRATION_FILE = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


def connect(path: Path, *, create: bool) -> apsw.Connection:
    """A connection with the promised settings, read back. Raises StoreRefused, StoreUnavailable."""
    _require_sqlite()
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
    if not create and not path.exists():
        message = f"there is no ledger at {path}: check the path, or make one with 'slotlease inventory import'"
        raise StoreRefused(message)
    with faults():
        try:
            connection = apsw.Connection(str(path), flags=flags)
        except apsw.CantOpenError as error:
            message = f"cannot open the ledger at {path}: is its folder there, and may this user write to it?"
            raise StoreRefused(message) from error
        connection.set_busy_handler(_wait_for_turn)
        try:
            _configure(connection)
        except apsw.NotADBError as error:
            message = f"{path} is not a ledger: it is no SQLite database"
            raise StoreRefused(message) from error
    return connection


def _require_sqlite() -> None:
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if version < SQLITE_OLDEST:
        wanted = ".".join(map(str, SQLITE_OLDEST))
        message = (
            f"SQLite {apsw.sqlite_lib_version()} is too old: it can corrupt the ledger; {wanted} or newer is needed"
        )
        raise StoreRefused(message)


def _configure(connection: apsw.Connection) -> None:
    for name, value in _PRAGMAS.items():
        connection.pragma(name, value)
        found = connection.pragma(name)
        if found != value:
            message = f"the ledger could not be opened safely: PRAGMA {name} is {found!r}, not {value!r}"
            raise StoreRefused(message)


def damage_of(query: Query) -> list[str]:
    """What is wrong with the file's pages, at most a few of it. Reads all of them."""
    return [str(line) for (line,) in query("PRAGMA quick_check(10)", {}) if line != "ok"]


def _wait_for_turn(steps: int) -> bool:
    """SQLite's own waiting backs off to 100 ms and is unfair; a writer here is done in a few milliseconds."""
    if steps >= BUSY_STEPS_MAX:
        return False
    time.sleep(BUSY_STEP_S)
    return True


_ROW_REFUSED = (
    *(apsw.ConstraintError, apsw.MismatchError, apsw.TooBigError, apsw.RangeError),
    # Of the binding: a number past 64 bits, a text that is no Unicode.
    *(OverflowError, UnicodeEncodeError),
)


@contextmanager
def faults(*, committing: bool = False) -> Iterator[None]:
    """SQLite's errors as faults of the store. A commit that fails for another reason than a busy file may still
    have reached the disk, so its outcome is unknown (DESIGN 2)."""
    try:
        yield
    except _ROW_REFUSED as error:
        raise RowRefused(type(error).__name__) from error
    except apsw.BusyError as error:
        message = "another program held the ledger for too long"
        raise StoreUnavailable(message) from error
    except StoreFault:
        raise
    except apsw.Error as error:
        if committing:
            raise CommitUnknown(type(error).__name__) from error
        raise StoreUnavailable(type(error).__name__) from error


# --- schema --------------------------------------------------------------------------------------------------


def migrations() -> list[tuple[int, str]]:
    """The numbered scripts of the schema, in order, forward only."""
    folder = resources.files("slotlease.store").joinpath("schema", "sqlite")
    found = ((_MIGRATION_FILE.fullmatch(item.name), item) for item in folder.iterdir())
    return sorted((int(match[1]), item.read_text("utf-8")) for match, item in found if match is not None)


def migrate(connection: apsw.Connection, path: Path, clock_us: int, key: bytes, *, older_too: bool) -> SchemaVersions:
    """Brings the schema of a new ledger up to date, and with `older_too` that of any; `key` becomes the fingerprint
    key of a new ledger. One transaction: killed or refused, it leaves what was there. Raises StoreRefused, and
    StoreOutdated where it would have to change a ledger that a server of an older version may be serving."""
    scripts = migrations()
    newest = scripts[-1][0]
    version = _schema_version(connection, path)
    if version == newest:
        return SchemaVersions(newest, newest)
    with faults():
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = _schema_version(connection, path)
            if 0 < version < newest and not older_too:
                message = (
                    f"the ledger at {path} has schema {version}, older than the {newest} of this program: stop an older"
                    " server that still serves it, then run `slotlease migrate` (or start this server, which does it)"
                )
                raise StoreOutdated(message)
            connection.execute(
                "CREATE TABLE IF NOT EXISTS migration (number INTEGER PRIMARY KEY, at_us INTEGER NOT NULL) STRICT"
            )
            for number, script in scripts:
                if number > version:
                    connection.execute(script)
                    connection.execute("INSERT INTO migration (number, at_us) VALUES (?, ?)", (number, clock_us))
            if version == 0:
                connection.execute("INSERT INTO ledger (fingerprint_key) VALUES (?)", (key,))
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
    return SchemaVersions(version, newest)


def _schema_version(connection: apsw.Connection, path: Path) -> int:
    newest = migrations()[-1][0]
    with faults():
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        if "migration" not in tables:
            if tables:
                message = f"{path} is not a ledger: it holds other tables; name another file"
                raise StoreRefused(message)
            return 0
        version = max((number for (number,) in connection.execute("SELECT number FROM migration")), default=0)
    if version > newest:
        message = (
            f"the ledger at {path} has schema {version}, newer than the {newest} this program knows:"
            " run the newer slotlease, or restore a backup made before it"
        )
        raise StoreRefused(message)
    return version


# --- one server ------------------------------------------------------------------------------------------------


def claim_for_server(path: Path) -> IO[str]:
    """Holds `PATH.serving` until the returned file is closed or the process ends, however it ends.

    A lock of the operating system, not a row: it cannot be left behind. Raises StoreRefused."""
    claim = path.with_name(path.name + ".serving").open("a+", encoding="ascii")
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        claim.seek(0)
        holder = claim.read().strip() or "unknown"
        claim.close()
        message = (
            f"the ledger at {path} is already served by process {holder}: stop that server first,"
            " or serve another file; other commands work beside a running server"
        )
        raise StoreRefused(message) from error
    claim.truncate(0)
    claim.write(str(os.getpid()))
    claim.flush()
    return claim

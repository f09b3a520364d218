"""One SQLite file: opening connections to it, bringing its schema up to date, claiming it for one server."""

from __future__ import annotations

import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources
from itertools import count
from pathlib import Path
from typing import IO

import apsw

from slotlease.store.prefetch import Query
from slotlease.store.protocol import (
    CommitUnknown,
    RowRefused,
    SchemaVersions,
    StoreFault,
    StoreMissing,
    StoreOutdated,
    StoreRefused,
    StoreUnavailable,
)
from slotlease.store.rows import Row

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


def require_file(path: Path, *, create: bool) -> None:
    """There is a file that may be a ledger, or with `create` none. Looks at it only. Raises StoreRefused."""
    try:
        # In this order: a ledger that is being made has something in its file before it has a log, so an empty file
        # beside a log was cut to nothing.
        log_size = _size_of(path.with_name(path.name + "-wal"))
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        if create:
            return
        message = f"there is no ledger at {path}: check the path, or make one with 'slotlease inventory import'"
        raise StoreMissing(message) from error
    except OSError as error:
        message = f"cannot look at the ledger at {path} ({error.strerror}): may this user enter its folder?"
        raise StoreRefused(message) from error
    if not stat.S_ISREG(found.st_mode):
        message = f"{path} is not a ledger: it is a folder, or no file at all; name a file"
        raise StoreRefused(message)
    if found.st_nlink > 1:
        message = (
            f"the ledger at {path} has a second name (a hard link): opened under both it would be spoilt, for its log"
            " lies beside one of them; remove the other name, or copy the file"
        )
        raise StoreRefused(message)
    if found.st_size == 0 and (log_size > 0 or not create):
        message = (
            f"the ledger at {path} is empty, as after a full disk or an aborted copy: restore a backup; or, if there"
            " never was one, remove the file and make one with 'slotlease inventory import'"
        )
        raise StoreRefused(message)


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def connect(path: Path, *, create: bool) -> apsw.Connection:
    """A connection to a ledger, or with `create` to what will be one, with the promised settings, read back. What turns
    out to be no ledger is left as it is. Raises StoreRefused, StoreUnavailable."""
    _require_sqlite()
    require_file(path, create=create)
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
    with faults(), _refusals(path):
        connection = apsw.Connection(str(path), flags=flags)
        try:
            connection.set_busy_handler(_wait_for_turn)
            _require_ledger(connection, path, create=create)
            _configure(connection)
        except BaseException:
            connection.close(True)
            raise
    return connection


def _require_ledger(connection: apsw.Connection, path: Path, *, create: bool) -> None:
    # Asked for writing, SQLite opens a file that may not be written for reading, and says nothing.
    if connection.readonly("main"):
        raise apsw.ReadOnlyError
    if _schema_version(connection, path) == 0 and not create:
        message = f"{path} is not a ledger yet: make it one with 'slotlease inventory import'"
        raise StoreRefused(message)


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """What SQLite says of a file that it cannot work with, in words that help."""
    try:
        yield
    except apsw.NotADBError as error:
        message = f"{path} is not a ledger: it is no SQLite database"
        raise StoreRefused(message) from error
    except apsw.CorruptError as error:
        raise StoreRefused(_damaged(path, "a page is missing or is none")) from error
    except (apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError) as error:
        message = (
            f"cannot open the ledger at {path}: is its folder there, and may this user write to it? The ledger's log"
            " lies beside it, so both the file and its folder must be writable"
        )
        raise StoreRefused(message) from error


def _damaged(path: Path, what: str) -> str:
    return (
        f"the ledger at {path} is damaged ({what}): keep it as it is, restore a backup in its place; 'slotlease doctor'"
        " says more of what is wrong"
    )


def require_whole(connection: apsw.Connection, path: Path) -> None:
    """Every page is one (reliability B-11): damage would else show when a customer pays for it. Reads the whole file,
    a gigabyte in some seconds. Raises StoreRefused, StoreUnavailable."""
    with faults(), _refusals(path):
        damage = damage_of(lambda sql, params: connection.execute(sql, params).fetchall())
    if damage:
        raise StoreRefused(_damaged(path, damage[-1]))


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
        _set(connection, name, value)
        found = connection.pragma(name)
        if found != value:
            message = f"the ledger could not be opened safely: PRAGMA {name} is {found!r}, not {value!r}"
            raise StoreRefused(message)


def _set(connection: apsw.Connection, name: str, value: object) -> None:
    for steps in count():
        try:
            connection.pragma(name, value)
        except apsw.BusyError:
            # For a change of the journal's mode SQLite does not ask the busy handler.
            if not _wait_for_turn(steps):
                raise
        else:
            return


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


_TOLD = (
    (apsw.FullError, "its disk is full"),
    (apsw.ReadOnlyError, "its file, its folder or its disk is read-only"),
    (apsw.CantOpenError, "its file or its folder cannot be opened"),
    (apsw.IOError, "its disk failed"),
    ((apsw.CorruptError, apsw.NotADBError), "it is damaged: 'slotlease doctor' says more"),
)


def _told_of(error: apsw.Error) -> str:
    """For the operator: never the text of the error, which may quote a row."""
    return next((told for kind, told in _TOLD if isinstance(error, kind)), type(error).__name__)


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
            raise CommitUnknown(_told_of(error)) from error
        raise StoreUnavailable(_told_of(error)) from error


# --- schema --------------------------------------------------------------------------------------------------


@cache
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
    with faults():
        if _schema_version(connection, path) == newest:
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
            for number, script in (one for one in scripts if one[0] > version):
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
    """0 where nothing was made yet. Raises StoreRefused, and whatever SQLite does."""
    newest = migrations()[-1][0]
    others = f"{path} is not a ledger: it holds other tables; name another file"
    try:
        # Another program may be making the ledger just now: its tables and their number come in one transaction.
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        numbers: list[Row] = list(connection.execute("SELECT number FROM migration")) if tables else []
    except apsw.SQLError as error:
        raise StoreRefused(others) from error
    version: int = max((row[0] for row in numbers), default=0)
    if tables and ("ledger" in tables) != (version > 0):
        raise StoreRefused(others)
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
    place = path.resolve()  # a link to a ledger is another name of it, and no second ledger
    beside = place.with_name(place.name + ".serving")
    try:
        claim = beside.open("a+", encoding="ascii")
    except OSError as error:
        message = (
            f"cannot claim the ledger at {path} for this server ({beside}: {error.strerror}):"
            " is its folder there, and may this user write to it?"
        )
        raise StoreRefused(message) from error
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        claim.seek(0)
        holder = claim.read().strip() or "unknown"
        claim.close()
        message = (
            f"the ledger at {path} is already served by process {holder}: stop that server first,"
            " or serve another file; other commands work beside a running server"
        )
        raise StoreRefused(message) from error
    except OSError as error:
        claim.close()
        message = (
            f"cannot claim the ledger at {path} for this server: its file system does not lock files"
            f" ({error.strerror}); keep the ledger on a local disk"
        )
        raise StoreRefused(message) from error
    claim.truncate(0)
    claim.write(str(os.getpid()))
    claim.flush()
    return claim

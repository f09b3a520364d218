"""A copy of a ledger in one file, made beside whatever server serves it, and judged before it gets its name."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import apsw

from slotlease.store import audit
from slotlease.store.open import SQLITE_PREFIX
from slotlease.store.prefetch import Query
from slotlease.store.protocol import Clock, Finding, StoreRefused, StoreUnavailable
from slotlease.store.sqlite_file import connect, faults, migrations

STEP_PAGES = 1024
"""Copied at a time, 4 MB: often enough for a bar that moves and for Ctrl-C."""

PARTIAL = ".partial"
"""Ends the name of a copy that nobody has judged yet."""

Note = Callable[[int, int], None]
"""Told how many bytes are copied, and of how many."""

_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"


@dataclass(frozen=True, slots=True)
class BackedUp:
    """A copy that is whole, and holds all that was acknowledged before `at_us`."""

    at_us: int
    size_bytes: int
    schema: int
    rows: Mapping[str, int]
    """How many, by table."""

    findings: Sequence[Finding] | None
    """What is wrong in the ledger itself, and so in its copy; None where its schema is not this program's."""


def back_up(url: str, to: Path, clock: Clock, note: Note | None = None) -> BackedUp:
    """Copies the ledger at `url` (`sqlite:///PATH`) to the file `to`, which must not be there yet.

    A ledger of an older schema is copied as it is: before an upgrade is when copies are wanted. Raises StoreRefused,
    StoreUnavailable; then nothing is left of the copy."""
    if not url.startswith(SQLITE_PREFIX):
        message = (
            "this ledger is in no SQLite file: PostgreSQL brings tools of its own, pg_basebackup and its archive of"
            " the write-ahead log; docs/operate/scale.md says how to use them"
        )
        raise StoreRefused(message)
    path = Path(url.removeprefix(SQLITE_PREFIX))
    source = connect(path, create=False)
    try:
        with _new_file(to, path) as partial:
            done = _copy(source, partial, clock, note or _nothing)
            # What is not whole never has the name that somebody will look for on a bad day.
            partial.rename(to)
            _sync_folder(to.parent)
        return done
    finally:
        source.close(True)


@contextmanager
def _new_file(to: Path, ledger: Path) -> Iterator[Path]:
    """An empty file under another name beside `to`, with the ledger's own rights, for it holds customers' names too.
    It is removed if the block raises."""
    partial = to.with_name(to.name + PARTIAL)
    if os.path.lexists(to):
        message = f"{to} is there already, and a backup overwrites nothing: name another file, or move that one away"
        raise StoreRefused(message)
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, ledger.stat().st_mode & 0o777))
    except FileExistsError as error:
        message = (
            f"{partial} is there already: another backup to this name is at work, or one was cut off; if none is,"
            " remove that file and run the command again"
        )
        raise StoreRefused(message) from error
    except OSError as error:
        message = f"cannot write to {to.parent} ({error.strerror}): is the folder there, and may this user write to it?"
        raise StoreRefused(message) from error
    try:
        yield partial
    except BaseException:
        for left in (partial, partial.with_name(partial.name + "-journal")):
            left.unlink(missing_ok=True)
        raise


def _copy(source: apsw.Connection, partial: Path, clock: Clock, note: Note) -> BackedUp:
    query = _query_on(source)
    with faults():
        # One snapshot for all steps. Without it each step would see a newer ledger, and SQLite begins the copy anew
        # whenever somebody wrote: beside a busy server it would never end.
        at_us = clock()
        source.execute("BEGIN")
        rows = _rows(query)
        ((schema,),) = query("SELECT max(number) FROM migration", {})
    with _told_of_target(partial), contextlib.closing(apsw.Connection(str(partial))) as copy:
        with copy.backup("main", source, "main") as backup:
            page_bytes = int(source.pragma("page_size"))
            while not backup.done:
                backup.step(STEP_PAGES)
                note((backup.page_count - backup.remaining) * page_bytes, backup.page_count * page_bytes)
        # One file, that can be copied and sent: without a log beside it that somebody could forget, or mix up.
        copy.pragma("journal_mode", "delete")
        findings = _judge(_query_on(copy), rows, at_us, audited=schema == migrations()[-1][0])
    return BackedUp(at_us, partial.stat().st_size, int(schema), rows, findings)


def _judge(copy: Query, rows: Mapping[str, int], at_us: int, *, audited: bool) -> Sequence[Finding] | None:
    """Reads the copy from end to end. Raises StoreRefused where it is not whole, or not all of it."""
    damage = [str(line) for (line,) in copy("PRAGMA integrity_check(10)", {}) if line != "ok"]
    if damage:
        raise StoreRefused(_damaged(damage[-1]))
    found = _rows(copy)
    if found != rows:
        tables = ", ".join(name for name in sorted({*rows, *found}) if rows.get(name) != found.get(name))
        message = f"the copy has another number of rows than the ledger ({tables}): nothing was kept of it; try again"
        raise StoreRefused(message)
    return audit.findings(copy, at_us) if audited else None


def _damaged(what: str) -> str:
    return (
        f"the copy is damaged ({what}), so the ledger is, or the disk: nothing was kept of the copy;"
        " `slotlease doctor` says more of the ledger"
    )


def _rows(query: Query) -> dict[str, int]:
    tables = [str(name) for (name,) in query(_TABLES, {})]
    return {name: query(f'SELECT count(*) FROM "{name}"', {})[0][0] for name in tables}  # noqa: S608 - its own tables


@contextmanager
def _told_of_target(partial: Path) -> Iterator[None]:
    """An error of the file that is written is not the ledger's."""
    try:
        with faults():
            try:
                yield
            except apsw.CorruptError as error:
                raise StoreRefused(_damaged("a page is missing or is none")) from error
    except StoreUnavailable as fault:
        message = f"the copy could not be written to {partial.parent} ({fault}): nothing was kept of it"
        raise StoreRefused(message) from fault


def _sync_folder(folder: Path) -> None:
    """The name too must outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _query_on(connection: apsw.Connection) -> Query:
    return lambda sql, params: connection.execute(sql, params).fetchall()


def _nothing(_done: int, _total: int) -> None:
    pass

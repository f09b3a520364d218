"""A ledger as a file: copied as it lies on the disk, and read whole, to tell two of them apart."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import apsw

from tests.support import HandClock, Shop, open_shop

LEDGER = "ledger.db"

Content = dict[str, list[tuple[object, ...]]]
"""Every row of every table."""


class Engine(Protocol):
    """An empty ledger of one kind of database, and the clock that judges it."""

    @property
    def clock(self) -> HandClock: ...

    def open_shop(self) -> Shop:
        """Whoever calls closes its store."""

    def content(self) -> Content: ...


class LedgerFile:
    """The ledger in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.clock = HandClock()
        self._folder = folder

    def open_shop(self) -> Shop:
        return open_shop(self._folder, clock=self.clock)

    def content(self) -> Content:
        return content(self._folder)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """In memory where the system has such a folder: what is proven here is not how fast a disk writes."""
    memory = Path("/dev/shm")  # noqa: S108 - only the parent: the folder itself gets a name of its own
    with tempfile.TemporaryDirectory(prefix="slotlease-", dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder / LEDGER}"


def copy_ledger(source: Path, target: Path) -> Path:
    """What a stopped process leaves: the file and its log, whatever was open. The index of the log (-shm) is
    not copied, it is made from the log. Returns `target`, a folder that is made for it."""
    target.mkdir()
    for name in (LEDGER, f"{LEDGER}-wal"):
        if (source / name).exists():
            shutil.copyfile(source / name, target / name)
    return target


def content(folder: Path) -> Content:
    """Read past whatever watches the connections of this process."""
    connection = apsw.Connection(str(folder / LEDGER), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.exec_trace = None
    try:
        connection.execute("BEGIN")
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]

        return {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for name in sorted(tables)}  # noqa: S608
    finally:
        connection.close()


def difference(one: Content, other: Content) -> str:
    """The rows that only one of them has, for a person to read."""
    lines = []
    for table in sorted(one.keys() | other.keys()):
        rows, other_rows = one.get(table, []), other.get(table, [])
        lines += [f"- {table} {row}" for row in rows if row not in other_rows]
        lines += [f"+ {table} {row}" for row in other_rows if row not in rows]
    return "\n".join(lines) or "the same"

"""`slotlease`, run by a process that kills itself at a named point of a batch: for the crash tests and nobody else.

DIE_AT=POINT:N names the point and the batch of writes from which on it counts; without it the process lives on. The
server's own code has no hook for it: every connection to a ledger tells what it is about to run. MISTAKE names one of
`planted.MISTAKES` for the server to make. The log goes into the ledger every few commits instead of every thousand
pages, so that some of the deaths fall into that.
"""

from __future__ import annotations

import os
import signal
from typing import NoReturn

import apsw

from slotlease.cli import main
from tests.crash.planted import MISTAKES

BEGUN, WRITTEN, BEFORE_COMMIT, COMMITTED, CHECKPOINT = POINTS = (
    "begun",
    "written",
    "before-commit",
    "committed",
    "checkpoint",
)
"""After BEGIN; after a write and before the next; before COMMIT; after COMMIT and before anybody is answered; while the
log is copied into the ledger, when some of its pages are there and others not."""

PAGES_TO_CHECKPOINT = 40
PAGES_COPIED = 3


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


class Death:
    """Comes at `point` in the first batch, from number `batch` on, that reaches it."""

    def __init__(self, point: str, batch: int) -> None:
        self._point = point
        self._batch = batch
        self._begun = 0
        self._writes = 0
        self._pages_copied = 0
        self._dying = False

    def watch(self, connection: apsw.Connection) -> None:
        connection.exec_trace = self._trace

    def page_copied(self) -> None:
        if self._point == CHECKPOINT and self._begun >= self._batch:
            self._pages_copied += 1
            if self._pages_copied > PAGES_COPIED:
                die()

    def _trace(self, cursor: apsw.Cursor, sql: str, _: object) -> bool:
        if self._dying:
            return True
        if sql == "BEGIN IMMEDIATE":
            self._begun, self._writes = self._begun + 1, 0
        elif self._begun >= self._batch and self._is_here(sql):
            if self._point == COMMITTED:
                self._dying = True
                cursor.connection.execute("COMMIT")
            die()
        return True

    def _is_here(self, sql: str) -> bool:
        writes = sql.split(maxsplit=1)[0] in {"INSERT", "UPDATE"}
        self._writes += writes
        if self._point == BEGUN:
            # A reader's connection knows no BEGIN IMMEDIATE, and begins its own way.
            return sql not in {"BEGIN", "ROLLBACK"}
        if self._point == WRITTEN:
            return writes and self._writes > 1
        return self._point in {BEFORE_COMMIT, COMMITTED} and sql == "COMMIT"


class WatchedDisk(apsw.VFS):
    """The system's own, but it tells of every page that is written into a ledger: after that ledger was made, only
    checkpoints write there."""

    def __init__(self, death: Death) -> None:
        self._system = str(apsw.vfs_details()[0]["zName"])
        super().__init__("watched", self._system, makedefault=True)
        self._death = death

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - apsw's name
        return WatchedFile(self._system, name, flags, self._death)


class WatchedFile(apsw.VFSFile):
    def __init__(self, system: str, name: str | apsw.URIFilename | None, flags: list[int], death: Death) -> None:
        self._death = death if flags[0] & apsw.SQLITE_OPEN_MAIN_DB else None
        super().__init__(system, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - apsw's name
        if self._death is not None:
            self._death.page_copied()
        super().xWrite(data, offset)


def main_that_dies() -> None:
    if mistake := os.environ.pop("MISTAKE", ""):
        MISTAKES[mistake]()
    point, _, number = os.environ.pop("DIE_AT", "").partition(":")
    if point:
        death = Death(point, int(number))
        disk = WatchedDisk(death) if point == CHECKPOINT else None
        apsw.connection_hooks.append(death.watch)
        apsw.connection_hooks.append(lambda connection: connection.wal_autocheckpoint(PAGES_TO_CHECKPOINT))
        main()
        del disk
    else:
        main()


if __name__ == "__main__":
    main_that_dies()

"""The connections of one open ledger: one that writes, as many as read at once, and one that keeps the files.

The keeper is used for no request. As long as it is open, SQLite neither removes the log nor begins another, and what
was acknowledged can be brought from a log that somebody removed into the ledger's own file.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from slotlease.store.protocol import CommitUnknown, StoreFault, StoreRefused, StoreUnavailable
from slotlease.store.sqlite_file import connect, faults
from slotlease.store.sqlite_place import Place, Trouble

_log = logging.getLogger("slotlease.store")
_log.addHandler(logging.NullHandler())  # a command says it itself

_IN_ITS_OWN_FILE = {Trouble.AWAY, Trouble.REPLACED, Trouble.LOG_GONE}
"""Where the log no longer lies beside the ledger, what is in it goes into the ledger's own file, wherever that is now:
a log that stays behind beside another ledger would spoil it, and one without a name is lost with the process."""

_MENDED = {Trouble.LOG_GONE, Trouble.INDEX_GONE}


class Connections:
    """Of a ledger that `keeper` has open. Safe to share between threads."""

    def __init__(self, path: Path, keeper: apsw.Connection) -> None:
        self._path = path
        self._keeper: apsw.Connection | None = keeper
        self._writer: apsw.Connection | None = None
        self._readers: list[apsw.Connection] = []
        self._writing = threading.Lock()
        self._closed = False
        self._spoilt: Trouble | None = None
        self._told = ""
        self._place = Place.of(path).opened()
        self._held = _hold(path)
        try:
            self._writer = self._connect()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def writing(self) -> Iterator[apsw.Connection]:
        """A transaction with the file's one write lock; what is not committed is undone. Raises StoreUnavailable."""
        with self._writing:
            self._make_usable()
            if self._writer is None:
                self._writer = self._connect()
            connection = self._writer
            try:
                with faults():
                    connection.execute("BEGIN IMMEDIATE")
                yield connection
            except (StoreUnavailable, CommitUnknown) as fault:
                self._tell(str(fault))
                # Whatever state it is in: the next batch begins on a new connection.
                self._writer = None
                connection.close(True)
                raise
            finally:
                if self._writer is not None and not _ended(connection):
                    self._writer = None

    @contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """A connection for one reader at a time; a transaction that it leaves is undone. Raises StoreUnavailable."""
        if self._closed or self._spoilt or self._keeper is None or self._place.trouble() is not None:
            with self._writing:
                self._make_usable()
        place = self._place
        try:
            connection = self._readers.pop()
        except IndexError:
            connection = self._connect()
        try:
            yield connection
        except BaseException:
            # Whatever state it is in: the next read begins on another connection.
            connection.close(True)
            raise
        if not _ended(connection):
            return
        if self._closed or place is not self._place:
            _close(connection, leave_log=True)  # it has files open that are no longer the ledger's
        else:
            self._readers.append(connection)

    def require_in_place(self) -> None:
        """After a commit and before anybody is answered. Raises CommitUnknown: it went into files that are no longer
        where the next start would look for them, and whoever asks again finds out what is left of it."""
        trouble = self._place.trouble()
        if trouble is not None:
            raise CommitUnknown(trouble.value)
        self._tell("")

    def close(self) -> None:
        with self._writing:
            self._closed = True
            trouble = self._spoilt or self._place.trouble()
            if trouble in _IN_ITS_OWN_FILE:
                with contextlib.suppress(StoreFault):
                    self._save_log()
            self._let_go(leave_log=trouble is not None)
            if self._held is not None:
                os.close(self._held)
                self._held = None

    # --- when the ledger is not where it was -----------------------------------------------------------------------

    def _make_usable(self) -> None:
        """Returns if the ledger lies where it lay, with the keeper open; mends what can be. Raises StoreUnavailable."""
        if self._closed:
            message = "the store is closed"
            raise StoreUnavailable(message)
        trouble = self._spoilt or self._place.trouble()
        if trouble is not None:
            self._tell(trouble.value)
        if trouble is Trouble.EMPTIED:
            # For good: whatever is put in its place now would be read through a log that does not belong to it.
            self._spoilt = trouble
        if trouble in _IN_ITS_OWN_FILE:
            self._save_log()
        if trouble in _IN_ITS_OWN_FILE | _MENDED:
            self._let_go(leave_log=True)
        if trouble is not None and trouble not in _MENDED:
            raise StoreUnavailable(trouble.value)
        if self._keeper is None:
            self._keeper = self._connect()
            self._place = self._place.opened()
            if (trouble := self._place.trouble()) is not None:
                raise StoreUnavailable(trouble.value)  # a reader still has the old files open
            self._tell("")

    def _save_log(self) -> None:
        """Raises StoreUnavailable: it is all still in the log, and the keeper keeps that."""
        if self._keeper is None:
            return
        with faults():
            ((is_busy, _, _),) = self._keeper.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if is_busy:
            message = "another program reads the ledger, so its log cannot be brought into it yet"
            raise StoreUnavailable(message)

    def _let_go(self, *, leave_log: bool) -> None:
        """Closes every connection that nobody uses just now. `leave_log`: SQLite would also remove the log when the
        last one closes, by its name, and what lies there now may be another's."""
        for connection in (self._writer, *self._readers, self._keeper):
            if connection is not None:
                _close(connection, leave_log=leave_log)
        self._writer = self._keeper = None
        self._readers.clear()
        self._place = self._place.closed()

    def _connect(self) -> apsw.Connection:
        try:
            return connect(self._path, create=False)
        except StoreRefused as error:
            raise StoreUnavailable(str(error)) from error

    def _tell(self, what: str) -> None:
        """What is wrong, once, and once when it is over ("")."""
        if what == self._told:
            return
        if what:
            _log.error(what)
        else:
            _log.warning("the ledger is usable again")
        self._told = what


def _hold(path: Path) -> int | None:
    """Keeps the file's number from being given to another one, where the system has a way that takes part in no lock.
    A ledger that was removed can still be copied from there, as long as the process lives (/proc/PID/fd on Linux)."""
    only_the_name: int | None = getattr(os, "O_PATH", None)
    return None if only_the_name is None else os.open(path, only_the_name | os.O_CLOEXEC)


def _close(connection: apsw.Connection, *, leave_log: bool) -> None:
    if leave_log:
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    connection.close(True)


def _ended(connection: apsw.Connection) -> bool:
    """Leaves a transaction of which nothing is to be kept. False: the connection failed at that and was closed, which
    undoes as much; what was decided over it stands, and the next one works on a new connection."""
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except apsw.Error:
        connection.close(True)
        return False
    return True

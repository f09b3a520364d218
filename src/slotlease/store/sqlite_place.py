"""Is the ledger still where it was opened: its file, its log and the log's index?

SQLite goes on working on files that somebody moved away, replaced or removed: it would acknowledge what nobody finds
again. So each batch looks at the three names before it begins, and again before anybody is answered. Only names are
looked at: closing a file that this process opened beside SQLite would drop the locks that SQLite holds on it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

FileId = tuple[int, int]
"""Device and number of a file: the same as long as it exists, whatever its name."""

NO_FILE: FileId = (0, 0)


class Trouble(Enum):
    """What became of the ledger while it was open; the value is told to the operator."""

    AWAY = "the ledger was moved away or removed while it was in use: put it back, and work goes on"
    REPLACED = (
        "another file lies where the ledger was: put the ledger back, and work goes on; or stop slotlease and start it"
        " again to use the other file"
    )
    EMPTIED = "the ledger was emptied while it was in use: stop slotlease, restore a backup, start it again"
    LOG_GONE = "the ledger's log (-wal) was removed while it was in use"
    LOG_REPLACED = (
        "the ledger's log (-wal) was removed while it was in use, and another program has begun a new one: stop that"
        " program, remove the new log, and work goes on"
    )
    INDEX_GONE = "the index of the ledger's log (-shm) was removed while it was in use"
    UNSEEN = "it cannot be seen whether the ledger is still there: may this user enter its folder?"


@dataclass(frozen=True, slots=True)
class Place:
    """A ledger's file and, while a connection has them open, its log and the log's index."""

    path: str
    file: FileId
    log: FileId | None = None
    index: FileId | None = None

    @classmethod
    def of(cls, path: Path) -> Place:
        """Of the file only. Raises OSError."""
        found = path.stat()
        return cls(str(path), (found.st_dev, found.st_ino))

    def opened(self) -> Place:
        """With log and index, as they are found now that they are open. One that is not found is missed from now on."""
        return replace(self, log=_id_of(self.path + "-wal"), index=_id_of(self.path + "-shm"))

    def closed(self) -> Place:
        return replace(self, log=None, index=None)

    def trouble(self) -> Trouble | None:
        """What is not as it was; the worst of it first."""
        try:
            found = os.stat(self.path)  # noqa: PTH116 - each batch looks: a Path costs as much again
            if (found.st_dev, found.st_ino) != self.file:
                return Trouble.REPLACED
            if found.st_size == 0:
                return Trouble.EMPTIED
            if self.log is not None and _id_of(self.path + "-wal") != self.log:
                return Trouble.LOG_REPLACED if _is_filled(self.path + "-wal") else Trouble.LOG_GONE
            if self.index is not None and _id_of(self.path + "-shm") != self.index:
                return Trouble.INDEX_GONE
        except (FileNotFoundError, NotADirectoryError):
            return Trouble.AWAY
        except OSError:
            return Trouble.UNSEEN
        return None


def _id_of(path: str) -> FileId:
    try:
        found = os.stat(path)  # noqa: PTH116 - as above
    except FileNotFoundError:
        return NO_FILE
    return (found.st_dev, found.st_ino)


def _is_filled(path: str) -> bool:
    file = Path(path)
    return file.exists() and file.stat().st_size > 0

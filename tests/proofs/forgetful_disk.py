"""A disk that forgets: what was written since a file was last synced may be there after a power cut, or not, or half.

It stands in SQLite's own place for that, a VFS, so that the ordinary store runs on it unaware. Files are written
through to the real ones; beside that the disk remembers for each what is certain and what is only written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from random import Random  # noqa: TID251 - the seed is the argument: it is what makes a cut repeatable

import apsw

SECTOR = 512
"""What a disk writes whole. SQLite's pages are eight of them, so a page may be torn."""

KEPT_FILES = apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL


class Fate(Enum):
    """What the cut makes of the writes that nobody synced."""

    ALL_LOST = "all lost"
    ALL_KEPT = "all kept"
    LAST_TORN = "all kept, the last one torn"
    AT_RANDOM = "each kept, lost or torn"


@dataclass(frozen=True, slots=True)
class Write:
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    size: int


@dataclass(slots=True)
class Platter:
    """One file: what is certain, and what was done to it since, in order."""

    certain: bytearray
    since: list[Write | Truncate] = field(default_factory=list)

    def sync(self) -> None:
        for change in self.since:
            _apply(self.certain, change)
        self.since.clear()

    def after_cut(self, fate: Fate, rng: Random) -> bytes:
        found = bytearray(self.certain)
        for place, change in enumerate(self.since):
            for kept in _what_is_left(change, fate, rng, last=place == len(self.since) - 1):
                _apply(found, kept)
        return bytes(found)


class ForgetfulDisk:
    """`step` is called with the number of each write, truncation and sync, from 1, before a sync has its effect:
    that is when the power may go."""

    def __init__(self, step: Callable[[int], None]) -> None:
        self.steps = 0
        self.syncs = 0
        self._step = step
        self._platters: dict[str, Platter] = {}

    def platter(self, path: str) -> Platter:
        if path not in self._platters:
            file = Path(path)
            self._platters[path] = Platter(bytearray(file.read_bytes() if file.exists() else b""))
        return self._platters[path]

    def forget(self, path: str) -> None:
        self._platters.pop(path, None)

    def took_step(self) -> None:
        self.steps += 1
        self._step(self.steps)

    def unsynced(self) -> int:
        return sum(len(platter.since) for platter in self._platters.values())

    def leave(self, folder: Path, fate: Fate, rng: Random) -> None:
        """Writes into `folder` what the disk holds when the power comes back."""
        folder.mkdir(parents=True)
        for path, platter in self._platters.items():
            (folder / Path(path).name).write_bytes(platter.after_cut(fate, rng))


def _what_is_left(change: Write | Truncate, fate: Fate, rng: Random, *, last: bool) -> list[Write | Truncate]:
    if fate is Fate.ALL_LOST:
        return []
    if fate is Fate.ALL_KEPT or (fate is Fate.LAST_TORN and not last):
        return [change]
    lot = "torn" if fate is Fate.LAST_TORN else rng.choice(("kept", "lost", "torn"))
    if lot == "lost":
        return []
    if lot == "kept" or isinstance(change, Truncate):
        return [change]
    return list(_torn(change, rng))


def _torn(write: Write, rng: Random) -> Iterator[Write]:
    """Some of its sectors, as they lie on the disk; a write within one sector ends somewhere inside it."""
    first = write.offset // SECTOR
    last = (write.offset + len(write.data) - 1) // SECTOR
    if first == last:
        yield Write(write.offset, write.data[: rng.randrange(len(write.data))])
        return
    for sector in range(first, last + 1):
        if rng.random() < 0.5:
            begin = max(sector * SECTOR, write.offset)
            end = min((sector + 1) * SECTOR, write.offset + len(write.data))
            yield Write(begin, write.data[begin - write.offset : end - write.offset])


def _apply(content: bytearray, change: Write | Truncate) -> None:
    if isinstance(change, Truncate):
        del content[change.size :]
        content.extend(bytes(change.size - len(content)))
        return
    if len(content) < change.offset:
        content.extend(bytes(change.offset - len(content)))
    content[change.offset : change.offset + len(change.data)] = change.data


class _File(apsw.VFSFile):
    def __init__(self, name: str | apsw.URIFilename | None, flags: list[int], disk: ForgetfulDisk | None) -> None:
        super().__init__("unix", name, flags)
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._disk = disk
        self._platter = None if disk is None or path is None else disk.platter(path)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        if self._disk is not None and self._platter is not None:
            self._platter.since.append(Write(offset, bytes(data)))
            self._disk.took_step()
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - SQLite's name
        if self._disk is not None and self._platter is not None:
            self._platter.since.append(Truncate(newsize))
            self._disk.took_step()
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        if self._disk is not None and self._platter is not None:
            self._disk.took_step()
            self._disk.syncs += 1
            self._platter.sync()
        super().xSync(flags)


class _Vfs(apsw.VFS):
    def __init__(self, disk: ForgetfulDisk) -> None:
        self._disk = disk
        super().__init__("forgetful", "unix", makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> _File:  # noqa: N802 - SQLite's name
        return _File(name, flags, self._disk if flags[0] & KEPT_FILES else None)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 - SQLite's name and order
        self._disk.took_step()
        self._disk.forget(filename)
        super().xDelete(filename, syncdir)


@contextmanager
def on_forgetful_disk(step: Callable[[int], None]) -> Iterator[ForgetfulDisk]:
    """Every ledger that is opened meanwhile lies on it."""
    disk = ForgetfulDisk(step)
    vfs = _Vfs(disk)
    try:
        yield disk
    finally:
        vfs.unregister()
        apsw.set_default_vfs("unix")

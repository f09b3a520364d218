"""Writes feeds in Google's format, entry by entry: files named as Google wants, none larger than it takes.

Which shard of how many a file is stands at its beginning and is known only at the end. So the entries go to hidden
files first, and the feeds are made of them when all are there: no file ever has a feed's name before it is whole, which
whoever uploads what lies in the folder depends on.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO, Self, cast

FILE_NAMES = {"merchant": "merchant_feed", "service": "service_feed", "service_availability": "availability_feed"}
"""By the name of the list that such a feed holds."""

SHARD_BYTES_MAX = 190_000_000
"""Before compression, which never makes a feed larger to speak of: Google takes 200 MB compressed."""

_OPENING = {"service_availability": b'[{"availability": ['}
_CLOSING = {"service_availability": b"\n]}]}\n"}


class FeedWriter:
    """One feed. Used in a `with` block, at whose end `paths` are there; left by an exception, it leaves nothing.

    `kind`: the name of its list; `generation_s`: the Unix second at which its entries were true, which is also its
    nonce and in its files' names, since Google wants both never used before and nobody generates two feeds in one
    second. `shards`: into how many the entries are dealt out, before any is too large. Raises OSError.
    """

    def __init__(
        self,
        folder: Path,
        kind: str,
        generation_s: int,
        *,
        gzipped: bool,
        shards: int = 1,
        shard_bytes_max: int = SHARD_BYTES_MAX,
    ) -> None:
        self.paths: tuple[Path, ...] = ()
        self.entries = 0
        self._folder = folder
        self._kind = kind
        self._generation_s = generation_s
        self._gzipped = gzipped
        self._shard_bytes_max = shard_bytes_max
        self._parts: list[_Part] = []
        folder.mkdir(parents=True, exist_ok=True)
        self._open_parts = [self._new_part() for _ in range(shards)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with ExitStack() as stack:
            for part in self._parts:
                stack.callback(part.path.unlink)
            for part in self._parts:
                part.file.close()
            if kind is None:
                self.paths = tuple(self._finish(number, part) for number, part in enumerate(self._parts))

    def add(self, entry: Mapping[str, object]) -> None:
        """One entry of the list; for availability, one slot."""
        lane = self.entries % len(self._open_parts)
        text = json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode()
        if self._open_parts[lane].bytes and self._open_parts[lane].bytes + len(text) > self._shard_bytes_max:
            self._open_parts[lane] = self._new_part()
        self._open_parts[lane].add(text)
        self.entries += 1

    def _new_part(self) -> _Part:
        name = f".{FILE_NAMES[self._kind]}_{self._generation_s}_{len(self._parts) + 1:03}.part"
        self._parts.append(_Part(self._folder / name))
        return self._parts[-1]

    def _finish(self, number: int, part: _Part) -> Path:
        name = f"{FILE_NAMES[self._kind]}_{self._generation_s}_{number + 1:03}_of_{len(self._parts):03}.json"
        path = self._folder / (name + ".gz" if self._gzipped else name)
        unfinished = path.with_name(f".{path.name}.part")
        try:
            with unfinished.open("wb") as file, self._zipped(file) as written:
                self._copy(number, part, written)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
        return path

    def _zipped(self, file: BinaryIO) -> AbstractContextManager[IO[bytes]]:
        if not self._gzipped:
            return nullcontext(file)
        # Without a name and a time in its header, the same feed is the same file.
        zipped = gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0)
        return cast("AbstractContextManager[IO[bytes]]", zipped)

    def _copy(self, number: int, part: _Part, file: IO[bytes]) -> None:
        metadata = {
            "processing_instruction": "PROCESS_AS_COMPLETE",
            "shard_number": number,
            "total_shards": len(self._parts),
            "nonce": str(self._generation_s),
            "generation_timestamp": self._generation_s,
        }
        file.write(b'{"metadata": ' + json.dumps(metadata).encode() + f',\n"{self._kind}": '.encode())
        file.write(_OPENING.get(self._kind, b"["))
        with part.path.open("rb") as entries:
            shutil.copyfileobj(entries, file, 1 << 20)
        file.write(_CLOSING.get(self._kind, b"\n]}\n"))


class _Part:
    """The entries of one shard on their way."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path.open("wb")
        self.bytes = 0

    def add(self, text: bytes) -> None:
        self.file.write(b",\n" if self.bytes else b"\n")
        self.file.write(text)
        self.bytes += len(text) + 2

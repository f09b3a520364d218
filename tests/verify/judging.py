"""A server of our own on a new ledger, and the feeds that it has: what `slotlease verify` is let loose on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from slotlease.inventory.example import write_example
from slotlease.inventory.feed import read_feed
from slotlease.inventory.importing import import_feed
from slotlease.store.open import open_store
from tests.cli.running import TOMORROW, Server, run_process, serving

DAYS = 5
"""So many that every case finds slots of its own."""


LASTS_S = 110.0
"""Of a server that is judged whole, on a machine that has much else to do."""

USER = "google"


@dataclass(frozen=True)
class Judged:
    address: str
    feeds: tuple[Path, ...]
    url: str
    rest: str = ""
    """Where version 3 is served; empty where it is not."""

    password: str = ""
    """USER's, whom version 3 then asks for it."""

    @property
    def words(self) -> tuple[str, ...]:
        """The command's, but for the version."""
        return ("verify", self.address, *self.feed_words)

    def words_of(self, version: str) -> tuple[str, ...]:
        if version != "v3":
            return ("verify", self.address, "--api", version, *self.feed_words)
        return ("verify", self.rest, "--api", "v3", "--user", USER, "--password", self.password, *self.feed_words)

    @property
    def feed_words(self) -> tuple[str, ...]:
        return tuple(word for path in self.feeds for word in ("--availability", str(path)))


def example_ledger(folder: Path, merchants: int = 3, url: str = "", days: int = DAYS) -> tuple[str, tuple[Path, ...]]:
    """Its address, and the availability feeds on it. `url`: where an empty ledger is already; else one is made."""
    url = url or f"sqlite:///{folder / 'ledger.db'}"
    generated_s = int(TOMORROW.timestamp()) - 86_400
    first_day = TOMORROW.date()
    written = write_example(folder / "feeds", first_day, days, generation_s=generated_s, merchants=merchants)
    store = open_store(url, create=True)
    try:
        with read_feed(written.paths) as feed:
            import_feed(store, feed)
    finally:
        store.close()
    return url, tuple(path for path in written.paths if "availability" in path.name)


@contextmanager
def judged(
    folder: Path,
    *options: str,
    merchants: int = 3,
    lasts_s: float = LASTS_S,
    shown: grpc.ChannelCredentials | None = None,
    url: str = "",
    days: int = DAYS,
) -> Iterator[Judged]:
    """Leases may be as short as a second, so that nobody waits long for one to end."""
    url, feeds = example_ledger(folder, merchants, url, days)
    password = _password(url, folder) if "--rest" in options else ""
    with serving(url, folder, "--lease-min", "1s", *options, shown=shown, lasts_s=lasts_s) as server:
        told = re.search(r"^Version 3 on https?://([^/]+)/", _next_line(server)) if "--rest" in options else None
        yield Judged(server.address, feeds, url, told[1] if told else "", password)


def _password(url: str, folder: Path) -> str:
    made: str = run_process("credential", "add", USER, "--store", url, "--json", cwd=folder).json["password"]
    return made


def _next_line(server: Server) -> str:
    assert server.process.stdout is not None
    return server.process.stdout.readline()

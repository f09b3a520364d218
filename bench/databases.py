"""Where ledgers to measure are kept: SQLite files, or databases of a PostgreSQL server of our own. What a fresh one is
copied from is made once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Protocol

from bench.inventory import FIRST_START_S, Inventory, fill
from slotlease.store.open import migrate_store
from tests.postgres_server import PostgresServer, at, execute

POSTGRES_SETTINGS = ("shared_buffers=512MB", "max_wal_size=4GB")
"""Besides the defaults; fsync and synchronous_commit are on."""


class Database(Protocol):
    @property
    def pid(self) -> int:
        """Of the database's own process, 0 where it has none."""

    def fresh(self, inventory: Inventory, folder: Path) -> str:
        """The address of a ledger with this inventory, that nobody has used. Files lie in `folder`."""

    def empty(self) -> str:
        """The address of a database without any tables."""

    def drop(self, url: str) -> None:
        """It is not needed any more."""


@dataclass(frozen=True, slots=True)
class SqliteFiles:
    """`kept`: for what is copied, from day to day."""

    kept: Path
    pid: int = 0

    def fresh(self, inventory: Inventory, folder: Path) -> str:
        template = self.kept / f"{FIRST_START_S}-{inventory}.db"
        if not template.exists():
            self.kept.mkdir(parents=True, exist_ok=True)
            unfinished = template.with_suffix(".part")
            unfinished.unlink(missing_ok=True)
            fill(f"sqlite:///{unfinished}", inventory)
            unfinished.rename(template)
        ledger = shutil.copyfile(template, folder / "ledger.db")
        # Else the disk would still be writing the copy while it is measured.
        with ledger.open("rb") as file:
            os.fsync(file.fileno())
        return f"sqlite:///{ledger}"

    def empty(self) -> str:
        raise LookupError("only PostgreSQL is measured with tables that are not ours")

    def drop(self, url: str) -> None:
        """It goes with its folder."""


@dataclass
class PostgresDatabases:
    server: PostgresServer
    _templates: dict[Inventory, str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count)

    @property
    def pid(self) -> int:
        return self.server.pid

    def fresh(self, inventory: Inventory, folder: Path) -> str:  # noqa: ARG002 - its files lie with the server's
        if inventory not in self._templates:
            url = self.empty()
            migrate_store(url)
            fill(url, inventory)
            self._templates[inventory] = url.rpartition("/")[2]
        return self._new(self._templates[inventory])

    def empty(self) -> str:
        return self._new("template1")

    def drop(self, url: str) -> None:
        execute(self.server.url(), f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")

    def _new(self, template: str) -> str:
        name = f"bench_{next(self._numbers)}"
        execute(self.server.url(), f"CREATE DATABASE {name} TEMPLATE {template}")
        return at(self.server.url(), name)


@contextmanager
def postgres(folder: Path) -> Iterator[PostgresDatabases]:
    """A server with its files in `folder`, which is made: on the disk that is measured."""
    folder.mkdir()
    try:
        server = PostgresServer(folder)
        server.make()
        server.start(*POSTGRES_SETTINGS)
        try:
            yield PostgresDatabases(server)
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)

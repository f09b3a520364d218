"""The same shop on PostgreSQL, served by two servers in turn, and beside it the same shop on SQLite: what one is asked,
the other is asked, and whatever is not said alike or not kept alike is wrong (INV-30)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import ClassVar

import psycopg

from slotlease.store.protocol import Finding
from tests.model.corners import Corner
from tests.model.ledger_image import LedgerConnection, LedgerImage
from tests.model.told import Request
from tests.model.watched_shop import LedgerShop
from tests.model.wire_shop import WireShop
from tests.postgres.ledger_database import LedgerDatabase
from tests.support import NOON_US, HandClock, Offered, Shop


class PostgresShop(LedgerShop):
    """Each begins with an empty ledger in the one database that `database` names: a test's class of its own says."""

    database: ClassVar[LedgerDatabase]

    def __init__(self, folder: Path, clock: HandClock) -> None:
        self.database.wipe()
        super().__init__(folder, clock)

    @classmethod
    def new_clock(cls) -> HandClock:
        cls.database.clock.now_us = NOON_US
        return cls.database.clock

    def opened(self) -> tuple[Shop, LedgerConnection]:
        return self.database.open_shop(), psycopg.connect(self.database.url, autocommit=True)


class PostgresWireShop(WireShop, PostgresShop):
    pass


class TwoServers(PostgresShop):
    """Each batch is asked of the other one."""

    def opened(self) -> tuple[Shop, LedgerConnection]:
        self.servers = [self.database.open_shop() for _ in range(2)]
        self._turns = cycle(self.servers)
        return self.servers[0], psycopg.connect(self.database.url, autocommit=True)

    def ask(self, *requests: Request) -> Sequence[object]:
        self.shop = next(self._turns)
        return super().ask(*requests)

    def close(self) -> None:
        self.ledger.close()
        for server in self.servers:
            server.store.close()


class BothEngines(TwoServers):
    """The fingerprints of requests are made with one key, so that the rows are the same to the last byte."""

    def __init__(self, folder: Path, clock: HandClock) -> None:
        self.on_sqlite = LedgerShop(folder, clock)
        key = self.on_sqlite.shop.store.fingerprint_key.hex()
        self.database.sql(rf"UPDATE ledger SET fingerprint_key = '\x{key}'")  # noqa: S608 - 64 hexadecimal digits
        super().__init__(folder, clock)

    def open_for_business(self, corner: Corner) -> None:
        super().open_for_business(corner)
        self.on_sqlite.open_for_business(corner)

    def ask(self, *requests: Request) -> Sequence[object]:
        answers = list(super().ask(*requests))
        due = list(self.on_sqlite.ask(*requests))
        assert answers == due, f"one of {len(requests)} is answered otherwise than on SQLite: {requests}"
        return answers

    def sweep(self) -> int:
        buried = super().sweep()
        assert self.on_sqlite.sweep() == buried
        return buried

    def image(self) -> LedgerImage:
        image = super().image()
        due = self.on_sqlite.image()
        for name in LedgerImage.__dataclass_fields__:
            assert getattr(image, name) == getattr(due, name), f"{name} is not kept as on SQLite"
        return image

    def audit(self) -> Sequence[Finding]:
        findings = super().audit()
        assert sorted(findings, key=repr) == sorted(self.on_sqlite.audit(), key=repr)
        return findings

    def restart(self) -> None:
        super().restart()
        self.on_sqlite.restart()

    def offer(self, merchant_id: str, offered: Offered) -> None:
        super().offer(merchant_id, offered)
        self.on_sqlite.offer(merchant_id, offered)

    def close(self) -> None:
        super().close()
        self.on_sqlite.close()

"""Two servers on one database whose clock a test sets, and how many deadlocks that database has seen."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from secrets import token_bytes  # noqa: TID251 - two servers must not draw the same

from tests.postgres.ledger_database import LedgerDatabase
from tests.support import Shop
from tests.wire.conftest import Served, serving

SETTLES_S = 10.0


@contextmanager
def two_served(ledger: LedgerDatabase) -> Iterator[list[Served]]:
    with ExitStack() as servers:
        served = []
        for _ in range(2):
            shop = ledger.open_shop()
            servers.callback(shop.store.close)
            served.append(servers.enter_context(serving(shop, new_secret=lambda: token_bytes(16))))
        yield served
        for one in served:
            assert one.incidents == []


@contextmanager
def two_shops(ledger: LedgerDatabase) -> Iterator[tuple[Shop, Shop]]:
    """The desks of two servers, without their sockets."""
    one, other = ledger.open_shop(), ledger.open_shop()
    yield one, other
    for shop in (one, other):
        assert shop.incidents == []
        shop.store.close()
    assert ledger.audit() == []


def deadlocks(ledger: LedgerDatabase) -> int:
    """That ever were in this database. A connection tells of its own at its end: all others are to be closed first."""
    ends_s = time.monotonic() + SETTLES_S
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    while ledger.sql(f"{others} AND backend_type = 'client backend'") != [(0,)]:
        assert time.monotonic() < ends_s, "somebody is still connected"
        time.sleep(0.01)
    ledger.sql("SELECT pg_stat_clear_snapshot()")
    ((count,),) = ledger.sql("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    return int(count)

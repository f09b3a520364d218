"""From a store's address to a store. The only importer of the backends."""

from __future__ import annotations

from slotlease.store.clock import system_clock
from slotlease.store.protocol import Clock, Store, StoreRefused
from slotlease.store.sqlite import SqliteStore

SQLITE_PREFIX = "sqlite:///"


def open_store(url: str, clock: Clock = system_clock, *, create: bool = False, serve: bool = False) -> Store:
    """Opens the ledger at `url` (`sqlite:///PATH`).

    `create` makes a ledger where there is none; without it a missing one is refused, so that a slip in a path
    never starts an empty shop. `serve` claims the ledger for one server, and so may bring an older schema up to date:
    under that claim no server of an older version is at work. Raises StoreRefused, and without `serve` StoreOutdated.
    """
    if not url.startswith(SQLITE_PREFIX) or len(url) == len(SQLITE_PREFIX):
        message = f"cannot open the store {url!r}: expected sqlite:///PATH, for example sqlite:///ledger.db"
        raise StoreRefused(message)
    return SqliteStore(url.removeprefix(SQLITE_PREFIX), clock, create=create, serve=serve)

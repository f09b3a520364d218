"""From a store's address to a store. The only importer of the backends."""

from __future__ import annotations

from slotlease.store.address import shown
from slotlease.store.clock import system_clock
from slotlease.store.protocol import Clock, SchemaVersions, Store, StoreOutdated, StoreRefused
from slotlease.store.sqlite import SqliteStore

SQLITE_PREFIX = "sqlite:///"
POSTGRES_PREFIXES = ("postgresql://", "postgres://")


def open_store(url: str, clock: Clock = system_clock, *, create: bool = False, serve: bool = False) -> Store:
    """Opens the ledger at `url` (`sqlite:///PATH`, `postgresql://...`).

    `create` makes a ledger where there is none; without it a missing one is refused, so that a slip in a path
    never starts an empty shop. `serve` claims the ledger for one server, and so may bring an older schema up to date:
    under that claim no server of an older version is at work. On PostgreSQL, which many servers share, neither does
    anything: only `migrate_store` makes or changes tables. There `clock` judges nothing either: the database's does.
    Raises StoreRefused, StoreUnavailable, and without `serve` StoreOutdated.
    """
    if url.startswith(POSTGRES_PREFIXES):
        from slotlease.store.postgres import PostgresStore  # noqa: PLC0415 - slow to import, and most use SQLite

        return PostgresStore(url)
    if not url.startswith(SQLITE_PREFIX) or len(url) == len(SQLITE_PREFIX):
        message = (
            f"cannot open the store {shown(url)!r}: expected sqlite:///PATH, for example sqlite:///ledger.db, or"
            " postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        )
        raise StoreRefused(message)
    return SqliteStore(url.removeprefix(SQLITE_PREFIX), clock, create=create, serve=serve)


def migrate_store(url: str, clock: Clock = system_clock) -> SchemaVersions:
    """Brings the schema of the ledger at `url` up to date, and on PostgreSQL makes the ledger where there is none.
    Raises StoreRefused, StoreUnavailable."""
    if url.startswith(POSTGRES_PREFIXES):
        from slotlease.store.postgres import bring_up_to_date  # noqa: PLC0415 - as above

        return bring_up_to_date(url, clock())
    try:
        store = open_store(url, clock)
    except StoreOutdated:
        store = open_store(url, clock, serve=True)
    store.close()
    return store.schema

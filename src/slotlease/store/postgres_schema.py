"""The ledger's schema on PostgreSQL: which one is there, and how `slotlease migrate` brings it up to date.

Only that command changes a schema here: a server cannot know that no older one serves the same database
(docs/decisions/0022)."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

from slotlease.store.postgres_connections import Session
from slotlease.store.postgres_statements import BEGIN_WRITE
from slotlease.store.protocol import RowRefused, SchemaVersions, StoreOutdated, StoreRefused, StoreUnavailable

_MIGRATION_FILE = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_TABLES = "SELECT to_regclass('migration') IS NOT NULL, to_regclass('ledger') IS NOT NULL"
_NUMBERS = "SELECT number FROM migration"
_MAKE_LIST = "CREATE TABLE IF NOT EXISTS migration (number integer PRIMARY KEY, at_us bigint NOT NULL)"
_LOCK_LIST = "SELECT number FROM migration ORDER BY number FOR UPDATE"
_TELL = "INSERT INTO migration (number, at_us) VALUES (:number, :at_us)"
_MAKE_LEDGER = "INSERT INTO ledger (fingerprint_key) VALUES (:key)"
_PATIENCE = """
    SELECT set_config('lock_timeout', '2s', true), set_config('statement_timeout', '0', true),
           set_config('idle_in_transaction_session_timeout', '0', true), set_config('enable_seqscan', 'on', true)
"""
"""A change that waits for a lock makes everybody else wait behind it: two seconds, then it is given up."""


@cache
def migrations() -> list[tuple[int, str]]:
    """The numbered scripts of the schema, in order, forward only."""
    folder = resources.files("slotlease.store").joinpath("schema", "postgres")
    found = ((_MIGRATION_FILE.fullmatch(item.name), item) for item in folder.iterdir())
    return sorted((int(match[1]), item.read_text("utf-8")) for match, item in found if match is not None)


def version_of(session: Session, name: str) -> int:
    """The number of the last script applied; 0 where there is no ledger. Raises StoreRefused."""
    ((has_list, has_ledger),) = session.query_once(_TABLES, {})
    if has_list != has_ledger:
        message = f"the database {name} holds other tables of these names: name another database, or a search_path"
        raise StoreRefused(message)
    return max((row[0] for row in session.query_once(_NUMBERS, {})), default=0) if has_list else 0


def require_current(session: Session, name: str) -> SchemaVersions:
    """Raises StoreRefused, and StoreOutdated where `slotlease migrate` helps."""
    version, newest = version_of(session, name), migrations()[-1][0]
    if version == 0:
        message = f"there is no ledger in the database {name} yet: make one with `slotlease migrate --store ...`"
        raise StoreRefused(message)
    if version < newest:
        message = (
            f"the ledger in {name} has schema {version}, older than the {newest} of this program: stop the servers of"
            " the older version that still use it, then run `slotlease migrate`"
        )
        raise StoreOutdated(message)
    if version > newest:
        raise StoreRefused(_newer(name, version, newest))
    return SchemaVersions(newest, newest)


def migrate(session: Session, name: str, clock_us: int, key: bytes) -> SchemaVersions:
    """Runs the scripts that are missing, all in one transaction: killed or refused, it leaves what was there. `key`
    becomes the fingerprint key of a new ledger. Raises StoreRefused, StoreUnavailable, StoreConflict."""
    before, newest = version_of(session, name), migrations()[-1][0]
    if before == newest:
        return SchemaVersions(newest, newest)
    try:
        session.run([(BEGIN_WRITE, {}), (_PATIENCE, {}), (_MAKE_LIST, {})])
    except RowRefused as fault:  # two made the list at once, which PostgreSQL notices only then
        message = f"somebody else is making the ledger in {name} just now: run `slotlease migrate` again"
        raise StoreUnavailable(message) from fault
    # Two at once: the second waits here, and then finds nothing to do.
    before = max((row[0] for row in session.query_once(_LOCK_LIST, {})), default=0)
    if before > newest:
        raise StoreRefused(_newer(name, before, newest))
    for number, script in migrations():
        if number > before:
            session.script(script)
            session.query_once(_TELL, {"number": number, "at_us": clock_us})
    if before == 0:
        session.query_once(_MAKE_LEDGER, {"key": key})
    session.commit([])
    return SchemaVersions(before, newest)


def _newer(name: str, version: int, newest: int) -> str:
    return (
        f"the ledger in {name} has schema {version}, newer than the {newest} this program knows: run the newer"
        " slotlease, or restore a backup made before it"
    )

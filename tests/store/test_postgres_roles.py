"""The application's role can keep the ledger and nothing more (deploy/postgres)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from slotlease.desk.close_slot import CloseSlot
from slotlease.desk.purge_leases import KEPT_US, purge
from slotlease.desk.release_lease import ReleaseLease
from slotlease.desk.set_marketing_preference import SetMarketingPreference
from slotlease.domain.credential import Credential
from slotlease.domain.merchant import Service
from slotlease.store.open import migrate_store
from slotlease.store.postgres import PostgresStore
from slotlease.store.protocol import StoreFault
from tests.postgres_server import database, execute
from tests.store.postgres_backend import CLOCK, DatabaseClock, PostgresBackend
from tests.support import HOUR_US, Offered, Shop, user

SCRIPTS = Path(__file__).parents[2] / "deploy" / "postgres"
OWNER, APP = f"slotlease_owner_{os.getpid()}", f"slotlease_app_{os.getpid()}"

FORBIDDEN = {
    "make a table": "CREATE TABLE mine (i int)",
    "change a table": "ALTER TABLE lease ADD COLUMN more int",
    "drop a table": "DROP TABLE lease",
    "drop a guard": "DROP TRIGGER spot_within_capacity ON spot",
    "switch a guard off": "ALTER TABLE spot DISABLE TRIGGER ALL",
    "pass the guards by": "SET session_replication_role = replica",
    "empty a table": "TRUNCATE event",
    "delete a booking": "DELETE FROM booking",
    "delete an event": "DELETE FROM event",
    "delete a spot": "DELETE FROM spot",
    "delete a slot": "DELETE FROM slot",
    "delete a merchant": "DELETE FROM merchant",
    "rewrite an event": "UPDATE event SET status = 1",
    "rewrite who booked": "UPDATE booking SET user_key = 'x'",
    "rewrite a booking's secret": "UPDATE booking SET secret = secret",
    "prolong a lease": "UPDATE lease SET expires_us = expires_us + 1",
    "give a merchant another number": "UPDATE merchant SET merchant_no = 9",
    "move a spot": "UPDATE spot SET spot_no = 9",
    "change the ledger's key": "UPDATE ledger SET fingerprint_key = fingerprint_key",
    "make a second ledger": "INSERT INTO ledger SELECT * FROM ledger",
    "change a password": "UPDATE credential SET password_hash = password_hash",
    "say that a migration ran": "INSERT INTO migration VALUES (99, 0)",
    "become the owner": f"SET ROLE {OWNER}",
    "make a function": "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
}


def as_role(url: str, role: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{role}:pw@{parts.hostname}:{parts.port}"))


def run_script(url: str, name: str) -> None:
    """As psql does with its --set."""
    names = {"owner": OWNER, "app": APP}
    text = re.sub(r':"(\w+)"', lambda found: f'"{names[found[1]]}"', (SCRIPTS / name).read_text("utf-8"))
    execute(url, text)


@pytest.fixture(scope="module")
def app_url(postgres: str) -> Iterator[str]:
    """The application's address of a ledger that its owner made."""
    execute(postgres, *(f"CREATE ROLE {role} LOGIN PASSWORD 'pw'" for role in (OWNER, APP)))
    try:
        with database(postgres) as url:
            run_script(url, "roles.sql")
            owner = as_role(url, OWNER)
            migrate_store(owner)
            run_script(owner, "grants.sql")
            run_script(owner, "grants.sql")  # after each migration anew
            execute(owner, CLOCK, "INSERT INTO test_clock VALUES (0)", f"GRANT SELECT ON test_clock TO {APP}")
            yield as_role(url, APP)
    finally:
        execute(postgres, *(f"DROP ROLE {role}" for role in (OWNER, APP)))


def test_the_application_does_all_its_work_as_its_own_role(app_url: str) -> None:
    backend = PostgresBackend(as_role(app_url, OWNER))
    clock = DatabaseClock(backend)
    store = PostgresStore(app_url, clock="test_now_us()")
    shop = Shop(store, clock)
    slot, later = Offered(staff_id="ann", spots_total=2), Offered(start_us=Offered().start_us + HOUR_US, staff_id="ann")
    shop.offer(slot, later)
    shop.offer(slot, later)
    shop.serve(Service(0, 0, "cut", min_advance_booking_s=1))
    booking = shop.book(slot.asked(), lease_id=shop.lease(slot.asked()).lease_id)
    shop.ask(ReleaseLease(shop.lease(slot.asked()).lease_id))
    shop.move(booking, start_us=later.start_us)
    shop.cancel(booking)
    shop.ask(CloseSlot(slot.asked(), closes=True))
    shop.ask(SetMarketingPreference(user("ada"), receives_marketing=True))
    shop.ask(SetMarketingPreference(user("ada"), receives_marketing=False))
    clock.advance(us=KEPT_US + HOUR_US)
    assert purge(store, shop.ask) == 2
    store.probe_write()
    assert store.add_credential(Credential("a", bytes(32), 0, 1))
    assert store.revoke_credential("a")
    store.retire_merchants(["m1"])
    assert len(store.events(after={}, merchant_id=None, limit=9)) == 3
    assert store.audit() == []
    assert shop.incidents == []
    store.close()
    backend.close()


@pytest.mark.parametrize("statement", FORBIDDEN.values(), ids=FORBIDDEN)
def test_the_application_may_not(app_url: str, statement: str) -> None:
    with psycopg.connect(app_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


def test_what_may_not_be_done_is_told_as_such(app_url: str) -> None:
    with pytest.raises(StoreFault, match="may not"):
        migrate_with_more(app_url)


def migrate_with_more(url: str) -> None:
    """Another migration, asked for with the application's address."""
    from slotlease.store import postgres_schema  # noqa: PLC0415 - changed for this call only

    with pytest.MonkeyPatch.context() as patch:
        scripts = [*postgres_schema.migrations(), (99, "ALTER TABLE lease ADD COLUMN more int")]
        patch.setattr(postgres_schema, "migrations", lambda: scripts)
        migrate_store(url)

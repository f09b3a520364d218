"""Which databases are served, which are refused and in what words, and who makes the tables."""

from __future__ import annotations

from functools import partial
from urllib.parse import urlsplit

import psycopg
import pytest

from slotlease.store import postgres_schema
from slotlease.store.address import shown
from slotlease.store.open import migrate_store, open_store
from slotlease.store.protocol import StoreConflict, StoreFault, StoreOutdated, StoreRefused, StoreUnavailable
from tests.postgres_server import at, database, execute, started_server
from tests.store.backend import at_once
from tests.store.postgres_backend import PostgresBackend
from tests.store.postgres_ledger import backend

__all__ = ["backend"]


def password_of(url: str) -> str:
    return urlsplit(url).password or "no password"


def refusal(url: str) -> str:
    with pytest.raises(StoreRefused) as caught:
        open_store(url, create=True, serve=True)
    assert password_of(url) not in str(caught.value)
    return str(caught.value)


def test_a_database_without_a_ledger_is_refused_and_migrate_makes_one(postgres: str) -> None:
    """Neither a server nor an import makes tables here: on a slip in the address they would in another's database."""
    with database(postgres) as url:
        assert "slotlease migrate" in refusal(url)
        assert migrate_store(url).before == 0
        again = migrate_store(url)
        assert again.before == again.now
        store = open_store(url)
        assert store.schema == again
        assert len(store.fingerprint_key) == 32
        store.close()


def test_two_that_migrate_at_once_make_one_ledger(postgres: str) -> None:
    def migrate(url: str) -> object:
        try:
            return migrate_store(url).now
        except (StoreUnavailable, StoreConflict, StoreRefused) as fault:
            return fault

    with database(postgres) as url:
        assert any(isinstance(done, int) for done in at_once([partial(migrate, url)] * 3))
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT count(*) FROM ledger").fetchall() == [(1,)]


def test_a_newer_and_an_older_schema_are_refused_naming_both(
    backend: PostgresBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = postgres_schema.migrations()[-1][0]
    backend.sql(f"INSERT INTO migration VALUES ({newest + 1}, 0)")  # noqa: S608 - a number
    told = refusal(backend.url)
    assert f"schema {newest + 1}" in told
    assert f"the {newest} this program knows" in told
    with pytest.raises(StoreRefused, match="newer"):
        migrate_store(backend.url)
    backend.sql("DELETE FROM migration WHERE number > 1")
    with_another = [*postgres_schema.migrations(), (newest + 1, "ALTER TABLE ledger ADD COLUMN more bigint")]
    monkeypatch.setattr(postgres_schema, "migrations", lambda: with_another)
    with pytest.raises(StoreOutdated, match=f"schema {newest}, older than the {newest + 1}.*slotlease migrate"):
        open_store(backend.url, serve=True)
    assert (migrate_store(backend.url).before, migrate_store(backend.url).before) == (newest, newest + 1)


def test_a_script_that_fails_leaves_the_ledger_as_it_was(
    backend: PostgresBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = postgres_schema.migrations()
    half = "ALTER TABLE ledger ADD COLUMN half bigint; ALTER TABLE nowhere ADD COLUMN half bigint"
    monkeypatch.setattr(postgres_schema, "migrations", lambda: [*scripts, (99, half)])
    with pytest.raises(StoreFault):
        migrate_store(backend.url)
    monkeypatch.undo()
    open_store(backend.url).close()
    assert backend.sql("SELECT count(*) FROM information_schema.columns WHERE column_name = 'half'") == [(0,)]


def test_a_change_of_the_tables_waits_two_seconds_for_those_who_use_them_and_no_longer(
    backend: PostgresBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes after it waits behind it."""
    scripts = postgres_schema.migrations()
    change = "ALTER TABLE merchant ADD COLUMN more bigint"
    monkeypatch.setattr(postgres_schema, "migrations", lambda: [*scripts, (99, change)])
    with psycopg.connect(backend.url) as user:
        user.execute("SELECT * FROM merchant")
        with pytest.raises(StoreUnavailable):
            migrate_store(backend.url)


def test_another_programs_tables_are_left_alone(postgres: str) -> None:
    with database(postgres) as url:
        execute(url, "CREATE TABLE ledger (other text)")
        assert "holds other tables" in refusal(url)
        with pytest.raises(StoreRefused, match="holds other tables"):
            migrate_store(url)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://user:s3cret@127.0.0.1:1/db",
        "postgresql://user@127.0.0.1:1/db?password=s3cret",
        "postgresql://user:s3cret@127.0.0.1:port/db",
        "postgresql://user:s3c@s3cret@127.0.0.1:1/db",
        "postgres://user:s3cret@",
        "postgresql://user:s3cret@127.0.0.1:1/db?nonsense=1",
        "postgrex://user:s3cret@127.0.0.1:1/db",
        "postgresql://user:s3cret@[::1/db",
    ],
)
def test_no_password_is_told_whatever_is_wrong_with_the_address(address: str) -> None:
    with pytest.raises((StoreRefused, StoreUnavailable)) as caught:
        open_store(address)
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in shown(address)


def test_an_address_keeps_what_tells_where_the_ledger_is() -> None:
    assert shown("postgresql://ann:pw@host:5432/db?sslmode=require&password=pw&options=x") == (
        "postgresql://ann@host:5432/db?sslmode=require&options=x"
    )
    assert shown("sqlite:///folder/ledger.db") == "sqlite:///folder/ledger.db"


def test_a_wrong_password_is_told_without_it(backend: PostgresBackend) -> None:
    wrong = backend.url.replace(password_of(backend.url), "wr0ng")
    with pytest.raises(StoreUnavailable, match="authentication failed") as caught:
        open_store(wrong)
    assert "wr0ng" not in str(caught.value)


def test_a_database_that_keeps_no_unicode_is_refused(postgres: str) -> None:
    execute(postgres, "CREATE DATABASE slotlease_latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    try:
        assert "UTF8" in refusal(at(postgres, "slotlease_latin"))
    finally:
        execute(postgres, "DROP DATABASE slotlease_latin WITH (FORCE)")


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_a_server_that_would_lose_what_was_acknowledged_is_refused(setting: str) -> None:
    """INV-36."""
    with started_server(f"{setting}=off") as server:
        assert f"{setting} = off" in refusal(server.url())


def test_a_database_set_read_only_is_refused_at_the_start(backend: PostgresBackend) -> None:
    name = urlsplit(backend.url).path.removeprefix("/")
    backend.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(StoreUnavailable, match="read-only"):
        open_store(backend.url)

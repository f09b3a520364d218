"""Every command on a ledger in PostgreSQL; and no word of any tells its password."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from slotlease.inventory.example import GYM, YOGA, write_example
from slotlease.store.open import migrate_store
from tests.cli.running import TOMORROW, Outcome, run, serving
from tests.postgres_server import database, execute

Capsys = pytest.CaptureFixture[str]

YOGA_AT_SEVEN = (
    *("--merchant", GYM, "--service", YOGA, "--start", f"{TOMORROW:%Y-%m-%d}T07:00:00Z", "--duration", "1h"),
)


class Told:
    """Runs commands on the ledger and keeps what they said."""

    def __init__(self, url: str, capsys: Capsys) -> None:
        self.url = url
        self._capsys = capsys
        self.said: list[str] = []

    def __call__(self, *words: str, store: str | None = None) -> Outcome:
        done = run(self._capsys, *words, "--store", store or self.url)
        self.said += [done.out, done.err]
        return done


@pytest.fixture
def url(postgres: str) -> Iterator[str]:
    """A database with nothing in it."""
    with database(postgres) as url:
        yield url


@pytest.fixture
def told(url: str, capsys: Capsys) -> Iterator[Told]:
    told = Told(url, capsys)
    yield told
    password = urlsplit(url).password
    assert password
    assert [words for words in told.said if password in words] == []


def test_a_day_with_the_commands(told: Told, tmp_path: Path) -> None:
    refused = told("doctor")
    assert refused.code == 1
    assert "slotlease migrate" in refused.err
    assert "brought from schema 0 to" in told("migrate").out
    assert "up to date" in told("migrate").out
    feeds = write_example(tmp_path, TOMORROW.date(), 2, generation_s=int(TOMORROW.timestamp()) - 86_400)
    imported = told("inventory", "import", *map(str, feeds.paths))
    assert (imported.code, "Imported into postgresql://" in imported.out) == (0, True), imported.err
    held = told("lease", "create", *YOGA_AT_SEVEN, "--json")
    assert held.code == 0, held.err
    lease_id = held.json["lease_id"]
    assert told("lease", "show", lease_id).code == 0
    assert lease_id in told("lease", "list").out
    assert told("lease", "release", lease_id, "--yes").code == 0
    assert told("slot", "show", *YOGA_AT_SEVEN).code == 0
    assert told("events").code == 0
    assert told("sweep").code == 0
    assert told("credential", "add", "google").code == 0
    assert "google" in told("credential", "list").out
    checked = told("doctor")
    assert (checked.code, "Recounted postgresql://" in checked.out) == (0, True)
    assert "postgresql://" in told("config").out
    assert told("lease", "show", lease_id[:-3]).code == 1
    assert told("backup", str(tmp_path / "copy.db")).code == 1


@pytest.mark.parametrize("command", ["serve", "doctor", "migrate", "sweep"])
def test_a_ledger_of_another_schema_is_refused_by_every_command_naming_both(url: str, told: Told, command: str) -> None:
    newest = migrate_store(url).now
    execute(url, "INSERT INTO migration VALUES (99, 0)")
    refused = told(command)
    assert refused.code == 1
    assert "schema 99" in refused.err
    assert f"the {newest} this program knows" in refused.err


@pytest.mark.parametrize("command", ["serve", "doctor", "migrate"])
def test_a_database_that_is_not_there_is_told_with_a_reason(url: str, told: Told, command: str) -> None:
    refused = told(command, store=url.rpartition("/")[0] + "/nowhere")
    assert refused.code == 1
    assert "cannot connect to the database postgresql://" in refused.err
    assert "does not exist" in refused.err


@pytest.mark.slow
def test_a_server_says_where_its_ledger_is_and_tells_nobody_its_password(url: str, tmp_path: Path) -> None:
    migrate_store(url)
    password = urlsplit(url).password or "none"
    with serving(url, tmp_path, "--log-level", "debug") as server:
        assert server.health() == "SERVING"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'slotlease'"
            )
        server.ask_to_stop()
        assert server.exit_code() == 0
    assert "Serving postgresql://" in server.line
    assert password not in server.line + server.log.read_text("utf-8")

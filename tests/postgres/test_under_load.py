"""What befalls a database while eight callers ask two servers: lines that are lost, restarts, SIGKILL, a standby. Who
is not answered asks the other server, with the same token. Nothing acknowledged is lost, nothing happens twice, and the
servers recover by themselves (INV-17, INV-19)."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random  # noqa: TID251 - seeded: it chooses what is lost

import psycopg
import pytest

from slotlease.store.open import migrate_store
from tests.model.effort import EFFORT, FIRST_SEED, FOLDERS, TIMEOUT_S
from tests.postgres.ledger_database import LedgerDatabase, ledger_database
from tests.postgres.line import Journey, Lost, line_to
from tests.postgres.town import Town, background, served_at
from tests.postgres_server import PostgresServer, execute, started_server
from tests.support import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(TIMEOUT_S)]

CALLS = 40
"""Of each caller, before and after what befalls the database."""

ONE_IN = 15
"""Of the journeys of a line that is bad."""


@pytest.fixture
def ledger(postgres: str, postgres_template: str) -> Iterator[LedgerDatabase]:
    with ledger_database(postgres, postgres_template) as ledger:
        yield ledger


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + EFFORT))
def test_on_lines_that_are_lost_again_and_again_each_request_ends_as_one_effect(
    seed: int, ledger: LedgerDatabase
) -> None:
    town = Town(ledger.url, seed)
    with line_to(ledger.url) as one, line_to(ledger.url) as other:
        for number, line in enumerate((one, other)):
            line.arm_with(bad_line(Random(f"{seed} {number}")))  # noqa: S311 - chooses, hides nothing
        with served_at(one.url, other.url) as servers:
            town.call([server.address for server in servers], 2 * CALLS)
            lost = one.lost + other.lost
            one.mend()
            other.mend()
            town.settle([server.address for server in servers])
        assert town.wrongs() == []
    assert sum(journey.writes for journey in lost) > CALLS / 10, "commits of which nobody knew"
    assert town.counts["repeats compared"] > 0


def bad_line(chance: Random) -> Callable[[int, Journey], Lost | None]:
    def fate(_: int, journey: Journey) -> Lost | None:
        if chance.randrange(ONE_IN):
            return None
        return chance.choice(list(Lost)) if journey.writes else Lost.DONE

    return fate


@contextlib.contextmanager
def read_only(ledger: LedgerDatabase) -> Iterator[None]:
    """As an operator, or a managed database in trouble, makes it; whoever was connected is not any more."""
    (name,) = ledger.sql("SELECT current_database()")[0]
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'slotlease'"
    ledger.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    ledger.sql(f"{others} AND datname = current_database()")
    yield
    ledger.sql(f"ALTER DATABASE {name} RESET default_transaction_read_only")


def test_database_made_read_only_is_unavailable_until_it_is_not(ledger: LedgerDatabase) -> None:
    town = Town(ledger.url, FIRST_SEED)
    with served_at(ledger.url, ledger.url) as servers:
        addresses = [server.address for server in servers]
        town.call(addresses, CALLS)
        with read_only(ledger):
            end = background(lambda: town.call(addresses, CALLS))
            wait_until(town.nobody_is_answered)
        end()
        town.settle(addresses)
    assert town.wrongs() == []
    assert town.counts["unanswered"] >= len(town.callers)


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    with started_server(folder_in=FOLDERS) as server:
        migrate_store(server.url())
        yield server


@pytest.fixture
def town(own_server: PostgresServer) -> Iterator[Town]:
    execute(own_server.url(), "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    migrate_store(own_server.url())
    town = Town(own_server.url(), FIRST_SEED)
    yield town
    assert town.wrongs() == []


def befalls(town: Town, what: Callable[[], None]) -> None:
    """It befalls the database in the middle of the load of two servers."""
    with served_at(town.url, town.url) as servers:
        addresses = [server.address for server in servers]
        town.call(addresses, CALLS)
        end = background(lambda: town.call(addresses, 2 * CALLS))
        wait_until(lambda: sum(caller.counts["acknowledged"] for caller in town.callers) > CALLS * len(town.callers))
        what()
        end()
        town.settle(addresses)
    assert town.counts["unanswered"] + sum(caller.counts["unanswered"] for caller in town.callers) > 0


def test_database_killed_under_load_has_lost_nothing_acknowledged(town: Town, own_server: PostgresServer) -> None:
    def killed() -> None:
        kill_all_of(own_server)
        own_server.start()

    for _ in range(2 * EFFORT):
        befalls(town, killed)
        assert town.wrongs() == []


def test_database_restarted_under_load_is_served_again_without_anybodys_doing(
    town: Town, own_server: PostgresServer
) -> None:
    def restarted() -> None:
        own_server.stop()
        own_server.start()

    befalls(town, restarted)


def test_standby_is_unavailable_until_it_is_promoted(town: Town, own_server: PostgresServer) -> None:
    """What answers at the address after a failover may be a server that only recovers, and takes no writes yet."""

    def failed_over() -> None:
        own_server.stop()
        standby = own_server.data / "standby.signal"
        standby.touch()
        shutil.chown(standby, own_server.data.stat().st_uid)
        own_server.start()
        assert asked(own_server, "SELECT pg_is_in_recovery()")
        wait_until(town.nobody_is_answered)
        assert asked(own_server, "SELECT pg_promote()")

    befalls(town, failed_over)


def asked(server: PostgresServer, question: str) -> object:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        row = connection.execute(question).fetchone()
        assert row is not None
        return row[0]


def kill_all_of(server: PostgresServer) -> None:
    """Every process of it at once: none has the time to tell another, nor to begin one that would outlive it and keep
    the next server from the shared memory."""
    os.kill(server.pid, signal.SIGSTOP)
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    for pid in map(int, children):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    server.stop(signal.SIGKILL)

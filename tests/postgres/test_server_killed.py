"""A server on PostgreSQL dies by SIGKILL under load at each point of a batch, one after the other on one ledger: what
it acknowledged is there, and who was not answered asks the next one and finds out (INV-12, INV-17, INV-19)."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import count
from random import Random  # noqa: TID251 - seeded: it chooses where to kill

import pytest

from tests.model.effort import EFFORT, FIRST_SEED, TIMEOUT_S
from tests.postgres.ledger_database import LedgerDatabase, ledger_database
from tests.postgres.line import Journey, Line, Lost, line_to
from tests.postgres.processes import server_on
from tests.postgres.town import Town

pytestmark = [pytest.mark.slow, pytest.mark.timeout(TIMEOUT_S)]

MANY = 100_000
"""More calls than a server lives to answer."""


@pytest.fixture
def ledger(postgres: str, postgres_template: str) -> Iterator[LedgerDatabase]:
    with ledger_database(postgres, postgres_template) as ledger:
        yield ledger


def is_begun(journey: Journey) -> bool:
    return journey.locks


def is_written(journey: Journey) -> bool:
    return journey.writes


POINTS = [
    (Lost.DONE, is_begun),
    (Lost.NOT_SENT, is_written),
    (Lost.HALF_SENT, is_written),
    (Lost.LATE, is_written),
    (Lost.DONE, is_written),
]
"""Its locks are granted; its writes and COMMIT are not sent, half sent, arrive after its death, are done."""


def test_server_killed_at_any_point_of_a_batch_has_lost_nothing_acknowledged(ledger: LedgerDatabase) -> None:
    town = Town(ledger.url, FIRST_SEED)
    chance = Random(f"kills {FIRST_SEED}")  # noqa: S311 - chooses, hides nothing
    with line_to(ledger.url) as line:
        for how, point in POINTS * EFFORT:
            live_and_die(town, line, how, nth(chance.randint(5, 40), point))
            assert town.wrongs() == [], f"killed {how}, {point.__name__}"
        with server_on(line.url) as last:
            town.settle([last.address])
    assert town.wrongs() == []
    assert town.counts["doubtful resolved"] > 0
    assert town.counts["found not committed"] > 0
    assert town.counts["found committed"] > 0
    doctor = [sys.executable, "-m", "slotlease.cli", "doctor", "--store", ledger.url]
    found = subprocess.run(doctor, capture_output=True, text=True, check=False)  # noqa: S603 - our own program
    assert found.returncode == 0, found.stdout + found.stderr


def live_and_die(town: Town, line: Line, how: Lost, chosen: Callable[[int, Journey], bool]) -> None:
    dead = threading.Event()
    with server_on(line.url) as server:

        def die() -> None:
            server.kill()
            dead.set()

        line.meanwhile = die
        line.arm(how, chosen)
        town.call([server.address], MANY, is_over=dead.is_set)
        assert server.process.returncode == -9


def nth(number: int, point: Callable[[Journey], bool]) -> Callable[[int, Journey], bool]:
    passed = count(1)
    return lambda _, journey: point(journey) and next(passed) == number

"""What every test leaves as it found it."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import structlog
from hypothesis import HealthCheck, settings

from slotlease.store.open import migrate_store
from tests import postgres_server
from tests.store.postgres_backend import CLOCK

# A shell that runs tests in its background has them ignore Ctrl-C, and all that they start with them: some of that is
# interrupted on purpose.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How fast examples are found and tried is the machine's affair: no test fails for it.
settings.register_profile(
    "any machine",
    settings.get_profile(settings.get_current_profile_name()),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("any machine")


@pytest.fixture(autouse=True, scope="module")
def _logs_as_the_module_found_them() -> Iterator[None]:
    """What its own fixture set up is not the next file's, whichever that is."""
    with _logs_kept():
        yield


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A command sets up its logs for its process, which here is everybody's: the next test's library would write to a
    stream that is gone. What a module's own fixture set up before is its tests' to keep."""
    with _logs_kept():
        yield


@contextmanager
def _logs_kept() -> Iterator[None]:
    handlers, was_set_up, before = logging.root.handlers[:], structlog.is_configured(), structlog.get_config()
    yield
    logging.root.handlers[:] = handlers
    structlog.reset_defaults()
    if was_set_up:
        structlog.configure(**before)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of the run's PostgreSQL, started by the first test that needs it."""
    with postgres_server.run_of_tests() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> Iterator[str]:
    """The name of a database with an empty ledger in it, to make others of."""
    with postgres_server.database(postgres) as url:
        migrate_store(url)
        postgres_server.execute(url, CLOCK)
        yield url.rpartition("/")[2]

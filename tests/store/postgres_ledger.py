"""Fixtures for what only PostgreSQL has: a ledger in a database of its own, and a store on it with a hand-set clock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from slotlease.store.postgres import PostgresStore
from tests.postgres_server import database
from tests.store.postgres_backend import DatabaseClock, PostgresBackend
from tests.support import Shop


@pytest.fixture
def backend(postgres: str, postgres_template: str) -> Iterator[PostgresBackend]:
    with database(postgres, postgres_template) as url:
        backend = PostgresBackend(url)
        yield backend
        backend.close()


@pytest.fixture
def clock(backend: PostgresBackend) -> DatabaseClock:
    return DatabaseClock(backend)


@pytest.fixture
def store(backend: PostgresBackend, clock: DatabaseClock) -> Iterator[PostgresStore]:
    store = backend.open(clock)
    yield store
    store.close()


@pytest.fixture
def shop(store: PostgresStore, clock: DatabaseClock) -> Iterator[Shop]:
    shop = Shop(store, clock)
    yield shop
    assert shop.incidents == []

"""PostgreSQL keeps what the store promises."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgres_server import database
from tests.store.conformance import StoreConformance
from tests.store.postgres_backend import DatabaseClock, PostgresBackend


class TestPostgres(StoreConformance):
    @pytest.fixture
    def backend(self, postgres: str, postgres_template: str) -> Iterator[PostgresBackend]:
        with database(postgres, postgres_template) as url:
            backend = PostgresBackend(url)
            yield backend
            backend.close()

    @pytest.fixture
    def clock(self, backend: PostgresBackend) -> DatabaseClock:
        return DatabaseClock(backend)

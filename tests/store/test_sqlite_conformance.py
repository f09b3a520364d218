"""SQLite keeps what the store promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.store.conformance import StoreConformance
from tests.store.sqlite_backend import SqliteBackend


class TestSqlite(StoreConformance):
    @pytest.fixture
    def backend(self, tmp_path: Path) -> SqliteBackend:
        return SqliteBackend(tmp_path / "ledger.db")

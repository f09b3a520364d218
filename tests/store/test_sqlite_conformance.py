"""SQLite keeps what the store promises."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from slotlease.domain.facts import Wanted
from slotlease.store.protocol import Store
from tests.store.conformance import StoreConformance
from tests.store.sqlite_backend import SqliteBackend


class TestSqlite(StoreConformance):
    @pytest.fixture
    def backend(self, tmp_path: Path) -> SqliteBackend:
        return SqliteBackend(tmp_path / "ledger.db")

    def test_a_probe_waits_its_turn_like_any_writer(self, store: Store, beside: Store) -> None:
        """The file has one writer. On PostgreSQL a probe waits for no merchant's."""
        probed = threading.Thread(target=beside.probe_write)
        with store.transact(Wanted()):
            probed.start()
            probed.join(0.05)
            assert probed.is_alive()
        probed.join(10)
        assert not probed.is_alive()

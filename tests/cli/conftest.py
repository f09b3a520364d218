from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.cli.running import example_ledger


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SLOTLEASE_")]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A command sets up its logs for its process, which here is everybody's, and its stderr is gone afterwards."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    """The address of a ledger with the example feeds on it."""
    return example_ledger(tmp_path)

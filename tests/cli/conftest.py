from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.running import example_ledger


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SLOTLEASE_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    """The address of a ledger with the example feeds on it."""
    return example_ledger(tmp_path)

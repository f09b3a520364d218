"""An import that ends halfway leaves a ledger that holds together; run again, it ends as one that was never cut."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from slotlease.inventory.example import write_example
from slotlease.store.open import open_store
from tests.inventory.import_shop import counts, import_files, rows_of
from tests.support import NOON_US, HandClock

FIRST_DAY = date(2026, 1, 2)
GENERATED_S = NOON_US // 1_000_000

KILLED_MIDWAY = """
import os, signal, sys
from slotlease.inventory.feed import read_feed
from slotlease.inventory.importing import import_feed, known_inventory
from slotlease.store.open import open_store

store = open_store(sys.argv[1], lambda: int(sys.argv[2]))

def kill_me(done: int, total: int) -> None:
    if done >= int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

import_feed(store, read_feed(sys.argv[4:], known=known_inventory(store)), progress=kill_me)
"""


class Stopped(Exception):
    pass


def feeds(folder: Path, days: int, generation_s: int) -> Sequence[Path]:
    return write_example(folder, FIRST_DAY, days, generation_s=generation_s).paths


def import_in(folder: Path, paths: Sequence[Path], stop_at: int | None = None) -> tuple[int, int, int, int]:
    def stop(done: int, _: int) -> None:
        if stop_at is not None and done >= stop_at:
            raise Stopped

    store = open_store(f"sqlite:///{folder / 'ledger.db'}", HandClock(), create=True)
    try:
        return counts(import_files(store, paths, progress=stop))
    finally:
        assert list(store.audit()) == []
        store.close()


@pytest.fixture
def uncut(tmp_path: Path) -> Path:
    """The ledger after two days' feeds, each imported in one go."""
    folder = tmp_path / "uncut"
    folder.mkdir()
    import_in(folder, feeds(tmp_path / "first", 15, GENERATED_S))
    import_in(folder, feeds(tmp_path / "second", 10, GENERATED_S + 1))
    return folder


@pytest.mark.parametrize("stop_at", [1, 700, 1_000])
def test_import_stopped_midway_and_run_again_ends_the_same(tmp_path: Path, uncut: Path, stop_at: int) -> None:
    cut = tmp_path / "cut"
    cut.mkdir()
    first, second = feeds(tmp_path / "first", 15, GENERATED_S), feeds(tmp_path / "second", 10, GENERATED_S + 1)
    with pytest.raises(Stopped):
        import_in(cut, first, stop_at)
    new, changed, unchanged, _ = import_in(cut, first)
    assert changed == 0
    assert new > 0
    assert unchanged > 0
    with pytest.raises(Stopped):
        import_in(cut, second, stop_at)
    import_in(cut, second)
    assert rows_of(cut) == rows_of(uncut)


def test_import_killed_midway_and_run_again_ends_the_same(tmp_path: Path, uncut: Path) -> None:
    killed = tmp_path / "killed"
    killed.mkdir()
    import_in(killed, feeds(tmp_path / "first", 15, GENERATED_S))
    second = feeds(tmp_path / "second", 10, GENERATED_S + 1)
    address = f"sqlite:///{killed / 'ledger.db'}"
    command = [sys.executable, "-c", KILLED_MIDWAY, address, str(NOON_US), "400", *map(str, second)]
    ended = subprocess.run(command, check=False, timeout=60)  # noqa: S603 - this Python, and a script of ours
    assert ended.returncode == -signal.SIGKILL
    assert rows_of(killed) != rows_of(uncut)
    import_in(killed, second)
    assert rows_of(killed) == rows_of(uncut)

"""The rule by which the server calls itself healthy, and the watch that follows it over a real ledger."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from slotlease.desk.health import Health, Probe, after
from slotlease.desk.health_watch import HealthWatch
from slotlease.store.open import open_store
from slotlease.store.protocol import Store
from slotlease.store.sqlite_file import BUSY_STEP_S, BUSY_STEPS_MAX
from tests.support import Shop

PATIENCE_S = 10.0
WAIT_S = 20.0


def told(*probes: tuple[float, bool], took_s: float = 0.0) -> list[bool]:
    """Whether the server says SERVING after each of the probes, given by when it ended and whether it was good."""
    health, said = Health(), []
    for now_s, good in probes:
        health = after(health, Probe(good=good, began_s=now_s - took_s, now_s=now_s), patience_s=PATIENCE_S)
        said.append(health.serving)
    return said


@pytest.mark.parametrize(
    ("probes", "serving"),
    [
        ([(0, True)], [True]),
        # One failure is nothing, nor are many in a short time.
        ([(0, False)], [True]),
        ([(0, False), (2, False), (4, False), (9.9, False)], [True] * 4),
        # For as long as the patience lasts, and no longer.
        ([(0, False), (9.9, False), (10, False)], [True, True, False]),
        ([(0, False), (100, False)], [True, False]),
        # A good one between makes a new beginning.
        ([(0, False), (9, False), (9.5, True), (10, False), (19, False), (20, False)], [True] * 5 + [False]),
        # Three good ones in a row bring it back, and not two.
        ([(0, False), (10, False), (12, True), (14, True), (16, True)], [True, False, False, False, True]),
        ([(0, False), (10, False), (12, True), (14, True), (16, False)], [True] + [False] * 4),
        (
            [(0, False), (10, False), (12, True), (14, True), (16, False), (18, True), (20, True), (22, True)],
            [True] + [False] * 6 + [True],
        ),
        # Back again, it has its whole patience.
        (
            [(0, False), (10, False), (11, True), (12, True), (13, True), (14, False), (23, False), (24, False)],
            [True, False, False, False, True, True, True, False],
        ),
    ],
)
def test_health_turns_after_a_while_of_failures_and_back_after_several_good_writes(
    probes: list[tuple[float, bool]], serving: list[bool]
) -> None:
    assert told(*probes) == serving


def test_a_write_that_hangs_has_been_failing_since_it_began() -> None:
    assert told((10, False), took_s=10) == [False]
    assert told((9, False), took_s=9) == [True]


def test_a_slow_write_that_worked_is_a_good_one() -> None:
    assert told((9, True), (30, True), took_s=9) == [True, True]


# --- the watch -----------------------------------------------------------------------------------------------------


class Watched:
    def __init__(self, store: Store, patience_s: float) -> None:
        self.told: queue.Queue[bool] = queue.Queue()
        self.failures: queue.Queue[None] = queue.Queue()
        self.incidents: list[BaseException] = []
        self.watch = HealthWatch(
            store,
            self._report,
            interval_s=0.005,
            patience_s=patience_s,
            tell=self.told.put,
            failed=lambda: self.failures.put(None),
        )

    def _report(self, error: BaseException) -> str:
        self.incidents.append(error)
        return "incident"


@pytest.fixture
def store(shop: Shop, tmp_path: Path) -> Iterator[Store]:
    """The watch's own, on the shop's ledger."""
    store = open_store(f"sqlite:///{tmp_path / 'ledger.db'}", shop.clock)
    yield store
    store.close()


@pytest.fixture
def watched(store: Store) -> Iterator[Watched]:
    watched = Watched(store, patience_s=0.05)
    watched.watch.start()
    yield watched
    watched.watch.stop()
    watched.watch.join()
    assert watched.incidents == []


def test_a_ledger_that_another_program_holds_makes_the_server_unwell_and_its_return_well(
    watched: Watched, tmp_path: Path
) -> None:
    """The write hangs meanwhile: it neither fails nor succeeds."""
    other = apsw.Connection(str(tmp_path / "ledger.db"))
    other.set_busy_timeout(10_000)
    other.execute("BEGIN IMMEDIATE")
    assert watched.told.get(timeout=WAIT_S) is False
    other.close()
    assert watched.told.get(timeout=WAIT_S) is True


def test_a_write_that_hangs_is_told_of_before_the_store_gives_it_up(watched: Watched, tmp_path: Path) -> None:
    other = apsw.Connection(str(tmp_path / "ledger.db"))
    other.set_busy_timeout(10_000)
    other.execute("BEGIN IMMEDIATE")
    assert watched.told.get(timeout=BUSY_STEPS_MAX * BUSY_STEP_S / 2) is False
    other.close()


def test_a_store_that_is_closed_fails_every_probe(watched: Watched, store: Store) -> None:
    store.close()
    assert watched.told.get(timeout=WAIT_S) is False
    assert watched.failures.qsize() > 0


def test_a_watch_that_is_off_begins_nothing_and_can_be_joined(store: Store) -> None:
    watch = HealthWatch(store, str, interval_s=0, patience_s=1, tell=print, failed=print)
    watch.start()
    assert "health" not in {thread.name for thread in threading.enumerate()}
    watch.stop()
    watch.join()

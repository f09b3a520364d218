"""One server on a file and any number of commands beside it: who is refused, who waits, who is told to come again."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest

from slotlease.domain.facts import Wanted
from slotlease.domain.lease import Lease
from slotlease.store import sqlite_file
from slotlease.store.open import open_store
from slotlease.store.protocol import CommitUnknown, Store, StoreRefused, StoreUnavailable
from slotlease.store.sqlite import SqliteStore
from tests.store.backend import at_once, changes_of
from tests.store.sqlite_backend import raw
from tests.support import DAY_US, NOON_US, HandClock, Offered, Shop

ROOT = Path(__file__).parents[2]
SLOT = Offered(spots_total=10_000)
ASKED = SLOT.asked()

SERVER = """
import sys
from tests.support import *
from slotlease.store.open import open_store
shop = Shop(open_store("sqlite:///" + sys.argv[1], HandClock(), create=True, serve=True), HandClock())
shop.offer(Offered(spots_total=10_000))
print("serving", flush=True)
for line in sys.stdin:
    print(shop.lease(Offered().asked()).lease_id, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(str(path), HandClock(), create=True, serve=True)
    yield store
    store.close()


@pytest.fixture
def shop(store: SqliteStore) -> Shop:
    shop = Shop(store, HandClock())
    shop.offer(SLOT)
    return shop


@contextmanager
def beside(path: Path, *, serve: bool = False) -> Iterator[Store]:
    store = open_store(f"sqlite:///{path}", HandClock(), serve=serve)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def server(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that serves the ledger, and grants a lease for each line it is sent."""
    command = [sys.executable, "-c", SERVER, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:  # noqa: S603 - this test's own program
        try:
            assert read_line(running) == "serving"
            yield running
        finally:
            running.kill()


def read_line(running: subprocess.Popen[str]) -> str:
    assert running.stdout is not None
    return running.stdout.readline().strip()


def ask_for_lease(running: subprocess.Popen[str]) -> str:
    assert running.stdin is not None
    running.stdin.write("lease\n")
    running.stdin.flush()
    return read_line(running)


# --- one server on a file ------------------------------------------------------------------------------------------


def test_a_second_server_is_refused_with_the_holders_pid_until_the_first_dies(path: Path) -> None:
    with server(path) as first:
        for _ in range(2):
            with pytest.raises(StoreRefused) as caught, beside(path, serve=True):
                pass
            assert f"{path} is already served by process {first.pid}" in str(caught.value)
            assert "stop that server first" in str(caught.value)
        with beside(path) as command:
            assert len(command.merchants()) == 1
        first.send_signal(signal.SIGKILL)
        first.wait()
        with beside(path, serve=True) as second:
            assert len(second.merchants()) == 1


def test_a_server_that_closes_frees_the_ledger(path: Path, store: SqliteStore) -> None:
    with pytest.raises(StoreRefused, match="already served"), beside(path, serve=True):
        pass
    store.close()
    for _ in range(2):
        with beside(path, serve=True) as second, pytest.raises(StoreRefused), beside(path, serve=True):
            second.close()


def test_a_server_that_cannot_open_its_ledger_lets_go_of_it(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"no ledger" * 999)
    with pytest.raises(StoreRefused, match="is not a ledger"), beside(path, serve=True):
        pass
    path.unlink()
    SqliteStore(str(path), HandClock(), create=True, serve=True).close()
    assert path in set(tmp_path.iterdir())


def test_two_ledgers_in_one_folder_have_two_servers(path: Path, tmp_path: Path, store: SqliteStore) -> None:
    assert store.merchants() == []
    other = SqliteStore(str(tmp_path / "other.db"), HandClock(), create=True, serve=True)
    assert path.with_name("ledger.db.serving").read_text() == (tmp_path / "other.db.serving").read_text()
    other.close()


def test_every_acknowledged_lease_survives_a_killed_server(path: Path) -> None:
    """INV-17. Whoever was told of a lease finds it; half a lease is never found."""
    with server(path) as first:
        told = [ask_for_lease(first) for _ in range(25)]
        assert first.stdin is not None
        first.stdin.write("lease\n" * 200)
        first.stdin.flush()
        told += [read_line(first) for _ in range(25)]
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert first.stdout is not None
        told += [line for line in first.stdout.read().split("\n")[:-1] if line]
        with beside(path, serve=True) as second:
            kept = {lease.lease_id for lease in second.leases(live_only=True, limit=9999)}
            assert set(told) <= kept
            assert len(kept) <= 225
            assert second.audit() == []


# --- commands beside a server ------------------------------------------------------------------------------------


def test_nobody_ever_sees_a_locked_database(path: Path, shop: Shop) -> None:
    """A server's writes and reads, a command's imports, leases, lists and audits, all at once on one file."""
    with beside(path) as command:
        guest = Shop(command, shop.clock)
        later = Offered(start_us=NOON_US + 2 * DAY_US, staff_id="ann", spots_total=9)
        jobs: list[Callable[[], object]] = [
            *[partial(shop.ask_all, [shop.create_lease(ASKED)]) for _ in range(60)],
            *[partial(guest.ask_all, [guest.create_lease(ASKED, reference=f"guest {n}")]) for n in range(60)],
            *[partial(guest.offer, SLOT, later)] * 20,
            *[partial(shop.count_available, ASKED), partial(guest.count_available, ASKED)] * 10,
            *[command.audit, shop.store.audit] * 5,
            *[partial(command.leases, live_only=True, limit=9)] * 10,
        ]
        at_once([partial(run_all, jobs[first::8]) for first in range(8)])
        assert (shop.incidents, guest.incidents) == ([], [])
        leases = command.leases(live_only=True, limit=999)
        assert len(leases) == len({lease.spot_no for lease in leases}) == 120
        assert command.audit() == []


def run_all(jobs: Sequence[Callable[[], object]]) -> None:
    for job in jobs:
        job()


def test_commands_open_and_close_the_ledger_all_the_while(path: Path, shop: Shop) -> None:
    """The last one to close tidies the file up: also then nobody is turned away."""

    def command(number: int) -> None:
        for turn in range(10):
            with beside(path) as store:
                store.put_catalogue(f"m{number}", f"{turn}", [], [], [])

    shop.store.close()
    at_once([partial(command, number) for number in range(2, 8)])
    with beside(path) as store:
        assert len(store.merchants()) == 7


def test_a_short_transaction_waits_its_turn(path: Path, shop: Shop) -> None:
    """Behind another program's, and is served within a few milliseconds of its end: no back-off to 100 ms."""
    waits: list[float] = []
    for _ in range(5):
        other = apsw.Connection(str(path))
        other.execute("BEGIN IMMEDIATE")
        begun = threading.Event()
        answered: list[float] = []

        def ask(begun: threading.Event = begun, answered: list[float] = answered) -> None:
            begun.set()
            shop.lease(ASKED)
            answered.append(time.monotonic())

        asking = threading.Thread(target=ask)
        asking.start()
        assert begun.wait(10)
        asking.join(0.03)
        assert asking.is_alive()
        other.execute("COMMIT")
        ended = time.monotonic()
        asking.join(10)
        waits.append(answered[0] - ended)
        other.close()
    assert min(waits) < 0.05, waits


def test_readers_never_wait_for_a_writer(path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_STEPS_MAX", 0)
    shop.lease(ASKED)
    with raw(path) as other:
        other.execute("BEGIN IMMEDIATE")
        with beside(path) as command:
            assert shop.count_available(ASKED) == Shop(command, shop.clock).count_available(ASKED) == 9_999
            assert command.audit() == []


def test_whose_wait_runs_out_is_told_to_come_again(path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault B-8: UNAVAILABLE in bounded time, and nothing was written."""
    monkeypatch.setattr(sqlite_file, "BUSY_STEPS_MAX", 3)
    with raw(path) as other:
        other.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable), shop.store.transact(Wanted()):
            pass
        with pytest.raises(StoreUnavailable):
            shop.store.put_catalogue("m2", "Two", [], [], [])
        with pytest.raises(StoreUnavailable):
            shop.store.put_slots(1, list(shop.store.slots_of(1).values()))
        assert time.monotonic() - begun < 5
        with beside(path) as command, pytest.raises(StoreUnavailable):
            command.retire_merchants(["m1"])
        assert len(shop.store.merchants()) == 1
        other.execute("ROLLBACK")
    assert shop.lease(ASKED).lease_no == 1


def test_the_wait_is_some_seconds_in_steps_of_a_millisecond() -> None:
    assert sqlite_file.BUSY_STEP_S == 0.001
    assert 1 <= sqlite_file.BUSY_STEP_S * sqlite_file.BUSY_STEPS_MAX <= 30


# --- clocks --------------------------------------------------------------------------------------------------------


def test_a_writer_reads_the_clock_under_the_lock_and_a_reader_before_its_snapshot(path: Path, shop: Shop) -> None:
    """Seen from inside the clock itself: may another program write at that very moment, and is it seen (DESIGN 2)?"""
    wrote: list[bool] = []

    def clock() -> int:
        with raw(path) as other:
            other.set_busy_timeout(0)
            try:
                other.execute("UPDATE merchant SET next_no = next_no + 10")
            except apsw.BusyError:
                wrote.append(False)
            else:
                wrote.append(True)
        return NOON_US

    store = SqliteStore(str(path), clock, create=False, serve=False)
    ((next_no,),) = raw_rows(path, "SELECT next_no FROM merchant")
    wrote.clear()
    with store.transact(Wanted(merchant_ids={"m1"})) as transaction:
        assert wrote == [False], "the lock was ours"
        assert transaction.facts.next_nos == {1: next_no}
    with store.snapshot(Wanted(merchant_ids={"m1"})) as snapshot:
        assert wrote == [False, True]
        assert snapshot.facts.next_nos == {1: next_no + 10}, "nothing was fixed yet"
    store.close()
    assert shop.count_available(ASKED) == 10_000


def raw_rows(path: Path, statement: str) -> list[tuple[Any, ...]]:
    with raw(path) as connection:
        return connection.execute(statement).fetchall()


# --- a full disk ---------------------------------------------------------------------------------------------------


def fill_up(store: SqliteStore) -> None:
    """Not a page more for the writer's connection, as on a full disk."""
    with store.transact(Wanted()):
        writer = store._connections._writer  # noqa: SLF001 - the limit is one connection's own
    assert writer is not None
    writer.pragma("max_page_count", writer.pragma("page_count"))


def test_a_full_disk_is_unavailable_and_harms_nothing(path: Path, store: SqliteStore, shop: Shop) -> None:
    """Fault B-9: what was promised stays, nothing is half written, reads go on, and it recovers by itself."""
    kept = shop.lease(ASKED)
    changes = changes_of(store, *[shop.create_lease(ASKED) for _ in range(500)])
    fill_up(store)
    with pytest.raises(StoreUnavailable), store.transact(Wanted(merchant_ids={"m1"})) as transaction:
        transaction.commit(changes)
    assert list(store.leases(live_only=True, limit=999)) == [kept]
    fill_up(store)
    (slot,) = store.slots_of(1).values()
    with pytest.raises(StoreUnavailable):
        shop.offer(*(Offered(start_us=NOON_US + n) for n in range(1, 2000)))
    assert store.slots_of(1) == {slot.slot_no: slot}
    with store.transact(Wanted(merchant_ids={"m1"})) as transaction:
        transaction.commit(changes)
    assert len(store.leases(live_only=True, limit=999)) == 501
    assert store.audit() == []
    with raw(path) as connection:
        assert connection.pragma("integrity_check") == "ok"


@contextmanager
def no_file_grows() -> Iterator[None]:
    """Every write to a file of this process fails, as on a broken disk, also the commit's own."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_commit_that_the_disk_refused_is_of_unknown_outcome_until_its_token_is_looked_up(
    store: SqliteStore, shop: Shop
) -> None:
    """Fault B-2: nobody is answered; the retry, once the disk is well, finds out by its token (INV-19)."""
    operation = shop.create_lease(ASKED)
    changes = changes_of(store, operation)
    with (
        no_file_grows(),
        pytest.raises(CommitUnknown),
        store.transact(Wanted(merchant_ids={"m1"})) as transaction,
    ):
        transaction.commit(changes)
    lease = shop.ask(operation)
    assert isinstance(lease, Lease)
    assert list(store.leases(live_only=False, limit=9)) == [lease]
    assert store.audit() == []


def test_a_ledger_that_is_gone_is_unavailable_and_never_made_anew(
    path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault B-10: a connection lost is opened again, a file lost is not."""
    monkeypatch.setattr(sqlite_file, "BUSY_STEPS_MAX", 1)
    with raw(path) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable), shop.store.transact(Wanted()):
            pass
        other.execute("ROLLBACK")
    for file in path.parent.glob("ledger.db*"):
        file.rename(file.with_name("moved-" + file.name))
    for _ in range(2):
        with pytest.raises(StoreUnavailable), shop.store.transact(Wanted()):
            pass
    assert not path.exists()
    for file in path.parent.glob("moved-*"):
        file.rename(file.with_name(file.name.removeprefix("moved-")))
    assert shop.lease(ASKED).lease_no == 1
    assert Counter(lease.state for lease in shop.store.leases(live_only=True, limit=9)).total() == 1

"""Several processes behind the same ports, on one database: real workers, real signals."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from urllib.request import urlopen

import grpc
import pytest

from slotlease.domain.lease import LeaseState
from slotlease.inventory.example import write_example
from slotlease.inventory.feed import read_feed
from slotlease.inventory.importing import import_feed
from slotlease.store.clock import system_clock
from slotlease.store.open import open_store
from slotlease.wire.proto.v2.booking_service_pb2 import CreateLeaseResponse
from slotlease.wire.proto.v2.booking_service_pb2_grpc import BookingServiceStub
from tests.cli.running import TOMORROW, WAIT_S, Server, run_process, serving
from tests.cli.test_housekeeping import YOGA_SLOT
from tests.cli.test_serve import lease_request, leases_on, yoga
from tests.postgres_server import database
from tests.store.postgres_backend import DatabaseClock, PostgresBackend
from tests.support import HOUR_US, Shop, wait_until
from tests.telemetry.reading import page, samples, value_on

pytestmark = pytest.mark.slow

YOGA_SPOTS = 12
QUICK = ("--grace", "2s", "--workers", "2")


@pytest.fixture(scope="module")
def ledger_template(postgres: str, postgres_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a database with the example feeds on it."""
    with database(postgres, postgres_template) as url:
        folder = tmp_path_factory.mktemp("feeds")
        written = write_example(folder, TOMORROW.date(), 1, generation_s=int(TOMORROW.timestamp()) - 86_400)
        store = open_store(url)
        with read_feed(written.paths) as feed:
            import_feed(store, feed)
        store.close()
        yield url.rpartition("/")[2]


@pytest.fixture
def shared(postgres: str, ledger_template: str) -> Iterator[str]:
    """The address of a ledger that many may serve."""
    with database(postgres, ledger_template) as url:
        yield url


def workers_of(server: Server) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True, check=False)  # noqa: S603, S607 - a system's own
    return [int(line) for line in found.stdout.split()]


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextlib.contextmanager
def connections(server: Server, count: int) -> Iterator[list[BookingServiceStub]]:
    """Each of its own, so that the system may give it to another worker."""
    with contextlib.ExitStack() as stack:
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [stack.enter_context(grpc.insecure_channel(server.address, options)) for _ in range(count)]
        yield [BookingServiceStub(channel) for channel in channels]


def metrics_of(server: Server) -> str:
    assert server.process.stdout is not None
    line = server.process.stdout.readline()
    assert line.startswith("Metrics on http://"), line
    return line.split("//")[1].partition("/")[0]


def lease(stub: BookingServiceStub, reference: str) -> CreateLeaseResponse:
    return stub.CreateLease(lease_request(yoga(), reference), timeout=WAIT_S, wait_for_ready=True)


def workers_told(address: str) -> tuple[float | None, float | None]:
    text = page(address)
    return value_on(text, "slotlease_workers"), value_on(text, "slotlease_worker_restarts_total")


def calls_by_worker(address: str) -> float:
    found = samples(page(address))
    return sum(value for (name, _), value in found.items() if name == "slotlease_calls_total")


@pytest.mark.parametrize("transport", ["grpcio", "native"])
def test_all_workers_answer_on_one_port_sell_no_spot_twice_and_are_counted_together(
    transport: str, shared: str, tmp_path: Path
) -> None:
    with serving(shared, tmp_path, *QUICK, "--transport", transport, "--metrics", "127.0.0.1:0") as server:
        assert ", 2 workers. Ctrl-C stops it." in server.line
        assert "postgres:" not in server.line, "no password is shown"
        metrics = metrics_of(server)
        with connections(server, 24) as stubs, ThreadPoolExecutor(24) as threads:
            answers = list(threads.map(lease, stubs, [f"r{number}" for number in range(24)]))
            repeats = list(threads.map(lease, reversed(stubs), [f"r{number}" for number in range(24)]))
        granted = [answer.lease.lease_id for answer in answers if answer.HasField("lease")]
        assert len(granted) == len(set(granted)) == YOGA_SPOTS
        # Another worker may answer the repeat: it is the database that remembers.
        kept = {answer.lease.lease_id for answer in repeats if answer.HasField("lease")}
        assert kept == set(granted)
        text = page(metrics)
        assert value_on(text, "slotlease_workers") == 2
        assert value_on(text, "slotlease_leases_total", became="granted") == YOGA_SPOTS
        assert calls_by_worker(metrics) == 48
        assert value_on(text, "slotlease_live_leases") == YOGA_SPOTS, "each tells the same, and it is told once"
        busy = {dict(labels)["worker"] for name, labels in samples(text) if name == "process_open_fds"}
        assert busy == {"1", "2", "supervisor"}
        assert len(workers_of(server)) == 2


def test_a_worker_that_dies_is_begun_anew_and_counted_and_the_other_answers_meanwhile(
    shared: str, tmp_path: Path
) -> None:
    with serving(shared, tmp_path, *QUICK, "--metrics", "127.0.0.1:0") as server:
        metrics = metrics_of(server)
        before = workers_of(server)
        with connections(server, 1) as (stub,):
            kept = lease(stub, "r1")
        for died, pid in enumerate(before, start=1):
            # What was counted is read: what a killed worker counted after that is lost.
            assert value_on(page(metrics), "slotlease_leases_total", became="granted") == 1
            os.kill(pid, signal.SIGKILL)
            with connections(server, 1) as (stub,):
                assert lease(stub, "r1") == kept
            wait_until(partial(lambda restarts: workers_told(metrics) == (2, restarts), died))
        assert value_on(page(metrics), "slotlease_leases_total", became="granted") == 1, "whoever counted it is gone"
        assert set(before).isdisjoint(workers_of(server))
        with connections(server, 8) as stubs:
            assert [lease(stub, "r1") for stub in stubs] == [kept] * 8
    log = server.log.read_text("utf-8")
    assert log.count('"exit_code": -9') == log.count("worker begun anew") == 2


def test_sigterm_drains_all_workers_and_leaves_none(shared: str, tmp_path: Path) -> None:
    with serving(shared, tmp_path, *QUICK, "--drain", "300ms") as server:
        pids = workers_of(server)
        assert [os.getpgid(pid) for pid in pids] == pids, "Ctrl-C on the terminal is for the supervisor alone"
        server.ask_to_stop()
        with connections(server, 4) as stubs:
            answers = [lease(stub, f"r{number}") for number, stub in enumerate(stubs)]
        assert all(answer.HasField("lease") for answer in answers), "while it drains it still answers"
        assert server.exit_code() == 0
        assert not any(map(runs, pids))
        assert "work unfinished" not in server.log.read_text("utf-8")


def test_a_worker_that_is_stuck_is_not_waited_for_for_ever(shared: str, tmp_path: Path) -> None:
    with serving(shared, tmp_path, "--workers", "2", "--grace", "500ms") as server:
        pids = workers_of(server)
        os.kill(pids[0], signal.SIGSTOP)
        began_s = time.monotonic()
        server.ask_to_stop()
        assert server.exit_code() == 0
        assert time.monotonic() - began_s < 0.5 + 5 + 10, "its grace, what a supervisor adds, and a busy machine"
        assert not any(map(runs, pids))
        assert "stopped with work unfinished" in server.log.read_text("utf-8")


def test_a_second_signal_waits_for_nothing(shared: str, tmp_path: Path) -> None:
    with serving(shared, tmp_path, "--workers", "2", "--grace", "25s") as server:
        pids = workers_of(server)
        os.kill(pids[0], signal.SIGSTOP)
        server.ask_to_stop()
        wait_until(lambda: "stopping" in server.log.read_text("utf-8"))
        server.process.send_signal(signal.SIGINT)
        assert server.exit_code() == 0
        assert not any(map(runs, pids))


def test_workers_outlive_no_supervisor(shared: str, tmp_path: Path) -> None:
    with serving(shared, tmp_path, *QUICK) as server:
        pids = workers_of(server)
        server.process.kill()
        wait_until(lambda: not any(map(runs, pids)))


def test_the_ports_are_shared_with_no_other_server(shared: str, tmp_path: Path) -> None:
    with serving(shared, tmp_path, *QUICK, "--rest", "127.0.0.1:0") as server:
        assert server.process.stdout is not None
        rest = server.process.stdout.readline().split("//")[1].split("/")[0]
        for words in (("--grpc", server.address), ("--grpc", "127.0.0.1:0", "--rest", rest)):
            for workers in ("1", "2"):
                again = run_process("serve", "--store", shared, *words, "--workers", workers, cwd=tmp_path)
                assert again.code == 1
                assert "another program has the port" in again.err
        with urlopen(f"http://{rest}/v3/HealthCheck/", timeout=WAIT_S) as answer:
            assert answer.status == 200


def test_workers_that_cannot_serve_say_why_once(postgres: str, tmp_path: Path) -> None:
    with database(postgres) as empty:
        refused = run_process("serve", "--store", empty, "--workers", "3", "--grpc", "127.0.0.1:0", cwd=tmp_path)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.count("there is no ledger in the database") == 1


def test_a_lapsed_lease_is_swept_and_counted_once(shared: str, tmp_path: Path) -> None:
    backend = PostgresBackend(shared)
    clock = DatabaseClock(backend)
    clock.now_us = system_clock() - HOUR_US
    store = backend.open(clock)
    lapsed = Shop(store, clock).lease(YOGA_SLOT, reference="lapsed")
    store.close()
    backend.close()
    options = (*QUICK, "--workers", "3", "--sweep-interval", "50ms", "--metrics", "127.0.0.1:0")
    with serving(shared, tmp_path, *options) as server:
        metrics = metrics_of(server)
        wait_until(lambda: leases_on(shared) == {lapsed.lease_id: LeaseState.EXPIRED})
        wait_until(lambda: "swept" in server.log.read_text("utf-8"))
        assert value_on(page(metrics), "slotlease_leases_total", became="expired") == 1

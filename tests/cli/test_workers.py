"""`slotlease serve --workers N`: several processes behind the same ports."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from slotlease.config import Settings, load_settings
from slotlease.supervise import COMMAND, job_of
from slotlease.wire.proto.v2.booking_service_pb2_grpc import BookingServiceStub
from tests.cli.running import WAIT_S, run
from tests.cli.test_serve import lease_request, yoga

Capsys = pytest.CaptureFixture[str]


def test_workers_on_sqlite_are_refused_and_it_says_why(ledger: str, capsys: Capsys) -> None:
    refused = run(capsys, "serve", "--store", ledger, "--workers", "2", "--grpc", "127.0.0.1:0")
    assert (refused.code, refused.out) == (1, "")
    assert "--workers 2 needs PostgreSQL: a ledger in a SQLite file has one writer at a time" in refused.err
    assert "slotlease store copy" in refused.err


@pytest.mark.parametrize("count", ["0", "65", "many"])
def test_a_number_of_workers_that_is_none_is_refused(count: str, ledger: str, capsys: Capsys) -> None:
    refused = run(capsys, "serve", "--store", ledger, "--workers", count)
    assert refused.code == 1
    assert f"workers = {count} (from --workers): is no whole number from 1 to 64" in refused.err


# --- what a worker is told -----------------------------------------------------------------------------------------


def told_to(number: int, **flags: str) -> Settings:
    return Settings.model_validate(json.loads(job_of(number, load_settings(flags))))


def test_a_worker_is_told_every_setting_as_it_is() -> None:
    given = {
        "store": "postgresql://user:pass%20word@[::1]:5432/ledger?connect_timeout=5",
        "grpc": "[::1]:50051",
        "rest": "127.0.0.1:0",
        "leases": "off",
        "lease_min": "1.5s",
        "lease_default": "123456s",
        "lease_max": "2d",
        "tls_certificate": "/a b/server.pem",
        "tls_key": "/a b/server.key",
        "tls_client_names": "one.example,https://two.example/",
        "queue_max": "1000000",
        "grace": "1ms",
        "log_level": "debug",
        "store_scope": "merchant",
        "workers": "3",
    }
    settings = load_settings(given)
    assert len({name for name in given if getattr(settings, name) != getattr(Settings(), name)}) == len(given)
    assert told_to(1, **given).model_dump() == settings.model_dump()
    assert told_to(1).model_dump() == Settings().model_dump()


def test_only_the_first_worker_sweeps_and_each_has_a_page_of_its_own() -> None:
    workers = [told_to(number, sweep_interval="10s", metrics="127.0.0.1:9464") for number in (1, 2, 3)]
    assert [worker.sweep_interval.total_seconds() for worker in workers] == [10, 0, 0]
    assert {worker.metrics for worker in workers} == {"127.0.0.1:0"}
    assert told_to(2, metrics="off").metrics == "off"


# --- one worker, as the supervisor begins it -----------------------------------------------------------------------


@contextmanager
def worker(settings: Mapping[str, str], folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, object]]]:
    with (folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own program
            COMMAND, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(settings).encode() + b"\n")
            process.stdin.flush()
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()
            process.wait(WAIT_S)
            process.stdin.close()
            process.stdout.close()


@pytest.fixture
def settings(ledger: str) -> Iterator[dict[str, str]]:
    """With a port that is held for workers, as their supervisor holds it."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
        yield {"store": ledger, "grpc": address, "grace": "5s", "drain": "300ms"}


def test_a_worker_whose_supervisor_is_gone_answers_what_it_has_and_ends(
    settings: dict[str, str], tmp_path: Path
) -> None:
    with worker(settings, tmp_path) as (process, told), grpc.insecure_channel(settings["grpc"]) as channel:
        assert told == {"metrics_port": 0}
        stub = BookingServiceStub(channel)
        assert stub.CreateLease(lease_request(yoga(), "r1"), timeout=WAIT_S).lease.lease_id
        assert process.stdin is not None
        process.stdin.close()
        # It drains: it says that it will be gone, and still answers.
        assert stub.CreateLease(lease_request(yoga(), "r2"), timeout=WAIT_S).lease.lease_id
        assert process.wait(WAIT_S) == 0


def test_a_worker_that_is_asked_twice_drains_all_the_same(settings: dict[str, str], tmp_path: Path) -> None:
    """A service's manager sends its signal to all processes, and the supervisor asks as well."""
    with worker(settings, tmp_path) as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.stdin is not None
        time.sleep(0.1)
        process.stdin.close()
        assert process.wait(WAIT_S) == 0


def test_a_worker_that_cannot_serve_says_why(settings: dict[str, str], tmp_path: Path) -> None:
    with worker({**settings, "store": "sqlite:///typo.db"}, tmp_path) as (process, told):
        assert "there is no ledger at typo.db" in str(told["refused"])
        assert process.wait(WAIT_S) == 1


def test_a_worker_knows_no_setting_but_what_it_was_told(settings: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "slotlease.toml").write_text('store = "sqlite:///other.db"\n')
    with worker(settings, tmp_path) as (_, told):
        assert told == {"metrics_port": 0}


def test_the_command_of_a_worker_is_this_very_program() -> None:
    assert (sys.executable, "-m", "slotlease.worker") == COMMAND

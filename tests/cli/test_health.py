"""Health through a socket, while the ledger's file can and cannot be written."""

from __future__ import annotations

import resource
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from tests.cli.running import WAIT_S, Server, serving
from tests.cli.test_serve import count_available, lease_request, yoga
from tests.support import wait_until

QUICKLY = ("--probe-interval", "20ms", "--probe-patience", "300ms")


@contextmanager
def no_file_can_be_written(server: Server) -> Iterator[None]:
    """For the server's process alone, and whoever runs it: rights to a file would not hold back root."""
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, unlimited)


def test_health_turns_with_a_ledger_that_cannot_be_written_and_comes_back_with_it(ledger: str, tmp_path: Path) -> None:
    with serving(ledger, tmp_path, *QUICKLY) as server:
        assert server.health() == "SERVING"
        assert count_available(server) == 12
        with no_file_can_be_written(server):
            wait_until(lambda: server.health() == "NOT_SERVING")
            assert count_available(server) == 12, "what needs no write is answered still"
            with pytest.raises(grpc.RpcError) as refused:
                server.stub.CreateLease(lease_request(yoga(), "r1"), timeout=WAIT_S)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        wait_until(lambda: server.health() == "SERVING")
        granted = server.stub.CreateLease(lease_request(yoga(), "r1"), timeout=WAIT_S)
        assert granted.lease.user_reference == "r1"
        server.ask_to_stop()
        assert server.exit_code() == 0


def test_health_does_not_turn_over_a_short_trouble_however_often(ledger: str, tmp_path: Path) -> None:
    said: Counter[str] = Counter()
    done = threading.Event()

    def watch(server: Server) -> None:
        while not done.wait(0.005):
            said[server.health()] += 1

    with serving(ledger, tmp_path, "--probe-interval", "20ms", "--probe-patience", "5s") as server:
        watching = threading.Thread(target=watch, args=(server,))
        watching.start()
        for number in range(10):
            with no_file_can_be_written(server), pytest.raises(grpc.RpcError):
                server.stub.CreateLease(lease_request(yoga(), f"r{number}"), timeout=WAIT_S)
            assert server.stub.CreateLease(lease_request(yoga(), f"r{number}"), timeout=WAIT_S).HasField("lease")
        done.set()
        watching.join()
    assert set(said) == {"SERVING"}

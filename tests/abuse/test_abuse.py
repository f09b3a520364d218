"""What no proper client does, in bounded bursts over the loopback: afterwards a proper one is answered within 100 ms,
and the server's memory is back in bounds. What this cannot close stands in docs/operate/traffic.md."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from slotlease.wire import grpc_v2
from tests.cli.running import Server, serving
from tests.cli.test_drain import LARGE, large_ledger
from tests.cli.test_overload import memory_bytes
from tests.wire import asking, http2
from tests.wire.http2 import Frame, Kind

pytestmark = pytest.mark.slow

ANSWER_MAX_S = 0.1
MEMORY_MAX_BYTES = 64 * 2**20
TRIES_MAX = 10
"""Where the machine has much else to do: what delays others by itself does so each time."""

SETTLE_S = 15.0
"""How long the server may take to be itself again; it is asked all the while."""

PATH = f"/{grpc_v2.SERVICE}/CreateLease"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("abuse")
    ledger = large_ledger(folder)
    limits = ("--connection-idle", "1s", "--connection-age", "2s", "--grace", "1s", "--connections-max", "300")
    with serving(ledger, folder, "--log-level", "error", *limits, lasts_s=300) as server:
        for number in range(50):
            server.stub.CreateLease(asking.lease(LARGE.asked(), f"warm-{number}"), timeout=5)
        yield server
        server.ask_to_stop()
        assert server.exit_code() == 0


@contextlib.contextmanager
def survived(server: Server, capsys: pytest.CaptureFixture[str], name: str) -> Iterator[None]:
    """Whatever the block does, the server is soon as it was before."""
    before_bytes = memory_bytes(server)
    yield
    most_bytes, until_s = memory_bytes(server), time.monotonic() + SETTLE_S
    while True:
        lasted_s, grown_bytes = probe(server), memory_bytes(server) - before_bytes
        most_bytes = max(most_bytes, memory_bytes(server))
        if lasted_s < ANSWER_MAX_S and grown_bytes < MEMORY_MAX_BYTES:
            break
        assert time.monotonic() < until_s, f"answers after {lasted_s:.3f} s, {grown_bytes / 2**20:.0f} MiB more"
        time.sleep(0.05)
    with capsys.disabled():
        megabytes = [number / 2**20 for number in (before_bytes, most_bytes - before_bytes, grown_bytes)]
        print(  # noqa: T201 - figures, seen with -s
            f"\n{name}: probe {lasted_s * 1000:.1f} ms; memory {megabytes[0]:.0f} MiB, at most "
            f"+{megabytes[1]:.1f}, afterwards +{megabytes[2]:.1f}"
        )


def probe(server: Server) -> float:
    """How long a proper caller waits on a connection of its own, which is made before."""
    with grpc.insecure_channel(server.address, options=(("grpc.use_local_subchannel_pool", 1),)) as channel:
        grpc.channel_ready_future(channel).result(SETTLE_S)
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/{grpc_v2.SERVICE}/CheckAvailability")
        began_s = time.monotonic()
        call(asking.check(LARGE.asked()).SerializeToString(), timeout=SETTLE_S)
        return time.monotonic() - began_s


def send(connection: socket.socket, data: bytes) -> bool:
    """Whether the server still took it."""
    try:
        connection.sendall(data)
    except OSError:
        return False
    return True


def message() -> bytes:
    body = asking.lease(LARGE.asked(), "abuse").SerializeToString()
    return b"\0" + len(body).to_bytes(4, "big") + body


# --- floods --------------------------------------------------------------------------------------------------------


def rapid_reset(server: Server) -> None:
    """CVE-2023-44487: each call is taken back as it is made, so that no limit of calls at once counts it."""
    with http2.connected(server.address) as connection:
        for first in range(1, 20_000, 200):
            burst = b"".join(
                http2.opened(stream, PATH) + Frame(Kind.RST_STREAM, 0, stream, http2.CANCEL).encode()
                for stream in range(first, first + 200, 2)
            )
            if not send(connection, burst):
                break


def rapid_reset_with_bodies(server: Server) -> None:
    body = message()
    with http2.connected(server.address) as connection:
        for stream in range(1, 6_000, 2):
            call = http2.opened(stream, PATH) + Frame(Kind.DATA, http2.END_STREAM, stream, body).encode()
            if not send(connection, call + Frame(Kind.RST_STREAM, 0, stream, http2.CANCEL).encode()):
                break


def continuation_flood(server: Server) -> None:
    """A header block that never ends: 16 MiB of it."""
    with http2.connected(server.address) as connection:
        block = http2.call_headers(PATH, {"x-long": "x" * 15_000})
        send(connection, Frame(Kind.HEADERS, 0, 1, block).encode())
        more = (
            Frame(Kind.CONTINUATION, 0, 1, b"\0" + bytes((6,)) + b"x-more" + bytes((100,)) + b"x" * 100).encode() * 100
        )
        for _ in range(1500):
            if not send(connection, more):
                break


def empty_continuation_flood(server: Server) -> None:
    with http2.connected(server.address) as connection:
        send(connection, Frame(Kind.HEADERS, 0, 1, http2.call_headers(PATH)).encode())
        for _ in range(100):
            if not send(connection, Frame(Kind.CONTINUATION, 0, 1, b"").encode() * 1000):
                break


def ping_flood(server: Server) -> None:
    with http2.connected(server.address) as connection:
        for _ in range(200):
            if not send(connection, http2.PING * 500):
                break


def settings_flood(server: Server) -> None:
    with http2.connected(server.address) as connection:
        for _ in range(200):
            if not send(connection, http2.SETTINGS * 500):
                break


FLOODS = (
    rapid_reset,
    rapid_reset_with_bodies,
    continuation_flood,
    empty_continuation_flood,
    ping_flood,
    settings_flood,
)


@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: flood.__name__)
def test_a_flood_passes_and_the_next_caller_is_answered(
    server: Server, flood: Callable[[Server], None], capsys: pytest.CaptureFixture[str]
) -> None:
    with survived(server, capsys, flood.__name__):
        flood(server)


def test_a_caller_that_pings_without_end_is_sent_away(server: Server) -> None:
    with http2.connected(server.address) as connection:
        for _ in range(20):
            send(connection, http2.PING * 50)
        gone = [frame for frame in http2.frames(connection) if frame.kind == Kind.GOAWAY]
    assert gone
    assert b"too_many_pings" in gone[0].payload


# --- those who take their time ----------------------------------------------------------------------------------


@contextlib.contextmanager
def held(server: Server, connections: int, said: bytes) -> Iterator[list[socket.socket]]:
    """So many connections that say that and no more, until the block ends."""
    with contextlib.ExitStack() as stack:
        taken = []
        for _ in range(connections):
            with contextlib.suppress(OSError):
                taken.append(stack.enter_context(http2.connected(server.address, said)))
        yield taken


SLOW = {
    "silent connections": b"",
    "half a preface": http2.PREFACE[:10],
    "greeted and idle": http2.GREETING,
    "half a header block": http2.GREETING + Frame(Kind.HEADERS, 0, 1, http2.call_headers(PATH)[:40]).encode(),
    "half a frame": http2.GREETING + http2.opened(1, PATH)[:20],
    "headers without a body": http2.GREETING + b"".join(http2.opened(stream, PATH) for stream in range(1, 21, 2)),
    "half a body": http2.GREETING
    + b"".join(
        http2.opened(stream, PATH) + Frame(Kind.DATA, 0, stream, message()[:-3]).encode() for stream in range(1, 21, 2)
    ),
}


@pytest.mark.parametrize("kind", SLOW)
def test_connections_that_stay_without_finishing_delay_nobody_and_are_closed(
    server: Server, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """200 at once. By the age of a connection and its grace, all are gone and their memory with them."""
    with survived(server, capsys, kind), held(server, 200, SLOW[kind]) as connections:
        assert len(connections) == 200
        assert any(probe(server) < ANSWER_MAX_S for _ in range(TRIES_MAX))
        for connection in connections:
            assert http2.is_closed(connection, SETTLE_S), "nobody keeps a connection for ever"


def test_more_connections_than_allowed_are_closed_and_leave_room_when_they_go(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    with survived(server, capsys, "600 connections of 300 allowed"), held(server, 600, http2.GREETING):
        files = len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
        assert files < 400, "each costs the server a file"

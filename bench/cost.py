"""What a lease costs the server's processor, as a multiple of what an echo costs the same transport in the same minute.

A ratio of processor times hardly moves when others use the machine, and moves when somebody makes a lease dearer. The
one that CI compares with is kept in kept.json. `python -m bench.cost` measures it, `--keep` keeps what it measured.

Its callers are Python's own gRPC, so that a machine without libnghttp2 can run it too: theirs is not what is counted.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import grpc.aio

from bench.databases import SqliteFiles
from bench.inventory import Inventory
from bench.machine import process_cpu_s
from bench.requests import METHODS, Encoder, Kind
from bench.servers import Server, echoing, serving
from bench.workloads import WORKLOADS

KEPT = Path(__file__).with_name("kept.json")
RISE_MAX = 1.25

CONNECTIONS, CALLERS = 4, 4
ROUNDS, CALLS_A_ROUND = 12, 300
_INVENTORY = Inventory(slots=1000)


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of the server's processor time for a call, and their ratio; medians of the rounds."""

    lease_us: float
    echo_us: float
    lease_per_echo: float

    def __str__(self) -> str:
        return (
            f"a lease costs the server {self.lease_us:.0f} us of processor time, an echo {self.echo_us:.0f}: "
            f"{self.lease_per_echo:.2f} times as much"
        )


def kept() -> Cost:
    return Cost(**json.loads(KEPT.read_text("utf-8")))


def measure(folder: Path, transport: str = "grpcio") -> Cost:
    """Takes some seconds: both servers, in turns, at CONNECTIONS times CALLERS calls at once."""
    with ExitStack() as stack:
        url = SqliteFiles(folder).fresh(_INVENTORY, folder)
        with _on_one_core():
            servers = (
                stack.enter_context(serving(url, folder, transport)),
                stack.enter_context(echoing(transport)),
            )
        rounds = asyncio.run(_rounds(servers))
    leases, echoes = zip(*rounds[1:], strict=True)  # the first one warms up
    ratios = [lease_us / echo_us for lease_us, echo_us in rounds[1:]]
    return Cost(round(median(leases), 1), round(median(echoes), 1), round(median(ratios), 3))


@contextmanager
def _on_one_core() -> Iterator[None]:
    """For processes that are started meanwhile. How threads of one process wake each other across cores makes up a
    third of what a call costs at one time and nothing at another: on one core the ratio stays within a tenth."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


async def _rounds(servers: Sequence[Server]) -> list[tuple[float, float]]:
    async with AsyncExitStack() as stack:
        askers = [
            (
                server.pid,
                [await stack.enter_async_context(_channel(server, number)) for number in range(CONNECTIONS)],
                _bodies(workload),
                METHODS["v2"][kind].path,
            )
            for server, workload, kind in zip(servers, ("lease-uniform", "echo"), (Kind.LEASE, Kind.ECHO), strict=True)
        ]
        found = []
        for _ in range(ROUNDS + 1):
            lease_us, echo_us = [await _round(*asker) for asker in askers]
            found.append((lease_us, echo_us))
        return found


def _channel(server: Server, number: int) -> grpc.aio.Channel:
    # An argument that differs keeps channels from sharing a connection.
    return grpc.aio.insecure_channel(server.address, options=[("bench.connection", number)])


def _bodies(workload: str) -> Iterator[bytes]:
    encoder = Encoder("v2", _INVENTORY)
    planned = WORKLOADS[workload].requests(_INVENTORY, workload)
    return (encoder.request(one).body for one in planned)


async def _round(pid: int, channels: Sequence[grpc.aio.Channel], bodies: Iterator[bytes], path: str) -> float:
    """Microseconds of the process for each call."""
    waiting = iter(list(islice(bodies, CALLS_A_ROUND)))
    calls = [_asking(channel, path) for channel in channels]

    async def caller(call: Callable[[bytes], Awaitable[bytes]]) -> None:
        for body in waiting:
            await call(body)

    before_s = process_cpu_s(pid)
    await asyncio.gather(*(caller(call) for call in calls for _ in range(CALLERS)))
    return (process_cpu_s(pid) - before_s) * 1e6 / CALLS_A_ROUND


def _asking(channel: grpc.aio.Channel, path: str) -> Callable[[bytes], Awaitable[bytes]]:
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
    return call


def main() -> None:
    with TemporaryDirectory() as folder:
        cost = measure(Path(folder))
    sys.stdout.write(f"{cost}; kept: {kept().lease_per_echo if KEPT.exists() else 'nothing'}\n")
    if "--keep" in sys.argv[1:]:
        KEPT.write_text(json.dumps(asdict(cost), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()

"""Servers to measure, each a process of its own, and the ledgers that they serve."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.inventory import Inventory
from slotlease.store.open import open_store

ROOT = Path(__file__).resolve().parents[1]
_ADDRESSES = {"grpc": re.compile(r" on (\S+), leases "), "rest": re.compile(r"Version 3 on http://([^/]+)")}
_LAST = "Metrics on "
"""How the announcement's last line begins, where metrics are served."""

WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """`start_s`: from starting the process to its first answer being possible."""

    process: subprocess.Popen[str]
    address: str
    start_s: float

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(WAIT_S)


def environment(*libraries: Path) -> dict[str, str]:
    """Ours, without an operator's own settings, and with libraries that are not where ours are."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("SLOTLEASE_")},
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "src", ROOT, *libraries))),
    }


@contextmanager
def serving(url: str, folder: Path, transport: str, options: Sequence[str] = ()) -> Iterator[Server]:
    """The whole product: validation, metrics and logs as they are by default. `transport` http: version 3."""
    command = [sys.executable, "-m", "slotlease.cli", "serve", "--store", url, "--grpc", "127.0.0.1:0"]
    command += ["--metrics", "127.0.0.1:0", "--log-format", "json", *options]
    command += ["--rest", "127.0.0.1:0"] if transport == "http" else []
    command += ["--transport", transport] if transport == "native" else []
    with (folder / "server.log").open("w") as log:
        began_s = time.monotonic()
        process = subprocess.Popen(  # noqa: S603 - our own program
            command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=log, text=True
        )
        try:
            told = _announcement(process)
            found = _ADDRESSES["rest" if transport == "http" else "grpc"].search(told)
            if found is None:
                said = told + (folder / "server.log").read_text()
                message = f"the server did not start; it said: {said.strip()[:600]}"
                raise RuntimeError(message)
            yield Server(process, found[1], time.monotonic() - began_s)
        finally:
            _end(process)


@contextmanager
def echoing(transport: str) -> Iterator[Server]:
    """The transport alone (echo.py)."""
    yield from _piped([sys.executable, "-m", "bench.echo", transport])


@contextmanager
def plain(url: str, inventory: Inventory) -> Iterator[Server]:
    """The booking server that is written the usual way (peers/plain.py)."""
    numbers = map(str, (inventory.slots, inventory.merchants, inventory.spots))
    command = [sys.executable, "-m", "bench.peers.plain", url, *numbers]
    yield from _piped(command, ROOT / "build" / "bench" / "peers")


@contextmanager
def compiled(program: Path) -> Iterator[Server]:
    """A server of client/: the sink, or the echo in C++."""
    yield from _piped([str(program)])


def _piped(command: Sequence[str], *libraries: Path) -> Iterator[Server]:
    began_s = time.monotonic()
    process = subprocess.Popen(  # noqa: S603 - our own program
        command, env=environment(*libraries), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        address = process.stdout.readline().strip()
        if not address:
            message = f"{' '.join(command)} did not start; run it by hand to see why"
            raise RuntimeError(message)
        yield Server(process, address, time.monotonic() - began_s)
    finally:
        _end(process)


def _announcement(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    lines: list[str] = []
    while not lines or (lines[-1] and not lines[-1].startswith(_LAST)):
        lines.append(process.stdout.readline())
    return "".join(lines)


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(WAIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(WAIT_S)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def audit_of_ledger(url: str, live: int | None) -> list[str]:
    """What `slotlease doctor` finds, and whether there are as many live leases as there should be (None: who knows)."""
    store = open_store(url)
    try:
        found = [f"{finding.rule}: {finding.where}: {finding.what}" for finding in store.audit()]
        if live is not None and live != store.live_leases():
            found.append(f"{store.live_leases()} leases are live, and callers were told of {live}")
        return found
    finally:
        store.close()

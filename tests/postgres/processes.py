"""Servers as people start them, each a process of its own, on a ledger in PostgreSQL."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

STARTS_WITHIN_S = 60.0
_ROOT = Path(__file__).parents[2]
_ADDRESS = re.compile(r" on (\S+), leases ")


@dataclass(frozen=True, slots=True)
class Server:
    process: subprocess.Popen[str]
    address: str

    def kill(self) -> None:
        """With SIGKILL; it is gone when this returns."""
        self.process.kill()
        self.process.wait(STARTS_WITHIN_S)


@contextmanager
def server_on(url: str, *options: str, skew_s: int = 0) -> Iterator[Server]:
    """`skew_s`: so much is its clock off. Ends in good order, where nobody killed it before."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLOTLEASE_")}
    environment["SKEW_S"] = str(skew_s)
    options = ("--grpc", "127.0.0.1:0", "--sweep-interval", "0", "--log-level", "error", *options)
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "tests.postgres.serve_askew", "serve", "--store", url, *options],
        cwd=_ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    too_late = threading.Timer(STARTS_WITHIN_S, process.kill)
    too_late.start()
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        too_late.cancel()
        address = _ADDRESS.search(line)
        assert address is not None, f"the server said {line!r}"
        yield Server(process, address[1])
    finally:
        too_late.cancel()
        process.terminate()
        process.wait(STARTS_WITHIN_S)
        if process.stdout is not None:
            process.stdout.close()

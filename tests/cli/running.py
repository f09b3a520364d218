"""Commands run as people run them, and servers as processes of their own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from slotlease.cli import main
from slotlease.inventory.example import write_example
from slotlease.inventory.feed import read_feed
from slotlease.inventory.importing import import_feed
from slotlease.store.open import open_store
from slotlease.wire.proto.v2.booking_service_pb2_grpc import BookingServiceStub

COMMAND = (sys.executable, "-m", "slotlease.cli")
WAIT_S = 30.0
"""Nothing here takes so long; a test that waits for it has failed."""

TOMORROW = (datetime.now(tz=UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)  # noqa: TID251 - commands run on the real clock


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> Outcome:
    """A command in this very process: fast, and the same code from the entry point on."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(words)
    printed = capsys.readouterr()
    code = ended.value.code
    return Outcome(code if isinstance(code, int) else int(bool(code)), printed.out, printed.err)


def run_process(*words: str, cwd: Path, lasts_s: float = WAIT_S) -> Outcome:
    done = subprocess.run(  # noqa: S603 - our own program
        [*COMMAND, *words], cwd=cwd, env=_environment(), capture_output=True, text=True, timeout=lasts_s, check=False
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def example_ledger(folder: Path) -> str:
    """A ledger with the example feeds from TOMORROW on; its address."""
    url = f"sqlite:///{folder / 'ledger.db'}"
    written = write_example(folder / "feeds", TOMORROW.date(), 2, generation_s=int(TOMORROW.timestamp()) - 86_400)
    store = open_store(url, create=True)
    try:
        with read_feed(written.paths) as feed:
            import_feed(store, feed)
    finally:
        store.close()
    return url


@dataclass
class Server:
    process: subprocess.Popen[str]
    line: str
    address: str
    log: Path
    channel: grpc.Channel

    @property
    def stub(self) -> BookingServiceStub:
        return BookingServiceStub(self.channel)

    def health(self) -> str:
        check = self.channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        answer = check(health_pb2.HealthCheckRequest(), timeout=WAIT_S)
        return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)

    def ask_to_stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self) -> int:
        return self.process.wait(WAIT_S)


@contextmanager
def serving(
    url: str, folder: Path, *options: str, shown: grpc.ChannelCredentials | None = None, lasts_s: float = WAIT_S
) -> Iterator[Server]:
    """A server on a free port of the loopback; stopped, however the test ends, and killed after `lasts_s`. `shown` is
    what the client that comes with it shows and trusts; plaintext without it."""
    log = folder / "server.log"
    with log.open("w", encoding="utf-8") as stderr:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [*COMMAND, "serve", "--store", url, "--grpc", "127.0.0.1:0", *options],
            cwd=folder,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        assert process.stdout is not None
        too_late = threading.Timer(lasts_s, process.kill)
        too_late.start()
        try:
            line = process.stdout.readline()
            address = re.search(r" on (\S+), leases ", line)
            assert address is not None, f"the server said {line!r}; its log: {log.read_text('utf-8')}"
            with grpc.secure_channel(address[1], shown) if shown else grpc.insecure_channel(address[1]) as channel:
                yield Server(process, line, address[1], log, channel)
        finally:
            too_late.cancel()
            process.terminate()
            process.wait(WAIT_S)
            process.stdout.close()


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("SLOTLEASE_")}

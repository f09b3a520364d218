"""Several processes that serve the same ports, and one that keeps them going and is itself asked for nothing.

Each worker is a whole server on the same ledger; the operating system spreads connections over them (SO_REUSEPORT).
What keeps them from selling twice is the database, as between servers on several machines.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Iterator
from typing import Final

import structlog

from slotlease.config import Settings, text_of
from slotlease.serving import CannotListen, Serving, metrics_served
from slotlease.store.address import shown
from slotlease.store.open import SQLITE_PREFIX
from slotlease.store.protocol import StoreRefused
from slotlease.telemetry import set_up_logs
from slotlease.telemetry.workers import SupervisorMetrics

COMMAND: Final = (sys.executable, "-m", "slotlease.worker")

PAUSE_LEAST_S = 0.5
PAUSE_MOST_S = 30.0
"""Before a worker that ended is begun anew, longer each time: what ends it at once would else only heat the machine."""

LIVED_S = 60.0
"""A worker that served for so long did not end because of how it began."""

LATE_S = 5.0
"""How much longer than drain and grace together a worker may take to end."""

_log = structlog.get_logger("slotlease.supervise")


class WorkersRefused(Exception):
    """The workers cannot serve; the text says why and what to do next."""


def run(settings: Settings, announce: Callable[[Serving], None]) -> None:
    """Keeps `settings.workers` processes serving until SIGTERM or SIGINT; returns when all have ended, which takes
    drain, grace and LATE_S at most; a second signal ends them at once.

    Raises StoreRefused, CannotListen, WorkersRefused."""
    if settings.store.startswith(SQLITE_PREFIX):
        message = (
            f"--workers {settings.workers} needs PostgreSQL: a ledger in a SQLite file has one writer at a time, and"
            " more processes would only wait for each other; leave --workers out, or move the ledger with"
            " `slotlease store copy`"
        )
        raise StoreRefused(message)
    set_up_logs(settings.log_format, settings.log_level)
    metrics = SupervisorMetrics()
    with metrics_served(settings, metrics) as metrics_address, _held_ports(settings) as theirs:
        asyncio.run(_Supervisor(settings, theirs, metrics).run(announce, metrics_address))


@contextlib.contextmanager
def _held_ports(settings: Settings) -> Iterator[Settings]:
    """The settings with the ports that the workers share. They are held while the block runs, by sockets on which
    nobody listens, so that between two lives of a worker no other program takes them. Raises CannotListen."""
    with contextlib.ExitStack() as stack:
        found = {}
        for name in ("grpc", "rest"):
            address: str = getattr(settings, name)
            if address != "off":
                held = stack.enter_context(_held(address))
                found[name] = f"{address.rpartition(':')[0]}:{held.getsockname()[1]}"
        yield settings.model_copy(update=found)


def _held(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    try:
        family, kind, _, _, place = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
        # First alone: whoever shares a port with strangers answers only some of its calls, and nobody is told.
        with socket.socket(family, kind) as alone:
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind(place)
            place = alone.getsockname()
        held = socket.socket(family, kind)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(place)
    except OSError as error:
        message = (
            f"cannot listen on {address}: another program has the port, or the host is no address of this machine; "
            "stop the other program or choose another HOST:PORT"
        )
        raise CannotListen(message) from error
    return held


def job_of(number: int, settings: Settings) -> bytes:
    """What the worker of that number (from 1 on) is told to do, for `worker.py` to read."""
    texts = {name: text_of(getattr(settings, name)) for name in Settings.model_fields}
    if settings.metrics != "off":
        texts["metrics"] = "127.0.0.1:0"
    if number > 1:
        # Harmless in all of them, for it works under the merchants' locks like any request; but once is enough.
        texts["sweep_interval"] = "0"
    return json.dumps(texts).encode() + b"\n"


class _Worker:
    """One of the processes, in all its lives."""

    def __init__(self, number: int, settings: Settings, metrics: SupervisorMetrics) -> None:
        self.number = number
        self._metrics = metrics
        self._job = job_of(number, settings)
        self._process: Process | None = None

    async def begin(self) -> None:
        """Returns when it serves. Raises WorkersRefused."""
        # A session of its own: Ctrl-C is for the supervisor, which asks each worker once.
        self._process = await asyncio.create_subprocess_exec(*COMMAND, stdin=PIPE, stdout=PIPE, start_new_session=True)
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        assert self._process.stdout is not None  # noqa: S101 - as above
        with contextlib.suppress(ConnectionError):
            # Not by its environment or its arguments, which others may see: the store's address may hold a password.
            self._process.stdin.write(self._job)
            await self._process.stdin.drain()
        said = await self._process.stdout.readline()
        told = json.loads(said) if said.endswith(b"\n") else {}
        if "metrics_port" not in told:
            code = await self._process.wait()
            message = f"worker {self.number} ended with exit code {code} before it served; its log says why"
            raise WorkersRefused(told.get("refused", message))
        if told["metrics_port"]:
            self._metrics.pages.began(self.number, told["metrics_port"])
        self._metrics.workers.inc()

    async def ended(self) -> int:
        """Its exit code, when it has ended."""
        assert self._process is not None, "it has begun"  # noqa: S101 - a mistake of ours
        return await self._process.wait()

    def ask_to_stop(self) -> None:
        """By closing what it listens to: a signal may have reached it already, and the second would cut it off."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.returncode is None


class _Supervisor:
    def __init__(self, settings: Settings, theirs: Settings, metrics: SupervisorMetrics) -> None:
        self._settings = settings
        self._theirs = theirs
        self._metrics = metrics
        self._workers = [_Worker(number + 1, theirs, metrics) for number in range(settings.workers)]

    async def run(self, announce: Callable[[Serving], None], metrics_address: str) -> None:
        keeping: list[asyncio.Task[None]] = []
        with self._stop_signals() as asked_to_stop:
            try:
                if not await self._all_begun(asked_to_stop):
                    return
                rest = "" if self._theirs.rest == "off" else self._theirs.rest
                announce(Serving(shown(self._settings.store), self._theirs.grpc, self._settings, metrics_address, rest))
                keeping = [asyncio.create_task(self._keep(worker)) for worker in self._workers]
                await asked_to_stop.wait()
                _log.info("stopping", grace_s=self._settings.grace.total_seconds())
            finally:
                for task in keeping:
                    task.cancel()
                await self._stop()

    async def _all_begun(self, asked_to_stop: asyncio.Event) -> bool:
        """False where the operator asked for the end before. Raises WorkersRefused."""
        beginning = [asyncio.create_task(worker.begin()) for worker in self._workers]
        asked = asyncio.create_task(asked_to_stop.wait())
        begun = asyncio.gather(*beginning)
        await asyncio.wait((begun, asked), return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if begun.done():
            begun.result()
            return True
        begun.cancel()
        await asyncio.gather(begun, return_exceptions=True)
        return False

    async def _keep(self, worker: _Worker) -> None:
        pause_s = PAUSE_LEAST_S
        while True:
            began_s = time.monotonic()
            code = await worker.ended()
            self._metrics.workers.dec()
            self._metrics.pages.ended(worker.number)
            if time.monotonic() - began_s >= LIVED_S:
                pause_s = PAUSE_LEAST_S
            _log.error("worker ended", worker=worker.number, exit_code=code, pause_s=pause_s)
            pause_s = await self._begin_anew(worker, pause_s)

    async def _begin_anew(self, worker: _Worker, pause_s: float) -> float:
        """How long to wait the next time."""
        while True:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MOST_S)
            self._metrics.restarts.inc()
            try:
                await worker.begin()
            except WorkersRefused as refused:
                _log.error("worker refused", worker=worker.number, reason=str(refused), pause_s=pause_s)
            else:
                _log.info("worker begun anew", worker=worker.number)
                return pause_s

    async def _stop(self) -> None:
        for worker in self._workers:
            worker.ask_to_stop()
        running = [asyncio.create_task(worker.ended()) for worker in self._workers if worker.runs]
        if not running:
            return
        settings = self._settings
        in_time_s = (settings.drain + settings.grace).total_seconds() + LATE_S
        _, late = await asyncio.wait(running, timeout=in_time_s)
        if late:
            _log.warning("stopped with work unfinished")
            for worker in self._workers:
                worker.kill()
            await asyncio.wait(late)
        else:
            _log.info("stopped")

    @contextlib.contextmanager
    def _stop_signals(self) -> Iterator[asyncio.Event]:
        """An event that SIGTERM or SIGINT sets. A second signal waits for nothing."""
        loop, asked = asyncio.get_running_loop(), asyncio.Event()

        def stop() -> None:
            if asked.is_set():
                for worker in self._workers:
                    worker.kill()
            asked.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        yield asked

"""Puts the parts together, serves until SIGTERM or Ctrl-C, and then stops without losing what it has begun."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from slotlease.certificate import Certificate, look_often, open_certificate
from slotlease.config import Settings
from slotlease.desk.desk import Desk
from slotlease.desk.health_watch import HealthWatch
from slotlease.desk.sweeper import Sweeper
from slotlease.desk.tally import Tally
from slotlease.domain.lease import LeaseTerms
from slotlease.domain.opaque_id import SECRET_BYTES
from slotlease.domain.policy import Rules
from slotlease.serving import CannotListen, Serving, metrics_served
from slotlease.store.address import shown
from slotlease.store.clock import system_clock
from slotlease.store.open import open_store
from slotlease.store.protocol import Store
from slotlease.telemetry import Report, on_stray_of_loop, reporter, set_up_logs, tell_strays
from slotlease.telemetry.metrics import Metrics
from slotlease.telemetry.traces import open_traces
from slotlease.transport import GrpcTransport, Handler, Limits
from slotlease.transport_native import NativeTransport
from slotlease.wire import grpc_v0, grpc_v2
from slotlease.wire.admission import Admission
from slotlease.wire.bridge import AskDesk, ask_in_turn
from slotlease.wire.callers import Callers

if TYPE_CHECKING:
    from slotlease.transport_http import HttpTransport

INCIDENT_BYTES = 6
LEAST_GRACE_S = 0.5
"""What even a server without grace takes to hand out answers that are there already."""

SECRETS_AT_ONCE = 256

GARBAGE_OBJECTS = 10_000
"""Made since the last look for garbage; Python's own 700 are reached by a few dozen requests."""

ON_THEIR_WAY_S = 0.2
"""Longer than a call takes from its caller to us."""

_log = structlog.get_logger("slotlease.serve")


def run(settings: Settings, announce: Callable[[Serving], None], *, shares_ports: bool = False) -> None:
    """Serves until SIGTERM or SIGINT; returns when all that was begun is done or its time is up. With `shares_ports`
    other processes may serve the same ports: the system spreads connections over them.

    Raises StoreRefused, StoreUnavailable, CannotListen, CertificateRefused, TracesMissing, TransportMissing."""
    set_up_logs(settings.log_format, settings.log_level)
    traces = open_traces() if settings.traces else None
    metrics = Metrics(traces)
    # Before the ledger is opened: what cannot be served is found out while nothing has begun.
    with metrics_served(settings, metrics) as metrics_address:
        report = reporter(new_incident, metrics.incidents.inc)
        tell_strays(report)
        certificate = open_certificate(settings, metrics, system_clock)
        store = open_store(settings.store, serve=True)
        if store.schema.before != store.schema.now:
            _log.info("schema brought up to date", before=store.schema.before, now=store.schema.now)
        desk = Desk(
            store,
            Rules(store.fingerprint_key, lease_terms(settings)),
            report,
            waiting_max=settings.queue_max,
            batch_max=settings.batch_max,
            tally=Tally(metrics, store.live_leases),
            by_merchant=settings.store_scope == "merchant",
        )
        server = _Server(settings, store, desk, report, metrics, certificate, shares_ports=shares_ports)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(server.run(announce, metrics_address))
    if traces is not None:
        traces.close()


def new_secret() -> bytes:
    """The random part of a lease's or a booking's id."""
    return secrets.token_bytes(SECRET_BYTES)


class ManySecrets:
    """The same for many ids, on any thread. Each draw gives up the interpreter's lock, which another thread may keep
    for milliseconds: so many are drawn at once."""

    def __init__(self) -> None:
        self._drawing = threading.Lock()
        self._drawn: list[bytes] = []

    def __call__(self) -> bytes:
        with self._drawing:
            if not self._drawn:
                drawn = secrets.token_bytes(SECRET_BYTES * SECRETS_AT_ONCE)
                self._drawn = [drawn[at : at + SECRET_BYTES] for at in range(0, len(drawn), SECRET_BYTES)]
            return self._drawn.pop()


def _collect_less_garbage() -> None:
    """What was made by now stays: looked through with each full collection it would cost tens of milliseconds. A
    request leaves next to no cycles, and a batch holds thousands of objects that are all in use."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS)


def new_incident() -> str:
    return secrets.token_hex(INCIDENT_BYTES)


def lease_terms(settings: Settings) -> LeaseTerms:
    return LeaseTerms(
        min_us=_us(settings.lease_min), max_us=_us(settings.lease_max), default_us=_us(settings.lease_default)
    )


def _us(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop  # noqa: PLC0415 - it is not there on Windows

    return uvloop.new_event_loop


class _Server:
    """One run of the server, all on its event loop but for the threads of the desk and of the sweeper."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        desk: Desk,
        report: Report,
        metrics: Metrics,
        certificate: Certificate | None,
        *,
        shares_ports: bool,
    ) -> None:
        self._settings = settings
        self._certificate = certificate
        self._store = store
        self._desk = desk
        self._report = report
        self._metrics = metrics
        self._watch: HealthWatch | None = None
        self._sweeper = Sweeper(store, desk, settings.sweep_interval.total_seconds(), report)
        self._transports: list[GrpcTransport | NativeTransport | HttpTransport] = []
        self._shares_ports = shares_ports

    async def run(self, announce: Callable[[Serving], None], metrics_address: str) -> None:
        settings = self._settings
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(on_stray_of_loop(self._report))
        try:
            with _stop_signals(loop) as asked_to_stop:
                ask = ask_in_turn if settings.transport == "native" else AskDesk(self._desk)
                report, key, new_secret = self._report, self._store.fingerprint_key, ManySecrets()
                admission = self._admission()
                handlers = {
                    **grpc_v2.handlers(
                        ask,
                        new_secret=new_secret,
                        report=report,
                        admission=admission,
                        metrics=self._metrics,
                        leases=settings.leases,
                    ),
                    **grpc_v0.handlers(
                        ask,
                        fingerprint_key=key,
                        new_secret=new_secret,
                        report=report,
                        admission=admission,
                        metrics=self._metrics,
                        leases=settings.leases,
                    ),
                }
                port = await self._serve_grpc(handlers)
                rest_address = await self._serve_rest(admission)
                _collect_less_garbage()
                self._metrics.serving.set(1)
                self._watch = self._health_watch(loop)
                self._watch.start()
                self._sweeper.start()
                looking = asyncio.create_task(look_often(self._certificate))
                host = settings.grpc.rpartition(":")[0]
                announce(Serving(shown(settings.store), f"{host}:{port}", settings, metrics_address, rest_address))
                await asked_to_stop.wait()
                looking.cancel()
                _log.info("stopping", grace_s=settings.grace.total_seconds())
                self._watch.stop()
                self._metrics.serving.set(0)
                await asyncio.gather(*(transport.drain() for transport in self._transports))
                await asyncio.sleep(settings.drain.total_seconds())
        finally:
            await self._stop()

    def _limits(self) -> Limits:
        settings = self._settings
        return Limits(
            connections_max=settings.connections_max,
            idle_s=settings.connection_idle.total_seconds(),
            age_s=settings.connection_age.total_seconds(),
            age_grace_s=settings.grace.total_seconds(),
            shares_port=self._shares_ports,
        )

    def _admission(self) -> Admission:
        settings = self._settings
        # Whoever is not asked for a certificate has no name either.
        callers = Callers(settings.tls_client_names) if settings.tls_client_roots is not None else None
        admission = Admission(settings.calls_max, callers)
        self._metrics.calls_in_flight.set_function(lambda: admission.calls)
        return admission

    async def _serve_grpc(self, handlers: Mapping[str, Handler]) -> int:
        """The port. Raises CannotListen, TransportMissing."""
        settings, limits = self._settings, self._limits()
        if settings.transport == "native":
            native = NativeTransport(handlers, self._desk, self._report, reflection=settings.reflection, limits=limits)
            self._transports.append(native)
            port = native.bind(settings.grpc)
            await native.start()
            return port
        transport = GrpcTransport(handlers, reflection=settings.reflection, limits=limits)
        self._transports.append(transport)
        port = transport.bind(settings.grpc, self._certificate)
        await transport.start()
        return port

    async def _serve_rest(self, admission: Admission) -> str:
        """HOST:PORT of version 3; empty where it is off. Raises CannotListen."""
        settings = self._settings
        if settings.rest == "off":
            return ""
        # Slow to import, and most servers of the older versions need none of it.
        from slotlease.transport_http import HttpTransport  # noqa: PLC0415 - see above
        from slotlease.wire import rest_v3  # noqa: PLC0415 - see above
        from slotlease.wire.doorkeeper import Doorkeeper  # noqa: PLC0415 - see above

        doorkeeper = Doorkeeper(
            self._store,
            system_clock,
            open_without=not settings.rest_needs_credential,
            open_to_forwarded=settings.insecure,
        )
        if doorkeeper.lets_nobody_in:
            message = (
                f"version 3 on {settings.rest} can be reached from other machines, and nobody has a password for it; "
                "make one with `slotlease credential add NAME`, or listen on 127.0.0.1"
            )
            raise CannotListen(message)
        self._metrics.credential_days_left.set_function(doorkeeper.days_left)
        transport = HttpTransport(certificate=self._certificate)
        self._transports.append(transport)
        port = transport.bind(settings.rest, shares_port=self._shares_ports)
        application = rest_v3.application(
            AskDesk(self._desk),
            new_secret=new_secret,
            report=self._report,
            admission=admission,
            is_serving=lambda: transport.is_serving,
            doorkeeper=doorkeeper,
            metrics=self._metrics,
            leases=settings.leases,
            prefix=settings.rest_prefix,
        )
        await transport.start(application)
        return f"{settings.rest.rpartition(':')[0]}:{port}"

    async def _stop(self) -> None:
        """The desk closes first, while calls still arrive: what it has taken is answered, and the rest gets a proper
        UNAVAILABLE. A server library that stops cuts whatever it has not begun to read, and that caller sees CANCELLED:
        hence the moment in which calls on their way still arrive and are refused.

        What outlasts the grace is cut without an answer; its commit is whole or was never made, and its caller asks
        again with its token.
        """
        until_s = time.monotonic() + self._settings.grace.total_seconds()
        self._sweeper.stop()
        if self._watch is not None:
            self._watch.stop()
        # Even with no grace, a desk that has nothing to do closes at once.
        finished = await _within(max(LEAST_GRACE_S, until_s - time.monotonic()), self._finish)
        if finished and self._transports:
            await asyncio.sleep(ON_THEIR_WAY_S)
        grace_s = max(LEAST_GRACE_S, until_s - time.monotonic()) if finished else 0
        await asyncio.gather(*(transport.stop(grace_s) for transport in self._transports))
        if finished:
            self._store.close()
            _log.info("stopped")
        else:
            # The store's writer is still at work, and closing would wait for it. It ends with the process.
            _log.warning("stopped with work unfinished")

    def _finish(self) -> None:
        self._desk.close()
        self._sweeper.join()
        if self._watch is not None:
            self._watch.join()

    def _health_watch(self, loop: asyncio.AbstractEventLoop) -> HealthWatch:
        async def tell(*, serving: bool) -> None:
            for transport in self._transports:
                await transport.tell_health(serving=serving)
            self._metrics.serving.set(serving)
            _log.log(logging.INFO if serving else logging.ERROR, "health", serving=serving)

        return HealthWatch(
            self._store,
            self._report,
            interval_s=self._settings.probe_interval.total_seconds(),
            patience_s=self._settings.probe_patience.total_seconds(),
            tell=lambda serving: asyncio.run_coroutine_threadsafe(tell(serving=serving), loop),
            failed=self._metrics.store_probe_failures.inc,
        )


@contextlib.contextmanager
def _stop_signals(loop: asyncio.AbstractEventLoop) -> Iterator[asyncio.Event]:
    """An event that SIGTERM or SIGINT sets. A second signal no longer waits for anything: it ends the process, which
    costs nobody what was acknowledged."""
    asked = asyncio.Event()
    numbers = (signal.SIGTERM, signal.SIGINT)

    def stop() -> None:
        asked.set()
        for number in numbers:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in numbers:
        loop.add_signal_handler(number, stop)
    yield asked


async def _within(seconds: float, work: Callable[[], None]) -> bool:
    """Whether the work, on a thread that nobody waits for at the end of the process, was done in time."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def run_and_tell() -> None:
        work()
        # After its time is up the loop may be gone, and with it whoever wanted to know.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=run_and_tell, name="closing", daemon=True).start()
    try:
        await asyncio.wait_for(done.wait(), seconds)
    except TimeoutError:
        return False
    return True

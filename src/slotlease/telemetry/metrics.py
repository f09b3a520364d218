"""Every metric by name, in one list. `docs/operate/README.md` says what each means and what to alert on; a test holds
the two together.

No label holds anything that a caller chose: every one has a few values, known beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

from slotlease.telemetry.traces import Traces

CALL_BUCKETS_S: Final = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    1.5,
    2.5,
    4.0,
    5.0,
    7.5,
    10.0,
    15.0,
)
"""OpenTelemetry's advice for `rpc.server.call.duration`, finer below (a lease takes a millisecond), and with a bucket
that ends exactly at each of Google's limits: 1.5 s, 4 s, 5 s and 15 s."""

SYSTEMS: Final = {"v3": "http"}
"""What a version is spoken over, where that is not gRPC. OpenTelemetry has no name for methods over JSON and HTTP."""

_COMMIT_BUCKETS_S: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_SIZE_BUCKETS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

# A second series for each one, saying when it began: nothing here is counted from that.
disable_created_metrics()  # type: ignore[no-untyped-call] # the library left it out


class Metrics:
    """One server's numbers. Each has its own registry, so two servers in one process stay apart. What is measured
    goes to `traces` as well, where there are any."""

    def __init__(self, traces: Traces | None = None) -> None:
        self.traces = traces
        self.registry = CollectorRegistry()
        self._list_calls()
        self._list_desk()
        self._list_faults_and_certificate()
        # Memory, processor time, open files.
        ProcessCollector(registry=self.registry)

    def _list_calls(self) -> None:
        counter, gauge, histogram = self._counter, self._gauge, self._histogram

        # --- calls: wire/interceptor.py
        self.calls = counter(
            "slotlease_calls_total", "Calls answered, by how they ended.", "version", "method", "code", "cause"
        )
        self.call_duration = histogram(
            "rpc_server_call_duration_seconds",
            "How long calls took, from their bytes to their answer's.",
            CALL_BUCKETS_S,
            "rpc_system_name",
            "rpc_method",
            "rpc_response_status_code",
        )

        # --- admission and health: wire/, transport.py
        self.calls_in_flight = gauge("slotlease_calls_in_flight", "Calls being answered now.")
        self.serving = gauge("slotlease_health_serving", "1 while health answers SERVING, else 0.")
        self.credential_days_left = gauge(
            "slotlease_credential_days_left", "Until version 3 lets nobody in; infinite where it asks nobody."
        )
        self.store_probe_failures = counter("slotlease_store_probe_failures_total", "Probes the store did not answer.")

    def _list_desk(self) -> None:
        counter, gauge, histogram = self._counter, self._gauge, self._histogram

        # --- the desk: desk/tally.py
        self.queue_depth = gauge("slotlease_queue_depth", "Requests that wait for their batch.", "lane")
        self.batch_size = histogram(
            "slotlease_batch_requests", "Requests that shared one batch.", _SIZE_BUCKETS, "lane"
        )
        self.batch_duration = histogram(
            "slotlease_batch_duration_seconds", "A batch from its beginning to its answers.", _COMMIT_BUCKETS_S, "lane"
        )
        self.commit_duration = histogram(
            "slotlease_commit_duration_seconds", "Writing a batch and committing it durably.", _COMMIT_BUCKETS_S
        )
        self.batch_repeats = counter("slotlease_batch_repeats_total", "Batches begun again, by why.", "why")
        self.store_unavailable = counter("slotlease_store_unavailable_total", "Batches the store refused.", "lane")

        # --- what became of leases and tokens: desk/tally.py
        self.live_leases = gauge("slotlease_live_leases", "Leases that hold a spot now.")
        self.leases = counter("slotlease_leases_total", "Leases by what became of them.", "became")
        self.bookings_created = counter("slotlease_bookings_created_total", "Bookings made.")
        self.replays = counter("slotlease_replays_total", "Repeats answered with the first answer.", "method")
        self.token_conflicts = counter("slotlease_token_conflicts_total", "Tokens sent with other content.", "method")

    def _list_faults_and_certificate(self) -> None:
        counter, gauge = self._counter, self._gauge

        # --- faults
        self.incidents = counter("slotlease_incidents_total", "Mistakes of ours; each is in the log.")

        # --- TLS: not a number where the port speaks without it
        self.certificate_days_left = gauge("slotlease_certificate_days_left", "Days until our certificate ends.")
        self.certificate_days_left.set(math.nan)
        self.certificate_refused = gauge(
            "slotlease_certificate_files_refused", "1 while changed certificate files cannot be used, else 0."
        )
        self.certificate_reload_failures = counter(
            "slotlease_certificate_reload_failures_total", "Changed certificate files that could not be used."
        )

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(name, meaning, labels, registry=self.registry)

    def _histogram(self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, meaning, labels, buckets=buckets, registry=self.registry)

    def calls_of(self, version: str, method: str, rpc_method: str) -> CallEnded:
        """What to call at the end of each call of that method, with its code, its cause and how many seconds it took.

        `rpc_method` is "package.Service/Method". The code is a status code's name, the cause one of ours by name, or
        "": neither may be a caller's text, nor a number that grows.
        """
        traces, system = self.traces, SYSTEMS.get(version, "grpc")
        ends: dict[tuple[str, str], tuple[Callable[[], None], Callable[[float], None]]] = {}

        def ended(code: str, cause: str, duration_s: float) -> None:
            known = ends.get((code, cause))
            if known is None:
                calls = self.calls.labels(version, method, code, cause)
                known = ends[code, cause] = calls.inc, self.call_duration.labels(system, rpc_method, code).observe
            count, observe = known
            count()
            observe(duration_s)
            if traces is not None:
                traces.call(system, rpc_method, code, cause, duration_s)

        return ended


CallEnded = Callable[[str, str, float], None]

"""The numbers of several workers, read as those of one server: real pages, real ports."""

from __future__ import annotations

import math
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from prometheus_client import Gauge

from slotlease.telemetry import workers
from slotlease.telemetry.metrics import Metrics
from slotlease.telemetry.metrics_page import metrics_page
from slotlease.telemetry.workers import GAUGES, SupervisorMetrics
from tests.telemetry.reading import page, samples, value_on


@contextmanager
def told(supervisor: SupervisorMetrics, *servers: Metrics) -> Iterator[str]:
    """The supervisor's page, with each of the servers as a worker: 1, 2 and so on."""
    with ExitStack() as stack:
        for number, metrics in enumerate(servers, start=1):
            supervisor.pages.began(number, stack.enter_context(metrics_page(metrics, "127.0.0.1", 0)))
        yield f"127.0.0.1:{stack.enter_context(metrics_page(supervisor, '127.0.0.1', 0))}"


def ended(metrics: Metrics, code: str = "OK", seconds: float = 0.002) -> None:
    metrics.calls_of("v2", "CreateLease", "package.Service/CreateLease")(code, "", seconds)


def test_what_workers_count_is_summed() -> None:
    one, other = Metrics(), Metrics()
    ended(one)
    ended(other)
    ended(other)
    ended(other, "UNAVAILABLE", 3.0)
    with told(SupervisorMetrics(), one, other) as address:
        text = page(address)
    calls = {"version": "v2", "method": "CreateLease", "cause": ""}
    assert value_on(text, "slotlease_calls_total", code="OK", **calls) == 3
    assert value_on(text, "slotlease_calls_total", code="UNAVAILABLE", **calls) == 1
    of = {"rpc_system_name": "grpc", "rpc_method": "package.Service/CreateLease"}
    duration = "rpc_server_call_duration_seconds"
    assert value_on(text, f"{duration}_count", rpc_response_status_code="OK", **of) == 3
    assert value_on(text, f"{duration}_bucket", le="0.0025", rpc_response_status_code="OK", **of) == 3
    assert value_on(text, f"{duration}_bucket", le="0.001", rpc_response_status_code="OK", **of) == 0
    assert value_on(text, f"{duration}_sum", rpc_response_status_code="UNAVAILABLE", **of) == 3.0
    assert "# TYPE slotlease_calls_total counter" in text
    assert f"# TYPE {duration} histogram" in text


def test_what_a_worker_counted_stays_when_it_ends_and_its_successor_counts_on() -> None:
    """A counter that falls looks to Prometheus like one that began anew, and all of the rest would count twice."""
    supervisor, first, other = SupervisorMetrics(), Metrics(), Metrics()
    first.bookings_created.inc(5)
    other.bookings_created.inc(2)
    first.calls_in_flight.set(7)
    with told(supervisor, first, other) as address:
        assert value_on(page(address), "slotlease_bookings_created_total") == 7
        supervisor.pages.ended(1)
        without = page(address)
        assert value_on(without, "slotlease_bookings_created_total") == 7
        assert value_on(without, "slotlease_calls_in_flight") == 0
        successor = Metrics()
        successor.bookings_created.inc()
        with metrics_page(successor, "127.0.0.1", 0) as port:
            supervisor.pages.began(1, port)
            assert value_on(page(address), "slotlease_bookings_created_total") == 8
            assert value_on(page(address), "slotlease_bookings_created_total") == 8, "reading counts nothing"
            supervisor.pages.ended(1)
        assert value_on(page(address), "slotlease_bookings_created_total") == 8


def test_each_gauge_says_of_all_workers_what_an_operator_would_want_to_know() -> None:
    one, other = Metrics(), Metrics()
    for metrics, number in ((one, 3.0), (other, 5.0)):
        metrics.calls_in_flight.set(number)
        metrics.queue_depth.labels("writes").set(number)
        metrics.live_leases.set(number)
        metrics.credential_days_left.set(number)
        metrics.certificate_refused.set(number == 3)
        metrics.serving.set(number == 3)
    with told(SupervisorMetrics(), one, other) as address:
        text = page(address)
    assert value_on(text, "slotlease_calls_in_flight") == 8
    assert value_on(text, "slotlease_queue_depth", lane="writes") == 8
    assert value_on(text, "slotlease_live_leases") == 5
    assert value_on(text, "slotlease_credential_days_left") == 3
    assert value_on(text, "slotlease_certificate_files_refused") == 1
    assert value_on(text, "slotlease_health_serving") == 0


def test_a_number_that_one_worker_does_not_know_is_the_others() -> None:
    one, other = Metrics(), Metrics()
    one.live_leases.set(math.nan)
    other.live_leases.set(4)
    with told(SupervisorMetrics(), one, other) as address:
        text = page(address)
    assert value_on(text, "slotlease_live_leases") == 4
    assert math.isnan(value_on(text, "slotlease_certificate_days_left") or 0), "no worker knows it"


def test_every_gauge_has_its_rule() -> None:
    gauges = {metric._name for metric in vars(Metrics()).values() if isinstance(metric, Gauge)}  # noqa: SLF001 - the library tells it no other way
    assert gauges == set(GAUGES)


def test_memory_and_open_files_are_told_of_each_process_by_its_worker() -> None:
    with told(SupervisorMetrics(), Metrics(), Metrics()) as address:
        text = page(address)
    of = {dict(labels)["worker"] for name, labels in samples(text) if name == "process_open_fds"}
    assert of == {"1", "2", "supervisor"}


def test_a_worker_that_does_not_answer_is_told_with_its_last_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "READ_MAX_S", 0.05)
    supervisor, metrics = SupervisorMetrics(), Metrics()
    metrics.bookings_created.inc(5)
    with told(supervisor, metrics) as address, socket.create_server(("127.0.0.1", 0)) as silent:
        page(address)
        supervisor.pages.began(1, silent.getsockname()[1])
        assert value_on(page(address), "slotlease_bookings_created_total") == 5


def test_the_supervisor_tells_how_many_workers_serve_and_how_many_were_begun_anew() -> None:
    supervisor = SupervisorMetrics()
    supervisor.workers.set(3)
    supervisor.restarts.inc(2)
    with told(supervisor) as address:
        text = page(address)
    assert (value_on(text, "slotlease_workers"), value_on(text, "slotlease_worker_restarts_total")) == (3, 2)


def test_where_no_worker_is_left_health_is_not_silent_but_0() -> None:
    supervisor = SupervisorMetrics()
    with told(supervisor) as address:
        assert value_on(page(address), "slotlease_health_serving") == 0
        assert "_created" not in page(address)

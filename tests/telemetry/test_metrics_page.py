"""The page that Prometheus reads."""

from __future__ import annotations

import math
import socket
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from slotlease.telemetry.metrics import Metrics
from slotlease.telemetry.metrics_page import metrics_page
from tests.telemetry.reading import PAGE_TIMEOUT_S, page, value_on

BOOKING_SERVICE = "ext.maps.booking.partner.v2.BookingService"


def test_the_page_has_what_was_counted_and_each_servers_own() -> None:
    metrics, others = Metrics(), Metrics()
    ended = metrics.calls_of("v2", "CreateLease", f"{BOOKING_SERVICE}/CreateLease")
    ended("OK", "", 0.0012)
    ended("OK", "SLOT_UNAVAILABLE", 4.0)
    ended("OK", "", 4.001)
    metrics.calls_of("v3", "CreateLease", "S/CreateLease")("OK", "", 0.002)
    with metrics_page(metrics, "127.0.0.1", 0) as port, metrics_page(others, "127.0.0.1", 0) as other_port:
        text = page(f"127.0.0.1:{port}")
        assert "CreateLease" not in page(f"127.0.0.1:{other_port}")
    calls = {"version": "v2", "method": "CreateLease", "code": "OK"}
    assert value_on(text, "slotlease_calls_total", **calls, cause="") == 2
    assert value_on(text, "slotlease_calls_total", **calls, cause="SLOT_UNAVAILABLE") == 1
    durations = {
        "rpc_system_name": "grpc",
        "rpc_method": f"{BOOKING_SERVICE}/CreateLease",
        "rpc_response_status_code": "OK",
    }
    assert value_on(text, "rpc_server_call_duration_seconds_count", **durations) == 3
    over_http = durations | {"rpc_system_name": "http", "rpc_method": "S/CreateLease"}
    assert value_on(text, "rpc_server_call_duration_seconds_count", **over_http) == 1
    assert value_on(text, "rpc_server_call_duration_seconds_bucket", **durations, le="4.0") == 2


def test_without_tls_there_is_no_number_of_days_to_be_alarmed_by() -> None:
    metrics = Metrics()
    with metrics_page(metrics, "127.0.0.1", 0) as port:
        days = value_on(page(f"127.0.0.1:{port}"), "slotlease_certificate_days_left")
        assert days is not None
        assert math.isnan(days)
        metrics.certificate_days_left.set(12.5)
        assert value_on(page(f"127.0.0.1:{port}"), "slotlease_certificate_days_left") == 12.5


def test_the_port_has_this_page_and_nothing_else() -> None:
    with metrics_page(Metrics(), "127.0.0.1", 0) as port:
        with pytest.raises(HTTPError) as missed:
            urlopen(f"http://127.0.0.1:{port}/canary", timeout=PAGE_TIMEOUT_S)
        with missed.value as answer:
            assert (answer.code, answer.read()) == (404, b"the metrics are at /metrics\n")
            assert answer.headers["Server"] == "slotlease"


def test_a_reader_that_sends_nonsense_or_goes_away_harms_nobody(capfd: pytest.CaptureFixture[str]) -> None:
    with metrics_page(Metrics(), "127.0.0.1", 0) as port:
        for sent in (b"canary canary canary canary\r\n\r\n", b"GET /metrics HTTP/1.1\r\nX: " + b"canary" * 20_000, b""):
            with socket.create_connection(("127.0.0.1", port)) as reader:
                reader.sendall(sent)
        assert "slotlease_calls_in_flight" in page(f"127.0.0.1:{port}")
    assert capfd.readouterr() == ("", "")


def test_a_page_that_is_over_gives_its_port_back() -> None:
    with metrics_page(Metrics(), "127.0.0.1", 0) as port:
        pass
    with metrics_page(Metrics(), "127.0.0.1", port) as again:
        assert again == port
        with pytest.raises(OSError, match="in use"), metrics_page(Metrics(), "127.0.0.1", port):
            pytest.fail("a port that is taken was shared")


def test_the_page_is_also_served_on_ipv6() -> None:
    with metrics_page(Metrics(), "::1", 0) as port:
        assert "slotlease_calls_in_flight" in page(f"[::1]:{port}")

"""Spans of calls and batches, and a server that has nobody to send them to."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from slotlease.telemetry.metrics import Metrics
from slotlease.wire import grpc_v2
from slotlease.wire.proto.v2.booking_service_pb2 import GetBookingStatusRequest
from tests.cli.running import WAIT_S, example_ledger, serving
from tests.support import Offered, open_shop
from tests.telemetry.spans import traces_to
from tests.wire import asking
from tests.wire import conftest as wire
from tests.wire.conftest import library  # noqa: F401 - a fixture

NS_PER_S = 1_000_000_000


def length_s(span: ReadableSpan) -> float:
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / NS_PER_S


@pytest.mark.usefixtures("library")
def test_a_lease_leaves_a_span_of_its_call_and_one_of_its_batch_with_its_commit(tmp_path: Path) -> None:
    spans = InMemorySpanExporter()
    shop = open_shop(tmp_path)
    shop.offer(Offered())
    with wire.serving(shop, metrics=Metrics(traces_to(spans))) as served:
        served.client().lease(Offered().asked(), "reference")
        served.client().ended(asking.lease(Offered().asked("nobody"), "reference"))
    shop.store.close()
    told = spans.get_finished_spans()
    assert [span.name.rpartition("/")[2] for span in told] == [
        "commit",
        "batch writes",
        "CreateLease",
        "batch writes",
        "CreateLease",
    ]
    commit, batch, call, _, refused = told
    assert commit.parent == batch.context
    assert (batch.parent, call.parent) == (None, None)
    assert batch.attributes == {"slotlease.lane": "writes", "slotlease.requests": 1}
    method = f"{grpc_v2.SERVICE}/CreateLease"
    of = {"rpc.system.name": "grpc", "rpc.method": method}
    assert (call.name, call.kind) == (method, SpanKind.SERVER)
    assert call.attributes == of | {"rpc.response.status_code": "OK", "slotlease.cause": ""}
    assert refused.attributes == of | {
        "rpc.response.status_code": "INVALID_ARGUMENT",
        "slotlease.cause": "SLOT_UNKNOWN",
    }
    assert refused.status.status_code is StatusCode.UNSET, "the caller's mistake is no error of the server"
    assert 0 < length_s(commit) <= length_s(batch) <= length_s(call) < WAIT_S


def test_what_is_our_fault_is_told_as_an_error() -> None:
    spans = InMemorySpanExporter()
    Metrics(traces_to(spans)).calls_of("v2", "CreateLease", "S/CreateLease")("UNAVAILABLE", "UNAVAILABLE", 0.5)
    (span,) = spans.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes is not None
    assert span.attributes["error.type"] == "UNAVAILABLE"
    assert length_s(span) == 0.5


def test_a_server_whose_collector_is_away_serves_and_stops_in_time(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        with serving(example_ledger(tmp_path), tmp_path, "--traces", "on") as server:
            try:
                server.stub.GetBookingStatus(GetBookingStatusRequest(booking_id="b"), timeout=WAIT_S)
            except grpc.RpcError as error:
                assert error.code() is grpc.StatusCode.NOT_FOUND  # noqa: PT017 - with pytest.raises it is longer
            server.ask_to_stop()
            assert server.process.wait(15) == 0


def test_without_the_extra_it_is_said_what_to_install(tmp_path: Path) -> None:
    without = "import sys; sys.modules['opentelemetry.sdk'] = None; from slotlease.cli import main; main(sys.argv[1:])"
    ledger = example_ledger(tmp_path)
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", without, "serve", "--store", ledger, "--grpc", "127.0.0.1:0", "--traces", "on"],
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_S,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "slotlease: traces are on and OpenTelemetry is not installed: pip install 'slotlease[otel]'" in ended.stderr
    assert "Traceback" not in ended.stderr

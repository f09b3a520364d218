"""Traces, where the extra `slotlease[otel]` is installed: a span for each call and one for each batch.

Made once a thing is over, from the same few words that are counted: there is nothing of a request in a span. A batch
answers many calls and a call waits for two batches, so neither is the other's parent: their times show who waited.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

FLUSH_S: Final = 2
"""How long a stopping server waits for spans to be taken: they are worth less than a quick restart."""

_NS_PER_S: Final = 1_000_000_000
_OUR_FAULT: Final = frozenset(("UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"))
"""The status codes that OpenTelemetry wants told as errors of a server."""


class TracesMissing(Exception):
    """Traces were asked for and their library is not installed; the text says what to do."""


class Traces:
    """Calls come from any thread; commits and batches of a lane from one at a time."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context  # noqa: PLC0415 - an extra

        self._provider = provider
        self._tracer = provider.get_tracer("slotlease")
        self._server = SpanKind.SERVER
        self._error = Status(StatusCode.ERROR)
        self._under = set_span_in_context
        self._commits: list[tuple[int, int]] = []

    def call(self, system: str, rpc_method: str, code: str, cause: str, duration_s: float) -> None:
        """`code` and `cause` as they are counted (metrics.py)."""
        began_ns, ended_ns = _span_of(duration_s)
        told = {
            "rpc.system.name": system,
            "rpc.method": rpc_method,
            "rpc.response.status_code": code,
            "slotlease.cause": cause,
        }
        if code in _OUR_FAULT:
            told["error.type"] = code
        span = self._tracer.start_span(rpc_method, kind=self._server, attributes=told, start_time=began_ns)
        if code in _OUR_FAULT:
            span.set_status(self._error)
        span.end(ended_ns)

    def commit(self, duration_s: float) -> None:
        """Told as a part of the batch that is told next."""
        self._commits.append(_span_of(duration_s))

    def batch(self, lane: str, requests: int, duration_s: float) -> None:
        began_ns, ended_ns = _span_of(duration_s)
        told: Mapping[str, str | int] = {"slotlease.lane": lane, "slotlease.requests": requests}
        batch = self._tracer.start_span(f"batch {lane}", attributes=told, start_time=began_ns)
        if lane == "writes":
            for commit_began_ns, commit_ended_ns in self._commits:
                commit = self._tracer.start_span("commit", context=self._under(batch), start_time=commit_began_ns)
                commit.end(commit_ended_ns)
            self._commits.clear()
        batch.end(ended_ns)

    def close(self) -> None:
        """Sends what waits, as far as somebody takes it in time."""
        self._provider.force_flush(FLUSH_S * 1000)
        self._provider.shutdown()


def open_traces() -> Traces:
    """Where to and how many is said by OpenTelemetry's own variables (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER
    and so on). Raises TracesMissing."""
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - the same
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - the same
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - the same
    except ImportError as error:
        message = "traces are on and OpenTelemetry is not installed: pip install 'slotlease[otel]', or say --traces off"
        raise TracesMissing(message) from error
    named = {"service.name": os.environ.get("OTEL_SERVICE_NAME", "slotlease")}
    # It would stop by itself at the end of the process, at any length: `close` does, in time.
    provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Traces(provider)


def _span_of(duration_s: float) -> tuple[int, int]:
    """When something began and ended that took this long and is over now. Only shown: nothing is judged by it."""
    ended_ns = time.time_ns()  # noqa: TID251 - see above
    return ended_ns - round(duration_s * _NS_PER_S), ended_ns

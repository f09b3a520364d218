"""What is kept of a call once it has ended."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
import structlog

from slotlease.telemetry import set_up_logs
from slotlease.telemetry.metrics import Metrics
from slotlease.wire.outcome import Ending
from slotlease.wire.record import LINES_PER_S, Record, recorder
from tests.telemetry.reading import value_of

OK = grpc.StatusCode.OK
INVALID = grpc.StatusCode.INVALID_ARGUMENT


class Watched:
    """A recorder of CreateLease, with the clock in the test's hand."""

    def __init__(self, level: str) -> None:
        self.now_s = 1000.0
        self.metrics = Metrics()
        self._stream = io.StringIO()
        set_up_logs("json", level, self._stream)
        self.record: Record = recorder("v2", "S", "CreateLease", self.metrics, clock_s=lambda: self.now_s)

    def lines(self) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self._stream.getvalue().splitlines()]
        self._stream.truncate(0)
        self._stream.seek(0)
        return lines

    def counted(self, code: str, cause: str) -> float | None:
        of = {"version": "v2", "method": "CreateLease", "code": code, "cause": cause}
        return value_of(self.metrics, "slotlease_calls_total", **of)


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_a_call_that_ended_well_is_counted_and_logged_only_at_debug() -> None:
    for level, lines in (("info", 0), ("debug", 1)):
        watched = Watched(level)
        watched.record(Ending(OK, "SLOT_UNAVAILABLE"), 999.5)
        assert watched.counted("OK", "SLOT_UNAVAILABLE") == 1
        assert len(watched.lines()) == lines


def test_a_call_that_did_not_end_well_has_its_line() -> None:
    watched = Watched("info")
    watched.record(Ending(grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE"), 999.5)
    (line,) = watched.lines()
    del line["timestamp"]
    assert line == {
        "event": "call",
        "level": "warning",
        "method": "v2.CreateLease",
        "code": "UNAVAILABLE",
        "cause": "UNAVAILABLE",
        "duration_ms": 500.0,
    }


def test_a_flood_of_refusals_fills_no_disk_and_what_was_left_out_is_told() -> None:
    watched = Watched("info")
    for _ in range(LINES_PER_S + 30):
        watched.record(Ending(INVALID, "FIELD_INVALID"), 1000.0)
    assert len(watched.lines()) == LINES_PER_S
    watched.now_s = 1001.0
    watched.record(Ending(INVALID, "FIELD_INVALID"), 1000.0)
    watched.record(Ending(INVALID, "FIELD_INVALID"), 1000.0)
    assert [line.get("left_out") for line in watched.lines()] == [30, None]
    assert watched.counted("INVALID_ARGUMENT", "FIELD_INVALID") == LINES_PER_S + 32


def test_at_debug_nothing_is_left_out() -> None:
    watched = Watched("debug")
    for _ in range(LINES_PER_S + 30):
        watched.record(Ending(INVALID, "FIELD_INVALID"), 1000.0)
    assert len(watched.lines()) == LINES_PER_S + 30


def test_a_thousand_incidents_are_one_number_in_the_metrics() -> None:
    watched = Watched("info")
    for number in range(1000):
        watched.record(Ending(grpc.StatusCode.INTERNAL, f"incident-{number}"), 1000.0)
    assert watched.counted("INTERNAL", "INTERNAL") == 1000
    calls = next(family for family in watched.metrics.registry.collect() if family.name == "slotlease_calls")
    assert len(calls.samples) == 1
    assert watched.lines()[0]["cause"] == "incident-0"

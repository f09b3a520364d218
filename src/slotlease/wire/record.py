"""What is kept of each call once it has ended: a count, a duration, and where it did not end well a line in the log."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

import grpc
import structlog

from slotlease.telemetry.metrics import Metrics
from slotlease.wire.outcome import Ending

Record = Callable[[Ending, float], None]
"""To be called with how a call ended and when, on the monotonic clock, it began."""

LINES_PER_S: Final = 20
"""Of each method, above debug. Ten times the load there should be, or somebody who tries, would otherwise fill the
disk, and the writing would take the time that is missing then. What is left out is counted, here and in the metrics."""

_LEVELS: Final = {
    # The metrics tell all there is to tell of a call that ended well; a line for each has its price (docs/decisions).
    grpc.StatusCode.OK: logging.DEBUG,
    grpc.StatusCode.UNAVAILABLE: logging.WARNING,
    grpc.StatusCode.DEADLINE_EXCEEDED: logging.WARNING,
    grpc.StatusCode.INTERNAL: logging.ERROR,
}


def recorder(
    version: str,
    service: str,
    method: str,
    metrics: Metrics,
    *,
    clock_s: Callable[[], float] = time.monotonic,
) -> Record:
    """For the calls of one method, on any thread. `service` is its full name; `clock_s` is the monotonic clock."""
    ended = metrics.calls_of(version, method, f"{service}/{method}")
    # Bound here, once: a logger looked up for each call costs more than the line it does not write.
    log = structlog.get_logger("slotlease.wire").bind(method=f"{version}.{method}")
    lines = _LinesPerSecond(LINES_PER_S)
    # Also once: the logger would ask itself with each line that it does not write.
    says_all = log.is_enabled_for(logging.DEBUG)

    def record(ending: Ending, began_s: float) -> None:
        now_s = clock_s()
        code = ending.code.name
        # An incident is told by its number, and there is no end of numbers.
        ended(code, code if ending.code is grpc.StatusCode.INTERNAL else ending.cause, now_s - began_s)
        level = _LEVELS.get(ending.code, logging.INFO)
        facts: dict[str, object] = {}
        if level > logging.DEBUG:
            if lines.allow(now_s):
                facts = {"left_out": lines.take_left_out()} if lines.left_out else {}
            else:
                level = logging.DEBUG
        if level == logging.DEBUG and not says_all:
            return
        log.log(level, "call", code=code, cause=ending.cause, duration_ms=round((now_s - began_s) * 1000, 3), **facts)

    return record


class _LinesPerSecond:
    def __init__(self, most: int) -> None:
        self.left_out = 0
        self._most = most
        self._second = 0
        self._lines = 0
        self._counting = threading.Lock()

    def allow(self, now_s: float) -> bool:
        with self._counting:
            if int(now_s) != self._second:
                self._second, self._lines = int(now_s), 0
            self._lines += 1
            if self._lines > self._most:
                self.left_out += 1
                return False
            return True

    def take_left_out(self) -> int:
        with self._counting:
            left_out, self.left_out = self.left_out, 0
            return left_out

"""Who may call, and how many calls may be under way at once.

One more is told to come back, at once and cheaply: a server that takes all that comes answers nobody in time. A server
library's own limit will not do: it answers RESOURCE_EXHAUSTED, which in version 0 means that a slot is full.
"""

from __future__ import annotations

import threading

from slotlease.wire.callers import Callers


class Admission:
    """Counts the calls under way, on any thread. `callers`: those that a caller's certificate must be one of, None
    where whoever reaches the port may call."""

    def __init__(self, calls_max: int, callers: Callers | None = None) -> None:
        self.callers = callers
        self._calls_max = calls_max
        self.calls = 0
        self._counting = threading.Lock()

    def enter(self) -> bool:
        """Whether one more may begin; each that did must `leave`."""
        with self._counting:
            if self.calls >= self._calls_max:
                return False
            self.calls += 1
            return True

    def leave(self) -> None:
        with self._counting:
            self.calls -= 1

"""How many calls may be under way at once. One more is told to come back, at once and cheaply: a server that takes all
that comes answers nobody in time.

A server library's own limit will not do: it answers RESOURCE_EXHAUSTED, which in version 0 means that a slot is full.
"""

from __future__ import annotations


class Admission:
    """Counts the calls under way, on one event loop."""

    def __init__(self, calls_max: int) -> None:
        self._calls_max = calls_max
        self.calls = 0

    def enter(self) -> bool:
        """Whether one more may begin; each that did must `leave`."""
        if self.calls >= self._calls_max:
            return False
        self.calls += 1
        return True

    def leave(self) -> None:
        self.calls -= 1

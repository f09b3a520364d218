"""Who asks a running desk: callers on threads of their own, and requests that tell when their batch begins."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import ClassVar

from slotlease.desk.desk import Desk
from slotlease.desk.lane import Ticket
from slotlease.desk.operation import Operation
from slotlease.domain.facts import Facts, Wanted
from slotlease.domain.view import View
from tests.support import PATIENCE_S


@dataclass(frozen=True, slots=True)
class Watched(Operation[object]):
    """A write that tells when its batch has begun, and which view it was decided over: one view, one batch."""

    inner: Operation[object]
    begun: threading.Event = field(default_factory=threading.Event)
    views: list[View] = field(default_factory=list)

    writes: ClassVar[bool] = True

    def want(self, wanted: Wanted) -> None:
        self.begun.set()
        self.inner.want(wanted)

    def want_more(self, facts: Facts, wanted: Wanted) -> None:
        self.inner.want_more(facts, wanted)

    def decide(self, view: View) -> object:
        self.views.append(view)
        return self.inner.decide(view)


class Caller:
    """Somebody who asks the desk, and collects what it delivers."""

    def __init__(self, desk: Desk) -> None:
        self.deliveries: list[list[Ticket]] = []
        self._desk = desk
        self._delivered: SimpleQueue[list[Ticket]] = SimpleQueue()

    def ask(self, operation: Operation[object], *, deadline_s: float | None = None) -> Ticket:
        return self._desk.submit(operation, deadline_s=deadline_s, notify=self._delivered.put)

    def collect(self, count: int) -> list[Ticket]:
        """Waits until that many tickets in all have been delivered."""
        while sum(map(len, self.deliveries)) < count:
            self.deliveries.append(self._delivered.get(timeout=PATIENCE_S))
        return [ticket for delivery in self.deliveries for ticket in delivery]

    def answer(self, operation: Operation[object]) -> object:
        ticket = self.ask(operation)
        self.collect(sum(map(len, self.deliveries)) + 1)
        return ticket.answer

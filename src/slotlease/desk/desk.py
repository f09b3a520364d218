"""The desk: where every request is put, and where its answer comes from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar, cast

from slotlease.desk.batch import Batches, Report, unwrap
from slotlease.desk.fault import Unavailable
from slotlease.desk.lane import Lane, Notify, Perform, Ticket, deliver
from slotlease.desk.operation import Operation
from slotlease.desk.tally import Tally
from slotlease.domain.policy import Rules
from slotlease.store.protocol import Store

AnswerT = TypeVar("AnswerT")


class Desk:
    """Two lanes over one store: writes in batches that share one durable commit, reads in batches that share one
    snapshot. The lanes' threads start at once and end with `close`; the store is the caller's to close."""

    def __init__(
        self,
        store: Store,
        rules: Rules,
        report: Report,
        *,
        waiting_max: int = 4096,
        batch_max: int = 256,
        tally: Tally | None = None,
        by_merchant: bool = False,
    ) -> None:
        batches = Batches(store, rules, report, tally, by_merchant=by_merchant)

        def lane(name: str, perform: Perform) -> Lane:
            return Lane(name, perform, report, waiting_max=waiting_max, batch_max=batch_max, tally=tally)

        self._report = report
        self._writes = lane("writes", batches.write)
        self._reads = lane("reads", batches.read)

    def submit(
        self, operation: Operation[object], *, deadline_s: float | None, notify: Notify, caller: object = None
    ) -> Ticket:
        """Queues the request; `notify` will be called with its ticket. Raises Unavailable when the queue is full."""
        ticket = Ticket(operation, deadline_s, notify, caller)
        self._lane_of(ticket).put(ticket)
        return ticket

    def put(self, tickets: Iterable[Ticket], *, wakes: bool = True) -> None:
        """Queues them all. One for which there is no room is answered Unavailable at once."""
        refused = []
        for ticket in tickets:
            lane = self._lane_of(ticket)
            try:
                lane.put(ticket, wakes=wakes or lane is self._reads)
            except Unavailable as fault:
                ticket.answer = fault
                refused.append(ticket)
        deliver(refused, self._report)

    def work(self, tickets: Iterable[Ticket]) -> None:
        """As `put`; and what waits to be written is answered on the caller's own thread. Reads are not: they would wait
        for the commits."""
        self.put(tickets, wakes=False)
        self._writes.work_off()

    def _lane_of(self, ticket: Ticket) -> Lane:
        return self._writes if ticket.operation.writes else self._reads

    def close(self) -> None:
        """Answers what waits, takes nothing more, ends the threads."""
        self._writes.close()
        self._reads.close()


def ask(batches: Batches, operation: Operation[AnswerT]) -> AnswerT:
    """One request on the caller's own thread, a batch of one: for commands. Raises DeskFault."""
    answers = batches.write([operation]) if operation.writes else batches.read([operation])
    return cast("AnswerT", unwrap(answers[0]))

"""A bounded queue that is worked off in batches, without a timer (DESIGN 2): by a thread of its own, or by whoever
brings requests and has nothing else to do until they are answered."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from enum import Enum

from slotlease.desk.fault import DeadlinePassed, Unavailable
from slotlease.desk.operation import Operation
from slotlease.desk.tally import Tally

Notify = Callable[[list["Ticket"]], None]
"""Called once for each batch, with the tickets of that caller that were answered, on the thread that answered them."""


Perform = Callable[[Sequence[Operation[object]]], list[object]]
"""One answer for each request, in order. Never raises."""


class _Stage(Enum):
    WAITING = "waiting"
    BEGUN = "begun"
    GIVEN_UP = "given up"


class Ticket:
    """One request on its way. `deadline_s` is on the monotonic clock; None waits for ever. `caller` is what `notify`
    knows its caller by."""

    __slots__ = ("_stage", "answer", "caller", "deadline_s", "notify", "operation")

    def __init__(
        self, operation: Operation[object], deadline_s: float | None, notify: Notify, caller: object = None
    ) -> None:
        self.operation = operation
        self.deadline_s = deadline_s
        self.notify = notify
        self.caller = caller
        self.answer: object = None
        self._stage = _Stage.WAITING

    def give_up(self) -> None:
        """The caller no longer listens. Before its batch begins that undoes the request; after, nothing does:
        that instant is the commit point, and there is only one."""
        if self._stage is _Stage.WAITING:
            self._stage = _Stage.GIVEN_UP

    def begin(self, now_s: float) -> bool:
        """Whether the request still counts as its batch begins."""
        if self._stage is _Stage.GIVEN_UP or (self.deadline_s is not None and self.deadline_s <= now_s):
            self.answer = DeadlinePassed("given up before its batch began")
            return False
        self._stage = _Stage.BEGUN
        return True


class Lane:
    """Requests that arrive while a batch is under way wait, and together form the next one: one waiting request
    is a batch of one. `perform` answers a batch and never raises."""

    def __init__(
        self,
        name: str,
        perform: Perform,
        report: Callable[[BaseException], str],
        *,
        waiting_max: int,
        batch_max: int,
        tally: Tally | None = None,
    ) -> None:
        self._name = name
        self._tally = tally
        self._perform = perform
        self._report = report
        self._waiting_max = waiting_max
        self._batch_max = batch_max
        self._waiting: deque[Ticket] = deque()
        self._changed = threading.Condition()
        self._at_work = threading.Lock()
        self._closing = False
        if tally is not None:
            tally.watch_queue(name, self._waiting.__len__)
        self._thread = threading.Thread(target=self._work, name=f"desk-{name}", daemon=True)
        self._thread.start()

    def put(self, ticket: Ticket, *, wakes: bool = True) -> None:
        """Raises Unavailable at once when the queue is full or the lane is closing: never a slow answer. Whoever puts
        without waking the lane's thread works it off."""
        with self._changed:
            if self._closing:
                message = "the server is stopping"
                raise Unavailable(message)
            if len(self._waiting) >= self._waiting_max:
                message = "too many requests are waiting"
                raise Unavailable(message)
            self._waiting.append(ticket)
            if wakes:
                self._changed.notify()

    def work_off(self) -> None:
        """All that waits, on the caller's thread: where it does that often, waking another one for it would cost more
        than most batches (docs/performance.md)."""
        while self._waiting:
            self._work_one_batch()

    def close(self) -> None:
        """Takes no more, answers all that wait, and returns when the last batch has been answered."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        with self._at_work:
            pass

    def _work(self) -> None:
        while self._has_some():
            self._work_one_batch()

    def _has_some(self) -> bool:
        """Waits for that; False once closing and done."""
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            return bool(self._waiting)

    def _work_one_batch(self) -> None:
        # One at a time, whoever works: two would only wait for each other in the store.
        with self._at_work:
            batch = self._take()
            now_s = time.monotonic()
            begun = [ticket for ticket in batch if ticket.begin(now_s)]
            if begun:
                answers = self._perform([ticket.operation for ticket in begun])
                for ticket, answer in zip(begun, answers, strict=True):
                    ticket.answer = answer
                if self._tally is not None:
                    self._tally.batch_done(self._name, len(begun), time.monotonic() - now_s)
        deliver(batch, self._report)

    def _take(self) -> list[Ticket]:
        """Whatever waits, at most `batch_max`."""
        with self._changed:
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), self._batch_max))]


def deliver(tickets: Iterable[Ticket], report: Callable[[BaseException], str]) -> None:
    """Tells all who asked."""
    by_caller: dict[Notify, list[Ticket]] = {}
    for ticket in tickets:
        by_caller.setdefault(ticket.notify, []).append(ticket)
    for notify, theirs in by_caller.items():
        try:
            notify(theirs)
        except Exception as error:  # noqa: BLE001 - one caller's mistake must not end the lane for all
            report(error)

"""From a handler to the desk and back: across threads where an event loop runs it, and in turn where none does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol, TypeVar, cast

from slotlease.desk.batch import unwrap
from slotlease.desk.desk import Desk
from slotlease.desk.lane import Ticket
from slotlease.desk.operation import Operation
from slotlease.transport import Asked

AnswerT = TypeVar("AnswerT")


class Ask(Protocol):
    """How a handler asks the desk."""

    async def __call__(self, operation: Operation[AnswerT], deadline_s: float | None) -> AnswerT:
        """The answer. `deadline_s` is on the monotonic clock. Raises DeskFault.

        Cancelled, the request is given up: that undoes it unless its batch has begun (DESIGN 2).
        """


async def ask_in_turn(operation: Operation[AnswerT], deadline_s: float | None) -> AnswerT:
    """An Ask for a handler that no event loop runs: whoever drives it takes what it asks to the desk, and gives up what
    a caller gave up."""
    return cast("AnswerT", unwrap(await Asked(operation, deadline_s)))


class AskDesk:
    """An Ask that waits without holding the loop. Belongs to the loop on which it was made.

    The desk hands back all answers of a batch to one `notify`, so a batch wakes the loop once, however many wait.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._loop = asyncio.get_running_loop()

    async def __call__(self, operation: Operation[AnswerT], deadline_s: float | None) -> AnswerT:
        future: asyncio.Future[object] = self._loop.create_future()
        ticket = self._desk.submit(operation, deadline_s=deadline_s, notify=self._notify, caller=future)
        try:
            return cast("AnswerT", unwrap(await future))
        except asyncio.CancelledError:
            ticket.give_up()
            raise

    def _notify(self, tickets: Sequence[Ticket]) -> None:
        """On the lane's thread."""
        try:
            self._loop.call_soon_threadsafe(self._settle, tickets)
        except RuntimeError:
            # The loop is closed, and whoever waited on it is gone. What was decided stays decided.
            return

    def _settle(self, tickets: Sequence[Ticket]) -> None:
        for ticket in tickets:
            future = cast("asyncio.Future[object]", ticket.caller)
            if not future.done():
                future.set_result(ticket.answer)

"""From the event loop of the server to the desk's threads and back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeVar, cast

from slotlease.desk.batch import unwrap
from slotlease.desk.desk import Desk
from slotlease.desk.lane import Ticket
from slotlease.desk.operation import Operation

AnswerT = TypeVar("AnswerT")


class AskDesk:
    """Asks the desk and waits without holding the loop. Belongs to the loop on which it was made.

    The desk hands back all answers of a batch to one `notify`, so a batch wakes the loop once, however many wait.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[Ticket, asyncio.Future[object]] = {}

    async def __call__(self, operation: Operation[AnswerT], deadline_s: float | None) -> AnswerT:
        """The answer. `deadline_s` is on the monotonic clock. Raises DeskFault.

        Cancelled, the request is given up: that undoes it unless its batch has begun (DESIGN 2).
        """
        future: asyncio.Future[object] = self._loop.create_future()
        ticket = self._desk.submit(operation, deadline_s=deadline_s, notify=self._notify)
        # No answer can overtake this line: answers arrive as callbacks of the loop that is running it.
        self._waiting[ticket] = future
        try:
            answer = await future
        except asyncio.CancelledError:
            ticket.give_up()
            raise
        finally:
            del self._waiting[ticket]
        return cast("AnswerT", unwrap(answer))

    def _notify(self, tickets: Sequence[Ticket]) -> None:
        """On the lane's thread."""
        try:
            self._loop.call_soon_threadsafe(self._settle, tickets)
        except RuntimeError:
            # The loop is closed, and whoever waited on it is gone. What was decided stays decided.
            return

    def _settle(self, tickets: Sequence[Ticket]) -> None:
        for ticket in tickets:
            future = self._waiting.get(ticket)
            if future is not None and not future.done():
                future.set_result(ticket.answer)

"""Many clients that ask at the same instant, each over a connection of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier
from typing import Final

from slotlease.verify.answer import Answer, ValueT
from slotlease.verify.asking import Asking
from slotlease.verify.trial import Trial

READY_WITHIN_S: Final = 30.0


def at_once(t: Trial, works: Sequence[Callable[[Asking], Answer[ValueT]]]) -> list[Answer[ValueT]]:
    """The answers in the order of `works`. All are connected before the first one asks. Raises RequestsSpent."""
    ready = Barrier(len(works))

    def go(caller: Asking, work: Callable[[Asking], Answer[ValueT]]) -> Answer[ValueT]:
        ready.wait(READY_WITHIN_S)
        return work(caller)

    with ExitStack() as stack:
        callers = [stack.enter_context(t.connected()) for _ in works]
        for caller in callers:
            caller.health(caller.health_names[0])
        with ThreadPoolExecutor(len(works)) as pool:
            return [future.result() for future in [pool.submit(go, *one) for one in zip(callers, works, strict=True)]]

"""From the event loop to the desk and back: deadlines, callers that go away, one wake-up for many answers.

The handlers are called as a server library would call them, with a context that has what the seam promises."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import grpc
import pytest

from slotlease.desk.desk import Desk
from slotlease.domain.policy import Rules
from slotlease.transport import Handler
from slotlease.wire import grpc_v2
from slotlease.wire.admission import Admission
from slotlease.wire.bridge import AskDesk
from slotlease.wire.proto.v2 import booking_service_pb2 as rpc
from tests.support import Offered, Shop, secrets
from tests.wire import asking
from tests.wire.asking import Ended
from tests.wire.client import CALL_TIMEOUT_S
from tests.wire.test_v2_faults import Stall

SLOT = Offered().asked()


class Aborted(Exception):
    def __init__(self, ended: Ended) -> None:
        super().__init__(ended.text)
        self.ended = ended


class Context:
    """What a server library hands to a handler, and no more than the seam asks of it."""

    def __init__(self, left_s: float | None = None) -> None:
        self._left_s = left_s

    def time_remaining(self) -> float | None:
        return self._left_s

    async def abort(self, code: grpc.StatusCode, details: str, trailing_metadata: Any) -> None:
        raise Aborted(asking.read_ending(code, details, dict(trailing_metadata)))


@contextmanager
def desk_of(shop: Shop) -> Iterator[Desk]:
    desk = Desk(shop.store, Rules(shop.store.fingerprint_key), str)
    yield desk
    desk.close()


class Caller:
    def __init__(self, desk: Desk) -> None:
        made_secrets = secrets()
        self._handlers = grpc_v2.handlers(
            AskDesk(desk), new_secret=lambda: next(made_secrets), report=str, admission=Admission(calls_max=100)
        )

    def create_lease(self, reference: str, *, left_s: float | None = None) -> Awaitable[bytes]:
        handler: Handler = self._handlers[f"/{grpc_v2.SERVICE}/CreateLease"]
        context = cast("grpc.aio.ServicerContext[bytes, bytes]", Context(left_s))
        return handler(asking.lease(SLOT, reference).SerializeToString(), context)


async def stall(desk: Desk) -> Callable[[], None]:
    """Keeps the desk from beginning any write until the returned function is called."""
    stalling = Stall()
    desk.submit(stalling, deadline_s=None, notify=lambda tickets: None)  # noqa: ARG005 - nobody waits for it
    assert await asyncio.to_thread(stalling.begun.wait, CALL_TIMEOUT_S)
    return stalling.go_on.set


def reference_of(answer: bytes) -> str:
    return rpc.CreateLeaseResponse.FromString(answer).lease.user_reference


def test_a_call_whose_deadline_has_passed_does_nothing_and_says_so(shop: Shop) -> None:
    async def story(desk: Desk) -> None:
        caller = Caller(desk)
        with pytest.raises(Aborted) as raised:
            await caller.create_lease("late", left_s=0)
        assert raised.value.ended.code is grpc.StatusCode.DEADLINE_EXCEEDED
        assert raised.value.ended.text == "the deadline passed before the request was begun; nothing was done"
        assert reference_of(await caller.create_lease("in time", left_s=CALL_TIMEOUT_S)) == "in time"

    with desk_of(shop) as desk:
        asyncio.run(story(desk))


def test_a_caller_that_goes_away_before_its_batch_begins_holds_nothing(shop: Shop) -> None:
    async def story(desk: Desk) -> None:
        caller = Caller(desk)
        go_on = await stall(desk)
        gone = asyncio.ensure_future(caller.create_lease("gone"))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        staying = asyncio.ensure_future(caller.create_lease("staying"))
        await asyncio.sleep(0)
        go_on()
        assert reference_of(await staying) == "staying"

    with desk_of(shop) as desk:
        asyncio.run(story(desk))


def test_a_batch_wakes_the_loop_once_however_many_wait(shop: Shop) -> None:
    shop.offer(Offered(spots_total=50))
    woken = []

    class CountingLoop(asyncio.SelectorEventLoop):
        def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:  # type: ignore[override] # whoever calls
            woken.append(callback)
            return super().call_soon_threadsafe(callback, *args, context=context)

    async def story(desk: Desk) -> None:
        caller = Caller(desk)
        go_on = await stall(desk)
        asked = [asyncio.ensure_future(caller.create_lease(f"r{number}")) for number in range(50)]
        await asyncio.sleep(0)
        woken.clear()
        go_on()
        assert {reference_of(answer) for answer in await asyncio.gather(*asked)} == {f"r{n}" for n in range(50)}
        assert len(woken) == 1

    with desk_of(shop) as desk, asyncio.Runner(loop_factory=CountingLoop) as runner:
        runner.run(story(desk))


def test_an_answer_for_a_loop_that_is_closed_harms_nobody(shop: Shop) -> None:
    stalling = Stall()

    async def leave(desk: Desk) -> None:
        asked = asyncio.ensure_future(AskDesk(desk)(stalling, None))
        await asyncio.to_thread(stalling.begun.wait, CALL_TIMEOUT_S)
        asked.cancel()

    async def come_later(desk: Desk) -> bytes:
        return await Caller(desk).create_lease("later")

    with desk_of(shop) as desk:
        asyncio.run(leave(desk))
        stalling.go_on.set()
        assert reference_of(asyncio.run(come_later(desk))) == "later"


def test_a_caller_that_goes_away_as_its_answer_arrives_takes_no_other_answer_along(shop: Shop) -> None:
    shop.offer(Offered(spots_total=2))

    async def story(desk: Desk) -> None:
        caller = Caller(desk)
        go_on = await stall(desk)
        gone, staying = (asyncio.ensure_future(caller.create_lease(name)) for name in ("gone", "staying"))
        await asyncio.sleep(0)
        last, delivered = Stall(), threading.Event()
        last.go_on.set()
        desk.submit(last, deadline_s=None, notify=lambda tickets: delivered.set())  # noqa: ARG005 - it is a Notify
        go_on()
        # Held on purpose: both answers wait for this loop when the first caller goes.
        assert delivered.wait(CALL_TIMEOUT_S)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert reference_of(await staying) == "staying"

    with desk_of(shop) as desk:
        asyncio.run(story(desk))

"""What the native transport does itself: handlers that no event loop runs, and what becomes of their calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import grpc
import pytest

from slotlease.transport import Asked, Handler
from slotlease.transport_native import STALLED_S, NativeTransport
from tests.support import Offered, Shop, wait_until
from tests.wire import asking
from tests.wire.asking import Ended
from tests.wire.client import CALL_TIMEOUT_S
from tests.wire.conftest import Served, serving
from tests.wire.test_v2_faults import Stall, stalled

SLOT = Offered().asked()


BY_NATIVE = pytest.mark.parametrize("library", ["native"], indirect=True)
pytestmark = BY_NATIVE


def call_on(handler: Handler, served: Served, report: Callable[[BaseException], str] = str) -> bytes:
    """What a caller of that handler is answered."""

    async def call() -> bytes:
        transport = NativeTransport({"/shop.Shop/Call": handler}, served.desk, report)
        port = transport.bind("127.0.0.1:0")
        await transport.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                asked: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/shop.Shop/Call")
                answer: bytes = await asked(b"x", timeout=CALL_TIMEOUT_S)
                return answer
        finally:
            await transport.stop(grace_s=CALL_TIMEOUT_S)

    return asyncio.run(call())


def ended(call: Callable[[], bytes]) -> Ended:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        call()
    error = raised.value
    return asking.read_ending(error.code(), error.details() or "", {})


def done(*stalls: Stall) -> Stall:
    """A request that waits for nothing."""
    for stall in stalls:
        stall.go_on.set()
    return stalls[0]


def test_a_handler_may_ask_the_desk_more_than_once(served: Served) -> None:
    first, second = done(Stall()), done(Stall())

    async def asks_twice(payload: bytes, context: object) -> bytes:  # noqa: ARG001 - it is a handler
        await Asked(first, None)
        assert not second.begun.is_set()
        await Asked(second, None)
        return payload

    assert call_on(asks_twice, served) == b"x"
    assert second.begun.is_set()


def test_a_handler_that_fails_costs_its_caller_an_internal_without_a_word_and_is_reported(served: Served) -> None:
    reported: list[BaseException] = []

    async def fails(payload: bytes, context: object) -> bytes:  # noqa: ARG001 - it is a handler
        message = "a customer's name"
        raise LookupError(message)

    def report(error: BaseException) -> str:
        reported.append(error)
        return ""

    told = ended(lambda: call_on(fails, served, report))
    assert (told.code, told.text) == (grpc.StatusCode.INTERNAL, "")
    assert [type(error) for error in reported] == [LookupError]


def test_a_call_begun_is_answered_before_the_server_stops(served: Served) -> None:
    stall = Stall()

    async def stalls(payload: bytes, context: object) -> bytes:  # noqa: ARG001 - it is a handler
        await Asked(stall, None)
        return b"answered: " + payload

    async def stop_meanwhile() -> bytes:
        transport = NativeTransport({"/shop.Shop/Call": stalls}, served.desk, str)
        port = transport.bind("127.0.0.1:0")
        await transport.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/shop.Shop/Call")
            begun = asyncio.ensure_future(call(b"x"))
            await asyncio.to_thread(stall.begun.wait, CALL_TIMEOUT_S)
            stopping = asyncio.ensure_future(transport.stop(grace_s=CALL_TIMEOUT_S))
            await asyncio.sleep(2 * STALLED_S)
            with pytest.raises(grpc.aio.AioRpcError) as late:
                await call(b"late", timeout=CALL_TIMEOUT_S)
            assert (late.value.code(), late.value.details()) == (grpc.StatusCode.UNAVAILABLE, "the server is stopping")
            stall.go_on.set()
            answer = await begun
            await stopping
        return answer

    assert asyncio.run(stop_meanwhile()) == b"answered: x"


def test_while_a_batch_waits_for_the_store_reads_are_answered(shop: Shop) -> None:
    """The thread that works waits as well: the event loop takes calls in its place."""
    with serving(shop) as served:
        with stalled(served):
            held = served.stub.CreateLease.future(asking.lease(SLOT, "held"), timeout=CALL_TIMEOUT_S)
            wait_until(lambda: served.admission.calls == 1)
            assert served.client().count_available(SLOT) == 1
            assert not held.done()
        assert held.result(CALL_TIMEOUT_S).lease.user_reference == "held"

"""How many calls may be under way: one more is UNAVAILABLE at once, and nothing that the server library says by itself
reaches a caller instead."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import grpc.aio
import pytest

from slotlease.wire import grpc_v2
from slotlease.wire.proto.v2 import booking_service_pb2 as rpc
from tests.support import Offered, Shop
from tests.wire import asking
from tests.wire.client import CALL_TIMEOUT_S
from tests.wire.conftest import Served, serving
from tests.wire.test_v2_faults import is_unavailable, stalled
from tests.wire.whole_requests import CALLS, Call, whole_requests

AT_ONCE_S = 0.1
"""What the issue allows a call that is sent away."""

TRIES_MAX = 5
"""Where the machine has much else to do: what waits by itself does so each time."""

SLOT = Offered().asked()


@contextmanager
def under_way(served: Served) -> Iterator[grpc.Future[rpc.CreateLeaseResponse]]:
    """A call that has been let in and waits for the desk as long as the block runs."""
    with stalled(served):
        waiting = served.stub.CreateLease.future(asking.lease(SLOT, "first"), timeout=CALL_TIMEOUT_S)
        until_s = time.monotonic() + CALL_TIMEOUT_S
        while served.admission.calls == 0:
            assert time.monotonic() < until_s, "the call never came"
        yield waiting


def refused_after_s(served: Served, call: Call, request: bytes) -> float:
    began_s = time.monotonic()
    ended = asking.ended(lambda: served.call(call.method, request, service=call.service))
    lasted_s = time.monotonic() - began_s
    assert is_unavailable(ended)
    return lasted_s


@pytest.mark.parametrize("name", CALLS)
def test_one_call_too_many_is_unavailable_at_once_and_counts_for_nothing(shop: Shop, name: str) -> None:
    request = whole_requests(shop)[name].SerializeToString()
    call = CALLS[name]
    with serving(shop, calls_max=1) as served:
        with under_way(served) as waiting:
            assert any(refused_after_s(served, call, request) < AT_ONCE_S for _ in range(TRIES_MAX))
            assert served.admission.calls == 1
        assert waiting.result(CALL_TIMEOUT_S).lease.user_reference == "first"
        assert served.call(call.method, request, service=call.service) is not None
        assert served.incidents == []


def test_a_call_that_ended_in_any_way_makes_room_for_the_next(shop: Shop) -> None:
    shop.offer(Offered(spots_total=3))
    with serving(shop, calls_max=1) as served:
        client = served.client()
        assert client.lease(SLOT, "granted").user_reference == "granted"
        client.ended(asking.lease(SLOT, ""))
        with stalled(served):
            asking.ended(lambda: served.stub.CreateLease(asking.lease(SLOT, "gone"), timeout=0.2))
        assert client.lease(SLOT, "next").user_reference == "next"
        assert served.admission.calls == 0


def test_health_is_told_though_no_call_is_let_in(shop: Shop) -> None:
    with serving(shop, calls_max=1) as served, under_way(served):
        check: grpc.UnaryUnaryMultiCallable[bytes, bytes] = served.channel.unary_unary("/grpc.health.v1.Health/Check")
        assert check(b"", timeout=CALL_TIMEOUT_S) == b"\x08\x01"


def test_a_backlog_before_the_event_loop_is_answered_by_us_and_not_by_the_library(shop: Shop) -> None:
    """Past 1,000 calls that wait for the loop, grpcio would answer CANCELLED by itself."""
    codes: Counter[grpc.StatusCode] = Counter()

    async def ask_all(address: str) -> None:
        async def ask_once(channel: grpc.aio.Channel) -> None:
            call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
                f"/{grpc_v2.SERVICE}/CheckAvailability"
            )
            try:
                await call(request, timeout=CALL_TIMEOUT_S)
            except grpc.aio.AioRpcError as error:
                codes[error.code()] += 1
            else:
                codes[grpc.StatusCode.OK] += 1

        own = (("grpc.use_local_subchannel_pool", 1),)
        channels = [grpc.aio.insecure_channel(address, options=own) for _ in range(10)]
        await asyncio.gather(*(channel.channel_ready() for channel in channels))
        served.loop.call_soon_threadsafe(time.sleep, 1)
        await asyncio.gather(*(ask_once(channels[number % 10]) for number in range(2000)))
        await asyncio.gather(*(channel.close() for channel in channels))

    request = asking.check(SLOT).SerializeToString()
    with serving(shop, calls_max=1) as served:
        asyncio.run(ask_all(served.address))
    assert set(codes) <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
    assert codes.total() == 2000


def test_the_librarys_own_limit_would_say_what_in_version_0_means_a_full_slot() -> None:
    """Why the limit of calls under way is ours."""

    async def one_too_many() -> grpc.StatusCode:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def slow(payload: bytes, context: object) -> bytes:  # noqa: ARG001 - it is a handler
            begun.set()
            await go_on.wait()
            return payload

        server = grpc.aio.server(maximum_concurrent_rpcs=1)
        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(slow)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Shop", {"Slow": handler}),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/shop.Shop/Slow")
            first = asyncio.ensure_future(call(b"x"))
            await begun.wait()
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(b"x")
            go_on.set()
            await first
        await server.stop(None)
        return refused.value.code()

    assert asyncio.run(one_too_many()) is grpc.StatusCode.RESOURCE_EXHAUSTED

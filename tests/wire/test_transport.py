"""What the server is beside its calls: health, reflection, its port, how much it takes in, how it stops."""

from __future__ import annotations

import asyncio
import sys
import threading

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from slotlease.desk.desk import Desk
from slotlease.serving import CannotListen
from slotlease.transport import GrpcTransport, Handler
from slotlease.transport_native import NativeTransport, TransportMissing
from slotlease.wire import grpc_v0, grpc_v2
from tests.support import Offered, Shop
from tests.wire import asking
from tests.wire.client import CALL_TIMEOUT_S, Client
from tests.wire.conftest import Served, serving

Health = health_pb2.HealthCheckResponse


def health_of(served: Served, service: str) -> int:
    check: grpc.UnaryUnaryMultiCallable[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse] = (
        served.channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=Health.FromString,
        )
    )
    return check(health_pb2.HealthCheckRequest(service=service), timeout=CALL_TIMEOUT_S).status


@pytest.mark.parametrize(
    "service",
    ["ext.maps.booking.partner.v2.BookingService", "ext.maps.booking.partner.v0.BookingService", ""],
)
def test_health_is_serving_for_both_services_and_for_the_empty_name(served: Served, service: str) -> None:
    assert health_of(served, service) == Health.SERVING


@pytest.mark.parametrize(
    "service", ["ext.maps.booking.partner.v1.BookingService", "BookingService", "grpc.health.v1.Health"]
)
def test_health_of_any_other_name_is_not_found(served: Served, service: str) -> None:
    assert asking.ended(lambda: health_of(served, service)).code is grpc.StatusCode.NOT_FOUND


def test_a_draining_server_says_not_serving_and_still_answers(shop: Shop) -> None:
    with serving(shop) as served:
        asyncio.run_coroutine_threadsafe(served.transport.drain(), served.loop).result(CALL_TIMEOUT_S)
        for service in (grpc_v2.SERVICE, grpc_v0.SERVICE, ""):
            assert health_of(served, service) == Health.NOT_SERVING
        assert served.client().count_available(Offered().asked()) == 1


def test_reflection_shows_the_services_when_it_is_asked_for(shop: Shop) -> None:
    with serving(shop, reflection=True) as served:
        database = ProtoReflectionDescriptorDatabase(served.channel)
        assert {grpc_v0.SERVICE, grpc_v2.SERVICE} <= set(database.get_services())
        for service, version in ((grpc_v0.SERVICE, "v0"), (grpc_v2.SERVICE, "v2")):
            file = database.FindFileContainingSymbol(service)
            assert file.name == f"ext/maps/booking/partner/{version}/booking_service.proto"


def test_there_is_no_reflection_otherwise(served: Served) -> None:
    database = ProtoReflectionDescriptorDatabase(served.channel)
    assert asking.ended(database.get_services).code is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    "path",
    [
        "/ext.maps.booking.partner.v2.BookingService/Nothing",
        "/ext.maps.booking.partner.v0.BookingService/CheckAvailability",
        "/ext.maps.booking.partner.v0.BookingService/GetBookingStatus",
        "/ext.maps.booking.partner.v1.BookingService/CreateLease",
    ],
)
def test_a_method_that_is_not_served_is_unimplemented(served: Served, path: str) -> None:
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = served.channel.unary_unary(path)
    assert asking.ended(lambda: call(b"", timeout=CALL_TIMEOUT_S)).code is grpc.StatusCode.UNIMPLEMENTED


def test_a_request_over_256_kib_is_an_invalid_argument(served: Served, client: Client) -> None:
    client.offer(Offered())
    ended = asking.ended(lambda: served.call("CreateLease", bytes(256 * 1024 + 1)))
    assert ended.code is grpc.StatusCode.INVALID_ARGUMENT
    assert ended.text == "the request is longer than 262,144 bytes"
    assert ended.violations == {"": ended.text}


def test_a_request_over_a_mebibyte_never_reaches_a_handler(served: Served) -> None:
    ended = asking.ended(lambda: served.call("CreateLease", bytes(1024 * 1024 + 1)))
    assert ended.code is grpc.StatusCode.RESOURCE_EXHAUSTED


def of(library: str, handlers: dict[str, Handler], desk: Desk) -> GrpcTransport | NativeTransport:
    return NativeTransport(handlers, desk, str) if library == "native" else GrpcTransport(handlers)


def test_a_port_that_another_server_has_is_refused_with_what_to_do(served: Served, library: str) -> None:
    async def bind_twice() -> str:
        first, second = (of(library, {}, served.desk) for _ in range(2))
        port = first.bind("127.0.0.1:0")
        with pytest.raises(CannotListen) as raised:
            second.bind(f"127.0.0.1:{port}")
        await first.start()
        await first.stop(grace_s=0)
        return str(raised.value).replace(str(port), "PORT")

    assert asyncio.run(bind_twice()) == (
        "cannot listen on 127.0.0.1:PORT: another program has the port, or the host is no address of this machine; "
        "stop the other program or choose another HOST:PORT"
    )


def test_no_call_takes_a_way_round_inside_the_server(served: Served, library: str) -> None:
    """The native library hands calls of methods that it was not given to grpcio, on a Unix socket behind itself, at a
    fifth of the speed: DESIGN section 7."""
    peers = []

    async def noting(payload: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        peers.append(context.peer())
        return payload

    async def call_twice() -> None:
        transport = of(library, {"/shop.Shop/One": noting, "/shop.Shop/Two": noting}, served.desk)
        port = transport.bind("127.0.0.1:0")
        await transport.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            for name in ("One", "Two"):
                call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/shop.Shop/{name}")
                assert await call(b"x") == b"x"
        await transport.stop(grace_s=0)

    asyncio.run(call_twice())
    assert len(peers) == 2
    assert all(peer.startswith("ipv4:127.0.0.1:") for peer in peers)


def test_without_its_extra_the_native_library_is_refused_with_what_to_install(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pygrpc_native", None)
    with pytest.raises(TransportMissing) as raised:
        NativeTransport({}, served.desk, str)
    assert str(raised.value) == (
        "the native transport was asked for and its library is not installed: pip install 'slotlease[native]', or say "
        "--transport grpcio"
    )


def test_a_call_under_way_is_answered_before_the_server_stops() -> None:
    """The native library by itself may cut an answer that it was given in that moment (docs/decisions/0023): with it,
    as with grpcio, tests/cli/test_drain.py asks the whole server for this."""
    begun, go_on = threading.Event(), asyncio.Event()

    async def slow(payload: bytes, context: object) -> bytes:  # noqa: ARG001 - it is a handler
        begun.set()
        await go_on.wait()
        return b"answered: " + payload

    async def call_while_it_stops() -> bytes:
        transport = GrpcTransport({"/shop.Shop/Slow": slow})
        port = transport.bind("127.0.0.1:0")
        await transport.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/shop.Shop/Slow")
            asked = asyncio.ensure_future(call(b"x"))
            await asyncio.to_thread(begun.wait, CALL_TIMEOUT_S)
            stopping = asyncio.ensure_future(transport.stop(grace_s=CALL_TIMEOUT_S))
            await asyncio.sleep(0)
            go_on.set()
            answer = await asked
            await stopping
        return answer

    assert asyncio.run(call_while_it_stops()) == b"answered: x"

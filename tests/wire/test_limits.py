"""What a caller may take of the server: connections, streams, headers, and time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import grpc
import pytest

from slotlease.transport import METADATA_BYTES_MAX, Limits
from tests.support import Offered, Shop
from tests.wire import asking, http2
from tests.wire.client import CALL_TIMEOUT_S
from tests.wire.conftest import BY_GRPCIO, Served, serving
from tests.wire.http2 import Frame, Kind
from tests.wire.test_v2_faults import stalled

SLOT = Offered().asked()
SOON_S = 5
"""Far longer than the limits of these tests, far shorter than those of a server that nobody told otherwise."""


@contextmanager
def channel_to(served: Served) -> Iterator[grpc.Channel]:
    """A connection of its own."""
    with grpc.insecure_channel(served.address, options=(("grpc.use_local_subchannel_pool", 1),)) as channel:
        yield channel


def is_let_in(served: Served) -> bool:
    with channel_to(served) as channel:
        try:
            grpc.channel_ready_future(channel).result(0.2)
        except grpc.FutureTimeoutError:
            return False
    return True


def told_settings(served: Served) -> dict[int, int]:
    """What the server tells every caller first."""
    with http2.connected(served.address) as connection:
        first = next(http2.frames(connection))
    assert first.kind == Kind.SETTINGS
    pairs = [first.payload[at : at + 6] for at in range(0, len(first.payload), 6)]
    return {int.from_bytes(pair[:2], "big"): int.from_bytes(pair[2:], "big") for pair in pairs}


def test_every_caller_is_told_how_many_calls_a_connection_may_carry(shop: Shop) -> None:
    with serving(shop) as served:
        assert told_settings(served)[http2.MAX_CONCURRENT_STREAMS] == 100
    with serving(shop, limits=Limits(streams_max=7)) as served:
        assert told_settings(served)[http2.MAX_CONCURRENT_STREAMS] == 7


def test_a_caller_that_opens_more_streams_than_it_may_is_answered_on_those_it_may(shop: Shop) -> None:
    path = "/ext.maps.booking.partner.v2.BookingService/CheckAvailability"
    with serving(shop, limits=Limits(streams_max=3)) as served, http2.connected(served.address) as connection:
        for _ in http2.frames(connection):
            break
        body = asking.check(SLOT).SerializeToString()
        message = b"\0" + len(body).to_bytes(4, "big") + body
        streams = range(1, 11, 2)
        connection.sendall(b"".join(http2.opened(stream, path) for stream in streams))
        for stream in streams:
            connection.sendall(Frame(Kind.DATA, http2.END_STREAM, stream, message).encode())
        connection.settimeout(1)
        told = list(http2.frames(connection))
    assert {frame.stream for frame in told if frame.kind == Kind.DATA} <= {1, 3, 5}
    assert {frame.stream for frame in told if frame.kind == Kind.RST_STREAM} >= {7, 9}


def test_headers_over_the_limit_never_reach_a_handler(served: Served, library: str) -> None:
    request = asking.check(SLOT).SerializeToString()
    long = (("x-long", "x" * METADATA_BYTES_MAX),)
    ended = asking.ended(lambda: served.call("CheckAvailability", request, metadata=long))
    # The native library answers as HTTP does, 431, of which gRPC makes UNKNOWN.
    assert ended.code is {"grpcio": grpc.StatusCode.RESOURCE_EXHAUSTED, "native": grpc.StatusCode.UNKNOWN}[library]
    allowed = (("x-long", "x" * (METADATA_BYTES_MAX // 2 - 1024)),)
    ended = asking.ended(lambda: served.call("CheckAvailability", b"", metadata=allowed))
    assert ended.code is grpc.StatusCode.INVALID_ARGUMENT


@BY_GRPCIO
def test_one_connection_too_many_is_closed_and_the_others_are_served(shop: Shop) -> None:
    with serving(shop, limits=Limits(connections_max=3)) as served, ExitStack() as stack:
        assert served.client().count_available(SLOT) == 1
        held = [stack.enter_context(http2.connected(served.address)) for _ in range(2)]
        one_more = stack.enter_context(http2.connected(served.address))
        assert http2.is_closed(one_more, SOON_S)
        assert served.client().count_available(SLOT) == 1
        for connection in held:
            assert not http2.is_closed(connection, 0.05)
            connection.close()
        until_s = time.monotonic() + SOON_S
        while not is_let_in(served):
            assert time.monotonic() < until_s, "the room of those that left was never given to others"


@BY_GRPCIO
@pytest.mark.parametrize("greeting", [b"", http2.GREETING], ids=["silent", "greeted"])
def test_a_connection_without_calls_is_closed(shop: Shop, greeting: bytes) -> None:
    with serving(shop, limits=Limits(idle_s=0.5)) as served, http2.connected(served.address, greeting) as connection:
        assert not http2.is_closed(connection, 0.1)
        assert http2.is_closed(connection, SOON_S)
        assert served.client().count_available(SLOT) == 1


@BY_GRPCIO
def test_an_old_connection_is_told_to_go_and_its_caller_loses_nothing(shop: Shop) -> None:
    with serving(shop, limits=Limits(age_s=0.3, age_grace_s=SOON_S)) as served:
        with stalled(served):
            waiting = served.stub.CreateLease.future(asking.lease(SLOT, "r"), timeout=CALL_TIMEOUT_S)
            with http2.connected(served.address) as younger:
                told_to_go = (frame for frame in http2.frames(younger) if frame.kind == Kind.GOAWAY)
                assert next(told_to_go, None), "by then the connection before it is past its age"
        assert waiting.result(CALL_TIMEOUT_S).lease.user_reference == "r"
        assert served.client().count_available(SLOT) == 0


@BY_GRPCIO
def test_an_old_connection_with_a_call_that_never_ends_is_cut_after_its_grace(shop: Shop) -> None:
    with (
        serving(shop, limits=Limits(age_s=0.3, age_grace_s=0.3)) as served,
        http2.connected(served.address) as connection,
    ):
        connection.sendall(http2.opened(1, "/ext.maps.booking.partner.v2.BookingService/CreateLease"))
        assert http2.is_closed(connection, SOON_S)

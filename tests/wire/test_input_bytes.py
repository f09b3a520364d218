"""The input matrix (reliability 7.1) as far as it is about bytes, sizes, paths and protocols: over a socket, on both
versions. Whatever is refused, nothing was written."""

from __future__ import annotations

import contextlib
import hashlib
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc
import pytest
from google.protobuf.message import DecodeError

from slotlease.wire import grpc_v0, grpc_v2
from slotlease.wire.limits import PAYLOAD_BYTES_MAX
from tests.wire import asking, http2
from tests.wire.asking import Ended
from tests.wire.client import CALL_TIMEOUT_S
from tests.wire.conftest import BY_GRPCIO, World
from tests.wire.input_matrix import REQUIRED
from tests.wire.whole_requests import CALLS

MIB = 1024 * 1024


@contextmanager
def writing_nothing(world: World) -> Iterator[None]:
    before = world.ledger.state()
    yield
    assert world.ledger.state() == before


def refused(world: World, call: str, payload: bytes) -> Ended:
    ended = asking.ended(lambda: world.send(call, payload))
    assert ended.code is grpc.StatusCode.INVALID_ARGUMENT
    return ended


def is_no_message(world: World, call: str, payload: bytes) -> bool:
    return refused(world, call, payload).text == f"the request's bytes are no {CALLS[call].method}Request"


# --- I-1: truncated and random bytes, field 0, nesting ------------------------------------------------------------


@pytest.mark.parametrize("call", CALLS)
def test_a_request_cut_short_anywhere_is_refused(world: World, call: str) -> None:
    payload = world.whole(call).SerializeToString()
    cut_between_fields = 0
    with writing_nothing(world):
        for length in range(len(payload)):
            try:
                CALLS[call].request.FromString(payload[:length])
            except DecodeError:
                assert is_no_message(world, call, payload[:length])
            else:
                cut_between_fields += 1
    # These are messages of their own, and for them the other tests speak.
    assert cut_between_fields <= len(world.whole(call).ListFields())


@pytest.mark.parametrize("call", CALLS)
def test_random_bytes_are_refused(world: World, call: str) -> None:
    with writing_nothing(world):
        for number in range(150):
            refused(world, call, hashlib.shake_128(f"{call} {number}".encode()).digest(1 + number * 3))


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "tail",
    [
        b"\x00\x01",
        b"\x07",
        b"\x7c",
        b"\x7b",
        b"\xf8" + b"\xff" * 10,
        b"\x0a\xff\xff\xff\xff\x0f",
        b"\xfa\xff\xff\xff\x1f\x01",
    ],
    ids=[
        "field 0",
        "wire type 7",
        "end of no group",
        "group without end",
        "endless varint",
        "length past the end",
        "tag",
    ],
)
def test_a_tail_that_is_no_field_spoils_a_whole_request(world: World, call: str, tail: bytes) -> None:
    with writing_nothing(world):
        assert is_no_message(world, call, world.whole(call).SerializeToString() + tail)


def nested(depth: int) -> bytes:
    """Groups within groups, of a field that nobody knows."""
    return b"\x7b" * depth + b"\x7c" * depth


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("depth", [101, 200, 10_000, 100_000])
def test_nesting_past_a_hundred_is_refused(world: World, call: str, depth: int) -> None:
    with writing_nothing(world):
        assert is_no_message(world, call, world.whole(call).SerializeToString() + nested(depth))


# --- I-4: unknown fields, fields given twice ----------------------------------------------------------------------

CANARY = b"canary-7391"
UNKNOWN_FIELDS = (
    # field 1000: a number, a text
    b"\xc0\x3e\x96\x01\xc2\x3e\x0b"
    + CANARY
    + b"\xc1\x3e12345678"  # eight bytes
    + b"\xc5\x3e1234"  # four bytes
    + b"\xc3\x3e\x0a\x0b"
    + CANARY
    + b"\xc4\x3e"  # a group with the text in it
)


@pytest.mark.parametrize("call", CALLS)
def test_unknown_fields_are_accepted_and_never_echoed(world: World, call: str) -> None:
    plain = world.send(call, world.whole(call).SerializeToString())
    payload = UNKNOWN_FIELDS + nested(90) + world.whole(call).SerializeToString() + UNKNOWN_FIELDS
    assert world.send(call, payload) == plain
    assert CANARY not in plain


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("v0.CreateLease", "lease"),
        ("v0.CreateBooking", "client_information"),
        ("v0.UpdateBooking", "booking"),
        ("v2.CreateLease", "lease"),
        ("v2.CreateBooking", "user_information"),
        ("v2.UpdateBooking", "booking"),
    ],
)
def test_unknown_fields_further_in_are_never_echoed_either(world: World, call: str, message: str) -> None:
    plain = world.send(call, world.whole(call).SerializeToString())
    number = CALLS[call].request.DESCRIPTOR.fields_by_name[message].number
    # A message given twice is one message: the second adds to the first.
    payload = world.whole(call).SerializeToString() + bytes([number << 3 | 2, len(UNKNOWN_FIELDS)]) + UNKNOWN_FIELDS
    assert world.send(call, payload) == plain


@pytest.mark.parametrize(
    ("call", "message", "name"),
    [("v0.CreateLease", "lease", "client_reference"), ("v2.CreateLease", "lease", "user_reference")],
)
def test_of_a_field_given_twice_the_last_one_counts(world: World, call: str, message: str, name: str) -> None:
    first = world.whole(call)
    payload = first.SerializeToString()
    setattr(getattr(first, message), name, f"the last one of {call}")
    answer = CALLS[call].response.FromString(world.send(call, payload + first.SerializeToString()))
    assert getattr(getattr(answer, message), name) == f"the last one of {call}"


# --- I-5: too much ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", CALLS)
def test_over_256_kib_it_is_our_own_check_that_answers(world: World, call: str) -> None:
    payload = world.whole(call).SerializeToString()
    with writing_nothing(world):
        for length in (PAYLOAD_BYTES_MAX + 1, MIB - 1_000):
            filler = length - len(payload) - 5
            longer = payload + b"\xc2\x3e" + bytes([filler & 0x7F | 0x80, filler >> 7 & 0x7F | 0x80, filler >> 14])
            ended = refused(world, call, longer + bytes(filler))
            assert ended.text == "the request is longer than 262,144 bytes"
            assert ended.violations == {"": ended.text}


def of_the_library(
    world: World,
    call: Callable[[], object],
    text: str,
    code: grpc.StatusCode = grpc.StatusCode.RESOURCE_EXHAUSTED,
) -> bool:
    """It answered by itself and was none the worse for it: a call of the same connection is answered after it."""
    with writing_nothing(world):
        ended = asking.ended(call)
    assert ended.code is code
    assert text in ended.text
    probe = "v2.GetBookingStatus"
    return bool(world.send(probe, world.whole(probe).SerializeToString()))


@pytest.mark.parametrize("call", CALLS)
def test_over_a_mebibyte_the_library_answers(world: World, call: str) -> None:
    assert of_the_library(world, lambda: world.send(call, bytes(MIB + 1)), "larger than max")


@pytest.mark.parametrize("call", CALLS)
def test_over_16_kib_of_metadata_the_library_answers(world: World, call: str, library: str) -> None:
    payload = world.whole(call).SerializeToString()
    metadata = (("x-filler", "a" * 17 * 1024),)
    # The native library answers as HTTP does.
    text, code = {
        "grpcio": ("metadata size", grpc.StatusCode.RESOURCE_EXHAUSTED),
        "native": ("status: 431", grpc.StatusCode.UNKNOWN),
    }[library]
    assert of_the_library(world, lambda: world.send(call, payload, metadata=metadata), text, code)


@pytest.mark.parametrize("call", ["v0.CreateLease", "v2.CreateLease"])
def test_a_decompression_bomb_is_stopped_by_the_library(world: World, call: str, library: str) -> None:
    """64 MiB in 64 KiB. grpcio counts what comes out while it comes out; the native library afterwards, so there the
    proxy in front lets nothing compressed through (docs/operate/traffic.md)."""
    bomb = bytes(64 * MIB)
    assert of_the_library(
        world,
        lambda: world.send(call, bomb, compression=grpc.Compression.Gzip),
        {"grpcio": "Decompressed message larger than max", "native": "Received message larger than max"}[library],
    )


def test_a_compressed_request_is_read_like_any_other_and_held_to_the_same_limit(world: World) -> None:
    payload = world.whole("v0.CreateLease").SerializeToString()
    plain = world.send("v0.CreateLease", payload)
    assert world.send("v0.CreateLease", payload, compression=grpc.Compression.Gzip) == plain
    too_long = bytes(PAYLOAD_BYTES_MAX + 1)
    ended = asking.ended(lambda: world.send("v0.CreateLease", too_long, compression=grpc.Compression.Gzip))
    assert (ended.code, ended.text) == (grpc.StatusCode.INVALID_ARGUMENT, "the request is longer than 262,144 bytes")


# --- I-6: nothing at all ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", CALLS)
def test_an_empty_message_is_told_all_that_it_lacks_at_once(world: World, call: str) -> None:
    with writing_nothing(world):
        violations = refused(world, call, b"").violations
    outermost = {path for path in REQUIRED[call].split() if "." not in path}
    assert violations == dict.fromkeys(outermost, "is required")


# --- I-19 and I-20: other paths, other protocols ------------------------------------------------------------------

ONLY_IN_V2 = ("CheckAvailability", "BatchAvailabilityLookup", "GetBookingStatus", "ListBookings")


@pytest.mark.parametrize(
    "path",
    [
        *(f"/{grpc_v0.SERVICE}/{method}" for method in ONLY_IN_V2),
        f"/{grpc_v2.SERVICE}/ReleaseLease",
        f"/{grpc_v2.SERVICE}/createLease",
        f"/{grpc_v2.SERVICE}/CreateLease/",
        f"/{grpc_v2.SERVICE}/",
        "/ext.maps.booking.partner.v1.BookingService/CreateLease",
        "/ext.maps.booking.partner.v3.BookingService/CreateLease",
        "/BookingService/CreateLease",
        "/",
    ],
)
def test_what_is_not_served_is_unimplemented(world: World, path: str) -> None:
    payload = world.whole("v2.CreateLease").SerializeToString()
    multicallable: grpc.UnaryUnaryMultiCallable[bytes, bytes] = world.served.channel.unary_unary(path)
    with writing_nothing(world):
        ended = asking.ended(lambda: multicallable(payload, timeout=CALL_TIMEOUT_S))
    assert ended.code is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("call", "other"),
    [
        (f"{one}.{method}", f"{two}.{method}")
        for method in ("CreateLease", "CreateBooking", "UpdateBooking")
        for one, two in (("v0", "v2"), ("v2", "v0"))
    ],
)
def test_a_request_of_the_other_version_is_refused_and_writes_nothing(world: World, call: str, other: str) -> None:
    """The numbers differ, so it is either no message here or lacks what is required."""
    with writing_nothing(world):
        refused(world, call, world.whole(other).SerializeToString())


SILENT_S = 1.0

CONTENT_TYPES = ("application/grpc+proto", "application/grpc-web", "application/json", "text/plain", "")


@BY_GRPCIO
@pytest.mark.parametrize("content_type", CONTENT_TYPES, ids=lambda kind: kind or "empty")
def test_what_is_framed_as_a_call_is_answered_as_one_whatever_its_content_type(world: World, content_type: str) -> None:
    """The library does not judge it (docs/operate/traffic.md)."""
    heard = frames_heard(world, content_type, world.whole("v2.CheckAvailability").SerializeToString(), framed=True)
    assert [frame.kind for frame in heard] == [http2.Kind.HEADERS, http2.Kind.DATA, http2.Kind.HEADERS]
    assert b"application/grpc" in heard[0].payload
    assert b"grpc-status\x010" in heard[2].payload


@BY_GRPCIO
@pytest.mark.parametrize("content_type", CONTENT_TYPES, ids=lambda kind: kind or "empty")
def test_what_is_not_framed_as_a_call_is_none_whatever_its_content_type(world: World, content_type: str) -> None:
    with writing_nothing(world):
        heard = frames_heard(world, content_type, b'{"lease": {"user_reference": "r"}}', framed=False)
    assert [frame for frame in heard if frame.kind == http2.Kind.DATA] == []
    assert not any(b"grpc-status\x010" in frame.payload for frame in heard)


def frames_heard(world: World, content_type: str, body: bytes, *, framed: bool) -> list[http2.Frame]:
    """What a call of this content type and body is answered, up to the end of its stream. grpcio leaves some of those
    that are not framed without any answer, as it happens to notice; an answer would come in milliseconds."""
    method = "CheckAvailability" if framed else "CreateLease"
    block = http2.call_headers(f"/{grpc_v2.SERVICE}/{method}", {"content-type": content_type})
    data = b"\0" + len(body).to_bytes(4, "big") + body if framed else body
    heard: list[http2.Frame] = []
    with http2.connected(world.served.address) as caller:
        if not framed:
            caller.settimeout(SILENT_S)
        caller.sendall(http2.Frame(http2.Kind.HEADERS, http2.END_HEADERS, 1, block).encode())
        caller.sendall(http2.Frame(http2.Kind.DATA, http2.END_STREAM, 1, data).encode())
        for frame in http2.frames(caller):
            heard += [frame] if frame.stream == 1 else []
            if frame.stream == 1 and (frame.flags & http2.END_STREAM or frame.kind == http2.Kind.RST_STREAM):
                break
    return heard


def say(world: World, data: bytes) -> bytes:
    """What the server says until it hangs up."""
    host, _, port = world.served.address.rpartition(":")
    heard = b""
    with socket.create_connection((host, int(port)), timeout=CALL_TIMEOUT_S) as connection:
        connection.sendall(data)
        # A server that closes with bytes unread resets the connection.
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(4096):
                heard += piece
    return heard


@pytest.mark.parametrize(
    "data",
    [
        b"POST /shop HTTP/1.1\r\nHost: shop\r\nContent-Type: application/grpc\r\nContent-Length: 5\r\n\r\n" + bytes(5),
        b"GET / HTTP/1.0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(600),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 64,
        hashlib.shake_128(b"noise").digest(4096),
    ],
    ids=["HTTP/1.1", "HTTP/1.0", "TLS to a plain port", "HTTP/2 and then nonsense", "noise"],
)
def test_who_speaks_another_protocol_is_hung_up_on(world: World, data: bytes) -> None:
    with writing_nothing(world):
        assert b"booking" not in say(world, data)
    probe = "v2.GetBookingStatus"
    assert world.send(probe, world.whole(probe).SerializeToString())

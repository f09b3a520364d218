"""Version 3 speaks HTTP/1.1. Whoever speaks HTTP/2 to it all the same is not answered, and gone within seconds,
whatever it floods the port with; whoever asks and does not read is gone as well."""

from __future__ import annotations

import itertools
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from slotlease.transport_http import HttpLimits
from tests.certificates import Files, made
from tests.rest.serving import RestClient, serving_rest
from tests.rest.test_tls import trusting
from tests.wire import http2
from tests.wire.client import CALL_TIMEOUT_S
from tests.wire.conftest import Served
from tests.wire.http2 import Frame, Kind

HEADERS_S = 1
GONE_S = HEADERS_S + 2
ANSWER_MAX_S = 0.1
TRIES_MAX = 5
"""Where the machine has much else to do: what delays others by itself does so each time."""

PATH = "/v3/HealthCheck"


@pytest.fixture(scope="module")
def hurried(served: Served) -> Iterator[RestClient]:
    with serving_rest(served, limits=HttpLimits(headers_s=HEADERS_S, unread_s=1)) as rest:
        yield rest


def test_caller_who_offers_both_over_tls_gets_http_1_1(served: Served, tmp_path: Path) -> None:
    pair, files = made(), Files(tmp_path, mutual=False)
    files.put(pair)
    trust = trusting(pair["ca.pem"])
    with serving_rest(served, certificate=files.open(), trusting=trust) as rest:
        with httpx.Client(base_url=f"https://{rest.address}", verify=trust, http2=True) as caller:
            answer = caller.get(PATH)
        assert (answer.status_code, answer.http_version) == (200, "HTTP/1.1")
        context, (host, _, port) = trusting(pair["ca.pem"]), rest.address.rpartition(":")
        context.set_alpn_protocols(["h2"])
        with socket.create_connection((host, int(port)), CALL_TIMEOUT_S) as raw:
            assert chosen(context, raw) is None


def chosen(context: ssl.SSLContext, raw: socket.socket) -> str | None:
    with context.wrap_socket(raw, server_hostname="localhost") as connection:
        return connection.selected_alpn_protocol()


def test_request_of_http_2_is_not_answered(hurried: RestClient) -> None:
    with http2.connected(hurried.address, http2.PREFACE) as caller:
        assert not caller.recv(65_536).startswith(http2.SETTINGS[:9])
        assert http2.is_closed(caller, GONE_S)


def test_request_to_go_on_in_http_2_is_answered_as_if_it_had_not_asked(hurried: RestClient) -> None:
    """As programs ask that would like to: Java's own client does so without TLS unless told otherwise."""
    asked = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAQAAAAA"}
    answer = hurried.http.get(PATH, headers=asked)
    assert (answer.status_code, answer.http_version) == (200, "HTTP/1.1")


# --- floods ------------------------------------------------------------------------------------------------------


def rapid_reset() -> Iterator[bytes]:
    for stream in range(1, 20_000, 2):
        yield http2.opened(stream, PATH) + Frame(Kind.RST_STREAM, 0, stream, http2.CANCEL).encode()


def pings() -> Iterator[bytes]:
    while True:
        yield http2.PING * 100


def settings() -> Iterator[bytes]:
    while True:
        yield http2.SETTINGS * 100


def header_block_without_end() -> Iterator[bytes]:
    yield Frame(Kind.HEADERS, 0, 1, http2.call_headers(PATH)).encode()
    while True:
        yield Frame(Kind.CONTINUATION, 0, 1, b"\0\6x-more\1x" * 50).encode()


def empty_parts_of_headers() -> Iterator[bytes]:
    yield Frame(Kind.HEADERS, 0, 1, http2.call_headers(PATH)).encode()
    while True:
        yield Frame(Kind.CONTINUATION, 0, 1, b"").encode() * 10


def trickle() -> Iterator[bytes]:
    yield from (bytes((byte,)) for byte in Frame(Kind.HEADERS, 0, 1, http2.call_headers(PATH)).encode())
    while True:
        yield Frame(Kind.PING, 0, 0, bytes(8)).encode()


def lasts_s(caller: socket.socket, said: Iterator[bytes]) -> float:
    """How long the other side listens to somebody who says this and reads nothing."""
    caller.settimeout(CALL_TIMEOUT_S)
    began_s = time.monotonic()
    for burst in said:
        try:
            caller.sendall(burst)
        except ConnectionError:
            break
        time.sleep(0.001)
        assert time.monotonic() - began_s < CALL_TIMEOUT_S, "it is still there"
    assert http2.is_closed(caller, CALL_TIMEOUT_S)
    return time.monotonic() - began_s


def answered_s(rest: RestClient) -> float:
    """After how long a proper caller is."""
    began_s = time.monotonic()
    assert rest.http.get(PATH).status_code == 200
    return time.monotonic() - began_s


@pytest.mark.slow
@pytest.mark.parametrize(
    "flood",
    [rapid_reset, pings, settings, header_block_without_end, empty_parts_of_headers, trickle],
    ids=lambda flood: flood.__name__,
)
def test_flood_ends_with_its_connection_and_others_are_answered(
    hurried: RestClient, flood: Callable[[], Iterator[bytes]]
) -> None:
    with http2.connected(hurried.address) as caller:
        assert lasts_s(caller, flood()) < GONE_S
    assert any(answered_s(hurried) < ANSWER_MAX_S for _ in range(TRIES_MAX))


# --- those who do not read ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux counts it")
def test_caller_who_asks_and_does_not_read_is_sent_away(hurried: RestClient) -> None:
    host, _, port = hurried.address.rpartition(":")
    request = b"GET /v3/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        caller.connect((host, int(port)))
        assert lasts_s(caller, itertools.repeat(request)) < CALL_TIMEOUT_S
    assert hurried.http.get(PATH).status_code == 200

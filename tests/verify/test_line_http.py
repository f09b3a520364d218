"""What the HTTP connection makes of servers that answer badly, late, early, or not at all."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from slotlease.verify.caller_v3 import Json
from slotlease.verify.line_http import HttpLine
from slotlease.verify.shop import Dialing
from slotlease.verify.speech import Speech
from slotlease.wire.proto.v3.booking_service_pb2 import ListBookingsRequest, ListBookingsResponse

TIMEOUT_S = 1.0
Behaviour = Callable[[socket.socket], None]


@contextmanager
def behaving(behaviour: Behaviour) -> Iterator[HttpLine]:
    """A server that does this with each connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    stopped = threading.Event()

    def serve() -> None:
        while not stopped.is_set():
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(5)
                if not stopped.is_set():
                    behaviour(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    host, port = listener.getsockname()
    line = HttpLine(Dialing(f"{host}:{port}", TIMEOUT_S))
    try:
        yield line
    finally:
        line.close()
        stopped.set()
        socket.create_connection((host, port)).close()
        thread.join()
        listener.close()


def says(answer: bytes) -> Behaviour:
    def behaviour(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(answer)

    return behaviour


def drips(connection: socket.socket) -> None:
    """A byte now and then, so that no single read takes long."""
    connection.recv(65_536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    silence = threading.Event()
    try:
        for _ in range(1000):
            connection.sendall(b"x")
            silence.wait(0.05)
    except OSError:
        return


def listens(connection: socket.socket) -> None:
    while connection.recv(65_536):
        pass


@pytest.mark.parametrize(
    ("behaviour", "word"),
    [
        pytest.param(says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), "OK", id="whole"),
        pytest.param(says(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{}"), "UNAVAILABLE", id="cut"),
        pytest.param(says(b"HTTP/1.1 301 Moved\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"), "HTTP 301", id="moved"),
        pytest.param(says(b"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n"), "INVALID_ARGUMENT", id="bad"),
        pytest.param(says(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"), "INTERNAL", id="broken"),
        pytest.param(says(b"SSH-2.0\r\n"), "UNAVAILABLE", id="no-http"),
        pytest.param(says(b""), "UNAVAILABLE", id="nothing"),
        pytest.param(drips, "DEADLINE_EXCEEDED", id="drips"),
        pytest.param(listens, "DEADLINE_EXCEEDED", id="listens"),
    ],
)
def test_whatever_a_server_does_is_told_by_one_word_and_in_time(behaviour: Behaviour, word: str) -> None:
    with behaving(behaviour) as line:
        reply = line.send("/v3/ListBookings", b"{}")
    assert reply.word == word, reply
    # Far less than it would drip, and far more than a busy machine adds.
    assert reply.took_s < TIMEOUT_S + 9


def test_a_long_request_that_is_refused_before_its_end_gets_its_answer() -> None:
    with behaving(says(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n")) as line:
        reply = line.send("/v3/ListBookings", b"x" * 30_000_000)
    assert reply.word in {"RESOURCE_EXHAUSTED", "UNAVAILABLE"}, reply


def test_a_connection_that_is_closed_is_made_anew() -> None:
    with behaving(says(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")) as line:
        assert [line.send("/v3/ListBookings", b"{}").word for _ in range(2)] == ["OK", "OK"]


def test_an_answer_that_is_no_json_of_its_kind_is_no_answer() -> None:
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>"
    with behaving(says(said)) as line:
        asked = Speech(line, Json(), lambda method: f"/v3/{method}").ask
        answer = asked("ListBookings", ListBookingsRequest(), ListBookingsResponse, lambda told: len(told.bookings))
    assert (answer.word, answer.value) == ("UNKNOWN", None)
    assert "is no ListBookingsResponse in JSON" in answer.flaw
    assert answer.came == "<html></html>"

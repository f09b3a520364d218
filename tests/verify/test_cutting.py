"""The proxy that loses answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from slotlease.verify.cutting import Cutting

WAIT_S = 10.0


class Echo:
    """Answers what it is told, in capitals, and remembers it."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.heard: list[bytes] = []
        self.ended = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.listener.getsockname()[1]}"

    def _serve(self) -> None:
        connection, _ = self.listener.accept()
        # Who answers may find that nobody is there any more: that is the point.
        with connection, suppress(ConnectionError):
            while heard := connection.recv(1024):
                self.heard.append(heard)
                connection.sendall(heard.upper())
        self.ended.set()


@pytest.fixture
def echo() -> Iterator[Echo]:
    one = Echo()
    yield one
    one.listener.close()


@pytest.mark.parametrize("after_s", [0.0, 0.2])
def test_the_request_arrives_and_its_answer_does_not(echo: Echo, after_s: float) -> None:
    with Cutting(echo.address, WAIT_S) as proxy:
        host, _, port = proxy.address.rpartition(":")
        with socket.create_connection((host, int(port)), WAIT_S) as caller:
            caller.sendall(b"one")
            assert caller.recv(1024) == b"ONE"
            proxy.arm(after_s)
            caller.sendall(b"two")
            assert caller.recv(1024) == b""
    assert echo.ended.wait(WAIT_S)
    assert echo.heard == [b"one", b"two"]


def test_where_nobody_listens_the_caller_is_cut_off() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with Cutting(f"127.0.0.1:{nobody.getsockname()[1]}", WAIT_S) as proxy:
            host, _, port = proxy.address.rpartition(":")
            with socket.create_connection((host, int(port)), WAIT_S) as caller:
                assert caller.recv(1024) == b""

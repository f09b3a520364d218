"""HTTP/2 frames made by hand (RFC 9113, RFC 7541): to say what no proper client would ever say."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4

MAX_CONCURRENT_STREAMS: Final = 3
CANCEL: Final = (8).to_bytes(4, "big")


class Kind(IntEnum):
    DATA = 0
    HEADERS = 1
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


@dataclass(frozen=True, slots=True)
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes

    def encode(self) -> bytes:
        head = len(self.payload).to_bytes(3, "big") + bytes((self.kind, self.flags))
        return head + self.stream.to_bytes(4, "big") + self.payload


SETTINGS: Final = Frame(Kind.SETTINGS, 0, 0, b"").encode()
SETTINGS_ACK: Final = Frame(Kind.SETTINGS, ACK, 0, b"").encode()
PING: Final = Frame(Kind.PING, 0, 0, bytes(8)).encode()
GREETING: Final = PREFACE + SETTINGS + SETTINGS_ACK


def call_headers(path: str, more: Mapping[str, str] | None = None) -> bytes:
    """The header block of a gRPC call, every field spelt out and none remembered."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
        **(more or {}),
    }
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in fields.items())


def _text(text: str) -> bytes:
    """A string literal without Huffman coding: its length as an integer with a prefix of 7 bits, then its bytes."""
    length = len(text)
    if length < 127:
        return bytes((length,)) + text.encode()
    out, rest = bytearray((127,)), length - 127
    while rest >= 128:
        out.append(rest % 128 + 128)
        rest //= 128
    return bytes(out) + bytes((rest,)) + text.encode()


def opened(stream: int, path: str) -> bytes:
    """A call's headers, after which its body would follow."""
    return Frame(Kind.HEADERS, END_HEADERS, stream, call_headers(path)).encode()


def connected(address: str, greeting: bytes = GREETING) -> socket.socket:
    host, _, port = address.rpartition(":")
    connection = socket.create_connection((host, int(port)), timeout=10)
    connection.sendall(greeting)
    return connection


def frames(connection: socket.socket) -> Iterator[Frame]:
    """What the other side says, until it closes the connection or says nothing for the socket's timeout."""
    buffer = b""
    while True:
        while len(buffer) < 9 or len(buffer) < 9 + int.from_bytes(buffer[:3], "big"):
            try:
                more = connection.recv(65_536)
            except (TimeoutError, ConnectionError):
                return
            if not more:
                return
            buffer += more
        end = 9 + int.from_bytes(buffer[:3], "big")
        yield Frame(buffer[3], buffer[4], int.from_bytes(buffer[5:9], "big") & 0x7FFF_FFFF, buffer[9:end])
        buffer = buffer[end:]


def is_closed(connection: socket.socket, within_s: float) -> bool:
    """Whether the other side closes the connection in time."""
    connection.settimeout(within_s)
    try:
        while connection.recv(65_536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True

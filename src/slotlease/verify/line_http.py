"""An HTTP connection: takes a request's JSON, gives what came."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import tempfile
import time
from collections.abc import Iterable, Mapping
from typing import Final

from slotlease.verify.answer import (
    DEADLINE_EXCEEDED,
    INTERNAL,
    INVALID_ARGUMENT,
    NOT_FOUND,
    OK,
    PERMISSION_DENIED,
    RESOURCE_EXHAUSTED,
    UNAUTHENTICATED,
    UNAVAILABLE,
    UNIMPLEMENTED,
    Reply,
)
from slotlease.verify.shop import Dialing, Tls

WORDS: Final[Mapping[int, str]] = {
    200: OK,
    400: INVALID_ARGUMENT,
    401: UNAUTHENTICATED,
    403: PERMISSION_DENIED,
    404: NOT_FOUND,
    405: UNIMPLEMENTED,
    409: "ABORTED",
    413: RESOURCE_EXHAUSTED,
    429: RESOURCE_EXHAUSTED,
    499: "CANCELLED",
    500: INTERNAL,
    501: UNIMPLEMENTED,
    502: UNAVAILABLE,
    503: UNAVAILABLE,
    504: DEADLINE_EXCEEDED,
}
"""Google's page of status codes, and what proxies and HTTP libraries say besides."""

IDLE_MAX_S: Final = 1.0
"""A connection that was idle for longer may be closed just when a request is sent, and that would look like a fault. A
new one is made instead: only cases repeat a request."""

BODY_MAX: Final = 64 * 1024 * 1024
ERROR_TEXT_MAX: Final = 2_000
_CHUNK: Final = 65_536


class HttpLine:
    def __init__(self, dialing: Dialing) -> None:
        self._dialing = dialing
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if dialing.user:
            named = base64.b64encode(f"{dialing.user}:{dialing.password}".encode())
            self._headers["Authorization"] = f"Basic {named.decode()}"
        self._tls = None if dialing.tls is None else _context(dialing.tls)
        self._connection: _Connection | None = None
        self._used_s = 0.0

    def send(self, path: str, payload: bytes) -> Reply:
        """POSTs it."""
        return self._request("POST", path, payload)

    def get(self, path: str) -> Reply:
        return self._request("GET", path, None)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _request(self, verb: str, path: str, payload: bytes | None) -> Reply:
        """A connection that cannot be made, or ends, is UNAVAILABLE; so is what is no HTTP."""
        if time.perf_counter() - self._used_s > IDLE_MAX_S:
            self.close()
        began_s = time.perf_counter()
        try:
            code, body = self._exchange(verb, self._dialing.prefix + path, payload, began_s + self._dialing.timeout_s)
        except TimeoutError as error:
            return self._failed(DEADLINE_EXCEEDED, str(error), began_s)
        except (OSError, http.client.HTTPException) as error:
            return self._failed(UNAVAILABLE, f"{type(error).__name__}: {error}", began_s)
        self._used_s = time.perf_counter()
        took_s = self._used_s - began_s
        if code == http.HTTPStatus.OK:
            return Reply(OK, body, "", took_s)
        text = f"HTTP {code}, {body[:ERROR_TEXT_MAX].decode(errors='backslashreplace')}"
        return Reply(WORDS.get(code, f"HTTP {code}"), b"", text, took_s)

    def _failed(self, word: str, text: str, began_s: float) -> Reply:
        self.close()
        return Reply(word, b"", text, time.perf_counter() - began_s)

    def _exchange(self, verb: str, path: str, payload: bytes | None, until_s: float) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = _Connection(self._dialing, self._tls)
            self._connection.connect()
        connection = self._connection
        connection.wait_until(until_s)
        cut = False
        try:
            connection.request(verb, path, payload, self._headers)
        except (BrokenPipeError, ConnectionResetError):
            # Whoever refuses a long body need not read it to its end: the answer may be there.
            cut = True
        with connection.getresponse() as response:
            body = b"".join(connection.chunks(response, until_s))
        if cut or response.will_close:
            self.close()
        return response.status, body


class _Connection(http.client.HTTPConnection):
    """To `via`, where it is given, while speaking as if to `address`."""

    def __init__(self, dialing: Dialing, tls: ssl.SSLContext | None) -> None:
        super().__init__(*_split(dialing.address), timeout=dialing.timeout_s)
        self._dialing = dialing
        self._tls = tls
        self._socket: socket.socket | None = None

    def connect(self) -> None:
        made = socket.create_connection(_split(self._dialing.via or self._dialing.address), self._dialing.timeout_s)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None and self._dialing.tls is not None:
            made = self._tls.wrap_socket(made, server_hostname=self._dialing.tls.name or self.host)
        self.sock = self._socket = made

    def wait_until(self, until_s: float) -> None:
        """Raises TimeoutError."""
        left_s = until_s - time.perf_counter()
        if left_s <= 0:
            raise TimeoutError("no whole answer in time")
        if self._socket is not None:
            self._socket.settimeout(left_s)

    def chunks(self, response: http.client.HTTPResponse, until_s: float) -> Iterable[bytes]:
        """The body as it comes. Raises TimeoutError, OSError where it does not end."""
        length = 0
        while chunk := response.read1(_CHUNK):
            length += len(chunk)
            if length > BODY_MAX:
                raise OSError(f"the answer is longer than {BODY_MAX:,} bytes")
            yield chunk
            self.wait_until(until_s)
        if response.length:
            raise OSError(f"the answer ended {response.length:,} bytes before its end")


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=tls.roots.decode() if tls.roots else None)
    if tls.certificate and tls.key:
        # The library reads a client's certificate from a file only.
        with tempfile.NamedTemporaryFile() as pem:
            pem.write(tls.certificate + b"\n" + tls.key)
            pem.flush()
            context.load_cert_chain(pem.name)
    return context

"""The seam between an ASGI application and the HTTP server that serves it: hypercorn (docs/decisions says why).

HTTP/1.1 and nothing else. The library would also speak HTTP/2, over TLS and without: more to guard than a caller with
a few requests a second gains (docs/decisions/0019).
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import h11
import hypercorn.protocol
import structlog
from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.typing import ASGIFramework
from starlette.types import ASGIApp

from slotlease.certificate import Certificate, CertificateRefused, Credentials
from slotlease.serving import cannot_listen

BACKLOG = 512

_log = structlog.get_logger("slotlease.transport_http")

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: with forward secrecy, and none that scanners complain of. Those of 1.3 are all good."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """`headers_s`: for the headers of a request, and for a connection on which none is under way. `headers_bytes` of
    headers are waited for; the library lets pass what comes in one read, 64 KiB at most. `unread_s`: for a caller who
    asks and does not read the answers (the system counts it, on Linux only)."""

    headers_s: int = 10
    headers_bytes: int = 16 * 1024
    unread_s: int = 30


class _Http1Only(H11Protocol):
    """Hypercorn's, which would go on in HTTP/2 with whoever begins so, or asks to with `Upgrade: h2c`, and has no
    switch for it: the one is no request of HTTP/1.1, the other is answered as if it had not asked (RFC 9110, 7.8)."""

    async def _check_protocol(self, event: h11.Request) -> None:
        pass


hypercorn.protocol.H11Protocol = _Http1Only  # type: ignore[attr-defined] # a test notices if it is elsewhere one day


class _Config(Config):
    """Hypercorn's, which itself reads a certificate once, from files."""

    tls: ssl.SSLContext | None = None

    @property
    def ssl_enabled(self) -> bool:
        return self.tls is not None

    def create_ssl_context(self) -> ssl.SSLContext | None:
        return self.tls


class HttpTransport:
    """Serves one application on one address, over TLS where there is a certificate. Made, used and stopped on one
    running event loop. Raises CertificateRefused when made."""

    def __init__(self, limits: HttpLimits | None = None, certificate: Certificate | None = None) -> None:
        self.is_serving = False
        self._draining = False
        self._limits = limits or HttpLimits()
        self._stopping = asyncio.Event()
        self._socket: socket.socket | None = None
        self._serving: asyncio.Task[None] | None = None
        self._config = _Config()
        self._config.tls = None if certificate is None else _tls(certificate)

    def bind(self, address: str, *, shares_port: bool = False) -> int:
        """Takes HOST:PORT, where port 0 is any free one, and returns the port; with `shares_port` beside others who
        share it. Raises CannotListen."""
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        try:
            family = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0][0]
            listening = socket.socket(family, socket.SOCK_STREAM)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):  # what it accepts inherits it
                listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self._limits.unread_s * 1000)
            if shares_port:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listening.bind((host, int(port)))
        except OSError as error:
            raise cannot_listen(address) from error
        self._socket = listening
        found: int = listening.getsockname()[1]
        return found

    async def start(self, application: ASGIApp) -> None:
        assert self._socket is not None, "bind comes first"  # noqa: S101 - a mistake of ours
        self._socket.listen(BACKLOG)
        config, limits = self._config, self._limits
        # From here on it is the library's, which closes it too.
        config.bind = [f"fd://{self._socket.detach()}"]
        config.accesslog = None
        config.errorlog = logging.getLogger("hypercorn")
        config.include_server_header = False
        config.h11_max_incomplete_size = limits.headers_bytes
        config.keep_alive_timeout = limits.headers_s
        config.ssl_handshake_timeout = limits.headers_s
        self._serving = asyncio.create_task(
            # The library spells out every event; the interface is the same.
            serve(cast("ASGIFramework", application), config, shutdown_trigger=self._stopping.wait),
            name="http",
        )
        await self.tell_health(serving=True)

    async def tell_health(self, *, serving: bool) -> None:
        """What `is_serving` says from now on; calls are answered either way. Once it drains it stays at no."""
        self.is_serving = serving and not self._draining

    async def drain(self) -> None:
        self._draining = True
        await self.tell_health(serving=False)

    async def stop(self, grace_s: float) -> None:
        """Takes no new requests, lets those under way end within `grace_s`, then cuts them."""
        self._config.graceful_timeout = grace_s
        self._stopping.set()
        if self._serving is not None:
            await self._serving
        elif self._socket is not None:
            self._socket.close()


def _tls(certificate: Certificate) -> ssl.SSLContext:
    """Looks before each handshake whether the files have changed, as gRPC's port does; connections that stand go on
    with what they began with. Callers are asked for a password, and not for a certificate (docs/operate/tls.md)."""
    given = certificate.current
    latest_context = first = _context(given)

    def choose(connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _context_before: ssl.SSLContext) -> None:
        nonlocal given, latest_context
        latest = certificate.refresh()
        if latest is not given:
            given = latest
            try:
                latest_context = _context(latest)
            except CertificateRefused as refused:
                _log.error("certificate files refused, the old certificate stays", reason=str(refused))
        connection.context = latest_context

    # OpenSSL asks it at every handshake, also where the caller names no server.
    first.sni_callback = choose
    return first


def _context(credentials: Credentials) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    with _as_file(credentials.chain_pem + b"\n" + credentials.key_pem) as path:
        try:
            context.load_cert_chain(path)
        except ssl.SSLError as error:
            # The reason is a word of OpenSSL's own list, such as CA_MD_TOO_WEAK.
            message = (
                f"the certificate's chain cannot be served over HTTPS ({error.reason}); get one with keys and "
                "signatures that callers take"
            )
            raise CertificateRefused(message) from error
    return context


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """The path of a file that holds exactly this: Python's `ssl` takes paths only, and what is on the operator's may
    have changed since it was checked. On Linux it never is on a disk."""
    if sys.platform == "linux":
        with os.fdopen(os.memfd_create("certificate"), "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "certificate.pem"
            path.write_bytes(content)
            yield str(path)

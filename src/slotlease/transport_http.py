"""The seam between an ASGI application and the HTTP server that serves it: hypercorn (docs/decisions says why)."""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import dataclass
from typing import cast

from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework
from starlette.types import ASGIApp

from slotlease.transport import CannotListen

BACKLOG = 512


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """`headers_s`: for the headers of a request, and for a connection on which none is under way. `headers_bytes` of
    headers are waited for; the library lets pass what comes in one read, 64 KiB at most."""

    headers_s: int = 10
    headers_bytes: int = 16 * 1024
    requests_max: int = 128


class HttpTransport:
    """Serves one application on one address. Made, used and stopped on one running event loop."""

    def __init__(self, limits: HttpLimits | None = None) -> None:
        self.is_serving = False
        self._draining = False
        self._limits = limits or HttpLimits()
        self._stopping = asyncio.Event()
        self._socket: socket.socket | None = None
        self._serving: asyncio.Task[None] | None = None
        self._config = Config()

    def bind(self, address: str) -> int:
        """Takes HOST:PORT, where port 0 is any free one, and returns the port. Raises CannotListen."""
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        try:
            family = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0][0]
            listening = socket.socket(family, socket.SOCK_STREAM)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, int(port)))
        except OSError as error:
            message = (
                f"cannot listen on {address}: another program has the port, or the host is no address of this machine; "
                "stop the other program or choose another HOST:PORT"
            )
            raise CannotListen(message) from error
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
        config.h2_max_header_list_size = limits.headers_bytes
        config.h2_max_concurrent_streams = limits.requests_max
        config.keep_alive_timeout = limits.headers_s
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

"""The page that Prometheus reads, on a port of its own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

PATH = "/metrics"
_REQUEST_MAX_S = 5.0
"""How long somebody may take to send a request: no client holds a thread for longer."""


class Measured(Protocol):
    """Whatever has numbers to tell."""

    @property
    def registry(self) -> CollectorRegistry: ...


@contextmanager
def metrics_page(metrics: Measured, host: str, port: int) -> Iterator[int]:
    """Serves the page at `http://host:port/metrics` (port 0: any free one) and gives the port. Raises OSError."""

    class Page(BaseHTTPRequestHandler):
        timeout = _REQUEST_MAX_S

        def do_GET(self) -> None:
            if self.path.partition("?")[0] != PATH:
                self._answer(404, "text/plain; charset=utf-8", f"the metrics are at {PATH}\n".encode())
                return
            self._answer(200, CONTENT_TYPE_PLAIN_0_0_4, generate_latest(metrics.registry))

        def version_string(self) -> str:
            return "slotlease"

        def _answer(self, code: int, kind: str, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's own name
            """Nothing: it would log what the caller sent."""

    with _server_of(host)((host, port), Page) as server:
        # Stopping waits half this long; the default, half a second, would be felt at every stop.
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="metrics-page", daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _server_of(host: str) -> type[ThreadingHTTPServer]:
    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # Whoever still reads the page when the server stops does not keep it from stopping.
        block_on_close = False
        # A port that another program has is told of, never shared.
        allow_reuse_port = False

        def handle_error(self, request: object, client_address: object) -> None:
            """Nothing: a reader that went away is no fault of ours, and the library would print what it sent."""

    return Server

"""A proxy that loses answers: it passes a request on and then cuts the connection, as networks do."""

from __future__ import annotations

import select
import socket
import threading
import time
from typing import Final, Self

_CHUNK: Final = 65_536
_TICK_S: Final = 0.02


class Cutting:
    """Listens on loopback and passes bytes on to `address`, whatever they are, TLS included. From `arm` on, requests
    still go through and answers do not; `after_s` seconds after the next bytes of a client, all is cut.

    A context manager; `address` below is where to connect to.
    """

    def __init__(self, address: str, timeout_s: float) -> None:
        host, _, port = address.rpartition(":")
        self._target = host.strip("[]"), int(port)
        self._timeout_s = timeout_s
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_TICK_S)
        self._stopped = threading.Event()
        self._after_s: float | None = None
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def arm(self, after_s: float) -> None:
        self._after_s = after_s

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            thread = threading.Thread(target=self._pass_on, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _pass_on(self, client: socket.socket) -> None:
        with client:
            try:
                with socket.create_connection(self._target, self._timeout_s) as server:
                    self._until_cut(client, server)
            except OSError:
                # Either side is gone: so is the connection, which is what the other side sees.
                return

    def _until_cut(self, client: socket.socket, server: socket.socket) -> None:
        cut_at_s: float | None = None
        while not self._stopped.is_set() and (cut_at_s is None or time.monotonic() < cut_at_s):
            readable, _, _ = select.select([client, server], [], [], _TICK_S)
            armed_s = self._after_s
            for source in readable:
                data = source.recv(_CHUNK)
                if not data:
                    return
                if source is client:
                    server.sendall(data)
                elif armed_s is None:
                    client.sendall(data)
                if source is client and armed_s is not None and cut_at_s is None:
                    cut_at_s = time.monotonic() + armed_s

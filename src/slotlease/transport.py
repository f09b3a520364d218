"""The seam between handlers and the server library that serves them (DESIGN 7).

A handler takes a request's bytes and gives an answer's bytes; it knows no server. Whoever serves handlers registers
each under its full method path, without serializer, and gives it a context with `time_remaining` and `abort`. Handlers
run on an event loop, or are driven by somebody who answers what they ask for (`Asked`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from slotlease.certificate import Certificate, Credentials
from slotlease.desk.operation import Operation
from slotlease.serving import cannot_listen

Handler = Callable[[bytes, "grpc.aio.ServicerContext[bytes, bytes]"], Awaitable[bytes]]
"""Must be a coroutine function: grpcio runs anything else on a thread pool that we do not have."""


class Asked(NamedTuple):
    """What a handler awaits where no event loop runs it: whoever drives the handler takes this to the desk, and sends
    the answer. `deadline_s` is on the monotonic clock."""

    operation: Operation[object]
    deadline_s: float | None

    def __await__(self) -> Generator[Asked, object, object]:
        return (yield self)


RECEIVE_BYTES_MAX = 1024 * 1024
"""What the library lets in. Far above what a handler accepts, so that the handler's own INVALID_ARGUMENT is what a
caller sees, and far below what could hurt (reliability 3.2)."""

METADATA_BYTES_MAX = 16 * 1024
"""Headers past half of it are refused at random, past all of it always."""

PENDING_MAX = 2**31 - 1
"""Of calls that wait for our event loop. Past its own default of 1,000 the library answers CANCELLED; ours is the limit
of calls under way, which answers what a caller can act on. What bounds these is connections times streams."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What callers may take of the server. A call under way ends a connection's age only after `age_grace_s` more.
    `streams_max`, on one connection, is the least that RFC 9113 (6.5.2) recommends: each may hold half a call, and
    where the processor is the limit each waits before it can even be refused."""

    connections_max: int = 200
    streams_max: int = 100
    idle_s: float = 5 * 60
    age_s: float = 30 * 60
    age_grace_s: float = 30
    keepalive_s: float = 60
    keepalive_timeout_s: float = 20
    shares_port: bool = False

    def options(self) -> tuple[tuple[str, int], ...]:
        """As grpcio's channel arguments."""
        return (
            ("grpc.max_allowed_incoming_connections", self.connections_max),
            ("grpc.max_connection_idle_ms", _ms(self.idle_s)),
            ("grpc.max_connection_age_ms", _ms(self.age_s)),
            ("grpc.max_connection_age_grace_ms", _ms(self.age_grace_s)),
            ("grpc.server.max_pending_requests", PENDING_MAX),
            ("grpc.server.max_pending_requests_hard_limit", PENDING_MAX),
            ("grpc.max_receive_message_length", RECEIVE_BYTES_MAX),
            # Two servers on one port would share its calls at random instead of the second being refused: that is
            # for the workers of one server only.
            ("grpc.so_reuseport", int(self.shares_port)),
            # A burst of reset streams costs memory for each (reliability 3.2).
            ("grpc.max_concurrent_streams", self.streams_max),
            ("grpc.max_metadata_size", METADATA_BYTES_MAX // 2),
            ("grpc.absolute_max_metadata_size", METADATA_BYTES_MAX),
            # A caller that vanished without a word is found out by asking whether it is there.
            ("grpc.keepalive_time_ms", _ms(self.keepalive_s)),
            ("grpc.keepalive_timeout_ms", _ms(self.keepalive_timeout_s)),
        )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


DEFAULT_LIMITS = Limits()


class GrpcTransport:
    """Serves handlers by full method path ("/package.Service/Method"), with `grpc.health.v1.Health` for each of their
    services and for the empty name. Made, used and stopped on one running event loop.

    `reflection` also tells callers what the services look like; their descriptors must have been imported. `elsewhere`
    are services of which only health and reflection are told here: somebody else answers their calls.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        *,
        reflection: bool = False,
        limits: Limits = DEFAULT_LIMITS,
        elsewhere: Sequence[str] = (),
    ) -> None:
        self._server = grpc.aio.server(options=limits.options())
        self._health = health.aio.HealthServicer()
        self._services = list(elsewhere)
        self._register(handlers)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if reflection:
            _describe(self._server, self._services)

    def bind(self, address: str, certificate: Certificate | None = None) -> int:
        """Takes HOST:PORT, where port 0 is any free one, and returns the port; speaks plaintext without a certificate.
        Raises CannotListen."""
        try:
            if certificate is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, _credentials(certificate))
        except RuntimeError as error:
            raise cannot_listen(address) from error
        return port

    async def start(self) -> None:
        await self.tell_health(serving=True)
        await self._server.start()

    async def tell_health(self, *, serving: bool) -> None:
        """What health answers from now on, for every service and the empty name. One that drains stays NOT_SERVING."""
        told = health_pb2.HealthCheckResponse
        for service in (*self._services, health.OVERALL_HEALTH):
            await self._health.set(service, told.SERVING if serving else told.NOT_SERVING)

    async def drain(self) -> None:
        """Says NOT_SERVING to whoever asks, from now on; calls are still answered."""
        await self._health.enter_graceful_shutdown()

    async def stop(self, grace_s: float) -> None:
        """Takes no new calls, lets those under way end within `grace_s`, then cuts them."""
        await self.drain()
        await self._server.stop(grace_s)

    def _register(self, handlers: Mapping[str, Handler]) -> None:
        by_service: defaultdict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]] = defaultdict(dict)
        for path, handler in handlers.items():
            _, service, method = path.split("/")
            by_service[service][method] = grpc.unary_unary_rpc_method_handler(handler)
        for service, methods in by_service.items():
            self._server.add_registered_method_handlers(service, methods)
            self._services.append(service)


def _credentials(certificate: Certificate) -> grpc.ServerCredentials:
    """TLS 1.2 or 1.3 (the library takes nothing older). It asks on its own thread before each handshake, and None keeps
    what it has; connections that stand go on with what they began with."""
    given = certificate.current

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal given
        latest = certificate.refresh()
        if latest is given:
            return None
        given = latest
        return _configuration(latest)

    # With roots, a caller without a certificate that one of them issued does not get past the handshake.
    asks_callers = given.roots_pem is not None
    return grpc.dynamic_ssl_server_credentials(
        _configuration(given),
        fetch,  # type: ignore[arg-type] # the stubs do not know the None that the library's own page asks for
        require_client_authentication=asks_callers,
    )


def _configuration(credentials: Credentials) -> grpc.ServerCertificateConfiguration:
    pairs = [(credentials.key_pem, credentials.chain_pem)]
    return grpc.ssl_server_certificate_configuration(pairs, credentials.roots_pem)


def _describe(server: grpc.aio.Server, services: list[str]) -> None:
    names = [*services, health.SERVICE_NAME, reflection.SERVICE_NAME]
    reflection.enable_server_reflection(names, server)

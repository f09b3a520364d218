"""A server on a real socket over a real ledger, on a thread of its own, with a client beside it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field

import grpc
import pytest
from google.protobuf.message import Message

from slotlease.certificate import Certificate
from slotlease.desk.desk import Desk
from slotlease.desk.tally import Tally
from slotlease.domain.policy import Rules
from slotlease.store.protocol import Store
from slotlease.telemetry import Report
from slotlease.telemetry.metrics import Metrics
from slotlease.transport import GrpcTransport, Limits
from slotlease.transport_native import NativeTransport
from slotlease.wire import grpc_v0, grpc_v2
from slotlease.wire.admission import Admission
from slotlease.wire.bridge import AskDesk, ask_in_turn
from slotlease.wire.callers import Callers
from slotlease.wire.proto.v0 import booking_service_pb2_grpc as v0
from slotlease.wire.proto.v2.booking_service_pb2_grpc import BookingServiceStub
from tests.proofs.ledger_file import scratch_folder
from tests.support import Offered, Shop, open_shop, secrets
from tests.wire.client import CALL_TIMEOUT_S, Client
from tests.wire.client_v0 import ClientV0
from tests.wire.ledger_rows import LedgerRows
from tests.wire.whole_requests import CALLS, whole_requests

_in_use = ["grpcio"]
"""The last one serves."""


@pytest.fixture(scope="module", params=["grpcio", "native"])
def library(request: pytest.FixtureRequest) -> Iterator[str]:
    """Whoever serves while a test uses this, serves with each library in turn."""
    _in_use.append(request.param)
    yield request.param
    _in_use.pop()


BY_GRPCIO = pytest.mark.parametrize("library", ["grpcio"], indirect=True)
"""For what the other library leaves to the proxy in front of it (docs/decisions/0023)."""


@dataclass(frozen=True, slots=True)
class Served:
    """`incidents` are the exceptions that the server took for its own mistakes."""

    shop: Shop
    desk: Desk
    transport: GrpcTransport | NativeTransport
    admission: Admission
    loop: asyncio.AbstractEventLoop
    channel: grpc.Channel
    address: str
    stub: BookingServiceStub
    incidents: list[BaseException]

    def client(self, merchant_id: str = "m1") -> Client:
        return Client(self.stub, self.shop, merchant_id)

    def client_v0(self, merchant_id: str = "m1") -> ClientV0:
        return ClientV0(v0.BookingServiceStub(self.channel), self.shop, merchant_id)

    def call(
        self,
        method: str,
        payload: bytes,
        *,
        service: str = grpc_v2.SERVICE,
        metadata: tuple[tuple[str, str], ...] = (),
        compression: grpc.Compression | None = None,
    ) -> bytes:
        """The answer's bytes to a request's bytes."""
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(f"/{service}/{method}")
        return call(payload, timeout=CALL_TIMEOUT_S, metadata=metadata, compression=compression)


@dataclass(frozen=True, slots=True)
class Tls:
    """What the server shows, whom it lets in, and what the client that comes with it shows and trusts."""

    certificate: Certificate
    callers: Callers | None
    shown: grpc.ChannelCredentials


@contextmanager
def serving(  # noqa: PLR0913 - a test names the one that it is about
    shop: Shop,
    *,
    leases: bool = True,
    reflection: bool = False,
    new_secret: Callable[[], bytes] | None = None,
    waiting_max: int = 4096,
    calls_max: int = 512,
    limits: Limits | None = None,
    store: Store | None = None,
    metrics: Metrics | None = None,
    log_incident: Report | None = None,
    tls: Tls | None = None,
) -> Iterator[Served]:
    incidents: list[BaseException] = []

    def report(error: BaseException) -> str:
        incidents.append(error)
        return f"incident-{len(incidents)}" if log_incident is None else log_incident(error)

    admission = Admission(calls_max, tls.callers if tls else None)
    desk = Desk(
        store or shop.store,
        Rules(shop.store.fingerprint_key),
        report,
        waiting_max=waiting_max,
        tally=None if metrics is None else Tally(metrics, shop.store.live_leases),
    )
    ready: Future[tuple[GrpcTransport | NativeTransport, asyncio.AbstractEventLoop, asyncio.Event, int]] = Future()

    async def serve() -> None:
        done = asyncio.Event()
        native, make_secret = _in_use[-1] == "native", new_secret or secrets().__next__
        ask = ask_in_turn if native else AskDesk(desk)
        handlers = {
            **grpc_v2.handlers(
                ask, new_secret=make_secret, report=report, admission=admission, metrics=metrics, leases=leases
            ),
            **grpc_v0.handlers(
                ask,
                fingerprint_key=shop.store.fingerprint_key,
                new_secret=make_secret,
                report=report,
                admission=admission,
                metrics=metrics,
                leases=leases,
            ),
        }
        transport: GrpcTransport | NativeTransport
        if native:
            transport = NativeTransport(handlers, desk, report, reflection=reflection, limits=limits or Limits())
            port = transport.bind("127.0.0.1:0")
        else:
            transport = GrpcTransport(handlers, reflection=reflection, limits=limits or Limits())
            port = transport.bind("127.0.0.1:0", tls.certificate if tls else None)
        await transport.start()
        ready.set_result((transport, asyncio.get_running_loop(), done, port))
        await done.wait()
        await transport.stop(grace_s=0)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    transport, loop, done, port = ready.result(timeout=CALL_TIMEOUT_S)
    try:
        address = f"127.0.0.1:{port}"
        with grpc.secure_channel(address, tls.shown) if tls else grpc.insecure_channel(address) as channel:
            yield Served(
                shop, desk, transport, admission, loop, channel, address, BookingServiceStub(channel), incidents
            )
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
        desk.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, library: str) -> Iterator[Served]:  # noqa: ARG001 - see there
    """One server for a file of tests. Each keeps to its own merchant and users, and moves the clock by minutes."""
    shop = open_shop(tmp_path_factory.mktemp("ledger"))
    with serving(shop) as served:
        yield served
    shop.store.close()


@dataclass(frozen=True, slots=True)
class World:
    """A served shop, its ledger's tables, and of every call a request that it accepts."""

    served: Served
    ledger: LedgerRows
    _whole: dict[str, Message] = field(repr=False)

    def whole(self, call: str) -> Message:
        """A copy, to spoil."""
        return deepcopy(self._whole[call])

    def send(
        self,
        call: str,
        payload: bytes,
        *,
        metadata: tuple[tuple[str, str], ...] = (),
        compression: grpc.Compression | None = None,
    ) -> bytes:
        return self.served.call(
            CALLS[call].method,
            payload,
            service=CALLS[call].service,
            metadata=metadata,
            compression=compression,
        )


@pytest.fixture(scope="module")
def world(library: str) -> Iterator[World]:  # noqa: ARG001 - see there
    with scratch_folder() as folder:
        shop, ledger = open_shop(folder), LedgerRows(folder)
        requests = whole_requests(shop)
        with serving(shop) as served:
            yield World(served, ledger, requests)
            assert served.incidents == []
        ledger.close()
        shop.store.close()


@pytest.fixture
def shop(tmp_path_factory: pytest.TempPathFactory, library: str) -> Iterator[Shop]:  # noqa: ARG001 - see there
    """A ledger of its own, for a test that serves it in a special way."""
    shop = open_shop(tmp_path_factory.mktemp("ledger"))
    shop.offer(Offered())
    yield shop
    shop.store.close()


@pytest.fixture
def client(served: Served, request: pytest.FixtureRequest) -> Client:
    """A caller of the shared server. Its merchant, and so its slots, users and tokens, are this test's alone."""
    return served.client(request.node.name[-200:])


@pytest.fixture
def client_v0(served: Served, client: Client) -> ClientV0:
    """The same caller, who speaks version 0: the merchant is the same."""
    return served.client_v0(client.merchant_id)

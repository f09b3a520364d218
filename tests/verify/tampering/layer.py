"""The tampering layer: a server in front of the real one, that passes calls on or spoils them on the way."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, Protocol

import grpc
from google.protobuf.message import DecodeError, Message

from slotlease.wire.proto.v0 import booking_service_pb2 as v0_pb2
from slotlease.wire.proto.v2 import booking_service_pb2 as v2_pb2
from tests.verify.tampering.fault import Call, Fault, Memory, Refused

THREADS: Final = 16
"""More than there are racers: a call that waits must not stop another."""

ANSWER_WITHIN_S: Final = 20.0

_MODULES: Final[dict[str, Any]] = {"v0": v0_pb2, "v2": v2_pb2}


class Carrier(Protocol):
    """How calls and messages travel to the real server."""

    def send(self, path: str, raw: bytes) -> bytes:
        """Raises Refused."""

    def kind(self, path: str, ending: str) -> type[Message] | None:
        """Of the method's Request or Response; None where Google has no such method."""

    def path(self, request: Message) -> str: ...

    def read(self, kind: type[Message] | None, raw: bytes) -> Message | None:
        """None for bytes that are no such message."""

    def write(self, message: Message) -> bytes: ...


class Layer:
    """One fault at a time; none: it passes everything on."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._memory = Memory()
        self.address = ""

    def spoil(self, fault: Fault | None) -> None:
        """From now on so, with nothing remembered."""
        self._memory = Memory(fault)

    def spoils(self, method: str) -> bool:
        return self._memory.fault is not None and method in self._memory.fault.methods

    def answer(self, path: str, raw: bytes, peer: str) -> bytes:
        """Raises Refused."""
        method, memory, carrier = path.rpartition("/")[2], self._memory, self._carrier
        if memory.fault is None or method not in memory.fault.methods:
            return carrier.send(path, raw)
        request = carrier.read(carrier.kind(path, "Request"), raw)

        def pass_on() -> Message | None:
            """A request that was changed goes as it is now."""
            told = carrier.send(path, raw if request is None else carrier.write(request))
            return carrier.read(carrier.kind(path, "Response"), told)

        return carrier.write(memory.fault.tamper(Call(method, request, raw, peer, memory.kept, self._ask, pass_on)))

    def _ask(self, request: Message) -> Message | None:
        path = self._carrier.path(request)
        told = self._carrier.send(path, self._carrier.write(request))
        return self._carrier.read(self._carrier.kind(path, "Response"), told)


class _GrpcCarrier:
    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel

    def send(self, path: str, raw: bytes) -> bytes:
        try:
            method: Any = self._channel.unary_unary(path)
            answer: bytes = method(raw, timeout=ANSWER_WITHIN_S)
        except grpc.RpcError as error:
            raise Refused(error.code(), error.details() or "") from error
        return answer

    def kind(self, path: str, ending: str) -> type[Message] | None:
        service, _, method = path.strip("/").partition("/")
        kind: type[Message] | None = getattr(_MODULES.get(service.split(".")[-2]), f"{method}{ending}", None)
        return kind

    def path(self, request: Message) -> str:
        kind = type(request)
        return f"/{kind.DESCRIPTOR.file.package}.BookingService/{kind.__name__.removesuffix('Request')}"

    def read(self, kind: type[Message] | None, raw: bytes) -> Message | None:
        try:
            return None if kind is None else kind.FromString(raw)
        except DecodeError:
            return None

    def write(self, message: Message) -> bytes:
        return message.SerializeToString()


class _Front(grpc.GenericRpcHandler):
    def __init__(self, layer: Layer) -> None:
        self._layer = layer

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        path = details.method
        return grpc.unary_unary_rpc_method_handler(lambda raw, context: self._answer(path, raw, context))

    def _answer(self, path: str, raw: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            return self._layer.answer(path, raw, context.peer())
        except Refused as error:
            context.abort(error.code, error.text)
        raise AssertionError("abort has ended it")


@contextmanager
def tampering(address: str) -> Iterator[Layer]:
    """In front of the server at `address`, on a free port of the loopback."""
    with grpc.insecure_channel(address, (("grpc.max_send_message_length", -1),)) as channel:
        layer = Layer(_GrpcCarrier(channel))
        options = (("grpc.max_receive_message_length", -1),)
        server = grpc.server(ThreadPoolExecutor(THREADS), handlers=[_Front(layer)], options=options)
        layer.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        try:
            yield layer
        finally:
            server.stop(None).wait()

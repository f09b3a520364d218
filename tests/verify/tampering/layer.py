"""The tampering layer: a gRPC server in front of the real one, that passes calls on or spoils them on the way."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError, Message

from slotlease.wire.proto.v2 import booking_service_pb2 as service_pb2
from tests.verify.tampering.fault import Call, Fault, Memory, Refused

SERVICE: Final[str] = service_pb2.DESCRIPTOR.services_by_name["BookingService"].full_name
THREADS: Final = 16
"""More than there are racers: a call that waits must not stop another."""

ANSWER_WITHIN_S: Final = 20.0


class Layer(grpc.GenericRpcHandler):
    """One fault at a time; none: it passes everything on."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel
        self._memory = Memory()
        self.address = ""

    def spoil(self, fault: Fault | None) -> None:
        """From now on so, with nothing remembered."""
        self._memory = Memory(fault)

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        path = details.method
        return grpc.unary_unary_rpc_method_handler(lambda raw, context: self._answer(path, raw, context))

    def _answer(self, path: str, raw: bytes, context: grpc.ServicerContext) -> bytes:
        method, memory = path.rpartition("/")[2], self._memory
        try:
            if memory.fault is None or method not in memory.fault.methods:
                return self._send(path, raw)
            request = _message(f"{method}Request", raw)
            call = Call(method, request, memory.kept, self._ask, lambda: self._pass_on(path, method, request, raw))
            answer: bytes = memory.fault.tamper(call).SerializeToString()
        except Refused as error:
            context.abort(error.code, error.text)
        return answer

    def _pass_on(self, path: str, method: str, request: Message | None, raw: bytes) -> Message | None:
        """A request that was changed goes as it is now."""
        return _message(f"{method}Response", self._send(path, raw if request is None else request.SerializeToString()))

    def _ask(self, request: Message) -> Message | None:
        method = type(request).__name__.removesuffix("Request")
        return _message(f"{method}Response", self._send(f"/{SERVICE}/{method}", request.SerializeToString()))

    def _send(self, path: str, raw: bytes) -> bytes:
        """Raises Refused."""
        try:
            method: Any = self._channel.unary_unary(path)
            answer: bytes = method(raw, timeout=ANSWER_WITHIN_S)
        except grpc.RpcError as error:
            raise Refused(error.code(), error.details() or "") from error
        return answer


def _message(name: str, raw: bytes) -> Message | None:
    """None for bytes that are none."""
    kind: type[Message] = getattr(service_pb2, name)
    try:
        return kind.FromString(raw)
    except DecodeError:
        return None


@contextmanager
def tampering(address: str) -> Iterator[Layer]:
    """In front of the server at `address`, on a free port of the loopback."""
    with grpc.insecure_channel(address, (("grpc.max_send_message_length", -1),)) as channel:
        layer = Layer(channel)
        server = grpc.server(ThreadPoolExecutor(THREADS), handlers=[layer])
        layer.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        try:
            yield layer
        finally:
            server.stop(None).wait()

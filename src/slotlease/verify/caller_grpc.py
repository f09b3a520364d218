"""What versions 0 and 2 have in common: gRPC, its health service, and its instants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2

from slotlease.verify.answer import Answer
from slotlease.verify.caller import HEALTH, Hostile
from slotlease.verify.hostile import attack
from slotlease.verify.line_grpc import GrpcLine
from slotlease.verify.shop import SECOND_US, Dialing, Slot
from slotlease.verify.speech import Protobuf, Speech, told

HEALTH_PATH: Final = "/grpc.health.v1.Health/Check"


class GrpcCaller:
    """`service` is the full name of the booking service; `words` as in Speech."""

    service: ClassVar[str]
    words: ClassVar[Mapping[tuple[str, str], str]] = {}

    def __init__(self, dialing: Dialing) -> None:
        self._line = GrpcLine(dialing)
        self._ask = Speech(self._line, Protobuf(), self._path, self.words).ask

    def health(self, name: str) -> Answer[str]:
        def read(answer: health_pb2.HealthCheckResponse) -> str:
            return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)

        request = health_pb2.HealthCheckRequest(service=name)
        return self._ask(HEALTH, request, health_pb2.HealthCheckResponse, read)

    def send_hostile(self, kind: Hostile, method: str, slot: Slot) -> Answer[None] | None:
        request = self.honest(method, slot)
        if request is None:
            return None
        made = attack(kind, method, request)
        if made is None:
            return None
        reply = self._line.send(self._path(made.method), made.payload)
        return Answer(made.method, reply.word, None, made.told, told(reply), reply.payload, reply.text, reply.took_s)

    def honest(self, method: str, slot: Slot) -> Message | None:
        """A request about the slot, to make a hostile one of; None where the version has none such."""
        raise NotImplementedError

    def close(self) -> None:
        self._line.close()

    def _path(self, method: str) -> str:
        return HEALTH_PATH if method == HEALTH else f"/{self.service}/{method}"


def us_of_instant(instant: Timestamp) -> int:
    return instant.seconds * SECOND_US + instant.nanos // 1000


def us_of_span(span: Duration) -> int:
    return span.seconds * SECOND_US + span.nanos // 1000

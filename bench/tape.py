"""The two files that we share with the load generator (client/load.h): a tape of requests prepared ahead, and the log
of what became of each call."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

LOST = 254
"""The code of a call whose connection ended without an answer."""

_TURNED_AWAY = {LOST, 14, 503}
"""UNAVAILABLE, as gRPC and HTTP write it."""

_METHOD = struct.Struct("<192s4B")
_RECORD = struct.Struct("<HHIQ")
_HEAD = struct.Struct("<8s4I")
_HEAD_ROOM = 24
_ENTRY = struct.Struct("<IHBBqqiI64s")


@dataclass(frozen=True, slots=True)
class Method:
    """A kind of request. Of its answer: the field with the id that was made, the one with the cause of a refusal, the
    one to count. `lease_field`: the request's field that names the lease made by the call before. 0: there is none."""

    path: str
    id_field: int = 0
    failure_field: int = 0
    count_field: int = 0
    lease_field: int = 0


class Request(NamedTuple):
    """`method` is a place in the tape's methods. A chained one follows the request before it, and names its lease."""

    method: int
    body: bytes
    chained: bool = False


class Call(NamedTuple):
    """What became of one request. Times are nanoseconds from the beginning of the measured time."""

    record: int
    code: int
    told: str
    """`i`: `text` is the id that was made; `c`: `counted` or `text` is a cause; `n`: `counted`; empty: nothing."""

    due_ns: int
    """When it was sent, or in open loop when it should have been."""

    end_ns: int
    counted: int
    text: str

    @property
    def is_answered(self) -> bool:
        """Refusals are answers; being told to come back is none."""
        return self.code not in _TURNED_AWAY


def write_tape(path: Path, methods: Sequence[Method], requests: Iterable[Request], *, grpc: bool) -> int:
    """How many requests the tape holds. With `grpc` each body is framed as gRPC frames a message."""
    directory, bodies = bytearray(), bytearray()
    count = 0
    for method, body, chained in requests:
        framed = b"\0" + len(body).to_bytes(4, "big") + body if grpc else body
        directory += _RECORD.pack(method, chained, len(framed), len(bodies))
        bodies += framed
        count += 1
    start = _HEAD_ROOM + len(methods) * _METHOD.size
    start += -start % 8
    offsets = start + len(directory)
    with path.open("wb") as file:
        file.write(_HEAD.pack(b"SLTAPE1\0", len(methods), count, start, 0))
        for one in methods:
            file.write(
                _METHOD.pack(one.path.encode(), one.id_field, one.failure_field, one.count_field, one.lease_field)
            )
        file.write(bytes(start - file.tell()))
        file.write(b"".join(_RECORD.pack(*row[:3], row[3] + offsets) for row in _RECORD.iter_unpack(directory)))
        file.write(bodies)
    return count


def read_log(path: Path) -> Iterator[Call]:
    for record, code, length, told, due_ns, end_ns, count, _, text in _ENTRY.iter_unpack(path.read_bytes()):
        yield Call(record, code, chr(told) if told else "", due_ns, end_ns, count, text[:length].decode())

"""Requests that no honest caller sends, made of good ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import text_format
from google.protobuf.message import Message

from slotlease.verify.answer import ValueT
from slotlease.verify.caller import Hostile

_LONG: Final = 100_000
HUGE_BYTES: Final = 8 * 1024 * 1024
_UNKNOWN_FIELD: Final = b"\xfa\xff\x0f\x05later"
"""Field 32767, a text: further definitions may have it."""

IDS: Final = {
    Hostile.LONG_TEXT: "m" * _LONG,
    Hostile.CONTROL_CHARACTERS: "m\x00\x1b[2J\r\n",
    Hostile.SQL: "m'; DROP TABLE booking; --",
}


_OF_A_SLOT: Final = {*IDS, Hostile.BAD_UTF8, Hostile.BAD_INSTANT, Hostile.NEGATIVE_DURATION}


@dataclass(frozen=True, slots=True)
class Attack:
    """`told` says in words what is sent."""

    method: str
    payload: bytes
    told: str


def clear(message: ValueT, path: str) -> ValueT:
    """The message without the field at a dotted path; as it is where the path is empty."""
    if path:
        *above, name = path.split(".")
        holder = message
        for one in above:
            holder = getattr(holder, one)
        holder.ClearField(name)  # type: ignore[attr-defined] # a message has it
    return message


def attack(kind: Hostile, method: str, request: Message) -> Attack | None:
    """`request` is a good one of gRPC; it is changed. Its slot, if it has one, has a Timestamp and a Duration. None for
    what needs a slot where the request has none."""
    if kind in _OF_A_SLOT and "merchant_id" not in slot_of(request).DESCRIPTOR.fields_by_name:
        return None
    good = request.SerializeToString()
    match kind:
        case Hostile.NOTHING:
            return Attack(method, b"", "no bytes")
        case Hostile.GARBAGE:
            return Attack(method, b"\xff" * 64, "64 bytes FF")
        case Hostile.TRUNCATED:
            return Attack(method, good[: len(good) // 2], f"the first {len(good) // 2} of {len(good)} bytes")
        case Hostile.BAD_UTF8:
            told = "merchant_id with the byte FF in it"
            place = slot_of(request)
            place.merchant_id = "m" * 5
            return Attack(method, request.SerializeToString().replace(b"m" * 5, b"m\xffmmm", 1), told)
        case Hostile.UNKNOWN_FIELD:
            return Attack(method, good + _UNKNOWN_FIELD, text_format.MessageToString(request) + "32767: later")
        case Hostile.HUGE:
            return Attack(method, b"\x92\x03" + _varint(HUGE_BYTES) + bytes(HUGE_BYTES), kind.value)
        case Hostile.NO_SUCH_METHOD:
            return Attack("NoSuchMethod", good, text_format.MessageToString(request))
        case Hostile.BAD_INSTANT:
            slot_of(request).start_time.nanos = -1
        case Hostile.NEGATIVE_DURATION:
            slot_of(request).duration.seconds = -3600
        case _:
            slot_of(request).merchant_id = IDS[kind]
    told = text_format.MessageToString(request) if kind is not Hostile.LONG_TEXT else kind.value
    return Attack(method, request.SerializeToString(), told)


def slot_of(request: Message) -> Any:
    """Where a request of gRPC names its slot: itself, its `slot`, or its `lease` and what that has."""
    for name in ("lease", "slot"):
        if name in request.DESCRIPTOR.fields_by_name:
            return slot_of(getattr(request, name))
    return request


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
    out = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out) + bytes((number,))

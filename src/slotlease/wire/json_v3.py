"""JSON as Google sends it into messages of version 3, and back.

Both ways in one pass, by a plan that is made once from each message's descriptor: a lookup has hundreds of the same
message, and Google waits for it. protobuf's own JSON mapping takes several times as long, lets through what must be
refused here (an unknown enum *name* counts as an unknown field and is passed over), and its words on what it does
refuse quote the value, which may be a customer's. A test holds both to say the same of whatever both take.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from slotlease.domain.failure import InvalidArgument
from slotlease.wire.limits import PAYLOAD_BYTES_MAX, Malformed, Reading

if TYPE_CHECKING:
    from google._upb import _message
    from google.protobuf import descriptor

    Descriptor: TypeAlias = descriptor.Descriptor | _message.Descriptor
    Field: TypeAlias = descriptor.FieldDescriptor | _message.FieldDescriptor

MessageT = TypeVar("MessageT", bound=Message)

Read: TypeAlias = Callable[[Reading, str, Any], Any]
"""Of a value and its path what a message can be made of; what is wrong is noted, and read as something harmless."""

Print: TypeAlias = Callable[[Any], Any]

ALWAYS_WRITTEN: Final = frozenset({"available", "count_available"})
"""Fields whose zero says something that a caller waits for."""

_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)", re.ASCII)
_WHOLE_CHARS_MAX = 20
"""Of 64 bits."""
_BITS: Final = {FieldDescriptor.CPPTYPE_INT32: 31, FieldDescriptor.CPPTYPE_INT64: 63}


class _Nowhere(ValueError):
    """The text is no JSON; the words are ours and quote nothing."""


def parse(kind: type[MessageT], payload: bytes) -> MessageT:
    """Raises Malformed: no JSON, no object, or fields that hold what they cannot."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise Malformed((InvalidArgument("", f"the request is longer than {PAYLOAD_BYTES_MAX:,} bytes"),))
    found = _object(payload)
    reading = Reading()
    read = _read_message(kind.DESCRIPTOR, reading, "", found)
    reading.finish()
    return kind(**read)


def print_message(message: Message) -> bytes:
    """In snake_case, int64 as strings, of what is not set only ALWAYS_WRITTEN."""
    written = _print_message(message.DESCRIPTOR, message)
    return json.dumps(written, ensure_ascii=False, separators=(",", ":")).encode()


# --- reading --------------------------------------------------------------------------------------------------


def _object(payload: bytes) -> dict[str, Any]:
    try:
        found = json.loads(payload.decode("utf-8"), object_pairs_hook=_without_doubles, parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        problem = "the body is no UTF-8"
    except _Nowhere as error:
        problem = str(error)
    except (ValueError, RecursionError):
        problem = "the body is no JSON"
    else:
        if isinstance(found, dict):
            return found
        problem = "the body is no JSON object"
    raise Malformed((InvalidArgument("", problem),))


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Nowhere("the body names one key of an object twice")
    return found


def _refuse_constant(_name: str) -> NoReturn:
    raise _Nowhere("the body has NaN or Infinity, which JSON does not know")


@dataclass(frozen=True, slots=True)
class _Known:
    """A field that may be given. `choice` is the oneof that it belongs to, if any."""

    name: str
    choice: str
    read: Read


@cache
def _known(kind: Descriptor) -> dict[str, _Known]:
    """By both of their names (proto3's JSON mapping)."""
    known = [
        (field, _Known(field.name, field.containing_oneof.name if field.containing_oneof else "", _reader(field)))
        for field in kind.fields
    ]
    return {**{field.camelcase_name: one for field, one in known}, **{one.name: one for _, one in known}}


def _read_message(kind: Descriptor, reading: Reading, path: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        reading.note(path, "must be an object")
        return {}
    known, at = _known(kind), f"{path}." if path else ""
    read: dict[str, Any] = {}
    chosen: dict[str, str] = {}
    for key, one in value.items():
        field = known.get(key)
        if field is None or one is None:
            continue
        name = field.name
        if name in read:
            reading.note(at + name, "is given twice, in two spellings")
        read[name] = field.read(reading, at + name, one)
        if field.choice and chosen.setdefault(field.choice, name) != name:
            reading.note(at + name, f"cannot be given together with {chosen[field.choice]}")
    return read


def _reader(field: Field) -> Read:
    if _is_map(field):
        return _read_map
    one = _reader_of_one(field)
    return partial(_read_list, one) if field.is_repeated else one


def _reader_of_one(field: Field) -> Read:
    if field.message_type is not None:
        return partial(_read_message, field.message_type)
    if field.enum_type is not None:
        return partial(_read_enum, {value.name: value.number for value in field.enum_type.values})
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return _read_bool
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return _read_text
    return partial(_read_whole, _BITS[field.cpp_type])


def _read_map(reading: Reading, path: str, value: Any) -> dict[str, str]:
    if isinstance(value, dict) and all(isinstance(one, str) and _is_unicode(key + one) for key, one in value.items()):
        return value
    reading.note(path, "must be an object of texts")
    return {}


def _read_list(read: Read, reading: Reading, path: str, value: Any) -> list[Any]:
    if isinstance(value, list):
        return [read(reading, f"{path}[{number}]", one) for number, one in enumerate(value)]
    reading.note(path, "must be a list")
    return []


def _read_text(reading: Reading, path: str, value: Any) -> str:
    if not isinstance(value, str):
        reading.note(path, "must be a text")
    elif not _is_unicode(value):
        reading.note(path, "is no Unicode text")
    else:
        return value
    return ""


def _read_bool(reading: Reading, path: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    reading.note(path, "must be true or false")
    return False


def _read_enum(numbers: dict[str, int], reading: Reading, path: str, value: Any) -> int:
    """By name or number. proto3 lets any number through; a name that nobody knows stands for nothing."""
    if isinstance(value, str):
        number, problem = numbers.get(value), "is a name that stands for nothing"
    else:
        number, problem = _whole(value, _BITS[FieldDescriptor.CPPTYPE_INT32]), "must be one of its names, or a number"
    if number is None:
        reading.note(path, problem)
        return 0
    return number


def _read_whole(bits: int, reading: Reading, path: str, value: Any) -> int:
    number = _whole(value, bits)
    if number is None:
        reading.note(path, f"must be a whole number of {bits + 1} bits")
        return 0
    return number


def _whole(value: Any, bits: int) -> int | None:
    """int64 comes as a string or as a number (proto3's JSON mapping); a fraction of nothing is a whole number too."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        value = int(value) if value.is_integer() else None
    elif isinstance(value, str):
        value = int(value) if len(value) <= _WHOLE_CHARS_MAX and _WHOLE.fullmatch(value) else None
    return value if isinstance(value, int) and -(2**bits) <= value < 2**bits else None


def _is_unicode(text: str) -> bool:
    """JSON can spell halves of characters, which no message can hold."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_map(field: Field) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


# --- writing --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Printed:
    """A field as it is printed. `told` fields know whether they were set; of the others what is 0 or empty was not."""

    name: str
    told: bool
    always: bool
    print: Print


@cache
def _printed(kind: Descriptor) -> tuple[_Printed, ...]:
    fields: list[Field] = [*kind.fields]
    fields.sort(key=lambda field: field.number)
    return tuple(
        _Printed(field.name, field.has_presence, field.name in ALWAYS_WRITTEN, _printer(field)) for field in fields
    )


def _print_message(kind: Descriptor, message: Message) -> dict[str, Any]:
    written = {}
    for field in _printed(kind):
        if field.told and not message.HasField(field.name):
            continue
        value = getattr(message, field.name)
        if value or field.told or field.always:
            written[field.name] = field.print(value)
    return written


def _printer(field: Field) -> Print:
    if _is_map(field):
        return dict
    one = _printer_of_one(field)
    return partial(_print_list, one) if field.is_repeated else one


def _printer_of_one(field: Field) -> Print:
    if field.message_type is not None:
        return partial(_print_message, field.message_type)
    if field.enum_type is not None:
        return partial(_print_enum, {value.number: value.name for value in field.enum_type.values})
    return str if field.cpp_type == FieldDescriptor.CPPTYPE_INT64 else _as_is


def _print_list(print_one: Print, values: Any) -> list[Any]:
    return [print_one(value) for value in values]


def _print_enum(names: dict[int, str], number: int) -> str | int:
    return names.get(number, number)


def _as_is(value: Any) -> Any:
    return value

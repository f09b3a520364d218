"""JSON as Google sends it into messages of version 3, and back.

protobuf's own JSON mapping does the work, but it lets through what must be refused here (an unknown enum *name* counts
as an unknown field and is passed over) and its words on what it does refuse quote the value, which may be a customer's.
So a request is held against the message's descriptor first: whatever is wrong is noted by its path, and what is left
is such that the mapping cannot fail.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias, TypeVar

from google.protobuf import json_format
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

DEPTH_MAX: Final = 32
"""Of objects and lists in each other; the deepest message of version 3 needs 5."""

ALWAYS_WRITTEN: Final = frozenset({"available", "count_available"})
"""Fields whose zero says something that a caller waits for."""

_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)", re.ASCII)
_BITS: Final = {FieldDescriptor.CPPTYPE_INT32: 31, FieldDescriptor.CPPTYPE_INT64: 63}
_PATH_PART_MAX = 64


class _Nowhere(ValueError):
    """The text is no JSON; the words are ours and quote nothing."""


def parse(kind: type[MessageT], payload: bytes) -> MessageT:
    """Raises Malformed: no JSON, no object, or fields that hold what they cannot."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise Malformed((InvalidArgument("", f"the request is longer than {PAYLOAD_BYTES_MAX:,} bytes"),))
    found = _object(payload)
    reading = Reading()
    _check(reading, kind.DESCRIPTOR, found, "")
    reading.finish()
    return json_format.ParseDict(found, kind(), ignore_unknown_fields=True)


def print_message(message: Message) -> bytes:
    """In snake_case, int64 as strings, of what is not set only ALWAYS_WRITTEN."""
    written = json_format.MessageToDict(message, preserving_proto_field_name=True)
    _add_zeros(message, written)
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


def _check(reading: Reading, kind: Descriptor, found: dict[str, Any], at: str) -> None:
    if at.count(".") > DEPTH_MAX:
        reading.note(at[:_PATH_PART_MAX], f"is deeper than {DEPTH_MAX} levels")
        return
    fields = _fields(kind)
    seen: set[str] = set()
    for key, value in found.items():
        field = fields.get(key)
        if field is None or value is None:
            continue
        if field.name in seen:
            reading.note(at + field.name, "is given twice, in two spellings")
        seen.add(field.name)
        for path, one in _each(reading, field, value, at + field.name):
            _check_one(reading, field, one, path)
    for choice in kind.oneofs:
        given = [field.name for field in choice.fields if field.name in seen]
        if len(given) > 1:
            reading.note(at + given[1], f"cannot be given together with {given[0]}")


@cache
def _fields(kind: Descriptor) -> dict[str, Field]:
    """By both of their names. Made once for each message: a lookup has hundreds of the same."""
    return {**{field.camelcase_name: field for field in kind.fields}, **{field.name: field for field in kind.fields}}


def _each(reading: Reading, field: Field, value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The values of a field by their paths: many where it repeats, one otherwise."""
    if not field.is_repeated:
        yield path, value
    elif _is_map(field):
        if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
            reading.note(path, "must be an object of texts")
    elif isinstance(value, list):
        yield from ((f"{path}[{number}]", one) for number, one in enumerate(value))
    else:
        reading.note(path, "must be a list")


def _check_one(reading: Reading, field: Field, value: Any, path: str) -> None:
    if field.message_type is not None:
        if isinstance(value, dict):
            _check(reading, field.message_type, value, path + ".")
        else:
            reading.note(path, "must be an object")
        return
    problem = _why_not(field, value)
    if problem:
        reading.note(path, problem)


def _why_not(field: Field, value: Any) -> str:
    """What is wrong with a value that is neither a message nor a list; empty where nothing is."""
    if field.enum_type is not None:
        return _why_no_enum(field, value)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return "" if isinstance(value, bool) else "must be true or false"
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        if not isinstance(value, str):
            return "must be a text"
        return "" if _is_unicode(value) else "is no Unicode text"
    return "" if _fits(value, _BITS[field.cpp_type]) else f"must be a whole number of {_BITS[field.cpp_type] + 1} bits"


def _why_no_enum(field: Field, value: Any) -> str:
    assert field.enum_type is not None  # noqa: S101 - tells the checker what the caller asked
    if isinstance(value, str):
        return "" if value in field.enum_type.values_by_name else "is a name that stands for nothing"
    return "" if _fits(value, _BITS[FieldDescriptor.CPPTYPE_INT32]) else "must be one of its names, or a number"


def _fits(value: Any, bits: int) -> bool:
    """int64 comes as a string or as a number (proto3's JSON mapping); a fraction of nothing is a whole number too."""
    if isinstance(value, bool):
        return False
    if isinstance(value, float):
        value = int(value) if value.is_integer() else None
    elif isinstance(value, str):
        value = int(value) if _WHOLE.fullmatch(value) and len(value) <= 20 else None  # noqa: PLR2004 - digits of 64 bits
    return isinstance(value, int) and -(2**bits) <= value < 2**bits


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_map(field: Field) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


# --- writing --------------------------------------------------------------------------------------------------


def _add_zeros(message: Message, written: dict[str, Any]) -> None:
    for field in message.DESCRIPTOR.fields:
        if field.name in ALWAYS_WRITTEN:
            written.setdefault(field.name, field.default_value)
        elif field.message_type is not None and field.name in written and not _is_map(field):
            value = getattr(message, field.name)
            inner: Iterable[tuple[Message, dict[str, Any]]] = (
                zip(value, written[field.name], strict=True) if field.is_repeated else [(value, written[field.name])]
            )
            for one, of_it in inner:
                _add_zeros(one, of_it)

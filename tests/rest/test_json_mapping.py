"""Our JSON mapping beside protobuf's own: of whatever message, both read the same and print the same."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, settings
from hypothesis import strategies as st

from slotlease.wire.json_v3 import ALWAYS_WRITTEN, parse, print_message
from slotlease.wire.limits import Malformed
from slotlease.wire.proto.v3 import booking_service_pb2 as service_pb2
from slotlease.wire.proto.v3 import payment_pb2

if TYPE_CHECKING:
    from slotlease.wire.json_v3 import Field

KINDS = {
    name: GetMessageClass(cast("Any", descriptor))
    for file in (payment_pb2, service_pb2)
    for name, descriptor in file.DESCRIPTOR.message_types_by_name.items()
}
"""What is asked and answered, with all other messages of version 3 in it; payments, the deepest, also by themselves."""

ANY_TIMES = settings(max_examples=25, deadline=None, derandomize=True)

TEXT = st.text(max_size=5) | st.sampled_from(["", "é", "\U0010ffff", "0"])
ANYTHING = st.sampled_from(
    [None, True, False, "", "x", "1", "-0", "01", 1.0, 1.5, 1e30, [], {}, [1], {"a": 1}, "\ud800"]
)


def is_map(field: Field) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


@cache
def spelt(field: Field) -> st.SearchStrategy[Any]:
    """Ways in which JSON can spell a value that the field can hold."""
    if is_map(field):
        return st.dictionaries(TEXT, TEXT, max_size=2)
    one = spelt_one(field)
    return st.lists(one, max_size=3) if field.is_repeated else one


def spelt_one(field: Field) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        return messages(field.message_type)
    if field.enum_type is not None:
        return st.sampled_from([value.name for value in field.enum_type.values]) | st.integers(-3, 9)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return TEXT
    bits = 31 if field.cpp_type == FieldDescriptor.CPPTYPE_INT32 else 63
    whole = st.integers(-(2**bits), 2**bits - 1) | st.sampled_from([0, 1, -(2**bits), 2**bits - 1])
    return whole | whole.map(str) | st.integers(-(2**30), 2**30).map(float)


@st.composite
def messages(draw: st.DrawFn, kind: Any) -> dict[str, Any]:
    """A message of the kind as JSON: any of its fields in either of their names, and some that nobody knows."""
    written: dict[str, Any] = {}
    choices: set[str] = set()
    for field in draw(st.lists(st.sampled_from(list(kind.fields)), max_size=8, unique_by=lambda field: field.name)):
        if field.containing_oneof is not None:
            if field.containing_oneof.name in choices:
                continue
            choices.add(field.containing_oneof.name)
        name = draw(st.sampled_from([field.name, field.camelcase_name]))
        written[name] = draw(st.none() | spelt(field))
    if draw(st.booleans()):
        written["nobody_knows"] = draw(ANYTHING)
    return written


@pytest.mark.parametrize("name", KINDS)
@ANY_TIMES
@given(data=st.data())
def test_what_is_read_and_printed_is_what_the_json_mapping_says(name: str, data: st.DataObject) -> None:
    kind = KINDS[name]
    written = data.draw(messages(kind.DESCRIPTOR))
    ours = parse(kind, json.dumps(written).encode())
    assert ours == json_format.ParseDict(written, kind(), ignore_unknown_fields=True)
    expected = json_format.MessageToDict(ours, preserving_proto_field_name=True)
    assert without_zeros(json.loads(print_message(ours))) == without_zeros(expected)


@pytest.mark.parametrize("name", KINDS)
@ANY_TIMES
@given(data=st.data())
def test_what_we_take_the_json_mapping_takes_and_reads_alike(name: str, data: st.DataObject) -> None:
    kind: type[Message] = KINDS[name]
    written = data.draw(messages(kind.DESCRIPTOR))
    fields: list[Field] = [*kind.DESCRIPTOR.fields]
    for field in data.draw(st.lists(st.sampled_from(fields), max_size=3)):
        written.pop(field.camelcase_name, None)
        written[field.name] = data.draw(ANYTHING)
    try:
        ours = parse(kind, json.dumps(written).encode())
    except Malformed:
        return
    assert ours == json_format.ParseDict(written, kind(), ignore_unknown_fields=True)


@pytest.mark.parametrize("name", KINDS)
def test_message_of_which_nothing_is_set_prints_only_what_is_always_written(name: str) -> None:
    kind: type[Message] = KINDS[name]
    always = {field.name: field.default_value for field in kind.DESCRIPTOR.fields if field.name in ALWAYS_WRITTEN}
    assert json.loads(print_message(kind())) == always


def without_zeros(written: Any) -> Any:
    if isinstance(written, list):
        return [without_zeros(one) for one in written]
    if not isinstance(written, dict):
        return written
    return {
        key: without_zeros(value)
        for key, value in written.items()
        if key not in ALWAYS_WRITTEN or value not in (0, False)
    }

"""Whatever is sent, in messages made from the descriptors or in bytes, the answer is one of ours and nothing breaks."""

from __future__ import annotations

from typing import Any, cast

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.wire.conftest import World
from tests.wire.permitted import assert_answer_is_one, assert_code_is_permitted
from tests.wire.whole_requests import CALLS, Part, parts, put

ANY_TIMES = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

INT32 = st.integers(-(2**31), 2**31 - 1) | st.sampled_from([0, 1, -1, 2**31 - 1, -(2**31)])
INT64 = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 1, -1, 2**63 - 1, -(2**63), 253_402_300_799])
NANOS = st.sampled_from([0, 1, 1_000, 999_999_999, 1_000_000_000, -1]) | INT32
TEXT = (
    st.text(max_size=12)
    | st.sampled_from(["", "x", "m1", "kim", "status", "slot.start_time", "*", "\0", "\n", "\ufeff", "\U0010ffff"])
    | st.integers(39, 300).map("é".__mul__)
)


def values(part: Part) -> st.SearchStrategy[Any]:
    """What may be put into the field: anything that its type can hold."""
    field = part.field
    if part.is_message("google.protobuf.Timestamp"):
        return st.builds(Timestamp, seconds=INT64, nanos=NANOS)
    if part.is_message("google.protobuf.Duration"):
        return st.builds(Duration, seconds=INT64, nanos=NANOS)
    if field.message_type is not None:
        return st.builds(GetMessageClass(cast("Any", field.message_type)))
    if part.is_text:
        return TEXT
    return INT32 if field.cpp_type in {FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_ENUM} else INT64


PARTS = {call: list(parts(call)) for call in CALLS}


def send_anything(world: World, call: str, payload: bytes) -> None:
    try:
        answer = world.send(call, payload)
    except grpc.RpcError as error:
        assert_code_is_permitted(CALLS[call], cast("grpc.Call", error).code())
    else:
        assert_answer_is_one(CALLS[call], answer)
    assert world.served.incidents == []


@pytest.mark.parametrize("call", CALLS)
@ANY_TIMES
@given(data=st.data())
def test_whatever_message_is_sent_the_answer_is_one_of_ours(world: World, call: str, data: st.DataObject) -> None:
    request = world.whole(call) if data.draw(st.integers(0, 3)) else CALLS[call].request()
    for part in data.draw(st.lists(st.sampled_from(PARTS[call]), max_size=6)):
        put(request, part.path, data.draw(values(part), label=part.path))
    send_anything(world, call, request.SerializeToString())


@pytest.mark.parametrize("call", CALLS)
@ANY_TIMES
@given(data=st.data())
def test_whatever_bytes_are_sent_the_answer_is_one_of_ours(world: World, call: str, data: st.DataObject) -> None:
    payload = bytearray(world.whole(call).SerializeToString())
    places = st.integers(0, len(payload) - 1)
    for place, byte in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=4)):
        payload[place] = byte
    send_anything(world, call, bytes(payload))

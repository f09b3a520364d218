"""The input matrix (reliability 7.1; codes as DESIGN 5 has them) over a socket, on both versions: one field at a time.
What is about bytes, sizes and paths stands in test_input_bytes.py, what is lawful and odd in test_input_values.py.

Whatever is refused here, nothing was written: no row, and not even a commit.
"""

from __future__ import annotations

import grpc
import pytest

from slotlease.domain.booking import BookingStatus
from slotlease.wire import codec_v0, codec_v2
from slotlease.wire.limits import LENGTH_MAX
from slotlease.wire.proto.v0 import booking_pb2 as booking_v0
from slotlease.wire.proto.v2 import booking_pb2 as booking_v2
from slotlease.wire.proto.v2 import booking_service_pb2 as rpc_v2
from tests.wire import asking
from tests.wire.client import CAUSE, cause_of
from tests.wire.conftest import World
from tests.wire.input_matrix import PASSED_OVER, REQUIRED, Case, cases, checked_parts, is_passed_over
from tests.wire.whole_requests import (
    ASKS_TO_CHARGE,
    CALLS,
    decode,
    name_of,
    parts,
    put,
    slot_of,
    take_away,
)

CASES = tuple(cases())
CANARY = "canary Ω 7391"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.call}: {case.name}")
def test_a_request_that_is_wrong_in_itself_is_an_invalid_argument_and_writes_nothing(world: World, case: Case) -> None:
    payload = case.spoil(world.whole(case.call))
    before = world.ledger.state()
    ended = asking.ended(lambda: world.send(case.call, payload))
    assert (ended.code, ended.info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, case.reason)
    assert tuple(ended.violations) == case.fields
    assert world.ledger.state() == before


def test_the_matrix_has_every_call_of_both_versions() -> None:
    assert {case.call for case in CASES} == set(CALLS)


# --- what the matrix rests on: unspoiled, every request is accepted, and what is listed as passed over is ---------


@pytest.mark.parametrize("call", CALLS)
def test_a_request_that_uses_every_field_is_accepted(world: World, call: str) -> None:
    answer = CALLS[call].response.FromString(world.send(call, world.whole(call).SerializeToString()))
    given = {field.name for field, _ in answer.ListFields()}
    assert given
    assert "booking_failure" not in given


@pytest.mark.parametrize(
    ("call", "path"),
    [
        (call, part.path)
        for call in PASSED_OVER
        for part in parts(call)
        if is_passed_over(call, part.path) and part.is_text
    ],
)
@pytest.mark.parametrize("text", [CANARY, f"{CANARY}\0", CANARY * 1_000], ids=["plain", "NUL", "long"])
def test_a_text_that_is_passed_over_may_be_anything_and_comes_back_nowhere(
    world: World, call: str, path: str, text: str
) -> None:
    request = world.whole(call)
    put(request, path, text)
    answer = world.send(call, request.SerializeToString())
    assert "booking_failure" not in {field.name for field, _ in CALLS[call].response.FromString(answer).ListFields()}
    assert CANARY.encode() not in answer


@pytest.mark.parametrize(
    ("call", "path"),
    [
        (call, part.path)
        for call in ("v0.CreateBooking", "v2.CreateBooking")
        for part in parts(call)
        if part.path.startswith(ASKS_TO_CHARGE) and part.is_text
    ],
)
def test_what_a_payment_processor_would_need_comes_back_nowhere_and_books_nothing(
    world: World, call: str, path: str
) -> None:
    request = world.whole(call)
    version = call.partition(".")[0]
    put(request, path, CANARY)
    put(request, "lease_ref.lease_id", world.served.shop.lease(slot_of(version)).lease_id)
    before = world.ledger.state()
    if version == "v0":
        put(request, "client_information.email", path)
        ended = asking.ended(lambda: world.send(call, request.SerializeToString()))
        assert (ended.code, ended.info.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "PAYMENT_ERROR")
        assert CANARY not in repr(ended)
    else:
        put(request, "idempotency_token", path)
        put(request, "user_information.user_id", path)
        answer = world.send(call, request.SerializeToString())
        assert cause_of(rpc_v2.CreateBookingResponse.FromString(answer)) == CAUSE.PAYMENT_ERROR
        assert CANARY.encode() not in answer
    assert world.ledger.state() == before


# --- decoding alone: what is not called required, and the last text that is not too long -------------------------


@pytest.mark.parametrize("call", CALLS)
def test_nothing_but_what_is_listed_is_called_required(world: World, call: str) -> None:
    required = set(REQUIRED[call].split())
    for part in checked_parts(call):
        if part.path not in required and name_of(part.path) != "paths":
            request = world.whole(call)
            take_away(request, part.path)
            decode(call, request.SerializeToString())


@pytest.mark.parametrize(
    ("call", "path"),
    [
        (call, part.path)
        for call in CALLS
        for part in checked_parts(call)
        if part.is_text and name_of(part.path) in LENGTH_MAX
    ],
)
def test_each_text_may_be_as_long_as_its_limit(world: World, call: str, path: str) -> None:
    request = world.whole(call)
    put(request, path, "é" * LENGTH_MAX[name_of(path)])
    decode(call, request.SerializeToString())


def test_every_text_that_is_looked_at_has_a_limit() -> None:
    texts = {name_of(part.path) for call in CALLS for part in checked_parts(call) if part.is_text}
    assert texts - set(LENGTH_MAX) == {"paths"}, "a mask's paths are compared, not kept"


def test_each_version_has_its_own_number_for_each_status() -> None:
    assert {status: booking_v0.BookingStatus.Name(number) for number, status in codec_v0.STATUSES.items()} == {
        status: status.name for status in BookingStatus
    }
    assert {status: booking_v2.BookingStatus.Name(number) for number, status in codec_v2.STATUSES.items()} == {
        status: status.name for status in BookingStatus
    }

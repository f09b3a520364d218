"""What any request at all may come to: an answer that is one, or a status code that says whose fault it is and that the
fault is the caller's. Never INTERNAL or UNKNOWN (DESIGN 5, the last row)."""

from __future__ import annotations

from typing import Final

import grpc

from tests.wire.whole_requests import Call

WRONG: Final = frozenset({grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND})

REFUSED_IN_V0: Final = frozenset(
    {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.ALREADY_EXISTS, grpc.StatusCode.FAILED_PRECONDITION}
)
"""How version 0 says what is an answer with a cause in version 2."""

_EITHER_OR: Final = ({"lease"}, {"booking"}, {"booking_failure"})


def assert_code_is_permitted(call: Call, code: grpc.StatusCode) -> None:
    assert code in WRONG or (call.name.startswith("v0.") and code in REFUSED_IN_V0), code


def assert_answer_is_one(call: Call, payload: bytes) -> None:
    """It has what was asked for or a failure with a cause, not both and not neither."""
    answer = call.response.FromString(payload)
    given = {field.name: value for field, value in answer.ListFields()}
    if call.method in {"CreateLease", "CreateBooking", "UpdateBooking"}:
        assert set(given) in _EITHER_OR, given
    if "booking_failure" in given:
        assert given["booking_failure"].cause != 0

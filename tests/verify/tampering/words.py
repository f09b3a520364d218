"""Answers that say it in the wrong words."""

from __future__ import annotations

from typing import Any

import grpc

from slotlease.wire.proto.v2 import booking_pb2
from tests.verify.tampering.fault import Call, Refused, fault


@fault(
    "CheckAvailability",
    fails="availability.check.unknown-merchant availability.check.unknown-service availability.check.unknown-slot",
)
def answers_UNKNOWN_to_what_it_does_not_know(call: Call) -> Any:  # noqa: N802 - it is the status
    try:
        return call.pass_on()
    except Refused as error:
        raise Refused(grpc.StatusCode.UNKNOWN, error.text) from error


@fault(
    "CreateLease",
    "CreateBooking",
    fails="lease.last-spot lease.blocks-booking lease.unknown lease.consumed-twice booking.full booking.fill",
    warns="booking.double",
)
def gives_no_cause(call: Call) -> Any:
    answer = call.pass_on()
    if answer.HasField("booking_failure"):
        answer.booking_failure.cause = booking_pb2.BookingFailure.CAUSE_UNSPECIFIED
    return answer


@fault("CreateLease", fails="lease.last-spot")
def answers_OK_with_both_a_lease_and_a_failure(call: Call) -> Any:  # noqa: N802 - it is the status
    answer = call.pass_on()
    if answer.HasField("booking_failure"):
        answer.lease.lease_id = "none"
    return answer

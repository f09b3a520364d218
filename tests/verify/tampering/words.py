"""Answers that say it in the wrong words."""

from __future__ import annotations

from typing import Any

import grpc

from slotlease.wire.proto.v2 import booking_pb2
from slotlease.wire.proto.v2 import booking_service_pb2 as service_pb2
from tests.verify.tampering.fault import V2_AND_V3, Call, Refused, fault


@fault(
    "CheckAvailability",
    fails="availability.check.unknown-merchant availability.check.unknown-service availability.check.unknown-slot "
    "robustness.no-unknown",
)
def answers_UNKNOWN_to_what_it_does_not_know(call: Call) -> Any:  # noqa: N802 - it is the status
    try:
        return call.pass_on()
    except Refused as error:
        raise Refused(grpc.StatusCode.UNKNOWN, error.text) from error


@fault(
    "CreateLease",
    "CreateBooking",
    fails="lease.last-spot lease.blocks-booking lease.unknown lease.consumed-twice booking.full booking.fill "
    "robustness.causes",
    warns="booking.double",
    versions=V2_AND_V3,
)
def gives_no_cause(call: Call) -> Any:
    answer = call.pass_on()
    if answer.HasField("booking_failure"):
        answer.booking_failure.cause = booking_pb2.BookingFailure.CAUSE_UNSPECIFIED
    return answer


@fault("CreateLease", fails="lease.last-spot robustness.one-thing")
def answers_OK_with_both_a_lease_and_a_failure(call: Call) -> Any:  # noqa: N802 - it is the status
    answer = call.pass_on()
    if answer.HasField("booking_failure"):
        answer.lease.lease_id = "none"
    return answer


@fault(
    "CreateLease",
    "CreateBooking",
    fails="lease.last-spot lease.blocks-booking booking.full booking.fill",
)
def says_that_a_slot_is_full_with_a_status(call: Call) -> Any:
    """As version 0 does."""
    answer = call.pass_on()
    if answer.booking_failure.cause == booking_pb2.BookingFailure.SLOT_UNAVAILABLE:
        raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "it is full")
    return answer


@fault("CreateBooking", fails="booking.made lease.consumed robustness.one-thing", stops="booking lease.consumed-twice")
def answers_a_booking_with_nothing(call: Call) -> Any:
    answer = call.pass_on()
    if answer.HasField("booking"):
        answer.Clear()
    return answer


@fault("CreateBooking", fails="booking.made lease.consumed")
def makes_bookings_without_a_status(call: Call) -> Any:
    answer = call.pass_on()
    if answer.HasField("booking"):
        answer.booking.ClearField("status")
    return answer


@fault("CreateLease", "CreateBooking", fails="lease.missing booking.missing")
def fills_in_what_is_missing(call: Call) -> Any:
    """A telephone number, or a token."""
    if call.method == "CreateLease" and not call.request.lease.user_reference:
        call.request.lease.user_reference = "anybody"
    elif call.method == "CreateBooking" and not call.request.user_information.telephone:
        call.request.user_information.telephone = "+1 202 555 0100"
    return call.pass_on()


@fault(
    "CreateLease",
    fails="lease.offered lease.missing lease.unknown-merchant lease.unknown-service lease.unknown-slot "
    "robustness.no-insides robustness.no-unknown",
    stops="lease",
)
def answers_UNKNOWN_where_it_has_no_leases(call: Call) -> Any:  # noqa: N802 - it is the status
    call.kept["asked"] = True
    raise Refused(grpc.StatusCode.UNKNOWN, "Exception calling application: 'NoneType' object has no attribute 'id'")


@fault("CreateBooking", fails="booking.unknown-merchant booking.unknown-service", warns="booking.unknown-slot")
def says_of_what_it_does_not_know_that_it_is_full(call: Call) -> Any:
    try:
        return call.pass_on()
    except Refused as error:
        if not any(f"no {what}" in error.text for what in ("merchant", "service", "slot")):
            raise
        cause = booking_pb2.BookingFailure.SLOT_UNAVAILABLE
        return service_pb2.CreateBookingResponse(booking_failure=booking_pb2.BookingFailure(cause=cause))

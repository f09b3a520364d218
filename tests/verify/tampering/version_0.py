"""Faults of version 0's own: it has flat messages, and status codes alone."""

from __future__ import annotations

from typing import Any

import grpc

from slotlease.verify.shop import Version
from slotlease.wire.proto.v0 import booking_pb2
from slotlease.wire.proto.v0 import booking_service_pb2 as service_pb2
from tests.verify.tampering.fault import Call, Refused, fault

V0 = (Version.V0,)


@fault("CreateLease", fails="lease.echo.tag", versions=V0)
def forgets_the_tag(call: Call) -> Any:
    answer = call.pass_on()
    answer.lease.availability_tag = ""
    return answer


@fault("CreateLease", fails="lease.echo.token", versions=V0)
def forgets_the_client_reference(call: Call) -> Any:
    answer = call.pass_on()
    answer.lease.client_reference = ""
    return answer


@fault(
    "CreateLease",
    fails="lease.last-spot lease.holds lease.consumed booking.takes-spot booking.move.spots booking.move.taken-keeps",
    versions=V0,
)
def says_that_a_full_slot_is_a_mistake(call: Call) -> Any:
    try:
        return call.pass_on()
    except Refused as error:
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, error.text) from error


@fault("CreateBooking", fails="lease.consumed-twice", versions=V0)
def books_a_used_lease_again(call: Call) -> Any:
    try:
        answer = call.pass_on()
    except Refused:
        if call.request.lease_ref.lease_id not in call.kept:
            raise
        return call.kept[call.request.lease_ref.lease_id]
    call.kept[call.request.lease_ref.lease_id] = answer
    return answer


@fault("UpdateBooking", fails="booking.cancel booking.cancel.again", versions=V0)
def says_cancelled_in_the_numbers_of_version_2(call: Call) -> Any:
    answer = call.pass_on()
    if answer.booking.status == booking_pb2.CANCELED:
        answer.booking.status = 3
    return answer


@fault("UpdateBooking", fails="booking.cancel.unknown", versions=V0)
def cancels_what_was_never_booked(call: Call) -> Any:
    try:
        return call.pass_on()
    except Refused as error:
        if error.code is not grpc.StatusCode.NOT_FOUND:
            raise
        return service_pb2.UpdateBookingResponse(booking=call.request.booking)

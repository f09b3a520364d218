"""Input that is not looked at, or looked at too late."""

from __future__ import annotations

import time
from typing import Any

import grpc

from slotlease.wire.proto.v2 import booking_service_pb2 as service_pb2
from tests.verify.tampering.fault import Call, Refused, fault

HUGE = 1_000_000
HANGS_S = 1.5
"""Longer than its caller waits."""


@fault("CheckAvailability", fails="robustness.no-insides", beside="availability")
def leaks_the_text_of_exceptions(call: Call) -> Any:
    try:
        return call.pass_on()
    except Refused as error:
        raise Refused(error.code, f"psycopg.errors.DataError: {error.text} LINE 1: ...") from error


@fault("CheckAvailability", fails="robustness.garbage robustness.in-time", timeout_s=1.0)
def hangs_on_what_it_cannot_read(call: Call) -> Any:
    if call.raw.startswith(b"\xff\xff"):
        time.sleep(HANGS_S)
    return call.pass_on()


@fault("CheckAvailability", warns="robustness.garbage robustness.truncated robustness.utf8")
def takes_what_it_cannot_read_for_its_own_mistake(call: Call) -> Any:
    """As some gRPC libraries do before the server's own code is reached."""
    if call.request is None:
        raise Refused(grpc.StatusCode.INTERNAL, "Exception deserializing request!")
    return call.pass_on()


@fault("CheckAvailability", fails="robustness.nothing")
def answers_an_empty_request(call: Call) -> Any:
    return call.pass_on() if call.raw else service_pb2.CheckAvailabilityResponse()


@fault("CheckAvailability", fails="robustness.duration")
def takes_any_duration(call: Call) -> Any:
    if call.request is not None and call.request.slot.duration.seconds < 0:
        return service_pb2.CheckAvailabilityResponse(slot=call.request.slot)
    return call.pass_on()


@fault("CreateLease", fails="robustness.instant")
def fails_on_an_instant_that_is_none(call: Call) -> Any:
    if call.request is not None and call.request.lease.slot.start_time.nanos < 0:
        raise Refused(grpc.StatusCode.INTERNAL, "internal error, incident 1")
    return call.pass_on()


@fault("CheckAvailability", fails="robustness.long-text robustness.control robustness.sql-text")
def fails_on_ids_that_nobody_has(call: Call) -> Any:
    merchant_id = call.request.slot.merchant_id if call.request is not None else ""
    if len(merchant_id) > 1000 or not merchant_id.isprintable() or "'" in merchant_id:
        raise Refused(grpc.StatusCode.UNAVAILABLE, "try again later")
    return call.pass_on()


@fault("CheckAvailability", fails="robustness.unknown-field")
def refuses_what_it_does_not_know_yet(call: Call) -> Any:
    if call.raw.endswith(b"later"):
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "unknown field 32767")
    return call.pass_on()


@fault("NoSuchMethod", fails="robustness.no-such-method")
def answers_whatever_it_is_asked(call: Call) -> Any:  # noqa: ARG001 - that is the fault
    return service_pb2.CheckAvailabilityResponse()


@fault("CreateBooking", fails="robustness.user-texts")
def writes_names_in_ASCII(call: Call) -> Any:  # noqa: N802 - it is its name
    answer = call.pass_on()
    user = answer.booking.user_information
    if user.given_name:
        user.given_name = user.given_name.encode("ascii", "replace").decode()
    return answer


@fault("CheckAvailability", fails="robustness.huge")
def reads_whatever_is_sent(call: Call) -> Any:
    return call.pass_on() if len(call.raw) < HUGE else service_pb2.CheckAvailabilityResponse()


@fault("CheckAvailability", "Check", fails="robustness.alive", warns="robustness.huge")
def dies_of_a_huge_request(call: Call) -> Any:
    if len(call.raw) > HUGE or call.kept:
        call.kept["dead"] = True
        raise Refused(grpc.StatusCode.UNAVAILABLE, "connection reset by peer")
    return call.pass_on()

"""Faults of version 3's own: it has passwords, HTTP's codes, and methods that may be missing."""

from __future__ import annotations

from typing import Any

import grpc

from slotlease.verify.shop import Version
from tests.verify.tampering.fault import Call, Refused, fault

V3 = (Version.V3,)


@fault("Password", fails="connection.password.none connection.password.wrong", versions=V3)
def lets_everybody_in(call: Call) -> Any:
    return call.pass_on()


@fault("HealthCheck", fails="connection.health", versions=V3)
def answers_health_with_500(call: Call) -> Any:  # noqa: ARG001 - that is the fault
    raise Refused(grpc.StatusCode.INTERNAL, "{}")


@fault("UpdateBooking", warns="booking.cancel.unknown", versions=V3)
def answers_404_for_an_unknown_booking(call: Call) -> Any:
    """Which is the code of GetBookingStatus."""
    try:
        return call.pass_on()
    except Refused as error:
        raise Refused(grpc.StatusCode.NOT_FOUND, error.text) from error


@fault(
    "CheckAvailability",
    "BatchAvailabilityLookup",
    fails="availability.offered",
    stops="availability.agree.feed booking",
    versions=V3,
)
def cannot_be_asked_what_is_free(call: Call) -> Any:
    raise Refused(grpc.StatusCode.NOT_FOUND, f"no {call.method}")

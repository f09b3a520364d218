"""Health that is not told, and answers that do not always come."""

from __future__ import annotations

from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from tests.verify.tampering.fault import Call, Refused, fault


@fault("Check", fails="connection.health", warns="connection.health.whole connection.health.unknown")
def says_that_it_is_not_well(call: Call) -> Any:  # noqa: ARG001 - that is the fault
    return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.NOT_SERVING)


@fault("Check", warns="connection.health.unknown")
def is_well_whoever_it_is_asked_about(call: Call) -> Any:  # noqa: ARG001 - that is the fault
    return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)


@fault("Check", warns="connection.health.whole")
def is_well_by_name_only(call: Call) -> Any:
    """As Google's own sample."""
    if not call.raw:
        raise Refused(grpc.StatusCode.NOT_FOUND, "unknown service")
    return call.pass_on()


@fault("UpdateBooking", fails="latency.update")
def is_busy_now_and_then(call: Call) -> Any:
    """When it has done what it was asked for; and not before it was asked a dozen times."""
    answer = call.pass_on()
    number = call.kept["number"] = call.kept.get("number", 0) + 1
    if number > 12 and number % 3 == 0:
        raise Refused(grpc.StatusCode.UNAVAILABLE, "try again later")
    return answer


@fault("BatchAvailabilityLookup", fails="latency.lookup")
def gets_tired_of_lookups(call: Call) -> Any:
    number = call.kept["number"] = call.kept.get("number", 0) + 1
    if number > 8 and number % 3 == 0:
        raise Refused(grpc.StatusCode.UNAVAILABLE, "try again later")
    return call.pass_on()

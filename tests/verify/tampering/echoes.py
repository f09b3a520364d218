"""Answers that do not repeat what was asked."""

from __future__ import annotations

from typing import Any

from tests.verify.tampering.fault import Call, fault


@fault("CreateLease", fails="lease.echo.tag")
def forgets_the_tag_of_a_lease(call: Call) -> Any:
    answer = call.pass_on()
    if answer.HasField("lease"):
        answer.lease.slot.availability_tag = ""
    return answer


@fault("CreateLease", fails="lease.echo.resources")
def forgets_the_resources_of_a_lease(call: Call) -> Any:
    answer = call.pass_on()
    if answer.HasField("lease"):
        answer.lease.slot.ClearField("resources")
    return answer


@fault("CreateLease", fails="lease.echo.token")
def forgets_the_token_of_a_lease(call: Call) -> Any:
    answer = call.pass_on()
    if answer.HasField("lease"):
        answer.lease.user_reference = ""
    return answer


@fault("CreateLease", fails="lease.echo.start")
def answers_a_lease_in_its_own_time_zone(call: Call) -> Any:
    answer = call.pass_on()
    if answer.HasField("lease"):
        answer.lease.slot.start_time.seconds += 3600
    return answer


@fault("CreateBooking", fails="booking.echo.user")
def forgets_the_user_of_a_booking(call: Call) -> Any:
    answer = call.pass_on()
    if answer.HasField("booking"):
        answer.booking.ClearField("user_information")
    return answer

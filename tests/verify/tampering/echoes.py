"""Answers that do not repeat what was asked."""

from __future__ import annotations

from typing import Any

from slotlease.wire.proto.v2 import booking_pb2
from tests.verify.tampering.fault import V2_AND_V3, Call, fault


@fault("CreateLease", fails="lease.echo.tag", versions=V2_AND_V3)
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


@fault("CreateBooking", fails="booking.echo.user", versions=V2_AND_V3)
def forgets_the_user_of_a_booking(call: Call) -> Any:
    answer = call.pass_on()
    if answer.HasField("booking"):
        answer.booking.ClearField("user_information")
    return answer


@fault("CreateBooking", fails="booking.echo.slot")
def answers_a_booking_of_the_slot_without_resources(call: Call) -> Any:
    answer = call.pass_on()
    if answer.HasField("booking"):
        answer.booking.slot.ClearField("resources")
    return answer


@fault("CheckAvailability", fails="availability.check.echo")
def forgets_the_slot_that_was_checked(call: Call) -> Any:
    answer = call.pass_on()
    answer.ClearField("slot")
    return answer


@fault("BatchAvailabilityLookup", fails="availability.batch.echo")
def forgets_the_tags_that_were_looked_up(call: Call) -> Any:
    answer = call.pass_on()
    for one in answer.slot_time_availability:
        one.slot_time.availability_tag = ""
    return answer


@fault(
    "CreateLease",
    fails="lease.id lease.id.ignored",
    stops="lease.holds lease.last-spot lease.blocks-booking lease.consumed lease.consumed-twice lease.slot-differs",
)
def keeps_the_id_of_a_lease_to_itself(call: Call) -> Any:
    answer = call.pass_on()
    if answer.HasField("lease"):
        answer.lease.lease_id = ""
    return answer


@fault("CreateLease", fails="lease.id.ignored")
def takes_the_id_of_a_lease_from_its_client(call: Call) -> Any:
    sent = call.request.lease.lease_id
    answer = call.pass_on()
    if sent and answer.HasField("lease"):
        answer.lease.lease_id = sent
    return answer


@fault(
    "CreateBooking",
    "UpdateBooking",
    "GetBookingStatus",
    fails="booking.id booking.list booking.move.taken booking.move.taken-keeps",
)
def calls_all_bookings_of_a_service_the_same(call: Call) -> Any:
    """And means the newest when it is asked about that name."""
    told = call.request.booking if call.method == "UpdateBooking" else call.request
    name = "" if call.method == "CreateBooking" else told.booking_id
    if name in call.kept:
        told.booking_id = call.kept[name]
    answer = call.pass_on()
    told = answer if call.method == "GetBookingStatus" else answer.booking
    if told.booking_id and call.method == "CreateBooking":
        name = f"booking of {call.request.slot.service_id}"
        call.kept[name] = told.booking_id
    if told.booking_id:
        told.booking_id = name
    return answer


@fault("UpdateBooking", fails="booking.move booking.move.again")
def answers_a_move_with_the_old_time(call: Call) -> Any:
    answer = call.pass_on()
    if answer.booking.HasField("slot") and "status" not in call.request.update_mask.paths:
        answer.booking.slot.start_time.seconds -= 3600
    return answer


@fault("UpdateBooking", fails="booking.cancel booking.cancel.again")
def answers_a_cancellation_with_the_status_before(call: Call) -> Any:
    answer = call.pass_on()
    if answer.booking.status == booking_pb2.CANCELED:
        answer.booking.status = booking_pb2.CONFIRMED
    return answer


@fault("GetBookingStatus", fails="booking.cancel.status")
def tells_the_status_in_the_numbers_of_version_0(call: Call) -> Any:
    answer = call.pass_on()
    if answer.booking_status == booking_pb2.CANCELED:
        answer.booking_status += 1
    return answer


@fault("CreateLease", fails="lease.echo.merchant")
def names_a_merchant_by_its_own_key(call: Call) -> Any:
    answer = call.pass_on()
    if answer.HasField("lease"):
        answer.lease.slot.merchant_id = "merchant/1"
    return answer


@fault("CreateLease", fails="lease.echo.service")
def names_a_service_by_its_own_key(call: Call) -> Any:
    answer = call.pass_on()
    if answer.HasField("lease"):
        answer.lease.slot.service_id = "service/1"
    return answer


@fault("CreateLease", fails="lease.echo.duration")
def answers_the_usual_length_of_a_service(call: Call) -> Any:
    answer = call.pass_on()
    if answer.HasField("lease"):
        answer.lease.slot.duration.seconds += 900
    return answer


@fault("GetBookingStatus", fails="booking.status")
def tells_a_status_without_the_id(call: Call) -> Any:
    answer = call.pass_on()
    answer.booking_id = ""
    return answer

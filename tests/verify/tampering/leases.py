"""Leases that mean something else than they say."""

from __future__ import annotations

from typing import Any

from slotlease.wire.proto.v2 import booking_pb2
from slotlease.wire.proto.v2 import booking_service_pb2 as service_pb2
from tests.verify.tampering.fault import Call, fault

EXPIRED = booking_pb2.BookingFailure.LEASE_EXPIRED


@fault("CreateLease", fails="lease.expiry.set", warns="lease.expiry.sane")
def does_not_say_when_a_lease_ends(call: Call) -> Any:
    answer = call.pass_on()
    if answer.HasField("lease"):
        answer.lease.ClearField("lease_expiration_time")
    return answer


@fault("CreateLease", fails="lease.expiry.set", warns="lease.expiry.sane")
def says_that_a_lease_ended_before_it_began(call: Call) -> Any:
    answer = call.pass_on()
    if answer.HasField("lease"):
        answer.lease.lease_expiration_time.seconds -= 86_400
    return answer


@fault("CreateLease", warns="lease.expiry.clamped")
def grants_whatever_expiry_is_asked_for(call: Call) -> Any:
    wished = call.request.lease.lease_expiration_time.seconds
    answer = call.pass_on()
    if wished and answer.HasField("lease"):
        answer.lease.lease_expiration_time.seconds = wished
    return answer


@fault("CreateLease", warns="lease.expiry.clamped lease.expiry.sane")
def holds_for_a_month(call: Call) -> Any:
    answer = call.pass_on()
    if answer.HasField("lease"):
        answer.lease.lease_expiration_time.seconds += 30 * 86_400
    return answer


@fault("CreateLease", "CreateBooking", fails="lease.slot-differs")
def books_the_slot_of_the_lease_whatever_is_asked_for(call: Call) -> Any:
    if call.method == "CreateBooking" and call.kept.get(call.request.lease_ref.lease_id):
        call.request.slot.CopyFrom(call.kept[call.request.lease_ref.lease_id])
    answer = call.pass_on()
    if call.method == "CreateLease" and answer.HasField("lease"):
        call.kept[answer.lease.lease_id] = answer.lease.slot
    return answer


@fault("CreateLease", "CreateBooking", fails="lease.unknown")
def takes_an_unknown_lease_for_none(call: Call) -> Any:
    if call.method == "CreateBooking" and call.request.lease_ref.lease_id not in call.kept:
        call.request.ClearField("lease_ref")
    answer = call.pass_on()
    if call.method == "CreateLease":
        call.kept[answer.lease.lease_id] = True
    return answer


@fault("CreateBooking", fails="lease.consumed-twice")
def lets_a_lease_be_booked_twice(call: Call) -> Any:
    lease_id = call.request.lease_ref.lease_id
    answer = call.pass_on()
    if answer.HasField("booking"):
        call.kept[lease_id] = True
    elif answer.booking_failure.cause == EXPIRED and lease_id in call.kept:
        call.request.ClearField("lease_ref")
        return call.pass_on()
    return answer


@fault("CreateBooking", fails="lease.consumed lease.consumed-twice lease.slot-differs")
def books_beside_the_lease(call: Call) -> Any:
    """The lease goes on holding its spot."""
    if call.request.lease_ref.lease_id.startswith("l"):
        call.request.ClearField("lease_ref")
    return call.pass_on()


@fault("CreateLease", "CreateBooking", fails="lease.ends.refused", waits=True)
def revives_expired_leases(call: Call) -> Any:
    answer = call.pass_on()
    if call.method == "CreateLease":
        call.kept[answer.lease.lease_id] = "made"
        return answer
    lease_id = call.request.lease_ref.lease_id
    if answer.HasField("booking"):
        call.kept[lease_id] = "used"
    elif answer.booking_failure.cause == EXPIRED and call.kept.get(lease_id) == "made":
        call.request.ClearField("lease_ref")
        return call.pass_on()
    return answer


@fault("CreateLease", fails="lease.ends.back", waits=True)
def waits_for_a_job_to_clean_up(call: Call) -> Any:
    """Which does not come: a slot that was leased stays so."""
    slot, token = call.request.lease.slot.SerializeToString(deterministic=True), call.request.lease.user_reference
    if slot and call.request.lease.slot.resources.staff_id and call.kept.setdefault(slot, token) != token:
        cause = booking_pb2.BookingFailure.SLOT_UNAVAILABLE
        return service_pb2.CreateLeaseResponse(booking_failure=booking_pb2.BookingFailure(cause=cause))
    return call.pass_on()


@fault("CreateLease", fails="lease.ends.not-before", waits=True)
def ends_a_lease_before_it_said(call: Call) -> Any:
    """By two seconds."""
    answer = call.pass_on()
    if answer.HasField("lease"):
        answer.lease.lease_expiration_time.seconds += 2
    return answer

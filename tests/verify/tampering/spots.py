"""Spots that are sold twice, not at all, or not given back."""

from __future__ import annotations

from typing import Any

from slotlease.wire.proto.v2 import booking_pb2
from slotlease.wire.proto.v2 import booking_service_pb2 as service_pb2
from tests.verify.tampering.fault import Call, fault

UNAVAILABLE = booking_pb2.BookingFailure.SLOT_UNAVAILABLE


@fault("CreateBooking", fails="booking.full booking.fill lease.blocks-booking", stops="booking.token.after-failure")
def oversells_by_one(call: Call) -> Any:
    answer = call.pass_on()
    slot = call.request.slot.SerializeToString(deterministic=True)
    if answer.booking_failure.cause == UNAVAILABLE and slot not in call.kept:
        call.kept[slot] = True
        return made_up(call.request)
    return answer


@fault("CreateBooking", fails="booking.fill")
def keeps_the_last_spot_of_a_class(call: Call) -> Any:
    slot = call.request.slot.SerializeToString(deterministic=True)
    count = call.ask(service_pb2.CheckAvailabilityRequest(slot=call.request.slot)).count_available
    if call.kept.setdefault(slot, count) > count == 1:
        return service_pb2.CreateBookingResponse(booking_failure=booking_pb2.BookingFailure(cause=UNAVAILABLE))
    return call.pass_on()


@fault("CreateLease", fails="lease.last-spot", beside="booking")
def leases_one_spot_too_many(call: Call) -> Any:
    answer = call.pass_on()
    if answer.booking_failure.cause == UNAVAILABLE:
        return leased_too(call.request)
    return answer


@fault("CreateLease", "CreateBooking", fails="lease.blocks-booking", beside="booking")
def lets_others_book_what_is_leased(call: Call) -> Any:
    answer = call.pass_on()
    if call.method == "CreateLease":
        call.kept[answer.lease.slot.SerializeToString(deterministic=True)] = True
    elif answer.booking_failure.cause == UNAVAILABLE:
        leased = call.kept.get(call.request.slot.SerializeToString(deterministic=True))
        return made_up(call.request) if leased else answer
    return answer


@fault(
    "CreateLease",
    "CheckAvailability",
    fails="lease.holds lease.consumed lease.token.one-effect",
)
def counts_free_spots_without_leases(call: Call) -> Any:
    answer = call.pass_on()
    if call.method == "CreateLease":
        slot = answer.lease.slot.SerializeToString(deterministic=True)
        call.kept.setdefault(slot, set()).add(answer.lease.lease_id)
    else:
        answer.count_available += len(call.kept.get(answer.slot.SerializeToString(deterministic=True), ()))
    return answer


@fault(
    "CheckAvailability",
    fails="lease.holds lease.consumed lease.token.one-effect "
    "booking.takes-spot booking.token.one-effect booking.full.none-left booking.move.spots booking.move.taken-keeps",
    beside="availability",
)
def tells_free_spots_from_a_cache(call: Call) -> Any:
    slot = call.request.slot.SerializeToString(deterministic=True)
    if slot not in call.kept:
        call.kept[slot] = call.pass_on()
    return call.kept[slot]


@fault("UpdateBooking", "CheckAvailability", fails="booking.cancel.frees")
def does_not_give_back_what_is_cancelled(call: Call) -> Any:
    answer = call.pass_on()
    if call.method == "UpdateBooking" and answer.booking.status == booking_pb2.CANCELED:
        call.kept[answer.booking.slot.SerializeToString(deterministic=True)] = True
    elif call.method == "CheckAvailability" and answer.slot.SerializeToString(deterministic=True) in call.kept:
        answer.count_available -= 1
    return answer


def made_up(request: service_pb2.CreateBookingRequest) -> service_pb2.CreateBookingResponse:
    booking = booking_pb2.Booking(
        booking_id=f"made-up-{request.idempotency_token}",
        slot=request.slot,
        user_information=request.user_information,
        status=booking_pb2.CONFIRMED,
    )
    return service_pb2.CreateBookingResponse(booking=booking)


def leased_too(request: service_pb2.CreateLeaseRequest) -> service_pb2.CreateLeaseResponse:
    answer = service_pb2.CreateLeaseResponse(lease=request.lease)
    answer.lease.lease_id = f"one-too-many-{request.lease.user_reference}"
    answer.lease.lease_expiration_time.FromSeconds(request.lease.slot.start_time.seconds)
    return answer

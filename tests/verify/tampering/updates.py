"""Cancellations, moves, statuses and lists that go wrong."""

from __future__ import annotations

from typing import Any

import grpc

from slotlease.wire.proto.v2 import booking_pb2
from slotlease.wire.proto.v2 import booking_service_pb2 as service_pb2
from tests.verify.tampering.fault import V2_AND_V3, Call, Refused, fault

Failure = booking_pb2.BookingFailure


@fault("UpdateBooking", fails="booking.move.taken-keeps")
def loses_the_old_slot_when_a_move_fails(call: Call) -> Any:
    answer = call.pass_on()
    if answer.booking_failure.cause == Failure.SLOT_UNAVAILABLE:
        cancel = service_pb2.UpdateBookingRequest()
        cancel.update_mask.paths.append("status")
        cancel.booking.booking_id, cancel.booking.status = call.request.booking.booking_id, booking_pb2.CANCELED
        call.ask(cancel)
    return answer


@fault("UpdateBooking", fails="booking.move.taken booking.move.taken-keeps")
def moves_into_a_slot_that_is_taken(call: Call) -> Any:
    answer = call.pass_on()
    if answer.booking_failure.cause == Failure.SLOT_UNAVAILABLE:
        return service_pb2.UpdateBookingResponse(booking=call.request.booking)
    return answer


@fault("UpdateBooking", fails="booking.move")
def gives_a_moved_booking_another_id(call: Call) -> Any:
    answer = call.pass_on()
    if answer.booking.HasField("slot") and "status" not in call.request.update_mask.paths:
        answer.booking.booking_id = "another"
    return answer


@fault("UpdateBooking", fails="booking.cancel.again")
def cancels_twice_with_an_error(call: Call) -> Any:
    if "status" in call.request.update_mask.paths and call.kept.setdefault(call.request.booking.booking_id, 0):
        raise Refused(grpc.StatusCode.FAILED_PRECONDITION, "it is cancelled")
    call.kept[call.request.booking.booking_id] = "status" in call.request.update_mask.paths
    return call.pass_on()


@fault("UpdateBooking", warns="booking.cancel.again")
def says_of_a_second_cancellation_that_it_is_one(call: Call) -> Any:
    """Which Google leaves open."""
    before = call.ask(service_pb2.GetBookingStatusRequest(booking_id=call.request.booking.booking_id)).booking_status
    answer = call.pass_on()
    if before == booking_pb2.CANCELED == answer.booking.status:
        failure = Failure(cause=Failure.BOOKING_ALREADY_CANCELLED)
        return service_pb2.UpdateBookingResponse(booking_failure=failure)
    return answer


@fault("UpdateBooking", fails="booking.cancel.unknown")
def cancels_what_there_is_not(call: Call) -> Any:
    try:
        return call.pass_on()
    except Refused:
        return service_pb2.UpdateBookingResponse(booking=call.request.booking)


@fault("UpdateBooking", fails="booking.cancel.then-move")
def moves_what_is_cancelled(call: Call) -> Any:
    answer = call.pass_on()
    if answer.booking_failure.cause == Failure.BOOKING_ALREADY_CANCELLED:
        return service_pb2.UpdateBookingResponse(booking=call.request.booking)
    return answer


@fault(
    "UpdateBooking",
    fails="booking.cancel.status booking.cancel.frees booking.cancel.then-move booking.token.after-failure",
    warns="booking.list.cancelled",
)
def answers_a_cancellation_and_does_nothing(call: Call) -> Any:
    if "status" not in call.request.update_mask.paths:
        return call.pass_on()
    call.ask(service_pb2.GetBookingStatusRequest(booking_id=call.request.booking.booking_id))
    return service_pb2.UpdateBookingResponse(booking=call.request.booking)


@fault("GetBookingStatus", fails="booking.status.unknown")
def knows_the_status_of_every_booking(call: Call) -> Any:
    try:
        return call.pass_on()
    except Refused:
        return service_pb2.GetBookingStatusResponse(
            booking_id=call.request.booking_id, booking_status=booking_pb2.CONFIRMED
        )


@fault("ListBookings", fails="booking.list", versions=V2_AND_V3)
def lists_one_booking_of_each_user(call: Call) -> Any:
    answer = call.pass_on()
    del answer.bookings[1:]
    return answer


@fault("ListBookings", warns="booking.list.unknown-user")
def takes_an_unknown_user_for_one_without_bookings(call: Call) -> Any:
    try:
        return call.pass_on()
    except Refused:
        return service_pb2.ListBookingsResponse()


@fault("ListBookings", "CreateBooking", fails="booking.list booking.list.unknown-user", warns="booking.list.cancelled")
def lists_the_bookings_of_others(call: Call) -> Any:
    if call.method == "CreateBooking":
        answer = call.pass_on()
        call.kept[answer.booking.booking_id] = answer.booking
        return answer
    bookings = [booking for booking_id, booking in call.kept.items() if booking_id]
    return service_pb2.ListBookingsResponse(bookings=bookings)

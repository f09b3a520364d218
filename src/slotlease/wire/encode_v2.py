"""Domain values into messages of version 2."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from slotlease.desk.batch_availability_lookup import BatchAvailabilityLookup
from slotlease.desk.check_availability import Availability
from slotlease.domain.booking import Booking, BookingStatus, UserInformation
from slotlease.domain.failure import BookingFailure
from slotlease.domain.lease import Lease
from slotlease.domain.slot import SECOND_US, AskedSlot, Resources
from slotlease.wire.codec_v2 import STATUSES
from slotlease.wire.outcome import CAUSES
from slotlease.wire.payment import prepayment_told, write_payment
from slotlease.wire.proto.v2 import booking_pb2
from slotlease.wire.proto.v2 import booking_service_pb2 as service_pb2
from slotlease.wire.writing import answer_bytes, duration, timestamp, write_address

_STATUS_NUMBERS: Final = {status: number for number, status in STATUSES.items()}


# --- one function per answer ----------------------------------------------------------------------------------


def availability(answer: Availability) -> bytes:
    message = service_pb2.CheckAvailabilityResponse(slot=_slot(answer.slot), count_available=answer.count_available)
    return answer_bytes(message)


def batch_availability(asked: BatchAvailabilityLookup, available: Iterable[bool]) -> bytes:
    entries = (
        service_pb2.SlotTimeAvailability(slot_time=_slot_time(slot), available=is_available)
        for slot, is_available in zip(asked.slots, available, strict=True)
    )
    return answer_bytes(service_pb2.BatchAvailabilityLookupResponse(slot_time_availability=entries))


def lease(answer: Lease | BookingFailure) -> bytes:
    if isinstance(answer, BookingFailure):
        return answer_bytes(service_pb2.CreateLeaseResponse(booking_failure=_failure(answer)))
    message = booking_pb2.Lease(
        lease_id=answer.lease_id,
        slot=_slot(answer.slot),
        user_reference=answer.client_reference,
        lease_expiration_time=timestamp(answer.expires_us),
    )
    return answer_bytes(service_pb2.CreateLeaseResponse(lease=message))


def booking_created(answer: Booking | BookingFailure) -> bytes:
    """The booking as it was made, whatever has become of it: a repeat gets the same bytes (DESIGN 5, INV-13)."""
    if isinstance(answer, BookingFailure):
        return answer_bytes(service_pb2.CreateBookingResponse(booking_failure=_failure(answer)))
    message = _booking(answer, answer.slot_created, answer.status_created)
    return answer_bytes(service_pb2.CreateBookingResponse(booking=message))


def booking_updated(answer: Booking | BookingFailure) -> bytes:
    if isinstance(answer, BookingFailure):
        return answer_bytes(service_pb2.UpdateBookingResponse(booking_failure=_failure(answer)))
    return answer_bytes(service_pb2.UpdateBookingResponse(booking=_booking(answer, answer.slot, answer.status)))


def booking_status(answer: Booking) -> bytes:
    message = service_pb2.GetBookingStatusResponse(
        booking_id=answer.booking_id,
        booking_status=_STATUS_NUMBERS[answer.status],
        prepayment_status=prepayment_told(answer.payment),
    )
    return answer_bytes(message)


def bookings(answer: Iterable[Booking]) -> bytes:
    messages = (_booking(booking, booking.slot, booking.status) for booking in answer)
    return answer_bytes(service_pb2.ListBookingsResponse(bookings=messages))


# --- parts ----------------------------------------------------------------------------------------------------


def _failure(failure: BookingFailure) -> booking_pb2.BookingFailure:
    return booking_pb2.BookingFailure(cause=CAUSES[failure.cause].v2, description=failure.description)


def _slot(slot: AskedSlot) -> booking_pb2.Slot:
    """The slot exactly as asked: `resources {}` given comes back as `resources {}`, absent stays absent."""
    return booking_pb2.Slot(
        merchant_id=slot.merchant_id,
        service_id=slot.service_id,
        start_time=timestamp(slot.start_us),
        duration=duration(slot.duration_us),
        availability_tag=slot.availability_tag,
        resources=_resources(slot.resources),
    )


def _slot_time(slot: AskedSlot) -> service_pb2.SlotTime:
    return service_pb2.SlotTime(
        start_sec=slot.start_us // SECOND_US,
        duration_sec=slot.duration_us // SECOND_US,
        availability_tag=slot.availability_tag,
        resource_ids=_resources(slot.resources),
        service_id=slot.service_id,
    )


def _resources(resources: Resources | None) -> booking_pb2.Resources | None:
    if resources is None:
        return None
    return booking_pb2.Resources(
        staff_id=resources.staff_id, room_id=resources.room_id, party_size=resources.party_size
    )


def _booking(booking: Booking, slot: AskedSlot, status: BookingStatus) -> booking_pb2.Booking:
    message = booking_pb2.Booking(
        booking_id=booking.booking_id,
        slot=_slot(slot),
        user_information=_user(booking.user),
        status=_STATUS_NUMBERS[status],
    )
    write_payment(message.payment_information, booking.payment)
    return message


def _user(user: UserInformation) -> booking_pb2.UserInformation:
    """The id stays empty where version 0 made the booking: nobody has one there."""
    message = booking_pb2.UserInformation(
        user_id=user.user_id,
        given_name=user.given_name,
        family_name=user.family_name,
        telephone=user.telephone,
        email=user.email,
        language_code=user.language_code,
    )
    write_address(message.address, user.address)
    return message

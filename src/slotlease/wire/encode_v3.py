"""Domain values into messages of version 3, printed as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from slotlease.desk.check_availability import Availability
from slotlease.domain.booking import Booking, BookingStatus, UserInformation
from slotlease.domain.failure import BookingFailure
from slotlease.domain.lease import Lease
from slotlease.domain.marketing import MarketingPreference
from slotlease.domain.slot import SECOND_US, AskedSlot, Resources
from slotlease.wire.codec_v3 import STATUSES
from slotlease.wire.json_v3 import print_message
from slotlease.wire.payment import prepayment_told, write_payment
from slotlease.wire.proto.v3 import booking_pb2
from slotlease.wire.proto.v3 import booking_service_pb2 as service_pb2

_STATUS_NUMBERS: Final = {status: number for number, status in STATUSES.items()}


# --- one function per answer ----------------------------------------------------------------------------------


def availability(asked: booking_pb2.Slot, answer: Availability) -> bytes:
    return print_message(
        service_pb2.CheckAvailabilityResponse(slot=asked, count_available=answer.count_available),
    )


def batch_availability(asked: service_pb2.BatchAvailabilityLookupRequest, available: Iterable[bool]) -> bytes:
    """Each slot exactly as asked, in the order asked."""
    entries = (
        service_pb2.SlotTimeAvailability(slot_time=slot, available=is_available)
        for slot, is_available in zip(asked.slot_time, available, strict=True)
    )
    return print_message(service_pb2.BatchAvailabilityLookupResponse(slot_time_availability=entries))


def lease(answer: Lease | BookingFailure) -> bytes:
    if isinstance(answer, BookingFailure):
        return print_message(service_pb2.CreateLeaseResponse(booking_failure=_failure(answer)))
    message = booking_pb2.Lease(
        lease_id=answer.lease_id,
        slot=_slot(answer.slot, asynchronous=answer.asynchronous),
        user_reference=answer.client_reference,
        lease_expiration_time_sec=answer.expires_us // SECOND_US,
    )
    return print_message(service_pb2.CreateLeaseResponse(lease=message))


def booking_created(answer: Booking | BookingFailure) -> bytes:
    """The booking as it was made, whatever has become of it: a repeat gets the same bytes (DESIGN 5, INV-13)."""
    if isinstance(answer, BookingFailure):
        return print_message(service_pb2.CreateBookingResponse(booking_failure=_failure(answer)))
    message = _booking(answer, answer.slot_created, answer.status_created)
    return print_message(service_pb2.CreateBookingResponse(booking=message))


def booking_updated(answer: Booking | BookingFailure) -> bytes:
    if isinstance(answer, BookingFailure):
        return print_message(service_pb2.UpdateBookingResponse(booking_failure=_failure(answer)))
    return print_message(service_pb2.UpdateBookingResponse(booking=_booking(answer, answer.slot, answer.status)))


def booking_status(answer: Booking) -> bytes:
    message = service_pb2.GetBookingStatusResponse(
        booking_id=answer.booking_id,
        booking_status=_STATUS_NUMBERS[answer.status],
        prepayment_status=prepayment_told(answer.payment),
    )
    return print_message(message)


def bookings(answer: Iterable[Booking]) -> bytes:
    messages = (_booking(booking, booking.slot, booking.status) for booking in answer)
    return print_message(service_pb2.ListBookingsResponse(bookings=messages))


def marketing_preference(answer: MarketingPreference) -> bytes:
    message = service_pb2.SetMarketingPreferenceResponse(
        user_information=_user(answer.user), user_to_receive_marketing=answer.receives_marketing
    )
    return print_message(message)


# --- parts ----------------------------------------------------------------------------------------------------


def _failure(failure: BookingFailure) -> booking_pb2.BookingFailure:
    cause = booking_pb2.BookingFailure.Cause.Value(failure.cause.value)
    return booking_pb2.BookingFailure(cause=cause, description=failure.description)


def _slot(slot: AskedSlot, *, asynchronous: bool | None = None) -> booking_pb2.Slot:
    return booking_pb2.Slot(
        merchant_id=slot.merchant_id,
        service_id=slot.service_id,
        start_sec=slot.start_us // SECOND_US,
        duration_sec=slot.duration_us // SECOND_US,
        availability_tag=slot.availability_tag,
        resources=_resources(slot.resources),
        confirmation_mode=_MODES[asynchronous],
    )


_MODES: Final = {
    None: booking_pb2.CONFIRMATION_MODE_UNSPECIFIED,
    False: booking_pb2.CONFIRMATION_MODE_SYNCHRONOUS,
    True: booking_pb2.CONFIRMATION_MODE_ASYNCHRONOUS,
}


def _resources(resources: Resources | None) -> booking_pb2.ResourceIds | None:
    if resources is None:
        return None
    return booking_pb2.ResourceIds(
        staff_id=resources.staff_id, room_id=resources.room_id, party_size=resources.party_size
    )


def _booking(booking: Booking, slot: AskedSlot, status: BookingStatus) -> booking_pb2.Booking:
    asynchronous = booking.status_created is BookingStatus.PENDING_MERCHANT_CONFIRMATION
    message = booking_pb2.Booking(
        booking_id=booking.booking_id,
        slot=_slot(slot, asynchronous=asynchronous),
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
    address = user.address
    if address is not None:
        message.address.SetInParent()
        message.address.country = address.country
        message.address.locality = address.locality
        message.address.region = address.region
        message.address.postal_code = address.postal_code
        message.address.street_address = address.street_address
    return message

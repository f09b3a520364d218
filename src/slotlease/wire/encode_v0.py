"""Domain values into messages of version 0. A booking of version 2 is told as far as version 0 has words: without its
resources, its availability_tag, and the user's id and language."""

from __future__ import annotations

from typing import Final

from slotlease.domain.booking import Booking, BookingStatus, UserInformation
from slotlease.domain.lease import Lease
from slotlease.domain.slot import AskedSlot, Resources
from slotlease.wire.codec_v0 import STATUSES
from slotlease.wire.payment import write_payment
from slotlease.wire.proto.v0 import booking_pb2
from slotlease.wire.proto.v0 import booking_service_pb2 as service_pb2
from slotlease.wire.writing import answer_bytes, write_address, write_duration, write_timestamp

_STATUS_NUMBERS: Final = {status: number for number, status in STATUSES.items()}


# --- one function per answer ----------------------------------------------------------------------------------


def lease(answer: Lease) -> bytes:
    slot = answer.slot
    response = service_pb2.CreateLeaseResponse()
    # In place, since this is said most often: a message that is made apart is copied into its parent.
    message = response.lease
    message.lease_id = answer.lease_id
    message.merchant_id = slot.merchant_id
    message.service_id = slot.service_id
    write_timestamp(message.start_time, slot.start_us)
    write_duration(message.duration, slot.duration_us)
    message.client_reference = answer.client_reference
    write_timestamp(message.lease_expiration_time, answer.expires_us)
    message.availability_tag = slot.availability_tag
    if slot.resources is not None:
        message.resources.CopyFrom(_resources(slot.resources))
    return answer_bytes(response)


def booking_created(answer: Booking) -> bytes:
    """The booking as it was made, whatever has become of it: a repeat gets the same bytes (DESIGN 5, INV-13)."""
    message = _booking(answer, answer.slot_created, answer.status_created)
    return answer_bytes(service_pb2.CreateBookingResponse(booking=message))


def booking_updated(answer: Booking) -> bytes:
    return answer_bytes(service_pb2.UpdateBookingResponse(booking=_booking(answer, answer.slot, answer.status)))


# --- parts ----------------------------------------------------------------------------------------------------


def _resources(resources: Resources) -> booking_pb2.Resources:
    """As asked: a lease of a slot with a party size can only have been asked for, and is only told, in version 2."""
    return booking_pb2.Resources(staff_id=resources.staff_id, room_id=resources.room_id)


def _booking(booking: Booking, slot: AskedSlot, status: BookingStatus) -> booking_pb2.Booking:
    message = booking_pb2.Booking(
        booking_id=booking.booking_id,
        merchant_id=slot.merchant_id,
        service_id=slot.service_id,
        client_information=_client(booking.user),
        status=_STATUS_NUMBERS[status],
    )
    write_timestamp(message.start_time, slot.start_us)
    write_duration(message.duration, slot.duration_us)
    write_payment(message.payment_information, booking.payment)
    return message


def _client(user: UserInformation) -> booking_pb2.ClientInformation:
    message = booking_pb2.ClientInformation(
        given_name=user.given_name, family_name=user.family_name, telephone=user.telephone, email=user.email
    )
    write_address(message.address, user.address)
    return message

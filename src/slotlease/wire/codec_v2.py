"""Messages of version 2 into what the desk is asked. With `reading.py` and `limits.py` this is all validation of input
(DESIGN 5, first row).

Unknown fields are passed over, and never echoed: answers are made afresh from domain values (`encode_v2.py`). Enum
numbers are each version's own (CANCELED is 3 here and 4 in version 0): they stand in the table below and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from slotlease.desk.batch_availability_lookup import BatchAvailabilityLookup
from slotlease.desk.check_availability import CheckAvailability
from slotlease.desk.create_booking import CreateBooking
from slotlease.desk.create_lease import CreateLease
from slotlease.desk.get_booking_status import GetBookingStatus
from slotlease.desk.list_bookings import ListBookings
from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import BookingStatus, UserInformation, user_key
from slotlease.domain.slot import AskedSlot
from slotlease.wire.limits import REQUIRED, SLOT_TIMES_MAX, Reading
from slotlease.wire.payment import read_payment
from slotlease.wire.proto.v2 import booking_pb2
from slotlease.wire.proto.v2 import booking_service_pb2 as service_pb2
from slotlease.wire.reading import (
    asked_slot,
    changes,
    named,
    new_time,
    parse,
    postal_address,
    slot_of_batch,
    wished_expiry_us,
)

STATUSES: Final[Mapping[booking_pb2.BookingStatus.ValueType, BookingStatus]] = {
    booking_pb2.CONFIRMED: BookingStatus.CONFIRMED,
    booking_pb2.PENDING_MERCHANT_CONFIRMATION: BookingStatus.PENDING_MERCHANT_CONFIRMATION,
    booking_pb2.CANCELED: BookingStatus.CANCELED,
    booking_pb2.NO_SHOW: BookingStatus.NO_SHOW,
    booking_pb2.NO_SHOW_PENALIZED: BookingStatus.NO_SHOW_PENALIZED,
}

MASK_PATHS: Final = ("status", "slot.start_time", "slot.duration", "slot.resources.party_size")
"""What of a booking can be changed (Google's UpdateBooking page; its FAQ: anything else is booked anew)."""

_NO_SLOT = AskedSlot("", "", 0, 0)


# --- one function per RPC; each raises Malformed --------------------------------------------------------------


def check_availability(payload: bytes) -> CheckAvailability:
    request = parse(service_pb2.CheckAvailabilityRequest, payload)
    reading = Reading()
    slot = _slot(reading, "slot", request.slot if request.HasField("slot") else None)
    reading.finish()
    return CheckAvailability(slot)


def batch_availability_lookup(payload: bytes) -> BatchAvailabilityLookup:
    request = parse(service_pb2.BatchAvailabilityLookupRequest, payload)
    reading = Reading()
    merchant_id = reading.required_text("", "merchant_id", request.merchant_id)
    if len(request.slot_time) > SLOT_TIMES_MAX:
        reading.note("slot_time", f"has more than {SLOT_TIMES_MAX:,} entries")
        reading.finish()
    slots = tuple(slot_of_batch(reading, number, merchant_id, slot) for number, slot in enumerate(request.slot_time))
    reading.finish()
    return BatchAvailabilityLookup(merchant_id, slots)


def create_lease(payload: bytes, secret: bytes) -> CreateLease:
    """Whatever the request gives as `lease_id` is passed over: lease ids are made here (Google's Lease page)."""
    request = parse(service_pb2.CreateLeaseRequest, payload)
    reading = Reading()
    reading.need("lease", given=request.HasField("lease"))
    lease = request.lease
    slot = _slot(reading, "lease.slot", lease.slot if lease.HasField("slot") else None)
    reference = reading.required_text("lease.", "user_reference", lease.user_reference)
    asked_expiry_us = wished_expiry_us(reading, lease)
    reading.finish()
    return CreateLease(slot, reference, asked_expiry_us, secret)


def create_booking(payload: bytes, secret: bytes) -> CreateBooking:
    request = parse(service_pb2.CreateBookingRequest, payload)
    reading = Reading()
    slot = _slot(reading, "slot", request.slot if request.HasField("slot") else None)
    lease_id = ""
    if request.HasField("lease_ref"):
        # A reference to nothing is a mistake, not the wish to book without a lease.
        lease_id = reading.required_text("lease_ref.", "lease_id", request.lease_ref.lease_id)
    user = _user(reading, request.user_information if request.HasField("user_information") else None)
    payment = read_payment(reading, request.payment_information) if request.HasField("payment_information") else None
    token = reading.required_text("", "idempotency_token", request.idempotency_token)
    additional_request = reading.text("", "additional_request", request.additional_request)
    reading.finish()
    return CreateBooking(
        slot=slot,
        lease_id=lease_id,
        user_key=user_key(user.user_id),
        user=user,
        payment=payment,
        asks_to_charge=request.HasField("payment_processing_parameters"),
        additional_request=additional_request,
        idempotency_token=token,
        secret=secret,
    )


def update_booking(payload: bytes) -> UpdateBooking:
    request = parse(service_pb2.UpdateBookingRequest, payload)
    reading = Reading()
    reading.need("booking", given=request.HasField("booking"))
    booking, mask = request.booking, request.update_mask.paths
    booking_id = reading.required_text("booking.", "booking_id", booking.booking_id)
    changed = changes(reading, mask, _given(booking))
    status, slot = None, booking.slot
    if "status" in changed:
        status = named(reading, "booking.status", STATUSES, booking.status)
    start_us, duration_us = new_time(
        reading, "booking.slot.", slot, start="slot.start_time" in changed, duration="slot.duration" in changed
    )
    party_size = None
    if "slot.resources.party_size" in changed:
        party_size = reading.party_size("booking.slot.resources.party_size", slot.resources.party_size)
    update = UpdateBooking(booking_id, status, start_us, duration_us, party_size)
    if not mask:
        update = _with_unchangeable(reading, update, slot)
    reading.finish()
    return update


def get_booking_status(payload: bytes) -> GetBookingStatus:
    request = parse(service_pb2.GetBookingStatusRequest, payload)
    reading = Reading()
    booking_id = reading.required_text("", "booking_id", request.booking_id)
    reading.finish()
    return GetBookingStatus(booking_id)


def list_bookings(payload: bytes) -> ListBookings:
    request = parse(service_pb2.ListBookingsRequest, payload)
    reading = Reading()
    user_id = reading.required_text("", "user_id", request.user_id)
    reading.finish()
    return ListBookings(user_key(user_id))


# --- parts ----------------------------------------------------------------------------------------------------


def _slot(reading: Reading, path: str, slot: booking_pb2.Slot | None) -> AskedSlot:
    if slot is None:
        reading.note(path, REQUIRED)
        return _NO_SLOT
    return asked_slot(reading, path + ".", slot)


def _user(reading: Reading, user: booking_pb2.UserInformation | None) -> UserInformation:
    if user is None:
        reading.note("user_information", REQUIRED)
        return UserInformation("", "", "", "", "")
    at = "user_information."
    return UserInformation(
        user_id=reading.required_text(at, "user_id", user.user_id),
        given_name=reading.required_text(at, "given_name", user.given_name),
        family_name=reading.required_text(at, "family_name", user.family_name),
        telephone=reading.required_text(at, "telephone", user.telephone),
        email=reading.required_text(at, "email", user.email),
        language_code=reading.text(at, "language_code", user.language_code),
        address=postal_address(reading, at + "address.", user.address) if user.HasField("address") else None,
    )


def _given(booking: booking_pb2.Booking) -> dict[str, bool]:
    slot = booking.slot
    answers = (
        booking.status != booking_pb2.BOOKING_STATUS_UNSPECIFIED,
        slot.HasField("start_time"),
        slot.HasField("duration"),
        slot.resources.party_size != 0,
    )
    return dict(zip(MASK_PATHS, answers, strict=True))


def _with_unchangeable(reading: Reading, update: UpdateBooking, slot: booking_pb2.Slot) -> UpdateBooking:
    """What a caller that sends the whole booking says of things that cannot change: the desk compares them."""
    at = "booking.slot."
    return replace(
        update,
        merchant_id=reading.text(at, "merchant_id", slot.merchant_id) or None,
        service_id=reading.text(at, "service_id", slot.service_id) or None,
        staff_id=reading.text(at + "resources.", "staff_id", slot.resources.staff_id) or None,
        room_id=reading.text(at + "resources.", "room_id", slot.resources.room_id) or None,
    )

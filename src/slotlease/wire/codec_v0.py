"""Messages of version 0 into what the desk is asked. With `reading.py` and `limits.py` this is all validation of input
(DESIGN 5, first row).

A lease and a booking each carry what names the slot; a request to book carries the lease and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from slotlease.desk.book_lease import BookLease
from slotlease.desk.create_lease import CreateLease
from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import BookingStatus, UserInformation, contact_key
from slotlease.wire.limits import REQUIRED, Reading
from slotlease.wire.payment import read_payment
from slotlease.wire.proto.v0 import booking_pb2
from slotlease.wire.proto.v0 import booking_service_pb2 as service_pb2
from slotlease.wire.reading import asked_slot, changes, named, new_time, parse, postal_address, wished_expiry_us

STATUSES: Final[Mapping[booking_pb2.BookingStatus.ValueType, BookingStatus]] = {
    booking_pb2.CONFIRMED: BookingStatus.CONFIRMED,
    # Inferred (proto/.../v0/booking.proto). 3 and 7 are not known, so they stand for nothing.
    booking_pb2.PENDING_MERCHANT_CONFIRMATION: BookingStatus.PENDING_MERCHANT_CONFIRMATION,
    booking_pb2.CANCELED: BookingStatus.CANCELED,
    booking_pb2.NO_SHOW: BookingStatus.NO_SHOW,
    booking_pb2.NO_SHOW_PENALIZED: BookingStatus.NO_SHOW_PENALIZED,
}

MASK_PATHS: Final = ("status", "start_time", "duration")
"""What of a booking can be changed (Google's UpdateBooking page; its FAQ: anything else is booked anew)."""


# --- one function per RPC; each raises Malformed --------------------------------------------------------------


def create_lease(payload: bytes, secret: bytes) -> CreateLease:
    """Whatever the request gives as `lease_id` is passed over: lease ids are made here (Google's Lease page)."""
    request = parse(service_pb2.CreateLeaseRequest, payload)
    reading = Reading()
    reading.need("lease", given=request.HasField("lease"))
    lease = request.lease
    slot = asked_slot(reading, "lease.", lease)
    reference = reading.required_text("lease.", "client_reference", lease.client_reference)
    asked_expiry_us = wished_expiry_us(reading, lease)
    reading.finish()
    return CreateLease(slot, reference, asked_expiry_us, secret)


def create_booking(payload: bytes, secret: bytes, fingerprint_key: bytes) -> BookLease:
    """Version 0 gives nobody an id: the ledger knows a user again by a hash, made with the ledger's own key."""
    request = parse(service_pb2.CreateBookingRequest, payload)
    reading = Reading()
    lease_id = ""
    if request.HasField("lease_ref"):
        lease_id = reading.required_text("lease_ref.", "lease_id", request.lease_ref.lease_id)
    else:
        reading.note("lease_ref", REQUIRED)
    client = _client(reading, request.client_information if request.HasField("client_information") else None)
    payment = read_payment(reading, request.payment_information) if request.HasField("payment_information") else None
    reading.finish()
    return BookLease(
        lease_id=lease_id,
        user_key=contact_key(fingerprint_key, telephone=client.telephone, email=client.email),
        user=client,
        payment=payment,
        asks_to_charge=request.HasField("payment_processing_parameters"),
        secret=secret,
    )


def update_booking(payload: bytes) -> UpdateBooking:
    request = parse(service_pb2.UpdateBookingRequest, payload)
    reading = Reading()
    reading.need("booking", given=request.HasField("booking"))
    booking, mask = request.booking, request.update_mask.paths
    booking_id = reading.required_text("booking.", "booking_id", booking.booking_id)
    changed = changes(reading, mask, _given(booking))
    status = None
    if "status" in changed:
        status = named(reading, "booking.status", STATUSES, booking.status)
    start_us, duration_us = new_time(
        reading, "booking.", booking, start="start_time" in changed, duration="duration" in changed
    )
    merchant_id = service_id = None
    if not mask:
        # A caller that sends the whole booking names things that cannot change: the desk compares them.
        merchant_id = reading.text("booking.", "merchant_id", booking.merchant_id) or None
        service_id = reading.text("booking.", "service_id", booking.service_id) or None
    reading.finish()
    return UpdateBooking(booking_id, status, start_us, duration_us, merchant_id=merchant_id, service_id=service_id)


# --- parts ----------------------------------------------------------------------------------------------------


def _client(reading: Reading, client: booking_pb2.ClientInformation | None) -> UserInformation:
    """Google's page marks the telephone as required and nothing else: a merchant can call a customer without a name,
    and to refuse one would cost the merchant a customer."""
    if client is None:
        reading.note("client_information", REQUIRED)
        return UserInformation("", "", "", "", "")
    at = "client_information."
    return UserInformation(
        user_id="",
        given_name=reading.text(at, "given_name", client.given_name),
        family_name=reading.text(at, "family_name", client.family_name),
        telephone=reading.required_text(at, "telephone", client.telephone),
        email=reading.text(at, "email", client.email),
        address=postal_address(reading, at + "address.", client.address) if client.HasField("address") else None,
    )


def _given(booking: booking_pb2.Booking) -> dict[str, bool]:
    answers = (
        booking.status != booking_pb2.BOOKING_STATUS_UNSPECIFIED,
        booking.HasField("start_time"),
        booking.HasField("duration"),
    )
    return dict(zip(MASK_PATHS, answers, strict=True))

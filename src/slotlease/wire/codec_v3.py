"""Messages of version 3 into what the desk is asked. With `json_v3.py`, `reading.py` and `limits.py` this is all
validation of input (DESIGN 5, first row). Where version 2 has Timestamps, version 3 counts in whole seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from slotlease.desk.batch_availability_lookup import BatchAvailabilityLookup
from slotlease.desk.check_availability import CheckAvailability
from slotlease.desk.create_booking import CreateBooking
from slotlease.desk.create_lease import CreateLease
from slotlease.desk.get_booking_status import GetBookingStatus
from slotlease.desk.list_bookings import ListBookings
from slotlease.desk.set_marketing_preference import SetMarketingPreference
from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import BookingStatus, PostalAddress, UserInformation, user_key
from slotlease.domain.slot import SECOND_US, AskedSlot
from slotlease.wire.json_v3 import parse
from slotlease.wire.limits import DURATION_MAX_S, INSTANT_MAX_S, REQUIRED, SLOT_TIMES_MAX, Reading
from slotlease.wire.payment import read_payment
from slotlease.wire.proto.v3 import booking_pb2
from slotlease.wire.proto.v3 import booking_service_pb2 as service_pb2
from slotlease.wire.reading import changes, named, resources, slot_of_batch, start_us

STATUSES: Final[Mapping[booking_pb2.BookingStatus.ValueType, BookingStatus]] = {
    booking_pb2.CONFIRMED: BookingStatus.CONFIRMED,
    booking_pb2.PENDING_MERCHANT_CONFIRMATION: BookingStatus.PENDING_MERCHANT_CONFIRMATION,
    booking_pb2.CANCELED: BookingStatus.CANCELED,
    booking_pb2.NO_SHOW: BookingStatus.NO_SHOW,
    booking_pb2.NO_SHOW_PENALIZED: BookingStatus.NO_SHOW_PENALIZED,
}

CHANGEABLE: Final = ("status", "slot.start_sec", "slot.duration_sec", "slot.resources.party_size")
"""What of a booking can be changed (Google's UpdateBooking page)."""

_NO_SLOT = AskedSlot("", "", 0, 0)


# --- one function per method; each raises Malformed -----------------------------------------------------------


def check_availability(payload: bytes) -> tuple[CheckAvailability, booking_pb2.Slot]:
    """With the slot as the message has it: the answer repeats it."""
    request = parse(service_pb2.CheckAvailabilityRequest, payload)
    reading = Reading()
    slot = _slot(reading, "slot", request.slot if request.HasField("slot") else None)
    reading.finish()
    return CheckAvailability(slot), request.slot


def batch_availability_lookup(
    payload: bytes,
) -> tuple[BatchAvailabilityLookup, service_pb2.BatchAvailabilityLookupRequest]:
    """With the message: the answer repeats each of its slots."""
    request = parse(service_pb2.BatchAvailabilityLookupRequest, payload)
    reading = Reading()
    merchant_id = reading.required_text("", "merchant_id", request.merchant_id)
    if len(request.slot_time) > SLOT_TIMES_MAX:
        reading.note("slot_time", f"has more than {SLOT_TIMES_MAX:,} entries")
        reading.finish()
    slots = tuple(slot_of_batch(reading, number, merchant_id, slot) for number, slot in enumerate(request.slot_time))
    reading.finish()
    return BatchAvailabilityLookup(merchant_id, slots), request


def create_lease(payload: bytes, secret: bytes) -> CreateLease:
    """Whatever the request gives as `lease_id` is passed over: lease ids are made here (Google's Lease page)."""
    request = parse(service_pb2.CreateLeaseRequest, payload)
    reading = Reading()
    reading.need("lease", given=request.HasField("lease"))
    lease = request.lease
    slot = _slot(reading, "lease.slot", lease.slot if lease.HasField("slot") else None)
    reference = reading.required_text("lease.", "user_reference", lease.user_reference)
    asked_expiry_us = None
    if lease.lease_expiration_time_sec:
        asked_expiry_us = lease.lease_expiration_time_sec * SECOND_US
        if not 0 < lease.lease_expiration_time_sec <= INSTANT_MAX_S:
            reading.note("lease.lease_expiration_time_sec", f"must be 1 to {INSTANT_MAX_S:,}, or not given")
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
        asks_for_offer=bool(request.offer_id or request.deal_id),
    )


def update_booking(payload: bytes) -> UpdateBooking:
    """What the booking gives changes; what it does not give stays (Google's UpdateBooking page)."""
    request = parse(service_pb2.UpdateBookingRequest, payload)
    reading = Reading()
    reading.need("booking", given=request.HasField("booking"))
    booking, slot = request.booking, request.booking.slot
    booking_id = reading.required_text("booking.", "booking_id", booking.booking_id)
    changed = changes(reading, (), _given(booking))
    status = named(reading, "booking.status", STATUSES, booking.status) if "status" in changed else None
    at = "booking.slot."
    begins_us = start_us(reading, at, slot) if "slot.start_sec" in changed else None
    lasts_us = _duration_us(reading, at, slot) if "slot.duration_sec" in changed else None
    party_size = None
    if "slot.resources.party_size" in changed:
        party_size = reading.party_size(at + "resources.party_size", slot.resources.party_size)
    update = UpdateBooking(
        booking_id,
        status,
        begins_us,
        lasts_us,
        party_size,
        merchant_id=reading.text(at, "merchant_id", slot.merchant_id) or None,
        service_id=reading.text(at, "service_id", slot.service_id) or None,
        staff_id=reading.text(at + "resources.", "staff_id", slot.resources.staff_id) or None,
        room_id=reading.text(at + "resources.", "room_id", slot.resources.room_id) or None,
    )
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


def set_marketing_preference(payload: bytes) -> SetMarketingPreference:
    """A preference that is not given is false, as printers of JSON write it: then the user wants nothing."""
    request = parse(service_pb2.SetMarketingPreferenceRequest, payload)
    reading = Reading()
    user = _user(reading, request.user_information if request.HasField("user_information") else None)
    reading.finish()
    return SetMarketingPreference(user, request.user_to_receive_marketing)


# --- parts ----------------------------------------------------------------------------------------------------


def _slot(reading: Reading, path: str, slot: booking_pb2.Slot | None) -> AskedSlot:
    if slot is None:
        reading.note(path, REQUIRED)
        return _NO_SLOT
    at = path + "."
    return AskedSlot(
        reading.required_text(at, "merchant_id", slot.merchant_id),
        reading.required_text(at, "service_id", slot.service_id),
        start_us(reading, at, slot),
        _duration_us(reading, at, slot),
        reading.text(at, "availability_tag", slot.availability_tag),
        resources(reading, at + "resources.", slot.resources) if slot.HasField("resources") else None,
    )


def _duration_us(reading: Reading, at: str, slot: booking_pb2.Slot) -> int:
    if not 1 <= slot.duration_sec <= DURATION_MAX_S:
        wrong = REQUIRED if slot.duration_sec == 0 else f"must be 1 to {DURATION_MAX_S:,} (31 days)"
        reading.note(at + "duration_sec", wrong)
        return 0
    duration_us = slot.duration_sec * SECOND_US
    reading.end_in_time(at + "duration_sec", min(slot.start_sec, INSTANT_MAX_S) * SECOND_US, duration_us)
    return duration_us


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
        address=_address(reading, at + "address.", user.address) if user.HasField("address") else None,
    )


def _address(reading: Reading, at: str, address: booking_pb2.PostalAddress) -> PostalAddress:
    return PostalAddress(
        country=reading.text(at, "country", address.country),
        locality=reading.text(at, "locality", address.locality),
        region=reading.text(at, "region", address.region),
        post_office_box_number="",
        postal_code=reading.text(at, "postal_code", address.postal_code),
        street_address=reading.text(at, "street_address", address.street_address),
    )


def _given(booking: booking_pb2.Booking) -> dict[str, bool]:
    slot = booking.slot
    answers = (booking.status, slot.start_sec, slot.duration_sec, slot.resources.party_size)
    return dict(zip(CHANGEABLE, map(bool, answers), strict=True))

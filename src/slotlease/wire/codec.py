"""Messages of version 2 into what the desk is asked: all validation of input (DESIGN 5, first row) happens here.

Unknown fields are passed over, and never echoed: answers are made afresh from domain values (`encode.py`). Enum numbers
are each version's own (CANCELED is 3 here and 4 in version 0), so they stand in the tables below and nowhere inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, TypeVar

from google.protobuf.message import DecodeError, Message

from slotlease.desk.batch_availability_lookup import BatchAvailabilityLookup
from slotlease.desk.check_availability import CheckAvailability
from slotlease.desk.create_booking import CreateBooking
from slotlease.desk.create_lease import CreateLease
from slotlease.desk.get_booking_status import GetBookingStatus
from slotlease.desk.list_bookings import ListBookings
from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import (
    BookingStatus,
    Deposit,
    NoShowFee,
    PaymentInformation,
    PaymentProcessedBy,
    PostalAddress,
    PrepaymentStatus,
    Price,
    PriceType,
    UserInformation,
    user_key,
)
from slotlease.domain.failure import InvalidArgument
from slotlease.domain.slot import SECOND_US, AskedSlot, Resources
from slotlease.wire.limits import (
    DURATION_MAX_S,
    INSTANT_MAX_S,
    PAYLOAD_BYTES_MAX,
    REQUIRED,
    SLOT_TIMES_MAX,
    Malformed,
    Reading,
)
from slotlease.wire.proto.v2 import booking_pb2, payment_pb2
from slotlease.wire.proto.v2 import booking_service_pb2 as service_pb2

STATUSES: Final = {
    booking_pb2.CONFIRMED: BookingStatus.CONFIRMED,
    booking_pb2.PENDING_MERCHANT_CONFIRMATION: BookingStatus.PENDING_MERCHANT_CONFIRMATION,
    booking_pb2.CANCELED: BookingStatus.CANCELED,
    booking_pb2.NO_SHOW: BookingStatus.NO_SHOW,
    booking_pb2.NO_SHOW_PENALIZED: BookingStatus.NO_SHOW_PENALIZED,
}

PREPAYMENT_STATUSES: Final = {
    payment_pb2.PREPAYMENT_STATUS_UNSPECIFIED: PrepaymentStatus.UNSPECIFIED,
    payment_pb2.PREPAYMENT_PROVIDED: PrepaymentStatus.PROVIDED,
    payment_pb2.PREPAYMENT_NOT_PROVIDED: PrepaymentStatus.NOT_PROVIDED,
    payment_pb2.PREPAYMENT_REFUNDED: PrepaymentStatus.REFUNDED,
    payment_pb2.PREPAYMENT_CREDITED: PrepaymentStatus.CREDITED,
}

PROCESSED_BY: Final = {
    payment_pb2.PaymentInformation.PAYMENT_PROCESSED_BY_UNSPECIFIED: PaymentProcessedBy.UNSPECIFIED,
    payment_pb2.PaymentInformation.PROCESSED_BY_GOOGLE: PaymentProcessedBy.GOOGLE,
    payment_pb2.PaymentInformation.PROCESSED_BY_PARTNER: PaymentProcessedBy.PARTNER,
}

PRICE_TYPES: Final = {
    payment_pb2.FIXED_RATE_DEFAULT: PriceType.FIXED_RATE,
    payment_pb2.PER_PERSON: PriceType.PER_PERSON,
}

MASK_PATHS: Final = ("status", "slot.start_time", "slot.duration", "slot.resources.party_size")
"""What of a booking can be changed (Google's UpdateBooking page; its FAQ: anything else is booked anew)."""

_MASK_PATH_SHOWN_MAX = 40
_NO_SLOT = AskedSlot("", "", 0, 0)

MessageT = TypeVar("MessageT", bound=Message)
NumberT = TypeVar("NumberT", bound=int)
NamedT = TypeVar("NamedT")


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
    slots = tuple(_slot_time(reading, number, merchant_id, slot) for number, slot in enumerate(request.slot_time))
    reading.finish()
    return BatchAvailabilityLookup(merchant_id, slots)


def create_lease(payload: bytes, secret: bytes) -> CreateLease:
    """Whatever the request gives as `lease_id` is passed over: lease ids are made here (Google's Lease page)."""
    request = parse(service_pb2.CreateLeaseRequest, payload)
    reading = Reading()
    if not request.HasField("lease"):
        reading.note("lease", REQUIRED)
        reading.finish()
    lease = request.lease
    slot = _slot(reading, "lease.slot", lease.slot if lease.HasField("slot") else None)
    reference = reading.required_text("lease.", "user_reference", lease.user_reference)
    asked_expiry_us = None
    if lease.HasField("lease_expiration_time"):
        asked_expiry_us = reading.instant_us("lease.lease_expiration_time", lease.lease_expiration_time, of_slot=False)
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
    payment = _payment(reading, request.payment_information) if request.HasField("payment_information") else None
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
    """With a mask, only what it names counts; without one (or with an empty one), what is given does: Google's FAQ
    shows a cancellation that sends nothing but the status."""
    request = parse(service_pb2.UpdateBookingRequest, payload)
    reading = Reading()
    if not request.HasField("booking"):
        reading.note("booking", REQUIRED)
        reading.finish()
    booking = request.booking
    booking_id = reading.required_text("booking.", "booking_id", booking.booking_id)
    paths = list(request.update_mask.paths)
    named = _masked(reading, booking, paths) if paths else _given(booking)
    if not named and not paths:
        reading.note("booking", "gives nothing to change: a status, or a slot's start_time, duration or party_size")
    update = _update(reading, booking, booking_id, named)
    if not paths:
        update = _with_unchangeable(reading, update, booking.slot)
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


def parse(kind: type[MessageT], payload: bytes) -> MessageT:
    """Raises Malformed for bytes that are too many or no such message: bad UTF-8 and deep nesting among them."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise Malformed((InvalidArgument("", f"the request is longer than {PAYLOAD_BYTES_MAX:,} bytes"),))
    try:
        return kind.FromString(payload)
    except DecodeError:
        # The library's own words may quote the bytes.
        raise Malformed((InvalidArgument("", f"the request's bytes are no {kind.DESCRIPTOR.name}"),)) from None


def _slot(reading: Reading, path: str, slot: booking_pb2.Slot | None) -> AskedSlot:
    if slot is None:
        reading.note(path, REQUIRED)
        return _NO_SLOT
    at = path + "."
    merchant_id = reading.required_text(at, "merchant_id", slot.merchant_id)
    service_id = reading.required_text(at, "service_id", slot.service_id)
    start_us = duration_us = 0
    if slot.HasField("start_time"):
        start_us = reading.instant_us(at + "start_time", slot.start_time, of_slot=True)
    else:
        reading.note(at + "start_time", REQUIRED)
    if slot.HasField("duration"):
        duration_us = reading.duration_us(at + "duration", slot.duration)
    else:
        reading.note(at + "duration", REQUIRED)
    reading.end_in_time(at + "duration", start_us, duration_us)
    tag = reading.text(at, "availability_tag", slot.availability_tag)
    resources = _resources(reading, at + "resources.", slot.resources) if slot.HasField("resources") else None
    return AskedSlot(merchant_id, service_id, start_us, duration_us, tag, resources)


def _resources(reading: Reading, at: str, resources: booking_pb2.Resources) -> Resources:
    return Resources(
        reading.text(at, "staff_id", resources.staff_id),
        reading.text(at, "room_id", resources.room_id),
        reading.party_size(at + "party_size", resources.party_size),
    )


def _slot_time(reading: Reading, number: int, merchant_id: str, slot: service_pb2.SlotTime) -> AskedSlot:
    """Google calls the duration optional. Every slot has one, so a slot asked for without it is like any other that
    is not offered: not available (DESIGN 5). It is read as 0, which no slot lasts."""
    at = f"slot_time[{number}]."
    if not 1 <= slot.start_sec <= INSTANT_MAX_S:
        reading.note(at + "start_sec", REQUIRED if slot.start_sec == 0 else f"must be 1 to {INSTANT_MAX_S:,}")
    elif not 0 <= slot.duration_sec <= DURATION_MAX_S:
        reading.note(at + "duration_sec", f"must be 1 to {DURATION_MAX_S:,} (31 days), or not given")
    else:
        reading.end_in_time(at + "duration_sec", slot.start_sec * SECOND_US, slot.duration_sec * SECOND_US)
    return AskedSlot(
        merchant_id,
        reading.required_text(at, "service_id", slot.service_id),
        slot.start_sec * SECOND_US,
        slot.duration_sec * SECOND_US,
        reading.text(at, "availability_tag", slot.availability_tag),
        _resources(reading, at + "resource_ids.", slot.resource_ids) if slot.HasField("resource_ids") else None,
    )


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
        address=_address(reading, user.address) if user.HasField("address") else None,
    )


def _address(reading: Reading, address: booking_pb2.PostalAddress) -> PostalAddress:
    at = "user_information.address."
    return PostalAddress(
        country=reading.text(at, "address_country", address.address_country),
        locality=reading.text(at, "address_locality", address.address_locality),
        region=reading.text(at, "address_region", address.address_region),
        post_office_box_number=reading.text(at, "post_office_box_number", address.post_office_box_number),
        postal_code=reading.text(at, "postal_code", address.postal_code),
        street_address=reading.text(at, "street_address", address.street_address),
    )


def _payment(reading: Reading, payment: payment_pb2.PaymentInformation) -> PaymentInformation:
    at = "payment_information."
    deposit = fee = None
    if payment.HasField("deposit"):
        given = payment.deposit
        deposit = Deposit(
            _price(reading, at + "deposit.deposit.", given.deposit) if given.HasField("deposit") else None,
            given.min_advance_cancellation_sec,
            _named(reading, at + "deposit.deposit_type", PRICE_TYPES, given.deposit_type),
        )
    if payment.HasField("no_show_fee"):
        asked = payment.no_show_fee
        fee = NoShowFee(
            _price(reading, at + "no_show_fee.fee.", asked.fee) if asked.HasField("fee") else None,
            _named(reading, at + "no_show_fee.fee_type", PRICE_TYPES, asked.fee_type),
        )
    return PaymentInformation(
        prepayment_status=_named(reading, at + "prepayment_status", PREPAYMENT_STATUSES, payment.prepayment_status),
        payment_transaction_id=reading.text(at, "payment_transaction_id", payment.payment_transaction_id),
        price=_price(reading, at + "price.", payment.price) if payment.HasField("price") else None,
        tax_amount=_price(reading, at + "tax_amount.", payment.tax_amount) if payment.HasField("tax_amount") else None,
        payment_processed_by=_named(reading, at + "payment_processed_by", PROCESSED_BY, payment.payment_processed_by),
        payment_option_id=reading.text(at, "payment_option_id", payment.payment_option_id),
        user_payment_option_id=reading.text(at, "user_payment_option_id", payment.user_payment_option_id),
        deposit=deposit,
        no_show_fee=fee,
    )


def _price(reading: Reading, at: str, price: payment_pb2.Price) -> Price:
    currency_code = reading.text(at, "currency_code", price.currency_code)
    return Price(price.price_micros, currency_code, reading.text(at, "pricing_option_tag", price.pricing_option_tag))


def _named(reading: Reading, path: str, names: Mapping[NumberT, NamedT], number: NumberT) -> NamedT:
    """What an enum's number stands for. proto3 lets any number through: one that we cannot name is refused."""
    named = names.get(number)
    if named is None:
        reading.note(path, "is a number that stands for nothing")
        return next(iter(names.values()))
    return named


# --- UpdateBooking ----------------------------------------------------------------------------------------------


def _masked(reading: Reading, booking: booking_pb2.Booking, paths: list[str]) -> frozenset[str]:
    """The paths that the mask names; each must be one that can change, named once, and have a value."""
    given = _given(booking)
    seen: set[str] = set()
    # One more path than there are to name: if any is wrong, one of these is.
    for number, path in enumerate(paths[: len(MASK_PATHS) + 1]):
        where = f"update_mask.paths[{number}]"
        if path not in MASK_PATHS:
            shown = ascii(path[:_MASK_PATH_SHOWN_MAX])
            reading.note(where, f"{shown} cannot be changed; what can: {', '.join(MASK_PATHS)}")
        elif path in seen:
            reading.note(where, f"names {path} again")
        elif path not in given:
            reading.note(f"booking.{path}", "is named by the mask and must be given")
        seen.add(path)
    return given & seen


def _given(booking: booking_pb2.Booking) -> frozenset[str]:
    slot = booking.slot
    answers = (
        booking.status != booking_pb2.BOOKING_STATUS_UNSPECIFIED,
        slot.HasField("start_time"),
        slot.HasField("duration"),
        slot.resources.party_size != 0,
    )
    return frozenset(path for path, is_given in zip(MASK_PATHS, answers, strict=True) if is_given)


def _update(reading: Reading, booking: booking_pb2.Booking, booking_id: str, named: frozenset[str]) -> UpdateBooking:
    at, slot = "booking.slot.", booking.slot
    status = start_us = duration_us = party_size = None
    if "status" in named:
        status = _named(reading, "booking.status", STATUSES, booking.status)
    if "slot.start_time" in named:
        start_us = reading.instant_us(at + "start_time", slot.start_time, of_slot=True)
    if "slot.duration" in named:
        duration_us = reading.duration_us(at + "duration", slot.duration)
    if "slot.resources.party_size" in named:
        party_size = reading.party_size(at + "resources.party_size", slot.resources.party_size)
    if start_us is not None and duration_us is not None:
        reading.end_in_time(at + "duration", start_us, duration_us)
    return UpdateBooking(booking_id, status, start_us, duration_us, party_size)


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

"""Domain values into messages of version 2, made afresh: nothing of a request comes back but what the domain kept.

Bytes are deterministic, so that a repeat of a call gets the same ones (INV-11, INV-13).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from slotlease.desk.batch_availability_lookup import BatchAvailabilityLookup
from slotlease.desk.check_availability import Availability
from slotlease.domain.booking import (
    Booking,
    BookingStatus,
    PaymentInformation,
    PostalAddress,
    PrepaymentStatus,
    Price,
    UserInformation,
)
from slotlease.domain.failure import BookingFailure
from slotlease.domain.lease import Lease
from slotlease.domain.slot import SECOND_US, AskedSlot, Resources
from slotlease.wire.codec import PREPAYMENT_STATUSES, PRICE_TYPES, PROCESSED_BY, STATUSES
from slotlease.wire.outcome import CAUSES
from slotlease.wire.proto.v2 import booking_pb2, payment_pb2
from slotlease.wire.proto.v2 import booking_service_pb2 as service_pb2

_NANOS_PER_US = 1_000
_STATUS_NUMBERS: Final = {status: number for number, status in STATUSES.items()}
_PREPAYMENT_NUMBERS: Final = {status: number for number, status in PREPAYMENT_STATUSES.items()}
_PROCESSED_BY_NUMBERS: Final = {who: number for number, who in PROCESSED_BY.items()}
_PRICE_TYPE_NUMBERS: Final = {kind: number for number, kind in PRICE_TYPES.items()}


# --- one function per answer ----------------------------------------------------------------------------------


def availability(answer: Availability) -> bytes:
    message = service_pb2.CheckAvailabilityResponse(slot=_slot(answer.slot), count_available=answer.count_available)
    return _bytes(message)


def batch_availability(asked: BatchAvailabilityLookup, available: Iterable[bool]) -> bytes:
    entries = (
        service_pb2.SlotTimeAvailability(slot_time=_slot_time(slot), available=is_available)
        for slot, is_available in zip(asked.slots, available, strict=True)
    )
    return _bytes(service_pb2.BatchAvailabilityLookupResponse(slot_time_availability=entries))


def lease(answer: Lease | BookingFailure) -> bytes:
    if isinstance(answer, BookingFailure):
        return _bytes(service_pb2.CreateLeaseResponse(booking_failure=_failure(answer)))
    message = booking_pb2.Lease(
        lease_id=answer.lease_id,
        slot=_slot(answer.slot),
        user_reference=answer.client_reference,
        lease_expiration_time=_timestamp(answer.expires_us),
    )
    return _bytes(service_pb2.CreateLeaseResponse(lease=message))


def booking_created(answer: Booking | BookingFailure) -> bytes:
    """The booking as it was made, whatever has become of it: a repeat gets the same bytes (DESIGN 5, INV-13)."""
    if isinstance(answer, BookingFailure):
        return _bytes(service_pb2.CreateBookingResponse(booking_failure=_failure(answer)))
    message = _booking(answer, answer.slot_created, answer.status_created)
    return _bytes(service_pb2.CreateBookingResponse(booking=message))


def booking_updated(answer: Booking | BookingFailure) -> bytes:
    if isinstance(answer, BookingFailure):
        return _bytes(service_pb2.UpdateBookingResponse(booking_failure=_failure(answer)))
    return _bytes(service_pb2.UpdateBookingResponse(booking=_booking(answer, answer.slot, answer.status)))


def booking_status(answer: Booking) -> bytes:
    """Google requires a prepayment_status here, and takes "unspecified" for "not provided": that is what is said."""
    prepaid = PrepaymentStatus.UNSPECIFIED if answer.payment is None else answer.payment.prepayment_status
    if prepaid is PrepaymentStatus.UNSPECIFIED:
        prepaid = PrepaymentStatus.NOT_PROVIDED
    message = service_pb2.GetBookingStatusResponse(
        booking_id=answer.booking_id,
        booking_status=_STATUS_NUMBERS[answer.status],
        prepayment_status=_PREPAYMENT_NUMBERS[prepaid],
    )
    return _bytes(message)


def bookings(answer: Iterable[Booking]) -> bytes:
    messages = (_booking(booking, booking.slot, booking.status) for booking in answer)
    return _bytes(service_pb2.ListBookingsResponse(bookings=messages))


# --- parts ----------------------------------------------------------------------------------------------------


def _bytes(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)


def _failure(failure: BookingFailure) -> booking_pb2.BookingFailure:
    return booking_pb2.BookingFailure(cause=CAUSES[failure.cause].v2, description=failure.description)


def _timestamp(at_us: int) -> Timestamp:
    seconds, rest_us = divmod(at_us, SECOND_US)
    return Timestamp(seconds=seconds, nanos=rest_us * _NANOS_PER_US)


def _duration(lasts_us: int) -> Duration:
    seconds, rest_us = divmod(lasts_us, SECOND_US)
    return Duration(seconds=seconds, nanos=rest_us * _NANOS_PER_US)


def _slot(slot: AskedSlot) -> booking_pb2.Slot:
    """The slot exactly as asked: `resources {}` given comes back as `resources {}`, absent stays absent."""
    return booking_pb2.Slot(
        merchant_id=slot.merchant_id,
        service_id=slot.service_id,
        start_time=_timestamp(slot.start_us),
        duration=_duration(slot.duration_us),
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
    return booking_pb2.Booking(
        booking_id=booking.booking_id,
        slot=_slot(slot),
        user_information=_user(booking.user),
        status=_STATUS_NUMBERS[status],
        payment_information=None if booking.payment is None else _payment(booking.payment),
    )


def _user(user: UserInformation) -> booking_pb2.UserInformation:
    return booking_pb2.UserInformation(
        user_id=user.user_id,
        given_name=user.given_name,
        family_name=user.family_name,
        address=None if user.address is None else _address(user.address),
        telephone=user.telephone,
        email=user.email,
        language_code=user.language_code,
    )


def _address(address: PostalAddress) -> booking_pb2.PostalAddress:
    return booking_pb2.PostalAddress(
        address_country=address.country,
        address_locality=address.locality,
        address_region=address.region,
        post_office_box_number=address.post_office_box_number,
        postal_code=address.postal_code,
        street_address=address.street_address,
    )


def _payment(payment: PaymentInformation) -> payment_pb2.PaymentInformation:
    message = payment_pb2.PaymentInformation(
        prepayment_status=_PREPAYMENT_NUMBERS[payment.prepayment_status],
        payment_transaction_id=payment.payment_transaction_id,
        price=_price(payment.price),
        tax_amount=_price(payment.tax_amount),
        payment_processed_by=_PROCESSED_BY_NUMBERS[payment.payment_processed_by],
    )
    # Of one or the other, and an empty text would count as given.
    if payment.payment_option_id:
        message.payment_option_id = payment.payment_option_id
    if payment.user_payment_option_id:
        message.user_payment_option_id = payment.user_payment_option_id
    if payment.deposit is not None:
        given = payment.deposit
        message.deposit.CopyFrom(
            payment_pb2.Deposit(
                deposit=_price(given.deposit),
                min_advance_cancellation_sec=given.min_advance_cancellation_s,
                deposit_type=_PRICE_TYPE_NUMBERS[given.deposit_type],
            )
        )
    if payment.no_show_fee is not None:
        fee = payment.no_show_fee
        message.no_show_fee.CopyFrom(
            payment_pb2.NoShowFee(fee=_price(fee.fee), fee_type=_PRICE_TYPE_NUMBERS[fee.fee_type])
        )
    return message


def _price(price: Price | None) -> payment_pb2.Price | None:
    if price is None:
        return None
    return payment_pb2.Price(
        price_micros=price.price_micros,
        currency_code=price.currency_code,
        pricing_option_tag=price.pricing_option_tag,
    )

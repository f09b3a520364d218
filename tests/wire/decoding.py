"""Requests to spoil in one place, and how decoding names what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.message import Message

from slotlease.domain.failure import Reason
from slotlease.wire import codec_v2 as codec
from slotlease.wire.limits import Malformed
from slotlease.wire.proto.v2 import booking_pb2 as pb
from slotlease.wire.proto.v2 import booking_service_pb2 as rpc
from slotlease.wire.proto.v2 import payment_pb2
from tests.support import Offered
from tests.wire import asking

SECRET = bytes(16)
ASKED = Offered(staff_id="s", room_id="r", party_size=2).asked(availability_tag="tag")

DECODE: dict[type[Message], Callable[[bytes], object]] = {
    rpc.CheckAvailabilityRequest: codec.check_availability,
    rpc.BatchAvailabilityLookupRequest: codec.batch_availability_lookup,
    rpc.CreateLeaseRequest: lambda payload: codec.create_lease(payload, SECRET),
    rpc.CreateBookingRequest: lambda payload: codec.create_booking(payload, SECRET),
    rpc.UpdateBookingRequest: codec.update_booking,
    rpc.GetBookingStatusRequest: codec.get_booking_status,
    rpc.ListBookingsRequest: codec.list_bookings,
}


def full_booking() -> rpc.CreateBookingRequest:
    """A request that uses every field that is read."""
    request = asking.booking(ASKED, "token", lease_id="l1-1-00")
    request.user_information.language_code = "de-CH"
    address = pb.PostalAddress(address_country="CH", address_locality="Zürich", street_address="Seegasse 1")
    request.user_information.address.CopyFrom(address)
    price = payment_pb2.Price(price_micros=25_000_000, currency_code="CHF", pricing_option_tag="adult")
    request.payment_information.CopyFrom(
        payment_pb2.PaymentInformation(
            prepayment_status=payment_pb2.PREPAYMENT_PROVIDED,
            payment_transaction_id="tx",
            price=price,
            tax_amount=price,
            payment_processed_by=payment_pb2.PaymentInformation.PROCESSED_BY_GOOGLE,
            user_payment_option_id="pack",
            deposit=payment_pb2.Deposit(deposit=price, deposit_type=payment_pb2.PER_PERSON),
            no_show_fee=payment_pb2.NoShowFee(fee=price, fee_type=payment_pb2.PER_PERSON),
        )
    )
    request.additional_request = "Two lines,\n\tplease"
    return request


def whole_booking() -> pb.Booking:
    """As a caller sends it that got it from ListBookings and changed the start."""
    return pb.Booking(
        booking_id="b1-1-00", slot=asking.slot(ASKED), user_information=asking.user(), status=pb.CONFIRMED
    )


def mistakes(request: Message) -> dict[str, tuple[str, Reason]]:
    with pytest.raises(Malformed) as raised:
        DECODE[type(request)](request.SerializeToString())
    return {mistake.field: (mistake.description, mistake.reason) for mistake in raised.value.mistakes}


def set_field(message: Message, path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        message = getattr(message, parent)
    if isinstance(value, Message):
        getattr(message, last).CopyFrom(value)
    else:
        setattr(message, last, value)


def clear_field(message: Message, path: str) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        message = getattr(message, parent)
    message.ClearField(last)


REQUESTS: dict[str, Callable[[], Message]] = {
    "check": lambda: asking.check(ASKED),
    "lookup": lambda: asking.lookup("m1", ASKED),
    "lease": lambda: asking.lease(ASKED, "ref"),
    "booking": full_booking,
    "update": lambda: asking.update(whole_booking()),
    "status": lambda: rpc.GetBookingStatusRequest(booking_id="b"),
    "list": lambda: rpc.ListBookingsRequest(user_id="u"),
}


def cases(paths: dict[str, str]) -> list[tuple[str, str]]:
    """Each path of each kind of request."""
    return [(kind, path) for kind, listed in paths.items() for path in listed.split()]

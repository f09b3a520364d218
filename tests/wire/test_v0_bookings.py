"""What the calls of version 0 answer when all is well (DESIGN 5), and what the two versions show of each other, over a
socket."""

from __future__ import annotations

from dataclasses import replace

import grpc
import pytest

from slotlease.domain.slot import Resources
from slotlease.wire import grpc_v0
from slotlease.wire.proto.v0 import booking_pb2 as pb
from slotlease.wire.proto.v0 import booking_service_pb2 as rpc
from slotlease.wire.proto.v0 import payment_pb2
from slotlease.wire.proto.v2 import booking_pb2 as pb_v2
from slotlease.wire.proto.v2 import payment_pb2 as payment_pb2_v2
from tests.support import DAY_US, MINUTE_US, NOON_US, Offered
from tests.wire import asking, asking_v0
from tests.wire.client import CAUSE, Client, cause_of
from tests.wire.client_v0 import ClientV0
from tests.wire.conftest import Served

V0 = grpc_v0.SERVICE


def full_booking(lease_id: str) -> rpc.CreateBookingRequest:
    """A request that uses every field that is read."""
    request = asking_v0.booking(lease_id)
    address = pb.PostalAddress(
        address_country="CH",
        address_locality="Zürich",
        address_region="ZH",
        post_office_box_number="7",
        postal_code="8001",
        street_address="Seegasse 1",
    )
    request.client_information.address.CopyFrom(address)
    price = payment_pb2.Price(price_micros=25_000_000, currency_code="CHF", pricing_option_tag="adult")
    request.payment_information.CopyFrom(
        payment_pb2.PaymentInformation(
            prepayment_status=payment_pb2.PREPAYMENT_PROVIDED,
            payment_transaction_id="tx",
            price=price,
            tax_amount=price,
            payment_processed_by=payment_pb2.PaymentInformation.PROCESSED_BY_GOOGLE,
            payment_option_id="pack",
            deposit=payment_pb2.Deposit(
                deposit=price, min_advance_cancellation_sec=3600, deposit_type=payment_pb2.PER_PERSON
            ),
            no_show_fee=payment_pb2.NoShowFee(fee=price, fee_type=payment_pb2.PER_PERSON),
        )
    )
    return request


# --- CreateLease ------------------------------------------------------------------------------------------------


def test_a_lease_echoes_every_field_exactly_as_asked(client_v0: ClientV0) -> None:
    offered = Offered(staff_id="kim", room_id="blue", availability_tag="tag")
    client_v0.offer(offered)
    request = asking_v0.lease(offered.asked(client_v0.merchant_id, availability_tag="tag"), "my reference")
    request.lease.lease_id = "of the caller's making"
    lease = client_v0.stub.CreateLease(request).lease
    assert lease.lease_id not in {"", "of the caller's making"}
    assert lease.lease_expiration_time.ToMicroseconds() == client_v0.shop.clock.now_us + 10 * MINUTE_US
    lease.ClearField("lease_expiration_time")
    request.lease.lease_id = lease.lease_id
    assert lease == request.lease


def test_empty_resources_come_back_as_empty_resources_and_none_as_none(client_v0: ClientV0) -> None:
    slot = client_v0.offer(Offered(spots_total=2))
    assert not client_v0.lease(slot).HasField("resources")
    assert client_v0.lease(replace(slot, resources=Resources())).HasField("resources")


@pytest.mark.parametrize(
    ("asked_us", "granted_us"),
    [(-NOON_US, MINUTE_US), (1_000, MINUTE_US), (5 * MINUTE_US, 5 * MINUTE_US), (36_500 * DAY_US, 15 * MINUTE_US)],
    ids=["past", "1 ms ahead", "5 minutes", "100 years ahead"],
)
def test_a_requested_expiry_is_a_wish_and_never_refused(client_v0: ClientV0, asked_us: int, granted_us: int) -> None:
    slot, now_us = client_v0.offer(Offered()), client_v0.shop.clock.now_us
    lease = client_v0.stub.CreateLease(asking_v0.lease(slot, "r", expires_us=now_us + asked_us)).lease
    assert lease.lease_expiration_time.ToMicroseconds() == now_us + granted_us


def test_a_repeat_gets_the_same_bytes_also_after_the_lease_was_booked(served: Served, client_v0: ClientV0) -> None:
    request = asking_v0.lease(client_v0.offer(Offered()), "r").SerializeToString()
    first = served.call("CreateLease", request, service=V0)
    assert served.call("CreateLease", request, service=V0) == first
    client_v0.book_lease(rpc.CreateLeaseResponse.FromString(first).lease.lease_id)
    assert served.call("CreateLease", request, service=V0) == first


# --- CreateBooking ----------------------------------------------------------------------------------------------


def test_a_booking_answers_with_all_that_was_said_of_the_client_and_the_payment(client_v0: ClientV0) -> None:
    slot = client_v0.offer(Offered())
    request = full_booking(client_v0.lease(slot).lease_id)
    booking = client_v0.stub.CreateBooking(request).booking
    assert booking == pb.Booking(
        booking_id=booking.booking_id,
        merchant_id=slot.merchant_id,
        service_id=slot.service_id,
        start_time=asking.timestamp(slot.start_us),
        duration=asking.duration(slot.duration_us),
        client_information=request.client_information,
        status=pb.CONFIRMED,
        payment_information=request.payment_information,
    )
    assert booking.booking_id


def test_a_telephone_is_all_that_must_be_known_of_a_client(client_v0: ClientV0) -> None:
    request = asking_v0.booking(client_v0.lease(client_v0.offer(Offered())).lease_id)
    request.client_information.CopyFrom(pb.ClientInformation(telephone="+41 44 111 11 11"))
    booking = client_v0.stub.CreateBooking(request).booking
    assert booking.client_information == request.client_information


def test_empty_payment_information_is_told_from_none(client_v0: ClientV0) -> None:
    slot = client_v0.offer(Offered(spots_total=2))
    assert not client_v0.book(slot).HasField("payment_information")
    request = asking_v0.booking(client_v0.lease(slot).lease_id, "Grace")
    request.payment_information.SetInParent()
    assert client_v0.stub.CreateBooking(request).booking.HasField("payment_information")


def test_a_repeat_gets_the_same_bytes_after_a_move_and_a_cancellation(served: Served, client_v0: ClientV0) -> None:
    slot, later = client_v0.offer(Offered()), client_v0.offer(Offered(start_us=NOON_US + 2 * DAY_US))
    request = full_booking(client_v0.lease(slot).lease_id).SerializeToString()
    first = served.call("CreateBooking", request, service=V0)
    booking_id = rpc.CreateBookingResponse.FromString(first).booking.booking_id
    client_v0.move(booking_id, later)
    assert served.call("CreateBooking", request, service=V0) == first
    client_v0.cancel(booking_id)
    assert served.call("CreateBooking", request, service=V0) == first


@pytest.mark.parametrize("how", ["parameters", "processed by partner"])
def test_a_booking_that_asks_this_server_to_charge_is_a_failed_precondition(client_v0: ClientV0, how: str) -> None:
    lease = client_v0.lease(client_v0.offer(Offered()))
    request = asking_v0.booking(lease.lease_id)
    if how == "parameters":
        request.payment_processing_parameters.SetInParent()
    else:
        request.payment_information.payment_processed_by = payment_pb2.PaymentInformation.PROCESSED_BY_PARTNER
    ended = client_v0.ended(request)
    assert (ended.code, ended.info.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "PAYMENT_ERROR")
    assert client_v0.book_lease(lease.lease_id).status == pb.CONFIRMED


def test_an_asynchronous_slot_is_booked_as_pending(client_v0: ClientV0) -> None:
    booking = client_v0.book(client_v0.offer(Offered(asynchronous=True)))
    assert booking.status == pb.PENDING_MERCHANT_CONFIRMATION == 2


# --- UpdateBooking ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("paths", [(), ("start_time",), ("start_time", "duration")])
def test_a_move_keeps_the_booking_id_and_all_else(client_v0: ClientV0, paths: tuple[str, ...]) -> None:
    slot, later = client_v0.offer(Offered()), client_v0.offer(Offered(start_us=NOON_US + 2 * DAY_US))
    booking = client_v0.book(slot)
    booking.start_time.CopyFrom(asking.timestamp(later.start_us))
    assert client_v0.update(asking_v0.update(booking, *paths)) == booking


def test_a_cancellation_may_say_the_status_alone(client_v0: ClientV0) -> None:
    booking = client_v0.book(client_v0.offer(Offered()))
    request = asking_v0.update(pb.Booking(booking_id=booking.booking_id, status=pb.CANCELED))
    booking.status = pb.CANCELED
    assert client_v0.update(request) == booking


@pytest.mark.parametrize("field", ["merchant_id", "service_id"])
def test_what_cannot_change_and_is_given_otherwise_is_an_invalid_argument(client_v0: ClientV0, field: str) -> None:
    booking = client_v0.book(client_v0.offer(Offered()))
    booking.status = pb.CANCELED
    setattr(booking, field, "another")
    assert set(client_v0.ended(asking_v0.update(booking)).violations) == {f"booking.{field}"}


@pytest.mark.parametrize("status", [3, 7, 99, -1])
def test_a_status_whose_number_is_not_known_is_an_invalid_argument(client_v0: ClientV0, status: int) -> None:
    request = asking_v0.update(pb.Booking(booking_id="b", status=status), "status")  # type: ignore[arg-type]
    assert set(client_v0.ended(request).violations) == {"booking.status"}


# --- the two versions side by side ------------------------------------------------------------------------------


def test_a_lease_of_either_version_counts_in_the_other(client: Client, client_v0: ClientV0) -> None:
    slot = client.offer(Offered(spots_total=2))
    client_v0.lease(slot)
    assert (client.count_available(slot), client.available(slot)) == (1, [True])
    client.lease(slot)
    assert client.count_available(slot) == 0
    assert client_v0.ended(asking_v0.lease(slot, "r")).code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert cause_of(client.create_booking(slot)) == CAUSE.SLOT_UNAVAILABLE


def test_a_lease_of_either_version_can_be_booked_by_the_other(client: Client, client_v0: ClientV0) -> None:
    slot = client.offer(Offered(spots_total=2))
    from_v0, from_v2 = client_v0.lease(slot), client.lease(slot)
    booking = client.book(slot, lease_id=from_v0.lease_id)
    booking_v0 = client_v0.book_lease(from_v2.lease_id)
    assert client.status(booking.booking_id).booking_status == pb_v2.CONFIRMED
    assert client.status(booking_v0.booking_id).booking_status == pb_v2.CONFIRMED
    assert cause_of(client.create_booking(slot, lease_id=from_v2.lease_id, user_id="x")) == CAUSE.LEASE_EXPIRED


def test_a_reference_means_one_lease_in_both_versions(client: Client, client_v0: ClientV0) -> None:
    slot = client.offer(Offered(spots_total=2))
    lease_id = client_v0.lease(slot, "r").lease_id
    assert client.lease(slot, "r").lease_id == lease_id
    assert client_v0.lease(slot, "r").lease_id == lease_id
    assert client.count_available(slot) == 1


def test_a_booking_of_version_0_is_told_and_changed_by_version_2(client: Client, client_v0: ClientV0) -> None:
    slot, later = client.offer(Offered()), client.offer(Offered(start_us=NOON_US + 2 * DAY_US))
    booking = client_v0.book(slot)
    moved = client.move(booking.booking_id, later).booking
    assert moved.slot == asking.slot(later)
    assert (moved.user_information.user_id, moved.user_information.email) == ("", "Ada@example.com")
    assert client_v0.cancel(booking.booking_id).start_time == asking.timestamp(later.start_us)
    assert client.status(booking.booking_id).booking_status == pb_v2.CANCELED == 3


def test_a_booking_of_version_2_is_told_by_version_0_without_what_it_has_no_words_for(
    client: Client, client_v0: ClientV0
) -> None:
    offered = Offered(party_size=2, staff_id="kim", availability_tag="tag")
    client.offer(offered)
    slot = offered.asked(client.merchant_id, availability_tag="tag")
    booking_id = client.book(slot).booking_id
    assert client_v0.cancel(booking_id) == pb.Booking(
        booking_id=booking_id,
        merchant_id=slot.merchant_id,
        service_id=slot.service_id,
        start_time=asking.timestamp(slot.start_us),
        duration=asking.duration(slot.duration_us),
        client_information=pb.ClientInformation(
            given_name="Ada", family_name="Lovelace", telephone="+41 44 000 00 00", email="ada@example.com"
        ),
        status=pb.CANCELED,
    )


def test_a_lease_for_a_party_of_version_2_can_be_booked_by_version_0(client: Client, client_v0: ClientV0) -> None:
    slot = client.offer(Offered(party_size=4))
    assert client_v0.book_lease(client.lease(slot).lease_id).status == pb.CONFIRMED
    assert client.count_available(slot) == 0


def test_the_numbers_of_money_are_the_same_in_both_versions() -> None:
    """So one table serves both (wire/payment.py)."""
    for name, v0, v2 in (
        ("PrepaymentStatus", payment_pb2.PrepaymentStatus, payment_pb2_v2.PrepaymentStatus),
        ("PriceType", payment_pb2.PriceType, payment_pb2_v2.PriceType),
        (
            "PaymentProcessedBy",
            payment_pb2.PaymentInformation.PaymentProcessedBy,
            payment_pb2_v2.PaymentInformation.PaymentProcessedBy,
        ),
    ):
        assert repr(v0.items()) == repr(v2.items()), name

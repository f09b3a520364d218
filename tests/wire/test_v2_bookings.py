"""What the calls about bookings answer in version 2 (DESIGN 5, "CreateBooking" and "UpdateBooking"), over a socket."""

from __future__ import annotations

from dataclasses import replace

import grpc
import pytest

from slotlease.domain.slot import Resources
from slotlease.wire.proto.v2 import booking_pb2 as pb
from slotlease.wire.proto.v2 import booking_service_pb2 as rpc
from slotlease.wire.proto.v2 import payment_pb2
from tests.support import DAY_US, HOUR_US, NOON_US, Offered
from tests.wire import asking
from tests.wire.client import CAUSE, Client, cause_of
from tests.wire.conftest import Served
from tests.wire.decoding import full_booking

# --- CreateBooking ----------------------------------------------------------------------------------------------


def test_a_booking_answers_with_all_that_was_said_of_the_user_and_the_payment(client: Client) -> None:
    request = full_booking()
    request.ClearField("lease_ref")
    request.slot.CopyFrom(asking.slot(client.offer(Offered())))
    booking = client.stub.CreateBooking(request).booking
    assert booking.booking_id
    assert booking.status == pb.CONFIRMED
    assert booking.slot == request.slot
    assert booking.user_information == request.user_information
    assert booking.payment_information == request.payment_information


def test_a_booking_echoes_empty_resources_and_empty_payment_as_given(client: Client) -> None:
    slot = client.offer(Offered(spots_total=2))
    plain = client.book(slot, user_id="plain " + client.merchant_id)
    assert not plain.slot.HasField("resources")
    assert not plain.HasField("payment_information")
    request = asking.booking(replace(slot, resources=Resources()), "t", user_id="empty " + client.merchant_id)
    request.payment_information.SetInParent()
    empty = client.stub.CreateBooking(request).booking
    assert empty.slot.HasField("resources")
    assert empty.HasField("payment_information")


def test_a_lease_becomes_a_booking_though_its_slot_was_closed_meanwhile(client: Client) -> None:
    slot = client.offer(Offered())
    lease = client.lease(slot)
    client.offer(Offered(closed=True))
    assert client.book(slot, lease_id=lease.lease_id).slot == lease.slot


def test_an_asynchronous_slot_is_booked_as_pending_and_holds_its_spot(client: Client) -> None:
    slot = client.offer(Offered(asynchronous=True))
    booking = client.book(slot)
    assert booking.status == pb.PENDING_MERCHANT_CONFIRMATION == 2
    assert client.count_available(slot) == 0


@pytest.mark.parametrize("leased", [False, True])
def test_a_repeat_gets_the_same_bytes_after_a_move_and_a_cancellation(
    served: Served, client: Client, *, leased: bool
) -> None:
    slot, later = client.offer(Offered()), client.offer(Offered(start_us=NOON_US + 2 * DAY_US))
    lease_id = client.lease(slot).lease_id if leased else ""
    request = asking.booking(slot, "t", lease_id=lease_id, user_id=client.new_name()).SerializeToString()
    first = served.call("CreateBooking", request)
    booking_id = rpc.CreateBookingResponse.FromString(first).booking.booking_id
    assert served.call("CreateBooking", request) == first
    assert client.move(booking_id, later).booking.slot.start_time == asking.timestamp(later.start_us)
    assert served.call("CreateBooking", request) == first
    assert client.cancel(booking_id).booking.status == pb.CANCELED
    assert served.call("CreateBooking", request) == first


def test_a_token_used_with_other_content_is_refused_as_reused(client: Client) -> None:
    slot = client.offer(Offered(spots_total=3))
    client.create_booking(slot, attempt="t")
    ended = client.ended(asking.booking(slot, "t", user_id="somebody else"))
    assert (ended.code, ended.info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "IDEMPOTENCY_TOKEN_REUSED")
    assert set(ended.violations) == {"idempotency_token"}


def test_a_refused_attempt_is_judged_afresh_with_the_same_token(client: Client) -> None:
    slot = client.offer(Offered())
    other = client.book(slot, user_id="somebody else")
    assert cause_of(client.create_booking(slot, attempt="t")) == CAUSE.SLOT_UNAVAILABLE
    client.cancel(other.booking_id)
    assert client.create_booking(slot, attempt="t").booking.status == pb.CONFIRMED


@pytest.mark.parametrize("how", ["parameters", "processed by partner"])
def test_a_booking_that_asks_this_server_to_charge_is_a_payment_error(client: Client, how: str) -> None:
    slot = client.offer(Offered())
    request = asking.booking(slot, "t")
    if how == "parameters":
        request.payment_processing_parameters.SetInParent()
    else:
        request.payment_information.payment_processed_by = payment_pb2.PaymentInformation.PROCESSED_BY_PARTNER
    assert cause_of(client.stub.CreateBooking(request)) == CAUSE.PAYMENT_ERROR
    assert client.count_available(slot) == 1


# --- UpdateBooking ----------------------------------------------------------------------------------------------


def test_a_move_keeps_the_booking_id_and_gives_its_old_spot_back(client: Client) -> None:
    slot, later = client.offer(Offered()), client.offer(Offered(start_us=NOON_US + 2 * DAY_US))
    booking = client.book(slot)
    moved = client.move(booking.booking_id, later).booking
    expected = pb.Booking()
    expected.CopyFrom(booking)
    expected.slot.CopyFrom(asking.slot(later))
    assert moved == expected
    assert (client.count_available(slot), client.count_available(later)) == (1, 0)


def test_a_move_may_send_the_whole_booking_without_a_mask(client: Client) -> None:
    slot, later = client.offer(Offered()), client.offer(Offered(start_us=NOON_US + 2 * DAY_US))
    booking = client.book(slot)
    booking.slot.start_time.CopyFrom(asking.timestamp(later.start_us))
    assert client.update(asking.update(booking)).booking == booking


def test_what_a_mask_does_not_name_is_passed_over(client: Client) -> None:
    slot = client.offer(Offered())
    booking = client.book(slot)
    request = asking.update(booking, "status")
    request.booking.status = pb.CANCELED
    request.booking.slot.merchant_id = "nobody"
    request.booking.user_information.given_name = "\0"
    cancelled = client.update(request).booking
    assert (cancelled.status, cancelled.slot) == (pb.CANCELED, asking.slot(slot))


def test_a_party_may_grow_into_the_slot_for_its_size(client: Client) -> None:
    for size in (2, 4):
        client.offer(Offered(party_size=size))
    booking = client.book(Offered(party_size=2).asked(client.merchant_id))
    booking.slot.resources.party_size = 4
    moved = client.update(asking.update(booking, "slot.resources.party_size")).booking
    assert moved == booking


@pytest.mark.parametrize("field", ["merchant_id", "service_id", "resources.staff_id", "resources.room_id"])
def test_what_cannot_change_is_an_invalid_argument_when_it_differs(client: Client, field: str) -> None:
    booking = client.book(client.offer(Offered()))
    holder = booking.slot.resources if field.startswith("resources") else booking.slot
    setattr(holder, field.rpartition(".")[2], "other")
    ended = client.ended(asking.update(booking))
    assert ended.code is grpc.StatusCode.INVALID_ARGUMENT
    assert set(ended.violations) == {f"booking.slot.{field}"}


@pytest.mark.parametrize("status", [pb.NO_SHOW, pb.NO_SHOW_PENALIZED, pb.PENDING_MERCHANT_CONFIRMATION])
def test_a_status_that_no_caller_may_set_is_an_invalid_argument(
    client: Client, status: pb.BookingStatus.ValueType
) -> None:
    booking = client.book(client.offer(Offered()))
    ended = client.ended(asking.update(pb.Booking(booking_id=booking.booking_id, status=status)))
    assert ended.code is grpc.StatusCode.INVALID_ARGUMENT
    assert set(ended.violations) == {"booking.status"}


def test_a_cancellation_and_a_move_at_once_is_an_invalid_argument(client: Client) -> None:
    slot = client.offer(Offered())
    booking = client.book(slot)
    request = asking.move(booking.booking_id, slot.start_us + HOUR_US)
    request.booking.status = pb.CANCELED
    request.update_mask.paths.append("status")
    assert set(client.ended(request).violations) == {"booking.slot"}


def test_a_mask_that_names_what_cannot_change_leaves_the_booking_as_it_is(client: Client) -> None:
    booking = client.book(client.offer(Offered()), user_id=client.merchant_id)
    ended = client.ended(asking.update(booking, "status", "user_information"))
    assert set(ended.violations) == {"update_mask.paths[1]"}
    assert client.list_bookings(client.merchant_id) == [booking]


# --- GetBookingStatus, ListBookings -----------------------------------------------------------------------------


def test_a_status_says_not_prepaid_where_nothing_was_said(client: Client) -> None:
    booking = client.book(client.offer(Offered()))
    assert client.status(booking.booking_id) == rpc.GetBookingStatusResponse(
        booking_id=booking.booking_id,
        booking_status=pb.CONFIRMED,
        prepayment_status=payment_pb2.PREPAYMENT_NOT_PROVIDED,
    )


def test_a_status_says_what_was_said_of_the_prepayment(client: Client) -> None:
    request = asking.booking(client.offer(Offered()), "t")
    request.payment_information.prepayment_status = payment_pb2.PREPAYMENT_PROVIDED
    booking = client.stub.CreateBooking(request).booking
    assert client.status(booking.booking_id).prepayment_status == payment_pb2.PREPAYMENT_PROVIDED


def test_a_list_has_the_users_upcoming_bookings_of_all_merchants_by_start(client: Client) -> None:
    user_id = client.merchant_id
    neighbour = replace(client, merchant_id=client.merchant_id + "2")
    late = client.book(client.offer(Offered(start_us=NOON_US + 3 * DAY_US)), user_id=user_id)
    early = neighbour.book(neighbour.offer(Offered(start_us=NOON_US + 2 * DAY_US)), user_id=user_id)
    cancelled = client.book(client.offer(Offered(start_us=NOON_US + 4 * DAY_US)), user_id=user_id)
    client.cancel(cancelled.booking_id)
    client.book(client.offer(Offered(start_us=NOON_US + 5 * DAY_US)), user_id="somebody else")
    assert client.list_bookings(user_id) == [early, late]


def test_a_user_whose_bookings_are_all_cancelled_is_known_and_has_none(client: Client) -> None:
    booking = client.book(client.offer(Offered()), user_id=client.merchant_id)
    client.cancel(booking.booking_id)
    assert client.list_bookings(client.merchant_id) == []

"""What CreateLease of version 2 answers (DESIGN 5, "CreateLease"), over a socket."""

from __future__ import annotations

from dataclasses import replace

import grpc
import pytest

from slotlease.domain.slot import SECOND_US, Resources
from slotlease.wire.proto.v2 import booking_service_pb2 as rpc
from tests.support import MINUTE_US, NOON_US, Offered, Shop
from tests.wire import asking
from tests.wire.client import Client
from tests.wire.conftest import Served, serving


def test_a_lease_echoes_every_field_exactly_as_asked(client: Client) -> None:
    offered = Offered(staff_id="kim", room_id="blue", party_size=4, availability_tag="tag")
    client.offer(offered)
    slot = offered.asked(client.merchant_id, availability_tag="tag")
    lease = client.lease(slot, "my reference")
    assert lease.slot == asking.slot(slot)
    assert lease.user_reference == "my reference"
    assert lease.lease_id
    assert lease.lease_expiration_time.ToMicroseconds() == client.shop.clock.now_us + 10 * MINUTE_US


def test_empty_resources_come_back_as_empty_resources_and_none_as_none(client: Client) -> None:
    slot = client.offer(Offered(spots_total=2))
    assert not client.lease(slot).slot.HasField("resources")
    assert client.lease(replace(slot, resources=Resources())).slot.HasField("resources")


def test_a_tag_not_given_is_not_made_up(client: Client) -> None:
    slot = client.offer(Offered(availability_tag="tag"))
    assert client.lease(slot).slot.availability_tag == ""


def test_a_lease_id_in_the_request_is_neither_taken_nor_echoed_nor_compared(client: Client) -> None:
    slot = client.offer(Offered())
    request = asking.lease(slot, "r")
    request.lease.lease_id = "of the caller's making"
    granted = client.stub.CreateLease(request)
    assert granted.lease.lease_id not in {"", "of the caller's making"}
    request.lease.lease_id = "another"
    assert client.stub.CreateLease(request) == granted


def test_unknown_fields_of_a_request_are_not_echoed(served: Served, client: Client) -> None:
    payload = asking.lease(client.offer(Offered()), "r").SerializeToString()
    answer = served.call("CreateLease", payload + b"\xc2\x3e\x03abc")  # field 1000, three bytes
    assert rpc.CreateLeaseResponse.FromString(answer).HasField("lease")
    assert b"abc" not in answer


@pytest.mark.parametrize(
    ("asked_us", "granted_us"),
    [
        (-NOON_US, MINUTE_US),
        (1_000, MINUTE_US),
        (5 * MINUTE_US + SECOND_US // 2, 5 * MINUTE_US),
        (100 * 366 * 24 * 60 * MINUTE_US, 15 * MINUTE_US),
    ],
    ids=["past", "1 ms ahead", "half a second", "100 years ahead"],
)
def test_a_requested_expiry_is_a_wish_and_never_refused(client: Client, asked_us: int, granted_us: int) -> None:
    slot, now_us = client.offer(Offered()), client.shop.clock.now_us
    answer = client.stub.CreateLease(asking.lease(slot, "r", expires_us=now_us + asked_us))
    assert answer.lease.lease_expiration_time.ToMicroseconds() == now_us + granted_us


def test_a_repeat_gets_the_same_bytes_also_after_the_lease_was_booked(served: Served, client: Client) -> None:
    slot = client.offer(Offered())
    request = asking.lease(slot, "r")
    first = served.call("CreateLease", request.SerializeToString())
    assert served.call("CreateLease", request.SerializeToString()) == first
    lease_id = rpc.CreateLeaseResponse.FromString(first).lease.lease_id
    client.book(slot, lease_id=lease_id)
    later = asking.lease(slot, "r", expires_us=NOON_US)
    assert served.call("CreateLease", later.SerializeToString()) == first


def test_a_repeat_gets_the_same_bytes_also_after_the_lease_expired(served: Served, client: Client) -> None:
    request = asking.lease(client.offer(Offered()), "r").SerializeToString()
    first = served.call("CreateLease", request)
    client.shop.clock.advance(s=600)
    assert served.call("CreateLease", request) == first


def test_a_reference_used_for_another_slot_is_refused_as_reused(client: Client) -> None:
    first = client.offer(Offered())
    client.lease(first, "r")
    other = client.offer(Offered(start_us=first.start_us + 60 * MINUTE_US))
    ended = client.ended(asking.lease(other, "r"))
    assert (ended.code, ended.info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "IDEMPOTENCY_TOKEN_REUSED")
    assert set(ended.violations) == {"lease.user_reference"}


def test_references_are_each_merchants_own(client: Client) -> None:
    lease = client.lease(client.offer(Offered()), "r")
    neighbour = replace(client, merchant_id=client.merchant_id + "2")
    assert neighbour.lease(neighbour.offer(Offered()), "r").lease_id != lease.lease_id


def test_without_leases_create_lease_is_unimplemented_and_the_rest_works(shop: Shop) -> None:
    slot = Offered().asked()
    with serving(shop, leases=False) as served:
        client = served.client()
        ended = client.ended(asking.lease(slot, "r"))
        assert ended.code is grpc.StatusCode.UNIMPLEMENTED
        assert ended.text == "this server holds no slots; book directly with CreateBooking"
        assert client.count_available(slot) == 1
        booking = client.book(slot, user_id="ada")
        assert client.list_bookings("ada") == [booking]
        client.cancel(booking.booking_id)
        assert client.available(slot) == [True]

"""What each situation answers in version 0: the rows of DESIGN section 5, one by one, over a socket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from slotlease.desk.release_lease import ReleaseLease
from slotlease.domain.slot import Resources
from slotlease.wire import grpc_v0
from slotlease.wire.proto.v0 import booking_pb2 as pb
from slotlease.wire.proto.v0 import booking_service_pb2 as rpc
from tests.support import DAY_US, HOUR_US, NOON_US, Offered, Shop
from tests.wire import asking, asking_v0
from tests.wire.asking import Ended
from tests.wire.client import Client
from tests.wire.client_v0 import ClientV0
from tests.wire.conftest import Served, serving
from tests.wire.test_v2_answers import is_invalid
from tests.wire.test_v2_faults import Stall, is_unavailable, stalled

METHODS = ("CreateLease", "CreateBooking", "UpdateBooking")


def is_refused(ended: Ended, code: grpc.StatusCode, reason: str) -> bool:
    """That code, with the cause by name for a program and in words for a person, and no field: none is wrong."""
    assert (ended.code, ended.info.reason, ended.info.domain) == (code, reason, "slotlease")
    assert ended.text
    assert not ended.violations
    return True


# --- malformed bytes, bad UTF-8, bad Timestamp or Duration, missing required field, text over its limit, control
# --- characters: INVALID_ARGUMENT with BadRequest details naming the field


@pytest.mark.parametrize("method", METHODS)
def test_malformed_bytes_are_an_invalid_argument(served: Served, method: str) -> None:
    ended = asking.ended(lambda: served.call(method, b"\xff\xff\xff", service=grpc_v0.SERVICE))
    assert is_invalid(ended, "")
    assert ended.text == f"the request's bytes are no {method}Request"


def test_bad_utf8_is_an_invalid_argument(served: Served) -> None:
    payload = b"\x0a\x05\x12\x03\xed\xa0\x80"
    assert is_invalid(asking.ended(lambda: served.call("CreateLease", payload, service=grpc_v0.SERVICE)), "")


def test_a_bad_timestamp_is_an_invalid_argument(client_v0: ClientV0) -> None:
    request = asking_v0.lease(client_v0.offer(Offered()), "r")
    request.lease.start_time.CopyFrom(Timestamp(seconds=2**62))
    assert is_invalid(client_v0.ended(request), "lease.start_time")


def test_a_bad_duration_is_an_invalid_argument(client_v0: ClientV0) -> None:
    request = asking_v0.lease(client_v0.offer(Offered()), "r")
    request.lease.duration.CopyFrom(Duration(seconds=-1, nanos=1))
    assert is_invalid(client_v0.ended(request), "lease.duration")


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (rpc.CreateLeaseRequest(), ["lease"]),
        (rpc.CreateBookingRequest(), ["lease_ref", "client_information"]),
        (rpc.UpdateBookingRequest(), ["booking"]),
    ],
    ids=METHODS,
)
def test_a_missing_required_field_is_an_invalid_argument(
    client_v0: ClientV0, request_: Message, fields: list[str]
) -> None:
    assert is_invalid(client_v0.ended(request_), *fields)


def test_a_text_over_its_limit_is_an_invalid_argument(client_v0: ClientV0) -> None:
    request = asking_v0.booking(client_v0.lease(client_v0.offer(Offered())).lease_id, "A" * 41)
    assert is_invalid(client_v0.ended(request), "client_information.given_name")


def test_a_control_character_is_an_invalid_argument(client_v0: ClientV0) -> None:
    assert is_invalid(client_v0.ended(asking_v0.cancellation("b\0")), "booking.booking_id")


def test_a_client_without_a_telephone_is_an_invalid_argument_and_keeps_the_lease(client_v0: ClientV0) -> None:
    lease = client_v0.lease(client_v0.offer(Offered()))
    request = asking_v0.booking(lease.lease_id)
    request.client_information.telephone = ""
    assert is_invalid(client_v0.ended(request), "client_information.telephone")
    assert client_v0.book_lease(lease.lease_id).status == pb.CONFIRMED


# --- unknown merchant, service or slot: INVALID_ARGUMENT

UNKNOWN = {
    "merchant_id": {"merchant_id": "nobody"},
    "service_id": {"service_id": "nothing"},
    "start_time": {"start_us": NOON_US + DAY_US + 1},
    "availability_tag": {"availability_tag": "other"},
    "resources": {"resources": Resources(staff_id="nobody")},
}


@pytest.mark.parametrize("field", UNKNOWN)
def test_an_unknown_merchant_service_or_slot_is_an_invalid_argument(client_v0: ClientV0, field: str) -> None:
    slot = replace(client_v0.offer(Offered()), **UNKNOWN[field])  # type: ignore[arg-type]
    assert is_invalid(client_v0.ended(asking_v0.lease(slot, "r")), f"lease.{field}", reason="SLOT_UNKNOWN")


def test_a_slot_for_a_party_cannot_be_named_and_is_an_invalid_argument(client_v0: ClientV0) -> None:
    slot = client_v0.offer(Offered(party_size=2))
    assert is_invalid(client_v0.ended(asking_v0.lease(slot, "r")), "lease.start_time", reason="SLOT_UNKNOWN")


def test_a_move_to_a_slot_that_nobody_offers_is_an_invalid_argument(client_v0: ClientV0) -> None:
    slot = client_v0.offer(Offered())
    ended = client_v0.ended(asking_v0.move(client_v0.book(slot).booking_id, slot.start_us + HOUR_US))
    assert is_invalid(ended, "booking.start_time", reason="SLOT_UNKNOWN")


def test_a_start_finer_than_a_microsecond_names_no_slot(client_v0: ClientV0) -> None:
    request = asking_v0.lease(client_v0.offer(Offered()), "r")
    request.lease.start_time.nanos += 1
    assert is_invalid(client_v0.ended(request), "lease.start_time", reason="SLOT_UNKNOWN")


# --- slot full, staff or room taken, closed for booking, already begun: RESOURCE_EXHAUSTED


def is_exhausted(client: ClientV0, offered: Offered) -> bool:
    """A slot that exists and cannot be had, neither by a lease nor by a move."""
    slot = offered.asked(client.merchant_id)
    exhausted = (grpc.StatusCode.RESOURCE_EXHAUSTED, "SLOT_UNAVAILABLE")
    assert is_refused(client.ended(asking_v0.lease(slot, client.new_name())), *exhausted)
    elsewhere = client.offer(replace(offered, start_us=NOON_US + 9 * DAY_US, closed=False))
    moving = client.book(elsewhere, "Mover")
    assert is_refused(client.ended(asking_v0.move(moving.booking_id, slot.start_us)), *exhausted)
    return True


def test_a_full_slot_is_resource_exhausted(client_v0: ClientV0) -> None:
    offered = Offered(spots_total=2)
    slot = client_v0.offer(offered)
    client_v0.lease(slot)
    client_v0.book(slot)
    assert is_exhausted(client_v0, offered)


def test_a_slot_whose_staff_is_taken_is_resource_exhausted(client_v0: ClientV0) -> None:
    client_v0.lease(client_v0.offer(Offered("cut", staff_id="kim")))
    wanted = Offered("colour", start_us=NOON_US + DAY_US + HOUR_US // 2, staff_id="kim")
    client_v0.offer(wanted)
    assert is_exhausted(client_v0, wanted)


def test_a_slot_whose_room_is_taken_is_resource_exhausted(client_v0: ClientV0) -> None:
    client_v0.lease(client_v0.offer(Offered("cut", room_id="blue")))
    wanted = Offered("colour", start_us=NOON_US + DAY_US + HOUR_US // 2, room_id="blue")
    client_v0.offer(wanted)
    assert is_exhausted(client_v0, wanted)


def test_a_slot_closed_for_booking_is_resource_exhausted(client_v0: ClientV0) -> None:
    offered = Offered(closed=True)
    client_v0.offer(offered)
    assert is_exhausted(client_v0, offered)


def test_a_slot_that_has_begun_is_resource_exhausted(client_v0: ClientV0) -> None:
    offered = Offered(start_us=NOON_US)
    client_v0.offer(offered)
    assert is_exhausted(client_v0, offered)


# --- this user already has a booking of this slot: ALREADY_EXISTS


def test_a_second_booking_by_the_same_client_already_exists(client_v0: ClientV0) -> None:
    slot = client_v0.offer(Offered(spots_total=3))
    client_v0.book(slot)
    again = asking_v0.booking(client_v0.lease(slot).lease_id)
    again.client_information.given_name = "Augusta"
    again.client_information.telephone = "41 (44) 000-00-00"
    again.client_information.email = "ADA@example.com"
    assert is_refused(client_v0.ended(again), grpc.StatusCode.ALREADY_EXISTS, "SLOT_ALREADY_BOOKED_BY_USER")


def test_a_move_onto_the_clients_own_other_booking_already_exists(client_v0: ClientV0) -> None:
    first, second = client_v0.offer(Offered(spots_total=3)), client_v0.offer(Offered(start_us=NOON_US + 2 * DAY_US))
    client_v0.book(first)
    ended = client_v0.ended(asking_v0.move(client_v0.book(second).booking_id, first.start_us))
    assert is_refused(ended, grpc.StatusCode.ALREADY_EXISTS, "SLOT_ALREADY_BOOKED_BY_USER")


# --- lease expired, consumed by another call, released, or unknown: NOT_FOUND


def no_such_lease(client: ClientV0, lease_id: str, name: str = "Ada") -> bool:
    ended = client.ended(asking_v0.booking(lease_id, name))
    assert ended.text == "the lease has expired, was used, or is not known"
    return is_refused(ended, grpc.StatusCode.NOT_FOUND, "LEASE_EXPIRED")


def test_an_expired_lease_is_not_found_though_the_slot_is_free(client: Client, client_v0: ClientV0) -> None:
    slot = client_v0.offer(Offered())
    lease = client_v0.lease(slot)
    client_v0.shop.clock.advance(s=600)
    assert client.count_available(slot) == 1
    assert no_such_lease(client_v0, lease.lease_id)


def test_a_lease_consumed_by_another_call_is_not_found(client: Client, client_v0: ClientV0) -> None:
    slot = client_v0.offer(Offered(spots_total=3))
    used, used_by_v2 = client_v0.lease(slot).lease_id, client_v0.lease(slot).lease_id
    client_v0.book_lease(used)
    assert no_such_lease(client_v0, used, "Somebody else")
    client.book(slot, lease_id=used_by_v2)
    assert no_such_lease(client_v0, used_by_v2, "Grace")


def test_a_released_lease_is_not_found(client_v0: ClientV0) -> None:
    lease = client_v0.lease(client_v0.offer(Offered()))
    client_v0.shop.ask(ReleaseLease(lease.lease_id))
    assert no_such_lease(client_v0, lease.lease_id)


@pytest.mark.parametrize("lease_id", ["l1-999999-" + "0" * 32, "nonsense", "b1-1-" + "0" * 32, "guessed"])
def test_an_unknown_lease_is_not_found(client_v0: ClientV0, lease_id: str) -> None:
    leased = client_v0.lease(client_v0.offer(Offered(spots_total=2))).lease_id
    if lease_id == "guessed":
        lease_id = leased[:-1] + ("0" if leased[-1] != "0" else "1")
    assert no_such_lease(client_v0, lease_id)


# --- too late to cancel: INVALID_ARGUMENT


@pytest.mark.parametrize("change", ["cancel", "move"])
def test_a_change_that_comes_too_late_is_an_invalid_argument(client: Client, client_v0: ClientV0, change: str) -> None:
    later = client_v0.offer(Offered(start_us=NOON_US + 2 * DAY_US))
    booking = client_v0.book(client_v0.offer(Offered(last_online_cancellable_us=NOON_US - 1)))
    requests: dict[str, Callable[[], rpc.UpdateBookingRequest]] = {
        "cancel": lambda: asking_v0.cancellation(booking.booking_id),
        "move": lambda: asking_v0.move(booking.booking_id, later.start_us),
    }
    ended = client_v0.ended(requests[change]())
    assert is_refused(ended, grpc.StatusCode.INVALID_ARGUMENT, "OUTSIDE_CANCELLATION_WINDOW")
    assert client.status(booking.booking_id).booking_status == 1


# --- cancel again: OK, the booking as it is, CANCELED


def test_cancelling_again_answers_the_booking_as_it_is(client_v0: ClientV0) -> None:
    booking = client_v0.book(client_v0.offer(Offered()))
    first = client_v0.cancel(booking.booking_id)
    assert first.status == pb.CANCELED == 4
    assert client_v0.cancel(booking.booking_id) == first


# --- change a cancelled booking otherwise: INVALID_ARGUMENT


def test_moving_a_cancelled_booking_is_an_invalid_argument(client_v0: ClientV0) -> None:
    booking = client_v0.book(client_v0.offer(Offered()))
    later = client_v0.offer(Offered(start_us=NOON_US + 2 * DAY_US))
    client_v0.cancel(booking.booking_id)
    ended = client_v0.ended(asking_v0.move(booking.booking_id, later.start_us))
    assert is_refused(ended, grpc.StatusCode.INVALID_ARGUMENT, "BOOKING_ALREADY_CANCELLED")


# --- booking unknown: NOT_FOUND


@pytest.mark.parametrize("booking_id", ["b1-999999-" + "0" * 32, "nonsense", "l1-1-" + "0" * 32])
def test_an_unknown_booking_is_not_found(client_v0: ClientV0, booking_id: str) -> None:
    ended = client_v0.ended(asking_v0.cancellation(booking_id))
    assert ended.code is grpc.StatusCode.NOT_FOUND
    assert ended.text == "booking.booking_id: no booking with this id"
    assert (ended.info.reason, dict(ended.info.metadata)) == ("NOT_FOUND", {"field": "booking.booking_id"})


# --- a reference used for another slot: INVALID_ARGUMENT, IDEMPOTENCY_TOKEN_REUSED (DESIGN 5, "CreateLease")


def test_a_reference_used_for_another_slot_is_refused_as_reused(client_v0: ClientV0) -> None:
    first = client_v0.offer(Offered())
    client_v0.lease(first, "r")
    other = client_v0.offer(Offered(start_us=first.start_us + HOUR_US))
    ended = client_v0.ended(asking_v0.lease(other, "r"))
    assert is_invalid(ended, "lease.client_reference", reason="IDEMPOTENCY_TOKEN_REUSED")


# --- overload, draining, database away: UNAVAILABLE + RetryInfo

SLOT = Offered().asked()


def test_when_too_many_wait_the_next_is_unavailable_at_once(shop: Shop) -> None:
    with serving(shop, waiting_max=1) as served, stalled(served):
        served.desk.submit(
            Stall(), deadline_s=0, notify=lambda _tickets: None
        )  # it waits, and will be past its deadline
        assert is_unavailable(served.client_v0().ended(asking_v0.lease(SLOT, "r")))


def test_a_server_that_is_draining_is_unavailable(shop: Shop) -> None:
    with serving(shop) as served:
        served.desk.close()
        assert is_unavailable(served.client_v0().ended(asking_v0.lease(SLOT, "r")))


def test_when_the_database_is_away_every_call_is_unavailable(shop: Shop) -> None:
    with serving(shop) as served:
        client = served.client_v0()
        lease = client.lease(SLOT)
        booking = client.book_lease(lease.lease_id)
        shop.store.close()
        for request in (
            asking_v0.lease(SLOT, "r"),
            asking_v0.booking(lease.lease_id),
            asking_v0.cancellation(booking.booking_id),
        ):
            assert is_unavailable(client.ended(request))


# --- our bug: INTERNAL, "internal error, incident <id>" and nothing else


def test_a_bug_in_the_server_is_internal_and_tells_only_the_incident(shop: Shop) -> None:
    def broken() -> bytes:
        message = "the password is hunter2"
        raise RuntimeError(message)

    with serving(shop, new_secret=broken) as served:
        for request in (asking_v0.lease(SLOT, "r"), asking_v0.booking("l1-1-" + "0" * 32)):
            ended = served.client_v0().ended(request)
            assert ended == Ended(
                grpc.StatusCode.INTERNAL, f"internal error, incident incident-{len(served.incidents)}"
            )
        assert [str(error) for error in served.incidents] == ["the password is hunter2"] * 2


# --- leases switched off: without them there is no version 0


def test_without_leases_nothing_can_be_booked_but_what_is_booked_can_be_changed(shop: Shop) -> None:
    with serving(shop, leases=False) as served:
        client, client_v0 = served.client(), served.client_v0()
        for request in (asking_v0.lease(SLOT, "r"), asking_v0.booking("l1-1-" + "0" * 32), rpc.CreateLeaseRequest()):
            ended = client_v0.ended(request)
            assert ended.code is grpc.StatusCode.UNIMPLEMENTED
            assert "use version 2" in ended.text
        booking = client.book(SLOT)
        assert client_v0.cancel(booking.booking_id).status == pb.CANCELED

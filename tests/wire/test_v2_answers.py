"""What each situation answers in version 2: the rows of DESIGN section 5, one by one, over a socket."""

from __future__ import annotations

from dataclasses import replace

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from slotlease.desk.release_lease import ReleaseLease
from slotlease.domain.slot import Resources
from slotlease.wire.proto.v2 import booking_pb2 as pb
from slotlease.wire.proto.v2 import booking_service_pb2 as rpc
from tests.support import DAY_US, HOUR_US, NOON_US, Offered
from tests.wire import asking
from tests.wire.asking import Ended
from tests.wire.client import CAUSE, Client, cause_of
from tests.wire.conftest import Served

METHODS = {
    "CheckAvailability": rpc.CheckAvailabilityResponse,
    "BatchAvailabilityLookup": rpc.BatchAvailabilityLookupResponse,
    "CreateLease": rpc.CreateLeaseResponse,
    "CreateBooking": rpc.CreateBookingResponse,
    "UpdateBooking": rpc.UpdateBookingResponse,
    "GetBookingStatus": rpc.GetBookingStatusResponse,
    "ListBookings": rpc.ListBookingsResponse,
}


def is_invalid(ended: Ended, *fields: str, reason: str = "FIELD_INVALID") -> bool:
    """INVALID_ARGUMENT, naming these fields and no others."""
    assert ended.code is grpc.StatusCode.INVALID_ARGUMENT
    assert (ended.info.reason, ended.info.domain) == (reason, "slotlease")
    assert set(ended.violations) == set(fields)
    assert all(ended.violations.values())
    assert ended.text.startswith(": ".join(filter(None, (fields[0], ended.violations[fields[0]]))))
    return True


# --- malformed bytes, bad UTF-8, bad Timestamp or Duration, missing required field, text over its limit, control
# --- characters: INVALID_ARGUMENT with BadRequest details naming the field


@pytest.mark.parametrize("method", METHODS)
def test_malformed_bytes_are_an_invalid_argument(served: Served, method: str) -> None:
    ended = asking.ended(lambda: served.call(method, b"\xff\xff\xff"))
    assert is_invalid(ended, "")
    assert ended.text == f"the request's bytes are no {method}Request"


@pytest.mark.parametrize(
    ("method", "payload"),
    [
        ("GetBookingStatus", b"\x0a\x01\xff"),
        ("ListBookings", b"\x0a\x02\xc3\x28"),
        ("CheckAvailability", b"\x0a\x03\x0a\x01\xff"),
        ("CreateLease", b"\x0a\x05\x1a\x03\xed\xa0\x80"),
    ],
)
def test_bad_utf8_is_an_invalid_argument(served: Served, method: str, payload: bytes) -> None:
    assert is_invalid(asking.ended(lambda: served.call(method, payload)), "")


def test_a_bad_timestamp_is_an_invalid_argument(client: Client) -> None:
    request = asking.check(client.offer(Offered()))
    request.slot.start_time.CopyFrom(Timestamp(seconds=2**62))
    assert is_invalid(client.ended(request), "slot.start_time")


def test_a_bad_duration_is_an_invalid_argument(client: Client) -> None:
    request = asking.lease(client.offer(Offered()), "r")
    request.lease.slot.duration.CopyFrom(Duration(seconds=-1, nanos=1))
    assert is_invalid(client.ended(request), "lease.slot.duration")


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (rpc.CheckAvailabilityRequest(), ["slot"]),
        (rpc.BatchAvailabilityLookupRequest(), ["merchant_id"]),
        (rpc.CreateLeaseRequest(), ["lease"]),
        (rpc.CreateBookingRequest(), ["slot", "user_information", "idempotency_token"]),
        (rpc.UpdateBookingRequest(), ["booking"]),
        (rpc.GetBookingStatusRequest(), ["booking_id"]),
        (rpc.ListBookingsRequest(), ["user_id"]),
    ],
    ids=METHODS,
)
def test_a_missing_required_field_is_an_invalid_argument(client: Client, request_: Message, fields: list[str]) -> None:
    assert is_invalid(client.ended(request_), *fields)


def test_a_text_over_its_limit_is_an_invalid_argument(client: Client) -> None:
    request = asking.booking(client.offer(Offered()), "t")
    request.user_information.given_name = "A" * 41
    assert is_invalid(client.ended(request), "user_information.given_name")


def test_a_control_character_is_an_invalid_argument(client: Client) -> None:
    assert is_invalid(client.ended(rpc.GetBookingStatusRequest(booking_id="b\0")), "booking_id")


def test_a_reference_to_no_lease_is_an_invalid_argument(client: Client) -> None:
    request = asking.booking(client.offer(Offered()), "t")
    request.lease_ref.SetInParent()
    assert is_invalid(client.ended(request), "lease_ref.lease_id")


def test_many_mistakes_are_told_without_the_answer_growing_with_them(client: Client) -> None:
    lookup = rpc.BatchAvailabilityLookupRequest(merchant_id="m", slot_time=[rpc.SlotTime()] * 1_000)
    ended = client.ended(lookup)
    assert (ended.code, len(ended.violations)) == (grpc.StatusCode.INVALID_ARGUMENT, 8)
    assert ended.text == "slot_time[0].start_sec: is required (and 1999 more mistakes)"
    ended = client.ended(asking.update(pb.Booking(booking_id="b"), *["\U0001f600" * 1_000 + str(n) for n in range(9)]))
    assert (ended.code, len(ended.violations)) == (grpc.StatusCode.INVALID_ARGUMENT, 5)


# --- unknown merchant, service or slot: INVALID_ARGUMENT; inside a batch lookup, available: false

UNKNOWN = {
    "slot.merchant_id": {"merchant_id": "nobody"},
    "slot.service_id": {"service_id": "nothing"},
    "slot.start_time": {"start_us": NOON_US + DAY_US + 1},
    "slot.availability_tag": {"availability_tag": "other"},
    "slot.resources": {"resources": Resources(staff_id="nobody")},
}


@pytest.mark.parametrize("field", UNKNOWN)
def test_an_unknown_merchant_service_or_slot_is_an_invalid_argument(client: Client, field: str) -> None:
    slot = replace(client.offer(Offered()), **UNKNOWN[field])  # type: ignore[arg-type]
    assert is_invalid(client.ended(asking.check(slot)), field, reason="SLOT_UNKNOWN")
    assert is_invalid(client.ended(asking.lease(slot, "r")), f"lease.{field}", reason="SLOT_UNKNOWN")
    assert is_invalid(client.ended(asking.booking(slot, "t")), field, reason="SLOT_UNKNOWN")


def test_a_move_to_a_slot_that_nobody_offers_is_an_invalid_argument(client: Client) -> None:
    slot = client.offer(Offered())
    booking = client.book(slot)
    ended = client.ended(asking.move(booking.booking_id, slot.start_us + HOUR_US))
    assert is_invalid(ended, "booking.slot.start_time", reason="SLOT_UNKNOWN")


def test_a_start_finer_than_a_microsecond_names_no_slot(client: Client) -> None:
    request = asking.check(client.offer(Offered()))
    request.slot.start_time.nanos += 1
    assert is_invalid(client.ended(request), "slot.start_time", reason="SLOT_UNKNOWN")


def test_an_unknown_merchant_makes_a_whole_lookup_an_invalid_argument(client: Client) -> None:
    request = asking.lookup("nobody", client.offer(Offered()))
    assert is_invalid(client.ended(request), "merchant_id", reason="SLOT_UNKNOWN")


def test_an_unknown_service_or_slot_in_a_lookup_is_not_available(client: Client) -> None:
    slot = client.offer(Offered())
    others = [
        replace(slot, service_id="nothing"),
        replace(slot, start_us=slot.start_us + HOUR_US),
        replace(slot, duration_us=0),
        replace(slot, resources=Resources(room_id="nowhere")),
        replace(slot, availability_tag="other"),
    ]
    assert client.available(slot, *others, slot) == [True, *[False] * len(others), True]


def test_a_lookup_of_no_times_is_answered_with_none(client: Client) -> None:
    client.offer(Offered())
    assert client.available() == []


# --- slot full, staff or room taken, closed for booking, already begun: OK + SLOT_UNAVAILABLE, count_available 0


def refuses_everything(client: Client, offered: Offered) -> bool:
    """A slot that exists and cannot be had, whatever way it is asked for."""
    slot = offered.asked(client.merchant_id)
    assert client.count_available(slot) == 0
    assert client.available(slot) == [False]
    assert cause_of(client.create_lease(slot)) == CAUSE.SLOT_UNAVAILABLE
    assert cause_of(client.create_booking(slot, user_id="somebody else")) == CAUSE.SLOT_UNAVAILABLE
    elsewhere = client.offer(replace(offered, start_us=NOON_US + 9 * DAY_US, closed=False))
    moving = client.book(elsewhere, user_id="a mover")
    assert cause_of(client.move(moving.booking_id, slot)) == CAUSE.SLOT_UNAVAILABLE
    assert client.status(moving.booking_id).booking_status == pb.CONFIRMED
    return True


def test_a_full_slot_is_slot_unavailable(client: Client) -> None:
    offered = Offered(spots_total=2)
    slot = client.offer(offered)
    client.lease(slot)
    assert client.count_available(slot) == 1
    client.book(slot)
    assert refuses_everything(client, offered)


def test_a_slot_whose_staff_is_taken_is_slot_unavailable(client: Client) -> None:
    client.lease(client.offer(Offered("cut", staff_id="kim")))
    wanted = Offered("colour", start_us=NOON_US + DAY_US + HOUR_US // 2, staff_id="kim")
    client.offer(wanted)
    assert refuses_everything(client, wanted)


def test_a_slot_whose_room_is_taken_is_slot_unavailable(client: Client) -> None:
    client.lease(client.offer(Offered("cut", room_id="blue")))
    wanted = Offered("colour", start_us=NOON_US + DAY_US + HOUR_US // 2, room_id="blue")
    client.offer(wanted)
    assert refuses_everything(client, wanted)


def test_a_slot_closed_for_booking_is_slot_unavailable(client: Client) -> None:
    offered = Offered(closed=True)
    client.offer(offered)
    assert refuses_everything(client, offered)


def test_a_slot_that_has_begun_is_slot_unavailable(client: Client) -> None:
    offered = Offered(start_us=NOON_US)
    client.offer(offered)
    assert refuses_everything(client, offered)


# --- this user already has a booking of this slot: OK + SLOT_ALREADY_BOOKED_BY_USER


def test_a_second_booking_by_the_same_user_is_slot_already_booked_by_user(client: Client) -> None:
    slot = client.offer(Offered(spots_total=3))
    client.book(slot)
    assert cause_of(client.create_booking(slot)) == CAUSE.SLOT_ALREADY_BOOKED_BY_USER
    leased = client.lease(slot)
    assert cause_of(client.create_booking(slot, lease_id=leased.lease_id)) == CAUSE.SLOT_ALREADY_BOOKED_BY_USER


def test_a_move_onto_the_users_own_other_booking_is_slot_already_booked_by_user(client: Client) -> None:
    first, second = client.offer(Offered(spots_total=3)), client.offer(Offered(start_us=NOON_US + 2 * DAY_US))
    client.book(first)
    assert cause_of(client.move(client.book(second).booking_id, first)) == CAUSE.SLOT_ALREADY_BOOKED_BY_USER


# --- lease expired, consumed by another call, released, or unknown: OK + LEASE_EXPIRED


def test_an_expired_lease_is_lease_expired_though_the_slot_is_free(client: Client) -> None:
    slot = client.offer(Offered())
    leased = client.lease(slot)
    client.shop.clock.advance(s=600)
    assert client.count_available(slot) == 1
    assert cause_of(client.create_booking(slot, lease_id=leased.lease_id)) == CAUSE.LEASE_EXPIRED


def test_a_lease_consumed_by_another_call_is_lease_expired(client: Client) -> None:
    slot = client.offer(Offered(spots_total=3))
    leased = client.lease(slot)
    client.book(slot, lease_id=leased.lease_id)
    answer = client.create_booking(slot, lease_id=leased.lease_id, user_id="somebody else")
    assert cause_of(answer) == CAUSE.LEASE_EXPIRED


def test_a_released_lease_is_lease_expired(client: Client) -> None:
    slot = client.offer(Offered())
    leased = client.lease(slot)
    client.shop.ask(ReleaseLease(leased.lease_id))
    assert cause_of(client.create_booking(slot, lease_id=leased.lease_id)) == CAUSE.LEASE_EXPIRED


@pytest.mark.parametrize("lease_id", ["l1-999999-" + "0" * 32, "nonsense", "b1-1-" + "0" * 32, "guessed"])
def test_an_unknown_lease_is_lease_expired(client: Client, lease_id: str) -> None:
    slot = client.offer(Offered(spots_total=2))
    leased = client.lease(slot).lease_id
    if lease_id == "guessed":
        lease_id = leased[:-1] + ("0" if leased[-1] != "0" else "1")
    assert cause_of(client.create_booking(slot, lease_id=lease_id)) == CAUSE.LEASE_EXPIRED


# --- slot given differs from the leased slot: INVALID_ARGUMENT


@pytest.mark.parametrize("given", ["start", "tag", "resources"])
def test_a_slot_that_differs_from_the_leased_one_is_an_invalid_argument(client: Client, given: str) -> None:
    slot = client.offer(Offered(availability_tag="tag"))
    leased = client.lease(slot)
    other = {
        "start": replace(slot, start_us=slot.start_us + HOUR_US),
        "tag": replace(slot, availability_tag="tag"),
        "resources": replace(slot, resources=Resources()),
    }[given]
    ended = client.ended(asking.booking(other, "t", lease_id=leased.lease_id))
    assert is_invalid(ended, "slot", reason="SLOT_DIFFERS_FROM_LEASE")
    client.book(slot, lease_id=leased.lease_id)


# --- too late to cancel: OK + OUTSIDE_CANCELLATION_WINDOW


def test_a_cancellation_that_comes_too_late_is_outside_cancellation_window(client: Client) -> None:
    booking = client.book(client.offer(Offered(last_online_cancellable_us=NOON_US - 1)))
    assert cause_of(client.cancel(booking.booking_id)) == CAUSE.OUTSIDE_CANCELLATION_WINDOW
    assert client.status(booking.booking_id).booking_status == pb.CONFIRMED


def test_a_move_that_comes_too_late_is_outside_cancellation_window(client: Client) -> None:
    booking = client.book(client.offer(Offered(last_online_cancellable_us=NOON_US - 1)))
    later = client.offer(Offered(start_us=NOON_US + 2 * DAY_US))
    assert cause_of(client.move(booking.booking_id, later)) == CAUSE.OUTSIDE_CANCELLATION_WINDOW


# --- cancel again: OK, the booking as it is, CANCELED


def test_cancelling_again_answers_the_booking_as_it_is(client: Client) -> None:
    booking = client.book(client.offer(Offered()))
    first = client.cancel(booking.booking_id)
    assert first.booking.status == pb.CANCELED
    assert client.cancel(booking.booking_id) == first


# --- change a cancelled booking otherwise: OK + BOOKING_ALREADY_CANCELLED


def test_moving_a_cancelled_booking_is_booking_already_cancelled(client: Client) -> None:
    booking = client.book(client.offer(Offered()))
    later = client.offer(Offered(start_us=NOON_US + 2 * DAY_US))
    client.cancel(booking.booking_id)
    assert cause_of(client.move(booking.booking_id, later)) == CAUSE.BOOKING_ALREADY_CANCELLED


# --- booking unknown, user unknown (ListBookings): NOT_FOUND


@pytest.mark.parametrize("booking_id", ["b1-999999-" + "0" * 32, "nonsense", "l1-1-" + "0" * 32])
def test_an_unknown_booking_is_not_found(client: Client, booking_id: str) -> None:
    asked = client.ended(rpc.GetBookingStatusRequest(booking_id=booking_id))
    changed = client.ended(asking.cancellation(booking_id))
    for ended, field in ((asked, "booking_id"), (changed, "booking.booking_id")):
        assert ended.code is grpc.StatusCode.NOT_FOUND
        assert ended.text == f"{field}: no booking with this id"
        assert (ended.info.reason, dict(ended.info.metadata)) == ("NOT_FOUND", {"field": field})


def test_an_unknown_user_is_not_found(client: Client) -> None:
    ended = client.ended(rpc.ListBookingsRequest(user_id="nobody ever seen"))
    assert ended.code is grpc.StatusCode.NOT_FOUND
    assert dict(ended.info.metadata) == {"field": "user_id"}

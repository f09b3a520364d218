"""What an UpdateBooking may name and must give: decoding alone, without a server."""

from __future__ import annotations

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import BookingStatus
from slotlease.domain.failure import Reason
from slotlease.wire import codec_v2 as codec
from slotlease.wire.proto.v2 import booking_pb2 as pb
from slotlease.wire.proto.v2 import booking_service_pb2 as rpc
from tests.wire import asking
from tests.wire.decoding import (
    ASKED,
    mistakes,
    set_field,
    whole_booking,
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("status", UpdateBooking("b1-1-00", status=BookingStatus.CONFIRMED)),
        ("slot.start_time", UpdateBooking("b1-1-00", start_us=ASKED.start_us)),
        ("slot.duration", UpdateBooking("b1-1-00", duration_us=ASKED.duration_us)),
        ("slot.resources.party_size", UpdateBooking("b1-1-00", party_size=2)),
    ],
)
def test_with_a_mask_only_what_it_names_counts(path: str, expected: UpdateBooking) -> None:
    request = asking.update(whole_booking(), path)
    assert codec.update_booking(request.SerializeToString()) == expected


def test_without_a_mask_whatever_is_given_counts() -> None:
    request = asking.update(whole_booking())
    assert codec.update_booking(request.SerializeToString()) == UpdateBooking(
        "b1-1-00",
        status=BookingStatus.CONFIRMED,
        start_us=ASKED.start_us,
        duration_us=ASKED.duration_us,
        party_size=2,
        merchant_id="m1",
        service_id="cut",
        staff_id="s",
        room_id="r",
    )


def test_an_empty_mask_is_none() -> None:
    request = asking.cancellation("b1-1-00")
    request.update_mask.SetInParent()
    assert codec.update_booking(request.SerializeToString()) == UpdateBooking("b1-1-00", BookingStatus.CANCELED)


@pytest.mark.parametrize(
    "path", ["*", "slot", "slot.merchant_id", "user_information.email", "booking_id", "nonsense", ""]
)
def test_a_mask_may_name_only_what_can_change(path: str) -> None:
    ((field, (description, _)),) = mistakes(asking.update(whole_booking(), "status", path)).items()
    assert field == "update_mask.paths[1]"
    assert description.startswith("names nothing that can be changed; what can: status, ")


def test_a_mask_that_names_a_path_twice_is_malformed() -> None:
    ((field, (description, _)),) = mistakes(asking.update(whole_booking(), "status", "status")).items()
    assert (field, description) == ("update_mask.paths[1]", "names status again")


def test_a_mask_with_very_many_paths_costs_no_more_than_a_short_one() -> None:
    request = rpc.UpdateBookingRequest(booking=whole_booking(), update_mask=FieldMask(paths=["status"] * 20_000))
    assert len(mistakes(request)) == 4


@pytest.mark.parametrize("path", codec.MASK_PATHS)
def test_what_a_mask_names_must_be_given(path: str) -> None:
    bare = pb.Booking(booking_id="b1-1-00", slot=pb.Slot(merchant_id="m1"))
    assert set(mistakes(asking.update(bare, path))) == {f"booking.{path}"}


def test_an_update_that_changes_nothing_that_can_change_is_malformed() -> None:
    bare = pb.Booking(booking_id="b1-1-00", user_information=asking.user())
    assert set(mistakes(asking.update(bare))) == {"booking"}


def test_a_status_number_that_stands_for_nothing_is_malformed() -> None:
    assert set(mistakes(asking.update(pb.Booking(booking_id="b", status=99)))) == {"booking.status"}  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["slot.start_time", "slot.duration"])
def test_a_move_is_held_to_the_limits_of_a_slot(path: str) -> None:
    booking = whole_booking()
    set_field(booking, f"{path}.seconds", -(2**62))
    assert set(mistakes(asking.update(booking))) == {f"booking.{path}"}
    booking = whole_booking()
    set_field(booking, f"{path}.nanos", 1)
    assert mistakes(asking.update(booking))[f"booking.{path}"][1] is Reason.SLOT_UNKNOWN

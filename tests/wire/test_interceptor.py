"""What is written down of a call."""

from __future__ import annotations

from typing import Any

from structlog.testing import capture_logs

from slotlease.wire.proto.v2 import booking_service_pb2 as rpc
from tests.support import Offered
from tests.wire import asking
from tests.wire.client import Client


def without_duration(line: Any) -> dict[str, object]:
    assert line.pop("duration_ms") >= 0
    return dict(line)


def test_each_call_is_one_line_that_says_how_it_ended_and_nothing_of_a_customer(client: Client) -> None:
    slot = client.offer(Offered())
    with capture_logs() as lines:
        client.book(slot)
        client.create_booking(slot)
        client.ended(rpc.CreateBookingRequest(user_information=asking.user()))
        client.ended(rpc.ListBookingsRequest(user_id="nobody ever seen"))
    method = {"event": "call", "log_level": "info", "method": "v2.CreateBooking"}
    assert [without_duration(line) for line in lines] == [
        method | {"code": "OK", "cause": "", "log_level": "debug"},
        method | {"code": "OK", "cause": "SLOT_ALREADY_BOOKED_BY_USER", "log_level": "debug"},
        method | {"code": "INVALID_ARGUMENT", "cause": "FIELD_INVALID"},
        method | {"method": "v2.ListBookings", "code": "NOT_FOUND", "cause": "NOT_FOUND"},
    ]

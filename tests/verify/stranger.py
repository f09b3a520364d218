"""A booking server as it is often written first: no leases, no batch lookups, no health, no tokens, no locks, and
whatever goes wrong is an exception. Nothing of it is ours but the messages."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import grpc
from google.protobuf.message import Message

from slotlease.wire.proto.v2 import booking_pb2
from slotlease.wire.proto.v2 import booking_service_pb2 as service_pb2

Key: TypeAlias = tuple[str, str, int, int, str, int]

THINKS_S: Final = 0.005
"""Between looking and writing, as a database takes: long enough for others to look, too."""


def key_of(slot: booking_pb2.Slot) -> Key:
    resources, times = slot.resources, (slot.start_time.seconds, slot.duration.seconds)
    return slot.merchant_id, slot.service_id, *times, resources.staff_id, resources.party_size


class Stranger:
    def __init__(self, spots: Mapping[Key, int]) -> None:
        self._spots = dict(spots)
        self._bookings: dict[str, booking_pb2.Booking] = {}
        self._ids = itertools.count(1)

    def check(self, request: service_pb2.CheckAvailabilityRequest) -> service_pb2.CheckAvailabilityResponse:
        return service_pb2.CheckAvailabilityResponse(
            slot=request.slot, count_available=self._spots[key_of(request.slot)]
        )

    def book(self, request: service_pb2.CreateBookingRequest) -> service_pb2.CreateBookingResponse:
        spots = self._spots[key_of(request.slot)]
        if spots < 1:
            failure = booking_pb2.BookingFailure(cause=booking_pb2.BookingFailure.SLOT_UNAVAILABLE)
            return service_pb2.CreateBookingResponse(booking_failure=failure)
        time.sleep(THINKS_S)
        self._spots[key_of(request.slot)] = spots - 1
        booking = booking_pb2.Booking(
            booking_id=f"booking-{next(self._ids)}",
            slot=request.slot,
            user_information=request.user_information,
            status=booking_pb2.CONFIRMED,
        )
        self._bookings[booking.booking_id] = booking
        return service_pb2.CreateBookingResponse(booking=booking)

    def update(self, request: service_pb2.UpdateBookingRequest) -> service_pb2.UpdateBookingResponse:
        booking = self._bookings[request.booking.booking_id]
        self._spots[key_of(booking.slot)] += 1
        if request.booking.status == booking_pb2.CANCELED:
            booking.status = booking_pb2.CANCELED
        else:
            booking.slot.start_time.CopyFrom(request.booking.slot.start_time)
            self._spots[key_of(booking.slot)] -= 1
        return service_pb2.UpdateBookingResponse(booking=booking)

    def tell(self, request: service_pb2.GetBookingStatusRequest) -> service_pb2.GetBookingStatusResponse:
        status = self._bookings[request.booking_id].status
        return service_pb2.GetBookingStatusResponse(booking_id=request.booking_id, booking_status=status)

    def list(self, request: service_pb2.ListBookingsRequest) -> service_pb2.ListBookingsResponse:
        of_all = list(self._bookings.values())
        return service_pb2.ListBookingsResponse(
            bookings=[one for one in of_all if one.user_information.user_id == request.user_id]
        )


def _handler(request: type[Message], answer: Callable[[Any], Message]) -> grpc.RpcMethodHandler[Message, Message]:
    return grpc.unary_unary_rpc_method_handler(
        lambda asked, _: answer(asked),
        request_deserializer=request.FromString,
        response_serializer=lambda answered: answered.SerializeToString(),
    )


@contextmanager
def stranger(spots: Mapping[Key, int]) -> Iterator[str]:
    """Its address."""
    shop = Stranger(spots)
    handlers = {
        "CheckAvailability": _handler(service_pb2.CheckAvailabilityRequest, shop.check),
        "CreateBooking": _handler(service_pb2.CreateBookingRequest, shop.book),
        "UpdateBooking": _handler(service_pb2.UpdateBookingRequest, shop.update),
        "GetBookingStatus": _handler(service_pb2.GetBookingStatusRequest, shop.tell),
        "ListBookings": _handler(service_pb2.ListBookingsRequest, shop.list),
    }
    service = service_pb2.DESCRIPTOR.services_by_name["BookingService"].full_name
    server = grpc.server(ThreadPoolExecutor(32), handlers=[grpc.method_handlers_generic_handler(service, handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()

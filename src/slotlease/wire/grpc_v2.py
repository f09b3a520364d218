"""BookingService as version 2 of the API has it: each call is decoded, asked of the desk, and its answer encoded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from slotlease.domain.booking import Booking
from slotlease.domain.failure import BookingFailure, InvalidArgument, NotFound
from slotlease.domain.lease import Lease
from slotlease.telemetry import Report
from slotlease.telemetry.metrics import Metrics
from slotlease.wire import codec_v2 as codec
from slotlease.wire import encode_v2 as encode
from slotlease.wire.admission import Admission
from slotlease.wire.bridge import Ask
from slotlease.wire.interceptor import Handler, Rpc, intercept
from slotlease.wire.outcome import Ending, answered, refused, unimplemented
from slotlease.wire.proto.v2 import booking_service_pb2
from slotlease.wire.record import recorder

SERVICE: Final[str] = booking_service_pb2.DESCRIPTOR.services_by_name["BookingService"].full_name

_AS_IS: Final[Mapping[str, str]] = {}
_IN_LEASE: Final = {"slot": "lease.slot", "client_reference": "lease.user_reference"}
_IN_BOOKING: Final = {"slot": "booking.slot", "status": "booking.status", "booking_id": "booking.booking_id"}


def handlers(
    ask: Ask,
    *,
    new_secret: Callable[[], bytes],
    report: Report,
    admission: Admission,
    metrics: Metrics | None = None,
    leases: bool = True,
) -> dict[str, Handler]:
    """The handlers by full method path. `new_secret` gives SECRET_BYTES random bytes each time. Leases are optional in
    Google's eyes: without them CreateLease is UNIMPLEMENTED, and the rest works."""
    service = BookingServiceV2(ask, new_secret)
    metrics = metrics or Metrics()  # counted all the same, and shown to nobody
    rpcs: dict[str, Rpc] = {
        "CheckAvailability": service.check_availability,
        "BatchAvailabilityLookup": service.batch_availability_lookup,
        "CreateLease": service.create_lease if leases else no_leases,
        "CreateBooking": service.create_booking,
        "UpdateBooking": service.update_booking,
        "GetBookingStatus": service.get_booking_status,
        "ListBookings": service.list_bookings,
    }
    return {
        f"/{SERVICE}/{name}": intercept(recorder("v2", SERVICE, name, metrics), rpc, report, admission)
        for name, rpc in rpcs.items()
    }


class BookingServiceV2:
    """Raises Malformed and DeskFault, which the interceptor turns into status codes."""

    def __init__(self, ask: Ask, new_secret: Callable[[], bytes]) -> None:
        self._ask = ask
        self._new_secret = new_secret

    async def check_availability(self, payload: bytes, deadline_s: float | None) -> Ending:
        answer = await self._ask(codec.check_availability(payload), deadline_s)
        if isinstance(answer, InvalidArgument):
            return refused(answer, _AS_IS)
        return answered(encode.availability(answer))

    async def batch_availability_lookup(self, payload: bytes, deadline_s: float | None) -> Ending:
        operation = codec.batch_availability_lookup(payload)
        answer = await self._ask(operation, deadline_s)
        if isinstance(answer, InvalidArgument):
            return refused(answer, _AS_IS)
        return answered(encode.batch_availability(operation, answer))

    async def create_lease(self, payload: bytes, deadline_s: float | None) -> Ending:
        answer = await self._ask(codec.create_lease(payload, self._new_secret()), deadline_s)
        if isinstance(answer, Lease):
            return answered(encode.lease(answer))
        if isinstance(answer, BookingFailure):
            return answered(encode.lease(answer), answer.cause)
        return refused(answer, _IN_LEASE)

    async def create_booking(self, payload: bytes, deadline_s: float | None) -> Ending:
        answer = await self._ask(codec.create_booking(payload, self._new_secret()), deadline_s)
        if isinstance(answer, Booking):
            return answered(encode.booking_created(answer))
        if isinstance(answer, BookingFailure):
            return answered(encode.booking_created(answer), answer.cause)
        return refused(answer, _AS_IS)

    async def update_booking(self, payload: bytes, deadline_s: float | None) -> Ending:
        answer = await self._ask(codec.update_booking(payload), deadline_s)
        if isinstance(answer, Booking):
            return answered(encode.booking_updated(answer))
        if isinstance(answer, BookingFailure):
            return answered(encode.booking_updated(answer), answer.cause)
        return refused(answer, _IN_BOOKING)

    async def get_booking_status(self, payload: bytes, deadline_s: float | None) -> Ending:
        answer = await self._ask(codec.get_booking_status(payload), deadline_s)
        if isinstance(answer, NotFound):
            return refused(answer, _AS_IS)
        return answered(encode.booking_status(answer))

    async def list_bookings(self, payload: bytes, deadline_s: float | None) -> Ending:
        answer = await self._ask(codec.list_bookings(payload), deadline_s)
        if isinstance(answer, NotFound):
            return refused(answer, _AS_IS)
        return answered(encode.bookings(answer))


async def no_leases(payload: bytes, deadline_s: float | None) -> Ending:  # noqa: ARG001 - it is an Rpc
    return unimplemented("this server holds no slots; book directly with CreateBooking")

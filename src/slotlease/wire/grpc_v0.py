"""BookingService as version 0 of the API has it: each call is decoded, asked of the desk, and its answer encoded.

A refusal of business is a status code here: version 0 has no BookingFailure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from slotlease.domain.booking import Booking
from slotlease.domain.failure import BookingFailure, Refusal
from slotlease.domain.lease import Lease
from slotlease.telemetry import Report
from slotlease.telemetry.metrics import Metrics
from slotlease.wire import codec_v0 as codec
from slotlease.wire import encode_v0 as encode
from slotlease.wire.admission import Admission
from slotlease.wire.bridge import Ask
from slotlease.wire.interceptor import Handler, Rpc, intercept
from slotlease.wire.outcome import Ending, answered, failed, refused, unimplemented
from slotlease.wire.proto.v0 import booking_service_pb2
from slotlease.wire.record import recorder

SERVICE: Final[str] = booking_service_pb2.DESCRIPTOR.services_by_name["BookingService"].full_name

_AS_IS: Final[Mapping[str, str]] = {}
_IN_LEASE: Final = {"slot": "lease", "client_reference": "lease.client_reference"}
_IN_BOOKING: Final = {"slot": "booking", "status": "booking.status", "booking_id": "booking.booking_id"}


def handlers(
    ask: Ask,
    *,
    fingerprint_key: bytes,
    new_secret: Callable[[], bytes],
    report: Report,
    admission: Admission,
    metrics: Metrics | None = None,
    leases: bool = True,
) -> dict[str, Handler]:
    """The handlers by full method path. `fingerprint_key` is the ledger's own, 32 bytes; `new_secret` gives
    SECRET_BYTES random bytes each time. Every booking of version 0 begins with a lease: without leases only bookings
    made otherwise can still be changed, and the other two calls are UNIMPLEMENTED."""
    service = BookingServiceV0(ask, fingerprint_key, new_secret)
    metrics = metrics or Metrics()  # counted all the same, and shown to nobody
    rpcs: dict[str, Rpc] = {
        "CreateLease": service.create_lease if leases else no_leases,
        "CreateBooking": service.create_booking if leases else no_leases,
        "UpdateBooking": service.update_booking,
    }
    return {
        f"/{SERVICE}/{name}": intercept(recorder("v0", SERVICE, name, metrics), rpc, report, admission)
        for name, rpc in rpcs.items()
    }


class BookingServiceV0:
    """Raises Malformed and DeskFault, which the interceptor turns into status codes."""

    def __init__(self, ask: Ask, fingerprint_key: bytes, new_secret: Callable[[], bytes]) -> None:
        self._ask = ask
        self._fingerprint_key = fingerprint_key
        self._new_secret = new_secret

    async def create_lease(self, payload: bytes, deadline_s: float | None) -> Ending:
        answer = await self._ask(codec.create_lease(payload, self._new_secret()), deadline_s)
        if isinstance(answer, Lease):
            return answered(encode.lease(answer))
        return _refused(answer, _IN_LEASE)

    async def create_booking(self, payload: bytes, deadline_s: float | None) -> Ending:
        operation = codec.create_booking(payload, self._new_secret(), self._fingerprint_key)
        answer = await self._ask(operation, deadline_s)
        if isinstance(answer, Booking):
            return answered(encode.booking_created(answer))
        return _refused(answer, _AS_IS)

    async def update_booking(self, payload: bytes, deadline_s: float | None) -> Ending:
        answer = await self._ask(codec.update_booking(payload), deadline_s)
        if isinstance(answer, Booking):
            return answered(encode.booking_updated(answer))
        return _refused(answer, _IN_BOOKING)


def _refused(refusal: Refusal, paths: Mapping[str, str]) -> Ending:
    return failed(refusal) if isinstance(refusal, BookingFailure) else refused(refusal, paths)


async def no_leases(payload: bytes, deadline_s: float | None) -> Ending:  # noqa: ARG001 - it is an Rpc
    return unimplemented("this server holds no slots, and version 0 books nothing without a lease; use version 2")

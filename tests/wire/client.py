"""A caller with a merchant of its own: the calls of version 2, each read as the test needs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

from google.protobuf.message import Message

from slotlease.domain.slot import AskedSlot
from slotlease.wire.proto.v2 import booking_pb2 as pb
from slotlease.wire.proto.v2 import booking_service_pb2 as rpc
from slotlease.wire.proto.v2.booking_service_pb2_grpc import BookingServiceStub
from tests.support import Offered, Shop
from tests.wire import asking
from tests.wire.asking import Ended

CALL_TIMEOUT_S = 20
"""Longer than any answer takes: a call that hangs shall fail by its name and not by the suite's limit."""

CAUSE = pb.BookingFailure


@dataclass(slots=True)
class Client:
    stub: BookingServiceStub
    shop: Shop
    merchant_id: str
    _names: count[int] = field(default_factory=count)

    def offer(self, offered: Offered) -> AskedSlot:
        """Puts the slot on the ledger and names it as a caller would."""
        self.shop.offer(offered, merchant_id=self.merchant_id)
        return offered.asked(self.merchant_id)

    def new_name(self) -> str:
        return f"{self.merchant_id}-{next(self._names)}"

    # --- what is answered ------------------------------------------------------------------------------------

    def count_available(self, slot: AskedSlot) -> int:
        answer = self.stub.CheckAvailability(asking.check(slot), timeout=CALL_TIMEOUT_S)
        assert answer.slot == asking.slot(slot)
        return answer.count_available

    def available(self, *slots: AskedSlot) -> list[bool]:
        request = asking.lookup(self.merchant_id, *slots)
        answer = self.stub.BatchAvailabilityLookup(request, timeout=CALL_TIMEOUT_S)
        assert [entry.slot_time for entry in answer.slot_time_availability] == list(request.slot_time)
        return [entry.available for entry in answer.slot_time_availability]

    def create_lease(self, slot: AskedSlot, reference: str | None = None) -> rpc.CreateLeaseResponse:
        request = asking.lease(slot, reference or self.new_name())
        return self.stub.CreateLease(request, timeout=CALL_TIMEOUT_S)

    def lease(self, slot: AskedSlot, reference: str | None = None) -> pb.Lease:
        """A lease that must be granted."""
        answer = self.create_lease(slot, reference)
        assert not answer.HasField("booking_failure"), answer
        return answer.lease

    def create_booking(
        self, slot: AskedSlot, *, lease_id: str = "", user_id: str | None = None, attempt: str | None = None
    ) -> rpc.CreateBookingResponse:
        request = asking.booking(
            slot, attempt or self.new_name(), lease_id=lease_id, user_id=user_id or f"{self.merchant_id}-ada"
        )
        return self.stub.CreateBooking(request, timeout=CALL_TIMEOUT_S)

    def book(self, slot: AskedSlot, *, lease_id: str = "", user_id: str | None = None) -> pb.Booking:
        """A booking that must succeed."""
        answer = self.create_booking(slot, lease_id=lease_id, user_id=user_id)
        assert not answer.HasField("booking_failure"), answer
        return answer.booking

    def update(self, request: rpc.UpdateBookingRequest) -> rpc.UpdateBookingResponse:
        return self.stub.UpdateBooking(request, timeout=CALL_TIMEOUT_S)

    def cancel(self, booking_id: str) -> rpc.UpdateBookingResponse:
        return self.update(asking.cancellation(booking_id))

    def move(self, booking_id: str, slot: AskedSlot) -> rpc.UpdateBookingResponse:
        return self.update(asking.move(booking_id, slot.start_us))

    def status(self, booking_id: str) -> rpc.GetBookingStatusResponse:
        return self.stub.GetBookingStatus(rpc.GetBookingStatusRequest(booking_id=booking_id), timeout=CALL_TIMEOUT_S)

    def list_bookings(self, user_id: str) -> list[pb.Booking]:
        answer = self.stub.ListBookings(rpc.ListBookingsRequest(user_id=user_id), timeout=CALL_TIMEOUT_S)
        return list(answer.bookings)

    # --- what ends with a status -----------------------------------------------------------------------------

    def ended(self, request: Message) -> Ended:
        """How the call of that request ended; it must not have ended well."""
        name = type(request).__name__.removesuffix("Request")
        call = getattr(self.stub, name)
        return asking.ended(lambda: call(request, timeout=CALL_TIMEOUT_S))


Failed = rpc.CreateLeaseResponse | rpc.CreateBookingResponse | rpc.UpdateBookingResponse


def cause_of(answer: Failed) -> pb.BookingFailure.Cause.ValueType:
    """Why the answer refuses; it must carry nothing else."""
    (name,) = (descriptor.name for descriptor, _ in answer.ListFields())
    assert name == "booking_failure"
    assert answer.booking_failure.description
    return answer.booking_failure.cause

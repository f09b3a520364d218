"""A caller of version 0 with a merchant of its own. A refusal is a status here: every answer is what was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

from google.protobuf.message import Message

from slotlease.domain.slot import AskedSlot
from slotlease.wire.proto.v0 import booking_pb2 as pb
from slotlease.wire.proto.v0 import booking_service_pb2 as rpc
from slotlease.wire.proto.v0.booking_service_pb2_grpc import BookingServiceStub
from tests.support import Offered, Shop
from tests.wire import asking, asking_v0
from tests.wire.asking import Ended
from tests.wire.client import CALL_TIMEOUT_S


@dataclass(slots=True)
class ClientV0:
    stub: BookingServiceStub
    shop: Shop
    merchant_id: str
    _names: count[int] = field(default_factory=count)

    def offer(self, offered: Offered) -> AskedSlot:
        """Puts the slot on the ledger and names it as a caller would."""
        self.shop.offer(offered, merchant_id=self.merchant_id)
        return offered.asked(self.merchant_id)

    def new_name(self) -> str:
        return f"{self.merchant_id}-v0-{next(self._names)}"

    # --- what is answered ------------------------------------------------------------------------------------

    def lease(self, slot: AskedSlot, reference: str | None = None) -> pb.Lease:
        request = asking_v0.lease(slot, reference or self.new_name())
        return self.stub.CreateLease(request, timeout=CALL_TIMEOUT_S).lease

    def book_lease(self, lease_id: str, name: str = "Ada") -> pb.Booking:
        return self.stub.CreateBooking(asking_v0.booking(lease_id, name), timeout=CALL_TIMEOUT_S).booking

    def book(self, slot: AskedSlot, name: str = "Ada") -> pb.Booking:
        """By way of a lease: there is no other in version 0."""
        return self.book_lease(self.lease(slot).lease_id, name)

    def update(self, request: rpc.UpdateBookingRequest) -> pb.Booking:
        return self.stub.UpdateBooking(request, timeout=CALL_TIMEOUT_S).booking

    def cancel(self, booking_id: str) -> pb.Booking:
        return self.update(asking_v0.cancellation(booking_id))

    def move(self, booking_id: str, slot: AskedSlot) -> pb.Booking:
        return self.update(asking_v0.move(booking_id, slot.start_us))

    # --- what ends with a status -----------------------------------------------------------------------------

    def ended(self, request: Message) -> Ended:
        """How the call of that request ended; it must not have ended well."""
        name = type(request).__name__.removesuffix("Request")
        call = getattr(self.stub, name)
        return asking.ended(lambda: call(request, timeout=CALL_TIMEOUT_S))

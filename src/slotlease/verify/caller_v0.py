"""Version 0: a lease, a booking made of it, and its changes. It refuses with status codes, and has nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from google.protobuf.message import Message

from slotlease.verify import caller as ask
from slotlease.verify.answer import (
    ALREADY_BOOKED,
    LEASE_EXPIRED,
    NOT_FOUND,
    RESOURCE_EXHAUSTED,
    SLOT_UNAVAILABLE,
    UNIMPLEMENTED,
    Answer,
    ValueT,
)
from slotlease.verify.caller_grpc import GrpcCaller, us_of_instant, us_of_span
from slotlease.verify.hostile import clear
from slotlease.verify.shop import (
    Availability,
    Booking,
    BookingWish,
    Lease,
    LeaseWish,
    LookedUp,
    Resources,
    Slot,
    User,
    Version,
)
from slotlease.verify.speech import enum_name
from slotlease.wire.proto.v0 import booking_pb2
from slotlease.wire.proto.v0 import booking_service_pb2 as service_pb2

SERVICE: Final[str] = service_pb2.DESCRIPTOR.services_by_name["BookingService"].full_name

_NAMED = ("merchant_id", "service_id", "start_time", "duration")
_REQUIRED: Final = {
    ask.CREATE_LEASE: ("lease", *(f"lease.{name}" for name in _NAMED), "lease.client_reference"),
    # Google's page calls no other field of the client required.
    ask.CREATE_BOOKING: ("lease_ref", "lease_ref.lease_id", "client_information", "client_information.telephone"),
}
_WORDS: Final = {
    (ask.CREATE_LEASE, RESOURCE_EXHAUSTED): SLOT_UNAVAILABLE,
    (ask.CREATE_BOOKING, RESOURCE_EXHAUSTED): SLOT_UNAVAILABLE,
    (ask.UPDATE, RESOURCE_EXHAUSTED): SLOT_UNAVAILABLE,
    (ask.CREATE_LEASE, "ALREADY_EXISTS"): ALREADY_BOOKED,
    (ask.CREATE_BOOKING, "ALREADY_EXISTS"): ALREADY_BOOKED,
    (ask.CREATE_BOOKING, NOT_FOUND): LEASE_EXPIRED,
}
"""What Google's pages of CreateLease, CreateBooking and UpdateBooking mean by each status. A used lease is NOT_FOUND
as one that lapsed: neither is there any more."""

_SOMEBODY: Final = User("", "Test", "Slotlease-Verify", "+1 202 555 0100", "slotlease-verify@example.com")


class CallerV0(GrpcCaller):
    """See `Caller`."""

    service = SERVICE
    words = _WORDS
    version: Final = Version.V0
    methods: Final = frozenset({ask.HEALTH, ask.CREATE_LEASE, ask.CREATE_BOOKING, ask.UPDATE})
    optional: Final = frozenset[str]()
    required: Final[Mapping[str, Sequence[str]]] = _REQUIRED
    health_names: Final = (SERVICE, "")

    def check_availability(self, slot: Slot) -> Answer[Availability]:  # noqa: ARG002 - see Caller
        return _not_there(ask.CHECK)

    def look_up(self, merchant_id: str, slots: Sequence[Slot]) -> Answer[tuple[LookedUp, ...]]:  # noqa: ARG002 - as above
        return _not_there(ask.LOOK_UP)

    def create_lease(self, wish: LeaseWish) -> Answer[Lease]:
        lease = lease_message(wish.slot)
        lease.lease_id, lease.client_reference = wish.lease_id, wish.token
        if wish.expires_us:
            lease.lease_expiration_time.FromMicroseconds(wish.expires_us)
        request = clear(service_pb2.CreateLeaseRequest(lease=lease), wish.without)
        return self._ask(
            ask.CREATE_LEASE, request, service_pb2.CreateLeaseResponse, lambda answer: _lease(answer.lease), "lease"
        )

    def create_booking(self, wish: BookingWish) -> Answer[Booking]:
        request = service_pb2.CreateBookingRequest(client_information=_client_message(wish.user))
        request.lease_ref.lease_id = wish.lease_id
        return self._ask(
            ask.CREATE_BOOKING,
            clear(request, wish.without),
            service_pb2.CreateBookingResponse,
            lambda answer: _booking(answer.booking),
            "booking",
        )

    def cancel(self, booking_id: str) -> Answer[Booking]:
        request = service_pb2.UpdateBookingRequest()
        request.update_mask.paths.append("status")
        request.booking.booking_id = booking_id
        request.booking.status = booking_pb2.CANCELED
        return self._update(request)

    def move(self, booking_id: str, to: Slot) -> Answer[Booking]:
        request = service_pb2.UpdateBookingRequest()
        request.update_mask.paths.extend(("start_time", "duration"))
        booking = request.booking
        booking.booking_id, booking.merchant_id, booking.service_id = booking_id, to.merchant_id, to.service_id
        booking.start_time.FromMicroseconds(to.start_us)
        booking.duration.FromMicroseconds(to.duration_us)
        return self._update(request)

    def status(self, booking_id: str) -> Answer[Booking]:  # noqa: ARG002 - as above
        return _not_there(ask.STATUS)

    def list_bookings(self, user_id: str) -> Answer[tuple[Booking, ...]]:  # noqa: ARG002 - as above
        return _not_there(ask.LIST)

    def honest(self, method: str, slot: Slot) -> Message | None:
        if method == ask.CREATE_LEASE:
            return service_pb2.CreateLeaseRequest(lease=lease_message(slot))
        if method == ask.CREATE_BOOKING:
            request = service_pb2.CreateBookingRequest(client_information=_client_message(_SOMEBODY))
            request.lease_ref.lease_id = "slotlease-verify-no-such-id"
            return request
        return None

    def _update(self, request: service_pb2.UpdateBookingRequest) -> Answer[Booking]:
        answered = service_pb2.UpdateBookingResponse
        return self._ask(ask.UPDATE, request, answered, lambda answer: _booking(answer.booking), "booking")


def _not_there(method: str) -> Answer[ValueT]:
    """No case asks for it: `methods` says that it is not there."""
    return Answer(method, UNIMPLEMENTED, None, "", "version 0 has no such method", b"", "", 0.0)


# --- values into messages ----------------------------------------------------------------------------------------


def lease_message(slot: Slot) -> booking_pb2.Lease:
    """With what names the slot. It has no party size."""
    lease = booking_pb2.Lease(
        merchant_id=slot.merchant_id, service_id=slot.service_id, availability_tag=slot.availability_tag
    )
    lease.start_time.FromMicroseconds(slot.start_us)
    lease.duration.FromMicroseconds(slot.duration_us)
    if slot.resources is not None:
        lease.resources.staff_id, lease.resources.room_id = slot.resources.staff_id, slot.resources.room_id
    return lease


def _client_message(user: User) -> booking_pb2.ClientInformation:
    return booking_pb2.ClientInformation(
        given_name=user.given_name, family_name=user.family_name, telephone=user.telephone, email=user.email
    )


# --- messages into values ----------------------------------------------------------------------------------------


def _lease(lease: booking_pb2.Lease) -> Lease:
    resources = None
    if lease.HasField("resources"):
        resources = Resources(lease.resources.staff_id, lease.resources.room_id)
    slot = Slot(
        lease.merchant_id,
        lease.service_id,
        us_of_instant(lease.start_time),
        us_of_span(lease.duration),
        lease.availability_tag,
        resources,
    )
    return Lease(lease.lease_id, slot, lease.client_reference, us_of_instant(lease.lease_expiration_time))


def _booking(booking: booking_pb2.Booking) -> Booking:
    """It tells neither tag nor resources."""
    user = None
    if booking.HasField("client_information"):
        client = booking.client_information
        user = User("", client.given_name, client.family_name, client.telephone, client.email)
    slot = None
    if booking.HasField("start_time"):
        times = us_of_instant(booking.start_time), us_of_span(booking.duration)
        slot = Slot(booking.merchant_id, booking.service_id, *times)
    status = enum_name(booking_pb2.BookingStatus.DESCRIPTOR, booking.status, "status")
    return Booking(booking.booking_id, status, slot, user)

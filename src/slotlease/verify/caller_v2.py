"""Version 2: values into its messages, and its answers into values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from google.protobuf.message import Message

from slotlease.verify import caller as ask
from slotlease.verify.answer import Answer
from slotlease.verify.caller_grpc import GrpcCaller, us_of_instant, us_of_span
from slotlease.verify.hostile import clear
from slotlease.verify.shop import (
    SECOND_US,
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
from slotlease.wire.proto.v2 import booking_pb2
from slotlease.wire.proto.v2 import booking_service_pb2 as service_pb2

SERVICE: Final[str] = service_pb2.DESCRIPTOR.services_by_name["BookingService"].full_name

_SLOT_FIELDS = ("merchant_id", "service_id", "start_time", "duration")
_USER_FIELDS = ("user_id", "given_name", "family_name", "telephone", "email")
_REQUIRED: Final = {
    ask.CREATE_LEASE: ("lease", "lease.slot", *(f"lease.slot.{name}" for name in _SLOT_FIELDS), "lease.user_reference"),
    ask.CREATE_BOOKING: (
        "slot",
        *(f"slot.{name}" for name in _SLOT_FIELDS),
        "user_information",
        *(f"user_information.{name}" for name in _USER_FIELDS),
        "idempotency_token",
    ),
}
_METHODS: Final = frozenset(
    {
        ask.HEALTH,
        ask.CHECK,
        ask.LOOK_UP,
        ask.CREATE_LEASE,
        ask.CREATE_BOOKING,
        ask.UPDATE,
        ask.STATUS,
        ask.LIST,
    }
)


class CallerV2(GrpcCaller):
    """See `Caller`."""

    service = SERVICE
    version: Final = Version.V2
    methods: Final = _METHODS
    # Google's pages: leases by agreement; the lookup has a page, but stands in no list of the service's methods.
    optional: Final = frozenset({ask.CREATE_LEASE, ask.LOOK_UP})
    required: Final[Mapping[str, Sequence[str]]] = _REQUIRED
    health_names: Final = (SERVICE, "")

    def check_availability(self, slot: Slot) -> Answer[Availability]:
        request = service_pb2.CheckAvailabilityRequest(slot=slot_message(slot))
        return self._ask(
            ask.CHECK,
            request,
            service_pb2.CheckAvailabilityResponse,
            lambda answer: Availability(_slot(answer.slot), answer.count_available),
        )

    def look_up(self, merchant_id: str, slots: Sequence[Slot]) -> Answer[tuple[LookedUp, ...]]:
        request = service_pb2.BatchAvailabilityLookupRequest(merchant_id=merchant_id)
        for slot in slots:
            request.slot_time.add(
                start_sec=slot.start_us // SECOND_US,
                duration_sec=slot.duration_us // SECOND_US,
                availability_tag=slot.availability_tag,
                resource_ids=_resources_message(slot.resources),
                service_id=slot.service_id,
            )
        return self._ask(
            ask.LOOK_UP,
            request,
            service_pb2.BatchAvailabilityLookupResponse,
            lambda answer: tuple(_looked_up(merchant_id, one) for one in answer.slot_time_availability),
        )

    def create_lease(self, wish: LeaseWish) -> Answer[Lease]:
        lease = booking_pb2.Lease(lease_id=wish.lease_id, slot=slot_message(wish.slot), user_reference=wish.token)
        if wish.expires_us:
            lease.lease_expiration_time.FromMicroseconds(wish.expires_us)
        request = clear(service_pb2.CreateLeaseRequest(lease=lease), wish.without)
        return self._ask(
            ask.CREATE_LEASE, request, service_pb2.CreateLeaseResponse, lambda answer: _lease(answer.lease), "lease"
        )

    def create_booking(self, wish: BookingWish) -> Answer[Booking]:
        request = service_pb2.CreateBookingRequest(
            slot=slot_message(wish.slot), user_information=_user_message(wish.user), idempotency_token=wish.token
        )
        if wish.lease_id:
            request.lease_ref.lease_id = wish.lease_id
        return self._ask_booking(ask.CREATE_BOOKING, clear(request, wish.without), service_pb2.CreateBookingResponse)

    def cancel(self, booking_id: str) -> Answer[Booking]:
        request = service_pb2.UpdateBookingRequest()
        request.update_mask.paths.append("status")
        request.booking.booking_id = booking_id
        request.booking.status = booking_pb2.CANCELED
        return self._ask_booking(ask.UPDATE, request, service_pb2.UpdateBookingResponse)

    def move(self, booking_id: str, to: Slot) -> Answer[Booking]:
        # Google's FAQ: the mask names what changes, and the whole booking is sent along.
        request = service_pb2.UpdateBookingRequest()
        request.update_mask.paths.extend(("slot.start_time", "slot.duration"))
        request.booking.booking_id = booking_id
        request.booking.slot.CopyFrom(slot_message(to))
        return self._ask_booking(ask.UPDATE, request, service_pb2.UpdateBookingResponse)

    def status(self, booking_id: str) -> Answer[Booking]:
        request = service_pb2.GetBookingStatusRequest(booking_id=booking_id)
        return self._ask(
            ask.STATUS,
            request,
            service_pb2.GetBookingStatusResponse,
            lambda answer: Booking(answer.booking_id, _status(answer.booking_status)),
        )

    def list_bookings(self, user_id: str) -> Answer[tuple[Booking, ...]]:
        request = service_pb2.ListBookingsRequest(user_id=user_id)
        return self._ask(
            ask.LIST,
            request,
            service_pb2.ListBookingsResponse,
            lambda answer: tuple(_booking(one) for one in answer.bookings),
        )

    def honest(self, method: str, slot: Slot) -> Message | None:
        if method == ask.CREATE_LEASE:
            return service_pb2.CreateLeaseRequest(lease=booking_pb2.Lease(slot=slot_message(slot)))
        if method == ask.CREATE_BOOKING:
            return service_pb2.CreateBookingRequest(slot=slot_message(slot))
        return service_pb2.CheckAvailabilityRequest(slot=slot_message(slot))

    def _ask_booking(
        self,
        method: str,
        request: Message,
        answered: type[service_pb2.CreateBookingResponse | service_pb2.UpdateBookingResponse],
    ) -> Answer[Booking]:
        return self._ask(method, request, answered, lambda answer: _booking(answer.booking), "booking")


# --- values into messages ----------------------------------------------------------------------------------------


def slot_message(slot: Slot) -> booking_pb2.Slot:
    message = booking_pb2.Slot(
        merchant_id=slot.merchant_id,
        service_id=slot.service_id,
        availability_tag=slot.availability_tag,
        resources=_resources_message(slot.resources),
    )
    message.start_time.FromMicroseconds(slot.start_us)
    message.duration.FromMicroseconds(slot.duration_us)
    return message


def _resources_message(resources: Resources | None) -> booking_pb2.Resources | None:
    if resources is None:
        return None
    return booking_pb2.Resources(
        staff_id=resources.staff_id, room_id=resources.room_id, party_size=resources.party_size
    )


def _user_message(user: User) -> booking_pb2.UserInformation:
    return booking_pb2.UserInformation(
        user_id=user.user_id,
        given_name=user.given_name,
        family_name=user.family_name,
        telephone=user.telephone,
        email=user.email,
    )


# --- messages into values ----------------------------------------------------------------------------------------


def _slot(slot: booking_pb2.Slot) -> Slot:
    return Slot(
        slot.merchant_id,
        slot.service_id,
        us_of_instant(slot.start_time),
        us_of_span(slot.duration),
        slot.availability_tag,
        _resources(slot.resources) if slot.HasField("resources") else None,
    )


def _looked_up(merchant_id: str, one: service_pb2.SlotTimeAvailability) -> LookedUp:
    time = one.slot_time
    resources = _resources(time.resource_ids) if time.HasField("resource_ids") else None
    start_us, duration_us = time.start_sec * SECOND_US, time.duration_sec * SECOND_US
    slot = Slot(merchant_id, time.service_id, start_us, duration_us, time.availability_tag, resources)
    return LookedUp(slot, one.available)


def _resources(resources: booking_pb2.Resources) -> Resources:
    return Resources(resources.staff_id, resources.room_id, resources.party_size)


def _lease(lease: booking_pb2.Lease) -> Lease:
    return Lease(lease.lease_id, _slot(lease.slot), lease.user_reference, us_of_instant(lease.lease_expiration_time))


def _booking(booking: booking_pb2.Booking) -> Booking:
    user = None
    if booking.HasField("user_information"):
        info = booking.user_information
        user = User(info.user_id, info.given_name, info.family_name, info.telephone, info.email)
    slot = _slot(booking.slot) if booking.HasField("slot") else None
    return Booking(booking.booking_id, _status(booking.status), slot, user)


def _status(number: booking_pb2.BookingStatus.ValueType) -> str:
    return enum_name(booking_pb2.BookingStatus.DESCRIPTOR, number, "status")

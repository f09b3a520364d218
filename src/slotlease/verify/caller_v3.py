"""Version 3: JSON over HTTP; what names things is as in version 2, and instants are whole seconds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.message import Message

from slotlease.verify import caller as ask
from slotlease.verify.answer import NOT_FOUND, OK, UNIMPLEMENTED, Answer
from slotlease.verify.caller import Hostile
from slotlease.verify.hostile import clear
from slotlease.verify.hostile_json import attack
from slotlease.verify.line_http import HttpLine
from slotlease.verify.shop import (
    SECOND_US,
    Availability,
    Booking,
    BookingWish,
    Dialing,
    Lease,
    LeaseWish,
    LookedUp,
    Resources,
    Slot,
    User,
    Version,
)
from slotlease.verify.speech import MessageT, Speech, enum_name, told
from slotlease.wire.proto.v3 import booking_pb2
from slotlease.wire.proto.v3 import booking_service_pb2 as service_pb2

HEALTH_PATH: Final = "/v3/HealthCheck"

_SLOT_FIELDS = ("merchant_id", "service_id", "start_sec", "duration_sec")
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
    {ask.HEALTH, ask.CHECK, ask.LOOK_UP, ask.CREATE_LEASE, ask.CREATE_BOOKING, ask.UPDATE, ask.STATUS, ask.LIST}
)
_OPTIONAL: Final = frozenset({ask.CHECK, ask.LOOK_UP, ask.CREATE_LEASE})
"""New partners have the lookup alone, older ones the check; leases stand in the messages and in no table of paths."""


class CallerV3:
    """See `Caller`."""

    version: Final = Version.V3
    methods: Final = _METHODS
    optional: Final = _OPTIONAL
    required: Final[Mapping[str, Sequence[str]]] = _REQUIRED
    health_names: Final = ("",)

    def __init__(self, dialing: Dialing) -> None:
        self._line = HttpLine(dialing)
        # No page has a 404 for these, but that of a path that is not there.
        words = {(method, NOT_FOUND): UNIMPLEMENTED for method in _OPTIONAL}
        self._ask = Speech(self._line, Json(), _path, words).ask

    def health(self, name: str) -> Answer[str]:  # noqa: ARG002 - it has one
        reply = self._line.get(HEALTH_PATH)
        value = "SERVING" if reply.word == OK else None
        sent = f"GET {HEALTH_PATH}"
        return Answer(ask.HEALTH, reply.word, value, sent, told(reply), reply.payload, reply.text, reply.took_s)

    def check_availability(self, slot: Slot) -> Answer[Availability]:
        return self._ask(
            ask.CHECK,
            service_pb2.CheckAvailabilityRequest(slot=slot_message(slot)),
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
        # Rounded up: a wish of so many seconds is not to become a shorter one.
        lease.lease_expiration_time_sec = -(-wish.expires_us // SECOND_US)
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
        booking = booking_pb2.Booking(booking_id=booking_id, status=booking_pb2.CANCELED)
        return self._update(booking)

    def move(self, booking_id: str, to: Slot) -> Answer[Booking]:
        """Version 3 has no mask: what is given changes, and the rest stays."""
        booking = booking_pb2.Booking(booking_id=booking_id)
        booking.slot.start_sec, booking.slot.duration_sec = to.start_us // SECOND_US, to.duration_us // SECOND_US
        return self._update(booking)

    def status(self, booking_id: str) -> Answer[Booking]:
        return self._ask(
            ask.STATUS,
            service_pb2.GetBookingStatusRequest(booking_id=booking_id),
            service_pb2.GetBookingStatusResponse,
            lambda answer: Booking(answer.booking_id, _status(answer.booking_status)),
        )

    def list_bookings(self, user_id: str) -> Answer[tuple[Booking, ...]]:
        return self._ask(
            ask.LIST,
            service_pb2.ListBookingsRequest(user_id=user_id),
            service_pb2.ListBookingsResponse,
            lambda answer: tuple(_booking(one) for one in answer.bookings),
        )

    def send_hostile(self, kind: Hostile, method: str, slot: Slot) -> Answer[None] | None:
        named = {"slot": as_json(slot_message(slot))}
        made = attack(kind, method, {"lease": named} if method == ask.CREATE_LEASE else named)
        reply = self._line.send(_path(made.method), made.payload)
        return Answer(made.method, reply.word, None, made.told, told(reply), reply.payload, reply.text, reply.took_s)

    def close(self) -> None:
        self._line.close()

    def _update(self, booking: booking_pb2.Booking) -> Answer[Booking]:
        request = service_pb2.UpdateBookingRequest(booking=booking)
        return self._ask_booking(ask.UPDATE, request, service_pb2.UpdateBookingResponse)

    def _ask_booking(
        self,
        method: str,
        request: Message,
        answered: type[service_pb2.CreateBookingResponse | service_pb2.UpdateBookingResponse],
    ) -> Answer[Booking]:
        return self._ask(method, request, answered, lambda answer: _booking(answer.booking), "booking")


class Json:
    """As HTTP carries messages: with the definitions' own names, and without what is empty, as Google's samples."""

    def write(self, message: Message) -> bytes:
        return json.dumps(as_json(message)).encode()

    def read(self, kind: type[MessageT], payload: bytes) -> MessageT:
        try:
            return json_format.Parse(payload, kind(), ignore_unknown_fields=True)
        except (json_format.ParseError, ValueError, RecursionError) as error:
            raise ValueError(f"the answer is no {kind.DESCRIPTOR.name} in JSON: {error}") from error

    def told(self, message: Message) -> str:
        return json.dumps(as_json(message), indent=2) + "\n"


def as_json(message: Message) -> dict[str, Any]:
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def _path(method: str) -> str:
    return f"/v3/{method}"


# --- values into messages ----------------------------------------------------------------------------------------


def slot_message(slot: Slot) -> booking_pb2.Slot:
    return booking_pb2.Slot(
        merchant_id=slot.merchant_id,
        service_id=slot.service_id,
        start_sec=slot.start_us // SECOND_US,
        duration_sec=slot.duration_us // SECOND_US,
        availability_tag=slot.availability_tag,
        resources=_resources_message(slot.resources),
    )


def _resources_message(resources: Resources | None) -> booking_pb2.ResourceIds | None:
    if resources is None:
        return None
    return booking_pb2.ResourceIds(
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
    times = slot.start_sec * SECOND_US, slot.duration_sec * SECOND_US
    return Slot(slot.merchant_id, slot.service_id, *times, slot.availability_tag, _resources(slot.resources))


def _looked_up(merchant_id: str, one: service_pb2.SlotTimeAvailability) -> LookedUp:
    time = one.slot_time
    times = time.start_sec * SECOND_US, time.duration_sec * SECOND_US
    slot = Slot(merchant_id, time.service_id, *times, time.availability_tag, _resources(time.resource_ids))
    return LookedUp(slot, one.available)


def _resources(resources: booking_pb2.ResourceIds) -> Resources | None:
    """Some JSON writers put `{}` where nothing is: it says the same."""
    told = Resources(resources.staff_id, resources.room_id, resources.party_size)
    return told if told != Resources() else None


def _lease(lease: booking_pb2.Lease) -> Lease:
    expires_us = lease.lease_expiration_time_sec * SECOND_US
    return Lease(lease.lease_id, _slot(lease.slot), lease.user_reference, expires_us)


def _booking(booking: booking_pb2.Booking) -> Booking:
    user = None
    if booking.HasField("user_information"):
        info = booking.user_information
        user = User(info.user_id, info.given_name, info.family_name, info.telephone, info.email)
    slot = _slot(booking.slot) if booking.HasField("slot") else None
    return Booking(booking.booking_id, _status(booking.status), slot, user)


def _status(number: booking_pb2.BookingStatus.ValueType) -> str:
    return enum_name(booking_pb2.BookingStatus.DESCRIPTOR, number, "status")

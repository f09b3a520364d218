"""The demo's calls: each is made over the socket, put into words, and compared with what was expected."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2

from slotlease.wire.proto.v2 import booking_pb2, booking_service_pb2, booking_service_pb2_grpc

AnswerT = TypeVar("AnswerT", bound=Message)

DEADLINE_S: Final = 5.0
"""As long as Google waits for a lease; here for everything."""

SERVICE: Final = booking_service_pb2.DESCRIPTOR.services_by_name["BookingService"].full_name
_SAME_BYTES: Final = "the same bytes"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was asked, in one act of the story. It passed when it was answered as expected."""

    act: str
    asked: str
    answered: str
    expected: str
    took_ms: float

    @property
    def passed(self) -> bool:
        return self.answered == self.expected


class StoryEnded(Exception):
    """A call failed on which the rest of the story is built."""


class Calls:
    """Makes calls on one channel and tells each as a Step of the act it was made in."""

    def __init__(self, channel: grpc.Channel, tell_step: Callable[[Step], None]) -> None:
        self._check_health = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        self._stub = booking_service_pb2_grpc.BookingServiceStub(channel)
        self._tell_step = tell_step
        self.act = ""

    def do(self, asked: str, work: Callable[[], str], expected: str) -> None:
        """Something that is no single call; `work` says in words what came of it."""
        began_s = time.perf_counter()
        self._note(asked, work(), expected, began_s)

    def health(self, service: str) -> None:
        self._ask(
            f"Health.Check, {service.rpartition('.')[2] or 'the whole server'}",
            lambda: self._check_health(health_pb2.HealthCheckRequest(service=service), timeout=DEADLINE_S),
            lambda answer: health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status),
            "SERVING",
        )

    def check(self, what: str, slot: booking_pb2.Slot, spots: int) -> None:
        request = booking_service_pb2.CheckAvailabilityRequest(slot=slot)
        self._ask(
            f"CheckAvailability, {what}",
            lambda: self._stub.CheckAvailability(request, timeout=DEADLINE_S),
            lambda answer: _count(answer.count_available, "spot"),
            _count(spots, "spot"),
        )

    def look_up(self, what: str, slots: list[booking_pb2.Slot], expected: str) -> None:
        """BatchAvailabilityLookup; the slots are all of one merchant."""
        request = booking_service_pb2.BatchAvailabilityLookupRequest(merchant_id=slots[0].merchant_id)
        for slot in slots:
            request.slot_time.add(
                service_id=slot.service_id,
                start_sec=slot.start_time.seconds,
                duration_sec=slot.duration.seconds,
                resource_ids=slot.resources,
            )
        self._ask(
            f"BatchAvailabilityLookup, {what}",
            lambda: self._stub.BatchAvailabilityLookup(request, timeout=DEADLINE_S),
            lambda answer: ", ".join("free" if one.available else "taken" for one in answer.slot_time_availability),
            expected,
        )

    def lease(
        self, what: str, slot: booking_pb2.Slot, reference: str, expected: str, *, until_s: int = 0
    ) -> booking_service_pb2.CreateLeaseResponse:
        """`until_s`: the expiry asked for, in seconds since 1970 UTC; 0 leaves it to the server."""
        request = lease_request(slot, reference, until_s)
        return self._ask(
            f"CreateLease, {what}",
            lambda: self._stub.CreateLease(request, timeout=DEADLINE_S),
            lease_in_words,
            expected,
        )

    def lease_again(
        self, slot: booking_pb2.Slot, reference: str, first: booking_service_pb2.CreateLeaseResponse
    ) -> None:
        request = lease_request(slot, reference)
        self._repeat("CreateLease", lambda: self._stub.CreateLease(request, timeout=DEADLINE_S), first)

    def lease_wrongly(self, what: str, slot: booking_pb2.Slot, reference: str, expected: str) -> None:
        """A call that must fail with the status code `expected`."""
        request = lease_request(slot, reference)
        began_s = time.perf_counter()
        try:
            self._stub.CreateLease(request, timeout=DEADLINE_S)
        except grpc.RpcError as error:
            answered = code_of(error)
        else:
            answered = "OK"
        self._note(f"CreateLease, {what}", answered, expected, began_s)

    def book(
        self, what: str, request: booking_service_pb2.CreateBookingRequest, expected: str
    ) -> booking_service_pb2.CreateBookingResponse:
        return self._ask(
            f"CreateBooking, {what}",
            lambda: self._stub.CreateBooking(request, timeout=DEADLINE_S),
            lambda answer: _cause_of(answer) or booking_pb2.BookingStatus.Name(answer.booking.status),
            expected,
        )

    def book_again(
        self,
        request: booking_service_pb2.CreateBookingRequest,
        first: booking_service_pb2.CreateBookingResponse,
    ) -> None:
        self._repeat("CreateBooking", lambda: self._stub.CreateBooking(request, timeout=DEADLINE_S), first)

    def list(self, user_id: str, expected: str) -> None:
        def in_words(answer: booking_service_pb2.ListBookingsResponse) -> str:
            return ", ".join((_count(len(answer.bookings), "booking"), *(_start(b.slot) for b in answer.bookings)))

        request = booking_service_pb2.ListBookingsRequest(user_id=user_id)
        call = lambda: self._stub.ListBookings(request, timeout=DEADLINE_S)  # noqa: E731 - short, and used once
        self._ask("ListBookings", call, in_words, expected)

    def status(self, booking_id: str, expected: str) -> None:
        request = booking_service_pb2.GetBookingStatusRequest(booking_id=booking_id)
        self._ask(
            "GetBookingStatus",
            lambda: self._stub.GetBookingStatus(request, timeout=DEADLINE_S),
            lambda answer: booking_pb2.BookingStatus.Name(answer.booking_status),
            expected,
        )

    def move(self, booking_id: str, to: booking_pb2.Slot, expected: str) -> None:
        request = booking_service_pb2.UpdateBookingRequest()
        request.update_mask.paths.append("slot.start_time")
        request.booking.booking_id = booking_id
        request.booking.slot.start_time.CopyFrom(to.start_time)
        self._update(f"to {_start(to)}", request, expected)

    def cancel(self, booking_id: str, expected: str) -> None:
        request = booking_service_pb2.UpdateBookingRequest()
        request.update_mask.paths.append("status")
        request.booking.booking_id = booking_id
        request.booking.status = booking_pb2.CANCELED
        self._update("cancel", request, expected)

    def _update(self, what: str, request: booking_service_pb2.UpdateBookingRequest, expected: str) -> None:
        self._ask(
            f"UpdateBooking, {what}",
            lambda: self._stub.UpdateBooking(request, timeout=DEADLINE_S),
            lambda answer: _cause_of(answer) or booking_pb2.BookingStatus.Name(answer.booking.status),
            expected,
        )

    def _repeat(self, name: str, call: Callable[[], AnswerT], first: AnswerT) -> None:
        self._ask(
            f"{name}, once more",
            call,
            lambda answer: _SAME_BYTES if answer.SerializeToString() == first.SerializeToString() else "other bytes",
            _SAME_BYTES,
        )

    def _ask(
        self, asked: str, call: Callable[[], AnswerT], in_words: Callable[[AnswerT], str], expected: str
    ) -> AnswerT:
        """Raises StoryEnded where there is no answer."""
        began_s = time.perf_counter()
        try:
            answer = call()
        except grpc.RpcError as error:
            self._note(asked, code_of(error), expected, began_s)
            raise StoryEnded from error
        self._note(asked, in_words(answer), expected, began_s)
        return answer

    def _note(self, asked: str, answered: str, expected: str, began_s: float) -> None:
        took_ms = (time.perf_counter() - began_s) * 1000
        self._tell_step(Step(self.act, asked, answered, expected, took_ms))


# --- messages --------------------------------------------------------------------------------------------------


def slot_at(
    merchant: str, service: str, start: datetime, minutes: int, *, staff: str = "", room: str = "", party_size: int = 0
) -> booking_pb2.Slot:
    slot = booking_pb2.Slot(
        merchant_id=merchant,
        service_id=service,
        start_time=Timestamp(seconds=int(start.timestamp())),
        duration=Duration(seconds=minutes * 60),
    )
    if staff or room or party_size:
        slot.resources.CopyFrom(booking_pb2.Resources(staff_id=staff, room_id=room, party_size=party_size))
    return slot


def lease_request(slot: booking_pb2.Slot, reference: str, until_s: int = 0) -> booking_service_pb2.CreateLeaseRequest:
    lease = booking_pb2.Lease(slot=slot, user_reference=reference)
    if until_s:
        lease.lease_expiration_time.seconds = until_s
    return booking_service_pb2.CreateLeaseRequest(lease=lease)


def booking_request(
    slot: booking_pb2.Slot, user_id: str, token: str, lease_id: str = ""
) -> booking_service_pb2.CreateBookingRequest:
    user = booking_pb2.UserInformation(
        user_id=user_id,
        given_name=user_id.capitalize(),
        family_name="Example",
        telephone="+31 20 000 0000",
        email=f"{user_id}@example.com",
    )
    request = booking_service_pb2.CreateBookingRequest(slot=slot, user_information=user, idempotency_token=token)
    if lease_id:
        request.lease_ref.lease_id = lease_id
    return request


# --- answers in words --------------------------------------------------------------------------------------------


def lease_in_words(answer: booking_service_pb2.CreateLeaseResponse) -> str:
    """Its length where that is minutes; rounded, since an expiry is cut to a whole second."""
    expires_s = answer.lease.lease_expiration_time.seconds
    minutes = round((expires_s - time.time()) / 60)
    return _cause_of(answer) or (f"leased for {minutes} min" if minutes else f"leased until {clock(expires_s)}")


def clock(at_s: int) -> str:
    """The time of day, UTC, to the second."""
    return datetime.fromtimestamp(at_s, tz=UTC).strftime("%H:%M:%S")


def code_of(error: grpc.RpcError) -> str:
    return error.code().name


def _cause_of(
    answer: booking_service_pb2.CreateLeaseResponse
    | booking_service_pb2.CreateBookingResponse
    | booking_service_pb2.UpdateBookingResponse,
) -> str:
    """Why it was refused, or nothing."""
    if not answer.HasField("booking_failure"):
        return ""
    return booking_pb2.BookingFailure.Cause.Name(answer.booking_failure.cause)


def _start(slot: booking_pb2.Slot) -> str:
    return clock(slot.start_time.seconds)[:5]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"

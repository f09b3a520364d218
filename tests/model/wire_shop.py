"""The same shop behind a socket: every request goes out as a message of version 2 or, where that has words for it, of
version 0 in turn, and what comes back is read without any of the server's own code for it.

What no caller can say is not asked here (`said`), and what an answer has no words for is not compared (`shown`). What
the operator asks, and Google has no call for, goes past the socket to a desk of its own on the same ledger.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TypeVar, cast

import grpc
from google.protobuf.message import Message

from slotlease.desk.batch_availability_lookup import BatchAvailabilityLookup
from slotlease.desk.book_lease import BookLease
from slotlease.desk.check_availability import CheckAvailability
from slotlease.desk.create_booking import CreateBooking
from slotlease.desk.create_lease import CreateLease
from slotlease.desk.get_booking_status import GetBookingStatus
from slotlease.desk.list_bookings import ListBookings
from slotlease.desk.release_lease import ReleaseLease
from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import BookingStatus, PaymentInformation, UserInformation, user_key
from slotlease.domain.slot import SECOND_US, AskedSlot, Resources
from slotlease.wire.proto.v0 import booking_pb2 as pb0
from slotlease.wire.proto.v0 import booking_service_pb2 as rpc0
from slotlease.wire.proto.v0 import payment_pb2 as pay0
from slotlease.wire.proto.v0.booking_service_pb2_grpc import BookingServiceStub as StubV0
from slotlease.wire.proto.v2 import booking_pb2 as pb
from slotlease.wire.proto.v2 import booking_service_pb2 as rpc
from slotlease.wire.proto.v2 import payment_pb2 as pay
from slotlease.wire.proto.v2.booking_service_pb2_grpc import BookingServiceStub
from tests.model.customers import PAYMENT, USERS
from tests.model.told import BookingTold, LeaseTold, Refused, Request, Told, in_order
from tests.model.watched_shop import LedgerShop
from tests.support import HandClock
from tests.wire import asking, asking_v0
from tests.wire.client import CALL_TIMEOUT_S
from tests.wire.conftest import Served, serving

T = TypeVar("T")

USER_OF_KEY = {user_key(name): name for name in (*USERS, "stranger")}
STATUSES_V0 = {pb0.CONFIRMED: "CONFIRMED", pb0.PENDING_MERCHANT_CONFIRMATION: "PENDING_MERCHANT_CONFIRMATION"}
STATUSES_V0 |= {pb0.CANCELED: "CANCELED"}


@dataclass(frozen=True, slots=True)
class StatusTold:
    """All that GetBookingStatus says of a booking."""

    booking_id: str
    status: str
    prepaid: bool


class WireShop(LedgerShop):
    def __init__(self, folder: Path, clock: HandClock) -> None:
        super().__init__(folder, clock)
        self._serving = ExitStack()
        self._served = self._serve()
        self._turns = count()
        self._spoken_v0: deque[bool] = deque()
        self._first_answers: dict[tuple[str, bytes], bytes] = {}

    def restart(self) -> None:
        self._stop()
        super().restart()
        self._served = self._serve()

    def close(self) -> None:
        self._stop()
        super().close()

    # --- as a shop in process ------------------------------------------------------------------------------------

    def said(self, request: Request) -> Request | None:
        match request:
            case UpdateBooking():
                # A party of nobody is no party, and to change nothing is no change.
                request = replace(request, party_size=request.party_size or None)
                given = (request.status, request.start_us, request.duration_us, request.party_size)
                return None if given == (None,) * 4 else request
            case BatchAvailabilityLookup():
                return replace(request, slots=tuple(_in_seconds(slot, request.merchant_id) for slot in request.slots))
            case _:
                return request

    def told(self, *requests: Request) -> list[Told]:
        """One after the other, each when the one before was answered."""
        answers = [self._told(request) for request in requests]
        assert self._served.incidents == [], f"told {requests}"
        return answers

    def shown(self, request: Request, expected: Told) -> object:
        """Once for each request that was told, in order."""
        spoken_v0 = self._spoken_v0.popleft()
        if isinstance(request, GetBookingStatus) and isinstance(expected, BookingTold):
            return StatusTold(expected.booking_id, expected.status, expected.payment is not None)
        if spoken_v0 and isinstance(request, UpdateBooking | BookLease) and isinstance(expected, BookingTold):
            return in_words_of_v0(expected)
        return expected

    # --- asking --------------------------------------------------------------------------------------------------

    def _serve(self) -> Served:
        return self._serving.enter_context(serving(self.shop))

    def _stop(self) -> None:
        assert self._served.incidents == []
        self._serving.close()

    def _told(self, request: Request) -> Told:
        speaks_v0 = isinstance(request, BookLease) or (_has_words_in_v0(request) and next(self._turns) % 2 == 0)
        self._spoken_v0.append(speaks_v0)
        if isinstance(request, ReleaseLease):
            return super().told(request)[0]
        try:
            return self._ask_v0(request) if speaks_v0 else self._ask_v2(request)
        except grpc.RpcError as error:
            call = cast("grpc.Call", error)
            ended = asking.read_ending(call.code(), call.details() or "", dict(call.trailing_metadata() or ()))
            return Refused(ended.info.reason)

    def _ask_v0(self, request: Request) -> Told:
        stub = StubV0(self._served.channel)
        match request:
            case CreateLease():
                leasing = asking_v0.lease(request.slot, request.client_reference, expires_us=request.asked_expiry_us)
                return _lease_told_v0(self._send(stub.CreateLease, leasing).lease)
            case BookLease():
                booking = asking_v0.booking(request.lease_id)
                booking.client_information.CopyFrom(_client(request.user))
                if request.payment is not None:
                    booking.payment_information.prepayment_status = pay0.PREPAYMENT_PROVIDED
                    booking.payment_information.payment_transaction_id = request.payment.payment_transaction_id
                return _booking_told_v0(self._send(stub.CreateBooking, booking).booking)
            case UpdateBooking():
                changed = pb0.Booking(booking_id=request.booking_id)
                paths = _change(request, changed, changed, {"CONFIRMED": pb0.CONFIRMED, "CANCELED": pb0.CANCELED})
                return _booking_told_v0(self._send(stub.UpdateBooking, asking_v0.update(changed, *paths)).booking)
            case _:
                message = f"version 0 has no words for {request}"
                raise AssertionError(message)

    def _ask_v2(self, request: Request) -> Told:
        stub = BookingServiceStub(self._served.channel)
        match request:
            case CreateLease():
                leasing = asking.lease(request.slot, request.client_reference, expires_us=request.asked_expiry_us)
                answer = self._send(stub.CreateLease, leasing)
                return _refused(answer) or _lease_told(answer.lease)
            case CreateBooking():
                booked = self._send(stub.CreateBooking, _booking(request))
                return _refused(booked) or _booking_told(booked.booking)
            case UpdateBooking():
                changed = pb.Booking(booking_id=request.booking_id)
                slot = pb.Slot()
                paths = _change(request, changed, slot, {"CONFIRMED": pb.CONFIRMED, "CANCELED": pb.CANCELED})
                paths = [path if path == "status" else f"slot.{path}" for path in paths]
                if request.party_size is not None:
                    slot.resources.party_size = request.party_size
                    paths.append("slot.resources.party_size")
                if slot.ListFields():
                    changed.slot.CopyFrom(slot)
                updated = self._send(stub.UpdateBooking, asking.update(changed, *paths))
                return _refused(updated) or _booking_told(updated.booking)
            case GetBookingStatus():
                status = self._send(stub.GetBookingStatus, rpc.GetBookingStatusRequest(booking_id=request.booking_id))
                prepaid = status.prepayment_status == pay.PREPAYMENT_PROVIDED
                return cast(
                    "Told", StatusTold(status.booking_id, pb.BookingStatus.Name(status.booking_status), prepaid)
                )
            case ListBookings():
                user = rpc.ListBookingsRequest(user_id=USER_OF_KEY[request.user_key])
                return in_order(map(_booking_told, self._send(stub.ListBookings, user).bookings))
            case CheckAvailability():
                available = self._send(stub.CheckAvailability, asking.check(request.slot))
                assert _slot_told(available.slot) == request.slot
                return available.count_available
            case BatchAvailabilityLookup():
                lookup = asking.lookup(request.merchant_id, *request.slots)
                listed = self._send(stub.BatchAvailabilityLookup, lookup).slot_time_availability
                assert [entry.slot_time for entry in listed] == list(lookup.slot_time)
                return tuple(entry.available for entry in listed)
            case _:
                message = f"version 2 has no words for {request}"
                raise AssertionError(message)

    def _send(self, call: Callable[..., T], request: Message) -> T:
        answer = call(request, timeout=CALL_TIMEOUT_S)
        self._compare_with_first(request, cast("Message", answer))
        return answer

    def _compare_with_first(self, request: Message, answer: Message) -> None:
        """INV-13: what was granted once is told in the same bytes for ever, whatever else became of it. The expiry that
        is asked for is no part of the request: a repeat reckons it anew (DESIGN 5)."""
        grants = isinstance(answer, rpc.CreateLeaseResponse | rpc.CreateBookingResponse) and not _refused(answer)
        if not grants and not isinstance(answer, rpc0.CreateLeaseResponse | rpc0.CreateBookingResponse):
            return
        if isinstance(request, rpc.CreateLeaseRequest | rpc0.CreateLeaseRequest):
            request.lease.ClearField("lease_expiration_time")
        told = answer.SerializeToString(deterministic=True)
        kind = f"{type(request).__module__} {type(request).__name__}"
        first = self._first_answers.setdefault((kind, request.SerializeToString(deterministic=True)), told)
        assert told == first, f"{request} was answered otherwise before"


def in_words_of_v0(booking: BookingTold) -> BookingTold:
    return replace(
        booking,
        slot=replace(booking.slot, availability_tag="", resources=None),
        user=replace(booking.user, user_id="", language_code=""),
    )


def _has_words_in_v0(request: Request) -> bool:
    match request:
        case CreateLease():
            return request.slot.resources is None or request.slot.resources.party_size == 0
        case UpdateBooking():
            return request.party_size is None
        case _:
            return False


def _in_seconds(slot: AskedSlot, merchant_id: str) -> AskedSlot:
    start_us, duration_us = slot.start_us, slot.duration_us
    return replace(
        slot,
        merchant_id=merchant_id,
        start_us=start_us - start_us % SECOND_US,
        duration_us=duration_us - duration_us % SECOND_US,
    )


# --- messages out ------------------------------------------------------------------------------------------------


def _change(
    request: UpdateBooking, booking: pb.Booking | pb0.Booking, slot: pb.Slot | pb0.Booking, statuses: dict[str, int]
) -> list[str]:
    """Writes what changes, and returns its paths within the booking or its slot."""
    paths = []
    if request.status is not None:
        assert request.status in {BookingStatus.CONFIRMED, BookingStatus.CANCELED}
        setattr(booking, "status", statuses[request.status.name])  # noqa: B010 - of either version
        paths.append("status")
    if request.start_us is not None:
        slot.start_time.CopyFrom(asking.timestamp(request.start_us))
        paths.append("start_time")
    if request.duration_us is not None:
        slot.duration.CopyFrom(asking.duration(request.duration_us))
        paths.append("duration")
    return paths


def _booking(request: CreateBooking) -> rpc.CreateBookingRequest:
    message = asking.booking(request.slot, request.idempotency_token, lease_id=request.lease_id)
    user = request.user
    message.user_information.CopyFrom(
        pb.UserInformation(
            user_id=user.user_id,
            given_name=user.given_name,
            family_name=user.family_name,
            telephone=user.telephone,
            email=user.email,
        )
    )
    if request.payment is not None:
        message.payment_information.prepayment_status = pay.PREPAYMENT_PROVIDED
        message.payment_information.payment_transaction_id = request.payment.payment_transaction_id
    return message


def _client(user: UserInformation) -> pb0.ClientInformation:
    return pb0.ClientInformation(
        given_name=user.given_name, family_name=user.family_name, telephone=user.telephone, email=user.email
    )


# --- messages in -------------------------------------------------------------------------------------------------


def _refused(answer: rpc.CreateLeaseResponse | rpc.CreateBookingResponse | rpc.UpdateBookingResponse) -> Refused | None:
    """INV-28: a response holds one thing, and a failure has a cause."""
    ((name, _),) = [(descriptor.name, value) for descriptor, value in answer.ListFields()]
    if name != "booking_failure":
        return None
    assert answer.booking_failure.cause != pb.BookingFailure.CAUSE_UNSPECIFIED
    return Refused(pb.BookingFailure.Cause.Name(answer.booking_failure.cause))


def _slot_told(slot: pb.Slot) -> AskedSlot:
    given = slot.resources
    return AskedSlot(
        slot.merchant_id,
        slot.service_id,
        slot.start_time.ToMicroseconds(),
        slot.duration.ToMicroseconds(),
        slot.availability_tag,
        Resources(given.staff_id, given.room_id, given.party_size) if slot.HasField("resources") else None,
    )


def _lease_told(lease: pb.Lease) -> LeaseTold:
    expires_us = lease.lease_expiration_time.ToMicroseconds()
    return LeaseTold(lease.lease_id, _slot_told(lease.slot), lease.user_reference, expires_us)


def _lease_told_v0(lease: pb0.Lease) -> LeaseTold:
    slot = AskedSlot(
        lease.merchant_id,
        lease.service_id,
        lease.start_time.ToMicroseconds(),
        lease.duration.ToMicroseconds(),
        lease.availability_tag,
        Resources(lease.resources.staff_id, lease.resources.room_id) if lease.HasField("resources") else None,
    )
    return LeaseTold(lease.lease_id, slot, lease.client_reference, lease.lease_expiration_time.ToMicroseconds())


def _booking_told(booking: pb.Booking) -> BookingTold:
    told = booking.user_information
    user = UserInformation(told.user_id, told.given_name, told.family_name, told.telephone, told.email)
    payment = _payment_told(booking.payment_information) if booking.HasField("payment_information") else None
    status = pb.BookingStatus.Name(booking.status)
    return BookingTold(booking.booking_id, _slot_told(booking.slot), status, user, payment)


def _booking_told_v0(booking: pb0.Booking) -> BookingTold:
    told = booking.client_information
    user = UserInformation("", told.given_name, told.family_name, told.telephone, told.email)
    payment = _payment_told(booking.payment_information) if booking.HasField("payment_information") else None
    start_us, duration_us = booking.start_time.ToMicroseconds(), booking.duration.ToMicroseconds()
    slot = AskedSlot(booking.merchant_id, booking.service_id, start_us, duration_us)
    return BookingTold(booking.booking_id, slot, STATUSES_V0[booking.status], user, payment)


def _payment_told(payment: pay.PaymentInformation | pay0.PaymentInformation) -> PaymentInformation:
    """These customers pay in one way only."""
    assert payment.payment_transaction_id == PAYMENT.payment_transaction_id
    assert payment.prepayment_status == pay.PREPAYMENT_PROVIDED
    return PAYMENT

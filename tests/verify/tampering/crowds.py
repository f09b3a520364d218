"""What goes wrong only when many ask at once, or when an answer is lost and its caller asks again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from slotlease.wire.proto.v2 import booking_pb2
from tests.verify.tampering.fault import Call, Refused, fault
from tests.verify.tampering.spots import leased_too, made_up

UNAVAILABLE = booking_pb2.BookingFailure.SLOT_UNAVAILABLE
CROWD = 3
"""So many at once are no longer a caller whose answer was lost, and who asks again."""

MEETS_S = 0.03

_lock = threading.Lock()


@contextmanager
def _together(call: Call, what: object) -> Iterator[int]:
    """How many are under way with the same."""
    with _lock:
        call.kept[what] = call.kept.get(what, 0) + 1
        number: int = call.kept[what]
    yield number
    # Long enough for whoever was sent at the same instant to be seen, however busy the machine is.
    time.sleep(MEETS_S)
    with _lock:
        call.kept[what] -= 1


def _single(slot: booking_pb2.Slot) -> bytes | None:
    """What names a slot of one spot: those with staff are such."""
    return slot.SerializeToString(deterministic=True) if slot.resources.staff_id else None


@fault("CreateBooking", fails="race.last-spot.bookings race.lease-against-booking")
def sells_the_last_spot_twice_in_a_race(call: Call) -> Any:
    name = _single(call.request.slot)
    with _together(call, name) as number:
        answer = call.pass_on()
    return made_up(call.request) if name and number > 1 and answer.booking_failure.cause == UNAVAILABLE else answer


@fault("CreateLease", fails="race.last-spot.leases race.lease-against-booking")
def leases_the_last_spot_twice_in_a_race(call: Call) -> Any:
    name = _single(call.request.lease.slot)
    with _together(call, name) as number:
        answer = call.pass_on()
    return leased_too(call.request) if name and number > 1 and answer.booking_failure.cause == UNAVAILABLE else answer


@fault("CreateBooking", fails="race.one-token.bookings")
def looks_a_token_up_before_it_books(call: Call) -> Any:
    token, user = call.request.idempotency_token, call.request.user_information
    with _together(call, token) as number:
        if token and number >= CROWD:
            call.request.idempotency_token, user.user_id = f"{token}-{number}", f"{user.user_id}-{number}"
        return call.pass_on()


@fault("CreateLease", fails="race.one-token.leases")
def looks_a_token_up_before_it_leases(call: Call) -> Any:
    token = call.request.lease.user_reference
    with _together(call, token) as number:
        if token and number >= CROWD:
            call.request.lease.user_reference = f"{token}-{number}"
        return call.pass_on()


@fault("UpdateBooking", fails="race.one-cancellation")
def locks_and_gives_up(call: Call) -> Any:
    """Of many at once all but two get an error of the database's."""
    with _together(call, call.request.booking.booking_id) as number:
        if number >= CROWD:
            raise Refused(grpc.StatusCode.INTERNAL, "internal error, incident 1")
        return call.pass_on()


@fault("CreateBooking", fails="lost.booking race.one-token.bookings")
def knows_a_token_by_its_connection(call: Call) -> Any:
    token, user = call.request.idempotency_token, call.request.user_information
    with _lock:
        first = call.kept.setdefault(token, call.peer)
    if token and first != call.peer:
        call.request.idempotency_token, user.user_id = f"{token}-{call.peer}", f"{user.user_id}-again"
    return call.pass_on()


@fault("CreateLease", fails="lost.lease race.one-token.leases")
def knows_the_token_of_a_lease_by_its_connection(call: Call) -> Any:
    token = call.request.lease.user_reference
    with _lock:
        first = call.kept.setdefault(token, call.peer)
    if token and first != call.peer:
        call.request.lease.user_reference = f"{token}-{call.peer}"
    return call.pass_on()


@fault("UpdateBooking", fails="race.opposite-moves")
def locks_two_slots_in_the_order_of_the_request(call: Call) -> Any:
    """Of two moves at once one is a deadlock's victim."""
    if "status" in call.request.update_mask.paths:
        return call.pass_on()
    with _together(call, "moves") as number:
        if number > 1:
            raise Refused(grpc.StatusCode.INTERNAL, "internal error, incident 1")
        return call.pass_on()


@fault("CreateBooking", "UpdateBooking", "CheckAvailability", fails="race.adds-up")
def counts_a_cancellation_twice_among_others(call: Call) -> Any:
    if call.method == "CheckAvailability":
        answer = call.pass_on()
        answer.count_available += call.kept.get(answer.slot.start_time.seconds, 0)
        return answer
    with _together(call, "changes") as number:
        answer = call.pass_on()
        if call.method == "UpdateBooking" and number > 1:
            call.kept[answer.booking.slot.start_time.seconds] = 1
    return answer


@fault("UpdateBooking", fails="lost.cancel race.one-cancellation")
def knows_a_cancellation_by_its_connection(call: Call) -> Any:
    return _known_by_connection(call, "status" in call.request.update_mask.paths)


@fault("UpdateBooking", fails="lost.move")
def knows_a_move_by_its_connection(call: Call) -> Any:
    return _known_by_connection(call, "status" not in call.request.update_mask.paths)


def _known_by_connection(call: Call, is_meant: bool) -> Any:
    """The same again from elsewhere is an error."""
    with _lock:
        first = call.kept.setdefault(call.request.SerializeToString(deterministic=True), call.peer)
    if is_meant and first != call.peer:
        raise Refused(grpc.StatusCode.FAILED_PRECONDITION, "it was done already")
    return call.pass_on()

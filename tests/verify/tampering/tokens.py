"""Tokens that are not looked up, or looked up wrongly."""

from __future__ import annotations

from typing import Any

from tests.verify.tampering.fault import V2_AND_V3, Call, fault


@fault(
    "CreateLease", fails="lease.token.same lease.token.one-effect", warns="lease.token.other-slot", versions=V2_AND_V3
)
def ignores_the_token_of_a_lease(call: Call) -> Any:
    token = call.request.lease.user_reference
    call.request.lease.user_reference = token and f"{token}-{_times(call, token)}"
    answer = call.pass_on()
    if answer.HasField("lease"):
        answer.lease.user_reference = token
    return answer


@fault(
    "CreateBooking",
    fails="booking.token.same booking.token.one-effect",
    warns="booking.token.other-content",
    versions=V2_AND_V3,
)
def ignores_the_token_of_a_booking(call: Call) -> Any:
    """And lets a user book a slot twice: else that rule would stop it."""
    token = call.request.idempotency_token
    again = _times(call, token)
    if token and again:
        call.request.idempotency_token += f"-{again}"
        if call.request.user_information.user_id:
            call.request.user_information.user_id += f"-{again}"
    return call.pass_on()


def _times(call: Call, token: str) -> int:
    """How often it was sent before."""
    before: int = call.kept.get(token, 0)
    call.kept[token] = before + 1
    return before


@fault("CreateBooking", fails="booking.token.one-effect", warns="booking.token.other-content")
def remembers_the_answer_and_books_again(call: Call) -> Any:
    token, user = call.request.idempotency_token, call.request.user_information
    if token not in call.kept:
        first = call.pass_on()
        if first.HasField("booking"):
            call.kept[token] = first
        return first
    call.request.idempotency_token, user.user_id = f"{token}-again", f"{user.user_id}-again"
    call.pass_on()
    return call.kept[token]


@fault("CreateLease", fails="lease.token.one-effect")
def remembers_the_answer_and_holds_again(call: Call) -> Any:
    token = call.request.lease.user_reference
    first = call.kept.setdefault(token, call.pass_on())
    call.request.lease.user_reference = f"{token}-again"
    if _times(call, call.request.lease.user_reference) and first.HasField("lease"):
        call.pass_on()
    return first


@fault("CreateBooking", fails="booking.token.after-failure", versions=V2_AND_V3)
def remembers_failures(call: Call) -> Any:
    token = call.request.idempotency_token
    if token in call.kept:
        return call.kept[token]
    answer = call.pass_on()
    if answer.HasField("booking_failure"):
        call.kept[token] = answer
    return answer


@fault("CreateBooking", warns="booking.token.other-content")
def answers_another_request_with_what_its_token_made(call: Call) -> Any:
    token = call.request.idempotency_token
    if token not in call.kept:
        answer = call.pass_on()
        if not answer.HasField("booking"):
            return answer
        call.kept[token] = answer
    return call.kept[token]


@fault("CreateLease", warns="lease.token.other-slot")
def answers_another_slot_with_the_lease_that_its_token_made(call: Call) -> Any:
    token = call.request.lease.user_reference
    if token not in call.kept:
        answer = call.pass_on()
        if not answer.HasField("lease"):
            return answer
        call.kept[token] = answer
    return call.kept[token]

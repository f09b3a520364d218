"""Tokens that are not looked up, or looked up wrongly."""

from __future__ import annotations

from typing import Any

from tests.verify.tampering.fault import Call, fault


@fault("CreateLease", fails="lease.token.same lease.token.one-effect", warns="lease.token.other-slot")
def ignores_the_token_of_a_lease(call: Call) -> Any:
    token = call.request.lease.user_reference
    call.request.lease.user_reference = token and f"{token}-{_times(call, token)}"
    answer = call.pass_on()
    if answer.HasField("lease"):
        answer.lease.user_reference = token
    return answer


@fault("CreateBooking", fails="booking.token.same booking.token.one-effect", warns="booking.token.other-content")
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

"""Requests of version 3 as Google would send them."""

from __future__ import annotations

from slotlease.domain.slot import SECOND_US, AskedSlot
from tests.rest.serving import Json


def slot(asked: AskedSlot) -> Json:
    """int64 as strings, as in Google's samples; of the rest only what is set."""
    named = {
        "merchant_id": asked.merchant_id,
        "service_id": asked.service_id,
        "start_sec": str(asked.start_us // SECOND_US),
        "duration_sec": str(asked.duration_us // SECOND_US),
    }
    tag = {"availability_tag": asked.availability_tag} if asked.availability_tag else {}
    return {**named, **tag, **_resources(asked, "resources")}


def slot_time(asked: AskedSlot) -> Json:
    """The same without its merchant, whom the whole lookup names."""
    found = slot(asked)
    del found["merchant_id"]
    found.pop("resources", None)
    return {**found, **_resources(asked, "resource_ids")}


def _resources(asked: AskedSlot, name: str) -> Json:
    if asked.resources is None:
        return {}
    given = {
        "staff_id": asked.resources.staff_id,
        "room_id": asked.resources.room_id,
        "party_size": asked.resources.party_size,
    }
    return {name: {key: value for key, value in given.items() if value}}


def user(user_id: str = "ada") -> Json:
    return {
        "user_id": user_id,
        "given_name": "Ada",
        "family_name": "Lovelace",
        "telephone": "+41 44 000 00 00",
        "email": "ada@example.com",
    }


def lease(asked: AskedSlot, reference: str, *, expires_us: int | None = None) -> Json:
    wished = {} if expires_us is None else {"lease_expiration_time_sec": str(expires_us // SECOND_US)}
    return {"lease": {"slot": slot(asked), "user_reference": reference, **wished}}


def booking(asked: AskedSlot, token: str, *, lease_id: str = "", user_id: str = "ada") -> Json:
    with_lease = {"lease_ref": {"lease_id": lease_id}} if lease_id else {}
    return {"slot": slot(asked), **with_lease, "user_information": user(user_id), "idempotency_token": token}


def cancellation(booking_id: str) -> Json:
    return {"booking": {"booking_id": booking_id, "status": "CANCELED"}}


def move(booking_id: str, start_us: int, duration_us: int) -> Json:
    new = {"start_sec": str(start_us // SECOND_US), "duration_sec": str(duration_us // SECOND_US)}
    return {"booking": {"booking_id": booking_id, "slot": new}}

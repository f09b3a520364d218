"""Requests in each version of the API, made of the generated messages. Only the first of a slot is built; the others
are its bytes with another token in them, so that preparing a hundred thousand takes a second."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from bench.inventory import Inventory
from bench.tape import Method, Request
from slotlease.domain.slot import SECOND_US, AskedSlot
from slotlease.wire.proto.v0 import booking_pb2 as v0
from slotlease.wire.proto.v0 import booking_service_pb2 as v0_rpc
from slotlease.wire.proto.v2 import booking_pb2 as v2
from slotlease.wire.proto.v2 import booking_service_pb2 as v2_rpc

TOKEN_LETTERS = 32
_TOKEN, _USER = "@" * TOKEN_LETTERS, "#" * TOKEN_LETTERS
_V2, _V0 = (f"/ext.maps.booking.partner.{version}.BookingService/" for version in ("v2", "v0"))
ECHO_PATH = "/slotlease.bench.Echo/Echo"


class Kind(IntEnum):
    """What is asked; also the number of its method on the tape."""

    LEASE = 0
    BOOK = 1
    CHECK = 2
    LOOKUP = 3
    ECHO = 4


class Planned(NamedTuple):
    """One request to come. `slot` is a number of the inventory. A booking with `chained` takes the lease before it."""

    kind: Kind
    slot: int
    token: str = ""
    chained: bool = False


METHODS = {
    "v2": (
        Method(_V2 + "CreateLease", id_field=1, failure_field=2),
        Method(_V2 + "CreateBooking", id_field=1, failure_field=3, lease_field=2),
        Method(_V2 + "CheckAvailability", count_field=2),
        Method(_V2 + "BatchAvailabilityLookup", count_field=1),
        Method(ECHO_PATH, id_field=1, failure_field=2),
    ),
    "v0": (
        Method(_V0 + "CreateLease", id_field=1),
        Method(_V0 + "CreateBooking", id_field=1, lease_field=1),
    ),
    "v3": (
        Method("/v3/CreateLease", id_field=1),
        Method("/v3/CreateBooking", id_field=1),
        Method("/v3/CheckAvailability", count_field=1),
        Method("/v3/BatchAvailabilityLookup", count_field=1),
        Method("/echo", id_field=1),
    ),
}

LOOKUP_DAYS, LOOKUP_STAFF = 7, 41
"""In one call: a week of a merchant with so many people, each with a slot a day."""

LOOKED_UP = LOOKUP_DAYS * LOOKUP_STAFF


@dataclass
class Encoder:
    """Requests of one version about one inventory."""

    api: str
    inventory: Inventory
    _templates: dict[tuple[Kind, int], bytes] = field(default_factory=dict)

    def request(self, planned: Planned) -> Request:
        kind, slot, token, chained = planned
        template = self._templates.get((kind, slot))
        if template is None:
            template = self._templates[kind, slot] = _TEMPLATES[self.api, kind](self.inventory, slot)
        body = template
        if token:
            body = template.replace(_TOKEN.encode(), token.encode()).replace(_USER.encode(), token[::-1].encode())
        return Request(kind, body, chained)


def _timestamp(us: int) -> Timestamp:
    return Timestamp(seconds=us // SECOND_US)


def _duration(us: int) -> Duration:
    return Duration(seconds=us // SECOND_US)


def _v2_slot(asked: AskedSlot) -> v2.Slot:
    return v2.Slot(
        merchant_id=asked.merchant_id,
        service_id=asked.service_id,
        start_time=_timestamp(asked.start_us),
        duration=_duration(asked.duration_us),
    )


def _v2_lease(inventory: Inventory, slot: int) -> bytes:
    lease = v2.Lease(slot=_v2_slot(inventory.slot(slot)), user_reference=_TOKEN)
    return v2_rpc.CreateLeaseRequest(lease=lease).SerializeToString()


def _v2_book(inventory: Inventory, slot: int) -> bytes:
    user = v2.UserInformation(
        user_id=_USER,
        given_name="Ada",
        family_name="Lovelace",
        telephone="+41 44 000 00 00",
        email=f"{_USER}@example.com",
    )
    return v2_rpc.CreateBookingRequest(
        slot=_v2_slot(inventory.slot(slot)), user_information=user, idempotency_token=_TOKEN
    ).SerializeToString()


def _v2_check(inventory: Inventory, slot: int) -> bytes:
    return v2_rpc.CheckAvailabilityRequest(slot=_v2_slot(inventory.slot(slot))).SerializeToString()


def _looked_up(inventory: Inventory, slot: int) -> list[AskedSlot]:
    """Slots of one merchant, from `slot` on, all different where it has so many."""
    step = inventory.merchants
    numbers = (slot + one * step for one in range(LOOKED_UP))
    return [inventory.slot(number % (inventory.slots // step * step)) for number in numbers]


def _v2_lookup(inventory: Inventory, slot: int) -> bytes:
    asked = _looked_up(inventory, slot)
    times = [
        v2_rpc.SlotTime(
            service_id=one.service_id,
            start_sec=one.start_us // SECOND_US,
            duration_sec=one.duration_us // SECOND_US,
            resource_ids=None if one.resources is None else v2.Resources(staff_id=one.resources.staff_id),
        )
        for one in asked
    ]
    return v2_rpc.BatchAvailabilityLookupRequest(merchant_id=asked[0].merchant_id, slot_time=times).SerializeToString()


def _v0_lease(inventory: Inventory, slot: int) -> bytes:
    asked = inventory.slot(slot)
    lease = v0.Lease(
        merchant_id=asked.merchant_id,
        service_id=asked.service_id,
        start_time=_timestamp(asked.start_us),
        duration=_duration(asked.duration_us),
        client_reference=_TOKEN,
    )
    return v0_rpc.CreateLeaseRequest(lease=lease).SerializeToString()


def _v0_book(_inventory: Inventory, _slot: int) -> bytes:
    client = v0.ClientInformation(
        given_name="Ada", family_name="Lovelace", telephone="+41 44 000 00 00", email=f"{_USER}@example.com"
    )
    return v0_rpc.CreateBookingRequest(client_information=client).SerializeToString()


def _json(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def _v3_slot(asked: AskedSlot) -> dict[str, Any]:
    resources = {} if asked.resources is None else {"resources": {"staff_id": asked.resources.staff_id}}
    return {
        "merchant_id": asked.merchant_id,
        "service_id": asked.service_id,
        "start_sec": str(asked.start_us // SECOND_US),
        "duration_sec": str(asked.duration_us // SECOND_US),
        **resources,
    }


def _v3_lease(inventory: Inventory, slot: int) -> bytes:
    return _json({"lease": {"slot": _v3_slot(inventory.slot(slot)), "user_reference": _TOKEN}})


def _v3_book(inventory: Inventory, slot: int) -> bytes:
    user = {
        "user_id": _USER,
        "given_name": "Ada",
        "family_name": "Lovelace",
        "telephone": "+41 44 000 00 00",
        "email": f"{_USER}@example.com",
    }
    slot_told = _v3_slot(inventory.slot(slot))
    return _json({"slot": slot_told, "user_information": user, "idempotency_token": _TOKEN})


def _v3_check(inventory: Inventory, slot: int) -> bytes:
    return _json({"slot": _v3_slot(inventory.slot(slot))})


def _v3_lookup(inventory: Inventory, slot: int) -> bytes:
    asked = _looked_up(inventory, slot)
    times = [_v3_slot(one) for one in asked]
    merchant_id = times[0]["merchant_id"]
    for one in times:
        del one["merchant_id"]
        if "resources" in one:
            one["resource_ids"] = one.pop("resources")
    return _json({"merchant_id": merchant_id, "slot_time": times})


_TEMPLATES: dict[tuple[str, Kind], Callable[[Inventory, int], bytes]] = {
    ("v2", Kind.LEASE): _v2_lease,
    ("v2", Kind.BOOK): _v2_book,
    ("v2", Kind.CHECK): _v2_check,
    ("v2", Kind.LOOKUP): _v2_lookup,
    ("v2", Kind.ECHO): _v2_lease,
    ("v0", Kind.LEASE): _v0_lease,
    ("v0", Kind.BOOK): _v0_book,
    ("v3", Kind.LEASE): _v3_lease,
    ("v3", Kind.BOOK): _v3_book,
    ("v3", Kind.CHECK): _v3_check,
    ("v3", Kind.LOOKUP): _v3_lookup,
    ("v3", Kind.ECHO): _v3_lease,
}

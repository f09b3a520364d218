"""What the versions of the API read alike: bytes, slots, addresses, field masks. What is wrong is noted in the Reading.

The messages are each version's own, but Google gave the same thing the same name in both: a slot stands in version 2's
Slot, and loosely in version 0's Lease. Numbers of enums are not alike, and stand in each version's codec.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from slotlease.domain.booking import PostalAddress
from slotlease.domain.failure import InvalidArgument
from slotlease.domain.slot import SECOND_US, AskedSlot, Resources
from slotlease.wire.limits import DURATION_MAX_S, INSTANT_MAX_S, PAYLOAD_BYTES_MAX, REQUIRED, Malformed, Reading
from slotlease.wire.proto.v0 import booking_pb2 as v0
from slotlease.wire.proto.v2 import booking_pb2 as v2
from slotlease.wire.proto.v2 import booking_service_pb2 as v2_service
from slotlease.wire.proto.v3 import booking_pb2 as v3
from slotlease.wire.proto.v3 import booking_service_pb2 as v3_service

MessageT = TypeVar("MessageT", bound=Message)
NumberT = TypeVar("NumberT", bound=int)
NamedT = TypeVar("NamedT")


def parse(kind: type[MessageT], payload: bytes) -> MessageT:
    """Raises Malformed for bytes that are too many or no such message: bad UTF-8 and deep nesting among them."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise Malformed((InvalidArgument("", f"the request is longer than {PAYLOAD_BYTES_MAX:,} bytes"),))
    try:
        return kind.FromString(payload)
    except DecodeError:
        # The library's own words may quote the bytes.
        raise Malformed((InvalidArgument("", f"the request's bytes are no {kind.DESCRIPTOR.name}"),)) from None


def named(reading: Reading, path: str, names: Mapping[NumberT, NamedT], number: NumberT) -> NamedT:
    """What an enum's number stands for. proto3 lets any number through: one that we cannot name is refused."""
    meant = names.get(number)
    if meant is None:
        reading.note(path, "is a number that stands for nothing")
        return next(iter(names.values()))
    return meant


def asked_slot(reading: Reading, at: str, slot: v0.Lease | v2.Slot) -> AskedSlot:
    """`at` is the path of what carries the slot, with a dot at its end."""
    merchant_id = reading.required_text(at, "merchant_id", slot.merchant_id)
    service_id = reading.required_text(at, "service_id", slot.service_id)
    start_us = duration_us = 0
    if slot.HasField("start_time"):
        start_us = reading.instant_us(at + "start_time", slot.start_time, of_slot=True)
    else:
        reading.note(at + "start_time", REQUIRED)
    if slot.HasField("duration"):
        duration_us = reading.duration_us(at + "duration", slot.duration)
    else:
        reading.note(at + "duration", REQUIRED)
    reading.end_in_time(at + "duration", start_us, duration_us)
    tag = reading.text(at, "availability_tag", slot.availability_tag)
    given = resources(reading, at + "resources.", slot.resources) if slot.HasField("resources") else None
    return AskedSlot(merchant_id, service_id, start_us, duration_us, tag, given)


def resources(reading: Reading, at: str, given: v0.Resources | v2.Resources | v3.ResourceIds) -> Resources:
    staff_id = reading.text(at, "staff_id", given.staff_id)
    room_id = reading.text(at, "room_id", given.room_id)
    # Version 0 counts no people.
    party_size = 0 if isinstance(given, v0.Resources) else reading.party_size(at + "party_size", given.party_size)
    return Resources(staff_id, room_id, party_size)


def start_us(reading: Reading, at: str, slot: v2_service.SlotTime | v3_service.SlotTime | v3.Slot) -> int:
    """Where the wire counts in whole seconds. No slot begins in 1970's first, so 0 is "not given"."""
    if not 1 <= slot.start_sec <= INSTANT_MAX_S:
        reading.note(at + "start_sec", REQUIRED if slot.start_sec == 0 else f"must be 1 to {INSTANT_MAX_S:,}")
        return 0
    return slot.start_sec * SECOND_US


def slot_of_batch(
    reading: Reading, number: int, merchant_id: str, slot: v2_service.SlotTime | v3_service.SlotTime
) -> AskedSlot:
    """Google calls the duration optional. Every slot has one, so a slot asked for without it is like any other that
    is not offered: not available (DESIGN 5). It is read as 0, which no slot lasts."""
    at = f"slot_time[{number}]."
    begins_us, duration_us = start_us(reading, at, slot), 0
    if 0 <= slot.duration_sec <= DURATION_MAX_S:
        duration_us = slot.duration_sec * SECOND_US
        reading.end_in_time(at + "duration_sec", begins_us, duration_us)
    else:
        reading.note(at + "duration_sec", f"must be 1 to {DURATION_MAX_S:,} (31 days), or not given")
    return AskedSlot(
        merchant_id,
        reading.required_text(at, "service_id", slot.service_id),
        begins_us,
        duration_us,
        reading.text(at, "availability_tag", slot.availability_tag),
        resources(reading, at + "resource_ids.", slot.resource_ids) if slot.HasField("resource_ids") else None,
    )


def wished_expiry_us(reading: Reading, lease: v0.Lease | v2.Lease) -> int | None:
    """None where no expiry is asked for."""
    if not lease.HasField("lease_expiration_time"):
        return None
    return reading.instant_us("lease.lease_expiration_time", lease.lease_expiration_time, of_slot=False)


def postal_address(reading: Reading, at: str, address: v0.PostalAddress | v2.PostalAddress) -> PostalAddress:
    return PostalAddress(
        country=reading.text(at, "address_country", address.address_country),
        locality=reading.text(at, "address_locality", address.address_locality),
        region=reading.text(at, "address_region", address.address_region),
        post_office_box_number=reading.text(at, "post_office_box_number", address.post_office_box_number),
        postal_code=reading.text(at, "postal_code", address.postal_code),
        street_address=reading.text(at, "street_address", address.street_address),
    )


# --- UpdateBooking ----------------------------------------------------------------------------------------------


def changes(reading: Reading, mask: Sequence[str], given: Mapping[str, bool]) -> frozenset[str]:
    """The paths that an update changes. `given` has every path that can change, and whether the booking gives it.

    With a mask only what it names counts; without one (or with an empty one), what is given does: Google's FAQ shows a
    cancellation that sends nothing but the status.
    """
    if mask:
        return _masked(reading, mask, given)
    paths = frozenset(path for path, is_given in given.items() if is_given)
    if not paths:
        reading.note("booking", f"gives nothing to change; what can: {', '.join(given)}")
    return paths


def _masked(reading: Reading, mask: Sequence[str], given: Mapping[str, bool]) -> frozenset[str]:
    """Each path must be one that can change, named once, and have a value."""
    seen: set[str] = set()
    # One more path than there are to name: if any is wrong, one of these is.
    for number, path in enumerate(mask[: len(given) + 1]):
        where = f"update_mask.paths[{number}]"
        if path not in given:
            reading.note(where, f"names nothing that can be changed; what can: {', '.join(given)}")
        elif path in seen:
            reading.note(where, f"names {path} again")
        elif not given[path]:
            reading.note(f"booking.{path}", "is named by the mask and must be given")
        seen.add(path)
    return frozenset(path for path in seen if given.get(path))


def new_time(
    reading: Reading, at: str, slot: v0.Booking | v2.Slot, *, start: bool, duration: bool
) -> tuple[int | None, int | None]:
    """The start and the duration that an update asks for, in microseconds; None where it asks for none."""
    start_us = reading.instant_us(at + "start_time", slot.start_time, of_slot=True) if start else None
    duration_us = reading.duration_us(at + "duration", slot.duration) if duration else None
    if start_us is not None and duration_us is not None:
        reading.end_in_time(at + "duration", start_us, duration_us)
    return start_us, duration_us

"""Every call of both versions, read from the descriptors, and for each a request that sets every field there is and
that the shop accepts. What a test spoils in one of these is all that is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Final, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from slotlease.domain.slot import AskedSlot
from slotlease.wire import codec_v0, codec_v2
from slotlease.wire.proto.v0 import booking_pb2 as v0
from slotlease.wire.proto.v0 import booking_service_pb2 as rpc_v0
from slotlease.wire.proto.v2 import booking_pb2 as v2
from slotlease.wire.proto.v2 import booking_service_pb2 as rpc_v2
from tests.support import DAY_US, Offered, Shop
from tests.wire import asking, asking_v0

# --- what is called -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Call:
    """`name` is "v0.CreateLease"; `service` and `method` make the path of the call."""

    name: str
    service: str
    method: str
    request: type[Message]
    response: type[Message]


def _calls() -> Iterator[Call]:
    for version, file in (("v0", rpc_v0.DESCRIPTOR), ("v2", rpc_v2.DESCRIPTOR)):
        service = file.services_by_name["BookingService"]
        for method in service.methods:
            request, response = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
            yield Call(f"{version}.{method.name}", service.full_name, method.name, request, response)


CALLS: Final = {call.name: call for call in _calls()}

SECRET: Final = bytes(16)

_DECODERS: Final[dict[str, Callable[[bytes], object]]] = {
    "v0.CreateLease": lambda payload: codec_v0.create_lease(payload, SECRET),
    "v0.CreateBooking": lambda payload: codec_v0.create_booking(payload, SECRET, bytes(32)),
    "v0.UpdateBooking": codec_v0.update_booking,
    "v2.CheckAvailability": codec_v2.check_availability,
    "v2.BatchAvailabilityLookup": codec_v2.batch_availability_lookup,
    "v2.CreateLease": lambda payload: codec_v2.create_lease(payload, SECRET),
    "v2.CreateBooking": lambda payload: codec_v2.create_booking(payload, SECRET),
    "v2.UpdateBooking": codec_v2.update_booking,
    "v2.GetBookingStatus": codec_v2.get_booking_status,
    "v2.ListBookings": codec_v2.list_bookings,
}


def decode(call: str, payload: bytes) -> object:
    """What the desk would be asked. Raises Malformed."""
    return _DECODERS[call](payload)


# --- what a request is made of ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a request. `path` is as a refusal names it: `lease.slot.merchant_id`, `slot_time[0].service_id`."""

    path: str
    field: FieldDescriptor

    @property
    def is_text(self) -> bool:
        return self.field.type == FieldDescriptor.TYPE_STRING

    def is_message(self, full_name: str) -> bool:
        return self.field.message_type is not None and self.field.message_type.full_name == full_name


def parts(call: str) -> Iterator[Part]:
    """Every field of the call's request and of the messages in it. A map and a mask count as one text; seconds and
    nanos are no parts of their own."""
    return _parts(cast("Descriptor", CALLS[call].request.DESCRIPTOR), "")


def _parts(descriptor: Descriptor, at: str) -> Iterator[Part]:
    for field in descriptor.fields:
        kind = field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            yield Part(at + field.name, kind.fields_by_name["value"])
            continue
        if kind is not None and kind.full_name == "google.protobuf.FieldMask":
            yield Part(f"{at}{field.name}.paths[0]", kind.fields_by_name["paths"])
            continue
        path = f"{at}{field.name}[0]" if field.is_repeated else at + field.name
        yield Part(path, field)
        if kind is not None and kind.file.package != "google.protobuf":
            yield from _parts(kind, path + ".")


def _step(value: Any, step: str) -> Any:
    name, _, number = step.partition("[")
    value = getattr(value, name)
    if not number:
        return value
    if len(value) == 0:
        value.add()
    return value[int(number.rstrip("]"))]


def put(message: Message, path: str, value: Any) -> None:
    """Sets one field, and whatever it lies in. Of a repeated one, `value` becomes the only entry."""
    *parents, last = path.split(".")
    owner = reduce(_step, parents, message)
    name = last.partition("[")[0]
    field = getattr(owner, name)
    if hasattr(field, "append"):
        del field[:]
        field.append(value)
    elif isinstance(value, Message):
        field.CopyFrom(value)
    elif isinstance(field, str | int):
        setattr(owner, name, value)
    else:
        field["name"] = value


def take_away(message: Message, path: str) -> None:
    *parents, last = path.split(".")
    reduce(_step, parents, message).ClearField(last.partition("[")[0])


def name_of(path: str) -> str:
    """The name of the field that the path ends in."""
    return re.sub(r"\[\d+\]", "", path).rpartition(".")[2]


# --- requests that use everything ---------------------------------------------------------------------------------

FILLER: Final = "x"
ASKS_TO_CHARGE: Final = "payment_processing_parameters"
"""Any of it, and the request is refused as one that asks this server to charge (docs/decisions): left out."""

_LEFT_OUT = {ASKS_TO_CHARGE, "update_mask", "user_payment_option_id"}

TODAY: Final = {
    "v0": Offered("colour", staff_id="lou", room_id="red", availability_tag="tag", spots_total=500),
    "v2": Offered("cut", staff_id="kim", room_id="blue", party_size=2, availability_tag="tag", spots_total=500),
}
LATER: Final = {version: replace(offered, start_us=offered.start_us + DAY_US) for version, offered in TODAY.items()}
MERCHANT: Final = "m1"


def slot_of(version: str) -> AskedSlot:
    """The slot that the version's whole requests are about."""
    return TODAY[version].asked(MERCHANT, availability_tag="tag")


def fill(message: Message) -> None:
    """Sets what is not set yet: a text to FILLER, a number to 1 (of an enum, the first that is not 0)."""
    for field in message.DESCRIPTOR.fields:
        if field.name in _LEFT_OUT or field.is_repeated:
            continue
        if field.message_type is not None:
            if field.message_type.file.package != "google.protobuf":
                inner = getattr(message, field.name)
                inner.SetInParent()
                fill(inner)
        elif not getattr(message, field.name):
            setattr(message, field.name, FILLER if field.type == FieldDescriptor.TYPE_STRING else 1)


def whole_requests(shop: Shop) -> dict[str, Message]:
    """One for each of CALLS, each of which the shop accepts, any number of times: a repeat is a repeat."""
    shop.offer(*TODAY.values(), *LATER.values(), merchant_id=MERCHANT)
    today = {version: slot_of(version) for version in TODAY}
    lease_id = {version: shop.lease(slot).lease_id for version, slot in today.items()}
    booking_id = {version: shop.book(slot, user_id="mover").booking_id for version, slot in today.items()}
    expires_us = shop.clock.now_us + 300_000_000
    booking_v2 = v2.Booking(booking_id=booking_id["v2"], status=v2.CONFIRMED, slot=asking.slot(today["v2"]))
    booking_v2.slot.start_time.CopyFrom(asking.timestamp(LATER["v2"].start_us))
    booking_v0 = v0.Booking(
        booking_id=booking_id["v0"],
        merchant_id=MERCHANT,
        service_id=TODAY["v0"].service_id,
        start_time=asking.timestamp(LATER["v0"].start_us),
        duration=asking.duration(LATER["v0"].duration_us),
        status=v0.CONFIRMED,
    )
    requests: dict[str, Message] = {
        "v0.CreateLease": asking_v0.lease(today["v0"], "reference-v0", expires_us=expires_us),
        "v0.CreateBooking": asking_v0.booking(lease_id["v0"]),
        "v0.UpdateBooking": asking_v0.update(booking_v0),
        "v2.CheckAvailability": asking.check(today["v2"]),
        "v2.BatchAvailabilityLookup": asking.lookup(MERCHANT, today["v2"]),
        "v2.CreateLease": asking.lease(today["v2"], "reference-v2", expires_us=expires_us),
        "v2.CreateBooking": asking.booking(today["v2"], "token", lease_id=lease_id["v2"]),
        "v2.UpdateBooking": asking.update(booking_v2),
        "v2.GetBookingStatus": rpc_v2.GetBookingStatusRequest(booking_id=booking_id["v2"]),
        "v2.ListBookings": rpc_v2.ListBookingsRequest(user_id="mover"),
    }
    for request in requests.values():
        fill(request)
    return requests

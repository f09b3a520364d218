"""What the versions of the API write alike: instants, durations, addresses, and the bytes of an answer.

Answers are made afresh from domain values: nothing of a request comes back but what the domain kept. Bytes are
deterministic, so that a repeat of a call gets the same ones (INV-11, INV-13).
"""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from slotlease.domain.booking import PostalAddress
from slotlease.domain.slot import SECOND_US
from slotlease.wire.proto.v0 import booking_pb2 as v0
from slotlease.wire.proto.v2 import booking_pb2 as v2

_NANOS_PER_US = 1_000


def answer_bytes(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)


def write_timestamp(message: Timestamp, at_us: int) -> None:
    """Into a field, which is set from then on: also one that says 1970."""
    message.seconds, rest_us = divmod(at_us, SECOND_US)
    if rest_us:
        message.nanos = rest_us * _NANOS_PER_US


def write_duration(message: Duration, lasts_us: int) -> None:
    """Into a field, which is set from then on."""
    message.seconds, rest_us = divmod(lasts_us, SECOND_US)
    if rest_us:
        message.nanos = rest_us * _NANOS_PER_US


def write_address(message: v0.PostalAddress | v2.PostalAddress, address: PostalAddress | None) -> None:
    """Into a field of a user that is not set yet, and stays so where no address was given."""
    if address is None:
        return
    message.SetInParent()
    message.address_country = address.country
    message.address_locality = address.locality
    message.address_region = address.region
    message.post_office_box_number = address.post_office_box_number
    message.postal_code = address.postal_code
    message.street_address = address.street_address

"""Requests as Google would send them, and what is read from an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from slotlease.domain.slot import SECOND_US, AskedSlot
from slotlease.wire.proto.v2 import booking_pb2 as pb
from slotlease.wire.proto.v2 import booking_service_pb2 as rpc


def timestamp(at_us: int) -> Timestamp:
    return Timestamp(seconds=at_us // SECOND_US, nanos=at_us % SECOND_US * 1000)


def duration(lasts_us: int) -> Duration:
    return Duration(seconds=lasts_us // SECOND_US, nanos=lasts_us % SECOND_US * 1000)


def slot(asked: AskedSlot) -> pb.Slot:
    message = pb.Slot(
        merchant_id=asked.merchant_id,
        service_id=asked.service_id,
        start_time=timestamp(asked.start_us),
        duration=duration(asked.duration_us),
        availability_tag=asked.availability_tag,
    )
    if asked.resources is not None:
        given = asked.resources
        message.resources.SetInParent()
        message.resources.MergeFrom(
            pb.Resources(staff_id=given.staff_id, room_id=given.room_id, party_size=given.party_size)
        )
    return message


def user(user_id: str = "ada") -> pb.UserInformation:
    return pb.UserInformation(
        user_id=user_id,
        given_name="Ada",
        family_name="Lovelace",
        telephone="+41 44 000 00 00",
        email="ada@example.com",
    )


def check(asked: AskedSlot) -> rpc.CheckAvailabilityRequest:
    return rpc.CheckAvailabilityRequest(slot=slot(asked))


def lookup(merchant_id: str, *slots: AskedSlot) -> rpc.BatchAvailabilityLookupRequest:
    request = rpc.BatchAvailabilityLookupRequest(merchant_id=merchant_id)
    for asked in slots:
        request.slot_time.append(slot_time(asked))
    return request


def slot_time(asked: AskedSlot) -> rpc.SlotTime:
    message = rpc.SlotTime(
        service_id=asked.service_id,
        start_sec=asked.start_us // SECOND_US,
        duration_sec=asked.duration_us // SECOND_US,
        availability_tag=asked.availability_tag,
    )
    if asked.resources is not None:
        message.resource_ids.CopyFrom(slot(asked).resources)
    return message


def lease(asked: AskedSlot, reference: str, *, expires_us: int | None = None) -> rpc.CreateLeaseRequest:
    message = pb.Lease(slot=slot(asked), user_reference=reference)
    if expires_us is not None:
        message.lease_expiration_time.CopyFrom(timestamp(expires_us))
    return rpc.CreateLeaseRequest(lease=message)


def booking(asked: AskedSlot, token: str, *, lease_id: str = "", user_id: str = "ada") -> rpc.CreateBookingRequest:
    request = rpc.CreateBookingRequest(slot=slot(asked), user_information=user(user_id), idempotency_token=token)
    if lease_id:
        request.lease_ref.lease_id = lease_id
    return request


def cancellation(booking_id: str) -> rpc.UpdateBookingRequest:
    """As Google's FAQ shows it: the status and no mask."""
    return rpc.UpdateBookingRequest(booking=pb.Booking(booking_id=booking_id, status=pb.CANCELED))


def update(booking: pb.Booking, *paths: str) -> rpc.UpdateBookingRequest:
    return rpc.UpdateBookingRequest(booking=booking, update_mask=FieldMask(paths=paths) if paths else None)


def move(booking_id: str, start_us: int) -> rpc.UpdateBookingRequest:
    changed = pb.Booking(booking_id=booking_id)
    changed.slot.start_time.CopyFrom(timestamp(start_us))
    return update(changed, "slot.start_time")


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that ended with a status code, and the details of the kinds that we send."""

    code: grpc.StatusCode
    text: str
    violations: dict[str, str] = field(default_factory=dict)
    info: ErrorInfo = field(default_factory=ErrorInfo)
    retry: RetryInfo | None = None


def ended(call: Callable[[], object]) -> Ended:
    """How the call ended; it must not have ended well."""
    with pytest.raises(grpc.RpcError) as raised:
        call()
    error = cast("grpc.Call", raised.value)
    return read_ending(error.code(), error.details() or "", dict(error.trailing_metadata() or ()))


def read_ending(code: grpc.StatusCode, text: str, trailer: dict[str, str | bytes]) -> Ended:
    packed = trailer.get("grpc-status-details-bin", b"")
    assert isinstance(packed, bytes)
    status = Status.FromString(packed)
    if packed:
        assert (status.code, status.message) == (code.value[0], text)
    bad_request, info, retry = BadRequest(), ErrorInfo(), RetryInfo()
    waits = False
    for detail in status.details:
        waits = detail.Unpack(retry) or waits
        assert waits or detail.Unpack(bad_request) or detail.Unpack(info)
    violations = {violation.field: violation.description for violation in bad_request.field_violations}
    return Ended(code, text, violations, info, retry if waits else None)

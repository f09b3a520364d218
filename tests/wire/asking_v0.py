"""Requests of version 0 as Google would send them."""

from __future__ import annotations

from google.protobuf.field_mask_pb2 import FieldMask

from slotlease.domain.slot import AskedSlot
from slotlease.wire.proto.v0 import booking_pb2 as pb
from slotlease.wire.proto.v0 import booking_service_pb2 as rpc
from tests.wire.asking import duration, timestamp


def client_information(name: str = "Ada") -> pb.ClientInformation:
    """One person for each name: version 0 tells people apart by telephone and e-mail."""
    return pb.ClientInformation(
        given_name=name, family_name="Lovelace", telephone="+41 44 000 00 00", email=f"{name}@example.com"
    )


def lease(asked: AskedSlot, reference: str, *, expires_us: int | None = None) -> rpc.CreateLeaseRequest:
    message = pb.Lease(
        merchant_id=asked.merchant_id,
        service_id=asked.service_id,
        start_time=timestamp(asked.start_us),
        duration=duration(asked.duration_us),
        client_reference=reference,
        availability_tag=asked.availability_tag,
    )
    if asked.resources is not None:
        message.resources.SetInParent()
        message.resources.MergeFrom(pb.Resources(staff_id=asked.resources.staff_id, room_id=asked.resources.room_id))
    if expires_us is not None:
        message.lease_expiration_time.CopyFrom(timestamp(expires_us))
    return rpc.CreateLeaseRequest(lease=message)


def booking(lease_id: str, name: str = "Ada") -> rpc.CreateBookingRequest:
    return rpc.CreateBookingRequest(
        lease_ref=pb.LeaseReference(lease_id=lease_id), client_information=client_information(name)
    )


def update(booking: pb.Booking, *paths: str) -> rpc.UpdateBookingRequest:
    return rpc.UpdateBookingRequest(booking=booking, update_mask=FieldMask(paths=paths) if paths else None)


def cancellation(booking_id: str) -> rpc.UpdateBookingRequest:
    return update(pb.Booking(booking_id=booking_id, status=pb.CANCELED), "status")


def move(booking_id: str, start_us: int) -> rpc.UpdateBookingRequest:
    return update(pb.Booking(booking_id=booking_id, start_time=timestamp(start_us)), "start_time")

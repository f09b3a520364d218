"""The one table of outcomes, complete and as DESIGN section 5 has it."""

from __future__ import annotations

import grpc

from slotlease.domain.failure import Cause
from slotlease.wire.outcome import CAUSES
from slotlease.wire.proto.v2.booking_pb2 import BookingFailure


def test_every_cause_is_spelt_in_every_version() -> None:
    assert set(CAUSES) == set(Cause)


def test_version_2_spells_each_cause_by_its_own_name() -> None:
    assert {cause.name: spelling.v2 for cause, spelling in CAUSES.items()} == {
        cause.name: BookingFailure.Cause.Value(cause.name) for cause in Cause
    }


def test_version_0_spells_each_cause_as_a_status() -> None:
    assert {cause: spelling.v0 for cause, spelling in CAUSES.items()} == {
        Cause.SLOT_UNAVAILABLE: grpc.StatusCode.RESOURCE_EXHAUSTED,
        Cause.SLOT_ALREADY_BOOKED_BY_USER: grpc.StatusCode.ALREADY_EXISTS,
        Cause.LEASE_EXPIRED: grpc.StatusCode.NOT_FOUND,
        Cause.OUTSIDE_CANCELLATION_WINDOW: grpc.StatusCode.INVALID_ARGUMENT,
        Cause.BOOKING_ALREADY_CANCELLED: grpc.StatusCode.INVALID_ARGUMENT,
        Cause.PAYMENT_ERROR: grpc.StatusCode.FAILED_PRECONDITION,
        # Of version 3 only: version 0 cannot ask for an offer.
        Cause.OFFER_UNAVAILABLE: grpc.StatusCode.FAILED_PRECONDITION,
    }

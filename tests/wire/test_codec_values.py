"""Instants, durations, numbers, and what a booking carries: decoding alone, without a server."""

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from slotlease.desk.check_availability import Availability
from slotlease.domain.booking import PaymentInformation, PaymentProcessedBy, PostalAddress, Price
from slotlease.domain.failure import Reason
from slotlease.domain.slot import SECOND_US, AskedSlot, Resources
from slotlease.wire import codec_v2 as codec
from slotlease.wire import encode_v2
from slotlease.wire.proto.v2 import booking_pb2 as pb
from slotlease.wire.proto.v2 import booking_service_pb2 as rpc
from tests.support import DAY_US, HOUR_US, NOON_US
from tests.wire import asking
from tests.wire.decoding import (
    ASKED,
    SECRET,
    full_booking,
    mistakes,
    set_field,
)

# --- instants and durations -------------------------------------------------------------------------------------


def told(slot: AskedSlot) -> pb.Slot:
    """As an answer has it."""
    return rpc.CheckAvailabilityResponse.FromString(encode_v2.availability(Availability(slot, 1))).slot


YEAR_1_S = -62_135_596_800
YEAR_9999_END_S = 253_402_300_799


@pytest.mark.parametrize(
    ("seconds", "nanos", "at_us"),
    [
        (YEAR_1_S, 0, YEAR_1_S * SECOND_US),
        (0, 0, 0),
        (-1, 999_999_000, -1),
        (YEAR_9999_END_S - 3600, 999_999_000, (YEAR_9999_END_S - 3600) * SECOND_US + 999_999),
    ],
)
def test_a_slot_may_start_at_any_instant_that_a_timestamp_can_say(seconds: int, nanos: int, at_us: int) -> None:
    request = asking.check(ASKED)
    request.slot.start_time.CopyFrom(Timestamp(seconds=seconds, nanos=nanos))
    operation = codec.check_availability(request.SerializeToString())
    assert operation.slot.start_us == at_us
    echoed = told(operation.slot)
    assert echoed.HasField("start_time"), "also where it is 1970's first instant"
    assert echoed.start_time == Timestamp(seconds=seconds, nanos=nanos)


@pytest.mark.parametrize(
    ("seconds", "nanos"),
    [(YEAR_1_S - 1, 0), (YEAR_9999_END_S + 1, 0), (2**62, 0), (-(2**62), 0), (0, -1_000), (0, 1_000_000_000)],
)
def test_a_timestamp_out_of_range_is_malformed(seconds: int, nanos: int) -> None:
    wrong = Timestamp(seconds=seconds, nanos=nanos)
    for request, path in (
        (asking.check(ASKED), "slot.start_time"),
        (asking.lease(ASKED, "r"), "lease.slot.start_time"),
    ):
        set_field(request, path, wrong)
        assert mistakes(request)[path][1] is Reason.FIELD_INVALID
    wish = asking.lease(ASKED, "r")
    wish.lease.lease_expiration_time.CopyFrom(wrong)
    assert set(mistakes(wish)) == {"lease.lease_expiration_time"}


@pytest.mark.parametrize(
    ("seconds", "nanos", "lasts_us"), [(0, 1_000, 1), (1, 500_000_000, 1_500_000), (31 * 86_400, 0, 31 * DAY_US)]
)
def test_a_slot_may_last_up_to_31_days(seconds: int, nanos: int, lasts_us: int) -> None:
    request = asking.check(ASKED)
    request.slot.duration.CopyFrom(Duration(seconds=seconds, nanos=nanos))
    asked = codec.check_availability(request.SerializeToString()).slot
    assert asked.duration_us == lasts_us
    assert told(asked).duration == Duration(seconds=seconds, nanos=nanos)


@pytest.mark.parametrize(
    ("seconds", "nanos", "words"),
    [
        (0, 0, "more than nothing"),
        (-1, 0, "more than nothing"),
        (0, -1_000, "more than nothing"),
        (-1, 1_000_000_000, "no valid Duration"),
        (-1, 1_000, "no valid Duration"),
        (1, -1_000, "no valid Duration"),
        (315_576_000_001, 0, "no valid Duration"),
        (-315_576_000_001, 0, "no valid Duration"),
        (2**62, 0, "no valid Duration"),
        (31 * 86_400, 1_000, "31 days"),
        (31 * 86_400 + 1, 0, "31 days"),
    ],
)
def test_a_duration_that_no_slot_can_have_is_malformed(seconds: int, nanos: int, words: str) -> None:
    request = asking.check(ASKED)
    request.slot.duration.CopyFrom(Duration(seconds=seconds, nanos=nanos))
    ((path, (description, reason)),) = mistakes(request).items()
    assert (path, reason) == ("slot.duration", Reason.FIELD_INVALID)
    assert words in description


@pytest.mark.parametrize("path", ["slot.start_time", "slot.duration"])
def test_a_slot_finer_than_a_microsecond_is_one_that_nobody_offers(path: str) -> None:
    request = asking.check(ASKED)
    set_field(request, f"{path}.nanos", 1)
    ((field, (_, reason)),) = mistakes(request).items()
    assert (field, reason) == (path, Reason.SLOT_UNKNOWN)


def test_a_wished_expiry_finer_than_a_microsecond_is_still_a_wish() -> None:
    request = asking.lease(ASKED, "r")
    request.lease.lease_expiration_time.CopyFrom(Timestamp(seconds=5, nanos=1_999))
    assert codec.create_lease(request.SerializeToString(), SECRET).asked_expiry_us == 5 * SECOND_US + 1


def test_no_wished_expiry_is_told_from_a_wish_for_1970() -> None:
    request = asking.lease(ASKED, "r")
    assert codec.create_lease(request.SerializeToString(), SECRET).asked_expiry_us is None
    request.lease.lease_expiration_time.SetInParent()
    assert codec.create_lease(request.SerializeToString(), SECRET).asked_expiry_us == 0


def test_a_slot_must_end_before_the_years_do() -> None:
    request = asking.check(ASKED)
    request.slot.start_time.CopyFrom(Timestamp(seconds=YEAR_9999_END_S - 3600, nanos=999_999_000))
    request.slot.duration.CopyFrom(Duration(seconds=3600))
    codec.check_availability(request.SerializeToString())
    request.slot.duration.nanos = 1_000
    assert set(mistakes(request)) == {"slot.duration"}


@pytest.mark.parametrize("start_sec", [-1, YEAR_9999_END_S + 1, 2**63 - 1])
def test_a_lookup_refuses_a_start_that_is_no_instant(start_sec: int) -> None:
    request = rpc.BatchAvailabilityLookupRequest(
        merchant_id="m1", slot_time=[rpc.SlotTime(service_id="cut", start_sec=start_sec, duration_sec=60)]
    )
    assert set(mistakes(request)) == {"slot_time[0].start_sec"}


@pytest.mark.parametrize("duration_sec", [-1, 31 * 86_400 + 1, 2**63 - 1])
def test_a_lookup_refuses_a_duration_that_no_slot_can_have(duration_sec: int) -> None:
    request = rpc.BatchAvailabilityLookupRequest(
        merchant_id="m1", slot_time=[rpc.SlotTime(service_id="cut", start_sec=60, duration_sec=duration_sec)]
    )
    assert set(mistakes(request)) == {"slot_time[0].duration_sec"}


def test_a_lookup_may_have_a_thousand_entries_and_no_more() -> None:
    request = asking.lookup("m1", *[ASKED] * 1_000)
    assert len(codec.batch_availability_lookup(request.SerializeToString()).slots) == 1_000
    request.slot_time.append(asking.slot_time(ASKED))
    assert mistakes(request) == {"slot_time": ("has more than 1,000 entries", Reason.FIELD_INVALID)}


# --- numbers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("party_size", [0, 1, 1_000])
def test_a_party_may_be_up_to_a_thousand_or_not_given(party_size: int) -> None:
    request = asking.check(ASKED)
    request.slot.resources.party_size = party_size
    resources = codec.check_availability(request.SerializeToString()).slot.resources
    assert resources == Resources("s", "r", party_size)


@pytest.mark.parametrize("party_size", [-1, 1_001, 2**31 - 1, -(2**31)])
def test_a_party_of_any_other_size_is_malformed(party_size: int) -> None:
    request = asking.check(ASKED)
    request.slot.resources.party_size = party_size
    assert set(mistakes(request)) == {"slot.resources.party_size"}


@pytest.mark.parametrize(
    "path", ["prepayment_status", "payment_processed_by", "deposit.deposit_type", "no_show_fee.fee_type"]
)
def test_an_enum_number_that_stands_for_nothing_is_malformed(path: str) -> None:
    request = full_booking()
    set_field(request.payment_information, path, 99)
    assert set(mistakes(request)) == {f"payment_information.{path}"}


# --- what a booking carries -------------------------------------------------------------------------------------


def test_a_booking_request_is_read_whole() -> None:
    operation = codec.create_booking(full_booking().SerializeToString(), SECRET)
    price = Price(25_000_000, "CHF", "adult")
    assert (operation.slot, operation.lease_id, operation.user_key) == (ASKED, "l1-1-00", "id:ada")
    assert (operation.idempotency_token, operation.secret) == ("token", SECRET)
    assert operation.additional_request == "Two lines,\n\tplease"
    assert operation.user.address == PostalAddress("CH", "Zürich", street_address="Seegasse 1")
    assert operation.user.language_code == "de-CH"
    payment = operation.payment
    assert payment is not None
    assert (payment.price, payment.tax_amount, payment.user_payment_option_id) == (price, price, "pack")
    assert payment.payment_processed_by is PaymentProcessedBy.GOOGLE
    assert not operation.asks_to_charge


def test_payment_parameters_ask_to_charge_even_when_they_are_empty() -> None:
    request = asking.booking(ASKED, "token")
    request.payment_processing_parameters.SetInParent()
    assert codec.create_booking(request.SerializeToString(), SECRET).asks_to_charge


def test_empty_payment_information_is_told_from_none() -> None:
    request = asking.booking(ASKED, "token")
    assert codec.create_booking(request.SerializeToString(), SECRET).payment is None
    request.payment_information.SetInParent()
    assert codec.create_booking(request.SerializeToString(), SECRET).payment == PaymentInformation()


def test_empty_resources_are_told_from_none() -> None:
    plain = AskedSlot("m1", "cut", NOON_US, HOUR_US)
    request = asking.check(plain)
    assert codec.check_availability(request.SerializeToString()).slot == plain
    request.slot.resources.SetInParent()
    assert codec.check_availability(request.SerializeToString()).slot.resources == Resources()

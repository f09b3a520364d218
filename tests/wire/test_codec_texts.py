"""What must be given, what a text may hold, and which bytes are no request: decoding alone, without a server."""

from __future__ import annotations

import pytest

from slotlease.domain.failure import Reason
from slotlease.wire import codec_v2 as codec
from slotlease.wire import encode_v2 as encode
from slotlease.wire.limits import LENGTH_MAX, Malformed
from slotlease.wire.proto.v2 import booking_pb2 as pb
from slotlease.wire.proto.v2 import booking_service_pb2 as rpc
from tests.wire import asking
from tests.wire.decoding import (
    ASKED,
    DECODE,
    REQUESTS,
    SECRET,
    cases,
    clear_field,
    full_booking,
    mistakes,
    set_field,
)

# --- what is missing --------------------------------------------------------------------------------------------

REQUIRED = cases(
    {
        "check": "slot slot.merchant_id slot.service_id slot.start_time slot.duration",
        "lookup": "merchant_id",
        "lease": "lease lease.user_reference lease.slot lease.slot.merchant_id lease.slot.service_id "
        "lease.slot.start_time lease.slot.duration",
        "booking": "slot slot.merchant_id slot.service_id slot.start_time slot.duration user_information "
        "user_information.user_id user_information.given_name user_information.family_name user_information.telephone "
        "user_information.email lease_ref.lease_id idempotency_token",
        "update": "booking booking.booking_id",
        "status": "booking_id",
        "list": "user_id",
    }
)


@pytest.mark.parametrize(("kind", "path"), REQUIRED)
def test_each_required_field_is_named_when_it_is_missing(kind: str, path: str) -> None:
    message = REQUESTS[kind]()
    clear_field(message, path)
    assert mistakes(message) == {path: ("is required", Reason.FIELD_INVALID)}


def test_all_mistakes_of_a_request_are_told_at_once() -> None:
    assert set(mistakes(rpc.CreateBookingRequest(slot=pb.Slot()))) == {
        "slot.merchant_id",
        "slot.service_id",
        "slot.start_time",
        "slot.duration",
        "user_information",
        "idempotency_token",
    }


def test_each_entry_of_a_lookup_needs_a_service_and_a_start() -> None:
    request = rpc.BatchAvailabilityLookupRequest(merchant_id="m1", slot_time=[asking.slot_time(ASKED), rpc.SlotTime()])
    assert set(mistakes(request)) == {"slot_time[1].service_id", "slot_time[1].start_sec"}


# --- texts ------------------------------------------------------------------------------------------------------

TEXTS = cases(
    {
        "check": "slot.merchant_id slot.service_id slot.availability_tag slot.resources.staff_id "
        "slot.resources.room_id",
        "lookup": "merchant_id",
        "lease": "lease.user_reference lease.slot.merchant_id",
        "booking": "user_information.user_id user_information.given_name user_information.family_name "
        "user_information.telephone user_information.email user_information.language_code "
        "user_information.address.address_country user_information.address.address_locality "
        "user_information.address.address_region user_information.address.post_office_box_number "
        "user_information.address.postal_code user_information.address.street_address "
        "payment_information.payment_transaction_id payment_information.user_payment_option_id "
        "payment_information.payment_option_id payment_information.price.currency_code "
        "payment_information.price.pricing_option_tag lease_ref.lease_id idempotency_token additional_request",
        "update": "booking.booking_id booking.slot.merchant_id booking.slot.service_id "
        "booking.slot.resources.staff_id booking.slot.resources.room_id",
        "status": "booking_id",
        "list": "user_id",
    }
)


def name_of(path: str) -> str:
    return path.rpartition(".")[2]


@pytest.mark.parametrize(("kind", "path"), TEXTS)
def test_each_text_may_be_as_long_as_its_limit_and_no_longer(kind: str, path: str) -> None:
    length_max = LENGTH_MAX[name_of(path)]
    message = REQUESTS[kind]()
    set_field(message, path, "é" * length_max)
    DECODE[type(message)](message.SerializeToString())
    set_field(message, path, "é" * (length_max + 1))
    assert mistakes(message) == {path: (f"is longer than {length_max} characters", Reason.FIELD_INVALID)}


@pytest.mark.parametrize(("kind", "path"), TEXTS)
def test_no_text_may_hold_a_control_character(kind: str, path: str) -> None:
    allowed = "\n\r\t" if name_of(path) == "additional_request" else ""
    message = REQUESTS[kind]()
    for number in (*range(0x20), 0x7F):
        set_field(message, path, "a" + chr(number))
        if chr(number) in allowed:
            DECODE[type(message)](message.SerializeToString())
        else:
            assert mistakes(message) == {path: ("has a control character", Reason.FIELD_INVALID)}


@pytest.mark.parametrize(
    "name", ["'; DROP TABLE lease; --", "=cmd()", "{{7*7}}", "مرحبا", "\u202eevil", "👩‍👩‍👧", "e\u0301"]
)
def test_any_other_text_comes_through_as_it_is(name: str) -> None:
    request = full_booking()
    request.user_information.given_name = name
    assert codec.create_booking(request.SerializeToString(), SECRET).user.given_name == name


def test_the_lease_id_of_a_request_for_a_lease_is_passed_over_whatever_it_says() -> None:
    request = asking.lease(ASKED, "ref")
    request.lease.lease_id = "\0" * 300
    assert codec.create_lease(request.SerializeToString(), SECRET) == codec.create_lease(
        asking.lease(ASKED, "ref").SerializeToString(), SECRET
    )


# --- bytes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff\xff\xff",
        b"\x00\x01",
        b"\x0a\x05ab",
        b"\x0a\x04\x0a\x02\xc3\x28",
        b"\x0a\x05\x0a\x03\xed\xa0\x80",
    ],
    ids=["random", "field 0", "truncated", "bad UTF-8", "surrogate"],
)
def test_bytes_that_are_no_such_message_are_malformed(payload: bytes) -> None:
    with pytest.raises(Malformed) as raised:
        codec.check_availability(payload)
    (mistake,) = raised.value.mistakes
    assert (mistake.field, mistake.description) == ("", "the request's bytes are no CheckAvailabilityRequest")


def test_nesting_deeper_than_the_parser_goes_is_malformed() -> None:
    payload = b""
    for _ in range(200):
        # Field 15 is unknown, and read as a group within a group.
        payload = b"\x7b" + payload + b"\x7c"
    with pytest.raises(Malformed):
        codec.check_availability(payload)


def test_a_request_may_be_256_kib_long_and_no_longer() -> None:
    unknown = b"\xfa\x3f"  # field 1023, with a length
    payload = asking.check(ASKED).SerializeToString()
    filler = 256 * 1024 - len(payload) - len(unknown) - 3
    longest = payload + unknown + bytes([filler & 0x7F | 0x80, filler >> 7 & 0x7F | 0x80, filler >> 14]) + bytes(filler)
    assert len(longest) == 256 * 1024
    assert codec.check_availability(longest).slot == ASKED
    with pytest.raises(Malformed, match="1 mistakes"):
        codec.check_availability(longest + b"\x00")


def test_unknown_fields_are_accepted_and_not_echoed() -> None:
    unknown = b"\xc2\x3e\x03abc"  # field 1000, three bytes
    payload = asking.lookup("m1", ASKED).SerializeToString() + unknown
    operation = codec.batch_availability_lookup(payload)
    answer = encode.batch_availability(operation, [True])
    assert b"abc" not in answer
    (entry,) = rpc.BatchAvailabilityLookupResponse.FromString(answer).slot_time_availability
    assert entry.slot_time == asking.slot_time(ASKED)

"""The input matrix (reliability 7.1) as far as it is about fields: one case for each field of each request that can be
wrong in itself, made from the descriptors. What the code passes over stands in a list here, so a field that is neither
checked nor listed fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from slotlease.wire.limits import FREE_TEXT, LENGTH_MAX
from tests.wire.whole_requests import ASKS_TO_CHARGE, CALLS, Part, name_of, parts, put, take_away


@dataclass(frozen=True, slots=True)
class Case:
    """`spoil` gets a whole request and returns the bytes to send. INVALID_ARGUMENT must come back, with this reason,
    and with violations of exactly these fields."""

    name: str
    call: str
    spoil: Callable[[Message], bytes]
    fields: tuple[str, ...]
    reason: str = "FIELD_INVALID"


PASSED_OVER: Final = {
    # Lease ids are made by the server; Google's page: what a request says is disregarded.
    "v0.CreateLease": ("lease.lease_id",),
    "v2.CreateLease": ("lease.lease_id",),
    # Known from version 3 only, and nothing here acts on them.
    "v2.CreateBooking": tuple(
        f"payment_information.{name}"
        for name in ("fees_and_taxes", "fraud_signals", "pa_response", "md_merchant_data", "fees")
    ),
    # An update changes a time or a status; a caller may send the whole booking along.
    "v0.UpdateBooking": ("booking.client_information", "booking.payment_information", "booking.virtual_session_info"),
    "v2.UpdateBooking": (
        "booking.slot.availability_tag",
        "booking.user_information",
        "booking.payment_information",
        "booking.virtual_session_info",
    ),
}

REQUIRED: Final = {
    "v0.CreateLease": "lease lease.merchant_id lease.service_id lease.start_time lease.duration lease.client_reference",
    "v0.CreateBooking": "lease_ref lease_ref.lease_id client_information client_information.telephone",
    "v0.UpdateBooking": "booking booking.booking_id",
    "v2.CheckAvailability": "slot slot.merchant_id slot.service_id slot.start_time slot.duration",
    "v2.BatchAvailabilityLookup": "merchant_id slot_time[0].start_sec slot_time[0].service_id",
    "v2.CreateLease": "lease lease.slot lease.slot.merchant_id lease.slot.service_id lease.slot.start_time "
    "lease.slot.duration lease.user_reference",
    "v2.CreateBooking": "slot slot.merchant_id slot.service_id slot.start_time slot.duration lease_ref.lease_id "
    "user_information user_information.user_id user_information.given_name user_information.family_name "
    "user_information.telephone user_information.email idempotency_token",
    "v2.UpdateBooking": "booking booking.booking_id",
    "v2.GetBookingStatus": "booking_id",
    "v2.ListBookings": "user_id",
}

CHANGEABLE: Final = {
    "v0.UpdateBooking": ("status", "start_time", "duration"),
    "v2.UpdateBooking": ("status", "slot.start_time", "slot.duration", "slot.resources.party_size"),
}

YEAR_1_S, YEAR_9999_END_S, DURATION_VALID_MAX_S = -62_135_596_800, 253_402_300_799, 315_576_000_000

BAD_TIMESTAMPS: Final = {
    "far too late": Timestamp(seconds=2**62),
    "far too early": Timestamp(seconds=-(2**62)),
    "the largest number": Timestamp(seconds=2**63 - 1),
    "before the year 1": Timestamp(seconds=YEAR_1_S - 1),
    "after the year 9999": Timestamp(seconds=YEAR_9999_END_S + 1),
    "nanos -1": Timestamp(nanos=-1),
    "nanos 1e9": Timestamp(nanos=1_000_000_000),
    "the largest nanos": Timestamp(nanos=2**31 - 1),
}

BAD_DURATIONS: Final = {
    "nothing": Duration(),
    "negative": Duration(seconds=-1),
    "negative nanos": Duration(nanos=-1_000),
    "mixed signs": Duration(seconds=1, nanos=-1_000),
    "mixed signs the other way": Duration(seconds=-1, nanos=1_000),
    "nanos 1e9": Duration(seconds=1, nanos=1_000_000_000),
    "more than 31 days": Duration(seconds=31 * 86_400, nanos=1_000),
    "more than ten thousand years": Duration(seconds=DURATION_VALID_MAX_S + 1),
    "the largest number": Duration(seconds=2**63 - 1),
}

BAD_NUMBERS: Final = {
    "party_size": (-1, 1_001, 2**31 - 1, -(2**31)),
    "start_sec": (-1, YEAR_9999_END_S + 1, 2**63 - 1, -(2**63)),
    "duration_sec": (-1, 31 * 86_400 + 1, 2**63 - 1, -(2**63)),
}
"""Numbers that are no amounts of money, which may be anything."""

ANY_NUMBER: Final = {"price_micros", "min_advance_cancellation_sec"}


def is_passed_over(call: str, path: str) -> bool:
    return path.startswith(PASSED_OVER.get(call, ()))


def checked_parts(call: str) -> Iterator[Part]:
    """The parts of the call's request that somebody looks at."""
    for part in parts(call):
        if not is_passed_over(call, part.path) and not part.path.startswith(ASKS_TO_CHARGE):
            yield part


def with_value(path: str, value: Any) -> Callable[[Message], bytes]:
    def spoil(request: Message) -> bytes:
        put(request, path, value)
        return request.SerializeToString()

    return spoil


def without(path: str) -> Callable[[Message], bytes]:
    def spoil(request: Message) -> bytes:
        take_away(request, path)
        return request.SerializeToString()

    return spoil


def with_bytes(path: str, text: bytes) -> Callable[[Message], bytes]:
    """Puts bytes into a text that are none."""
    stand_in = "~" * len(text)

    def spoil(request: Message) -> bytes:
        put(request, path, stand_in)
        payload = request.SerializeToString()
        assert payload.count(stand_in.encode()) == 1, "the stand-in must be the only one"
        return payload.replace(stand_in.encode(), text)

    return spoil


# --- the cases, by the matrix's numbers ---------------------------------------------------------------------------


def _is_text(part: Part) -> bool:
    return part.is_text


def bad_utf8() -> Iterator[Case]:
    """I-2, in every text of every request: also in those that nobody looks at."""
    for call in CALLS:
        for part in filter(_is_text, parts(call)):
            for name, text in (("bad UTF-8", b"ab\xc3\x28cd"), ("lone surrogate", b"ab\xed\xa0\x80d")):
                yield Case(f"I-2 {name} in {part.path}", call, with_bytes(part.path, text), ("",))


def control_characters() -> Iterator[Case]:
    """I-3, in every text that is looked at."""
    for call in CALLS:
        for part in filter(_is_text, checked_parts(call)):
            is_free = name_of(part.path) in FREE_TEXT
            for character in ("\0", "\x1b", "\x7f", "\x85") if is_free else ("\0", "\n", "\x1b", "\x7f", "\x85"):
                spoil = with_value(part.path, f"a{character}b")
                yield Case(f"I-3 {character!r} in {part.path}", call, spoil, (part.path,))


def missing() -> Iterator[Case]:
    """I-6."""
    for call, paths in REQUIRED.items():
        for path in paths.split():
            yield Case(f"I-6 without {path}", call, without(path), (path,))


def instants_and_durations() -> Iterator[Case]:
    """I-7 and I-8."""
    for call in CALLS:
        for part in checked_parts(call):
            for name, value in _bad_values(part):
                yield Case(f"I-7 {part.path}: {name}", call, with_value(part.path, value), (part.path,))
            if part.is_message("google.protobuf.Timestamp") and name_of(part.path) == "start_time":
                yield from _end_of_time(call, part.path)


def _bad_values(part: Part) -> Iterator[tuple[str, Message]]:
    if part.is_message("google.protobuf.Timestamp"):
        yield from BAD_TIMESTAMPS.items()
    if part.is_message("google.protobuf.Duration"):
        yield from BAD_DURATIONS.items()


def _end_of_time(call: str, path: str) -> Iterator[Case]:
    lasts = path.replace("start_time", "duration")

    def spoil(request: Message) -> bytes:
        put(request, path, Timestamp(seconds=YEAR_9999_END_S, nanos=999_999_000))
        put(request, lasts, Duration(nanos=1_000))
        return request.SerializeToString()

    yield Case(f"I-8 {lasts} ends after the year 9999", call, spoil, (lasts,))
    yield Case(
        f"I-8 {path} finer than a microsecond",
        call,
        with_value(path, Timestamp(seconds=1, nanos=1)),
        (path,),
        "SLOT_UNKNOWN",
    )


def numbers() -> Iterator[Case]:
    """I-12: numbers of enums that stand for nothing, and numbers out of range."""
    for call in CALLS:
        for part in checked_parts(call):
            wrong: tuple[int, ...] = ()
            if part.field.enum_type is not None:
                known = set(part.field.enum_type.values_by_number)
                wrong = tuple({-1, 3, 7, 99, 2**31 - 1, -(2**31)} - known)
            elif part.field.cpp_type in {FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64}:
                assert (part.field.name in BAD_NUMBERS) != (part.field.name in ANY_NUMBER), part.path
                wrong = BAD_NUMBERS.get(part.field.name, ())
            for number in wrong:
                yield Case(f"I-12 {part.path} = {number}", call, with_value(part.path, number), (part.path,))


def long_texts() -> Iterator[Case]:
    """I-13 and I-15: one character over the limit, and very many."""
    for call in CALLS:
        for part in filter(_is_text, checked_parts(call)):
            limit = LENGTH_MAX.get(name_of(part.path))
            for length in () if limit is None else (limit + 1, 100_000):
                spoil = with_value(part.path, "é" * length)
                yield Case(f"I-13 {length} characters in {part.path}", call, spoil, (part.path,))


def masks() -> Iterator[Case]:
    """I-16."""
    other = {"v0.UpdateBooking": "v2.UpdateBooking", "v2.UpdateBooking": "v0.UpdateBooking"}
    for call, changeable in CHANGEABLE.items():
        elsewhere = [path for path in CHANGEABLE[other[call]] if path not in changeable]
        immutable = [
            "booking_id",
            "merchant_id",
            "slot",
            "user_information",
            "client_information.email",
            "virtual_session_info",
        ]
        for path in ("*", "", "nonsense", "Status", "startTime", "status.", "\0", *immutable, *elsewhere):
            yield Case(f"I-16 mask {path!r}", call, _masked("status", path), ("update_mask.paths[1]",))
        yield Case("I-16 mask names a path twice", call, _masked("status", "status"), ("update_mask.paths[1]",))
        for path in changeable:
            yield Case(f"I-16 mask {path!r} not given", call, _masked(path, bare=True), (f"booking.{path}",))
        first = tuple(f"update_mask.paths[{number}]" for number in range(1, len(changeable) + 1))
        yield Case("I-16 mask with 10,000 paths", call, _masked(*["status"] * 10_000), first)
        yield Case("I-16 nothing to change", call, _masked(bare=True), ("booking",))


def _masked(*paths: str, bare: bool = False) -> Callable[[Message], bytes]:
    def spoil(request: Any) -> bytes:
        request.update_mask.paths.extend(paths)
        if bare:
            booking_id = request.booking.booking_id
            request.booking.Clear()
            request.booking.booking_id = booking_id
        payload: bytes = request.SerializeToString()
        return payload

    return spoil


def cases() -> Iterator[Case]:
    for kind in (bad_utf8, control_characters, missing, instants_and_durations, numbers, long_texts, masks):
        yield from kind()

"""What a request may say: the one table of limits, and the checks that hold a request to it.

Every mistake in a message is noted before it is refused, so that the caller's engineer sees them all at once.
Nothing of what a request says is repeated in a description, since it may be a customer's.
"""

from __future__ import annotations

import re
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from slotlease.domain.failure import InvalidArgument, Reason
from slotlease.domain.slot import SECOND_US

PAYLOAD_BYTES_MAX: Final = 256 * 1024
"""No booking message needs more (reliability 3.2)."""

SLOT_TIMES_MAX: Final = 1_000
"""Of one BatchAvailabilityLookup."""

PARTY_SIZE_MAX: Final = 1_000

DURATION_MAX_S: Final = 31 * 86_400

INSTANT_MIN_S: Final = -62_135_596_800
INSTANT_MAX_S: Final = 253_402_300_799
"""0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z: what a Timestamp may say."""

DURATION_VALID_MAX_S: Final = 315_576_000_000
"""Ten thousand years: what a Duration may say, either way."""

_ID = 255
_ADDRESS_PART = 255
_PAYMENT_ID = 255

LENGTH_MAX: Final = {
    "merchant_id": _ID,
    "service_id": _ID,
    "staff_id": _ID,
    "room_id": _ID,
    # As long as the availability feed may make it.
    "availability_tag": 1_000,
    "lease_id": _ID,
    "booking_id": _ID,
    "user_id": _ID,
    "user_reference": _ID,
    # Version 0's name of it.
    "client_reference": _ID,
    "idempotency_token": _ID,
    # Google's page on UserInformation: at most 40 characters.
    "given_name": 40,
    "family_name": 40,
    "telephone": 64,
    # RFC 5321: 64 before the @, 255 after it.
    "email": 320,
    # RFC 5646 knows no longer tag that is in use.
    "language_code": 35,
    "address_country": _ADDRESS_PART,
    "address_locality": _ADDRESS_PART,
    "address_region": _ADDRESS_PART,
    "post_office_box_number": _ADDRESS_PART,
    "postal_code": _ADDRESS_PART,
    "street_address": _ADDRESS_PART,
    # Version 3's names of three of them.
    "country": _ADDRESS_PART,
    "locality": _ADDRESS_PART,
    "region": _ADDRESS_PART,
    "additional_request": 4_096,
    "payment_transaction_id": _PAYMENT_ID,
    "payment_option_id": _PAYMENT_ID,
    "user_payment_option_id": _PAYMENT_ID,
    "pricing_option_tag": _PAYMENT_ID,
    # ISO 4217.
    "currency_code": 3,
}
"""Characters that a text may have, by the name of its field."""

FREE_TEXT: Final = frozenset({"additional_request"})
"""Written by people in more than one line: the only texts that may break it."""

REQUIRED: Final = "is required"

# Unicode's control characters (Cc), of which U+0080 to U+009F drive terminals as well as those of ASCII do.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_IN_FREE_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_NANOS = 1_000_000_000
_NANOS_PER_US = 1_000
_TOO_FINE = "is finer than a microsecond: no slot has it"


class Malformed(Exception):
    """The request is wrong in itself: INVALID_ARGUMENT. Each mistake names its field as the wire spells it."""

    def __init__(self, mistakes: tuple[InvalidArgument, ...]) -> None:
        super().__init__(f"{len(mistakes)} mistakes")
        self.mistakes = mistakes


class Reading:
    """One request being read. A value that is wrong is noted and read as something harmless; `finish` refuses."""

    __slots__ = ("_mistakes",)

    def __init__(self) -> None:
        self._mistakes: list[InvalidArgument] = []

    def note(self, path: str, description: str, reason: Reason = Reason.FIELD_INVALID) -> None:
        self._mistakes.append(InvalidArgument(path, description, reason))

    def finish(self) -> None:
        """Raises Malformed with everything that was noted."""
        if self._mistakes:
            raise Malformed(tuple(self._mistakes))

    def need(self, path: str, *, given: bool) -> None:
        """Notes what is missing and refuses at once: there is nothing else to read. Raises Malformed."""
        if not given:
            self.note(path, REQUIRED)
            self.finish()

    def text(self, at: str, name: str, value: str) -> str:
        """The text of field `name` below `at` (a path that ends with a dot, or nothing), empty where not given."""
        length_max = LENGTH_MAX[name]
        if len(value) > length_max:
            self.note(at + name, f"is longer than {length_max} characters")
        # What can be printed has none: asking that first takes a tenth of the time.
        elif not value.isprintable() and (_CONTROL_IN_FREE_TEXT if name in FREE_TEXT else _CONTROL).search(value):
            self.note(at + name, "has a control character")
        return value

    def required_text(self, at: str, name: str, value: str) -> str:
        if not value:
            self.note(at + name, REQUIRED)
        return self.text(at, name, value)

    def instant_us(self, path: str, value: Timestamp, *, of_slot: bool) -> int:
        """Microseconds since 1970 UTC; protobuf itself accepts any numbers. A slot begins on a whole microsecond
        (DESIGN 5), another instant is cut to one."""
        seconds, nanos = value.seconds, value.nanos
        if not INSTANT_MIN_S <= seconds <= INSTANT_MAX_S or not 0 <= nanos < _NANOS:
            self.note(path, "is no valid Timestamp: the years are 0001 to 9999, nanos are 0 to 999,999,999")
        elif of_slot and nanos % _NANOS_PER_US:
            self.note(path, _TOO_FINE, Reason.SLOT_UNKNOWN)
        else:
            return seconds * SECOND_US + nanos // _NANOS_PER_US
        return 0

    def duration_us(self, path: str, value: Duration) -> int:
        """Whole microseconds (DESIGN 5), more than 0 and at most 31 days."""
        # By hand: protobuf's own conversion takes mixed signs for something else (reliability 3.2).
        seconds, nanos = value.seconds, value.nanos
        if (
            abs(seconds) > DURATION_VALID_MAX_S
            or abs(nanos) >= _NANOS
            or (seconds < 0 < nanos)
            or (nanos < 0 < seconds)
        ):
            self.note(path, "is no valid Duration: within 10,000 years, nanos of the same sign as seconds")
        elif seconds < 0 or nanos < 0 or not (seconds or nanos):
            self.note(path, "must be more than nothing")
        elif seconds > DURATION_MAX_S or (seconds == DURATION_MAX_S and nanos):
            self.note(path, "must be at most 31 days")
        elif nanos % _NANOS_PER_US:
            self.note(path, _TOO_FINE, Reason.SLOT_UNKNOWN)
        else:
            return seconds * SECOND_US + nanos // _NANOS_PER_US
        return 0

    def end_in_time(self, path: str, start_us: int, duration_us: int) -> None:
        """An end past the year 9999 is an instant that no Timestamp can say."""
        if start_us + duration_us >= (INSTANT_MAX_S + 1) * SECOND_US:
            self.note(path, "must not let the slot end after the year 9999")

    def party_size(self, path: str, value: int) -> int:
        """0 where not given."""
        if not 0 <= value <= PARTY_SIZE_MAX:
            self.note(path, f"must be 1 to {PARTY_SIZE_MAX:,}, or not given")
        return value

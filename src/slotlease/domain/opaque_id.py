"""The ids we make for leases and bookings: opaque to Google, enough for us to find the row (DESIGN 3).

A call that brings only an id (GetBookingStatus, UpdateBooking, v0 CreateBooking) must find its merchant, so
the id carries the merchant's number and the row's. 128 random bits, compared with the row's, keep anybody from
guessing one. Letters are lower case and digits only, so an id is safe in a URL path and where case is lost.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass

SECRET_BYTES = 16
_ROW_ID = re.compile(r"([lb])([1-9][0-9]{0,14})-([1-9][0-9]{0,17})-([0-9a-f]{32})", re.ASCII)


@dataclass(frozen=True, slots=True)
class RowId:
    """`kind` is "l" for a lease and "b" for a booking."""

    kind: str
    merchant_no: int
    row_no: int
    secret: bytes

    def __str__(self) -> str:
        return f"{self.kind}{self.merchant_no}-{self.row_no}-{self.secret.hex()}"

    def opens(self, secret: bytes) -> bool:
        """Whether the id's random bits are the row's; takes the same time whatever differs (INV-31)."""
        return hmac.compare_digest(self.secret, secret)


def parse_row_id(kind: str, text: str) -> RowId | None:
    """The id in `text`, or None where it is none of that kind: malformed and unknown answer alike (INV-31)."""
    match = _ROW_ID.fullmatch(text)
    if match is None or match[1] != kind:
        return None
    return RowId(kind, int(match[2]), int(match[3]), bytes.fromhex(match[4]))

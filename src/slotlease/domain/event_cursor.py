"""Where a reader of the events stands: an opaque text that the reader keeps, and we read again.

It holds, of each merchant, the number of the last event read (DESIGN 3: a cursor per merchant, for numbers are drawn
under the merchant's lock, so within a merchant none ever appears before one that was read). It is signed with the
ledger's key: a text that was cut, mistyped or made on another ledger is told from one of ours.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator, Mapping

_FORMAT = b"\x01"
_MAC_BYTES = 8
_PERSON = b"event cursor"


def cursor_of(seen: Mapping[int, int], key: bytes) -> str:
    """`seen`: the number of the last event read, by merchant_no. URL-path safe; grows with the merchants in it."""
    numbers = bytearray()
    previous = 0
    for merchant_no in sorted(seen):
        numbers += _varint(merchant_no - previous) + _varint(seen[merchant_no])
        previous = merchant_no
    whole = _FORMAT + _mac(bytes(numbers), key) + bytes(numbers)
    return base64.urlsafe_b64encode(whole).rstrip(b"=").decode("ascii")


def seen_of(cursor: str, key: bytes) -> dict[int, int] | None:
    """What `cursor_of` was given; None for a text that it did not make with this key."""
    try:
        whole = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    mac, numbers = whole[1 : 1 + _MAC_BYTES], whole[1 + _MAC_BYTES :]
    if whole[:1] != _FORMAT or not hmac.compare_digest(mac, _mac(numbers, key)):
        return None
    found: dict[int, int] = {}
    merchant_no = 0
    pairs = _numbers(numbers)
    for step in pairs:
        merchant_no += step
        found[merchant_no] = next(pairs)
    return found


def _mac(numbers: bytes, key: bytes) -> bytes:
    return hashlib.blake2b(numbers, digest_size=_MAC_BYTES, key=key, person=_PERSON).digest()


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last byte have the eighth bit set."""
    out = bytearray()
    while rest := number >> 7:
        out.append(number & 0x7F | 0x80)
        number = rest
    out.append(number)
    return bytes(out)


def _numbers(data: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            yield number
            number = shift = 0

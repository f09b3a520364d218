"""What is offered and how it is named: a slot as the feed offers it, and a slot as somebody asks for it."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

SECOND_US = 1_000_000

NOBODY = 0
"""The staff or room number of a slot that names none."""

_NATURAL_KEY = struct.Struct("<6q")


NaturalKey = tuple[int, int, int, int, int, int]
"""(service_no, start_us, duration_us, staff_no, room_no, party_size): what makes a slot this one and no other."""


@dataclass(frozen=True, slots=True)
class Resources:
    """Staff, room and party size that tell otherwise equal slots apart. Empty or 0 where it does not apply."""

    staff_id: str = ""
    room_id: str = ""
    party_size: int = 0


NO_RESOURCES = Resources()


@dataclass(frozen=True, slots=True)
class AskedSlot:
    """A slot as a caller names it, kept exactly so: answers echo it, tokens and leases compare it (DESIGN 5).

    `resources` None means that none were given; it names the same slot as empty ones, yet is echoed differently.
    """

    merchant_id: str
    service_id: str
    start_us: int
    duration_us: int
    availability_tag: str = ""
    resources: Resources | None = None

    @property
    def resources_or_none_given(self) -> Resources:
        return NO_RESOURCES if self.resources is None else self.resources


class Slot(NamedTuple):
    """One appointment offered by a merchant's feed. Numbers are the ledger's own, ids are the feed's.

    `closed` is what the feeds say; `closed_by_operator` is known where the slot was read for a request, an export or
    an operator's day, and is never written by an import.
    """

    merchant_no: int
    slot_no: int
    service_no: int
    start_us: int
    duration_us: int
    staff_no: int
    room_no: int
    party_size: int
    availability_tag: str
    spots_total: int
    spots_elsewhere: int
    closed: bool
    asynchronous: bool
    first_bookable_us: int | None = None
    last_bookable_us: int | None = None
    last_online_cancellable_us: int | None = None
    closed_by_operator: bool = False

    @property
    def key(self) -> tuple[int, int]:
        return (self.merchant_no, self.slot_no)

    @property
    def capacity(self) -> int:
        """Spots that may be sold here: those sold through other channels are not ours to sell (DESIGN 3)."""
        return self.spots_total - self.spots_elsewhere

    @property
    def end_us(self) -> int:
        return self.start_us + self.duration_us

    @property
    def natural_key(self) -> NaturalKey:
        return (self.service_no, self.start_us, self.duration_us, self.staff_no, self.room_no, self.party_size)


@lru_cache(maxsize=4_096)
def slot_number(natural_key: NaturalKey) -> int:
    """Number of a slot within its merchant: the low 63 bits of BLAKE2b-64 over the natural key.

    The key is packed as little-endian 64-bit integers. The function is part of the stored format and never
    changes. Two keys may share a number, so every look-up compares the natural key as well (DESIGN 3).
    """
    # Remembered: each request asks twice, to have the slot loaded and to find it.
    digest = hashlib.blake2b(_NATURAL_KEY.pack(*natural_key), digest_size=8).digest()
    return int.from_bytes(digest, "little") & 0x7FFF_FFFF_FFFF_FFFF

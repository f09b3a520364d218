"""Which slots of a batch exclude each other: found by their staff and rooms, in the order of their start.

A lookup may name hundreds of slots of one member of staff, and each is asked for its rivals: held against all the
others that is the square of them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable
from operator import attrgetter

from slotlease.domain.spot import Occupancy

_Shared = tuple[str, int, int]
_START = attrgetter("start_us")


class Rivals:
    """Of `occupancies`: where and when each is never changes, only what claims it does."""

    def __init__(self, occupancies: Iterable[Occupancy]) -> None:
        by_shared: defaultdict[_Shared, list[Occupancy]] = defaultdict(list)
        for occupancy in occupancies:
            for shared in _shared(occupancy):
                by_shared[shared].append(occupancy)
        self._by_start = {shared: sorted(them, key=_START) for shared, them in by_shared.items()}
        self._longest_us = {shared: max(map(_lasts_us, them)) for shared, them in by_shared.items()}

    def of(self, occupancy: Occupancy) -> list[tuple[int, int]]:
        """Keys of the slots that exclude this one, each once."""
        found: dict[tuple[int, int], None] = {}
        for shared in _shared(occupancy):
            them = self._by_start.get(shared, [])
            # Whoever overlaps began before this one ends, and less than the longest span before it begins.
            first = bisect_right(them, occupancy.start_us - self._longest_us.get(shared, 0), key=_START)
            last = bisect_left(them, occupancy.end_us, lo=first, key=_START)
            found.update((other.key, None) for other in them[first:last] if occupancy.excludes(other))
        return list(found)


def _lasts_us(occupancy: Occupancy) -> int:
    return occupancy.end_us - occupancy.start_us


def _shared(occupancy: Occupancy) -> list[_Shared]:
    """What of it no other slot can have at the same time."""
    if not (occupancy.staff_no or occupancy.room_no):
        return []
    named = (("staff", occupancy.staff_no), ("room", occupancy.room_no))
    return [(what, occupancy.merchant_no, number) for what, number in named if number]

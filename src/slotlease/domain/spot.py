"""Numbered spots: which one of a slot's spots a new claim takes, and which dead leases must be buried for it.

A spot is free when `busy_until_us <= now`, so an expiry needs nobody to act. Three kinds of row follow: busy,
lapsed (`0 < busy_until_us <= now`, its lease not yet marked), and free (`busy_until_us == 0`, given back).
"""

from __future__ import annotations

from typing import NamedTuple

GIVEN_BACK_US = 0
FOREVER_US = 2**63 - 1
"""`busy_until_us` of a booked spot."""


class Spot(NamedTuple):
    """One numbered spot of one slot that was ever taken. `holder_no` is the lease's or the booking's number;
    they come from one counter, so one number names one holder."""

    merchant_no: int
    slot_no: int
    spot_no: int
    busy_until_us: int
    holder_no: int

    @property
    def key(self) -> tuple[int, int, int]:
        return (self.merchant_no, self.slot_no, self.spot_no)


class Occupancy(NamedTuple):
    """What claims the spots of one slot at one instant.

    `busy` and `lapsed_count` count rows; `lapsed` and `free` hold as many rows, by number, as the batch can
    need. Where `counted` is False nobody counted: the slot has unused numbers for every request of the batch,
    so `busy` is `highest`, its upper bound.
    """

    merchant_no: int
    slot_no: int
    start_us: int
    end_us: int
    staff_no: int
    room_no: int
    highest: int = 0
    counted: bool = True
    busy: int = 0
    lapsed_count: int = 0
    lapsed: tuple[Spot, ...] = ()
    free: tuple[Spot, ...] = ()

    @property
    def key(self) -> tuple[int, int]:
        return (self.merchant_no, self.slot_no)

    def excludes(self, other: Occupancy) -> bool:
        """Whether a claim here and one on `other` cannot both be: another slot of this merchant with the same
        staff or room at an overlapping time. Spans are half-open: touching ends do not overlap."""
        if self.key == other.key or self.merchant_no != other.merchant_no:
            return False
        shares_staff = self.staff_no != 0 and self.staff_no == other.staff_no
        shares_room = self.room_no != 0 and self.room_no == other.room_no
        return (shares_staff or shares_room) and self.start_us < other.end_us and other.start_us < self.end_us

    def with_taken(self, choice: SpotChoice) -> Occupancy:
        if choice.replaces is None:
            return self._replace(highest=choice.spot_no, busy=self.busy + 1)
        if choice.replaces.busy_until_us == GIVEN_BACK_US:
            return self._replace(busy=self.busy + 1, free=_without(self.free, choice.replaces))
        return self._replace(
            busy=self.busy + 1,
            lapsed_count=self.lapsed_count - 1,
            lapsed=_without(self.lapsed, choice.replaces),
        )

    def with_buried(self, spot: Spot, buried: Spot) -> Occupancy:
        if not self.counted:
            return self
        return self._replace(
            lapsed_count=self.lapsed_count - 1,
            lapsed=_without(self.lapsed, spot),
            free=(*self.free, buried),
        )

    def with_given_back(self, freed: Spot) -> Occupancy:
        if not self.counted:
            return self
        return self._replace(busy=self.busy - 1, free=(*self.free, freed))


class SpotChoice(NamedTuple):
    """The spot a claim takes: a new number, or the row `replaces`. The rows in `bury` are marked dead with it."""

    spot_no: int
    replaces: Spot | None
    bury: tuple[Spot, ...]


def is_taken_elsewhere(rivals: list[Occupancy]) -> bool:
    """Whether staff or room are busy with another slot (`rivals`: those that exclude this one)."""
    return any(rival.busy > 0 for rival in rivals)


def choose_spot(occupancy: Occupancy, rivals: list[Occupancy], capacity: int) -> SpotChoice | None:
    """The spot that a new claim takes, or None when the slot is full or its staff or room is busy.

    Bury what you judge dead (DESIGN 3): every lapsed claim that this grant counts as gone is named in `bury`,
    so that no clock that steps back can call it live again. On the slot itself that keeps the claims that any
    clock could call live within the capacity; on rivals it is all of them.
    """
    if is_taken_elsewhere(rivals):
        return None
    bury = tuple(spot for rival in rivals for spot in rival.lapsed)
    if occupancy.highest < capacity:
        return SpotChoice(occupancy.highest + 1, None, bury)
    if occupancy.busy >= capacity:
        return None
    replaces, lapsed = _free_or_lapsed(occupancy)
    takes_over_lapsed = replaces.busy_until_us != GIVEN_BACK_US
    revivable = occupancy.busy + 1 + occupancy.lapsed_count - takes_over_lapsed
    return SpotChoice(replaces.spot_no, replaces, bury + lapsed[: max(0, revivable - capacity)])


def count_available(occupancy: Occupancy, rivals: list[Occupancy], capacity: int) -> int:
    """Spots that could be claimed one after another; 0 while staff or room are busy elsewhere."""
    if is_taken_elsewhere(rivals):
        return 0
    return max(0, capacity - occupancy.busy)


def _free_or_lapsed(occupancy: Occupancy) -> tuple[Spot, tuple[Spot, ...]]:
    """The row to take over and the lapsed rows that stay: a free row first, for it costs nobody a burial."""
    if occupancy.free:
        return occupancy.free[0], occupancy.lapsed
    return occupancy.lapsed[0], occupancy.lapsed[1:]


def _without(spots: tuple[Spot, ...], gone: Spot) -> tuple[Spot, ...]:
    return tuple(spot for spot in spots if spot.spot_no != gone.spot_no)

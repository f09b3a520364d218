"""Which slots of the feed a case may use: each is used once in a run, and nothing that overlaps it.

A lease cannot be given back, and slots of one merchant may share staff, rooms or tables without saying so: two cases
that met on one slot, or on two at one time, would judge each other and not the server.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from slotlease.verify.shop import SECOND_US, Offer, Slot

CANCELLABLE_S: Final = 48 * 3600
"""From so far ahead slots are preferred: most merchants let their users cancel until a day ahead."""

SOON_S: Final = 3 * 3600
PROBES_MAX: Final = 60
"""So many groups of slots are asked about, at most, to find one that the server has as the feed says."""


class NoSlot(Exception):
    """The feed has no slot of the kind that is needed; the text says what kind."""


class Slots:
    """`count` asks the server how many spots of a slot are to be had: None where it cannot say. Used by one thread."""

    def __init__(self, offers: Iterable[Offer], now_us: int, count: Callable[[Slot], int | None]) -> None:
        self._count = count
        self._used: defaultdict[str, list[Slot]] = defaultdict(list)
        self._offers = sorted(offers, key=lambda offer: (_distance(offer.slot, now_us), offer.spots_open))
        self._gone: set[Slot] = set()
        self._trusted = False

    def take(
        self,
        number: int = 1,
        *,
        spots_min: int = 1,
        spots_max: int | None = None,
        rich: bool = False,
        kind: str = "",
    ) -> tuple[Offer, ...]:
        """So many slots that differ in their start only, each with so many open spots, those with the fewest first.
        `rich`: with resources or an availability_tag, both if there are such. `kind` is what to call it.

        Raises NoSlot.
        """
        fitting = [one for one in self._offers if spots_min <= one.spots_open <= (spots_max or one.spots_open)]
        if rich:
            fitting = [one for one in fitting if one.slot.resources or one.slot.availability_tag]
            fitting.sort(key=lambda one: not (one.slot.resources and one.slot.availability_tag))
        second_best: tuple[Offer, ...] | None = None
        for chosen in islice(self._choices(fitting, number), PROBES_MAX):
            counts = [self._counted(one.slot) for one in chosen]
            if 0 not in counts:
                as_offered = all(count in {None, one.spots_open} for count, one in zip(counts, chosen, strict=True))
                if as_offered or (spots_min == 1 and spots_max is None):
                    return self._use(chosen)
                second_best = second_best or chosen
            elif not self._trusted:
                # A server that says of everything that it is taken is not to be believed; the cases will tell.
                second_best = second_best or chosen
        if second_best is not None:
            return self._use(second_best)
        needed = kind or f"{number} with at least {spots_min} open spot{'s' if spots_min > 1 else ''}"
        raise NoSlot(f"the feed has no free slot left of the kind that is needed ({needed}): give a feed with more")

    def _choices(self, fitting: Sequence[Offer], number: int) -> Iterator[tuple[Offer, ...]]:
        """Groups of so many, none of which overlaps what is used; each offer is in one of them at most."""
        waiting: dict[Hashable, list[Offer]] = {}
        for offer in fitting:
            slot = offer.slot
            if self._is_used(slot):
                continue
            like = (slot.merchant_id, slot.service_id, slot.duration_us, slot.resources)
            group = waiting.setdefault(like, [])
            if any(_overlap(slot, one.slot) for one in group):
                continue
            group.append(offer)
            if len(group) == number:
                yield tuple(waiting.pop(like))

    def _counted(self, slot: Slot) -> int | None:
        count = self._count(slot)
        if count == 0:
            self._gone.add(slot)
        else:
            self._trusted = True
        return count

    def _is_used(self, slot: Slot) -> bool:
        return slot in self._gone or any(_overlap(slot, used) for used in self._used[slot.merchant_id])

    def _use(self, chosen: tuple[Offer, ...]) -> tuple[Offer, ...]:
        for offer in chosen:
            self._used[offer.slot.merchant_id].append(offer.slot)
        return chosen


def _overlap(one: Slot, other: Slot) -> bool:
    return one.start_us < other.end_us and other.start_us < one.end_us


def _distance(slot: Slot, now_us: int) -> int:
    ahead_s = (slot.start_us - now_us) // SECOND_US
    return 0 if ahead_s >= CANCELLABLE_S else 1 if ahead_s >= SOON_S else 2

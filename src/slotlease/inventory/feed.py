"""Reads Google's feeds (merchants, services, availability) as one whole: everything in them, or every error in them.

    with read_feed(paths, known=known_inventory(store)) as feed: ...

The files come in any order, gzipped or not, each kind in one piece or in shards. `feed_stream` takes a file's JSON
apart, `feed_rules` makes values of its objects, `feed_gathering` judges what only the whole can tell, and
`store.staging` keeps the slots meanwhile: memory grows with the merchants and services (about a kilobyte each), not
with the slots.

The feeds are Google's, with two optional keys of our own. In a service `slotlease_one_booking_per_user`, true or false
(default true): Google's feed has no word for whether one user may book the same slot again. In a slot
`slotlease_spots_elsewhere`: how many of its spots were sold through other channels, where that cannot be told from
spots_total and spots_open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from slotlease.domain.merchant import Merchant
from slotlease.inventory.feed_gathering import Gathering, Progress
from slotlease.inventory.feed_values import (
    NOTHING_KNOWN,
    FeedError,
    FeedMerchant,
    FeedRefused,
    FeedService,
    FeedSlot,
    Known,
)
from slotlease.store.rows import Row

__all__ = [
    "NOTHING_KNOWN",
    "Feed",
    "FeedError",
    "FeedMerchant",
    "FeedRefused",
    "FeedService",
    "FeedSlot",
    "Known",
    "Place",
    "Progress",
    "read_feed",
]

SPOTS_TOTAL_MAX = 10_000


class Place(NamedTuple):
    """Where in the files something stands, `place` being the path inside the JSON."""

    file: str
    place: str


class Feed:
    """All that the files of one import say, in an order that does not depend on theirs. Its slots lie in a private
    file until it is closed.

    Each kind of feed is complete (PROCESS_AS_COMPLETE): what it does not list, its partner no longer offers. A kind
    whose generation is None was not among the files, and says nothing. A generation is the instant, in microseconds
    since 1970 UTC, at which the partner read the data; `slots_generation_us` is the one spots_open was true at.
    """

    def __init__(self, gathering: Gathering) -> None:
        self.merchants: Sequence[FeedMerchant] = [row for _, (row, _) in sorted(gathering.merchants.items())]
        self.services: Sequence[FeedService] = [row for _, (row, _) in sorted(gathering.services.items())]
        self.merchants_generation_us = gathering.generation_us("merchant")
        self.services_generation_us = gathering.generation_us("service")
        self.slots_generation_us = gathering.generation_us("service_availability")
        self.slots_total = gathering.slots_staged
        self._gathering = gathering
        self._staging = gathering.staging
        self._merchant_nos = gathering.merchant_nos
        self._services_of = {
            merchant_id: list(services)
            for merchant_id, services in groupby(self.services, lambda service: service.merchant_id)
        }
        self._service_nos: dict[str, dict[str, int]] = {}
        for (merchant_id, service_id), offer in gathering.offers.items():
            self._service_nos.setdefault(merchant_id, {})[service_id] = offer.service_no

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._staging.close()

    @property
    def merchants_with_slots(self) -> Sequence[str]:
        return sorted(self._merchant_nos)

    def services_of(self, merchant_id: str) -> Sequence[FeedService]:
        return self._services_of.get(merchant_id, ())

    def staff_of(self, merchant_id: str) -> Sequence[str]:
        """Every member of staff that the merchant's slots name, by id."""
        merchant_no = self._merchant_nos.get(merchant_id)
        return () if merchant_no is None else self._staging.staff(merchant_no)

    def rooms_of(self, merchant_id: str) -> Sequence[str]:
        merchant_no = self._merchant_nos.get(merchant_id)
        return () if merchant_no is None else self._staging.rooms(merchant_no)

    def slots_of(self, merchant_id: str) -> Iterator[tuple[FeedSlot, Place]]:
        """The merchant's slots by start, each with its place; occurrences of one entry share theirs."""
        service_ids = {number: service_id for service_id, number in self._service_nos.get(merchant_id, {}).items()}
        for row in self._staging.slots(self._merchant_nos.get(merchant_id, 0)):
            slot = _slot(merchant_id, service_ids[row[1]], row)
            where = self._gathering.place(*row[15:])
            yield slot, Place(where.faults.file, where.place)

    def number(self, merchant: Merchant) -> int:
        """Brings the merchant's slots into the order of the ledger; `numbered` then has them. Says how many are
        missing there: those whose service is not in the merchant's catalogue, or whose slot_no another one has."""
        merchant_no = self._merchant_nos.get(merchant.merchant_id, 0)
        named = self._service_nos.get(merchant.merchant_id, {})
        services = {
            named[service.service_id]: service.service_no
            for service in merchant.services.values()
            if service.service_id in named and not service.retired
        }
        found = self._staging.number(merchant_no, services, merchant.staff, merchant.rooms)
        return self._count(merchant.merchant_id) - found

    def numbered(self) -> Iterator[Row]:
        """See `store.staging.Staging.numbered`."""
        return self._staging.numbered()

    def _count(self, merchant_id: str) -> int:
        offers = self._gathering.offers
        return sum(offers[merchant_id, service_id].slots for service_id in self._service_nos.get(merchant_id, ()))


def read_feed(
    paths: Iterable[Path | str],
    *,
    known: Known = NOTHING_KNOWN,
    spots_total_max: int = SPOTS_TOTAL_MAX,
    progress: Progress | None = None,
) -> Feed:
    """Everything the files say. `known` is what the ledger offers, to which they may refer without bringing it along.

    Raises FeedRefused with all that is wrong, when anything is: nothing may be taken from files that were refused.
    What belongs to a later version (payments, tickets, waitlists and so on) is refused by name, and so is a field that
    Google's feeds do not have. Raises StoreUnavailable where the system's temporary folder has no room.
    """
    gathering = Gathering(paths, spots_total_max)
    try:
        if gathering.read(progress):
            gathering.check_references(known)
            gathering.check_nothing_twice()
        gathering.refuse_errors()
    except BaseException:
        gathering.staging.close()
        raise
    return Feed(gathering)


def _slot(merchant_id: str, service_id: str, row: Row) -> FeedSlot:
    """From a row of `staging.SLOT_COLUMNS`."""
    start_us, _, duration_us, staff_id, room_id, party_size, spots_total, spots_open, spots_elsewhere, tag = row[:10]
    asynchronous, first_bookable_us, last_bookable_us, last_online_cancellable_us, recurs = row[10:15]
    return FeedSlot(
        merchant_id=merchant_id,
        service_id=service_id,
        start_us=start_us,
        duration_us=duration_us,
        spots_total=spots_total,
        spots_open=spots_open,
        availability_tag=tag,
        staff_id=staff_id,
        room_id=room_id,
        party_size=party_size,
        asynchronous=bool(asynchronous),
        first_bookable_us=first_bookable_us,
        last_bookable_us=last_bookable_us,
        last_online_cancellable_us=last_online_cancellable_us,
        spots_elsewhere=spots_elsewhere,
        recurs=bool(recurs),
    )

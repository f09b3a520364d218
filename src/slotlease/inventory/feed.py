"""Reads Google's feeds (merchants, services, availability) as one whole: everything in them, or every error in them.

    feed = read_feed(paths)

The files come in any order, gzipped or not, each kind in one piece or in shards. `feed_file` makes JSON of a file,
`feed_rules` makes values of its objects, and here stands what only the whole can tell: shards complete, nothing twice,
every service with its merchant and every slot with its service.

The feeds are Google's, with one optional key of our own in a service: `slotlease_one_booking_per_user`, true or false
(default true). Google's feed has no word for whether one user may book the same slot again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from slotlease.inventory.feed_fields import fields_of
from slotlease.inventory.feed_file import Faults, joined, quoted, read_file
from slotlease.inventory.feed_rules import (
    FEED,
    SERVICE_AVAILABILITY,
    Metadata,
    read_merchant,
    read_metadata,
    read_service,
    read_slot,
)
from slotlease.inventory.feed_values import (
    NOTHING_KNOWN,
    SECOND_US,
    Feed,
    FeedError,
    FeedMerchant,
    FeedRefused,
    FeedService,
    FeedSlot,
    Known,
)

__all__ = [
    "NOTHING_KNOWN",
    "Feed",
    "FeedError",
    "FeedMerchant",
    "FeedRefused",
    "FeedService",
    "FeedSlot",
    "Known",
    "read_feed",
]

SPOTS_TOTAL_MAX = 10_000

_KINDS = ("merchant", "service", "service_availability")
"""A feed says what it is only by the name of its list."""


class _Where(NamedTuple):
    faults: Faults
    place: str

    def fault(self, key: str, value: object, problem: str) -> None:
        self.faults.add(joined(self.place, key) if key else self.place, value, problem)

    def seen_from(self, other: _Where) -> str:
        return self.place if self.faults is other.faults else f"{self.place} of {self.faults.file}"


def read_feed(
    paths: Iterable[Path | str], *, known: Known = NOTHING_KNOWN, spots_total_max: int = SPOTS_TOTAL_MAX
) -> Feed:
    """Everything the files say. `known` is what services and slots may refer to besides what the files themselves list.

    Raises FeedRefused with all that is wrong, when anything is: nothing may be taken from files that were refused.
    What belongs to a later version (recurrences, payments, tickets and so on) is refused by name, and so is a field
    that Google's feeds do not have.
    """
    gathering = _Gathering(spots_total_max)
    files = [Faults(str(path)) for path in paths]
    told = [gathering.take(file) for file in files]
    # A file that told nothing may have held the very shard or merchant whose absence would be complained of, and a
    # shard given twice holds everything twice: what the files say together is judged once they belong together.
    if gathering.check_shards(missing_too=all(told)) and all(told):
        gathering.check_references(known)
        gathering.check_nothing_twice()
    errors = tuple(error for file in files for error in file.errors)
    if errors:
        raise FeedRefused(errors)
    return Feed(
        merchants=tuple(merchant for _, (merchant, _) in sorted(gathering.merchants.items())),
        services=tuple(service for _, (service, _) in sorted(gathering.services.items())),
        slots=MappingProxyType(gathering.sorted_slots()),
        merchants_generation_us=gathering.generation_us("merchant"),
        services_generation_us=gathering.generation_us("service"),
        slots_generation_us=gathering.generation_us("service_availability"),
    )


class _Gathering:
    """What the files read so far say, each thing with the place that says it."""

    def __init__(self, spots_total_max: int) -> None:
        self.merchants: dict[str, tuple[FeedMerchant, _Where]] = {}
        self.services: dict[tuple[str, str], tuple[FeedService, _Where]] = {}
        self._doubles: list[tuple[str, str, _Where, _Where]] = []
        """Of merchants and services: the id's field, the id, where it stands again, and where first."""
        self._slots: dict[str, list[tuple[FeedSlot, _Where]]] = {}
        self._slot_services: dict[tuple[str, str], tuple[int, _Where]] = {}
        """How many slots name the service, and the first that does."""
        self._shards: dict[str, list[tuple[Metadata, Faults]]] = {kind: [] for kind in _KINDS}
        self._spots_total_max = spots_total_max

    def take(self, faults: Faults) -> bool:
        """Reads one file. False if it did not even tell which shard of which feed it is."""
        tree = read_file(Path(faults.file), faults)
        feed = None if tree is None else fields_of(tree, "", faults, FEED)
        if feed is None:
            return False
        metadata = read_metadata(feed, faults)
        kinds = [kind for kind in _KINDS if feed.raw(kind) is not None]
        if len(kinds) != 1:
            held = " and ".join(kinds) or "no list"
            faults.add("", held, "must hold one of merchant, service, service_availability; write one feed per file")
            return False
        take_entry: dict[str, Callable[[object, _Where], None]] = {
            "merchant": self._take_merchant,
            "service": self._take_service,
            "service_availability": self._take_service_availability,
        }
        for index, entry in enumerate(feed.entries(kinds[0])):
            take_entry[kinds[0]](entry, _Where(faults, f"{kinds[0]}[{index}]"))
        if metadata is None:
            return False
        self._shards[kinds[0]].append((metadata, faults))
        return True

    def _take_merchant(self, entry: object, where: _Where) -> None:
        merchant = read_merchant(entry, where.place, where.faults)
        if merchant is None or not merchant.merchant_id:
            return
        if merchant.merchant_id in self.merchants:
            self._doubles.append(("merchant_id", merchant.merchant_id, where, self.merchants[merchant.merchant_id][1]))
        self.merchants.setdefault(merchant.merchant_id, (merchant, where))

    def _take_service(self, entry: object, where: _Where) -> None:
        service = read_service(entry, where.place, where.faults)
        if service is None or not (service.merchant_id and service.service_id):
            return
        key = (service.merchant_id, service.service_id)
        if key in self.services:
            self._doubles.append(("service_id", service.service_id, where, self.services[key][1]))
        self.services.setdefault(key, (service, where))

    def _take_service_availability(self, entry: object, where: _Where) -> None:
        fields = fields_of(entry, where.place, where.faults, SERVICE_AVAILABILITY)
        if fields is None:
            return
        for index, slot in enumerate(fields.entries("availability")):
            self._take_slot(slot, _Where(where.faults, f"{where.place}.availability[{index}]"))

    def _take_slot(self, entry: object, where: _Where) -> None:
        errors_before = len(where.faults.errors)
        slot = read_slot(entry, where.place, where.faults, self._spots_total_max)
        if slot is None or not (slot.merchant_id and slot.service_id):
            return
        key = (slot.merchant_id, slot.service_id)
        count, first = self._slot_services.get(key, (0, where))
        self._slot_services[key] = (count + 1, first)
        # A faulty slot holds stand-ins, which would make it a double of other faulty ones.
        if len(where.faults.errors) == errors_before:
            self._slots.setdefault(slot.merchant_id, []).append((slot, where))

    def check_shards(self, missing_too: bool) -> bool:
        """Whether each kind's shards are of one feed, none twice and none missing; says so, of the last if asked to."""
        kinds = [shards for shards in self._shards.values() if shards]
        sound = [_are_of_one_feed(shards) and _are_there_once(shards, missing_too) for shards in kinds]
        return all(sound)

    def check_references(self, known: Known) -> None:
        """That every service's merchant, and every slot's service, is in these files or known."""
        merchants = self.merchants.keys() | known.merchants
        services = self.services.keys() | known.services
        for (merchant_id, _), (_, where) in self.services.items():
            if merchant_id not in merchants:
                where.fault("merchant_id", merchant_id, _no_merchant(1, "services"))
        for (merchant_id, service_id), (count, where) in self._slot_services.items():
            if merchant_id not in merchants:
                where.fault("merchant_id", merchant_id, _no_merchant(count, "slots"))
            elif (merchant_id, service_id) not in services:
                problem = "is a service of this merchant neither in a services feed given nor on the ledger; "
                problem += "import its services feed with this one, or correct the id"
                where.fault("service_id", service_id, problem + _and_others(count, "slots"))

    def check_nothing_twice(self) -> None:
        """That no merchant, service or slot is in the files twice."""
        for id_field, value, where, first in self._doubles:
            where.fault(id_field, value, f"is in the feed already, at {first.seen_from(where)}; keep one of them")
        for slots in self._slots.values():
            slots.sort(key=lambda entry: entry[0].natural_key)
            for (slot, first), (next_slot, where) in pairwise(slots):
                if slot.natural_key == next_slot.natural_key:
                    _refuse_double_slot(next_slot, where, first)

    def sorted_slots(self) -> dict[str, tuple[FeedSlot, ...]]:
        """The slots of each merchant, in the order that `check_nothing_twice` brought them into."""
        return {merchant_id: tuple(slot for slot, _ in self._slots[merchant_id]) for merchant_id in sorted(self._slots)}

    def generation_us(self, kind: str) -> int | None:
        shards = self._shards[kind]
        return shards[0][0].generation_us if shards else None


def _refuse_double_slot(slot: FeedSlot, where: _Where, first: _Where) -> None:
    problem = (
        f"is the same slot as {first.seen_from(where)}: same service, start, duration, staff, room and party size; "
    )
    value = {"service_id": slot.service_id, "start_sec": slot.start_us // SECOND_US}
    where.fault("", value, problem + "keep one of them, with the spots of both")


def _are_of_one_feed(shards: list[tuple[Metadata, Faults]]) -> bool:
    """Google: every shard of one feed has the same nonce, count and generation, and a complete feed replaces others."""
    first, first_file = shards[0]
    errors_before = sum(len(faults.errors) for _, faults in shards)
    for metadata, faults in shards[1:]:
        where = _Where(faults, "metadata")
        for key, value, expected in (
            ("nonce", metadata.nonce, first.nonce),
            ("total_shards", metadata.shards, first.shards),
            ("generation_timestamp", metadata.generation_us // SECOND_US, first.generation_us // SECOND_US),
        ):
            if value != expected:
                problem = f"differs from that of {first_file.file}, {quoted(expected)}; "
                where.fault(key, value, problem + "import the shards of one complete feed together, and no other's")
    return errors_before == sum(len(faults.errors) for _, faults in shards)


def _are_there_once(shards: list[tuple[Metadata, Faults]], missing_too: bool) -> bool:
    holders: dict[int, Faults] = {}
    for metadata, faults in shards:
        holder = holders.setdefault(metadata.shard, faults)
        if holder is not faults:
            problem = f"is the shard that {holder.file} holds already; give every shard once, and one feed of a kind"
            _Where(faults, "metadata").fault("shard_number", metadata.shard, problem)
    first, first_file = shards[0]
    missing = [str(number) for number in range(first.shards) if number not in holders]
    if missing and missing_too:
        problem = f"says that there are more shards than were given; give these too: {', '.join(missing)}"
        _Where(first_file, "metadata").fault("total_shards", first.shards, problem)
    return len(holders) == len(shards) and not missing


def _no_merchant(count: int, things: str) -> str:
    problem = "is a merchant neither in a merchants feed given nor on the ledger; "
    return problem + "import its merchants feed with this one, or correct the id" + _and_others(count, things)


def _and_others(count: int, things: str) -> str:
    return f" ({count:,} {things} name it)" if count > 1 else ""

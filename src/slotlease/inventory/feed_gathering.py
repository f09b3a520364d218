"""Gathers what the files of one import say, each thing with the place that says it, and judges it as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from slotlease.inventory.feed_fields import fields_of
from slotlease.inventory.feed_file import ABSENT, Allowance, Faults, FileBroken, joined, text_of
from slotlease.inventory.feed_rules import (
    FEED,
    SERVICE_AVAILABILITY,
    read_merchant,
    read_metadata,
    read_service,
    read_slots,
)
from slotlease.inventory.feed_shards import Shard, Where, are_of_one_feed, are_there_once
from slotlease.inventory.feed_stream import FeedStream
from slotlease.inventory.feed_values import SECOND_US, FeedMerchant, FeedRefused, FeedService, FeedSlot, Known
from slotlease.store.rows import Row
from slotlease.store.staging import Staging

KINDS = ("merchant", "service", "service_availability")
"""A feed says what it is only by the name of its list."""

ROWS_STAGED_AT_ONCE = 1_000

ServiceKey = tuple[str, str]
"""(merchant_id, service_id)"""
KeyT = TypeVar("KeyT", str, ServiceKey)


class Progress(Protocol):
    """Told how much is done, and of how much: bytes of the files while they are read, slots while they are imported.
    `rows`: how many entries of feeds that is, where it is counted otherwise."""

    def __call__(self, done: int, total: int, rows: int | None = None, /) -> None: ...


@dataclass(slots=True)
class Offer:
    """A service as slots name it: the staging's numbers of its merchant and of itself, how many slots, and the first
    that names it."""

    merchant_no: int
    service_no: int
    slots: int
    first: Where


class Gathering:
    """What the files read so far say. Slots are staged, merchants and services kept."""

    def __init__(self, paths: Iterable[Path | str], spots_total_max: int) -> None:
        allowance = Allowance()
        self.files = [Faults(str(path), allowance) for path in paths]
        self.staging = Staging()
        self.merchants: dict[str, tuple[FeedMerchant, Where]] = {}
        self.services: dict[ServiceKey, tuple[FeedService, Where]] = {}
        self.offers: dict[ServiceKey, Offer] = {}
        self.merchant_nos: dict[str, int] = {}
        """The staging's numbers of the merchants that slots name."""
        self.slots_staged = 0
        self.entries_read = 0
        self.entries_refused: Counter[str] = Counter()
        """Wrong in themselves, by kind."""
        self._doubles: list[tuple[str, str, Where, Where]] = []
        """Of merchants and services: the id's field, the id, where it stands again, and where first."""
        self._shards: dict[str, list[Shard]] = {kind: [] for kind in KINDS}
        self._rows: list[Row] = []
        self._spots_total_max = spots_total_max

    def read(self, progress: Progress | None) -> bool:
        """Reads every file. False if there is no judging them together: one did not even tell which shard of which
        feed it is, or shards are missing, there twice, or of two feeds. It may have held the very merchant whose
        absence would be complained of, and a shard given twice holds everything twice."""
        bytes_total = sum(_size(faults.file) for faults in self.files)
        bytes_before = 0

        def note_bytes(bytes_read: int) -> None:
            if progress is not None:
                progress(bytes_before + bytes_read, bytes_total, self.entries_read)

        told = True
        for file_no, faults in enumerate(self.files):
            told = self._take(file_no, faults, note_bytes) and told
            bytes_before += _size(faults.file)
        self._stage()
        self.staging.index()
        return self._check_shards(missing_too=told) and told

    def refuse_errors(self) -> None:
        """Raises FeedRefused with all that is wrong, if anything is."""
        count = sum(faults.count for faults in self.files)
        if count:
            errors = tuple(error for faults in self.files for error in faults.errors)
            raise FeedRefused(errors, count, {kind: self.entries_refused[kind] for kind in KINDS})

    def has(self, kind: str) -> bool:
        """Whether a feed of this kind is among the files."""
        return bool(self._shards[kind])

    def generation_us(self, kind: str) -> int | None:
        shards = self._shards[kind]
        return shards[0][0].generation_us if shards else None

    # --- one file ------------------------------------------------------------------------------------------------

    def _take(self, file_no: int, faults: Faults, note_bytes: Callable[[int], None]) -> bool:
        try:
            with closing(text_of(Path(faults.file), note_bytes)) as pieces:
                return self._take_feed(file_no, FeedStream(pieces, faults), faults)
        except FileBroken as broken:
            faults.add("", ABSENT, str(broken))
            return False

    def _take_feed(self, file_no: int, stream: FeedStream, faults: Faults) -> bool:
        if not stream.begins("{"):
            faults.add("", stream.value(""), 'is no feed: a feed is one JSON object, {"metadata": ..., ...}')
            return False
        found: dict[str, object] = {}
        for key in stream.keys(""):
            if key in KINDS and stream.begins("["):
                found[key] = []
                for index in stream.entries():
                    self._take_entry(key, index, file_no, stream, faults)
            else:
                found[key] = stream.value(joined("", key))
        stream.end()
        feed = fields_of(found, "", faults, FEED)
        metadata = None if feed is None else read_metadata(feed, faults)
        kinds = [kind for kind in KINDS if found.get(kind) is not None]
        if feed is None or len(kinds) != 1:
            held = " and ".join(kinds) or "no list"
            faults.add("", held, "must hold one of merchant, service, service_availability; write one feed per file")
            return False
        feed.entries(kinds[0])  # notes it where there is no list
        if metadata is None:
            return False
        self._shards[kinds[0]].append((metadata, faults))
        return True

    def _take_entry(self, kind: str, index: int, file_no: int, stream: FeedStream, faults: Faults) -> None:
        place = f"{kind}[{index}]"
        if kind == "service_availability":
            self._take_group(index, file_no, stream, faults)
            return
        errors_before = faults.count
        value = stream.value(place)
        self.entries_read += 1
        where = Where(faults, place)
        if kind == "merchant":
            self._keep_merchant(read_merchant(value, place, faults), where)
        else:
            self._keep_service(read_service(value, place, faults), where)
        self.entries_refused[kind] += faults.count > errors_before

    def _keep_merchant(self, merchant: FeedMerchant | None, where: Where) -> None:
        if merchant is None or not merchant.merchant_id:
            return
        known = self.merchants.setdefault(merchant.merchant_id, (merchant, where))
        if known[1] is not where:
            self._doubles.append(("merchant_id", merchant.merchant_id, where, known[1]))

    def _keep_service(self, service: FeedService | None, where: Where) -> None:
        if service is None or not (service.merchant_id and service.service_id):
            return
        known = self.services.setdefault((service.merchant_id, service.service_id), (service, where))
        if known[1] is not where:
            self._doubles.append(("service_id", service.service_id, where, known[1]))

    def _take_group(self, group_no: int, file_no: int, stream: FeedStream, faults: Faults) -> None:
        place = f"service_availability[{group_no}]"
        if not stream.begins("{"):
            fields_of(stream.value(place), place, faults, SERVICE_AVAILABILITY)
            return
        found: dict[str, object] = {}
        for key in stream.keys(place):
            inner = joined(place, key)
            if key == "availability" and stream.begins("["):
                found[key] = []
                for entry_no in stream.entries():
                    self._take_slots((file_no, group_no, entry_no), f"{inner}[{entry_no}]", stream, faults)
            else:
                found[key] = stream.value(inner)
        fields = fields_of(found, place, faults, SERVICE_AVAILABILITY)
        if fields is not None:
            fields.entries("availability")  # notes it where there is no list

    def _take_slots(self, numbers: tuple[int, int, int], place: str, stream: FeedStream, faults: Faults) -> None:
        errors_before = faults.count
        slots = read_slots(stream.value(place), place, faults, self._spots_total_max)
        self.entries_read += 1
        is_faulty = faults.count > errors_before
        self.entries_refused["service_availability"] += is_faulty
        for slot in slots:
            if not (slot.merchant_id and slot.service_id):
                continue
            offer = self._offer(slot, faults, place)
            offer.slots += 1
            # A faulty slot holds stand-ins, which would make it a double of other faulty ones.
            if not is_faulty:
                self._rows.append(_row(slot, offer, numbers))
        if len(self._rows) >= ROWS_STAGED_AT_ONCE:
            self._stage()

    def _offer(self, slot: FeedSlot, faults: Faults, place: str) -> Offer:
        offer = self.offers.get((slot.merchant_id, slot.service_id))
        if offer is None:
            merchant_no = self.merchant_nos.setdefault(slot.merchant_id, len(self.merchant_nos) + 1)
            offer = Offer(merchant_no, len(self.offers) + 1, 0, Where(faults, place))
            self.offers[slot.merchant_id, slot.service_id] = offer
        return offer

    def _stage(self) -> None:
        self.staging.add_slots(self._rows)
        self.slots_staged += len(self._rows)
        self._rows.clear()

    # --- all files -------------------------------------------------------------------------------------------------

    def _check_shards(self, *, missing_too: bool) -> bool:
        """Whether each kind's shards are of one feed, none twice and none missing; says so, of the last if asked to."""
        kinds = [shards for shards in self._shards.values() if shards]
        sound = [are_of_one_feed(shards) and are_there_once(shards, missing_too=missing_too) for shards in kinds]
        return all(sound)

    def check_references(self, known: Known | None) -> None:
        """That every service's merchant, and every slot's service, is there: in the feed of its kind, and where that
        is not among the files, in `known`. A feed is complete, so what it does not list is no longer offered,
        whatever the ledger still has. None: what is not among the files is not judged."""
        merchants = self._offered("merchant", self.merchants, None if known is None else known.merchants)
        services = self._offered("service", self.services, None if known is None else known.services)
        for (merchant_id, _), (_, where) in self.services.items():
            if merchants is not None and merchant_id not in merchants:
                where.fault("merchant_id", merchant_id, self._unknown("merchant", 1, "services"))
        for (merchant_id, service_id), offer in self.offers.items():
            if merchants is not None and merchant_id not in merchants:
                offer.first.fault("merchant_id", merchant_id, self._unknown("merchant", offer.slots, "slots"))
            elif services is not None and (merchant_id, service_id) not in services:
                offer.first.fault("service_id", service_id, self._unknown("service", offer.slots, "slots"))

    def _offered(self, kind: str, fed: Iterable[KeyT], known: frozenset[KeyT] | None) -> frozenset[KeyT] | None:
        return frozenset(fed) if self.has(kind) else known

    def _unknown(self, kind: str, count: int, things: str) -> str:
        others = f" ({count:,} {things} name it)" if count > 1 else ""
        if self.has(kind):
            return f"is a {kind} that the {kind}s feed given does not list; add it there, or correct the id{others}"
        what = "service of this merchant" if kind == "service" else kind
        return f"is no {what} on the ledger; import its {kind}s feed with this one, or correct the id{others}"

    def check_nothing_twice(self) -> None:
        """That no merchant, service or slot is in the files twice."""
        for id_field, value, where, first in self._doubles:
            where.fault(id_field, value, f"is in the feed already, at {first.seen_from(where)}; keep one of them")
        names = {offer.service_no: service_id for (_, service_id), offer in self.offers.items()}
        for service_no, start_us, *places in self.staging.doubles():
            where, first = self.place(*places[:3]), self.place(*places[3:])
            problem = (
                f"is the same slot as {first.seen_from(where)}: same service, start, duration, staff, room and party"
                " size; keep one of them, with the spots of both"
            )
            where.fault("", {"service_id": names[service_no], "start_sec": start_us // SECOND_US}, problem)

    def place(self, file_no: int, group_no: int, entry_no: int) -> Where:
        """Where a staged slot stands."""
        return Where(self.files[file_no], f"service_availability[{group_no}].availability[{entry_no}]")


def _size(file: str) -> int:
    path = Path(file)
    return path.stat().st_size if path.is_file() else 0


def _row(slot: FeedSlot, offer: Offer, numbers: tuple[int, int, int]) -> Row:
    """A merchant's number, and then as `staging.SLOT_COLUMNS`."""
    return (
        offer.merchant_no,
        slot.start_us,
        offer.service_no,
        slot.duration_us,
        slot.staff_id,
        slot.room_id,
        slot.party_size,
        slot.spots_total,
        slot.spots_open,
        slot.spots_elsewhere,
        slot.availability_tag,
        slot.asynchronous,
        slot.first_bookable_us,
        slot.last_bookable_us,
        slot.last_online_cancellable_us,
        slot.recurs,
        *numbers,
    )

"""Feeds onto the ledger: what a validated feed says becomes merchants, services and slots, beside a running server.

Merchant by merchant: first its catalogue, then its slots, which the feed and the ledger both give in the order of
slot_no, so that two rows are compared at a time and only what differs is written. A write holds the ledger's lock for
PIECE_HELD_MAX_S at most; a reader may see a merchant half new, but each row is of the old feed or of the new one.
Interrupted, the import is run again: what is done already is then unchanged.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from slotlease.domain.merchant import Merchant, Service
from slotlease.domain.policy import admits_until_us
from slotlease.domain.slot import AskedSlot, Slot
from slotlease.domain.spot import FOREVER_US
from slotlease.inventory.feed import Feed, FeedRefused, Known
from slotlease.inventory.feed_gathering import KINDS, Progress
from slotlease.inventory.naming import Names
from slotlease.store.protocol import Claims, Store
from slotlease.store.rows import Row

PIECE_HELD_MAX_S = 0.02
"""How long one piece may hold the lock that a running server's leases wait for."""
REST_S = 0.003
"""Left to others between pieces: they look for the lock every millisecond."""

KEPT_LISTED_MAX = 100
MERCHANTS_RETIRED_AT_ONCE = 100
ROWS_BETWEEN_NOTES = 1_000
_ROWS_READ_AT_ONCE = 2_000
_ROWS_WRITTEN_AT_FIRST = 200
_ROWS_WRITTEN_MAX = 10_000


@dataclass(frozen=True, slots=True)
class KeptSlot:
    """A slot that is still to come, that the feed no longer offers, and that somebody holds: the leases and bookings
    stay as they are, and the merchant should hear of them."""

    slot: AskedSlot
    leases: int
    bookings: int


@dataclass
class ImportSummary:
    """What an import did, in rows. A merchant or service that is retired, or a slot that is closed, is no longer in
    the feed. Past slots are neither counted nor closed. What is refused is 0, for one wrong entry refuses all of
    them; `of_refused` has the counts of that."""

    merchants_new: int = 0
    merchants_changed: int = 0
    merchants_unchanged: int = 0
    merchants_retired: int = 0
    merchants_refused: int = 0
    services_new: int = 0
    services_changed: int = 0
    services_unchanged: int = 0
    services_retired: int = 0
    services_refused: int = 0
    slots_new: int = 0
    slots_changed: int = 0
    slots_unchanged: int = 0
    slots_closed: int = 0
    slots_refused: int = 0
    """Entries of the feed: one that recurs stands for many slots."""
    leases_kept: int = 0
    bookings_kept: int = 0

    def __post_init__(self) -> None:
        self.kept: list[KeptSlot] = []
        """Who holds what vanished: the first KEPT_LISTED_MAX of them. Not a field, so the fields are all numbers."""

    @classmethod
    def of_refused(cls, refused: FeedRefused) -> Self:
        """Nothing was done, and so many entries are to blame."""
        merchants, services, slots = (refused.entries[kind] for kind in KINDS)
        return cls(merchants_refused=merchants, services_refused=services, slots_refused=slots)


class ImportRefused(Exception):
    """The feed cannot go onto this ledger; the text says why and what to do."""


def known_inventory(store: Store) -> Known:
    """What the ledger offers now, and feeds may refer to without bringing it along."""
    merchants = [merchant for merchant in store.merchants() if not merchant.retired]
    return Known(
        frozenset(merchant.merchant_id for merchant in merchants),
        frozenset(
            (merchant.merchant_id, service.service_id)
            for merchant in merchants
            for service in merchant.services.values()
            if not service.retired
        ),
    )


def import_feed(
    store: Store,
    feed: Feed,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
    held_max_s: float = PIECE_HELD_MAX_S,
) -> ImportSummary:
    """Puts a feed on the ledger, merchant by merchant, in short transactions beside a running server.

    Each kind of feed is complete (PROCESS_AS_COMPLETE): what it no longer names is retired or closed. A kind that was
    not among the files says nothing. Interrupted, it is run again and ends the same. With `dry_run` nothing is changed
    and the numbers are those that it would have. `progress` hears how many slots of how many are done, and may end
    the import by raising. Raises ImportRefused, StoreUnavailable.
    """
    work = _Import(store, feed, dry_run, progress, held_max_s)
    on_ledger = {merchant.merchant_id: merchant for merchant in store.merchants()}
    names = {merchant.merchant_id: merchant.name for merchant in feed.merchants}
    offered = {merchant_id for merchant_id, merchant in on_ledger.items() if not merchant.retired}
    if feed.merchants_generation_us is not None:
        vanished = [on_ledger[merchant_id] for merchant_id in sorted(offered - names.keys())]
        work.retire(vanished, feed.merchants_generation_us)
        offered = set(names)
    for merchant_id in sorted(offered):
        work.put_merchant(merchant_id, names.get(merchant_id), on_ledger.get(merchant_id))
    return work.summary


class _Import:
    """One import under way."""

    def __init__(self, store: Store, feed: Feed, dry_run: bool, progress: Progress | None, held_max_s: float) -> None:
        self.summary = ImportSummary()
        self._store = store
        self._feed = feed
        self._dry_run = dry_run
        self._progress = progress
        self._pieces = _Pieces(store, dry_run, held_max_s)
        self._slots_done = 0

    # --- merchants -------------------------------------------------------------------------------------------------

    def retire(self, merchants: Sequence[Merchant], generation_us: int) -> None:
        self.summary.merchants_retired = len(merchants)
        for merchant in merchants:
            self._report_retired(merchant, generation_us)
        for start in range(0, 0 if self._dry_run else len(merchants), MERCHANTS_RETIRED_AT_ONCE):
            piece = merchants[start : start + MERCHANTS_RETIRED_AT_ONCE]
            self._store.retire_merchants([merchant.merchant_id for merchant in piece])

    def _report_retired(self, merchant: Merchant, generation_us: int) -> None:
        claims = self._store.claims(merchant.merchant_no, from_us=generation_us + 1, until_us=FOREVER_US)
        if claims:
            for slot in _slots_on_ledger(self._store, merchant.merchant_no):
                self._report_kept(merchant, slot, claims)

    def put_merchant(self, merchant_id: str, name: str | None, before: Merchant | None) -> None:
        services = self._services(merchant_id, before)
        merchant, counts = self._store.put_catalogue(
            merchant_id,
            name,
            services,
            self._feed.staff_of(merchant_id),
            self._feed.rooms_of(merchant_id),
            dry_run=self._dry_run,
        )
        summary = self.summary
        summary.merchants_new += counts.merchants_new
        summary.merchants_changed += counts.merchants_changed
        summary.merchants_unchanged += 1 - counts.merchants_new - counts.merchants_changed
        summary.services_new += counts.services_new
        summary.services_changed += counts.services_changed
        summary.services_unchanged += len(services) - counts.services_new - counts.services_changed
        summary.services_retired += counts.services_retired
        if self._feed.slots_generation_us is not None:
            self._put_slots(merchant, bool(counts.merchants_new), self._feed.slots_generation_us)

    def _services(self, merchant_id: str, before: Merchant | None) -> list[Service]:
        """The merchant's services as they shall be; without a services feed they stay as they are."""
        if self._feed.services_generation_us is None:
            return [] if before is None else [s for s in before.services.values() if not s.retired]
        return [
            Service(
                merchant_no=0,
                service_no=0,
                service_id=service.service_id,
                min_advance_booking_s=service.min_advance_booking_s,
                min_advance_online_canceling_s=service.min_advance_online_canceling_s,
                one_booking_per_user=service.one_booking_per_user,
                min_booking_buffer_before_end_time_s=service.min_booking_buffer_before_end_time_s,
            )
            for service in self._feed.services_of(merchant_id)
        ]

    # --- slots -------------------------------------------------------------------------------------------------------

    def _put_slots(self, merchant: Merchant, is_new: bool, generation_us: int) -> None:
        """`is_new`: the ledger has nothing of the merchant. In a dry run not even its number is its own."""
        if self._feed.number(merchant):
            message = (
                f"merchant {merchant.merchant_id}: some slots have no place on the ledger, because a service was"
                " retired while the feed was read, or two slots have the same number; import again, and if it stays"
                " so, move one of two slots by a second"
            )
            raise ImportRefused(message)
        merchant_no = merchant.merchant_no
        own_bookings = {} if is_new else self._store.own_bookings(merchant_no, generation_us)
        since_us = begun_since_us(merchant, generation_us)
        claims = {} if is_new else self._store.claims(merchant_no, from_us=since_us + 1, until_us=FOREVER_US)
        services = {service.service_no: service for service in merchant.services.values()}
        on_ledger = iter(()) if is_new else _slots_on_ledger(self._store, merchant_no)
        offered = (_slot(merchant_no, row, own_bookings) for row in self._feed.numbered())
        for before, after in _side_by_side(on_ledger, offered):
            if after is not None:
                self._put_offered(merchant, before, after)
            # Feeds look ahead: a slot that has begun is missing because it is past, not because it was withdrawn.
            elif before is not None and generation_us < admits_until_us(before, services[before.service_no]):
                self._close(merchant, before, claims)
        self._pieces.write_rest()
        self._note_progress()

    def _put_offered(self, merchant: Merchant, before: Slot | None, after: Slot) -> None:
        if before == after:
            self.summary.slots_unchanged += 1
        else:
            if before is not None and before.natural_key != after.natural_key:
                message = (
                    f"merchant {merchant.merchant_id}: the slot at {after.start_us // 1_000_000} has the number"
                    f" {after.slot_no} of another slot on the ledger; move it by a second and import again"
                )
                raise ImportRefused(message)
            self.summary.slots_new += before is None
            self.summary.slots_changed += before is not None
            self._pieces.put(after)
        self._slots_done += 1
        if self._slots_done % ROWS_BETWEEN_NOTES == 0:
            self._note_progress()

    def _close(self, merchant: Merchant, slot: Slot, claims: Mapping[int, Claims]) -> None:
        """The feed does not offer the slot. One that is closed already is named again as long as somebody holds it."""
        self._report_kept(merchant, slot, claims)
        if not slot.closed:
            self.summary.slots_closed += 1
            self._pieces.put(slot._replace(closed=True))

    def _report_kept(self, merchant: Merchant, slot: Slot, claims: Mapping[int, Claims]) -> None:
        held = claims.get(slot.slot_no)
        if held is None:
            return
        self.summary.leases_kept += held.leases
        self.summary.bookings_kept += held.bookings
        if len(self.summary.kept) < KEPT_LISTED_MAX:
            self.summary.kept.append(KeptSlot(Names(merchant).asked(slot), held.leases, held.bookings))

    def _note_progress(self) -> None:
        if self._progress is not None:
            self._progress(self._slots_done, self._feed.slots_total)


def begun_since_us(merchant: Merchant, generation_us: int) -> int:
    """No slot of the merchant that started up to this instant was still to be booked when a feed was generated."""
    admits_late = any(s.min_booking_buffer_before_end_time_s is not None for s in merchant.services.values())
    return generation_us - merchant.longest_duration_us if admits_late else generation_us


class _Pieces:
    """Writes slots in pieces of a size that the last one taught: as many as the lock may be held for."""

    def __init__(self, store: Store, dry_run: bool, held_max_s: float) -> None:
        self._store = store
        self._dry_run = dry_run
        self._held_max_s = held_max_s
        self._held_s = 0.0
        """For how long the lock was held or waited for since others were last left a rest."""
        self._rows_max = _ROWS_WRITTEN_AT_FIRST
        self._waiting: list[Slot] = []

    def put(self, slot: Slot) -> None:
        if not self._dry_run:
            self._waiting.append(slot)
            if len(self._waiting) >= self._rows_max:
                self._write()

    def write_rest(self) -> None:
        """All that waits: before another merchant's turn."""
        while self._waiting:
            self._write()

    def _write(self) -> None:
        piece = self._waiting[: self._rows_max]
        begun_s = time.monotonic()
        written = self._store.put_slots(piece[0].merchant_no, piece, held_max_s=self._held_max_s)
        self._held_s += time.monotonic() - begun_s
        del self._waiting[:written]
        if written < len(piece):
            self._rows_max = written
        elif written == self._rows_max:
            self._rows_max = min(2 * written, _ROWS_WRITTEN_MAX)
        if self._held_s >= self._held_max_s / 2:
            self._held_s = 0.0
            time.sleep(REST_S)


def _slots_on_ledger(store: Store, merchant_no: int) -> Iterator[Slot]:
    """Every slot row of the merchant by slot_no, a page at a time."""
    page = store.slots_of(merchant_no, limit=_ROWS_READ_AT_ONCE)
    while page:
        yield from page.values()
        page = store.slots_of(merchant_no, after_slot_no=max(page), limit=_ROWS_READ_AT_ONCE)


def _side_by_side(on_ledger: Iterator[Slot], offered: Iterator[Slot]) -> Iterator[tuple[Slot | None, Slot | None]]:
    """Both by slot_no, paired where they have the same."""
    before, after = next(on_ledger, None), next(offered, None)
    while before is not None or after is not None:
        if after is None or (before is not None and before.slot_no < after.slot_no):
            yield before, None
            before = next(on_ledger, None)
        elif before is None or after.slot_no < before.slot_no:
            yield None, after
            after = next(offered, None)
        else:
            yield before, after
            before, after = next(on_ledger, None), next(offered, None)


def _slot(merchant_no: int, row: Row, own_bookings: Mapping[int, int]) -> Slot:
    """From a row of `Feed.numbered`."""
    slot_no, service_no, start_us, duration_us, staff_no, room_no, party_size, spots_total, spots_open = row[:9]
    spots_elsewhere, availability_tag, asynchronous, first_us, last_us, cancellable_us = row[9:]
    if spots_elsewhere is None:
        # What the feed counts as taken and we did not sell was sold elsewhere (DESIGN 3).
        spots_elsewhere = max(0, spots_total - spots_open - own_bookings.get(slot_no, 0))
    return Slot(
        merchant_no,
        slot_no,
        service_no,
        start_us,
        duration_us,
        staff_no,
        room_no,
        party_size,
        availability_tag,
        spots_total,
        spots_elsewhere,
        False,
        bool(asynchronous),
        first_us,
        last_us,
        cancellable_us,
    )

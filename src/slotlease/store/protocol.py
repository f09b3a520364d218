"""What a store promises. The conformance suite in `tests/store/` holds every backend to it.

Faults are exceptions here, told apart by what the desk must do next (DESIGN 2); refusals are not the store's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from slotlease.domain.booking import Booking
from slotlease.domain.credential import Credential
from slotlease.domain.event import EventTold
from slotlease.domain.facts import Changes, Facts, RowKey, Wanted
from slotlease.domain.lease import Lease
from slotlease.domain.marketing import MarketingPreference
from slotlease.domain.merchant import Merchant, Service
from slotlease.domain.slot import Slot

Clock = Callable[[], int]
"""Microseconds since 1970 UTC. Only the store reads it, once in each transaction."""


class StoreFault(Exception):
    """The store could not do what it was asked. Nothing of its text ever reaches a caller."""


class StoreUnavailable(StoreFault):
    """Connection lost, disk full, read-only, time-out: nothing was written. Asked again later, it may work."""


class StoreConflict(StoreFault):
    """Another writer came between (serialization, deadlock, a row no longer as prefetched): nothing was written.
    The whole batch is to be done again."""


class StoreDeadlock(StoreConflict):
    """Writers waited for each other in a circle, and the database chose this one to give up. Nothing was written, and
    doing it again is right; that it happens is not, for locks are taken in one order (INV-22)."""


class CommitUnknown(StoreFault):
    """The commit may or may not have happened. The whole batch is to be done again on a new connection, from
    prefetch, where its tokens find what did commit."""


class RowRefused(StoreFault):
    """The database refused a row or a value: nothing was written. One request of the batch is to blame."""


class StoreRefused(StoreFault):
    """The store cannot be opened or used at all; the text says what is wrong, where, and what to do next."""


class StoreMissing(StoreRefused):
    """There is no ledger at the address."""


class StoreOutdated(StoreRefused):
    """The ledger's schema is older than the program: a server, or the operator, brings it up to date."""


class Transaction(Protocol):
    """A batch at work. `facts.now_us` was read after the locks were granted, so no wait can make it stale."""

    @property
    def facts(self) -> Facts: ...

    def load(self, wanted: Wanted) -> None:
        """Adds to `facts` what `wanted` names: merchants with their whole catalogue, slots with the occupancy of
        each and of every slot that shares its staff or room at an overlapping time, rows by id or token.
        What is not there is simply absent. A merchant named here but not at the start is found only if its row
        was locked at the start."""

    def commit(self, changes: Changes) -> None:
        """Writes all of it durably, or raises and writes nothing (`CommitUnknown`: or all of it).

        Every write is conditional on the row as prefetched, and a new spot on the slot's capacity.
        Raises StoreConflict, RowRefused, StoreUnavailable, CommitUnknown."""


class Snapshot(Protocol):
    """A consistent view for reads. Its clock was read before the snapshot was taken."""

    @property
    def facts(self) -> Facts: ...

    def load(self, wanted: Wanted) -> None: ...


@dataclass(frozen=True, slots=True)
class SchemaVersions:
    """The number of the last script applied to the ledger, before it was opened (0: a new ledger) and now."""

    before: int
    now: int


@dataclass(frozen=True, slots=True)
class CatalogueCounts:
    """What an import of one merchant's catalogue changed."""

    merchants_new: int = 0
    merchants_changed: int = 0
    services_new: int = 0
    services_changed: int = 0
    services_retired: int = 0


@dataclass(frozen=True, slots=True)
class Claims:
    """Live claims on one slot at one instant."""

    leases: int = 0
    bookings: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `audit` found wrong: what, where, in words for the operator."""

    rule: str
    where: str
    what: str


class Ledger(Protocol):
    """What operators and housekeeping read. Each call is a snapshot of its own."""

    def leases(self, *, live_only: bool, limit: int, expired_only: bool = False) -> Sequence[Lease]:
        """Leases, newest first; with `live_only` those live now, with `expired_only` those whose time ran out, swept
        or not."""

    def bookings(self, *, limit: int) -> Sequence[Booking]:
        """Bookings by start, the latest first."""

    def live_leases(self) -> int:
        """How many there are now. Its cost grows with them, and not with those that ended."""

    def lapsed_leases(self, *, after: RowKey, limit: int) -> Sequence[RowKey]:
        """(merchant_no, lease_no) of leases whose time is up and that nobody has buried, in order, past `after`."""

    def old_leases(self, *, kept_us: int, after: RowKey, limit: int) -> Sequence[RowKey]:
        """(merchant_no, lease_no) of leases whose expiry is `kept_us` ago or more, in order, past `after`."""

    def events(self, *, after: Mapping[int, int], merchant_id: str | None, limit: int) -> Sequence[EventTold]:
        """The first `limit` events past the number `after` gives for their merchant_no (not given: from the first
        one on), by merchant and number; with `merchant_id` only that merchant's. Within a merchant none is ever
        inserted before one that was read. Raises StoreRefused where `after` is a number that was never given: then the
        reader knows what the ledger has lost."""

    def marketing_preferences(self, *, after: str, limit: int) -> Sequence[MarketingPreference]:
        """What users want to hear, by user_id: the first `limit` past the user_id `after`."""

    @property
    def audit_rules(self) -> Sequence[str]:
        """What `audit` recounts: the rule of every finding that there could be."""

    def audit(self) -> Sequence[Finding]:
        """Recounts every spot, staff and room from the tables (INV-1 to INV-5): what is wrong, or nothing."""


class Inventory(Protocol):
    """What an import writes. One merchant at a time, each call a short transaction under its lock."""

    def merchants(self) -> Sequence[Merchant]:
        """Every merchant with its catalogue, retired ones too, by id."""

    def merchant_names(self) -> dict[str, str]:
        """What every merchant is called, by merchant_id."""

    def retire_merchants(self, merchant_ids: Sequence[str]) -> None:
        """These take no more bookings; what they leased and sold stays. One that is unknown is passed over."""

    def put_catalogue(
        self,
        merchant_id: str,
        name: str | None,
        services: Sequence[Service],
        staff: Sequence[str],
        rooms: Sequence[str],
        *,
        dry_run: bool = False,
    ) -> tuple[Merchant, CatalogueCounts]:
        """Adds or changes the merchant and its services (numbers in `services` are ignored), retires services
        that are not named, adds staff and rooms. `name` None keeps the name. The same call twice changes nothing.
        With `dry_run` it changes nothing either, and answers as if it had."""

    def slots_of(self, merchant_no: int, *, after_slot_no: int = -1, limit: int | None = None) -> dict[int, Slot]:
        """The merchant's slot rows by slot_no and in its order, closed ones too: every one past `after_slot_no`,
        or the first `limit` of them."""

    def slots_by_start(self, merchant_no: int, *, after: tuple[int, int], until_us: int, limit: int) -> Sequence[Slot]:
        """The merchant's slot rows that start before `until_us`, closed ones too, in the order of
        (start_us, slot_no): the first `limit` past `after`. They know whether the operator closed them."""

    def claims(self, merchant_no: int, *, from_us: int, until_us: int) -> dict[int, Claims]:
        """Claims live now on slots that start in the span, by slot_no; a slot without any is absent."""

    def own_bookings(self, merchant_no: int, at_us: int) -> dict[int, int]:
        """How many bookings made here claimed a spot at that instant, by slot_no."""

    def put_slots(self, merchant_no: int, slots: Sequence[Slot], *, held_max_s: float | None = None) -> int:
        """Inserts or replaces these slot rows, in this order, and says how many: all of them, or as many as the lock
        may be held for, at least one. Raises RowRefused where a slot_no belongs to another natural key."""


class Access(Protocol):
    """Who may call version 3. Each call is a short transaction of its own."""

    def credentials(self) -> Sequence[Credential]:
        """All of them, by name, whether valid now or not."""

    def add_credential(self, credential: Credential) -> bool:
        """Whether it was added: False where the name is taken."""

    def revoke_credential(self, user_name: str) -> bool:
        """Whether there was one."""


class Store(Ledger, Inventory, Access, Protocol):
    """A ledger of slots, spots, leases and bookings. Safe to share between threads."""

    @property
    def fingerprint_key(self) -> bytes:
        """32 random bytes made with the ledger: the key of request fingerprints."""

    @property
    def schema(self) -> SchemaVersions:
        """What opening the ledger did to its schema."""

    def transact(self, wanted: Wanted) -> AbstractContextManager[Transaction]:
        """Begins a write: locks the merchants that `wanted` names, in number order, reads the clock, loads.
        Leaving the block without a commit rolls back. Raises StoreUnavailable, StoreConflict."""

    def snapshot(self, wanted: Wanted) -> AbstractContextManager[Snapshot]:
        """Begins a read. Whatever was acknowledged before is in it (INV-27). Raises StoreUnavailable."""

    def probe_write(self) -> None:
        """Waits its turn and commits durably a change that changes nothing. Raises StoreFault where no write would
        succeed now."""

    def close(self) -> None: ...

"""Fills the facts of a batch from a database that is in the process: a look-up costs no journey, so rows are read one
by one. Slots, of which one request may name hundreds, are at least asked for together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from slotlease.domain.booking import Booking
from slotlease.domain.facts import CLAIMS_MAX, Facts, RowKey, Wanted, natural_key
from slotlease.domain.lease import Lease
from slotlease.domain.merchant import Merchant
from slotlease.domain.slot import NaturalKey, Slot, slot_number
from slotlease.domain.spot import FOREVER_US, Occupancy
from slotlease.store import rows, statements
from slotlease.store.rows import Params, Row

Query = Callable[[str, Params], Sequence[Row]]

QueryEach = Callable[[str, Sequence[Params]], Iterable[Row]]
"""Runs one statement with each of the parameters; the rows of all, one after the other, none kept."""

CATALOGUES_MAX = 10_000
"""Merchants whose catalogues are remembered between batches; past that, all are forgotten and read again."""

EVERY_ROW = -1

Catalogues = dict[int, tuple[int, Merchant]]
"""By merchant_no, with the revision that was read: a merchant's row tells each batch whether it still holds."""


class Prefetch:
    """Adds to `facts` what is wanted. `counts_all`: a read wants every slot counted, a write only those that
    may be full, or that share staff or a room."""

    def __init__(
        self, query: Query, query_each: QueryEach, facts: Facts, catalogues: Catalogues, *, counts_all: bool
    ) -> None:
        self._query = query
        self._query_each = query_each
        self._facts = facts
        self._catalogues = catalogues
        self._counts_all = counts_all
        self._takers: Counter[RowKey] = Counter()
        self._highest: dict[RowKey, int] = {}
        """Number of a slot's highest spot, 0 where there is none"""

    def load(self, wanted: Wanted) -> None:
        for merchant_id in wanted.merchant_ids:
            if merchant_id not in self._facts.merchants:
                self._add_merchant(self._one(statements.MERCHANT_BY_ID, {"merchant_id": merchant_id}))
        for merchant_no in wanted.merchant_nos:
            if merchant_no not in self._facts.merchant_ids:
                self._add_merchant(self._one(statements.MERCHANT_BY_NO, {"merchant_no": merchant_no}))
        self._load_slots(wanted)
        self._load_leases(wanted)
        self._load_bookings(wanted)
        for key in wanted.claims:
            self._load_claims(key)

    # --- merchants -------------------------------------------------------------------------------------------

    def _add_merchant(self, row: Row | None) -> None:
        if row is None:
            return
        merchant_no, merchant_id, retired, longest_duration_us, revision, next_no = row
        known = self._catalogues.get(merchant_no)
        if known is None or known[0] != revision:
            merchant = self._read_merchant(merchant_no, merchant_id, bool(retired), longest_duration_us)
            if len(self._catalogues) >= CATALOGUES_MAX:
                self._catalogues.clear()
            self._catalogues[merchant_no] = known = (revision, merchant)
        self._facts.merchants[merchant_id] = known[1]
        self._facts.merchant_ids[merchant_no] = merchant_id
        self._facts.next_nos[merchant_no] = next_no

    def _read_merchant(self, merchant_no: int, merchant_id: str, retired: bool, longest_us: int) -> Merchant:
        of_merchant = {"merchant_no": merchant_no}
        services = [rows.service_of(row) for row in self._query(statements.SERVICES, of_merchant)]
        return Merchant(
            merchant_no,
            merchant_id,
            retired,
            longest_us,
            {service.service_id: service for service in services},
            {row[0]: row[1] for row in self._query(statements.STAFF, of_merchant)},
            {row[0]: row[1] for row in self._query(statements.ROOMS, of_merchant)},
        )

    # --- slots -------------------------------------------------------------------------------------------------

    def _load_slots(self, wanted: Wanted) -> None:
        named: list[tuple[RowKey, NaturalKey]] = []
        for asked in wanted.slots:
            merchant = self._facts.merchants.get(asked.merchant_id)
            key = None if merchant is None else natural_key(merchant, asked)
            if merchant is not None and key is not None:
                named.append(((merchant.merchant_no, slot_number(key)), key))
        sought = {row_key for row_key, _ in named}
        self._facts.slots_sought |= sought
        self._add_slots(sought)
        found: dict[RowKey, Slot] = {}
        for row_key, key in named:
            slot = self._facts.slots.get(row_key)
            if slot is not None and slot.natural_key == key:
                self._takers[row_key] += 1
                found[row_key] = slot
        # All that share staff or a room with one of them at an overlapping time.
        rivals = self._rivals(found.values()) - found.keys()
        self._add_slots(rivals)
        self._add_occupancies(found | {rival: self._facts.slots[rival] for rival in rivals})

    def _add_slots(self, keys: Iterable[RowKey]) -> None:
        """Those that are there and not known yet, with the highest number of a spot of each."""
        unknown = [_of_slot(key) for key in keys if key not in self._facts.slots]
        for *row, closed_by_operator, highest in self._query_each(statements.SLOT, unknown):
            slot = rows.slot_of(row, closed_by_operator)
            key = slot.key
            self._facts.slots[key] = slot
            self._highest[key] = highest

    def _add_occupancies(self, slots: Mapping[RowKey, Slot]) -> None:
        now = {"now_us": self._facts.now_us}
        counted = {key for key, slot in slots.items() if self._counts(key, slot)}
        found = self._query_each(statements.COUNT_SPOTS, [_of_slot(key) | now for key in counted if self._highest[key]])
        counts = {(merchant_no, slot_no): (busy, lapsed) for merchant_no, slot_no, busy, lapsed in found}
        for key, slot in slots.items():
            self._facts.occupancies[key] = self._occupancy(key, slot, counts.get(key), counted=key in counted)

    def _counts(self, key: RowKey, slot: Slot) -> bool:
        """A slot with unused numbers for everybody need not be counted to be granted, unless it excludes others."""
        shares = bool(slot.staff_no or slot.room_no)
        return self._counts_all or shares or self._highest[key] + self._takers[key] > slot.capacity

    def _occupancy(self, key: RowKey, slot: Slot, counts: tuple[int, int] | None, *, counted: bool) -> Occupancy:
        highest, takers = self._highest[key], self._takers[key]
        place = (*key, slot.start_us, slot.end_us, slot.staff_no, slot.room_no)
        if counts is None:
            return Occupancy(*place, highest, counted, highest)
        busy, lapsed_count = counts
        of_slot = _of_slot(key)
        of_slot_now = {**of_slot, "now_us": self._facts.now_us}
        # Each taker needs one row, and buries another while more claims could be revived than the slot now holds.
        # A slot that shares staff or a room is buried whole when a rival counts it as gone.
        shares = slot.staff_no or slot.room_no
        rows_max = EVERY_ROW if shares else 2 * takers + max(0, busy + lapsed_count - slot.capacity)
        lapsed = self._query(statements.LAPSED_SPOTS, {**of_slot_now, "rows_max": rows_max}) if lapsed_count else ()
        free_count = highest - busy - lapsed_count
        free = self._query(statements.FREE_SPOTS, {**of_slot, "rows_max": takers}) if free_count else ()
        return Occupancy(
            *place,
            highest=highest,
            busy=busy,
            lapsed_count=lapsed_count,
            lapsed=tuple(rows.spot_of(row) for row in lapsed),
            free=tuple(rows.spot_of(row) for row in free),
        )

    def _rivals(self, slots: Iterable[Slot]) -> set[RowKey]:
        spans = [
            {
                **_of_slot(slot.key),
                "start_us": slot.start_us,
                "end_us": slot.end_us,
                "longest_duration_us": self._longest_us(slot.merchant_no),
                "staff_no": slot.staff_no,
                "room_no": slot.room_no,
            }
            for slot in slots
            if slot.staff_no or slot.room_no
        ]
        by_staff = self._query_each(statements.SLOTS_OVERLAPPING_ON_STAFF, [one for one in spans if one["staff_no"]])
        by_room = self._query_each(statements.SLOTS_OVERLAPPING_IN_ROOM, [one for one in spans if one["room_no"]])
        return {(merchant_no, slot_no) for found in (by_staff, by_room) for merchant_no, slot_no in found}

    def _longest_us(self, merchant_no: int) -> int:
        return self._facts.merchants[self._facts.merchant_ids[merchant_no]].longest_duration_us

    # --- leases and bookings -------------------------------------------------------------------------------------

    def _load_leases(self, wanted: Wanted) -> None:
        keys = [{"merchant_no": merchant_no, "lease_no": lease_no} for merchant_no, lease_no in wanted.leases]
        for row in self._query_each(statements.LEASE, keys):
            self._add_lease(row)
        merchants = self._facts.merchants
        tokens = [
            {"merchant_no": merchants[merchant_id].merchant_no, "client_reference": client_reference}
            for merchant_id, client_reference in wanted.references
            if merchant_id in merchants
        ]
        for row in self._query_each(statements.LEASE_BY_REFERENCE, tokens):
            self._add_lease(row)

    def _add_lease(self, row: Row | None) -> Lease | None:
        if row is None:
            return None
        lease = rows.lease_of(row, self._facts.merchant_ids[row[0]])
        key = (lease.merchant_no, lease.lease_no)
        self._facts.leases[key] = lease
        self._facts.leases_by_reference[lease.merchant_no, lease.client_reference] = key
        return lease

    def _load_bookings(self, wanted: Wanted) -> None:
        keys = [{"merchant_no": merchant_no, "booking_no": booking_no} for merchant_no, booking_no in wanted.bookings]
        for row in self._query_each(statements.BOOKING, keys):
            self._add_booking(row)
        merchants = self._facts.merchants
        tokens = [
            {"merchant_no": merchants[merchant_id].merchant_no, "idempotency_token": idempotency_token}
            for merchant_id, idempotency_token in wanted.tokens
            if merchant_id in merchants
        ]
        for row in self._query_each(statements.BOOKING_BY_TOKEN, tokens):
            self._add_booking(row)
        for merchant_no, slot_no, user_key in wanted.users_of_slots:
            of_user = {"merchant_no": merchant_no, "slot_no": slot_no, "user_key": user_key}
            found = self._query(statements.BOOKINGS_OF_USER_AND_SLOT, of_user)
            self._facts.users_of_slots[merchant_no, slot_no, user_key] = frozenset(row[0] for row in found)
        for user_key in wanted.users:
            self._load_user(user_key)

    def _load_claims(self, key: RowKey) -> None:
        merchant_no, slot_no = key
        busy = {"merchant_no": merchant_no, "slot_no": slot_no, "now_us": self._facts.now_us, "rows_max": CLAIMS_MAX}
        spots = tuple(rows.spot_of(row) for row in self._query(statements.SPOTS_BUSY, busy))
        self._facts.spots_busy[key] = spots
        for spot in spots:
            if spot.busy_until_us == FOREVER_US:
                booking = {"merchant_no": merchant_no, "booking_no": spot.holder_no}
                self._add_booking(self._one(statements.BOOKING, booking))
            else:
                self._add_lease(self._one(statements.LEASE, {"merchant_no": merchant_no, "lease_no": spot.holder_no}))

    def _add_booking(self, row: Row | None) -> Booking | None:
        if row is None:
            return None
        booking = rows.booking_of(row, self._facts.merchant_ids[row[0]])
        key = (booking.merchant_no, booking.booking_no)
        self._facts.bookings[key] = booking
        self._facts.bookings_by_token[booking.merchant_no, booking.idempotency_token] = key
        return booking

    def _load_user(self, user_key: str) -> None:
        if self._one(statements.USER_IS_KNOWN, {"user_key": user_key}) is None:
            return
        upcoming = self._query(
            statements.BOOKINGS_OF_USER_UPCOMING, {"user_key": user_key, "now_us": self._facts.now_us}
        )
        self._facts.bookings_of_users[user_key] = tuple(rows.booking_of(row[1:], row[0]) for row in upcoming)

    def _one(self, sql: str, params: Params) -> Row | None:
        found = self._query(sql, params)
        return found[0] if found else None


def _of_slot(key: RowKey) -> dict[str, int]:
    return {"merchant_no": key[0], "slot_no": key[1]}

"""Fills the facts of a batch from a database that is a journey away: all its rows in one.

`prefetch.py` says what is loaded and why. Here each kind of row is one statement for the whole batch. A slot's number
is computed from its merchant's catalogue, so catalogues are remembered; whether one still holds its merchant's row
tells, in the same journey, and only where it does not are they read anew and the rows asked for again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from slotlease.domain.facts import CLAIMS_MAX, Facts, RowKey, Wanted, natural_key
from slotlease.domain.merchant import Merchant, Service
from slotlease.domain.slot import AskedSlot, Slot, slot_number
from slotlease.domain.spot import FOREVER_US, Occupancy, Spot
from slotlease.store import postgres_statements as statements
from slotlease.store import rows
from slotlease.store import statements as shared
from slotlease.store.postgres_connections import Session
from slotlease.store.prefetch import CATALOGUES_MAX
from slotlease.store.rows import Params, Row


class Step(NamedTuple):
    """One statement, and who takes its rows."""

    sql: str
    params: Params
    take: Callable[[list[Row]], None]


class Catalogues:
    """Merchants as they were read, each with the revision of its catalogue."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, Merchant]] = {}
        self._numbers: dict[str, int] = {}

    def number_of(self, merchant_id: str) -> int | None:
        """For ever the same, whatever became of the catalogue."""
        return self._numbers.get(merchant_id)

    def latest(self, merchant_no: int) -> Merchant | None:
        known = self._known.get(merchant_no)
        return None if known is None else known[1]

    def at(self, merchant_no: int, revision: int) -> Merchant | None:
        known = self._known.get(merchant_no)
        return known[1] if known is not None and known[0] == revision else None

    def put(self, merchant: Merchant, revision: int) -> None:
        if len(self._known) >= CATALOGUES_MAX:
            self._known = {}
            self._numbers = {}
        self._known[merchant.merchant_no] = (revision, merchant)
        self._numbers[merchant.merchant_id] = merchant.merchant_no


class Prefetch:
    """Adds to `facts` what is wanted. `counts_all` as in `prefetch.Prefetch`."""

    def __init__(self, session: Session, facts: Facts, catalogues: Catalogues, *, counts_all: bool) -> None:
        self._session = session
        self._facts = facts
        self._catalogues = catalogues
        self._counts_all = counts_all
        self._takers: Counter[RowKey] = Counter()

    def begin(self, wanted: Wanted, before: Sequence[tuple[str, Params]], merchants_sql: str, clock_sql: str) -> None:
        """Runs `before`, finds the merchants, reads the clock and loads, in one journey where the catalogues that are
        remembered still hold. `clock_sql` empty: the facts have their time already."""
        merchants: list[Row] = []
        steps = [Step(sql, params, _nobody) for sql, params in before]
        steps += self._find_merchants(wanted, merchants_sql, merchants)
        if clock_sql:
            steps.append(Step(clock_sql, {}, self._take_clock))
        head = len(steps)
        expected = self._expected(wanted)
        steps += self._row_steps(wanted, expected)
        found = self._session.run([(step.sql, step.params) for step in steps])
        for step, its_rows in zip(steps[:head], found, strict=False):
            step.take(its_rows)
        # Another thread may have read a newer catalogue since: what was asked for must be of the very one that holds.
        if all(row[1] in expected and self._remembered(row) is expected[row[1]] for row in merchants):
            self._add_merchants(merchants, expected)
            for step, its_rows in zip(steps[head:], found[head:], strict=True):
                step.take(its_rows)
            self._load_claims(wanted)
            return
        self._takers.clear()
        self._learn_merchants(merchants)
        self._load_rows(wanted)

    def load(self, wanted: Wanted, *, finds_merchants: bool) -> None:
        """More of the same. `finds_merchants`: also those that were not named at the beginning."""
        if finds_merchants:
            merchants: list[Row] = []
            unknown = Wanted(
                merchant_ids=wanted.merchant_ids - self._facts.merchants.keys(),
                merchant_nos=wanted.merchant_nos - self._facts.merchant_ids.keys(),
            )
            self._run(self._find_merchants(unknown, statements.MERCHANTS_WANTED, merchants))
            self._learn_merchants(merchants)
        self._load_rows(wanted)

    def every_merchant(self) -> None:
        self._learn_merchants(self._session.query(shared.MERCHANTS, {}))

    def _run(self, steps: Sequence[Step]) -> None:
        if steps:
            found = self._session.run([(step.sql, step.params) for step in steps])
            for step, its_rows in zip(steps, found, strict=True):
                step.take(its_rows)

    def _load_rows(self, wanted: Wanted) -> None:
        self._run(self._row_steps(wanted, self._facts.merchants))
        self._load_claims(wanted)

    def _take_clock(self, found: list[Row]) -> None:
        ((self._facts.now_us,),) = found

    # --- merchants -------------------------------------------------------------------------------------------

    def _find_merchants(self, wanted: Wanted, sql: str, merchants: list[Row]) -> list[Step]:
        numbers = {merchant_id: self._catalogues.number_of(merchant_id) for merchant_id in wanted.merchant_ids}
        known = {number for number in numbers.values() if number is not None} | wanted.merchant_nos
        unknown = [merchant_id for merchant_id, number in numbers.items() if number is None]
        if not known and not unknown:
            return []
        return [Step(sql, statements.merchants_named(known, unknown), merchants.extend)]

    def _expected(self, wanted: Wanted) -> dict[str, Merchant]:
        """The merchants as they are remembered: most likely they have not changed."""
        numbers = {self._catalogues.number_of(merchant_id) for merchant_id in wanted.merchant_ids} | wanted.merchant_nos
        remembered = (self._catalogues.latest(number) for number in numbers if number is not None)
        return {merchant.merchant_id: merchant for merchant in remembered if merchant is not None}

    def _remembered(self, row: Row) -> Merchant | None:
        return self._catalogues.at(row[0], row[4])

    def _learn_merchants(self, merchants: Sequence[Row]) -> None:
        known = {row[1]: self._remembered(row) for row in merchants}
        read = self._read_catalogues([row for row in merchants if known[row[1]] is None])
        self._add_merchants(merchants, {**{name: one for name, one in known.items() if one is not None}, **read})

    def _add_merchants(self, found: Iterable[Row], merchants: dict[str, Merchant]) -> None:
        for merchant_no, merchant_id, _, _, _, next_no in found:
            self._facts.merchants[merchant_id] = merchants[merchant_id]
            self._facts.merchant_ids[merchant_no] = merchant_id
            self._facts.next_nos[merchant_no] = next_no

    def _read_catalogues(self, merchants: Sequence[Row]) -> dict[str, Merchant]:
        if not merchants:
            return {}
        of_merchants = statements.merchants_named([row[0] for row in merchants], [])
        found = self._session.run(
            [(sql, of_merchants) for sql in (statements.SERVICES_OF, statements.STAFF_OF, statements.ROOMS_OF)]
        )
        services: dict[int, dict[str, Service]] = {row[0]: {} for row in merchants}
        staff: dict[int, dict[str, int]] = {row[0]: {} for row in merchants}
        rooms_of: dict[int, dict[str, int]] = {row[0]: {} for row in merchants}
        for service in map(rows.service_of, found[0]):
            services[service.merchant_no][service.service_id] = service
        for by_id, its_rows in ((staff, found[1]), (rooms_of, found[2])):
            for merchant_no, name, number in its_rows:
                by_id[merchant_no][name] = number
        read: dict[str, Merchant] = {}
        for no, merchant_id, retired, longest_us, revision, _ in merchants:
            merchant = Merchant(no, merchant_id, bool(retired), longest_us, services[no], staff[no], rooms_of[no])
            self._catalogues.put(merchant, revision)
            read[merchant_id] = merchant
        return read

    # --- rows --------------------------------------------------------------------------------------------------

    def _row_steps(self, wanted: Wanted, merchants: dict[str, Merchant]) -> list[Step]:
        numbers = {merchant_id: merchant.merchant_no for merchant_id, merchant in merchants.items()}
        of_reference = [(numbers[name], token) for name, token in wanted.references if name in numbers]
        of_token = [(numbers[name], token) for name, token in wanted.tokens if name in numbers]
        users = [(user_key,) for user_key in wanted.users]
        steps = [
            *self._slot_steps(wanted.slots, merchants),
            *_step(statements.LEASES, "merchant_no lease_no", wanted.leases, self._take_leases),
            *_step(statements.LEASES_BY_REFERENCE, "merchant_no client_reference", of_reference, self._take_leases),
            *_step(statements.BOOKINGS, "merchant_no booking_no", wanted.bookings, self._take_bookings),
            *_step(statements.BOOKINGS_BY_TOKEN, "merchant_no idempotency_token", of_token, self._take_bookings),
            *_step(statements.USERS_KNOWN, "user_key", users, self._take_users),
            *_step(statements.BOOKINGS_OF_USERS_UPCOMING, "user_key", users, self._take_upcoming),
        ]
        if wanted.users_of_slots:
            asked = list(wanted.users_of_slots)
            take = lambda found: self._take_users_of_slots(asked, found)  # noqa: E731
            steps += _step(statements.BOOKINGS_OF_USERS_AND_SLOTS, "merchant_no slot_no user_key", asked, take)
        return steps

    def _take_leases(self, found: list[Row]) -> None:
        for row in found:
            if row[0] in self._facts.merchant_ids:
                lease = rows.lease_of(row, self._facts.merchant_ids[row[0]])
                key = (lease.merchant_no, lease.lease_no)
                self._facts.leases[key] = lease
                self._facts.leases_by_reference[lease.merchant_no, lease.client_reference] = key

    def _take_bookings(self, found: list[Row]) -> None:
        for row in found:
            if row[0] in self._facts.merchant_ids:
                booking = rows.booking_of(row, self._facts.merchant_ids[row[0]])
                key = (booking.merchant_no, booking.booking_no)
                self._facts.bookings[key] = booking
                self._facts.bookings_by_token[booking.merchant_no, booking.idempotency_token] = key

    def _take_users_of_slots(self, asked: Sequence[tuple[int, int, str]], found: list[Row]) -> None:
        numbers: dict[tuple[int, int, str], set[int]] = {key: set() for key in asked}
        for merchant_no, slot_no, user_key, booking_no in found:
            numbers[merchant_no, slot_no, user_key].add(booking_no)
        self._facts.users_of_slots.update({key: frozenset(found_nos) for key, found_nos in numbers.items()})

    def _take_users(self, found: list[Row]) -> None:
        self._facts.bookings_of_users.update({user_key: () for (user_key,) in found})

    def _take_upcoming(self, found: list[Row]) -> None:
        for user_key, merchant_id, *row in found:
            before = self._facts.bookings_of_users.get(user_key, ())
            self._facts.bookings_of_users[user_key] = (*before, rows.booking_of(row, merchant_id))

    def _load_claims(self, wanted: Wanted) -> None:
        for key in wanted.claims:
            self._load_claims_of(key)

    def _load_claims_of(self, key: RowKey) -> None:
        params = {**statements.arrays_of("merchant_no slot_no", [key]), "rows_max": CLAIMS_MAX}
        spots = tuple(map(rows.spot_of, self._session.query(statements.SPOTS_BUSY, params)))
        self._facts.spots_busy[key] = spots
        booked = {(spot.merchant_no, spot.holder_no) for spot in spots if spot.busy_until_us == FOREVER_US}
        leased = {(spot.merchant_no, spot.holder_no) for spot in spots if spot.busy_until_us != FOREVER_US}
        self._run(
            [
                *_step(statements.LEASES, "merchant_no lease_no", leased, self._take_leases),
                *_step(statements.BOOKINGS, "merchant_no booking_no", booked, self._take_bookings),
            ]
        )

    # --- slots -------------------------------------------------------------------------------------------------

    def _slot_steps(self, asked: Sequence[AskedSlot], merchants: dict[str, Merchant]) -> list[Step]:
        keys: dict[RowKey, tuple[int, ...]] = {}
        takers: Counter[RowKey] = Counter()
        spans: dict[RowKey, tuple[int, ...]] = {}
        for slot in asked:
            merchant = merchants.get(slot.merchant_id)
            key = None if merchant is None else natural_key(merchant, slot)
            if merchant is None or key is None:
                continue
            sought = (merchant.merchant_no, slot_number(key))
            keys[sought] = key
            takers[sought] += 1
            _, start_us, duration_us, staff_no, room_no, _ = key
            if staff_no or room_no:
                end_us = start_us + duration_us
                spans[sought] = (*sought, start_us, end_us, staff_no, room_no, merchant.longest_duration_us)
        if not keys:
            return []
        for sought, count in takers.items():
            self._takers[sought] += count
        counts_all = {"counts_all": self._counts_all}
        wanted = [(*sought, self._takers[sought]) for sought in keys]
        steps = _step(
            statements.SLOTS,
            "merchant_no slot_no takers",
            wanted,
            lambda found: self._take_slots(keys, found),
            **counts_all,
        )
        return steps + _step(statements.RIVALS, statements.SPAN, spans.values(), self._take_rivals, **counts_all)

    def _take_slots(self, keys: dict[RowKey, tuple[int, ...]], found: list[Row]) -> None:
        self._facts.slots_sought.update(keys)
        for row in found:
            slot, occupancy = _occupancy_of(row)
            self._facts.slots[slot.key] = slot
            # Two natural keys may share a number (DESIGN 3).
            if slot.natural_key == keys[slot.key]:
                self._facts.occupancies[slot.key] = occupancy

    def _take_rivals(self, found: list[Row]) -> None:
        for row in found:
            slot, occupancy = _occupancy_of(row)
            self._facts.slots.setdefault(slot.key, slot)
            self._facts.occupancies.setdefault(slot.key, occupancy)


def _occupancy_of(row: Row) -> tuple[Slot, Occupancy]:
    slot = rows.slot_of(row[:16], row[16])
    highest, counts, busy, lapsed_count, lapsed_nos, busy_until_us, holder_nos, free_nos = row[17:]
    place = (slot.merchant_no, slot.slot_no, slot.start_us, slot.end_us, slot.staff_no, slot.room_no)
    if highest == 0 or not counts:
        return slot, Occupancy(*place, highest=highest, counted=counts, busy=highest)
    lapsed = zip(lapsed_nos or (), busy_until_us or (), holder_nos or (), strict=True)
    return slot, Occupancy(
        *place,
        highest=highest,
        busy=busy,
        lapsed_count=lapsed_count,
        lapsed=tuple(Spot(*slot.key, spot_no, until_us, holder_no) for spot_no, until_us, holder_no in lapsed),
        free=tuple(Spot(*slot.key, spot_no, 0, 0) for spot_no in free_nos or ()),
    )


def _step(
    sql: str, names: str, asked: Iterable[Sequence[object]], take: Callable[[list[Row]], None], **more: object
) -> list[Step]:
    """The statement for these rows of its arrays; none where there is nothing to ask."""
    arrays = statements.arrays_of(names, asked)
    return [Step(sql, {**arrays, **more}, take)] if arrays else []


def _nobody(_: list[Row]) -> None:
    """Takes the rows of a statement that has none."""

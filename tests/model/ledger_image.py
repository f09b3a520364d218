"""The whole ledger at one instant, read by SQL of the tests' own, and what must hold of it: INV-1 to INV-16.

None of it needs the model, and the strict forms of INV-1 and INV-2 not even a clock: a claim that is not given back
counts, whatever time it is, so what they say of the ledger no clock can take back (DESIGN 3: bury what you judge dead).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import apsw

from tests.model.kept import Place

KeyT = TypeVar("KeyT", bound=Hashable)

FOREVER_US = 2**63 - 1
LEASE_STATES = {1: "ACTIVE", 2: "CONSUMED", 3: "EXPIRED", 4: "RELEASED"}
BOOKING_STATUSES = {1: "CONFIRMED", 2: "PENDING_MERCHANT_CONFIRMATION", 3: "CANCELED"}


class SpotRow(NamedTuple):
    merchant_no: int
    slot_no: int
    spot_no: int
    busy_until_us: int
    holder_no: int


class LeaseRow(NamedTuple):
    """`given` is all that was said when the lease was granted, and that never changes."""

    merchant_no: int
    lease_no: int
    state: str
    expires_us: int
    slot_no: int
    spot_no: int
    client_reference: str
    lease_id: str
    given: tuple[Any, ...]


class BookingRow(NamedTuple):
    merchant_no: int
    booking_no: int
    status: str
    revision: int
    slot_no: int
    spot_no: int
    lease_no: int
    idempotency_token: str
    booking_id: str
    given: tuple[Any, ...]


class EventRow(NamedTuple):
    merchant_no: int
    event_no: int
    kind: str
    booking_no: int
    revision: int
    status: str
    slot_no: int
    spot_no: int


@dataclass(frozen=True, slots=True)
class LedgerImage:
    places: dict[tuple[int, int], Place]
    capacities: dict[tuple[int, int], int]
    next_nos: dict[int, int]
    spots: dict[tuple[int, int, int], SpotRow]
    leases: dict[tuple[int, int], LeaseRow]
    bookings: dict[tuple[int, int], BookingRow]
    events: dict[tuple[int, int], EventRow]

    def claims(self) -> set[SpotRow]:
        """Spots that are not given back: live at this instant, or perhaps by another clock."""
        return {spot for spot in self.spots.values() if spot.busy_until_us > 0}

    def claims_of_slots(self) -> Counter[tuple[int, int]]:
        return Counter((claim.merchant_no, claim.slot_no) for claim in self.claims())

    def live_claims_of_slots(self, now_us: int) -> Counter[tuple[int, int]]:
        """Counted from leases and bookings and not from spots: bookings, and leases that time has not ended."""
        live: Counter[tuple[int, int]] = Counter()
        for lease in self.leases.values():
            live[lease.merchant_no, lease.slot_no] += lease.state == "ACTIVE" and now_us < lease.expires_us
        for booking in self.bookings.values():
            live[booking.merchant_no, booking.slot_no] += booking.status != "CANCELED"
        return live

    def overcommitted(self, now_us: int) -> set[tuple[int, int]]:
        return {slot for slot, live in self.live_claims_of_slots(now_us).items() if live > self.capacities[slot]}


_SLOTS = """
    SELECT slot.merchant_no, slot.slot_no, slot.spots_total - slot.spots_elsewhere, merchant.merchant_id,
           service.service_id, slot.start_us, slot.duration_us, coalesce(staff.staff_id, ''),
           coalesce(room.room_id, ''), slot.party_size
    FROM slot JOIN merchant USING (merchant_no) JOIN service USING (merchant_no, service_no)
    LEFT JOIN staff USING (merchant_no, staff_no) LEFT JOIN room USING (merchant_no, room_no)
"""
_LEASES = """
    SELECT merchant_no, lease_no, state, expires_us, slot_no, spot_no, client_reference, secret, service_id, start_us,
           duration_us, availability_tag, resources_given, staff_id, room_id, party_size, cancel_by_us, asynchronous,
           created_us
    FROM lease
"""
_BOOKINGS = """
    SELECT merchant_no, booking_no, status, revision, slot_no, spot_no, lease_no, idempotency_token, secret,
           created_as, user_key, "user", payment, additional_request, fingerprint, created_us
    FROM booking
"""


class _Cursor(Protocol):
    def fetchall(self) -> list[Any]: ...


class LedgerConnection(Protocol):
    """To whatever database: all speak the SQL of this file."""

    def execute(self, statement: str, /) -> _Cursor: ...

    def close(self) -> None: ...


def open_ledger(path: Path) -> apsw.Connection:
    return apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)


def image_of(ledger: LedgerConnection) -> LedgerImage:
    def rows(sql: str) -> list[tuple[Any, ...]]:
        return ledger.execute(sql).fetchall()

    ledger.execute("BEGIN")  # one snapshot on SQLite; elsewhere nobody writes meanwhile
    try:
        slots = rows(_SLOTS)
        spots = rows("SELECT merchant_no, slot_no, spot_no, busy_until_us, holder_no FROM spot")
        leases = rows(_LEASES)
        bookings = rows(_BOOKINGS)
        events = rows("SELECT merchant_no, event_no, kind, booking_no, revision, status, slot_no, spot_no FROM event")
        next_nos = rows("SELECT merchant_no, next_no FROM merchant")
    finally:
        ledger.execute("ROLLBACK")
    return LedgerImage(
        places={row[:2]: Place(*row[3:]) for row in slots},
        capacities={row[:2]: row[2] for row in slots},
        next_nos=dict(next_nos),
        spots={row[:3]: SpotRow(*row) for row in spots},
        leases={row[:2]: _lease(row) for row in leases},
        bookings={row[:2]: _booking(row) for row in bookings},
        events={row[:2]: EventRow._make((*row[:5], BOOKING_STATUSES[row[5]], *row[6:])) for row in events},
    )


def _lease(row: tuple[Any, ...]) -> LeaseRow:
    lease_id = f"l{row[0]}-{row[1]}-{row[7].hex()}"
    return LeaseRow._make((*row[:2], LEASE_STATES[row[2]], *row[3:7], lease_id, row[7:]))


def _booking(row: tuple[Any, ...]) -> BookingRow:
    booking_id = f"b{row[0]}-{row[1]}-{row[8].hex()}"
    return BookingRow._make((*row[:2], BOOKING_STATUSES[row[2]], *row[3:6], row[6] or 0, row[7], booking_id, row[8:]))


def broken_promises(before: LedgerImage, after: LedgerImage, now_us: int) -> list[str]:
    """What went wrong in one step, all of it judged at `now_us`; empty where all is well."""
    judged: tuple[tuple[str, Iterator[str]], ...] = (
        ("INV-1", _sold_too_often(before, after)),
        ("INV-2", _taken_twice(after)),
        ("INV-3", _spots_without_claim(after)),
        ("INV-5", _leases_and_their_bookings(after)),
        ("INV-6", _leases_that_went_back(before, after, now_us)),
        ("INV-12", _rows_with_one_token(after)),
        ("INV-16", _bookings_and_their_events(before, after)),
        ("INV-17", _bookings_that_were_lost(before, after)),
        ("numbers", _numbers_used_twice(after)),
    )
    return [f"{rule}: {wrong}" for rule, found in judged for wrong in found]


def _sold_too_often(before: LedgerImage, after: LedgerImage) -> Iterator[str]:
    """By any clock. A merchant may take spots away under live claims: then nothing is revoked and nothing granted."""
    claimed_before = before.claims_of_slots()
    for slot, claims in after.claims_of_slots().items():
        if claims > max(after.capacities[slot], claimed_before[slot]):
            yield f"{after.places[slot]} has {claims} claims and {after.capacities[slot]} spots"


def _taken_twice(image: LedgerImage) -> Iterator[str]:
    places = [(image.places[slot], slot) for slot in image.claims_of_slots()]
    for number, (one, slot) in enumerate(places):
        for other, other_slot in places[:number]:
            shares_staff = one.staff_id != "" and one.staff_id == other.staff_id
            shares_room = one.room_id != "" and one.room_id == other.room_id
            apart = (
                one.start_us + one.duration_us <= other.start_us or other.start_us + other.duration_us <= one.start_us
            )
            if slot[0] == other_slot[0] and (shares_staff or shares_room) and not apart:
                yield f"{one} and {other} overlap and are both taken"


def _spots_without_claim(image: LedgerImage) -> Iterator[str]:
    due = {
        SpotRow(lease.merchant_no, lease.slot_no, lease.spot_no, lease.expires_us, lease.lease_no)
        for lease in image.leases.values()
        if lease.state == "ACTIVE"
    } | {
        SpotRow(booking.merchant_no, booking.slot_no, booking.spot_no, FOREVER_US, booking.booking_no)
        for booking in image.bookings.values()
        if booking.status != "CANCELED"
    }
    claims = image.claims()
    yield from (f"{spot} is busy and nobody's" for spot in claims - due)
    yield from (f"{spot} is claimed and not held" for spot in due - claims)
    active = sum(1 for lease in image.leases.values() if lease.state == "ACTIVE")
    booked = sum(1 for booking in image.bookings.values() if booking.status != "CANCELED")
    if len(due) != active + booked:
        yield "two claims are on one spot"


def _leases_and_their_bookings(image: LedgerImage) -> Iterator[str]:
    from_leases = [(b.merchant_no, b.lease_no) for b in image.bookings.values() if b.lease_no]
    yield from (f"lease {key} has several bookings" for key in _twice(from_leases))
    consumed = {key for key, lease in image.leases.items() if lease.state == "CONSUMED"}
    if consumed != set(from_leases):
        yield f"leases {consumed} are consumed, and bookings were made from {from_leases}"


def _leases_that_went_back(before: LedgerImage, after: LedgerImage, now_us: int) -> Iterator[str]:
    """States move forward once, and time has its say: a live lease never expires, a dead one is never booked."""
    for key, was in before.leases.items():
        lease = after.leases.get(key)
        if lease is None or lease._replace(state=was.state) != was:
            yield f"lease {was} became {lease}"
        elif lease.state != was.state:
            lapsed = now_us >= lease.expires_us
            if was.state != "ACTIVE" or lapsed != (lease.state == "EXPIRED"):
                yield f"lease {was} became {lease.state} at {now_us}"
    for key in after.leases.keys() - before.leases.keys():
        if after.leases[key].expires_us <= now_us:
            yield f"{after.leases[key]} was granted dead"


def _rows_with_one_token(image: LedgerImage) -> Iterator[str]:
    yield from (
        f"{token} names two leases"
        for token in _twice((x.merchant_no, x.client_reference) for x in image.leases.values())
    )
    yield from (
        f"{token} names two bookings"
        for token in _twice((x.merchant_no, x.idempotency_token) for x in image.bookings.values())
    )


def _bookings_and_their_events(before: LedgerImage, after: LedgerImage) -> Iterator[str]:
    """One change, one event, in one transaction; and what was told is never untold (INV-16, INV-25)."""
    if not before.events.items() <= after.events.items():
        yield "an event was changed or lost"
    histories: dict[tuple[int, int], list[EventRow]] = {key: [] for key in after.bookings}
    for _, event in sorted(after.events.items()):
        histories.setdefault((event.merchant_no, event.booking_no), []).append(event)
    for key, history in histories.items():
        booking = after.bookings.get(key)
        if booking is None or [event.revision for event in history] != list(range(1, booking.revision + 1)):
            yield f"{booking} and its events {history} are not in step"
            continue
        kinds = [
            "BOOKING_CREATED",
            *["BOOKING_CANCELED" if e.status == "CANCELED" else "BOOKING_MOVED" for e in history[1:]],
        ]
        last = history[-1]
        if [event.kind for event in history] != kinds or last[5:] != (booking.status, booking.slot_no, booking.spot_no):
            yield f"{booking} is not what its events {history} say"


def _bookings_that_were_lost(before: LedgerImage, after: LedgerImage) -> Iterator[str]:
    for key, was in before.bookings.items():
        booking = after.bookings.get(key)
        if booking is None or (booking.lease_no, booking.idempotency_token, booking.booking_id, booking.given) != (
            was.lease_no,
            was.idempotency_token,
            was.booking_id,
            was.given,
        ):
            yield f"{was} became {booking}"
        elif booking.revision == was.revision and booking != was:
            yield f"{was} became {booking} and its revision stayed"
        elif was.status == "CANCELED" and booking != was:
            yield f"{was} was cancelled and became {booking}"


def _numbers_used_twice(image: LedgerImage) -> Iterator[str]:
    """One counter of the merchant numbers them all, so that a spot's holder is one and no other."""
    numbers = [*image.leases, *image.bookings, *image.events]
    yield from (f"{number} names two rows" for number in _twice(numbers))
    yield from (f"{number} was never drawn" for number in numbers if number[1] >= image.next_nos[number[0]])


def _twice(keys: Iterable[KeyT]) -> list[KeyT]:
    return [key for key, count in Counter(keys).items() if count > 1]

"""Ledgers to copy and to copy to: what is on the one, and what either answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from slotlease.desk.close_slot import CloseSlot
from slotlease.desk.list_bookings import ListBookings
from slotlease.desk.release_lease import ReleaseLease
from slotlease.desk.set_marketing_preference import SetMarketingPreference
from slotlease.domain.booking import user_key
from slotlease.domain.credential import Credential
from slotlease.domain.event_cursor import cursor_of, seen_of
from slotlease.domain.merchant import Service
from slotlease.store.protocol import Store
from tests.store.postgres_backend import DatabaseClock, PostgresBackend
from tests.store.sqlite_backend import SqliteBackend
from tests.support import DAY_US, HOUR_US, HandClock, Offered, Shop, user

CUT = Offered(staff_id="anna")
COLOUR = Offered(service_id="colour", start_us=CUT.start_us + HOUR_US // 2, staff_id="anna")
YOGA = Offered(service_id="yoga", start_us=CUT.start_us + DAY_US, spots_total=5, room_id="hall")
LATER = Offered(service_id="yoga", start_us=CUT.start_us + 2 * DAY_US, spots_total=5, room_id="hall")
SHUT = Offered(service_id="yoga", start_us=CUT.start_us + 3 * DAY_US, spots_total=5, room_id="hall")


class Place(Protocol):
    """Where a ledger is kept, seen from the side."""

    @property
    def url(self) -> str: ...

    def open(self, clock: HandClock) -> Store: ...

    def sql(self, statement: str) -> list[tuple[Any, ...]]: ...


class InFile(SqliteBackend):
    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"


@dataclass(frozen=True)
class Stores:
    """Where a ledger is, and where it goes."""

    here: Place
    there: Place

    @property
    def url_from(self) -> str:
        return self.here.url


class ClockOfAll(HandClock):
    """The process's clock, and those of the databases."""

    def __init__(self, *places: Place) -> None:
        self._clocks = [DatabaseClock(place) for place in places if isinstance(place, PostgresBackend)]
        super().__init__()

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "now_us":
            for clock in self._clocks:
                clock.now_us = value


def fill(shop: Shop) -> None:
    shop.serve(Service(0, 0, "yoga", min_advance_online_canceling_s=3600, one_booking_per_user=False))
    shop.offer(CUT, COLOUR, YOGA, LATER, SHUT)
    shop.offer(Offered(spots_total=3), merchant_id="m2")
    shop.lease(CUT.asked(), reference="held")
    shop.ask(ReleaseLease(shop.lease(YOGA.asked(), reference="given back").lease_id))
    shop.lease(LATER.asked(), reference="lapsed", expires_us=shop.clock.now_us + 60_000_000)
    first = shop.book(YOGA.asked(), user_id="u1", token="booked")  # noqa: S106 - an idempotency token
    moved = shop.book(YOGA.asked(), user_id="u2", token="moved")  # noqa: S106 - as above
    cancelled = shop.book(YOGA.asked(), user_id="u3", token="cancelled")  # noqa: S106 - as above
    lease = shop.lease(YOGA.asked(), reference="consumed")
    shop.book(YOGA.asked(), lease_id=lease.lease_id, user_id="Zoë 佐藤", token="of a lease")  # noqa: S106 - as above
    shop.move(moved, start_us=LATER.start_us)
    shop.cancel(cancelled)
    shop.ask(CloseSlot(SHUT.asked(), closes=True))
    shop.book(Offered().asked("m2"), user_id="u1", token="elsewhere")  # noqa: S106 - as above
    shop.ask(SetMarketingPreference(user("u1"), receives_marketing=True))
    shop.store.add_credential(Credential("google-1", bytes(range(32)), 0, shop.clock.now_us + DAY_US))
    # The merchant lowered the slot under three live claims: its spots are above its capacity.
    shop.offer(Offered(service_id="yoga", start_us=YOGA.start_us, spots_total=1, room_id="hall"))
    shop.clock.advance(s=120)
    assert first.spot_no > 0


def told_by(place: Place, clock: HandClock) -> list[object]:
    """What the ledger answers: repeats of all tokens, and what there is to be read."""
    store = place.open(clock)
    try:
        shop = Shop(store, clock)
        leases = [
            shop.lease(slot.asked(), reference=reference)
            for slot, reference in ((CUT, "held"), (YOGA, "given back"), (LATER, "lapsed"), (YOGA, "consumed"))
        ]
        repeated = [
            shop.book(YOGA.asked(), user_id=user_id, token=token)
            for user_id, token in (("u1", "booked"), ("u2", "moved"), ("u3", "cancelled"))
        ]
        of_lease = shop.book(YOGA.asked(), lease_id=leases[3].lease_id, user_id="Zoë 佐藤", token="of a lease")  # noqa: S106 - an idempotency token
        free = [shop.count_available(slot.asked()) for slot in (CUT, COLOUR, YOGA, LATER, SHUT)]
        bookings = shop.ask(ListBookings(user_key("u1")))
        events = store.events(after={}, merchant_id=None, limit=100)
        assert len(events) >= 7
        after = seen_of(cursor_of({1: events[2].event_no}, bytes(32)), bytes(32))
        return [
            *(leases, repeated, of_lease, free, bookings, events, after),
            *(store.credentials(), store.marketing_preferences(after="", limit=9), store.fingerprint_key),
            *(store.merchants(), store.audit(), store.slots_of(1), store.claims(1, from_us=0, until_us=10**17)),
        ]
    finally:
        store.close()

"""Everything at once on one database: two servers under load, feeds imported again and again, and two operators
who book, move, cancel, close, sweep and retire over many merchants. No deadlock, nobody unanswered, nothing lost
(INV-22)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from random import Random  # noqa: TID251 - seeded: it chooses what is asked

import psycopg
import pytest

from slotlease.desk.close_slot import CloseSlot
from slotlease.desk.operation import Operation
from slotlease.desk.purge_leases import purge
from slotlease.desk.sweep_leases import sweep
from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import Booking, BookingStatus
from slotlease.domain.merchant import Service
from slotlease.domain.slot import SECOND_US, AskedSlot
from slotlease.inventory.feed import read_feed
from slotlease.inventory.importing import import_feed, known_inventory
from slotlease.store.clock import system_clock
from slotlease.store.postgres import PostgresStore
from tests.inventory.feed_folder import MERCHANT, SERVICE, SLOT, FeedFolder
from tests.model.effort import EFFORT, FIRST_SEED, TIMEOUT_S
from tests.postgres.ledger_database import LedgerDatabase, ledger_database
from tests.postgres.town import SPOTS, Town, background, served_at
from tests.postgres.two_servers import deadlocks
from tests.support import HandClock, Shop, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(TIMEOUT_S)]

CALLS = 120
"""Of each caller."""

LOOKS = 20
"""How often somebody slow looks whether anybody waits, before giving up."""

ROUNDS_MIN = 3

NEIGHBOURS = ["n1", "n2", "n3"]
"""Merchants of the same database, of whom the operator sells."""


@pytest.fixture
def ledger(postgres: str, postgres_template: str) -> Iterator[LedgerDatabase]:
    with ledger_database(postgres, postgres_template) as ledger:
        yield ledger


def test_inv_22_servers_imports_and_operators_at_once_never_deadlock(ledger: LedgerDatabase, tmp_path: Path) -> None:
    town = Town(ledger.url, FIRST_SEED)
    over = threading.Event()
    importer = Importer(ledger.url, town.slots, tmp_path)
    operators = [Operator(name, ledger.url, town.slots) for name in ("one", "other")]
    with served_at(ledger.url, ledger.url) as servers:
        importer.once()  # the operator's merchants are there now
        holdups = partial(hold_up, ledger.url, Random(FIRST_SEED))  # noqa: S311 - chooses, hides nothing
        doing: list[Callable[[], None]] = [importer.once, holdups, *(operator.once for operator in operators)]
        ends = [background(partial(until, over, once)) for once in doing]
        try:
            town.call([served.address for served in servers], CALLS * EFFORT, within_s=TIMEOUT_S)
            # The scheduler may have kept one of them from its turn while the callers called.
            wait_until(lambda: min(importer.times, *(operator.times for operator in operators)) > ROUNDS_MIN)
        finally:
            over.set()
            for end in ends:
                end()
    importer.close()
    for operator in operators:
        operator.close()
    assert town.wrongs() == []
    assert town.counts["unanswered"] == 0
    assert deadlocks(ledger) == 0


def until(over: threading.Event, action: Callable[[], None]) -> None:
    while not over.is_set():
        action()


def hold_up(url: str, chance: Random) -> None:
    """Somebody slow keeps one merchant until two wait for it or for each other: so that those who lock several are
    found in the middle of it."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with psycopg.connect(url) as connection:
        name = chance.choice(["m1", *NEIGHBOURS])
        connection.execute("SELECT 1 FROM merchant WHERE merchant_id = %s FOR UPDATE", (name,))
        for _ in range(LOOKS):
            row = connection.execute(waiting).fetchone()
            if row is not None and row[0] >= 2:
                break


class Importer:
    """Brings feeds of all merchants; every other one without the last of them, and each with other tags."""

    def __init__(self, url: str, slots: list[AskedSlot], folder: Path) -> None:
        self._store = PostgresStore(url)
        self._slots = slots
        self._folder = FeedFolder(folder)
        self.times = 0

    def once(self) -> None:
        self.times += 1
        merchant_ids = ["m1", *NEIGHBOURS[: 3 - self.times % 2]]
        merchants = [{**MERCHANT, "merchant_id": merchant_id, "name": merchant_id} for merchant_id in merchant_ids]
        services = [{**SERVICE, "merchant_id": merchant_id, "service_id": "yoga"} for merchant_id in merchant_ids]
        slots = [
            {
                **SLOT,
                "merchant_id": merchant_id,
                "service_id": "yoga",
                "start_sec": slot.start_us // SECOND_US,
                "spots_total": spots,
                "spots_open": spots,
                "availability_tag": f"tag {self.times}",
            }
            for merchant_id in merchant_ids
            for slot, spots in zip(self._slots, SPOTS, strict=True)
        ]
        now_s = system_clock() // SECOND_US
        paths = [
            self._folder.merchants(*merchants),
            self._folder.services(*services),
            self._folder.availability(*slots, generated_s=now_s),
        ]
        with read_feed(paths, known=known_inventory(self._store)) as feed:
            import_feed(self._store, feed)

    def close(self) -> None:
        self._store.close()


class Operator:
    """Does everything that commands and the console do, in batches over several merchants, in any order."""

    def __init__(self, name: str, url: str, slots: list[AskedSlot]) -> None:
        self._name = name
        self._store = PostgresStore(url)
        self._shop = Shop(self._store, HandClock(system_clock()))
        self._slots = slots
        self._chance = Random(f"{name} {FIRST_SEED}")  # noqa: S311 - chooses, hides nothing
        self._names = count(1)
        self._bookings: list[Booking] = []
        self.times = 0

    def once(self) -> None:
        self.times += 1
        self._sell()
        self._change()
        closed = [self._slot(merchant_id) for merchant_id in self._in_any_order(["m1", *NEIGHBOURS])]
        self._do([CloseSlot(slot, closes=True) for slot in closed])
        self._do([CloseSlot(slot, closes=False) for slot in reversed(closed)])
        sweep(self._store, self._shop.ask)
        purge(self._store, self._shop.ask)
        if self.times % 4 == 0:
            self._store.retire_merchants(self._in_any_order(NEIGHBOURS)[:2])
            self._store.put_catalogue(f"{self._name} {next(self._names)}", "X", [Service(0, 0, "yoga")], [], [])

    def close(self) -> None:
        assert self._shop.incidents == []
        self._store.close()

    def _sell(self) -> None:
        slots = [self._slot(merchant_id) for merchant_id in self._in_any_order(NEIGHBOURS * 2)]
        name = f"{self._name} {next(self._names)}"
        answers = self._do(
            [
                self._shop.create_booking(slot, user_id=f"{name} {number}", token=f"{name} {number}")
                for number, slot in enumerate(slots)
            ]
        )
        self._bookings += [answer for answer in answers if isinstance(answer, Booking)]

    def _change(self) -> None:
        chosen = self._chance.sample(self._bookings, min(4, len(self._bookings)))
        moved = [UpdateBooking(one.booking_id, start_us=self._chance.choice(self._slots).start_us) for one in chosen]
        self._do([*moved, *(UpdateBooking(one.booking_id, status=BookingStatus.CANCELED) for one in chosen[:1])])

    def _do(self, operations: list[Operation[object]]) -> list[object]:
        answers = self._shop.batches.write(operations)
        assert not [answer for answer in answers if isinstance(answer, Exception)]
        return answers

    def _slot(self, merchant_id: str) -> AskedSlot:
        slot = self._chance.choice(self._slots)
        return AskedSlot(merchant_id, slot.service_id, slot.start_us, slot.duration_us)

    def _in_any_order(self, names: list[str]) -> list[str]:
        return self._chance.sample(names, len(names))

"""Two servers sell one ledger. Some order explains all that was told through both (INV-26); of one spot one is sold, of
one token one lease or booking is made; they never wait for each other in a circle (INV-22)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle
from random import Random  # noqa: TID251 - seeded: it chooses what is asked
from typing import TypeVar

import psycopg
import pytest

from slotlease.desk.operation import Operation
from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import Booking
from slotlease.domain.failure import BookingFailure, Cause
from slotlease.domain.lease import Lease
from slotlease.wire.proto.v2 import booking_service_pb2 as rpc
from tests.linearizability.histories import EXPECTED_CODES, run
from tests.model.effort import EFFORT, FIRST_SEED, TIMEOUT_S
from tests.model.ledger_image import image_of
from tests.model.test_skewed_clock import sold_twice
from tests.postgres.ledger_database import LedgerDatabase, ledger_database
from tests.postgres.line import Lost, line_to
from tests.postgres.town import background
from tests.postgres.two_servers import deadlocks, two_served, two_shops
from tests.store.backend import at_once
from tests.support import DAY_US, HOUR_US, MINUTE_US, NOON_US, Offered, Shop, booked, wait_until
from tests.wire import asking
from tests.wire.client import CALL_TIMEOUT_S

pytestmark = [pytest.mark.slow, pytest.mark.timeout(TIMEOUT_S)]

HISTORIES = 4
ROUNDS = 8
AT_ONCE = 4
MERCHANTS = [f"m{number}" for number in range(1, 7)]
TEN_US = NOON_US + DAY_US


@pytest.fixture
def ledger(postgres: str, postgres_template: str) -> Iterator[LedgerDatabase]:
    with ledger_database(postgres, postgres_template) as ledger:
        yield ledger


def test_some_order_explains_all_that_was_told_through_two_servers(ledger: LedgerDatabase) -> None:
    with two_served(ledger) as servers:
        figures = run(servers, range(FIRST_SEED, FIRST_SEED + HISTORIES * EFFORT))
    assert figures.wrong == []
    assert figures.codes.keys() <= EXPECTED_CODES
    assert ledger.audit() == []
    told = figures.told
    assert min(told["CreateLease Leased"], told["CreateBooking Booked"], told["CheckAvailability some"]) > 10
    assert min(told["Move Booked"], told["Move SLOT_UNAVAILABLE"], told["GetBookingStatus CONFIRMED"]) > 2


def test_of_the_last_spot_one_is_sold_through_two_servers(ledger: LedgerDatabase) -> None:
    slots = [Offered(start_us=TEN_US + number * HOUR_US) for number in range(ROUNDS * EFFORT)]
    with two_served(ledger) as servers:
        servers[0].shop.offer(*slots)
        for number, slot in enumerate(slots):
            requests = [asking.lease(slot.asked(), f"{number}.{caller}") for caller in range(2 * AT_ONCE)]
            answers = at_once(
                [
                    partial(served.stub.CreateLease, request, timeout=CALL_TIMEOUT_S)
                    for served, request in zip(cycle(servers), requests, strict=False)
                ]
            )
            assert sum(answer.HasField("lease") for answer in answers) == 1


def test_one_token_sent_to_two_servers_at_once_names_one_lease_and_one_booking(ledger: LedgerDatabase) -> None:
    slots = [Offered(start_us=TEN_US + number * HOUR_US, spots_total=20) for number in range(ROUNDS * EFFORT)]
    with two_served(ledger) as servers:
        servers[0].shop.offer(*slots)
        for number, slot in enumerate(slots):
            leasing = asking.lease(slot.asked(), f"lease {number}")
            leases = both([partial(served.stub.CreateLease, leasing) for served in servers])
            assert len({answer.SerializeToString() for answer in leases}) == 1
            booking = asking.booking(slot.asked(), f"booking {number}", lease_id=leases[0].lease.lease_id)
            bookings = both([partial(served.stub.CreateBooking, booking) for served in servers])
            assert bookings[0].HasField("booking")
            assert len({answer.SerializeToString() for answer in bookings}) == 1
    assert ledger.sql("SELECT count(*) FROM lease") == ledger.sql("SELECT count(*) FROM booking") == [(len(slots),)]
    assert ledger.audit() == []


AnswerT = TypeVar("AnswerT", rpc.CreateLeaseResponse, rpc.CreateBookingResponse)


def both(calls: Sequence[Callable[..., AnswerT]]) -> list[AnswerT]:
    """As if several had lost the answer and asked again, all at once."""
    return at_once([partial(call, timeout=CALL_TIMEOUT_S) for call in calls for _ in range(AT_ONCE)])


def test_database_clock_that_jumps_while_two_servers_sell_never_sells_twice(ledger: LedgerDatabase) -> None:
    """Between any two statements of either: what one relies on being over, the other finds buried."""
    slots = [Offered(start_us=TEN_US + number * HOUR_US, spots_total=1 + number % 2) for number in range(3)]
    slots += [Offered("massage", TEN_US + number * HOUR_US // 2, staff_id="ann") for number in range(3)]
    chance = Random(f"jumps {FIRST_SEED}")  # noqa: S311 - chooses, hides nothing
    image = psycopg.connect(ledger.url, autocommit=True)
    with two_shops(ledger) as shops:
        shops[0].offer(*slots)
        for number in range(2 * ROUNDS * EFFORT):
            sold = threading.Event()
            jumping = threading.Thread(target=jump, args=(ledger, Random(f"{number}"), sold))  # noqa: S311 - the same
            jumping.start()
            at_once([partial(sell, shop, chance.sample(slots, 4), f"{number} {n}") for n, shop in enumerate(shops)])
            sold.set()
            jumping.join()
            assert list(sold_twice(image_of(image))) == []
    image.close()


def jump(ledger: LedgerDatabase, chance: Random, until: threading.Event) -> None:
    while not until.is_set():
        ledger.clock.now_us = NOON_US + chance.randrange(-60, 60) * MINUTE_US


def sell(shop: Shop, slots: Sequence[Offered], name: str) -> None:
    """Leases what there is, and books some of it."""
    for number, slot in enumerate(slots):
        answer = shop.ask(shop.create_lease(slot.asked(), reference=f"{name} {number}"))
        assert isinstance(answer, Lease | BookingFailure), answer
        if isinstance(answer, Lease) and number == 0:
            told = shop.ask(
                shop.create_booking(slot.asked(), lease_id=answer.lease_id, user_id=name, token=f"{name} {number}")
            )
            # Its time may be up by the clock that has jumped.
            assert isinstance(told, Booking) or (isinstance(told, BookingFailure) and told.cause is Cause.LEASE_EXPIRED)


# --- INV-22 ----------------------------------------------------------------------------------------------------------


def test_inv_22_merchants_named_in_any_order_by_two_servers_never_deadlock(ledger: LedgerDatabase) -> None:
    chance = Random(FIRST_SEED)  # noqa: S311 - chooses, hides nothing
    with two_shops(ledger) as shops:
        for merchant_id in MERCHANTS:
            shops[0].offer(Offered(spots_total=10_000), merchant_id=merchant_id)

        def leases(shop: Shop, reference: str) -> None:
            slots = [Offered().asked(merchant_id) for merchant_id in chance.sample(MERCHANTS, len(MERCHANTS))]
            batch: list[Operation[object]] = [shop.create_lease(slot, reference=reference) for slot in slots]
            answers = shop.batches.write(batch)
            assert all(isinstance(answer, Lease) for answer in answers), answers

        for number in range(ROUNDS * EFFORT):
            each_other_in_the_way(
                ledger, chance, [partial(leases, shop, f"{number} {n}") for n, shop in enumerate(shops)]
            )
    assert deadlocks(ledger) == 0


def test_inv_22_opposite_moves_through_two_servers_never_deadlock(ledger: LedgerDatabase) -> None:
    """Each has a booking with every merchant; one goes there while the other comes back."""
    chance = Random(FIRST_SEED)  # noqa: S311 - chooses, hides nothing
    early, late = Offered(start_us=TEN_US, spots_total=2), Offered(start_us=TEN_US + HOUR_US, spots_total=2)
    with two_shops(ledger) as shops:
        for merchant_id in MERCHANTS:
            shops[0].offer(early, late, merchant_id=merchant_id)
        of_servers = [
            [shops[0].book(slot.asked(merchant_id), user_id=f"u{n}") for merchant_id in MERCHANTS]
            for n, slot in enumerate((early, late))
        ]

        def move(shop: Shop, bookings: list[Booking], to: Offered) -> None:
            batch: list[Operation[object]] = [UpdateBooking(one.booking_id, start_us=to.start_us) for one in bookings]
            for answer in shop.batches.write(batch):
                booked(answer)

        for number in range(ROUNDS * EFFORT):
            ways = (late, early) if number % 2 == 0 else (early, late)
            each_other_in_the_way(
                ledger,
                chance,
                [
                    partial(move, shop, bookings, to)
                    for shop, bookings, to in zip(shops, (of_servers[0], of_servers[1][::-1]), ways, strict=True)
                ],
            )
    assert deadlocks(ledger) == 0


def each_other_in_the_way(ledger: LedgerDatabase, chance: Random, actions: Sequence[Callable[[], None]]) -> None:
    """Somebody else holds one of the merchants until both wait in the middle of taking their locks: whoever takes them
    in an order of its own then holds what the other needs."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with psycopg.connect(ledger.url) as gate:
        gate.execute("SELECT 1 FROM merchant WHERE merchant_id = %s FOR UPDATE", (chance.choice(MERCHANTS),))
        ends = [background(action) for action in actions]
        wait_until(lambda: ledger.sql(waiting) == [(len(actions),)])
    for end in ends:
        end()


def test_inv_22_a_transaction_takes_its_locks_once(ledger: LedgerDatabase) -> None:
    with line_to(ledger.url) as line:
        shop = ledger.open_shop(line.url)
        for merchant_id in MERCHANTS:
            shop.offer(Offered(), Offered(start_us=TEN_US + HOUR_US), merchant_id=merchant_id)
        held = [shop.book(Offered().asked(merchant_id)) for merchant_id in MERCHANTS]
        line.arm(Lost.NOT_SENT, lambda _, __: False)
        shop.batches.write([UpdateBooking(one.booking_id, start_us=TEN_US + HOUR_US) for one in held])
        locks = [journey.locks for journey in line.journeys]
        assert locks == [True] + [False] * (len(locks) - 1)
        assert line.journeys[-1].commits
        shop.store.close()


def test_a_deadlock_would_be_counted(ledger: LedgerDatabase) -> None:
    """Two who lock in opposite orders, on purpose."""
    with two_shops(ledger) as shops:
        for merchant_id in MERCHANTS[:2]:
            shops[0].offer(Offered(), merchant_id=merchant_id)
    together = threading.Barrier(2)

    def lock(first: str, second: str) -> bool:
        with psycopg.connect(ledger.url) as connection:
            connection.execute("SET deadlock_timeout = '20ms'")
            connection.execute("SELECT 1 FROM merchant WHERE merchant_id = %s FOR UPDATE", (first,))
            together.wait()
            try:
                connection.execute("SELECT 1 FROM merchant WHERE merchant_id = %s FOR UPDATE", (second,))
            except psycopg.errors.DeadlockDetected:
                return True
            return False

    assert sorted(at_once([partial(lock, "m1", "m2"), partial(lock, "m2", "m1")])) == [False, True]
    assert deadlocks(ledger) == 1

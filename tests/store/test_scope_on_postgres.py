"""`--store-scope merchant` on PostgreSQL: no transaction that writes spans merchants, and no answer is another."""

from __future__ import annotations

import random  # noqa: TID251 - which requests a batch holds; seeded
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from slotlease.desk.batch import Batches
from slotlease.desk.operation import Operation
from slotlease.desk.release_lease import ReleaseLease
from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import Booking, BookingStatus
from slotlease.domain.lease import Lease
from tests.postgres_server import database
from tests.store.postgres_backend import DatabaseClock, PostgresBackend
from tests.support import HOUR_US, Offered, Shop

MERCHANTS = [f"m{number}" for number in range(6)]
SLOTS = [Offered(start_us=Offered().start_us + hour * HOUR_US, spots_total=3) for hour in range(4)]

# A row's xmin is the transaction that wrote it: rows of one that differ in their merchant were written together.
_SPANNING = """
    SELECT count(*) FROM (
        SELECT writer FROM (
            SELECT xmin::text AS writer, merchant_no FROM spot
            UNION ALL SELECT xmin::text, merchant_no FROM lease
            UNION ALL SELECT xmin::text, merchant_no FROM booking
            UNION ALL SELECT xmin::text, merchant_no FROM event
        ) AS written GROUP BY writer HAVING count(DISTINCT merchant_no) > 1
    ) AS spanning
"""


@pytest.fixture
def backend(postgres: str, postgres_template: str) -> Iterator[PostgresBackend]:
    with database(postgres, postgres_template) as url:
        backend = PostgresBackend(url)
        yield backend
        backend.close()


def shop_of(backend: PostgresBackend, *, by_merchant: bool) -> Shop:
    clock = DatabaseClock(backend)
    store = backend.open(clock)
    shop = Shop(store, clock)
    for merchant_id in MERCHANTS:
        shop.offer(*SLOTS, merchant_id=merchant_id)
    shop.batches = Batches(store, shop.rules, shop.report, by_merchant=by_merchant)
    return shop


def batches_of(shop: Shop, seed: int) -> Iterator[list[object]]:
    """The answers to batches of leases, bookings, moves, cancellations and releases, for all merchants together."""
    chosen = random.Random(seed)  # noqa: S311 - no secret
    leases: list[Lease] = []
    bookings: list[Booking] = []
    for _ in range(20):
        operations: list[Operation[object]] = []
        for _ in range(24):
            slot = chosen.choice(SLOTS).asked(chosen.choice(MERCHANTS))
            what = chosen.randrange(6)
            if what == 0 and leases:
                operations.append(ReleaseLease(chosen.choice(leases).lease_id))
            elif what == 1 and leases:
                lease = chosen.choice(leases)
                operations.append(
                    shop.create_booking(lease.slot, lease_id=lease.lease_id, user_id=str(chosen.random()))
                )
            elif what == 2 and bookings:
                operations.append(UpdateBooking(chosen.choice(bookings).booking_id, status=BookingStatus.CANCELED))
            elif what == 3 and bookings:
                start_us = chosen.choice(SLOTS).start_us
                operations.append(UpdateBooking(chosen.choice(bookings).booking_id, start_us=start_us))
            elif what == 4:
                operations.append(shop.create_booking(slot, user_id=str(chosen.random())))
            else:
                operations.append(shop.create_lease(slot))
        answers = shop.ask_all(operations)
        leases += [answer for answer in answers if isinstance(answer, Lease)]
        bookings += [answer for answer in answers if isinstance(answer, Booking)]
        shop.clock.advance(s=chosen.choice([1, 60, 700]))
        yield answers


def played(backend: PostgresBackend, *, by_merchant: bool) -> int:
    """How many transactions spanned merchants."""
    shop = shop_of(backend, by_merchant=by_merchant)
    answers = list(batches_of(shop, seed=7))
    assert len(answers) == 20
    assert shop.incidents == []
    assert shop.store.audit() == []
    shop.store.close()
    spanning = backend.sql(_SPANNING)[0][0]
    assert isinstance(spanning, int)
    return spanning


def test_no_transaction_that_writes_spans_merchants(backend: PostgresBackend) -> None:
    assert played(backend, by_merchant=True) == 0


def test_without_it_merchants_share_transactions_and_so_their_commit(backend: PostgresBackend) -> None:
    assert played(backend, by_merchant=False) > 10


def test_requests_of_one_kind_get_the_same_answers_either_way(
    backend: PostgresBackend, postgres: str, postgres_template: str
) -> None:
    """Leases only: those name merchants alike, so that the order of arrival is kept. A refused request may use up a
    number, which is kept only where its transaction changes anything, so numbers differ."""

    def leases_of(shop: Shop) -> list[Sequence[object]]:
        chosen = random.Random(3)  # noqa: S311 - no secret
        asked = [[chosen.choice(SLOTS).asked(chosen.choice(MERCHANTS)) for _ in range(20)] for _ in range(10)]
        answers = [shop.ask_all([shop.create_lease(slot) for slot in batch]) for batch in asked]
        return [[one._replace(lease_no=0) if isinstance(one, Lease) else one for one in batch] for batch in answers]

    with database(postgres, postgres_template) as url:
        other = PostgresBackend(url)
        apart, together = shop_of(backend, by_merchant=True), shop_of(other, by_merchant=False)
        assert leases_of(apart) == leases_of(together)
        apart.store.close()
        together.store.close()
        other.close()


def test_two_servers_that_split_their_batches_never_sell_a_spot_twice(backend: PostgresBackend) -> None:
    one = shop_of(backend, by_merchant=True)
    other_store = backend.open(one.clock)
    other = Batches(other_store, one.rules, one.report, by_merchant=True)
    asked = [SLOTS[number % 4].asked(MERCHANTS[number % 6]) for number in range(240)]
    operations = [one.create_lease(slot) for slot in asked]
    with ThreadPoolExecutor(2) as threads:
        answers = list(
            threads.map(
                lambda pair: pair[0].write(pair[1]), ((one.batches, operations[::2]), (other, operations[1::2]))
            )
        )
    granted = [answer for theirs in answers for answer in theirs if isinstance(answer, Lease)]
    pairs = {(slot.merchant_id, slot.start_us) for slot in asked}
    assert len(granted) == 3 * len(pairs)
    assert one.incidents == []
    assert one.store.audit() == []
    one.store.close()
    other_store.close()

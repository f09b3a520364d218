"""Writers take turns, whoever they are: threads of one store, or two programs on one ledger."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from slotlease.desk.desk import ask
from slotlease.desk.operation import Operation
from slotlease.domain.booking import Booking
from slotlease.domain.facts import Facts, Wanted
from slotlease.domain.failure import BookingFailure, Cause, InvalidArgument, Reason
from slotlease.domain.lease import Lease
from slotlease.store.protocol import Store
from tests.store.backend import Backend, OnALedger, at_once, changes_of, everything
from tests.support import DAY_US, HOUR_US, NOON_US, HandClock, Offered, Shop

ASKED = Offered().asked()
SAME = "the same"


class TakesTurns(OnALedger):
    def test_a_probe_writes_and_changes_nothing(self, store: Store, backend: Backend, shop: Shop) -> None:
        shop.offer(Offered())
        shop.lease(ASKED)
        before, key = everything(backend), store.fingerprint_key
        store.probe_write()
        assert everything(backend) == before
        assert backend.open(HandClock()).fingerprint_key == key

    def ask_at_once(self, shop: Shop, beside: Store, operations: Sequence[Operation[Any]]) -> list[Any]:
        """Every other one through the other store."""
        shops = (shop, Shop(beside, shop.clock))
        answers = at_once(
            [partial(ask, shops[number % 2].batches, operation) for number, operation in enumerate(operations)]
        )
        assert shops[1].incidents == []
        return answers

    @pytest.mark.parametrize("own_store", [False, True], ids=["through the same store", "through a store beside it"])
    def test_a_second_writer_waits_and_sees_what_the_first_did(
        self, store: Store, beside: Store, shop: Shop, clock: HandClock, own_store: bool
    ) -> None:
        """And reads the clock after its turn came: a lease judged before the wait may be dead by now (DESIGN 2)."""
        shop.offer(Offered())
        changes = changes_of(store, shop.create_lease(ASKED, reference="first"))
        wanted = Wanted(merchant_ids={"m1"}, slots=[ASKED], references={("m1", "first")})
        seen: list[Facts] = []
        begun = threading.Event()

        def write_second() -> None:
            begun.set()
            with (beside if own_store else store).transact(wanted) as transaction:
                seen.append(transaction.facts)

        second = threading.Thread(target=write_second)
        with store.transact(Wanted(merchant_ids={"m1"})) as transaction:
            second.start()
            assert begun.wait(10)
            second.join(0.05)
            assert (second.is_alive(), seen) == (True, [])
            clock.advance(s=5)
            transaction.commit(changes)
        second.join(10)
        (facts,) = seen
        assert facts.now_us == NOON_US + 5_000_000
        assert facts.leases_by_reference == {(1, "first"): (1, 1)}
        assert [occupancy.busy for occupancy in facts.occupancies.values()] == [1]

    def test_a_writer_that_gives_up_lets_the_next_one_in(self, store: Store, beside: Store, shop: Shop) -> None:
        shop.offer(Offered())
        with pytest.raises(ZeroDivisionError), store.transact(Wanted(merchant_ids={"m1"})):
            raise ZeroDivisionError
        assert Shop(beside, shop.clock).lease(ASKED).lease_no == 1

    def test_merchants_named_in_any_order_never_block_each_other_for_ever(
        self, store: Store, beside: Store, shop: Shop
    ) -> None:
        """Locks are taken in one order (INV-22): batches over many merchants need no retry."""
        merchant_ids = [f"m{number}" for number in range(1, 7)]
        for merchant_id in merchant_ids:
            shop.offer(Offered(spots_total=100), merchant_id=merchant_id)
        orders = [merchant_ids[turn:] + merchant_ids[:turn] for turn in range(6)]
        shops = (shop, Shop(beside, shop.clock))
        batches = [
            (shops[turn % 2], [shop.create_lease(Offered().asked(merchant_id)) for merchant_id in order])
            for turn, order in enumerate(orders * 2)
        ]
        answers = at_once([partial(shop_.ask_all, operations) for shop_, operations in batches])
        assert all(isinstance(answer, Lease) for batch in answers for answer in batch)
        assert len(store.leases(live_only=True, limit=100)) == 72
        assert store.audit() == []

    def test_the_last_spot_goes_to_one_of_forty(self, store: Store, beside: Store, shop: Shop) -> None:
        shop.offer(Offered(spots_total=3))
        shop.lease(ASKED)
        shop.book(ASKED, user_id="somebody")
        leases = [shop.create_lease(ASKED) for _ in range(20)]
        bookings = [shop.create_booking(ASKED, user_id=f"u{number}") for number in range(20)]
        answers = self.ask_at_once(
            shop, beside, [operation for pair in zip(leases, bookings, strict=True) for operation in pair]
        )
        assert len([answer for answer in answers if isinstance(answer, Lease | Booking)]) == 1
        refusals = [answer.cause for answer in answers if isinstance(answer, BookingFailure)]
        assert refusals == [Cause.SLOT_UNAVAILABLE] * 39
        assert shop.count_available(ASKED) == 0
        assert store.audit() == []

    def test_one_lapsed_spot_goes_to_one_of_forty(
        self, store: Store, beside: Store, shop: Shop, clock: HandClock
    ) -> None:
        shop.offer(Offered())
        clock.now_us = shop.lease(ASKED).expires_us
        answers = self.ask_at_once(shop, beside, [shop.create_lease(ASKED) for _ in range(40)])
        assert Counter(type(answer) for answer in answers) == {Lease: 1, BookingFailure: 39}
        assert store.audit() == []

    def test_one_member_of_staff_goes_to_one_of_forty_overlapping_slots(
        self, store: Store, beside: Store, shop: Shop
    ) -> None:
        overlapping = [Offered(start_us=NOON_US + DAY_US + minute * 60_000_000, staff_id="ann") for minute in range(40)]
        shop.offer(*overlapping)
        operations = [shop.create_lease(one.asked()) for one in overlapping]
        answers = self.ask_at_once(shop, beside, operations)
        assert Counter(type(answer) for answer in answers) == {Lease: 1, BookingFailure: 39}
        assert store.audit() == []

    def test_one_lease_becomes_one_booking_however_many_ask(self, store: Store, beside: Store, shop: Shop) -> None:
        shop.offer(Offered())
        lease = shop.lease(ASKED)
        operations = [shop.create_booking(ASKED, lease_id=lease.lease_id, user_id=f"u{number}") for number in range(16)]
        answers = self.ask_at_once(shop, beside, operations)
        assert Counter(type(answer) for answer in answers) == {Booking: 1, BookingFailure: 15}
        assert len(store.bookings(limit=9)) == 1
        assert store.audit() == []

    def test_numbers_are_never_given_twice(self, backend: Backend, beside: Store, shop: Shop) -> None:
        shop.offer(Offered(spots_total=100))
        operations: list[Operation[Any]] = [shop.create_lease(ASKED) for _ in range(20)]
        operations += [shop.create_booking(ASKED, user_id=f"u{number}") for number in range(20)]
        self.ask_at_once(shop, beside, operations)
        drawn = sorted(
            number
            for column in ("lease_no FROM lease", "booking_no FROM booking", "event_no FROM event")
            for (number,) in backend.sql(f"SELECT {column}")
        )
        assert drawn == list(range(1, 61))
        assert backend.sql("SELECT next_no FROM merchant") == [(61,)]

    def test_opposite_moves_at_once_never_wait_for_each_other_for_ever(
        self, store: Store, beside: Store, shop: Shop
    ) -> None:
        early, late = Offered(spots_total=20), Offered(start_us=NOON_US + 2 * DAY_US, spots_total=20)
        shop.offer(early, late)
        ways = [(early, late), (late, early)] * 6
        bookings = [shop.book(source.asked(), user_id=f"u{turn}") for turn, (source, _) in enumerate(ways)]
        shops = (shop, Shop(beside, shop.clock))
        moved = at_once(
            [
                partial(shops[turn % 2].move, booking, start_us=target.start_us)
                for turn, (booking, (_, target)) in enumerate(zip(bookings, ways, strict=True))
            ]
        )
        assert all(isinstance(booking, Booking) and booking.revision == 2 for booking in moved)
        assert store.audit() == []


class KnowsTokens(TakesTurns):
    """The token is unique per merchant in the database itself, at once and in sequence (INV-12)."""

    def test_a_lease_token_used_again_finds_the_first_lease(self, store: Store, beside: Store, shop: Shop) -> None:
        shop.offer(Offered(spots_total=9))
        first = shop.lease(ASKED, reference=SAME)
        other = Shop(beside, shop.clock)
        assert other.lease(ASKED, reference=SAME) == first
        assert len(store.leases(live_only=False, limit=9)) == 1

    def test_a_lease_token_used_by_many_at_once_makes_one_lease(self, store: Store, beside: Store, shop: Shop) -> None:
        shop.offer(Offered(spots_total=40))
        operations = [shop.create_lease(ASKED, reference=SAME) for _ in range(20)]
        answers = self.ask_at_once(shop, beside, operations)
        assert len(set(answers)) == 1
        assert list(store.leases(live_only=False, limit=9)) == [answers[0]]
        assert shop.count_available(ASKED) == 39

    def test_a_booking_token_used_by_many_at_once_makes_one_booking(
        self, store: Store, beside: Store, shop: Shop
    ) -> None:
        shop.offer(Offered(spots_total=40))
        operations = [shop.create_booking(ASKED, token=SAME) for _ in range(20)]
        answers = self.ask_at_once(shop, beside, operations)
        assert len({answer.booking_id for answer in answers}) == 1
        assert list(store.bookings(limit=9)) == [answers[0]]
        assert shop.count_available(ASKED) == 39

    def test_one_token_for_two_slots_at_once_belongs_to_one_of_them(
        self, store: Store, beside: Store, shop: Shop
    ) -> None:
        slots = [Offered(start_us=NOON_US + DAY_US + number * HOUR_US) for number in range(12)]
        shop.offer(*slots)
        operations = [shop.create_lease(one.asked(), reference=SAME) for one in slots]
        answers = self.ask_at_once(shop, beside, operations)
        reused = [answer.reason for answer in answers if isinstance(answer, InvalidArgument)]
        assert reused == [Reason.IDEMPOTENCY_TOKEN_REUSED] * 11
        assert len(store.leases(live_only=False, limit=99)) == 1

    def test_two_merchants_may_be_sent_the_same_token(self, store: Store, shop: Shop) -> None:
        for merchant_id in ("m1", "m2"):
            shop.offer(Offered(spots_total=2), merchant_id=merchant_id)
        leases = [shop.lease(Offered().asked(x), reference=SAME) for x in ("m1", "m2")]
        bookings = [shop.book(Offered().asked(x), token=SAME) for x in ("m1", "m2")]
        assert [lease.merchant_no for lease in leases] == [1, 2]
        assert [booking.merchant_no for booking in bookings] == [1, 2]
        wanted = Wanted(merchant_ids={"m1", "m2"}, references={("m1", SAME), ("m2", SAME)})
        wanted.tokens.update(wanted.references)
        with store.snapshot(wanted) as snapshot:
            facts = snapshot.facts
        assert set(facts.leases.values()) == set(leases)
        assert set(facts.bookings_by_token) == {(1, SAME), (2, SAME)}

    def test_a_lease_and_a_booking_may_carry_the_same_token(self, store: Store, shop: Shop) -> None:
        shop.offer(Offered())
        lease = shop.lease(ASKED, reference=SAME)
        booking = shop.book(ASKED, lease_id=lease.lease_id, token=SAME)
        assert (booking.lease_no, store.audit()) == (lease.lease_no, [])

    def test_tokens_are_found_among_many(self, store: Store, shop: Shop) -> None:
        shop.offer(Offered(spots_total=50))
        leases = [shop.lease(ASKED, reference=f"{number}") for number in range(50)]
        wanted = Wanted(merchant_ids={"m1"}, references={("m1", f"{number}") for number in range(-5, 55)})
        with store.snapshot(wanted) as snapshot:
            facts = snapshot.facts
        assert facts.leases == {(1, lease.lease_no): lease for lease in leases}
        assert all(one.lease_no < other.lease_no for one, other in pairwise(leases))

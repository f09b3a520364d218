"""Time decides whether a lease is live, to the microsecond, whoever swept or never did (INV-7, INV-9, INV-10)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slotlease.desk.release_lease import ReleaseLease
from slotlease.desk.sweep_leases import sweep
from slotlease.domain.facts import Facts, RowKey, Wanted
from slotlease.domain.failure import BookingFailure, Cause
from slotlease.domain.lease import Lease, LeaseState
from slotlease.domain.spot import Spot
from slotlease.store.protocol import Store
from tests.store.backend import Backend, OnALedger, everything
from tests.store.rows import booking_row, put_rows
from tests.support import DAY_US, MINUTE_US, NOON_US, HandClock, Offered, Shop

SLOT = Offered(spots_total=4)
ASKED = SLOT.asked()


def seen_by_a_read(store: Store, takers: int = 1) -> Facts:
    with store.snapshot(Wanted(merchant_ids={"m1"}, slots=[ASKED] * takers)) as snapshot:
        return snapshot.facts


def seen_by_a_write(store: Store, takers: int = 1) -> Facts:
    with store.transact(Wanted(merchant_ids={"m1"}, slots=[ASKED] * takers)) as transaction:
        return transaction.facts


class JudgesByTime(OnALedger):
    def test_expired_lease_claims_nothing_though_not_yet_swept(
        self, backend: Backend, store: Store, shop: Shop, clock: HandClock
    ) -> None:
        shop.offer(Offered())
        dead = shop.lease(ASKED)
        assert shop.ask(shop.create_lease(ASKED)) == BookingFailure(
            Cause.SLOT_UNAVAILABLE, "no spot of the slot is free"
        )
        clock.now_us = dead.expires_us
        before = everything(backend)
        assert shop.count_available(ASKED) == 1
        assert list(store.leases(live_only=True, limit=9)) == []
        assert store.audit() == []
        assert everything(backend) == before, "nobody has touched the dead lease"
        heir = shop.lease(ASKED)
        assert (heir.spot_no, shop.count_available(ASKED)) == (dead.spot_no, 0)

    @pytest.mark.parametrize(("past_us", "is_live"), [(-1, True), (0, False), (1, False)])
    def test_a_lease_lives_until_the_instant_it_expires_and_not_at_it(
        self, store: Store, shop: Shop, clock: HandClock, past_us: int, is_live: bool
    ) -> None:
        (slot,) = shop.offer(SLOT)
        lease = shop.lease(ASKED)
        clock.now_us = lease.expires_us + past_us
        spot = Spot(*slot.key, lease.spot_no, lease.expires_us, lease.lease_no)
        for facts in (seen_by_a_read(store), seen_by_a_write(store, takers=4)):
            occupancy = facts.occupancies[slot.key]
            assert facts.now_us == clock.now_us
            assert (occupancy.highest, occupancy.counted, occupancy.busy) == (1, True, int(is_live))
            assert (occupancy.lapsed_count, occupancy.lapsed) == ((0, ()) if is_live else (1, (spot,)))
        assert list(store.leases(live_only=True, limit=9)) == ([lease] if is_live else [])
        assert list(store.lapsed_leases(after=(0, 0), limit=9)) == ([] if is_live else [(1, lease.lease_no)])
        assert list(store.leases(live_only=False, limit=9)) == [lease]

    def test_who_takes_a_dead_leases_spot_buries_it(self, store: Store, shop: Shop, clock: HandClock) -> None:
        """Then no clock that steps back can bring it to life again (INV-9)."""
        shop.offer(Offered())
        dead = shop.lease(ASKED)
        clock.now_us = dead.expires_us
        heir = shop.lease(ASKED)
        clock.now_us = dead.expires_us - 1
        states = {lease.lease_no: lease.state for lease in store.leases(live_only=False, limit=9)}
        assert states == {dead.lease_no: LeaseState.EXPIRED, heir.lease_no: LeaseState.ACTIVE}
        assert list(store.leases(live_only=True, limit=9)) == [heir]
        refusal = shop.ask(shop.create_booking(ASKED, lease_id=dead.lease_id))
        assert isinstance(refusal, BookingFailure)
        assert refusal.cause is Cause.LEASE_EXPIRED
        assert shop.count_available(ASKED) == 0
        assert store.audit() == []

    def test_a_write_is_given_every_row_that_its_takers_can_need(
        self, store: Store, shop: Shop, clock: HandClock
    ) -> None:
        """Free rows for those who take over, lapsed ones to take over or to bury; and an exact count, once the
        numbers never used do not suffice for all of them."""
        (slot,) = shop.offer(replace(SLOT, spots_total=5))
        leases = [shop.lease(ASKED) for _ in range(4)]
        shop.ask(ReleaseLease(leases[1].lease_id))
        shop.ask(ReleaseLease(leases[2].lease_id))
        clock.now_us = leases[0].expires_us
        for takers in (2, 3, 5):
            occupancy = seen_by_a_write(store, takers).occupancies[slot.key]
            assert (occupancy.highest, occupancy.counted, occupancy.busy, occupancy.lapsed_count) == (4, True, 0, 2)
            assert [spot.spot_no for spot in occupancy.lapsed] == [1, 4]
            assert occupancy.free == (Spot(*slot.key, 2, 0, 0), Spot(*slot.key, 3, 0, 0))
        answers = shop.ask_all([shop.create_lease(ASKED) for _ in range(6)])
        assert {answer.spot_no for answer in answers if isinstance(answer, Lease)} == {1, 2, 3, 4, 5}
        assert shop.count_available(ASKED) == 0

    def test_a_slot_lowered_under_dead_leases_shows_all_that_could_be_revived(
        self, store: Store, shop: Shop, clock: HandClock
    ) -> None:
        """A grant buries lapsed claims until those that any clock could call live fit the capacity (DESIGN 3)."""
        (slot,) = shop.offer(SLOT)
        leases = [shop.lease(ASKED) for _ in range(4)]
        shop.offer(replace(SLOT, spots_total=1))
        clock.now_us = leases[0].expires_us
        occupancy = seen_by_a_write(store).occupancies[slot.key]
        assert (occupancy.busy, len(occupancy.lapsed)) == (0, 4)
        heir = shop.lease(ASKED)
        clock.now_us = NOON_US
        assert list(store.leases(live_only=True, limit=9)) == [heir]
        assert store.audit() == []

    def test_no_instant_from_1970_to_2100_is_special(self, store: Store, shop: Shop, clock: HandClock) -> None:
        for number, year_us in enumerate((0, 2**31 * 1_000_000, 4_102_444_800_000_000)):
            clock.now_us = year_us
            slot = Offered(start_us=year_us + DAY_US)
            shop.offer(slot)
            dead = shop.lease(slot.asked())
            clock.now_us = dead.expires_us
            heir = shop.lease(slot.asked())
            assert (dead.lease_no, heir.lease_no) == (2 * number + 1, 2 * number + 2)
            assert shop.count_available(slot.asked()) == 0
        assert store.audit() == []


class ListsForOperators(OnALedger):
    def test_the_live_leases_are_counted_by_the_clock(self, store: Store, shop: Shop, clock: HandClock) -> None:
        shop.offer(Offered(spots_total=9))
        asked, now_us = Offered().asked(), clock.now_us
        for minutes in (2, 2, 3, 4):
            shop.lease(asked, expires_us=now_us + minutes * MINUTE_US)
        shop.book(asked, lease_id=shop.lease(asked).lease_id)
        assert store.live_leases() == 4
        clock.now_us = now_us + 2 * MINUTE_US
        assert store.live_leases() == 2

    def test_lapsed_leases_come_in_order_a_page_at_a_time(self, store: Store, shop: Shop, clock: HandClock) -> None:
        """No gap and no repeat, over all merchants; those that ended otherwise or still live are not among them."""
        for merchant_id in ("m1", "m2", "m3"):
            shop.offer(Offered(spots_total=9), merchant_id=merchant_id)
        leases = [shop.lease(Offered().asked(x)) for x in ("m3", "m1", "m2", "m1", "m3", "m1", "m2")]
        shop.ask(ReleaseLease(leases[3].lease_id))
        shop.book(leases[6].slot, lease_id=leases[6].lease_id)
        clock.now_us = leases[0].expires_us
        shop.lease(Offered().asked("m1"))
        dead = sorted((lease.merchant_no, lease.lease_no) for lease in leases if lease not in (leases[3], leases[6]))
        for limit in (1, 2, 3, 99):
            found: list[RowKey] = []
            after = (0, 0)
            while page := list(store.lapsed_leases(after=after, limit=limit)):
                assert len(page) <= limit
                found += page
                after = page[-1]
                assert len(found) <= len(dead)
            assert found == dead

    def test_pages_keep_their_order_while_leases_come_and_go(self, store: Store, shop: Shop, clock: HandClock) -> None:
        shop.offer(SLOT, Offered(start_us=SLOT.start_us + DAY_US, spots_total=9))
        first = [shop.lease(ASKED) for _ in range(4)]
        clock.now_us = first[0].expires_us
        page = list(store.lapsed_leases(after=(0, 0), limit=2))
        heir = shop.lease(ASKED)  # buries one of those not yet listed, or listed already
        shop.lease(Offered(start_us=SLOT.start_us + DAY_US).asked())
        rest = list(store.lapsed_leases(after=page[-1], limit=99))
        buried = {
            (1, lease.lease_no)
            for lease in store.leases(live_only=False, limit=99)
            if lease.state is LeaseState.EXPIRED
        }
        assert set(page) | set(rest) | buried == {(1, lease.lease_no) for lease in first}
        assert (heir.merchant_no, heir.lease_no) not in page + rest

    @pytest.mark.parametrize("piece", [1, 2, 256])
    def test_sweeping_buries_every_lapsed_lease_and_no_live_one(
        self, store: Store, shop: Shop, clock: HandClock, piece: int
    ) -> None:
        for merchant_id in ("m1", "m2"):
            shop.offer(Offered(spots_total=9), merchant_id=merchant_id)
        dead = [shop.lease(Offered().asked(x)) for x in ("m1", "m2", "m1", "m2", "m2")]
        clock.now_us = dead[0].expires_us
        live = [shop.lease(Offered().asked(x)) for x in ("m1", "m2")]
        assert sweep(store, shop.ask, piece=piece) == 5
        assert sweep(store, shop.ask, piece=piece) == 0
        clock.now_us = NOON_US
        assert set(store.leases(live_only=True, limit=99)) == set(live)
        assert store.audit() == []

    def test_leases_are_listed_newest_first(self, store: Store, shop: Shop, clock: HandClock) -> None:
        shop.offer(SLOT)
        leases: list[Lease] = []
        for _ in range(4):
            clock.advance(us=1)
            leases.append(shop.lease(ASKED))
        assert list(store.leases(live_only=False, limit=99)) == leases[::-1]
        assert list(store.leases(live_only=False, limit=2)) == leases[:1:-1]
        shop.ask(ReleaseLease(leases[2].lease_id))
        assert list(store.leases(live_only=True, limit=2)) == [leases[3], leases[1]]
        assert list(store.leases(live_only=True, limit=0)) == []

    def test_bookings_are_listed_by_start_the_latest_first(self, store: Store, shop: Shop) -> None:
        starts = [NOON_US + DAY_US, NOON_US + 3 * DAY_US, NOON_US + 2 * DAY_US]
        days = [Offered(start_us=start_us) for start_us in starts]
        shop.offer(*days)
        bookings = [shop.book(day.asked()) for day in days]
        shop.cancel(bookings[1])
        listed = store.bookings(limit=99)
        assert [booking.slot.start_us for booking in listed] == sorted(starts, reverse=True)
        assert [booking.revision for booking in listed] == [2, 1, 1]
        assert list(store.bookings(limit=1)) == list(listed[:1])

    def test_an_empty_ledger_lists_nothing(self, store: Store) -> None:
        assert list(store.leases(live_only=False, limit=9)) == []
        assert list(store.bookings(limit=9)) == []
        assert list(store.lapsed_leases(after=(0, 0), limit=9)) == []
        assert list(store.merchants()) == []
        assert list(store.audit()) == []
        assert store.slots_of(1) == {}
        assert store.own_bookings(1, NOON_US) == {}

    def test_bookings_of_a_user_are_those_to_come_over_all_merchants(self, store: Store, shop: Shop) -> None:
        """By start; none that has begun, none cancelled. A user with nothing to come is known all the same."""
        starts = [NOON_US, NOON_US + 1, NOON_US + 3, NOON_US + 2]
        days = [Offered(start_us=start_us) for start_us in starts]
        shop.clock.now_us = NOON_US - DAY_US
        shop.offer(*days)
        shop.offer(*days, merchant_id="m2")
        bookings = [shop.book(day.asked(merchant_id)) for merchant_id in ("m2", "m1") for day in days]
        assert not isinstance(shop.cancel(bookings[1]), BookingFailure)
        shop.clock.now_us = NOON_US
        with store.snapshot(Wanted(users={"id:u1", "id:stranger"})) as snapshot:
            found = snapshot.facts.bookings_of_users
        to_come = [(row.slot.start_us - NOON_US, row.slot.merchant_id) for row in found["id:u1"]]
        assert [start for start, _ in to_come] == [1, 2, 2, 3, 3]
        assert set(to_come) == {(1, "m1"), (2, "m1"), (2, "m2"), (3, "m1"), (3, "m2")}
        assert "id:stranger" not in found

    def test_a_user_with_only_cancelled_bookings_is_known(self, store: Store, shop: Shop) -> None:
        shop.offer(Offered())
        shop.cancel(shop.book(ASKED))
        with store.snapshot(Wanted(users={"id:u1"})) as snapshot:
            assert snapshot.facts.bookings_of_users == {"id:u1": ()}

    def test_a_users_bookings_of_a_slot_are_those_that_claim_a_spot(self, store: Store, shop: Shop) -> None:
        (slot,) = shop.offer(SLOT)
        kept = [booking_row(slot, ASKED, booking_no=number, spot_no=number) for number in (1, 2)]
        others = [replace(kept[0], booking_no=3, spot_no=3, idempotency_token=ASKED.service_id, user_key="id:u2")]
        put_rows(store, slot, bookings=[*kept, *others])
        shop.cancel(kept[0])
        wanted = Wanted(merchant_ids={"m1"})
        wanted.users_of_slots = {(*slot.key, "id:u1"), (*slot.key, "id:u2"), (*slot.key, "id:u3"), (1, 7, "id:u1")}
        with store.snapshot(wanted) as snapshot:
            found = snapshot.facts.users_of_slots
        assert found == {
            (*slot.key, "id:u1"): frozenset({2}),
            (*slot.key, "id:u2"): frozenset({3}),
            (*slot.key, "id:u3"): frozenset(),
            (1, 7, "id:u1"): frozenset(),
        }

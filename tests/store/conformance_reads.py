"""Reads: one consistent view, with all in it that was acknowledged before, and every rival for staff and rooms."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from slotlease.domain.facts import Facts, Wanted
from slotlease.domain.slot import AskedSlot, Resources, Slot
from slotlease.store.protocol import RowRefused, Store, StoreUnavailable
from tests.store.backend import OnALedger, changes_of, commit
from tests.support import DAY_US, HOUR_US, MINUTE_US, NOON_US, HandClock, Offered, Shop

SLOT = Offered(spots_total=4)
ASKED = SLOT.asked()
TEN = NOON_US + DAY_US
ANY_SLOT = Slot(1, 1, 1, TEN, HOUR_US, 0, 0, 0, "", 1, 0, closed=False, asynchronous=False)

USES: dict[str, Callable[[Store], Any]] = {
    "transact": lambda store: store.transact(Wanted()).__enter__(),
    "snapshot": lambda store: store.snapshot(Wanted()).__enter__(),
    "leases": lambda store: store.leases(live_only=False, limit=1),
    "bookings": lambda store: store.bookings(limit=1),
    "live_leases": lambda store: store.live_leases(),
    "lapsed_leases": lambda store: store.lapsed_leases(after=(0, 0), limit=1),
    "audit": lambda store: store.audit(),
    "merchants": lambda store: store.merchants(),
    "retire_merchants": lambda store: store.retire_merchants(["m1"]),
    "put_catalogue": lambda store: store.put_catalogue("m1", "M", [], [], []),
    "slots_of": lambda store: store.slots_of(1),
    "own_bookings": lambda store: store.own_bookings(1, 0),
    "put_slots": lambda store: store.put_slots(1, [ANY_SLOT]),
}


def busy_of(store: Store, asked: AskedSlot = ASKED) -> int:
    (occupancy,) = facts_of(store, asked).occupancies.values()
    return occupancy.busy


def facts_of(store: Store, *asked: AskedSlot) -> Facts:
    merchant_ids = {one.merchant_id for one in asked}
    with store.snapshot(Wanted(merchant_ids=merchant_ids, slots=list(asked))) as snapshot:
        return snapshot.facts


class ShowsWhatIsThere(OnALedger):
    def test_a_read_sees_whatever_was_acknowledged_before_it(self, store: Store, beside: Store, shop: Shop) -> None:
        """Through the store that wrote, and through any other (INV-27)."""
        shop.offer(Offered(spots_total=20))
        for count in range(1, 11):
            lease = shop.lease(ASKED)
            for reader in (store, beside):
                assert busy_of(reader) == count
                assert reader.leases(live_only=True, limit=99)[0].lease_no == lease.lease_no
        booking = shop.book(ASKED)
        for reader in (store, beside):
            assert list(reader.bookings(limit=9)) == [booking]
        cancelled = shop.cancel(booking)
        for reader in (store, beside):
            assert list(reader.bookings(limit=9)) == [cancelled]
            assert busy_of(reader) == 10

    def test_a_snapshot_does_not_see_a_later_commit(self, store: Store, beside: Store, shop: Shop) -> None:
        """Whatever else is loaded into it: one view, one instant."""
        (slot,) = shop.offer(SLOT)
        wanted = Wanted(merchant_ids={"m1"}, slots=[ASKED])
        with store.snapshot(wanted) as before, beside.snapshot(wanted) as beside_before:
            booking = shop.book(ASKED)
            shop.lease(ASKED, reference="later")
            later = Wanted(merchant_ids={"m1"}, slots=[ASKED], users={booking.user_key})
            later.references.add(("m1", "later"))
            for snapshot in (before, beside_before):
                snapshot.load(later)
                assert snapshot.facts.occupancies[slot.key].busy == 0
                assert snapshot.facts.leases == {}
                assert snapshot.facts.bookings_of_users == {}
            assert busy_of(store) == busy_of(beside) == 2

    def test_nobody_sees_a_write_before_its_commit(self, store: Store, beside: Store, shop: Shop) -> None:
        """And nobody waits for it (INV-18)."""
        shop.offer(SLOT)
        changes = changes_of(store, shop.create_lease(ASKED))
        with store.transact(Wanted(merchant_ids={"m1"})) as transaction:
            assert (busy_of(store), busy_of(beside)) == (0, 0)
            assert list(store.leases(live_only=False, limit=9)) == []
            transaction.commit(changes)
        assert (busy_of(store), busy_of(beside)) == (1, 1)

    def test_reads_go_on_beside_a_writer_on_other_threads(self, store: Store, beside: Store, shop: Shop) -> None:
        """What a reader counts never falls while claims are only added."""
        shop.offer(Offered(spots_total=60))
        counted: dict[int, list[int]] = {number: [] for number in range(4)}
        written = threading.Event()

        def read(number: int) -> None:
            while not written.is_set():
                counted[number].append(busy_of((store, beside)[number % 2]))

        readers = [threading.Thread(target=read, args=(number,)) for number in counted]
        for reader in readers:
            reader.start()
        for _ in range(60):
            shop.lease(ASKED)
        written.set()
        for reader in readers:
            reader.join()
        assert all(numbers == sorted(numbers) for numbers in counted.values())
        assert busy_of(store) == 60

    def test_a_catalogue_changed_by_another_store_is_seen_by_the_next_batch(
        self, store: Store, beside: Store, shop: Shop, clock: HandClock
    ) -> None:
        """Catalogues may be remembered between batches, but never past a change (DESIGN 3)."""
        shop.offer(SLOT)
        other = Shop(beside, clock)
        assert list(facts_of(store, ASKED).merchants["m1"].services) == ["cut"]
        other.offer(SLOT, Offered(service_id="colour", staff_id="ann", duration_us=5 * HOUR_US))
        changed = facts_of(store, ASKED).merchants["m1"]
        assert (sorted(changed.services), changed.staff) == (["colour", "cut"], {"ann": 1})
        assert changed.longest_duration_us == 5 * HOUR_US
        with store.transact(Wanted(merchant_ids={"m1"})) as transaction:
            assert transaction.facts.merchants["m1"] == changed
        beside.put_catalogue("m1", None, [], [], ["blue"])
        retired = facts_of(store, ASKED).merchants["m1"]
        assert [service.retired for service in retired.services.values()] == [True, True]
        assert retired.rooms == {"blue": 1}
        beside.retire_merchants(["m1"])
        assert facts_of(store, ASKED).merchants["m1"].retired

    def test_a_catalogue_that_was_not_committed_is_not_remembered(self, store: Store, shop: Shop) -> None:
        (slot,) = shop.offer(SLOT)
        with pytest.raises(RowRefused):
            store.put_slots(1, [slot._replace(duration_us=9 * HOUR_US)])
        assert facts_of(store, ASKED).merchants["m1"].longest_duration_us == HOUR_US

    def test_what_is_not_there_is_simply_absent(self, store: Store, shop: Shop) -> None:
        shop.offer(SLOT)
        shop.lease(ASKED, reference="r")
        wanted = Wanted(merchant_ids={"m1", "nobody"}, merchant_nos={1, 2, 10**14})
        unknown = (
            replace(ASKED, service_id="no service"),
            replace(ASKED, start_us=ASKED.start_us + 1),
            replace(ASKED, duration_us=1),
            replace(ASKED, resources=Resources(staff_id="no staff")),
            replace(ASKED, resources=Resources(room_id="no room")),
            replace(ASKED, resources=Resources(party_size=1)),
            replace(ASKED, merchant_id="nobody"),
        )
        wanted.slots.extend(unknown)
        wanted.leases |= {(1, 99), (2, 1), (10**14, 1)}
        wanted.bookings |= {(1, 1), (2, 1), (10**14, 10**17)}
        wanted.references |= {("m1", "R"), ("nobody", "r")}
        wanted.tokens |= {("m1", "r"), ("nobody", "r")}
        wanted.users |= {"id:u1"}
        for opened in (store.snapshot(wanted), store.transact(wanted)):
            with opened as batch:
                facts = batch.facts
            assert (list(facts.merchants), facts.merchant_ids, facts.next_nos) == (["m1"], {1: "m1"}, {1: 2})
            assert (facts.slots, facts.occupancies) == ({}, {})
            assert (facts.leases, facts.leases_by_reference) == ({}, {})
            assert (facts.bookings, facts.bookings_by_token, facts.bookings_of_users) == ({}, {}, {})

    def test_the_fingerprint_key_belongs_to_the_ledger(self, store: Store, beside: Store) -> None:
        assert len(store.fingerprint_key) == 32
        assert store.fingerprint_key == beside.fingerprint_key
        assert len(set(store.fingerprint_key)) > 8, "random, not a default"

    @pytest.mark.parametrize("use", USES.values(), ids=USES)
    def test_a_closed_store_is_unavailable(self, store: Store, use: Callable[[Store], Any]) -> None:
        store.close()
        with pytest.raises(StoreUnavailable):
            use(store)

    def test_closing_twice_is_closing_once_and_concerns_nobody_else(
        self, store: Store, beside: Store, shop: Shop
    ) -> None:
        shop.offer(SLOT)
        store.close()
        store.close()
        assert Shop(beside, shop.clock).lease(ASKED).lease_no == 1


def overlapping(**given: Any) -> dict[str, Offered]:
    """Ten to eleven, and who stands where beside it."""
    whole = Offered(start_us=TEN, duration_us=HOUR_US, **given)
    return {
        "touching before": replace(whole, start_us=TEN - HOUR_US),
        "a microsecond into it": replace(whole, start_us=TEN - HOUR_US + 1),
        "long before and still there": replace(whole, start_us=TEN - 5 * HOUR_US, duration_us=5 * HOUR_US + 1),
        "long before and just gone": replace(whole, start_us=TEN - 5 * HOUR_US, duration_us=5 * HOUR_US),
        "within it": replace(whole, start_us=TEN + 1, duration_us=1),
        "around it": replace(whole, start_us=TEN - 1, duration_us=HOUR_US + 2),
        "same time, other service": replace(whole, service_id="colour"),
        "its last microsecond": replace(whole, start_us=TEN + HOUR_US - 1),
        "touching after": replace(whole, start_us=TEN + HOUR_US),
    }


RIVALS = {
    "a microsecond into it",
    "long before and still there",
    "within it",
    "around it",
    "same time, other service",
    "its last microsecond",
}


class FindsRivals(OnALedger):
    """A slot comes with every slot that has a claim on its staff or room at an overlapping time (INV-2). Spans are
    half-open: touching ends do not overlap."""

    @pytest.mark.parametrize("name", overlapping())
    @pytest.mark.parametrize("shared", [{"staff_id": "ann"}, {"room_id": "blue"}], ids=["staff", "room"])
    @pytest.mark.parametrize("longest_h", [0, 9], ids=["", "nine hours at the longest"])
    def test_a_claim_elsewhere_counts_where_it_overlaps(
        self, store: Store, shop: Shop, name: str, shared: dict[str, Any], longest_h: int
    ) -> None:
        """Whatever else the merchant offers: its longest slot bounds the search and decides nothing."""
        if longest_h:
            shop.offer(Offered(start_us=TEN + 9 * DAY_US, duration_us=longest_h * HOUR_US))
        slot, other = Offered(start_us=TEN, **shared), overlapping(**shared)[name]
        mine, theirs = shop.offer(slot, other)
        shop.lease(other.asked())
        found = {mine.key, theirs.key} if name in RIVALS else {mine.key}
        wanted = Wanted(merchant_ids={"m1"}, slots=[slot.asked()])
        for opened in (store.snapshot(wanted), store.transact(wanted)):
            with opened as batch:
                assert set(batch.facts.occupancies) == found
                assert sum(occupancy.busy for occupancy in batch.facts.occupancies.values()) == len(found) - 1
        assert shop.count_available(slot.asked()) == (0 if name in RIVALS else 1)

    def test_a_rival_is_counted_whole_and_shows_every_claim_to_bury(
        self, store: Store, shop: Shop, clock: HandClock
    ) -> None:
        slot, other = Offered(start_us=TEN, staff_id="ann"), Offered(start_us=TEN + 1, staff_id="ann", spots_total=9)
        _, theirs = shop.offer(slot, other)
        dead = [shop.lease(other.asked()) for _ in range(5)]
        assert shop.count_available(slot.asked()) == 0
        clock.now_us = dead[0].expires_us
        with store.transact(Wanted(merchant_ids={"m1"}, slots=[slot.asked()])) as transaction:
            rival = transaction.facts.occupancies[theirs.key]
        assert (rival.counted, rival.busy, rival.lapsed_count, len(rival.lapsed)) == (True, 0, 5, 5)
        assert [spot.holder_no for spot in rival.lapsed] == [lease.lease_no for lease in dead]
        changes = changes_of(store, shop.create_lease(slot.asked()))
        assert len(changes.leases_buried) == 5
        commit(store, changes)
        assert store.audit() == []

    def test_a_spot_given_back_is_nobodys_rival(self, store: Store, shop: Shop) -> None:
        slot, other = Offered(start_us=TEN, room_id="blue"), Offered(start_us=TEN + 1, room_id="blue")
        shop.offer(slot, other)
        booking = shop.book(other.asked())
        assert shop.count_available(slot.asked()) == 0
        shop.cancel(booking)
        assert shop.count_available(slot.asked()) == 1
        assert store.audit() == []

    def test_others_are_no_rivals(self, store: Store, shop: Shop) -> None:
        """Another member of staff, another room, nobody at all, the same number at another merchant."""
        slot = Offered(start_us=TEN, staff_id="ann", room_id="blue")
        others = [
            Offered(start_us=TEN + MINUTE_US, staff_id="bob", room_id="red"),
            Offered(start_us=TEN + MINUTE_US),
        ]
        (mine, *_) = shop.offer(slot, *others)
        (same_numbers,) = shop.offer(
            Offered(start_us=TEN + MINUTE_US, staff_id="eve", room_id="east"), merchant_id="m2"
        )
        assert (same_numbers.staff_no, same_numbers.room_no) == (mine.staff_no, mine.room_no)
        for other in others:
            shop.book(other.asked())
        shop.book(Offered(start_us=TEN + MINUTE_US, staff_id="eve", room_id="east").asked("m2"))
        assert set(facts_of(store, slot.asked()).occupancies) == {mine.key}
        assert shop.count_available(slot.asked()) == 1

    def test_slots_of_one_number_are_counted_each_for_its_merchant(
        self, store: Store, shop: Shop, clock: HandClock
    ) -> None:
        offered = Offered(spots_total=2)
        (mine,) = shop.offer(offered)
        (theirs,) = shop.offer(offered, merchant_id="m2")
        assert mine.slot_no == theirs.slot_no
        clock.now_us = shop.lease(offered.asked("m2")).expires_us
        shop.lease(offered.asked())
        found = facts_of(store, offered.asked(), offered.asked("m2")).occupancies
        assert (found[mine.key].busy, found[mine.key].lapsed_count) == (1, 0)
        assert (found[theirs.key].busy, found[theirs.key].lapsed_count) == (0, 1)

    def test_a_rival_is_of_the_slots_own_merchant(self, store: Store, shop: Shop) -> None:
        slot, other = Offered(start_us=TEN, staff_id="ann"), Offered(start_us=TEN + 1, staff_id="ann")
        shop.offer(slot, other)
        mine, theirs = shop.offer(slot, other, merchant_id="m2")
        shop.lease(other.asked("m2"))
        assert set(facts_of(store, slot.asked("m2")).occupancies) == {mine.key, theirs.key}
        assert (shop.count_available(slot.asked()), shop.count_available(slot.asked("m2"))) == (1, 0)

    def test_staff_on_one_side_and_room_on_the_other_are_both_seen(self, store: Store, shop: Shop) -> None:
        slot = Offered(start_us=TEN, staff_id="ann", room_id="blue")
        by_staff = Offered(start_us=TEN + 1, staff_id="ann", room_id="red")
        by_room = Offered(start_us=TEN + 2, staff_id="bob", room_id="blue")
        shop.offer(slot, by_staff, by_room)
        for other in (by_staff, by_room):
            shop.lease(other.asked())
        assert len(facts_of(store, slot.asked()).occupancies) == 3
        assert store.audit() == []

    def test_many_slots_named_at_once_are_each_as_if_named_alone(
        self, store: Store, shop: Shop, clock: HandClock
    ) -> None:
        """Full and free ones, lapsed and returned spots, staff, rooms and neither, more than one merchant."""
        kinds: list[dict[str, Any]] = [
            {},
            {"staff_id": "ann"},
            {"room_id": "blue"},
            {"staff_id": "ann", "room_id": "red"},
        ]
        offered = [
            Offered(start_us=TEN + number * 25 * MINUTE_US, spots_total=1 + number % 3, **kinds[number % 4])
            for number in range(24)
        ]
        for merchant_id in ("m1", "m2"):
            shop.offer(*offered, merchant_id=merchant_id)
        for number, one in enumerate(offered[::5]):
            shop.lease(one.asked())
            clock.advance(s=20 * 60 * (number == 1))
            shop.cancel(shop.book(offered[number * 5 + 1].asked("m2"), user_id=f"u{number}"))
        asked = [one.asked(merchant_id) for one in offered for merchant_id in ("m1", "m2")]
        together = facts_of(store, *asked)
        seen: set[tuple[int, int]] = set()
        for slot in asked:
            alone = facts_of(store, slot)
            assert alone.slots_sought < together.slots_sought
            assert alone.slots.items() <= together.slots.items()
            for key, occupancy in alone.occupancies.items():
                # Alone, a rival is loaded for nobody to take: with no row to use again.
                assert occupancy._replace(free=()) == together.occupancies[key]._replace(free=())
            seen |= set(alone.occupancies)
        assert seen == set(together.occupancies)

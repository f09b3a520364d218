"""What an import writes: catalogues and slots, again and again, while the shop is open."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from slotlease.domain.booking import Booking
from slotlease.domain.facts import Wanted
from slotlease.domain.merchant import Merchant, Service
from slotlease.store.protocol import CatalogueCounts, RowRefused, Store
from tests.store.backend import Backend, OnALedger, at_once, everything
from tests.support import DAY_US, HOUR_US, NOON_US, HandClock, Offered, Shop, slot_row

NOTHING = CatalogueCounts()
CUT = Service(0, 0, "cut")
DYE = Service(0, 0, "dye", min_advance_booking_s=60, min_advance_online_canceling_s=3600)


def merchant_of(store: Store, merchant_id: str = "m1") -> Merchant:
    with store.snapshot(Wanted(merchant_ids={merchant_id})) as snapshot:
        return snapshot.facts.merchants[merchant_id]


def numbers(merchant: Merchant) -> dict[str, int]:
    return {service.service_id: service.service_no for service in merchant.services.values()}


class KeepsCatalogues(OnALedger):
    def test_a_catalogue_is_read_back_as_it_was_put(self, store: Store) -> None:
        put, counts = store.put_catalogue("m1", "One", [CUT, DYE], ["ann", "bob"], ["blue"])
        assert counts == CatalogueCounts(merchants_new=1, services_new=2)
        assert put == merchant_of(store)
        assert put == Merchant(
            1,
            "m1",
            retired=False,
            longest_duration_us=0,
            services={
                "cut": replace(CUT, merchant_no=1, service_no=1),
                "dye": replace(DYE, merchant_no=1, service_no=2),
            },
            staff={"ann": 1, "bob": 2},
            rooms={"blue": 1},
        )
        assert list(store.merchants()) == [put]

    def test_a_catalogue_put_twice_changes_nothing(self, backend: Backend, store: Store) -> None:
        first, _ = store.put_catalogue("m1", "One", [CUT, DYE], ["ann"], ["blue"])
        before = everything(backend)
        assert store.put_catalogue("m1", "One", [CUT, DYE], ["ann"], ["blue"]) == (first, NOTHING)
        reordered = store.put_catalogue("m1", "One", [DYE, CUT], ["ann", "ann"], ["blue"])
        assert reordered == (first, NOTHING)
        assert everything(backend) == before

    def test_a_catalogue_put_twice_after_a_retirement_changes_nothing(self, backend: Backend, store: Store) -> None:
        store.put_catalogue("m1", "One", [CUT, DYE], [], [])
        _, counts = store.put_catalogue("m1", "One", [CUT], [], [])
        assert counts == CatalogueCounts(services_retired=1)
        before = everything(backend)
        _, counts = store.put_catalogue("m1", "One", [CUT], [], [])
        assert (counts, everything(backend)) == (NOTHING, before)

    def test_a_service_retired_comes_back_under_its_number(self, store: Store) -> None:
        """Numbers are never reused: a retired row explains old bookings for ever (DESIGN 3)."""
        first, _ = store.put_catalogue("m1", "One", [CUT, DYE], [], [])
        gone, counts = store.put_catalogue("m1", "One", [DYE, replace(CUT, service_id="new")], [], [])
        assert counts == CatalogueCounts(services_new=1, services_retired=1)
        assert numbers(gone) == {**numbers(first), "new": 3}
        assert {service.service_id for service in gone.services.values() if service.retired} == {"cut"}
        back, counts = store.put_catalogue("m1", "One", [CUT, DYE, replace(CUT, service_id="new")], [], [])
        assert counts == CatalogueCounts(services_changed=1)
        assert numbers(back) == numbers(gone)
        assert not any(service.retired for service in back.services.values())
        assert back == merchant_of(store)

    def test_a_services_rules_change_and_its_number_does_not(self, store: Store) -> None:
        store.put_catalogue("m1", "One", [CUT, DYE], [], [])
        strict = replace(
            CUT,
            min_advance_booking_s=7200,
            one_booking_per_user=False,
            min_booking_buffer_before_end_time_s=60,
            service_no=99,
            merchant_no=99,
        )
        changed, counts = store.put_catalogue("m1", "One", [strict, DYE], [], [])
        assert counts == CatalogueCounts(services_changed=1)
        assert changed.services["cut"] == replace(strict, merchant_no=1, service_no=1)
        assert changed == merchant_of(store)

    def test_staff_and_rooms_keep_their_numbers_whatever_a_feed_names(self, store: Store) -> None:
        """They are only ever added: a number once given explains old spots for ever."""
        store.put_catalogue("m1", "One", [], ["ann", "bob"], ["blue"])
        store.put_catalogue("m1", "One", [], ["bob"], [])
        after, _ = store.put_catalogue("m1", "One", [], ["eve", "bob", "ann"], ["red", "blue"])
        assert after.staff == {"ann": 1, "bob": 2, "eve": 3}
        assert after.rooms == {"blue": 1, "red": 2}
        assert after == merchant_of(store)

    def test_each_merchant_has_numbers_of_its_own(self, store: Store) -> None:
        one, _ = store.put_catalogue("m1", "One", [CUT], ["ann"], ["blue"])
        two, _ = store.put_catalogue("m2", "Two", [CUT, DYE], ["ann"], ["blue"])
        assert (one.merchant_no, two.merchant_no) == (1, 2)
        assert numbers(two) == {"cut": 1, "dye": 2}
        assert (two.staff, two.rooms) == (one.staff, one.rooms)

    def test_a_merchant_without_a_name_keeps_the_one_it_has(self, backend: Backend, store: Store) -> None:
        store.put_catalogue("m1", "One", [], [], [])
        store.put_catalogue("m1", None, [CUT], [], [])
        store.put_catalogue("m2", None, [], [], [])
        assert backend.sql("SELECT merchant_id, name FROM merchant ORDER BY merchant_no") == [
            ("m1", "One"),
            ("m2", "m2"),
        ]
        store.put_catalogue("m1", "Uno", [CUT], [], [])
        assert backend.sql("SELECT name FROM merchant WHERE merchant_id = 'm1'") == [("Uno",)]

    def test_merchants_are_listed_by_id_retired_ones_too(self, store: Store) -> None:
        put = {merchant_id: store.put_catalogue(merchant_id, "x", [CUT], ["ann"], [])[0] for merchant_id in "cabB"}
        store.retire_merchants(["b", "nobody"])
        put["b"] = replace(put["b"], retired=True)
        assert list(store.merchants()) == [put[merchant_id] for merchant_id in "Babc"]

    def test_a_merchant_retires_once_and_comes_back_as_it_was(self, backend: Backend, store: Store, shop: Shop) -> None:
        shop.offer(Offered(spots_total=9))
        lease = shop.lease(Offered().asked())
        before = merchant_of(store)
        store.retire_merchants(["m1"])
        retired = everything(backend)
        store.retire_merchants(["m1"])
        store.retire_merchants([])
        assert everything(backend) == retired
        assert merchant_of(store) == replace(before, retired=True)
        assert isinstance(shop.book(Offered().asked(), lease_id=lease.lease_id), Booking), "what it leased stays"
        back, counts = store.put_catalogue("m1", None, [CUT], [], [])
        assert (counts.merchants_new, counts.services_new, counts.services_changed) == (0, 0, 0)
        assert back == merchant_of(store) == before

    def test_merchants_made_at_once_get_numbers_of_their_own(self, store: Store, beside: Store) -> None:
        merchant_ids = [f"m{number}" for number in range(12)]
        made = at_once(
            [
                partial((store, beside)[place % 2].put_catalogue, merchant_id, None, [CUT], [], [])
                for place, merchant_id in enumerate(merchant_ids * 2)
            ]
        )
        numbers = {merchant.merchant_id: merchant.merchant_no for merchant, _ in made}
        assert sorted(numbers.values()) == list(range(1, 13))
        assert sum(counts.merchants_new for _, counts in made) == 12
        assert [merchant.merchant_no for merchant in store.merchants()] == [numbers[name] for name in sorted(numbers)]

    @pytest.mark.parametrize("act", ["put_slots", "put_catalogue", "retire_merchants"])
    def test_an_import_waits_for_the_batch_that_holds_its_merchant(
        self, store: Store, beside: Store, shop: Shop, act: str
    ) -> None:
        """Sweeper, import and console write under the same locks (DESIGN 2)."""
        slots = shop.offer(Offered(spots_total=9))
        acts: dict[str, Callable[[], object]] = {
            "put_slots": lambda: beside.put_slots(1, slots),
            "put_catalogue": lambda: beside.put_catalogue("m1", "new", [CUT], [], []),
            "retire_merchants": lambda: beside.retire_merchants(["m1"]),
        }
        imports = threading.Thread(target=acts[act])
        with store.transact(Wanted(merchant_ids={"m1"})):
            imports.start()
            imports.join(0.2)
            assert imports.is_alive()
        imports.join(10)
        assert not imports.is_alive()

    def test_imports_and_requests_take_turns(self, store: Store, beside: Store, shop: Shop, clock: HandClock) -> None:
        """An import never touches the counter that requests draw from, nor what they claimed."""
        shop.offer(Offered(spots_total=9))
        other = Shop(beside, clock)
        for number in range(1, 6):
            assert shop.lease(Offered().asked()).lease_no == number
            other.offer(Offered(spots_total=9), Offered(service_id=f"s{number}", staff_id=f"p{number}"))
        assert shop.count_available(Offered().asked()) == 4
        assert store.audit() == []


class KeepsSlots(OnALedger):
    def test_slots_are_read_back_by_number_closed_ones_too(self, store: Store, shop: Shop) -> None:
        mine = shop.offer(Offered(), Offered(start_us=NOON_US, closed=True), Offered(party_size=3, spots_total=0))
        theirs = shop.offer(Offered(), merchant_id="m2")
        assert store.slots_of(1) == {slot.slot_no: slot for slot in mine}
        assert store.slots_of(2) == {slot.slot_no: slot for slot in theirs}
        assert theirs[0].slot_no == mine[0].slot_no, "a number is the merchant's own"
        assert store.slots_of(3) == {}

    def test_slots_put_twice_change_nothing(self, backend: Backend, store: Store, shop: Shop) -> None:
        slots = shop.offer(Offered(staff_id="ann"), Offered(room_id="blue"))
        shop.lease(Offered(staff_id="ann").asked())
        before = everything(backend)
        store.put_slots(1, slots)
        store.put_slots(1, [])
        assert everything(backend) == before

    def test_a_slot_put_again_is_replaced_and_its_claims_stay(self, store: Store, shop: Shop) -> None:
        shop.offer(Offered(spots_total=3))
        booking, lease = shop.book(Offered().asked()), shop.lease(Offered().asked())
        (after,) = shop.offer(
            Offered(
                spots_total=5,
                spots_elsewhere=4,
                closed=True,
                asynchronous=True,
                availability_tag="new",
                first_bookable_us=1,
                last_bookable_us=2,
                last_online_cancellable_us=3,
            )
        )
        assert store.slots_of(1) == {after.slot_no: after}
        assert list(store.bookings(limit=9)) == [booking]
        assert list(store.leases(live_only=True, limit=9)) == [lease]
        shop.offer(Offered(spots_total=4))
        assert shop.count_available(Offered().asked()) == 2

    @pytest.mark.parametrize("field", ["service_no", "start_us", "duration_us", "staff_no", "room_no", "party_size"])
    def test_a_number_that_belongs_to_another_slot_is_refused(
        self, backend: Backend, store: Store, shop: Shop, field: str
    ) -> None:
        """Two natural keys may share a hash: then the second slot is refused and nothing of its call is written."""
        mine, other = shop.offer(Offered(), Offered(service_id="dye"))
        new = slot_row(merchant_of(store), Offered(start_us=NOON_US))
        before = everything(backend)
        stolen: dict[str, Any] = {field: 2, "availability_tag": "stolen"}
        clash = mine._replace(**stolen)
        assert clash.natural_key != mine.natural_key
        with pytest.raises(RowRefused):
            store.put_slots(1, [new, clash, other._replace(closed=True)])
        assert everything(backend) == before

    def test_a_refused_call_does_not_raise_the_longest_duration(
        self, backend: Backend, store: Store, shop: Shop
    ) -> None:
        (mine,) = shop.offer(Offered())
        before = everything(backend)
        with pytest.raises(RowRefused):
            store.put_slots(1, [mine._replace(duration_us=9 * HOUR_US)])
        assert everything(backend) == before

    @pytest.mark.parametrize("given", [{"merchant_no": 2}, {"service_no": 9}, {"spots_elsewhere": 2}])
    def test_a_slot_of_nobody_or_without_sense_is_refused(
        self, backend: Backend, store: Store, shop: Shop, given: dict[str, Any]
    ) -> None:
        (mine,) = shop.offer(Offered())
        before = everything(backend)
        with pytest.raises(RowRefused):
            store.put_slots(1, [mine._replace(slot_no=1, **given)])
        assert everything(backend) == before

    def test_the_longest_duration_rises_and_never_falls(self, store: Store, shop: Shop) -> None:
        """It bounds every search for overlaps: were it too low, staff could be sold twice (DESIGN 3)."""
        for hours, longest in ((1, 1), (5, 5), (2, 5), (3, 5)):
            shop.offer(Offered(duration_us=hours * HOUR_US))
            assert merchant_of(store).longest_duration_us == longest * HOUR_US
        assert merchant_of(store) == store.merchants()[0]

    def test_a_longer_slot_imported_later_is_a_rival_at_once(self, store: Store, shop: Shop) -> None:
        slot = Offered(staff_id="ann")
        shop.offer(slot)
        assert shop.count_available(slot.asked()) == 1
        long = replace(slot, start_us=slot.start_us - 9 * HOUR_US, duration_us=10 * HOUR_US)
        shop.offer(slot, long)
        shop.book(long.asked())
        assert shop.count_available(slot.asked()) == 0
        assert store.audit() == []

    def test_ten_thousand_spots_are_one_slot(self, shop: Shop) -> None:
        """The most that an import accepts (DESIGN 3)."""
        shop.offer(Offered(spots_total=10_000))
        shop.lease(Offered().asked())
        assert shop.count_available(Offered().asked()) == 9_999


class CountsOwnBookings(OnALedger):
    """How many bookings made here claimed a spot when a feed was generated: told by the events, for any instant."""

    def test_own_bookings_at_any_instant_of_a_bookings_life(self, store: Store, shop: Shop, clock: HandClock) -> None:
        early, late = shop.offer(Offered(spots_total=9), Offered(start_us=NOON_US + 2 * DAY_US, spots_total=9))
        booking = shop.book(Offered().asked())
        clock.advance(s=10)
        shop.move(booking, start_us=late.start_us)
        clock.advance(s=10)
        shop.cancel(booking)
        clock.advance(s=10)
        shop.book(Offered().asked(), lease_id=shop.lease(Offered().asked()).lease_id)
        told = {
            NOON_US - 1: {},
            NOON_US: {early.slot_no: 1},
            NOON_US + 9_999_999: {early.slot_no: 1},
            NOON_US + 10_000_000: {late.slot_no: 1},
            NOON_US + 19_999_999: {late.slot_no: 1},
            NOON_US + 20_000_000: {},
            NOON_US + 29_999_999: {},
            NOON_US + 30_000_000: {early.slot_no: 1},
            NOON_US + 9 * DAY_US: {early.slot_no: 1},
        }
        assert {at_us: store.own_bookings(1, at_us) for at_us in told} == told

    def test_own_bookings_are_counted_by_slot_and_merchant(self, store: Store, shop: Shop, clock: HandClock) -> None:
        """Leases are no bookings, and a second change at the same instant counts as the last."""
        days = [Offered(start_us=NOON_US + day * DAY_US, spots_total=9) for day in (1, 2, 3)]
        one, two, _ = shop.offer(*days)
        shop.offer(*days, merchant_id="m2")
        for number in range(3):
            shop.book(days[0].asked(), user_id=f"u{number}")
        shop.lease(days[0].asked())
        moved = shop.book(days[2].asked(), user_id="u9")
        shop.move(moved, start_us=two.start_us)
        shop.book(days[2].asked("m2"))
        assert store.own_bookings(1, clock.now_us) == {one.slot_no: 3, two.slot_no: 1}
        assert len(store.own_bookings(2, clock.now_us)) == 1
        assert store.own_bookings(3, clock.now_us) == {}

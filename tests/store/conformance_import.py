"""What an import of a big feed and an export need: tries without a trace, pages, pieces, and who claims what."""

from __future__ import annotations

from collections.abc import Callable
from inspect import getmembers, isfunction
from typing import Any

import pytest

from slotlease.domain.credential import Credential
from slotlease.domain.slot import Slot
from slotlease.store.protocol import Claims, Store, StoreUnavailable
from tests.store.backend import Backend, OnALedger, everything
from tests.store.conformance_inventory import CUT, DYE, NOTHING, merchant_of
from tests.store.conformance_reads import USES
from tests.support import DAY_US, HOUR_US, NOON_US, HandClock, Offered, Shop

MORE_USES: dict[str, Callable[[Store], Any]] = {
    "probe_write": lambda store: store.probe_write(),
    "merchant_names": lambda store: store.merchant_names(),
    "slots_by_start": lambda store: store.slots_by_start(1, after=(0, 0), until_us=NOON_US, limit=1),
    "old_leases": lambda store: store.old_leases(kept_us=0, after=(0, 0), limit=1),
    "events": lambda store: store.events(after={}, merchant_id=None, limit=1),
    "marketing_preferences": lambda store: store.marketing_preferences(after="", limit=1),
    "credentials": lambda store: store.credentials(),
    "add_credential": lambda store: store.add_credential(Credential("a", bytes(32), 0, 1)),
    "revoke_credential": lambda store: store.revoke_credential("a"),
    "claims": lambda store: store.claims(1, from_us=0, until_us=NOON_US),
}


class ServesImports(OnALedger):
    def test_a_dry_run_answers_as_if_and_changes_nothing(self, backend: Backend, store: Store) -> None:
        store.put_catalogue("m1", "One", [CUT], ["ann"], [])
        before = everything(backend)
        for merchant_id in ("m1", "m2"):
            as_if = store.put_catalogue(merchant_id, "New", [DYE], ["bob"], ["blue"], dry_run=True)
            assert everything(backend) == before
            done = store.put_catalogue(merchant_id, "New", [DYE], ["bob"], ["blue"])
            assert done == as_if
            before = everything(backend)
        assert store.put_catalogue("m1", "New", [DYE], ["bob"], ["blue"], dry_run=True) == (merchant_of(store), NOTHING)

    @pytest.mark.parametrize("limit", [1, 3, 7, 8])
    def test_slots_come_a_page_at_a_time_by_number_or_by_start(self, store: Store, shop: Shop, limit: int) -> None:
        """No gap, no repeat, closed ones too, nobody else's; many may start at one instant."""
        mine = shop.offer(
            *(Offered(start_us=NOON_US + n // 3 * HOUR_US, party_size=n, closed=n == 2) for n in range(8))
        )
        shop.offer(Offered(), merchant_id="m2")
        by_number: list[Slot] = []
        after_slot_no = -1
        while page := store.slots_of(1, after_slot_no=after_slot_no, limit=limit):
            assert list(page) == [slot.slot_no for slot in page.values()]
            by_number += page.values()
            after_slot_no = by_number[-1].slot_no
        by_start: list[Slot] = []
        after = (0, 0)
        until_us = NOON_US + 2 * HOUR_US
        while found := store.slots_by_start(1, after=after, until_us=until_us, limit=limit):
            by_start += found
            after = (by_start[-1].start_us, by_start[-1].slot_no)
        assert by_number == sorted(mine, key=lambda slot: slot.slot_no)
        before = [slot for slot in mine if slot.start_us < until_us]
        assert by_start == sorted(before, key=lambda slot: (slot.start_us, slot.slot_no))

    def test_slots_are_written_in_pieces_when_others_wait(self, store: Store, shop: Shop) -> None:
        """In their order, at least one, and each call says how far it came (DESIGN 2: pieces of bounded size)."""
        (first,) = shop.offer(Offered())
        slots = [first._replace(slot_no=n, start_us=n, spots_total=2) for n in range(1, 501)]
        written = store.put_slots(1, slots, held_max_s=0)
        assert 1 <= written < 500
        assert store.slots_of(1) == {slot.slot_no: slot for slot in (*slots[:written], first)}
        assert store.put_slots(1, slots[written:], held_max_s=60) == 500 - written
        assert store.put_slots(1, slots) == 500
        assert store.put_slots(1, []) == 0
        assert len(store.slots_of(1)) == 501

    def test_claims_are_those_live_now_on_slots_that_start_in_the_span(
        self, store: Store, shop: Shop, clock: HandClock
    ) -> None:
        one, two, three = (Offered(start_us=NOON_US + day * DAY_US, spots_total=9) for day in (1, 2, 3))
        rows = shop.offer(one, two, three)
        shop.offer(one, merchant_id="m2")
        shop.lease(one.asked("m2"))
        shop.book(one.asked(), lease_id=shop.lease(one.asked()).lease_id)
        shop.cancel(shop.book(one.asked(), user_id="u2"))
        lease = shop.lease(one.asked())
        shop.book(two.asked())
        shop.lease(three.asked())
        span = {"from_us": one.start_us, "until_us": three.start_us}
        assert store.claims(1, **span) == {rows[0].slot_no: Claims(1, 1), rows[1].slot_no: Claims(0, 1)}
        clock.now_us = lease.expires_us
        assert store.claims(1, **span) == {rows[0].slot_no: Claims(0, 1), rows[1].slot_no: Claims(0, 1)}
        assert store.claims(1, from_us=one.start_us + 1, until_us=two.start_us) == {}
        assert store.claims(9, **span) == {}

    def test_merchants_are_named_by_id(self, store: Store) -> None:
        for merchant_id, name in (("m1", "One 🏋️"), ("M1", "One 🏋️"), ("m2", None)):
            store.put_catalogue(merchant_id, name, [], [], [])
        store.retire_merchants(["M1"])
        assert store.merchant_names() == {"m1": "One 🏋️", "M1": "One 🏋️", "m2": "m2"}

    def test_a_merchant_that_changed_is_counted_once(self, store: Store) -> None:
        store.put_catalogue("m1", "One", [CUT], [], [])
        store.retire_merchants(["m1"])
        _, back = store.put_catalogue("m1", None, [CUT], [], [])
        _, renamed = store.put_catalogue("m1", "Uno", [CUT], [], [])
        _, same = store.put_catalogue("m1", "Uno", [CUT], [], [])
        assert [counts.merchants_changed for counts in (back, renamed, same)] == [1, 1, 0]

    def test_every_use_of_a_store_is_tried_on_a_closed_one(self) -> None:
        uses = {name for name, _ in getmembers(Store, isfunction) if not name.startswith("_")} - {"close"}
        assert uses == set(USES) | set(MORE_USES)

    @pytest.mark.parametrize("use", MORE_USES.values(), ids=MORE_USES)
    def test_a_closed_store_serves_no_import(self, store: Store, use: Callable[[Store], Any]) -> None:
        store.close()
        with pytest.raises(StoreUnavailable):
            use(store)

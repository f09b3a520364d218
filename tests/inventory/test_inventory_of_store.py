"""What imports, exports and an operator's day ask of a store, besides what `tests/store/` holds it to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from slotlease.domain.merchant import Service
from slotlease.domain.slot import Slot
from slotlease.domain.spot import FOREVER_US
from slotlease.store.protocol import Claims, RowRefused
from tests.inventory.import_shop import rows_of
from tests.support import DAY_US, HOUR_US, NOON_US, Offered, Shop, open_shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    opened = open_shop(tmp_path)
    yield opened
    opened.store.close()


def offered(count: int) -> list[Offered]:
    return [Offered(start_us=NOON_US + DAY_US + number * HOUR_US) for number in range(count)]


def test_slots_are_read_in_pages_by_number(shop: Shop) -> None:
    slots = shop.offer(*offered(25))
    shop.offer(*offered(3), merchant_id="m2")
    whole = shop.store.slots_of(1)
    assert list(whole) == sorted(slot.slot_no for slot in slots)
    pages, after = [], -1
    while page := shop.store.slots_of(1, after_slot_no=after, limit=10):
        pages.append(page)
        after = max(page)
    assert [len(page) for page in pages] == [10, 10, 5]
    assert pages[0] | pages[1] | pages[2] == whole


def test_slots_are_read_in_pages_by_start(shop: Shop) -> None:
    same_start = [Offered(start_us=NOON_US + DAY_US, party_size=size) for size in range(1, 4)]
    slots = shop.offer(*offered(5), *same_start)
    in_order = sorted(slots, key=lambda slot: (slot.start_us, slot.slot_no))
    found: list[Slot] = []
    after = (0, 0)
    while page := shop.store.slots_by_start(1, after=after, until_us=FOREVER_US, limit=3):
        found += page
        after = (page[-1].start_us, page[-1].slot_no)
    assert found == in_order
    until_us = in_order[-1].start_us
    assert list(shop.store.slots_by_start(1, after=(0, 0), until_us=until_us, limit=99)) == in_order[:-1]


def test_claims_are_those_live_now_on_slots_that_start_in_the_span(shop: Shop) -> None:
    first, second, third = offered(3)
    slots = shop.offer(*[Offered(start_us=one.start_us, spots_total=5) for one in (first, second, third)])
    shop.lease(first.asked())
    shop.lease(first.asked())
    shop.book(first.asked(), user_id="u1")
    cancelled = shop.book(second.asked())
    shop.cancel(cancelled)
    shop.book(third.asked())

    def found(from_us: int, until_us: int) -> dict[int, Claims]:
        return shop.store.claims(1, from_us=from_us, until_us=until_us)

    assert found(0, FOREVER_US) == {slots[0].slot_no: Claims(2, 1), slots[2].slot_no: Claims(0, 1)}
    assert found(first.start_us, third.start_us) == {slots[0].slot_no: Claims(2, 1)}
    assert found(first.start_us + 1, third.start_us + 1) == {slots[2].slot_no: Claims(0, 1)}
    shop.clock.advance(s=3_600)
    assert found(0, third.start_us) == {slots[0].slot_no: Claims(0, 1)}


def test_slots_are_written_for_as_long_as_the_lock_may_be_held_and_at_least_some(shop: Shop) -> None:
    slots = shop.offer(*offered(1_000))
    assert shop.store.put_slots(1, slots) == 1_000
    assert shop.store.put_slots(1, slots, held_max_s=60.0) == 1_000
    written = shop.store.put_slots(1, slots, held_max_s=0.0)
    assert 0 < written < 1_000
    assert shop.store.put_slots(1, []) == 0


def test_slot_number_of_another_slot_is_refused_and_nothing_is_written(shop: Shop, tmp_path: Path) -> None:
    first, second = shop.offer(*offered(2))
    before = rows_of(tmp_path)
    taken = second._replace(slot_no=first.slot_no)
    with pytest.raises(RowRefused):
        shop.store.put_slots(1, [second, taken], held_max_s=1.0)
    assert rows_of(tmp_path) == before


def test_catalogue_of_a_dry_run_is_answered_and_not_written(shop: Shop, tmp_path: Path) -> None:
    shop.serve(Service(0, 0, "cut"))
    before = rows_of(tmp_path)
    services = [Service(0, 0, "cut", min_advance_booking_s=5), Service(0, 0, "wash")]
    merchant, counts = shop.store.put_catalogue("m1", "New name", services, ["anna"], ["r"], dry_run=True)
    assert (counts.services_new, counts.services_changed, counts.merchants_new, counts.merchants_changed) == (
        1,
        1,
        0,
        1,
    )
    assert (sorted(merchant.services), list(merchant.staff)) == (["cut", "wash"], ["anna"])
    assert rows_of(tmp_path) == before
    assert shop.store.put_catalogue("m1", "New name", services, ["anna"], ["r"]) == (merchant, counts)


def test_merchants_are_called_by_their_names(shop: Shop) -> None:
    shop.offer(Offered())
    shop.offer(Offered(), merchant_id="m2")
    assert shop.store.merchant_names() == {"m1": "M1", "m2": "M2"}

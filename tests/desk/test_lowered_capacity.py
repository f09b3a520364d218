"""A merchant may sell fewer spots than are taken: nothing is revoked, nothing new is granted (INV-1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from slotlease.domain.booking import Booking
from slotlease.domain.failure import Cause
from slotlease.domain.lease import Lease
from tests.desk.checks import OVERCOMMITTED, assert_sound, cause_of
from tests.support import HOUR_US, Offered, Shop, booked, granted, open_shop

CLASS = Offered(spots_total=5)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """As everywhere, save that a slot may have more live claims than spots."""
    shop = open_shop(tmp_path)
    yield shop
    assert shop.incidents == []
    assert_sound(shop, overcommitted=True)
    shop.store.close()


def set_spots(shop: Shop, spots_total: int) -> None:
    shop.offer(replace(CLASS, spots_total=spots_total))


def test_nothing_is_granted_until_live_claims_are_fewer_than_spots(shop: Shop) -> None:
    shop.offer(CLASS)
    bookings = [shop.book(CLASS.asked(), user_id=f"u{n}") for n in range(5)]
    set_spots(shop, 3)
    assert shop.count_available(CLASS.asked()) == 0
    attempt = shop.create_booking(CLASS.asked(), user_id="next")
    for left, booking in zip((4, 3, 2), bookings, strict=False):
        assert cause_of(shop.ask(attempt)) is Cause.SLOT_UNAVAILABLE, f"{left + 1} of 3 spots are taken"
        shop.cancel(booking)
    assert shop.count_available(CLASS.asked()) == 1
    booked(shop.ask(attempt))
    assert shop.count_available(CLASS.asked()) == 0


def test_spot_with_a_number_above_the_capacity_is_used_again(shop: Shop) -> None:
    shop.offer(CLASS)
    bookings = [shop.book(CLASS.asked(), user_id=f"u{n}") for n in range(5)]
    set_spots(shop, 2)
    for booking in bookings[1:]:
        shop.cancel(booking)
    assert shop.book(CLASS.asked(), user_id="next").spot_no > 1
    assert cause_of(shop.ask(shop.create_lease(CLASS.asked()))) is Cause.SLOT_UNAVAILABLE


def test_overcommitted_slot_is_reported(shop: Shop) -> None:
    shop.offer(CLASS)
    for n in range(5):
        shop.book(CLASS.asked(), user_id=f"u{n}")
    assert shop.store.audit() == []
    set_spots(shop, 4)
    assert [finding.rule for finding in shop.store.audit()] == [OVERCOMMITTED]


def test_spots_sold_elsewhere_lower_the_capacity_in_the_same_way(shop: Shop) -> None:
    shop.offer(CLASS)
    for n in range(3):
        shop.book(CLASS.asked(), user_id=f"u{n}")
    shop.offer(replace(CLASS, spots_elsewhere=2))
    assert shop.count_available(CLASS.asked()) == 0
    assert cause_of(shop.ask(shop.create_lease(CLASS.asked()))) is Cause.SLOT_UNAVAILABLE
    shop.offer(replace(CLASS, spots_elsewhere=1))
    assert shop.lease(CLASS.asked()).spot_no == 4


def test_raised_capacity_can_be_sold_at_once(shop: Shop) -> None:
    set_spots(shop, 1)
    shop.book(CLASS.asked(), user_id="u1")
    set_spots(shop, 2)
    assert shop.book(CLASS.asked(), user_id="u2").spot_no == 2


def test_live_leases_of_a_lowered_slot_can_all_be_booked(shop: Shop) -> None:
    shop.offer(CLASS)
    leases = [shop.lease(CLASS.asked()) for _ in range(5)]
    set_spots(shop, 1)
    for n, lease in enumerate(leases):
        shop.book(CLASS.asked(), lease_id=lease.lease_id, user_id=f"u{n}")


def test_booking_can_leave_a_lowered_slot_and_not_come_back(shop: Shop) -> None:
    eleven = replace(CLASS, start_us=CLASS.start_us + HOUR_US)
    shop.offer(CLASS, eleven)
    first, _ = (shop.book(CLASS.asked(), user_id=user_id) for user_id in ("u1", "u2"))
    set_spots(shop, 1)
    moved = booked(shop.move(first, start_us=eleven.start_us))
    assert cause_of(shop.move(moved, start_us=CLASS.start_us)) is Cause.SLOT_UNAVAILABLE


def test_no_clock_brings_more_claims_to_life_than_a_lowered_slot_has_spots(tmp_path: Path) -> None:
    """Five leases lapse, two spots are left: the grant buries all that could be revived beside it."""
    shop = open_shop(tmp_path)
    shop.offer(CLASS)
    leases = [shop.lease(CLASS.asked()) for _ in range(5)]
    set_spots(shop, 2)
    shop.clock.now_us = leases[0].expires_us
    granted(shop.ask(shop.create_lease(CLASS.asked())))
    shop.clock.advance(s=-300)
    alive = [n for n, lease in enumerate(leases) if _can_be_booked(shop, lease.lease_id, n)]
    assert len(alive) == 1, "one of the five may still be revived: that makes two claims"
    assert cause_of(shop.ask(shop.create_lease(CLASS.asked()))) is Cause.SLOT_UNAVAILABLE
    assert_sound(shop)
    shop.store.close()


def _can_be_booked(shop: Shop, lease_id: str, n: int) -> bool:
    answer = shop.ask(shop.create_booking(CLASS.asked(), lease_id=lease_id, user_id=f"u{n}"))
    return isinstance(answer, Booking)


def test_batch_of_claims_on_a_lowered_slot_gets_what_is_left_and_no_more(shop: Shop) -> None:
    shop.offer(CLASS)
    shop.book(CLASS.asked(), user_id="u1")
    lapsing = [shop.lease(CLASS.asked()) for _ in range(4)]
    set_spots(shop, 3)
    shop.clock.now_us = lapsing[0].expires_us
    answers = shop.ask_all([shop.create_lease(CLASS.asked()) for _ in range(4)])
    assert [isinstance(answer, Lease) for answer in answers] == [True, True, False, False]
    assert_sound(shop)

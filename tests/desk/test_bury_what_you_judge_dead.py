"""No clock that steps back sells a spot twice (INV-9): whoever counted a lease as gone made it so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from slotlease.desk.release_lease import ReleaseLease
from slotlease.desk.sweep_leases import sweep
from slotlease.domain.booking import Booking
from slotlease.domain.failure import Cause
from slotlease.domain.lease import Lease, LeaseState
from tests.desk.checks import assert_sound, cause_of
from tests.support import HOUR_US, Offered, Shop

T1 = "t1"
TEN = Offered()
ANNA = Offered(staff_id="anna", room_id="red")
OVERLAPPING = replace(ANNA, start_us=ANNA.start_us + HOUR_US // 2)


def expired(shop: Shop, offered: Offered) -> Lease:
    """A lease whose last instant has just passed."""
    lease = shop.lease(offered.asked(), reference="the first")
    shop.clock.now_us = lease.expires_us
    return lease


def step_back_before_the_end_of(shop: Shop, lease: Lease) -> None:
    shop.clock.now_us = lease.expires_us - 1


def assert_gone(shop: Shop, lease: Lease) -> None:
    """By a clock that has stepped back to when it was live."""
    step_back_before_the_end_of(shop, lease)
    answer = shop.ask(shop.create_booking(lease.slot, lease_id=lease.lease_id, user_id="the first"))
    assert cause_of(answer) is Cause.LEASE_EXPIRED
    states = {one.lease_no: one.state for one in shop.store.leases(live_only=False, limit=99)}
    assert states[lease.lease_no] is LeaseState.EXPIRED


@pytest.mark.parametrize("claim", ["lease", "booking"])
def test_lease_whose_spot_was_taken_over_stays_dead(shop: Shop, claim: str) -> None:
    shop.offer(TEN)
    lease = expired(shop, TEN)
    if claim == "lease":
        shop.lease(TEN.asked())
    else:
        shop.book(TEN.asked(), user_id="u2")
    assert_gone(shop, lease)
    assert shop.count_available(TEN.asked()) == 0


def test_lease_whose_spot_a_moved_booking_took_over_stays_dead(shop: Shop) -> None:
    eleven = replace(TEN, start_us=TEN.start_us + HOUR_US)
    shop.offer(TEN, eleven)
    booking = shop.book(eleven.asked(), user_id="u2")
    lease = expired(shop, TEN)
    shop.move(booking, start_us=TEN.start_us)
    assert_gone(shop, lease)


@pytest.mark.parametrize(
    "other",
    [
        OVERLAPPING,
        replace(OVERLAPPING, room_id="blue"),
        replace(OVERLAPPING, staff_id="ben"),
        replace(ANNA, service_id="shave"),
        replace(ANNA, duration_us=2 * HOUR_US),
    ],
    ids=["staff and room", "staff", "room", "another service", "a longer slot"],
)
def test_lease_whose_staff_or_room_was_taken_stays_dead(shop: Shop, other: Offered) -> None:
    shop.offer(ANNA, other)
    lease = expired(shop, ANNA)
    shop.book(other.asked(), user_id="u2")
    assert_gone(shop, lease)
    assert shop.count_available(ANNA.asked()) == 0


def test_every_lapsed_lease_on_the_staff_is_buried_however_many_there_are(shop: Shop) -> None:
    crowd = replace(ANNA, spots_total=40)
    shop.offer(crowd, OVERLAPPING)
    leases = [shop.lease(crowd.asked()) for _ in range(40)]
    shop.clock.now_us = leases[0].expires_us
    shop.book(OVERLAPPING.asked())
    for lease in leases[::13]:
        assert_gone(shop, lease)
    states = [lease.state for lease in shop.store.leases(live_only=False, limit=99)]
    assert states == [LeaseState.EXPIRED] * 40


def test_lease_that_was_answered_as_expired_stays_expired(shop: Shop) -> None:
    shop.offer(TEN)
    lease = expired(shop, TEN)
    attempt = shop.create_booking(TEN.asked(), lease_id=lease.lease_id, token=T1)
    assert cause_of(shop.ask(attempt)) is Cause.LEASE_EXPIRED
    step_back_before_the_end_of(shop, lease)
    assert cause_of(shop.ask(attempt)) is Cause.LEASE_EXPIRED
    assert shop.count_available(TEN.asked()) == 1, "and its spot is free, by any clock"


def release(shop: Shop, lease: Lease) -> None:
    shop.ask(ReleaseLease(lease.lease_id))


def sweep_all(shop: Shop, _lease: Lease) -> None:
    assert sweep(shop.store, shop.ask) == 1


@pytest.mark.parametrize("judge", [release, sweep_all])
def test_lease_that_housekeeping_found_expired_stays_expired(shop: Shop, judge: Callable[[Shop, Lease], None]) -> None:
    shop.offer(TEN)
    lease = expired(shop, TEN)
    judge(shop, lease)
    assert_gone(shop, lease)
    assert shop.count_available(TEN.asked()) == 1


def test_grant_that_was_refused_buries_nobody(shop: Shop) -> None:
    """Two spots, one booked, one lapsed; the request fails by policy, so it relied on nothing."""
    two = replace(TEN, spots_total=2)
    shop.offer(two)
    shop.book(two.asked(), user_id="u2")
    lease = expired(shop, two)
    shop.offer(replace(two, closed=True))
    assert cause_of(shop.ask(shop.create_lease(two.asked()))) is Cause.SLOT_UNAVAILABLE
    step_back_before_the_end_of(shop, lease)
    assert shop.book(two.asked(), lease_id=lease.lease_id).lease_no == lease.lease_no


def test_lease_that_nobody_counted_as_gone_comes_back_with_the_clock_and_holds_its_spot(shop: Shop) -> None:
    shop.offer(TEN)
    lease = expired(shop, TEN)
    assert shop.count_available(TEN.asked()) == 1, "looking relies on nothing"
    step_back_before_the_end_of(shop, lease)
    assert shop.count_available(TEN.asked()) == 0
    assert cause_of(shop.ask(shop.create_lease(TEN.asked()))) is Cause.SLOT_UNAVAILABLE
    assert shop.book(TEN.asked(), lease_id=lease.lease_id).spot_no == lease.spot_no


def test_refused_move_unburies_what_it_counted_as_gone(shop: Shop) -> None:
    """The move would need Anna, who is busy elsewhere: what it looked at on the way stays as it was."""
    target = replace(OVERLAPPING, spots_total=1)
    busy = replace(ANNA, start_us=OVERLAPPING.start_us + HOUR_US // 2, service_id="shave")
    home = Offered(staff_id="anna", room_id="red", start_us=ANNA.start_us + 10 * HOUR_US)
    shop.offer(ANNA, target, busy, home)
    booking = shop.book(home.asked(), user_id="u1")
    shop.book(busy.asked(), user_id="u2")
    lease = expired(shop, ANNA)
    assert cause_of(shop.move(booking, start_us=target.start_us)) is Cause.SLOT_UNAVAILABLE
    step_back_before_the_end_of(shop, lease)
    assert shop.book(ANNA.asked(), lease_id=lease.lease_id).spot_no == lease.spot_no


def test_clock_that_runs_back_and_forth_over_an_expiry_never_sells_a_spot_twice(shop: Shop) -> None:
    two = replace(TEN, spots_total=2)
    shop.offer(two)
    leases = [shop.lease(two.asked()) for _ in range(2)]
    sold = 0
    for n, after_us in enumerate((0, -1, 1, -2, 2, -300_000_000)):
        shop.clock.now_us = leases[0].expires_us + after_us
        for lease_id in ("", leases[n % 2].lease_id):
            answer = shop.ask(shop.create_booking(two.asked(), lease_id=lease_id, user_id=f"u{n}{lease_id}"))
            sold += isinstance(answer, Booking)
        assert sold <= 2
        now_us = shop.clock.now_us
        assert_sound(shop)
        shop.clock.now_us = now_us
    assert sold == 2

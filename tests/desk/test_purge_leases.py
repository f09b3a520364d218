"""A lease is kept for its life and thirty days after, and then deleted (DESIGN 3)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from slotlease.desk.purge_leases import KEPT_US, PurgeLeases, purge
from slotlease.desk.release_lease import ReleaseLease
from slotlease.domain.failure import Cause
from slotlease.domain.lease import Lease, LeaseState
from tests.desk.checks import cause_of, count_rows
from tests.support import DAY_US, HOUR_US, Offered, Shop

FAR = Offered(start_us=Offered().start_us + 90 * DAY_US, spots_total=9)


def old(lease: Lease) -> int:
    return lease.expires_us + KEPT_US


@pytest.mark.parametrize(("step_us", "purged"), [(-1, 0), (0, 1), (1, 1)])
def test_lease_is_deleted_thirty_days_after_it_ended_and_not_before(shop: Shop, step_us: int, purged: int) -> None:
    shop.offer(FAR)
    lease = shop.lease(FAR.asked())
    shop.clock.now_us = old(lease) + step_us
    assert purge(shop.store, shop.ask) == purged
    assert len(shop.store.leases(live_only=False, limit=9)) == 1 - purged
    assert purge(shop.store, shop.ask) == 0


def test_purge_buries_before_it_deletes(shop: Shop) -> None:
    """Nobody ever swept. The spot is given back with it, so that no clock that steps back finds a busy spot which
    no lease holds: the fixture audits at the year 1970 too."""
    shop.offer(replace(FAR, spots_total=1))
    lease = shop.lease(FAR.asked())
    shop.clock.now_us = old(lease)
    assert purge(shop.store, shop.ask) == 1
    shop.clock.now_us = lease.expires_us - 1
    assert shop.count_available(FAR.asked()) == 1
    assert shop.lease(FAR.asked()).spot_no == lease.spot_no


def test_lease_of_any_end_is_deleted_and_its_booking_stays(shop: Shop, tmp_path: Path) -> None:
    shop.offer(FAR)
    leases = [shop.lease(FAR.asked()) for _ in range(4)]
    booking = shop.book(FAR.asked(), lease_id=leases[0].lease_id)
    shop.ask(ReleaseLease(leases[1].lease_id))
    shop.clock.now_us = leases[2].expires_us
    shop.ask(ReleaseLease(leases[2].lease_id))
    shop.clock.now_us = old(leases[3])
    assert purge(shop.store, shop.ask) == 4
    assert count_rows(tmp_path, "lease") == 0
    assert shop.store.bookings(limit=9) == [booking]
    assert shop.count_available(FAR.asked()) == 8


def test_booking_of_a_purged_lease_is_replayed_and_can_be_cancelled(shop: Shop) -> None:
    shop.offer(FAR)
    lease = shop.lease(FAR.asked())
    request = shop.create_booking(FAR.asked(), lease_id=lease.lease_id)
    booking = shop.ask(request)
    shop.clock.now_us = old(lease)
    purge(shop.store, shop.ask)
    assert shop.ask(request) == booking
    again = shop.create_booking(FAR.asked(), lease_id=lease.lease_id, user_id="u2")
    assert cause_of(shop.ask(again)) is Cause.LEASE_EXPIRED


def test_live_lease_whose_spot_was_taken_over_from_a_purged_one_is_untouched(shop: Shop) -> None:
    shop.offer(replace(FAR, spots_total=1))
    first = shop.lease(FAR.asked())
    shop.clock.now_us = old(first) - HOUR_US
    heir = shop.lease(FAR.asked(), expires_us=old(first) - HOUR_US + 900 * 1_000_000)
    assert heir.spot_no == first.spot_no
    shop.clock.now_us = old(first)
    assert purge(shop.store, shop.ask) == 1
    (left,) = shop.store.leases(live_only=False, limit=9)
    assert left == heir


@pytest.mark.parametrize("piece", [1, 2, 3, 256])
def test_purge_in_pieces_of_any_size_reaches_every_merchant(shop: Shop, piece: int) -> None:
    for merchant_id in ("m1", "m2", "m3"):
        shop.offer(FAR, merchant_id=merchant_id)
    leases = [shop.lease(FAR.asked(merchant_id)) for merchant_id in ("m1", "m2", "m3") for _ in range(3)]
    shop.clock.now_us = old(leases[0])
    young = shop.lease(FAR.asked("m2"))
    assert purge(shop.store, shop.ask, piece=piece) == 9
    assert shop.store.leases(live_only=False, limit=9) == [young]


def test_lease_that_is_gone_or_too_young_is_let_alone(shop: Shop) -> None:
    shop.offer(FAR)
    lease = shop.lease(FAR.asked())
    assert shop.ask(PurgeLeases(1, ((1, lease.lease_no), (1, 77)))) == 0
    assert shop.ask(PurgeLeases(9, ((9, 1),))) == 0
    assert [one.state for one in shop.store.leases(live_only=False, limit=9)] == [LeaseState.ACTIVE]


def test_two_purges_in_one_batch_delete_each_lease_once(shop: Shop) -> None:
    shop.offer(FAR)
    lease = shop.lease(FAR.asked())
    shop.clock.now_us = old(lease)
    key = (lease.merchant_no, lease.lease_no)
    assert shop.ask_all([PurgeLeases(1, (key,)), PurgeLeases(1, (key,))]) == [1, 0]


def test_reference_of_a_purged_lease_is_new_again(shop: Shop) -> None:
    shop.offer(FAR)
    lease = shop.lease(FAR.asked(), reference="r")
    shop.clock.now_us = old(lease)
    purge(shop.store, shop.ask)
    assert shop.lease(FAR.asked(), reference="r").lease_no != lease.lease_no


def test_reference_asked_again_in_the_batch_that_purges_it(shop: Shop) -> None:
    """The old row is deleted before the new one takes its unique reference."""
    shop.offer(FAR)
    lease = shop.lease(FAR.asked(), reference="r")
    shop.clock.now_us = old(lease)
    operations = [
        PurgeLeases(1, ((lease.merchant_no, lease.lease_no),)),
        shop.create_lease(FAR.asked(), reference="r"),
    ]
    purged, answer = shop.ask_all(operations)
    assert purged == 1
    assert isinstance(answer, Lease)
    assert shop.store.leases(live_only=True, limit=9) == [answer]

"""How a lease ends before or without a booking: the operator releases it, or the sweeper tidies up after time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from slotlease.desk.release_lease import ReleaseLease
from slotlease.desk.show_lease import ShowLease
from slotlease.desk.sweep_leases import SweepLeases, sweep
from slotlease.domain.failure import Cause
from slotlease.domain.lease import Lease, LeaseState
from tests.desk.checks import cause_of, count_rows, not_found
from tests.support import HOUR_US, Offered, Shop, granted

TEN = Offered(spots_total=3)
ELEVEN = replace(TEN, start_us=TEN.start_us + HOUR_US)


def release(shop: Shop, lease: Lease) -> Lease:
    answer = shop.ask(ReleaseLease(lease.lease_id))
    assert isinstance(answer, Lease), answer
    return answer


# --- release -----------------------------------------------------------------------------------------------------


def test_released_lease_gives_its_spot_back_at_once(shop: Shop) -> None:
    shop.offer(replace(TEN, spots_total=1))
    lease = shop.lease(TEN.asked())
    assert release(shop, lease) == lease._replace(state=LeaseState.RELEASED)
    assert shop.lease(TEN.asked()).spot_no == lease.spot_no


def test_lease_released_twice_gives_its_spot_back_once(shop: Shop) -> None:
    shop.offer(replace(TEN, spots_total=1))
    lease = shop.lease(TEN.asked())
    released = release(shop, lease)
    shop.lease(TEN.asked())
    assert release(shop, lease) == released
    assert shop.count_available(TEN.asked()) == 0


@pytest.mark.parametrize(
    ("step_us", "state"), [(-1, LeaseState.RELEASED), (0, LeaseState.EXPIRED), (1, LeaseState.EXPIRED)]
)
def test_lease_whose_time_is_up_is_expired_and_not_released(shop: Shop, step_us: int, state: LeaseState) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked())
    shop.clock.now_us = lease.expires_us + step_us
    ended = lease._replace(state=state)
    assert release(shop, lease) == ended
    assert shop.store.leases(live_only=False, limit=9) == [ended]
    assert release(shop, lease) == ended


def test_consumed_lease_stays_consumed_and_its_booking_keeps_the_spot(shop: Shop) -> None:
    shop.offer(replace(TEN, spots_total=1))
    lease = shop.lease(TEN.asked())
    shop.book(TEN.asked(), lease_id=lease.lease_id)
    assert release(shop, lease).state is LeaseState.CONSUMED
    assert shop.count_available(TEN.asked()) == 0


def test_unknown_guessed_and_malformed_leases_answer_alike(shop: Shop) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked())
    own = lease.lease_id
    for wrong in ("", "unknown", own[:-1] + ("0" if own[-1] != "0" else "1"), own.replace("l1-", "l7-"), "b" + own[1:]):
        assert not_found(shop.ask(ReleaseLease(wrong))) == "lease_id"
        assert not_found(shop.ask(ShowLease(wrong))) == "lease_id"
    assert shop.store.leases(live_only=True, limit=9) == [lease]


def test_lease_is_shown_as_it_stands_and_nothing_changes(shop: Shop) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked())
    assert shop.ask(ShowLease(lease.lease_id)) == lease
    shop.clock.now_us = lease.expires_us
    assert shop.ask(ShowLease(lease.lease_id)) == lease, "time decides; reading buries nobody"
    released = release(shop, lease)
    assert shop.ask(ShowLease(lease.lease_id)) == released


# --- sweep -------------------------------------------------------------------------------------------------------


def states(shop: Shop) -> dict[str, int]:
    found = [lease.state.name for lease in shop.store.leases(live_only=False, limit=99)]
    return {name: found.count(name) for name in sorted(set(found))}


def test_sweep_marks_leases_whose_time_is_up_and_no_others(shop: Shop) -> None:
    shop.offer(replace(TEN, spots_total=9))
    lapsing = [shop.lease(TEN.asked()) for _ in range(2)]
    shop.book(TEN.asked(), lease_id=shop.lease(TEN.asked()).lease_id)
    release(shop, shop.lease(TEN.asked()))
    shop.clock.advance(s=60)
    shop.lease(TEN.asked())
    shop.clock.now_us = lapsing[0].expires_us
    assert sweep(shop.store, shop.ask) == 2
    assert states(shop) == {"ACTIVE": 1, "CONSUMED": 1, "EXPIRED": 2, "RELEASED": 1}
    assert sweep(shop.store, shop.ask) == 0


@pytest.mark.parametrize(("step_us", "buried"), [(-1, 0), (0, 1), (1, 1)])
def test_sweep_judges_by_the_same_instant_as_everyone(shop: Shop, step_us: int, buried: int) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked())
    shop.clock.now_us = lease.expires_us + step_us
    assert sweep(shop.store, shop.ask) == buried


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 256])
def test_sweep_in_pieces_of_any_size_reaches_every_merchant(shop: Shop, piece: int) -> None:
    for merchant_id in ("m1", "m2", "m3"):
        shop.offer(TEN, merchant_id=merchant_id)
        for _ in range(3):
            shop.lease(TEN.asked(merchant_id))
    shop.clock.advance(s=3600)
    assert sweep(shop.store, shop.ask, piece=piece) == 9
    assert states(shop) == {"EXPIRED": 9}


def test_lease_that_came_to_life_or_ended_since_it_was_listed_is_let_alone(shop: Shop) -> None:
    shop.offer(replace(TEN, spots_total=1))
    lease = shop.lease(TEN.asked())
    key = (lease.merchant_no, lease.lease_no)
    shop.clock.now_us = lease.expires_us
    assert list(shop.store.lapsed_leases(after=(0, 0), limit=9)) == [key]
    shop.clock.advance(us=-1)
    assert shop.ask(SweepLeases(1, (key,))) == 0
    assert cause_of(shop.ask(shop.create_lease(TEN.asked()))) is Cause.SLOT_UNAVAILABLE
    shop.book(TEN.asked(), lease_id=lease.lease_id)
    shop.clock.advance(s=3600)
    assert shop.ask(SweepLeases(1, (key,))) == 0
    assert shop.count_available(TEN.asked()) == 0


def test_lease_that_is_gone_from_the_ledger_is_no_matter_to_the_sweep(shop: Shop) -> None:
    shop.offer(TEN)
    assert shop.ask(SweepLeases(1, ((1, 77),))) == 0
    assert shop.ask(SweepLeases(9, ((9, 77),))) == 0


def test_no_answer_depends_on_whether_the_sweep_ran(shop: Shop, tmp_path: Path) -> None:
    shop.offer(TEN, ELEVEN)
    for one in (TEN, ELEVEN):
        for _ in range(3):
            shop.lease(one.asked())
    shop.clock.advance(s=3600)
    swept = shop.store.lapsed_leases(after=(0, 0), limit=3)
    assert shop.ask(SweepLeases(1, tuple(swept))) == 3
    assert [shop.count_available(one.asked()) for one in (TEN, ELEVEN)] == [3, 3]
    for one in (TEN, ELEVEN):
        assert sorted(granted(shop.ask(shop.create_lease(one.asked()))).spot_no for _ in range(3)) == [1, 2, 3]
        assert cause_of(shop.ask(shop.create_lease(one.asked()))) is Cause.SLOT_UNAVAILABLE
    assert count_rows(tmp_path, "spot") == 6

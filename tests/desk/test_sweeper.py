"""The sweeper of a running server, on a real desk and its threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from structlog.testing import capture_logs

from slotlease.desk.desk import Desk
from slotlease.desk.purge_leases import KEPT_US
from slotlease.desk.sweeper import Sweeper
from slotlease.domain.facts import RowKey
from slotlease.domain.lease import LeaseState
from slotlease.domain.slot import SECOND_US
from slotlease.store.protocol import Store, StoreUnavailable
from tests.desk.broken import Mistake
from tests.support import Offered, Shop, wait_until

INTERVAL_S = 0.001
WAIT_S = 20.0


@contextmanager
def sweeping(shop: Shop, *, interval_s: float = INTERVAL_S, store: Store | None = None) -> Iterator[Sweeper]:
    """`store`: what the sweeper asks for lapsed leases, where it is not the shop's own."""
    desk = Desk(shop.store, shop.rules, shop.report)
    sweeper = Sweeper(store or shop.store, desk, interval_s, shop.report)
    sweeper.start()
    try:
        yield sweeper
    finally:
        sweeper.stop()
        desk.close()
        sweeper.join()


class Troubled:
    """The shop's store, whose list of lapsed leases cannot be had the first time."""

    def __init__(self, store: Store, trouble: Exception) -> None:
        self._store = store
        self._trouble: Exception | None = trouble

    def lapsed_leases(self, *, after: RowKey, limit: int) -> list[RowKey]:
        if self._trouble is not None:
            trouble, self._trouble = self._trouble, None
            raise trouble
        return list(self._store.lapsed_leases(after=after, limit=limit))

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


def states(shop: Shop) -> list[LeaseState]:
    return [lease.state for lease in shop.store.leases(live_only=False, limit=9)]


def lapsed_lease(shop: Shop) -> None:
    shop.offer(Offered(spots_total=9))
    lease = shop.lease(Offered().asked())
    shop.clock.now_us = lease.expires_us


def test_lapsed_leases_are_marked_and_live_ones_left(shop: Shop) -> None:
    lapsed_lease(shop)
    shop.lease(Offered().asked())
    with sweeping(shop), capture_logs() as lines:
        wait_until(lambda: LeaseState.EXPIRED in states(shop))
        wait_until(lambda: lines != [])
    assert states(shop) == [LeaseState.ACTIVE, LeaseState.EXPIRED]
    assert lines == [{"event": "swept", "log_level": "info", "expired": 1, "deleted": 0}], (
        "told once, and not of nothing"
    )


def test_old_leases_are_deleted_in_the_first_round_and_then_by_the_hour(shop: Shop) -> None:
    lapsed_lease(shop)
    shop.clock.advance(us=KEPT_US)
    with sweeping(shop), capture_logs() as lines:
        wait_until(lambda: lines != [])
        assert lines == [{"event": "swept", "log_level": "info", "expired": 1, "deleted": 1}]
        shop.clock.now_us = shop.clock.now_us - KEPT_US - 3600 * SECOND_US
        shop.lease(Offered().asked())
        shop.clock.advance(us=KEPT_US + 3600 * SECOND_US)
        wait_until(lambda: len(lines) > 1)
    assert lines[1] == {"event": "swept", "log_level": "info", "expired": 1, "deleted": 0}, "that hour is not over"


def test_a_round_that_the_store_refused_is_told_of_and_the_next_one_sweeps(shop: Shop) -> None:
    lapsed_lease(shop)
    away = cast("Store", Troubled(shop.store, StoreUnavailable("the disk is full")))
    with sweeping(shop, store=away), capture_logs() as lines:
        wait_until(lambda: states(shop) == [LeaseState.EXPIRED])
        wait_until(lambda: len(lines) == 2)
    assert [(line["event"], line["log_level"]) for line in lines] == [("sweep put off", "warning"), ("swept", "info")]
    assert str(lines[0]["error"]).endswith("StoreUnavailable"), "by its type, and not by its text"


def test_a_mistake_in_a_round_is_reported_and_the_next_one_sweeps(shop: Shop) -> None:
    lapsed_lease(shop)
    with sweeping(shop, store=cast("Store", Troubled(shop.store, Mistake()))):
        wait_until(lambda: states(shop) == [LeaseState.EXPIRED])
    assert [type(error) for error in shop.incidents] == [Mistake]
    shop.incidents.clear()


def test_a_sweeper_that_is_off_sweeps_nothing_and_can_be_joined(shop: Shop) -> None:
    lapsed_lease(shop)
    with sweeping(shop, interval_s=0) as sweeper:
        sweeper.join()
    assert states(shop) == [LeaseState.ACTIVE]

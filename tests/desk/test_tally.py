"""What the operator is told of what the desk did."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from slotlease.desk.batch import Batches
from slotlease.desk.book_lease import BookLease
from slotlease.desk.check_availability import CheckAvailability
from slotlease.desk.desk import Desk
from slotlease.desk.release_lease import ReleaseLease
from slotlease.desk.sweep_leases import SweepLeases
from slotlease.desk.tally import Tally
from slotlease.domain.booking import contact_key
from slotlease.store.protocol import Store
from slotlease.telemetry.metrics import Metrics
from slotlease.telemetry.traces import Traces
from tests.desk.broken import Commit, LossyStore, conflict, deadlock, lost_after, lost_before, unavailable
from tests.support import MINUTE_US, Offered, Shop, granted, open_shop, user
from tests.telemetry.reading import value_of
from tests.telemetry.spans import traces_to

SLOT = Offered(spots_total=9)
ASKED = SLOT.asked()
AGAIN = "t"
OTHER = Offered(service_id="colour", spots_total=9)


class Counted:
    """A shop whose batches are counted."""

    def __init__(self, shop: Shop, *commits: Commit, traces: Traces | None = None) -> None:
        shop.offer(SLOT, OTHER)
        self.shop = shop
        self.metrics = Metrics(traces)
        self.tally = Tally(self.metrics, shop.store.live_leases)
        store = cast("Store", LossyStore(shop.store, commits))
        shop.batches = Batches(store, shop.rules, shop.report, self.tally)

    def value(self, name: str, **labels: str) -> float | None:
        return value_of(self.metrics, f"slotlease_{name}", **labels)

    def leases(self) -> dict[str, float | None]:
        return {
            became: self.value("leases_total", became=became)
            for became in ("granted", "consumed", "expired", "released")
        }


def test_what_never_happened_is_shown_as_nought_and_not_left_out(shop: Shop) -> None:
    counted = Counted(shop)
    for method in ("CreateLease", "CreateBooking"):
        assert counted.value("replays_total", method=method) == 0
        assert counted.value("token_conflicts_total", method=method) == 0


def test_each_lease_is_counted_when_it_begins_and_when_it_ends(shop: Shop) -> None:
    counted = Counted(shop)
    booked, released, lapsed, _live = (shop.lease(ASKED) for _ in range(4))
    assert counted.value("live_leases") == 4
    shop.book(ASKED, lease_id=booked.lease_id)
    shop.ask(ReleaseLease(released.lease_id))
    shop.ask(ReleaseLease(released.lease_id))
    assert counted.value("live_leases") == 2
    shop.clock.advance(s=3600)
    assert counted.value("live_leases") == 0, "an expiry needs nobody to act"
    shop.ask(SweepLeases(lapsed.merchant_no, ((lapsed.merchant_no, lapsed.lease_no),)))
    assert counted.leases() == {"granted": 4, "consumed": 1, "expired": 1, "released": 1}
    assert counted.value("bookings_created_total") == 1


def test_a_lease_granted_and_booked_in_one_batch_is_counted_as_both_and_is_not_live(shop: Shop) -> None:
    counted = Counted(shop)
    lease = shop.lease(ASKED)
    asked = shop.create_booking(ASKED, lease_id=lease.lease_id)
    shop.ask_all([shop.create_lease(ASKED), asked])
    assert counted.leases() == {"granted": 2, "consumed": 1, "expired": 0, "released": 0}
    assert counted.value("live_leases") == 1


def test_an_expired_lease_whose_spot_is_taken_over_is_counted_as_expired(shop: Shop) -> None:
    counted = Counted(shop)
    shop.offer(Offered(service_id="single"))
    single = Offered(service_id="single").asked()
    shop.lease(single)
    shop.clock.advance(s=3600)
    shop.lease(single)
    assert counted.leases() == {"granted": 2, "consumed": 0, "expired": 1, "released": 0}
    assert counted.value("live_leases") == 1


def test_leases_of_before_the_restart_are_live_until_they_expire(shop: Shop) -> None:
    shop.offer(SLOT)
    early = shop.lease(ASKED, expires_us=shop.clock.now_us + 2 * MINUTE_US)
    shop.lease(ASKED, expires_us=shop.clock.now_us + 4 * MINUTE_US)
    counted = Counted(shop)
    assert counted.value("live_leases") == 2
    shop.book(ASKED, lease_id=early.lease_id)
    assert counted.value("live_leases") == 1
    shop.clock.advance(s=240)
    assert counted.value("live_leases") == 0


def test_a_repeat_is_counted_as_a_repeat_and_a_token_used_for_something_else_as_that(shop: Shop) -> None:
    counted = Counted(shop)
    once = shop.create_lease(ASKED, reference="r")
    shop.ask_all([once, once, shop.create_lease(ASKED)])
    shop.ask(once)
    shop.ask(shop.create_lease(OTHER.asked(), reference="r"))
    booking = shop.create_booking(ASKED, token=AGAIN)
    for _ in range(3):
        shop.ask(booking)
    shop.ask(shop.create_booking(OTHER.asked(), token=AGAIN))
    assert counted.value("replays_total", method="CreateLease") == 2
    assert counted.value("replays_total", method="CreateBooking") == 2
    assert counted.value("token_conflicts_total", method="CreateLease") == 1
    assert counted.value("token_conflicts_total", method="CreateBooking") == 1
    assert counted.leases()["granted"] == 2
    assert counted.value("bookings_created_total") == 1


def test_only_tokens_are_counted_as_tokens(shop: Shop) -> None:
    """Not another request before them in the batch, and not a slot that nobody knows."""
    counted = Counted(shop)
    once = shop.create_lease(ASKED)
    lease = granted(shop.ask(once))
    shop.ask_all([ReleaseLease(lease.lease_id), once, shop.create_lease(replace(ASKED, service_id="nothing"))])
    assert counted.value("replays_total", method="CreateLease") == 1
    assert counted.value("token_conflicts_total", method="CreateLease") == 0


def test_a_booking_of_version_0_is_counted_as_any_other(shop: Shop) -> None:
    counted = Counted(shop)
    key = contact_key(shop.store.fingerprint_key, telephone="1", email="a@b")
    book = BookLease(shop.lease(ASKED).lease_id, key, user(), None, asks_to_charge=False, secret=bytes(16))
    shop.ask(book)
    shop.ask(book)
    assert counted.value("bookings_created_total") == 1
    assert counted.value("replays_total", method="CreateBooking") == 1


@pytest.mark.parametrize(
    ("fault", "why"), [(conflict, "conflict"), (deadlock, "deadlock"), (lost_before, "commit_unknown")]
)
def test_a_batch_done_again_is_counted_once_and_its_leases_once(shop: Shop, fault: Commit, why: str) -> None:
    counted = Counted(shop, fault)
    shop.lease(ASKED)
    assert counted.value("batch_repeats_total", why=why) == 1
    assert counted.leases()["granted"] == 1
    assert counted.value("live_leases") == 1
    assert counted.value("commit_duration_seconds_count") == 1


def test_a_commit_that_was_made_and_not_told_of_is_counted_as_a_repeat(shop: Shop) -> None:
    """Nobody can know better: see docs/operate."""
    counted = Counted(shop, lost_after)
    shop.lease(ASKED)
    assert counted.value("replays_total", method="CreateLease") == 1
    assert counted.leases()["granted"] == 0
    assert counted.value("live_leases") == 1


def test_a_store_that_is_away_is_counted(shop: Shop, tmp_path: Path) -> None:
    counted = Counted(shop, unavailable)
    shop.ask_all([shop.create_lease(ASKED)])
    assert counted.value("store_unavailable_total", lane="writes") == 1
    assert counted.leases()["granted"] == 0
    away = open_shop(tmp_path)
    away.store.close()
    metrics = Metrics()
    Tally(metrics, away.store.live_leases)
    assert math.isnan(value_of(metrics, "slotlease_live_leases") or 0), "nobody knows, and the page is served"
    Batches(away.store, shop.rules, shop.report, counted.tally).read([CheckAvailability(ASKED)])
    assert counted.value("store_unavailable_total", lane="reads") == 1


def test_what_cannot_be_counted_is_reported_and_undoes_nothing(shop: Shop) -> None:
    counted = Counted(shop)
    counted.tally.committed = None  # type: ignore[method-assign,assignment]
    assert shop.lease(ASKED).lease_no == 1
    assert [type(error) for error in shop.incidents] == [TypeError]
    shop.incidents.clear()


def test_each_lane_tells_its_batches_and_who_waits(shop: Shop) -> None:
    counted = Counted(shop)
    desk = Desk(shop.store, shop.rules, shop.report, tally=counted.tally)
    desk.submit(shop.create_lease(ASKED), deadline_s=None, notify=lambda tickets: None)  # noqa: ARG005 - a Notify
    desk.submit(CheckAvailability(ASKED), deadline_s=None, notify=lambda tickets: None)  # noqa: ARG005 - the same
    desk.close()
    for lane in ("writes", "reads"):
        assert counted.value("batch_requests_sum", lane=lane) == 1
        assert counted.value("batch_duration_seconds_count", lane=lane) == 1
        duration_s = counted.value("batch_duration_seconds_sum", lane=lane)
        assert duration_s is not None
        assert 0 < duration_s < 20, "no instant of the monotonic clock"
        assert counted.value("queue_depth", lane=lane) == 0
    assert counted.leases()["granted"] == 1


def test_batch_and_its_commit_are_told_to_the_traces_too(shop: Shop) -> None:
    spans = InMemorySpanExporter()
    counted = Counted(shop, traces=traces_to(spans))
    desk = Desk(shop.store, shop.rules, shop.report, tally=counted.tally)
    desk.submit(shop.create_lease(ASKED), deadline_s=None, notify=lambda tickets: None)  # noqa: ARG005 - a Notify
    desk.close()
    commit, batch = spans.get_finished_spans()
    assert (commit.name, batch.name) == ("commit", "batch writes")
    assert batch.attributes == {"slotlease.lane": "writes", "slotlease.requests": 1}
    times_ns = [batch.start_time, commit.start_time, commit.end_time, batch.end_time]
    assert times_ns == sorted(time_ns for time_ns in times_ns if time_ns is not None)
    assert commit.start_time != commit.end_time


def test_commit_takes_as_long_as_it_takes_and_not_as_the_machine_has_been_up(shop: Shop) -> None:
    counted = Counted(shop)
    shop.lease(ASKED)
    took_s = counted.value("commit_duration_seconds_sum")
    assert took_s is not None
    assert 0 < took_s < 60

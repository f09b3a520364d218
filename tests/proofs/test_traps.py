"""The traps of the design (DESIGN 2, 3, 5): where a booking system that looks right sells twice or holds for nothing.
Each test fails when the design is undone at that place, and after each the ledger is recounted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slotlease.desk.create_lease import CreateLease
from slotlease.desk.purge_leases import KEPT_US, purge
from slotlease.desk.sweep_leases import sweep
from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import Booking, BookingStatus
from slotlease.domain.failure import BookingFailure, Cause
from slotlease.domain.lease import Lease, LeaseState
from slotlease.domain.slot import SECOND_US, AskedSlot
from slotlease.inventory.feed import read_feed
from slotlease.inventory.importing import import_feed
from tests.inventory.feed_folder import MERCHANT, SERVICE, SLOT, START_S, FeedFolder
from tests.proofs.ledger_file import Engine
from tests.support import DAY_US, HOUR_US, MINUTE_US, NOON_US, Offered, Shop, booked, granted

TEN = Offered(start_us=NOON_US + DAY_US)
ELEVEN = replace(TEN, start_us=TEN.start_us + HOUR_US)
ANN = Offered("massage", TEN.start_us, staff_id="ann")
ANN_HALF_PAST = replace(ANN, start_us=ANN.start_us + HOUR_US // 2)
FED = AskedSlot("m1", "s1", START_S * SECOND_US, HOUR_US)
"""The slot that `SLOT` is in a feed."""


@pytest.fixture
def shop(engine: Engine) -> Iterator[Shop]:
    shop = engine.open_shop()
    shop.offer(TEN, ELEVEN, ANN, ANN_HALF_PAST)
    yield shop
    assert shop.incidents == []
    assert shop.store.audit() == []
    shop.store.close()


@pytest.fixture
def fed(engine: Engine, scratch: Path) -> Iterator[Shop]:
    """A shop whose slots come from feeds, on the day before they are held."""
    engine.clock.now_us = START_S * SECOND_US - DAY_US
    shop = engine.open_shop()
    bring(shop, scratch, SLOT)
    yield shop
    assert shop.incidents == []
    assert shop.store.audit() == []
    shop.store.close()


def bring(shop: Shop, folder: Path, *slots: dict[str, Any]) -> None:
    """The feed that is generated now offers these slots, and no others."""
    feeds = FeedFolder(folder)
    availability = feeds.availability(*slots, generated_s=shop.clock() // SECOND_US)
    with read_feed([feeds.merchants(MERCHANT), feeds.services(SERVICE), availability]) as feed:
        import_feed(shop.store, feed)


def cause(answer: object) -> Cause:
    assert isinstance(answer, BookingFailure), answer
    return answer.cause


def test_capacity_lowered_under_live_spots_revokes_nothing_and_grants_nothing(shop: Shop) -> None:
    """Spot 1 is given back and spots 2 and 3 are live: with room for two, the free number is not a free spot."""
    gym = Offered("gym", TEN.start_us, spots_total=3)
    shop.offer(gym)
    first, *kept = [shop.book(gym.asked(), user_id=f"u{number}") for number in range(3)]
    shop.offer(replace(gym, spots_total=2))
    assert [finding.rule for finding in shop.store.audit()] == ["INV-1: no more live claims than spots"]
    booked(shop.cancel(first))
    assert shop.count_available(gym.asked()) == 0
    assert cause(shop.ask(shop.create_lease(gym.asked()))) is Cause.SLOT_UNAVAILABLE
    booked(shop.cancel(kept[0]))
    assert shop.count_available(gym.asked()) == 1
    shop.lease(gym.asked())
    assert cause(shop.ask(shop.create_lease(gym.asked()))) is Cause.SLOT_UNAVAILABLE


def test_capacity_lowered_under_lapsed_spots_leaves_no_more_of_them_to_a_clock_that_steps_back(shop: Shop) -> None:
    gym = Offered("gym", TEN.start_us, spots_total=3)
    shop.offer(gym)
    lapsed = [shop.lease(gym.asked()) for _ in range(3)]
    shop.offer(replace(gym, spots_total=1))
    noon_us = shop.clock.now_us
    shop.clock.now_us = lapsed[0].expires_us
    booked(shop.ask(shop.create_booking(gym.asked())))
    shop.clock.now_us = noon_us
    assert shop.store.audit() == []
    for lease in lapsed:
        answer = shop.ask(shop.create_booking(gym.asked(), lease_id=lease.lease_id, user_id="late"))
        assert cause(answer) is Cause.LEASE_EXPIRED


def test_tag_changed_by_tomorrows_feed_makes_no_second_slot(fed: Shop, scratch: Path, engine: Engine) -> None:
    """Yesterday's tag is in the lease and in the booking; today's slot is the same one, and as full."""
    bring(fed, scratch, {**SLOT, "spots_total": 2, "spots_open": 2, "availability_tag": "yesterday"})
    tagged = replace(FED, availability_tag="yesterday")
    lease = fed.lease(tagged)
    first = fed.book(tagged, user_id="first")
    bring(fed, scratch, {**SLOT, "spots_total": 2, "spots_open": 1, "availability_tag": "today"})
    assert len(engine.content()["slot"]) == 1
    assert fed.count_available(FED) == 0
    second = fed.book(tagged, lease_id=lease.lease_id, user_id="second")
    assert (first.slot, second.slot) == (tagged, tagged)
    assert cause(fed.ask(fed.create_booking(FED, user_id="third"))) is Cause.SLOT_UNAVAILABLE
    booked(fed.cancel(first))
    assert fed.count_available(FED) == 1


def test_vanished_slot_with_a_live_lease_is_booked_by_it_and_by_nobody_else(fed: Shop, scratch: Path) -> None:
    lease = fed.lease(FED)
    later = {**SLOT, "start_sec": START_S + 3600}
    bring(fed, scratch, later)
    assert cause(fed.ask(fed.create_booking(FED, user_id="else"))) is Cause.SLOT_UNAVAILABLE
    booking = fed.book(FED, lease_id=lease.lease_id)
    assert booking.slot == FED
    bring(fed, scratch, {**SLOT, "spots_open": 0}, later)
    assert fed.count_available(FED) == 0, "it came back: eleven were sold elsewhere, and the one left is ours"


@pytest.mark.parametrize("swept", [False, True], ids=["not swept", "swept before the clock steps back"])
def test_staff_taken_over_from_an_expired_lease_stays_taken_when_the_clock_steps_back(shop: Shop, swept: bool) -> None:
    lapsed = shop.lease(ANN_HALF_PAST.asked())
    before_us = shop.clock.now_us
    shop.clock.now_us = lapsed.expires_us
    if swept:
        assert sweep(shop.store, shop.ask) == 1
    shop.book(ANN.asked())
    shop.clock.now_us = before_us
    assert shop.store.audit() == []
    answer = shop.ask(shop.create_booking(ANN_HALF_PAST.asked(), lease_id=lapsed.lease_id, user_id="late"))
    assert cause(answer) is Cause.LEASE_EXPIRED
    assert shop.count_available(ANN_HALF_PAST.asked()) == 0


def test_booking_and_cancellation_of_one_spot_in_one_batch_leave_it_to_the_next(shop: Shop, engine: Engine) -> None:
    """Two changes of one row are written as one. The other order is judged as it came."""
    before = shop.book(TEN.asked(), user_id="before")
    cancels = UpdateBooking(before.booking_id, status=BookingStatus.CANCELED)
    early, cancelled, booking, late = shop.ask_all(
        [
            shop.create_booking(TEN.asked(), user_id="early"),
            cancels,
            shop.create_booking(TEN.asked(), user_id="next"),
            shop.create_booking(TEN.asked(), user_id="late"),
        ]
    )
    assert cause(early) is Cause.SLOT_UNAVAILABLE
    assert booked(cancelled).status is BookingStatus.CANCELED
    assert booked(booking).spot_no == before.spot_no
    assert cause(late) is Cause.SLOT_UNAVAILABLE
    assert len(engine.content()["spot"]) == 1


def test_two_requests_with_one_token_in_one_batch_are_one_effect(shop: Shop, engine: Engine) -> None:
    """Delivered twice while the batch before was under way: each copy was given random bits of its own."""
    lease, again = (shop.create_lease(TEN.asked(), reference="r") for _ in range(2))
    booking, once_more = (shop.create_booking(ELEVEN.asked(), token="t") for _ in range(2))  # noqa: S106 - no password
    assert lease.secret != again.secret
    answers = shop.ask_all([lease, booking, again, once_more])
    assert answers[:2] == answers[2:]
    assert isinstance(answers[0], Lease)
    assert isinstance(answers[1], Booking)
    found = engine.content()
    assert [len(found[table]) for table in ("lease", "booking", "spot", "event")] == [1, 1, 2, 1]


def test_move_onto_itself_is_ok_and_changes_nothing_though_the_slot_is_full(shop: Shop, engine: Engine) -> None:
    booking = shop.book(ANN.asked())
    before = engine.content()
    assert shop.move(booking, start_us=ANN.start_us) == booking
    assert engine.content() == before


def test_move_onto_an_overlapping_slot_of_the_same_staff_does_not_meet_itself(shop: Shop) -> None:
    booking = shop.book(ANN.asked())
    moved = booked(shop.move(booking, start_us=ANN_HALF_PAST.start_us))
    assert moved.slot == ANN_HALF_PAST.asked()
    assert cause(shop.ask(shop.create_lease(ANN.asked()))) is Cause.SLOT_UNAVAILABLE
    booked(shop.cancel(moved))
    assert [shop.count_available(slot.asked()) for slot in (ANN, ANN_HALF_PAST)] == [1, 1]


def test_move_onto_an_overlapping_slot_that_is_refused_leaves_the_booking_its_staff(shop: Shop) -> None:
    """Another one shares the first slot, so the staff is not free half an hour later."""
    shop.offer(replace(ANN, spots_total=2))
    booking, _ = (shop.book(ANN.asked(), user_id=user_id) for user_id in ("u1", "u2"))
    refused, third = shop.ask_all(
        [
            UpdateBooking(booking.booking_id, start_us=ANN_HALF_PAST.start_us),
            shop.create_booking(ANN.asked(), user_id="u3"),
        ]
    )
    assert cause(refused) is Cause.SLOT_UNAVAILABLE
    assert cause(third) is Cause.SLOT_UNAVAILABLE


def test_move_repeated_after_success_is_ok_as_it_is_though_its_window_closed(shop: Shop, engine: Engine) -> None:
    booking = shop.book(ANN.asked())
    moved = booked(shop.move(booking, start_us=ANN_HALF_PAST.start_us))
    shop.clock.now_us = ANN_HALF_PAST.start_us + MINUTE_US
    before = engine.content()
    assert shop.move(booking, start_us=ANN_HALF_PAST.start_us) == moved
    assert engine.content() == before
    assert moved.revision == booking.revision + 1


def test_slot_thirty_seconds_away_is_leased_until_it_starts_and_no_longer(shop: Shop) -> None:
    """The shortest lease is a minute, and the slot's start wins over it: a hold never outlives what it holds."""
    shop.clock.now_us = TEN.start_us - 30 * SECOND_US
    lease = shop.lease(TEN.asked(), expires_us=TEN.start_us + HOUR_US)
    assert lease.expires_us == TEN.start_us
    shop.clock.now_us = TEN.start_us - 1
    booking = shop.book(TEN.asked(), lease_id=lease.lease_id)
    assert booking.lease_no == lease.lease_no
    shop.clock.now_us = ELEVEN.start_us - SECOND_US
    late = shop.lease(ELEVEN.asked())
    assert late.expires_us == ELEVEN.start_us
    shop.clock.now_us = ELEVEN.start_us
    answer = shop.ask(shop.create_booking(ELEVEN.asked(), lease_id=late.lease_id, user_id="u2"))
    assert cause(answer) is Cause.LEASE_EXPIRED


def test_slot_less_than_a_second_away_is_closed_for_leases(shop: Shop) -> None:
    shop.clock.now_us = TEN.start_us - SECOND_US + 1
    assert cause(shop.ask(shop.create_lease(TEN.asked()))) is Cause.SLOT_UNAVAILABLE


def test_purge_of_a_lease_that_lapsed_under_a_spot_never_reused_leaves_the_spot_to_the_next(
    shop: Shop, engine: Engine
) -> None:
    """Nobody swept it and nobody took its spot over. Deleted alone, it would leave a spot that a clock which steps
    back calls busy, held by nobody and for nothing."""
    request: CreateLease = shop.create_lease(TEN.asked())
    before_us = shop.clock.now_us - KEPT_US
    shop.clock.now_us = before_us
    lease = granted(shop.ask(request))
    shop.clock.now_us = lease.expires_us + KEPT_US
    assert [one.state for one in shop.store.leases(live_only=False, limit=9)] == [LeaseState.ACTIVE]
    assert purge(shop.store, shop.ask) == 1
    assert engine.content()["lease"] == []
    assert shop.store.audit() == []
    shop.clock.now_us = before_us
    assert shop.store.audit() == []
    assert shop.count_available(TEN.asked()) == 1
    assert shop.book(TEN.asked()).spot_no == lease.spot_no
    assert len(engine.content()["spot"]) == 1

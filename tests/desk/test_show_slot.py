"""One slot as it stands, and why it cannot be had."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from slotlease.desk.close_slot import CloseSlot
from slotlease.desk.show_slot import ShowSlot, SlotShown
from slotlease.domain.facts import CLAIMS_MAX
from slotlease.domain.failure import InvalidArgument, Reason
from slotlease.domain.policy import Closed
from tests.desk.checks import reason_of, retire_merchant, run_beside
from tests.support import HOUR_US, MINUTE_US, Offered, Shop

TEN = Offered(spots_total=3)
ANN = Offered(staff_id="ann", room_id="blue")


def show(shop: Shop, offered: Offered = TEN) -> SlotShown:
    answer = shop.ask(ShowSlot(offered.asked()))
    assert isinstance(answer, SlotShown), answer
    return answer


def test_free_slot_has_no_claims_and_no_reasons(shop: Shop) -> None:
    (slot,) = shop.offer(TEN)
    shown = show(shop)
    assert (shown.offer.slot, shown.count_available, shown.busy) == (slot, 3, 0)
    assert (shown.closed_because, shown.claims, shown.taken) == ((), (), ())
    assert shown.now_us == shop.clock.now_us


def test_claims_are_the_live_leases_and_bookings_by_spot(shop: Shop) -> None:
    shop.offer(TEN)
    dead, lease = shop.lease(TEN.asked()), shop.lease(TEN.asked(), expires_us=shop.clock.now_us + 15 * MINUTE_US)
    booking = shop.book(TEN.asked())
    shop.clock.now_us = dead.expires_us
    shown = show(shop)
    assert (shown.busy, shown.count_available) == (2, 1)
    assert shown.claims == (lease, booking)


def test_more_claims_than_are_told_are_counted_all_the_same(shop: Shop) -> None:
    many = replace(TEN, spots_total=CLAIMS_MAX + 5)
    shop.offer(many)
    shop.ask_all([shop.create_lease(many.asked()) for _ in range(CLAIMS_MAX + 2)])
    shown = show(shop, many)
    assert (shown.busy, len(shown.claims), shown.count_available) == (CLAIMS_MAX + 2, CLAIMS_MAX, 3)


def test_slot_that_keeps_staff_or_room_busy_is_told_with_its_claims(shop: Shop) -> None:
    half_past = ANN.start_us + 30 * MINUTE_US
    same_staff = replace(ANN, service_id="dye", start_us=half_past, room_id="red")
    same_room = replace(ANN, service_id="wash", start_us=half_past, staff_id="bob")
    touching = replace(ANN, start_us=ANN.start_us + HOUR_US)
    idle = replace(ANN, service_id="idle")
    _, dye, wash, *_ = shop.offer(ANN, same_staff, same_room, touching, idle)
    booking, lease = shop.book(same_staff.asked()), shop.lease(same_room.asked())
    shown = show(shop, ANN)
    assert (shown.count_available, shown.busy) == (0, 0)
    told = {(one.shares_staff, one.shares_room): (one.slot, one.claims) for one in shown.taken}
    assert told == {(True, False): (dye, (booking,)), (False, True): (wash, (lease,))}
    assert show(shop, touching).taken == shown.taken
    shop.clock.now_us = lease.expires_us
    assert [one.claims for one in show(shop, ANN).taken] == [(booking,)], "a lapsed lease keeps nobody busy"


def test_every_rule_that_forbids_a_booking_is_told(shop: Shop) -> None:
    shut = replace(TEN, closed=True, first_bookable_us=TEN.start_us, last_bookable_us=0)
    shop.offer(shut)
    shop.ask(CloseSlot(shut.asked(), closes=True))
    everything = (Closed.BY_FEED, Closed.BY_OPERATOR, Closed.NOT_YET, Closed.LEAD_TIME)
    assert show(shop, shut).closed_because == everything
    shop.clock.now_us = shut.start_us
    assert Closed.BEGUN in show(shop, shut).closed_because


def test_slot_that_is_not_offered_is_refused(shop: Shop) -> None:
    shop.offer(TEN)
    assert reason_of(shop.ask(ShowSlot(replace(TEN.asked(), service_id="dye")))) is Reason.SLOT_UNKNOWN
    assert reason_of(shop.ask(ShowSlot(replace(TEN.asked(), start_us=1)))) is Reason.SLOT_UNKNOWN


def test_slot_of_a_merchant_or_service_that_the_feed_no_longer_lists_says_so(shop: Shop, tmp_path: Path) -> None:
    shop.offer(TEN)
    unknown = shop.ask(ShowSlot(replace(TEN.asked(), merchant_id="m2")))
    assert isinstance(unknown, InvalidArgument)
    run_beside(tmp_path, "UPDATE service SET retired = 1")
    run_beside(tmp_path, "UPDATE merchant SET catalogue_revision = catalogue_revision + 1")
    service = shop.ask(ShowSlot(TEN.asked()))
    retire_merchant(tmp_path)
    merchant = shop.ask(ShowSlot(TEN.asked()))
    assert isinstance(service, InvalidArgument)
    assert isinstance(merchant, InvalidArgument)
    assert (service.field, service.description.partition(":")[0]) == ("slot.service_id", "the service is retired")
    assert (merchant.field, merchant.description.partition(":")[0]) == ("slot.merchant_id", "the merchant is retired")
    assert "retired" not in unknown.description

"""BatchAvailabilityLookup: many slots of one merchant, each yes or no, in the order asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from slotlease.desk.batch_availability_lookup import BatchAvailabilityLookup
from slotlease.domain.failure import Reason
from slotlease.domain.slot import AskedSlot, Resources
from tests.desk.checks import invalid, retire_merchant
from tests.support import HOUR_US, NOON_US, Offered, Shop

TEN = Offered()
ELEVEN = replace(TEN, start_us=TEN.start_us + HOUR_US)


def look_up(shop: Shop, *slots: AskedSlot, merchant_id: str = "m1") -> tuple[bool, ...]:
    answer = shop.ask(BatchAvailabilityLookup(merchant_id, slots))
    assert isinstance(answer, tuple), answer
    return answer


def test_answers_stand_in_the_order_asked(shop: Shop) -> None:
    shop.offer(TEN, ELEVEN)
    shop.book(ELEVEN.asked())
    assert look_up(shop, TEN.asked(), ELEVEN.asked()) == (True, False)
    assert look_up(shop, ELEVEN.asked(), TEN.asked(), ELEVEN.asked(), TEN.asked()) == (False, True, False, True)


def test_no_slots_asked_are_no_answers(shop: Shop) -> None:
    shop.offer(TEN)
    assert look_up(shop) == ()


def test_unknown_service_or_slot_within_a_lookup_is_just_not_available(shop: Shop) -> None:
    shop.offer(replace(TEN, availability_tag="monday"))
    known = TEN.asked()
    assert look_up(
        shop,
        known,
        replace(known, service_id="dye"),
        replace(known, start_us=known.start_us + 1),
        replace(known, duration_us=1),
        replace(known, resources=Resources("cleo")),
        replace(known, resources=Resources(party_size=9)),
        replace(known, availability_tag="tuesday"),
        replace(known, availability_tag="monday"),
    ) == (True, False, False, False, False, False, False, True)


def test_slot_that_cannot_be_had_is_not_available(shop: Shop) -> None:
    closed = replace(TEN, party_size=2, closed=True)
    begun = replace(TEN, start_us=NOON_US)
    anna = replace(TEN, staff_id="anna")
    overlapping = replace(anna, start_us=TEN.start_us + HOUR_US // 2)
    held = replace(TEN, party_size=3)
    shop.offer(TEN, closed, begun, anna, overlapping, held)
    shop.book(anna.asked())
    lease = shop.lease(held.asked())
    slots = [one.asked() for one in (TEN, closed, begun, anna, overlapping, held)]
    assert look_up(shop, *slots) == (True, False, False, False, False, False)
    shop.clock.now_us = lease.expires_us
    assert look_up(shop, *slots) == (True, False, False, False, False, True)


def test_unknown_merchant_makes_the_whole_lookup_invalid(shop: Shop) -> None:
    shop.offer(TEN)
    answer = shop.ask(BatchAvailabilityLookup("m2", (replace(TEN.asked(), merchant_id="m2"),)))
    assert invalid(answer) == (Reason.SLOT_UNKNOWN, "merchant_id")


def test_merchant_that_vanished_from_the_feed_makes_the_whole_lookup_invalid(shop: Shop, tmp_path: Path) -> None:
    shop.offer(TEN)
    retire_merchant(tmp_path)
    answer = shop.ask(BatchAvailabilityLookup("m1", (TEN.asked(),)))
    assert invalid(answer) == (Reason.SLOT_UNKNOWN, "merchant_id")

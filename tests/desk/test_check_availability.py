"""CheckAvailability: how many spots could be claimed now; and which slots are none of ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from slotlease.desk.check_availability import Availability, CheckAvailability
from slotlease.desk.release_lease import ReleaseLease
from slotlease.domain.failure import Reason
from slotlease.domain.merchant import Service
from slotlease.domain.slot import Resources
from tests.desk.checks import invalid, retire_merchant
from tests.support import DAY_US, HOUR_US, MINUTE_US, NOON_US, Offered, Shop

CLASS = Offered(spots_total=3)
FULL_NAME = Offered(staff_id="anna", room_id="red", party_size=2, availability_tag="monday")


def test_spots_that_nobody_holds_are_counted(shop: Shop) -> None:
    shop.offer(CLASS)
    asked = CLASS.asked()
    counts = [shop.count_available(asked)]
    lease = shop.lease(asked)
    counts.append(shop.count_available(asked))
    booking = shop.book(asked)
    counts.append(shop.count_available(asked))
    shop.cancel(booking)
    counts.append(shop.count_available(asked))
    shop.ask(ReleaseLease(lease.lease_id))
    counts.append(shop.count_available(asked))
    assert counts == [3, 2, 1, 2, 3]


def test_spots_sold_elsewhere_are_not_counted(shop: Shop) -> None:
    shop.offer(replace(CLASS, spots_elsewhere=2))
    assert shop.count_available(CLASS.asked()) == 1


def test_booking_from_a_lease_keeps_the_one_spot_that_the_lease_held(shop: Shop) -> None:
    shop.offer(CLASS)
    lease = shop.lease(CLASS.asked())
    shop.book(CLASS.asked(), lease_id=lease.lease_id)
    assert shop.count_available(CLASS.asked()) == 2


def test_held_spot_counts_again_from_the_instant_of_expiry(shop: Shop) -> None:
    shop.offer(CLASS)
    lease = shop.lease(CLASS.asked())
    counts = []
    for step_us in (-1, 0, 1):
        shop.clock.now_us = lease.expires_us + step_us
        counts.append(shop.count_available(CLASS.asked()))
    assert counts == [2, 3, 3]


@pytest.mark.parametrize(
    "unbookable",
    [
        replace(CLASS, closed=True),
        replace(CLASS, start_us=NOON_US),
        replace(CLASS, start_us=NOON_US - HOUR_US // 2),
        replace(CLASS, first_bookable_us=NOON_US + 1),
        replace(CLASS, last_bookable_us=NOON_US - 1),
        replace(CLASS, spots_total=0),
        replace(CLASS, spots_elsewhere=3),
    ],
)
def test_slot_that_exists_and_cannot_be_had_counts_none(shop: Shop, unbookable: Offered) -> None:
    shop.offer(unbookable)
    assert shop.ask(CheckAvailability(unbookable.asked())) == Availability(unbookable.asked(), 0)


def test_lead_time_of_the_service_closes_its_slots(shop: Shop) -> None:
    shop.serve(Service(0, 0, "cut", min_advance_booking_s=3600))
    shop.offer(CLASS)
    shop.clock.now_us = CLASS.start_us - HOUR_US
    assert shop.count_available(CLASS.asked()) == 3
    shop.clock.advance(us=1)
    assert shop.count_available(CLASS.asked()) == 0


@pytest.mark.parametrize("resources", [None, Resources()])
@pytest.mark.parametrize("tag", ["", "monday"])
def test_slot_is_echoed_exactly_as_it_was_asked_for(shop: Shop, resources: Resources | None, tag: str) -> None:
    shop.offer(replace(CLASS, availability_tag="monday"))
    asked = replace(CLASS.asked(), resources=resources, availability_tag=tag)
    assert shop.ask(CheckAvailability(asked)) == Availability(asked, 3)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"merchant_id": "m2"}, "slot.merchant_id"),
        ({"merchant_id": "M1"}, "slot.merchant_id"),
        ({"service_id": "dye"}, "slot.service_id"),
        ({"start_us": FULL_NAME.start_us + 1}, "slot.start_time"),
        ({"start_us": FULL_NAME.start_us - DAY_US}, "slot.start_time"),
        ({"duration_us": HOUR_US - MINUTE_US}, "slot.start_time"),
        ({"availability_tag": "tuesday"}, "slot.availability_tag"),
        ({"resources": None}, "slot.start_time"),
        ({"resources": Resources("anna", "red", 3)}, "slot.start_time"),
        ({"resources": Resources("anna", "", 2)}, "slot.start_time"),
        ({"resources": Resources("cleo", "red", 2)}, "slot.resources"),
        ({"resources": Resources("anna", "green", 2)}, "slot.resources"),
    ],
)
def test_what_no_feed_offers_is_invalid_and_named_by_field(
    shop: Shop, change: dict[str, str | int | Resources | None], field: str
) -> None:
    shop.offer(FULL_NAME)
    assert shop.count_available(FULL_NAME.asked()) == 1
    wrong = replace(FULL_NAME.asked(), **change)  # type: ignore[arg-type] # a table of single changes
    assert invalid(shop.ask(CheckAvailability(wrong))) == (Reason.SLOT_UNKNOWN, field)


def test_service_that_vanished_from_the_feed_is_unknown(shop: Shop) -> None:
    shop.offer(CLASS)
    shop.store.put_catalogue("m1", "M1", [], [], [])
    assert invalid(shop.ask(CheckAvailability(CLASS.asked()))) == (Reason.SLOT_UNKNOWN, "slot.service_id")


def test_merchant_that_vanished_from_the_feed_is_unknown(shop: Shop, tmp_path: Path) -> None:
    shop.offer(CLASS)
    retire_merchant(tmp_path)
    assert invalid(shop.ask(CheckAvailability(CLASS.asked()))) == (Reason.SLOT_UNKNOWN, "slot.merchant_id")


def test_checking_changes_nothing(shop: Shop) -> None:
    shop.offer(CLASS)
    for _ in range(5):
        assert shop.count_available(CLASS.asked()) == 3

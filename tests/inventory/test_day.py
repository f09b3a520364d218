"""A merchant's day as an operator sees it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from slotlease.desk.close_slot import CloseSlot
from slotlease.inventory.day import DaySlot, MerchantUnknown, day_of
from tests.inventory.feed_folder import MERCHANT, SECOND_US, SERVICE, START_S
from tests.inventory.import_shop import HOUR_S, ImportShop, asked, import_shop, slot

DAY = datetime.fromtimestamp(START_S, UTC).date()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ImportShop]:
    with import_shop(tmp_path) as opened:
        yield opened


def test_day_shows_who_holds_each_slot_and_what_is_left(shop: ImportShop) -> None:
    shop.put(slot(1, spots_open=10, availability_tag="t"), slot(0, spots_total=1, spots_open=1))
    shop.shop.book(asked(1), user_id="u1")
    shop.shop.book(asked(1), user_id="u2")
    shop.shop.lease(asked(1))
    first, second = day_of(shop.store, "m1", DAY)
    assert first == DaySlot(
        asked(0), 1, 0, bookings=0, leases=0, available=1, asynchronous=False, closed=False, closed_by_operator=False
    )
    assert (second.slot.start_us, second.slot.availability_tag) == (asked(1).start_us, "t")
    assert (second.spots_total, second.spots_elsewhere, second.bookings, second.leases) == (12, 2, 2, 1)
    assert second.available == 7


def test_slot_whose_staff_is_busy_elsewhere_has_nothing_available(shop: ImportShop) -> None:
    anna = {"resources": {"staff_id": "anna"}}
    shop.put(slot(0, **anna), slot(0, duration_sec=2 * HOUR_S, **anna))
    shop.shop.book(asked(staff_id="anna"))
    found = {row.slot.duration_us // SECOND_US: row.available for row in day_of(shop.store, "m1", DAY)}
    assert found == {HOUR_S: 11, 2 * HOUR_S: 0}


def test_expired_lease_holds_nothing(shop: ImportShop) -> None:
    shop.put(slot(0))
    lease = shop.shop.lease(asked())
    shop.shop.clock.now_us = lease.expires_us
    (row,) = day_of(shop.store, "m1", DAY)
    assert (row.leases, row.available) == (0, 12)


def test_closed_and_retired_slots_are_shown_with_nothing_available(shop: ImportShop) -> None:
    shop.put(slot(0), slot(1))
    shop.put(slot(0))
    closed = day_of(shop.store, "m1", DAY)[1]
    assert (closed.closed, closed.available) == (True, 0)
    shop.put_files(shop.feeds.services(SERVICE | {"service_id": "s2"}))
    assert [row.available for row in day_of(shop.store, "m1", DAY)] == [0, 0]
    shop.put_files(shop.feeds.merchants(MERCHANT | {"merchant_id": "m2"}))
    assert [row.slot.service_id for row in day_of(shop.store, "m1", DAY)] == ["s1", "s1"]


def test_slot_that_the_operator_closed_is_shown_as_theirs(shop: ImportShop) -> None:
    shop.put(slot(0), slot(1))
    shop.shop.ask(CloseSlot(asked(1), closes=True))
    assert [(row.available, row.closed, row.closed_by_operator) for row in day_of(shop.store, "m1", DAY)] == [
        (12, False, False),
        (0, False, True),
    ]


def test_day_begins_with_midnight_and_ends_before_the_next(shop: ImportShop) -> None:
    midnight_s = int(datetime(2025, 3, 2, tzinfo=UTC).timestamp())
    shop.put(*[slot(0, start_sec=midnight_s + shift) for shift in (-1, 0, 86_399, 86_400)])
    found = [row.slot.start_us // SECOND_US - midnight_s for row in day_of(shop.store, "m1", date(2025, 3, 2))]
    assert found == [0, 86_399]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Amsterdam", date(2025, 3, 30), 23),
        ("Europe/Amsterdam", date(2025, 10, 26), 25),
        ("America/New_York", date(2025, 3, 9), 23),
        ("America/New_York", date(2025, 11, 2), 25),
        ("Asia/Tokyo", date(2025, 3, 30), 24),
        ("Pacific/Auckland", date(2025, 4, 6), 25),
        ("Pacific/Auckland", date(2025, 9, 28), 23),
    ],
)
def test_day_is_the_merchants_own_and_as_long_as_its_clocks_make_it(
    shop: ImportShop, zone: str, day: date, hours: int
) -> None:
    """A slot every hour of the three days around it: as many are shown as the day has hours."""
    around = [datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=shift) for shift in range(-24, 48)]
    shop.put(*[slot(0, start_sec=int(start.timestamp())) for start in around])
    rows = day_of(shop.store, "m1", day, ZoneInfo(zone))
    assert len(rows) == hours
    assert {datetime.fromtimestamp(row.slot.start_us // SECOND_US, ZoneInfo(zone)).date() for row in rows} == {day}


def test_merchant_nobody_knows_has_no_day(shop: ImportShop) -> None:
    with pytest.raises(MerchantUnknown, match="no merchant on the ledger has the id 'm9'; import its feeds"):
        day_of(shop.store, "m9", DAY)


def test_day_without_slots_is_empty(shop: ImportShop) -> None:
    shop.put(slot(0))
    assert list(day_of(shop.store, "m1", DAY + timedelta(days=2))) == []

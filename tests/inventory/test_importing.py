"""What an import makes of the ledger: rows new, changed, unchanged and closed, and who is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from slotlease.domain.failure import BookingFailure, InvalidArgument
from slotlease.inventory.feed import FeedRefused
from slotlease.inventory.importing import KEPT_LISTED_MAX, ImportSummary, KeptSlot, known_inventory
from tests.inventory.feed_folder import GENERATED_S, MERCHANT, SECOND_US, SERVICE
from tests.inventory.import_shop import GENERATED_US, HOUR_S, ImportShop, asked, counts, import_shop, slot


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ImportShop]:
    with import_shop(tmp_path) as opened:
        yield opened


def test_first_import_is_all_new_and_can_be_booked_at_once(shop: ImportShop) -> None:
    summary = shop.put(slot(0), slot(1), slot(2))
    assert counts(summary) == (3, 0, 0, 0)
    assert (summary.merchants_new, summary.services_new, summary.slots_refused) == (1, 1, 0)
    assert shop.shop.count_available(asked(1)) == 12


def test_same_feed_again_changes_nothing_and_writes_nothing(shop: ImportShop) -> None:
    shop.put(*[slot(number) for number in range(50)])
    written = shop.folder / "ledger.db-wal"
    before, rows = written.read_bytes(), shop.rows()
    summary = shop.put(*[slot(number) for number in reversed(range(50))])
    assert counts(summary) == (0, 0, 50, 0)
    assert (summary.merchants_unchanged, summary.services_unchanged) == (1, 1)
    assert written.read_bytes() == before
    assert shop.rows() == rows


def test_changed_slot_is_changed_a_vanished_one_closed_and_one_that_comes_back_open(shop: ImportShop) -> None:
    shop.put(slot(0), slot(1), slot(2))
    assert counts(shop.put(slot(0), slot(1, availability_tag="new"), slot(3))) == (1, 1, 1, 1)
    assert isinstance(shop.shop.ask(shop.shop.create_lease(asked(2))), BookingFailure)
    assert counts(shop.put(slot(0), slot(1, availability_tag="new"), slot(2), slot(3))) == (0, 1, 3, 0)
    shop.shop.lease(asked(2))


def test_closed_slot_is_closed_once(shop: ImportShop) -> None:
    shop.put(slot(0), slot(1))
    assert shop.put(slot(0)).slots_closed == 1
    assert shop.put(slot(0)).slots_closed == 0


def test_slot_that_has_begun_is_past_and_not_withdrawn(shop: ImportShop) -> None:
    """Its start at the very second of the generation is past too."""
    shop.put(slot(0), slot(1))
    summary = shop.put(slot(1), generated_s=slot(0)["start_sec"])
    assert counts(summary) == (0, 0, 1, 0)
    assert shop.put(slot(1), generated_s=slot(0)["start_sec"] - 1).slots_closed == 1


def late(*, buffer_s: int = HOUR_S // 2) -> dict[str, Any]:
    rules = {"admission_policy": "TIME_FLEXIBLE", "min_booking_buffer_before_end_time": buffer_s}
    return SERVICE | {"rules": rules}


def test_late_booking_is_taken_leased_and_booked_until_its_buffer(shop: ImportShop) -> None:
    assert shop.put(slot(0)).services_unchanged == 0
    assert shop.put_files(shop.feeds.services(late())).services_changed == 1
    shop.shop.clock.now_us = asked(0).start_us + HOUR_S * SECOND_US // 2
    lease = shop.shop.lease(asked(0))
    assert lease.expires_us == shop.shop.clock.now_us + 600 * SECOND_US
    shop.shop.book(asked(0), lease_id=lease.lease_id)
    shop.shop.clock.advance(us=1)
    assert isinstance(shop.shop.ask(shop.shop.create_lease(asked(0))), BookingFailure)
    assert shop.put_files(shop.feeds.services(SERVICE)).services_changed == 1


def test_lease_of_a_late_booking_does_not_outlive_its_slot(shop: ImportShop) -> None:
    shop.put(slot(0))
    shop.put_files(shop.feeds.services(late(buffer_s=60)))
    shop.shop.clock.now_us = asked(0).start_us + (HOUR_S - 60) * SECOND_US
    assert shop.shop.lease(asked(0)).expires_us == asked(1).start_us


def test_slot_that_has_begun_and_still_admits_is_withdrawn_and_one_that_is_over_is_past(shop: ImportShop) -> None:
    shop.put(slot(0), slot(1))
    shop.put_files(shop.feeds.services(late()))
    shop.shop.book(asked(1))
    files = (shop.feeds.merchants(MERCHANT), shop.feeds.services(late()))
    # When the feed is generated, the first has just ended and the second lasts for an hour yet.
    summary = shop.put_files(*files, shop.slots_file(slot(2), generated_s=slot(1)["start_sec"]))
    assert counts(summary) == (1, 0, 0, 1)
    assert [kept.slot for kept in summary.kept] == [asked(1)]


def test_merchants_and_services_are_counted_as_new_changed_unchanged_and_retired(shop: ImportShop) -> None:
    other = {"merchant_id": "m2", "name": "Other"}
    services = [SERVICE, SERVICE | {"service_id": "s2"}, SERVICE | {"merchant_id": "m2"}]
    first = shop.put_files(shop.feeds.merchants(MERCHANT, other), shop.feeds.services(*services))
    assert (first.merchants_new, first.services_new) == (2, 3)
    changed = SERVICE | {"rules": {"min_advance_booking": 60}}
    second = shop.put_files(
        shop.feeds.merchants(MERCHANT | {"name": "Renamed"}),
        shop.feeds.services(changed, SERVICE | {"service_id": "s3"}),
    )
    assert (second.merchants_changed, second.merchants_unchanged, second.merchants_retired) == (1, 0, 1)
    assert (second.services_new, second.services_changed, second.services_unchanged) == (1, 1, 0)
    assert second.services_retired == 1
    back = shop.put_files(shop.feeds.merchants(MERCHANT | {"name": "Renamed"}, other))
    assert (back.merchants_changed, back.merchants_unchanged, back.services_unchanged) == (1, 1, 3)


def test_availability_alone_leaves_merchants_and_services_as_they_are(shop: ImportShop) -> None:
    shop.put(slot(0))
    summary = shop.put_files(shop.slots_file(slot(0), slot(1)))
    assert counts(summary) == (1, 0, 1, 0)
    assert (summary.merchants_unchanged, summary.services_unchanged, summary.merchants_retired) == (1, 1, 0)


def test_availability_alone_closes_the_slots_of_a_merchant_it_does_not_name(shop: ImportShop) -> None:
    shop.put(slot(0))
    assert counts(shop.put_files(shop.slots_file())) == (0, 0, 0, 1)


def test_retired_merchant_or_service_is_none_that_a_feed_may_refer_to(shop: ImportShop) -> None:
    shop.put(slot(0))
    shop.put_files(shop.feeds.services(SERVICE | {"service_id": "s2"}))
    assert known_inventory(shop.store).services == {("m1", "s2")}
    with pytest.raises(FeedRefused, match="is no service of this merchant on the ledger"):
        shop.put_files(shop.slots_file(slot(0)))
    shop.put_files(shop.feeds.merchants({"merchant_id": "m2"}))
    assert known_inventory(shop.store).merchants == {"m2"}


def test_one_wrong_entry_and_nothing_changes(shop: ImportShop) -> None:
    shop.put(slot(0))
    before = shop.rows()
    with pytest.raises(FeedRefused) as refused:
        shop.put(slot(0, availability_tag="changed"), slot(1, spots_total=0), slot(2, duration_sec=-1), slot(3))
    assert refused.value.count == 2
    assert counts(ImportSummary.of_refused(refused.value)) == (0, 0, 0, 0)
    assert ImportSummary.of_refused(refused.value).slots_refused == 2
    assert shop.rows() == before


def test_dry_run_says_the_same_and_changes_nothing(shop: ImportShop) -> None:
    shop.put(slot(0), slot(1), slot(2))
    shop.shop.book(asked(2))
    before = shop.rows()
    files = [
        shop.feeds.merchants(MERCHANT | {"name": "Renamed"}, {"merchant_id": "m2"}),
        shop.feeds.services(SERVICE, SERVICE | {"service_id": "s2"}, SERVICE | {"merchant_id": "m2"}),
        shop.slots_file(
            slot(0),
            slot(1, spots_total=3, spots_open=3),
            slot(1, service_id="s2", resources={"staff_id": "new", "room_id": "new"}),
            slot(0, merchant_id="m2"),
        ),
    ]
    dry = shop.put_files(*files, dry_run=True)
    assert shop.rows() == before
    real = shop.put_files(*files)
    assert asdict(dry) == asdict(real)
    assert dry.kept == real.kept
    assert counts(real) == (2, 1, 1, 1)
    assert (real.services_new, real.merchants_new, real.merchants_changed, real.bookings_kept) == (2, 1, 1, 1)


def test_dry_run_into_an_empty_ledger_leaves_it_empty(shop: ImportShop) -> None:
    before = shop.rows()
    assert counts(shop.put(slot(0), slot(1), dry_run=True)) == (2, 0, 0, 0)
    assert shop.rows() == before


# --- what was sold -------------------------------------------------------------------------------------------------


def test_what_the_feed_counts_as_taken_and_we_did_not_sell_was_sold_elsewhere(shop: ImportShop) -> None:
    shop.put(slot(0, spots_open=12))
    shop.shop.book(asked(), user_id="u1")
    shop.shop.book(asked(), user_id="u2")
    shop.put(slot(0, spots_open=7), generated_s=GENERATED_S)
    assert shop.shop.count_available(asked()) == 7  # 5 are taken: our 2, and 3 elsewhere


def test_booking_made_after_the_generation_was_not_in_the_partners_count(shop: ImportShop) -> None:
    shop.put(slot(0, spots_open=12))
    shop.shop.clock.advance(us=1)
    shop.shop.book(asked())
    shop.put(slot(0, spots_open=7), generated_s=GENERATED_S)
    assert shop.shop.count_available(asked()) == 6  # 5 elsewhere, and ours


def test_booking_cancelled_before_the_generation_is_no_longer_ours(shop: ImportShop) -> None:
    shop.put(slot(0, spots_open=12))
    booking = shop.shop.book(asked())
    shop.shop.cancel(booking)
    shop.put(slot(0, spots_open=11))
    assert shop.shop.count_available(asked()) == 11


def test_live_lease_is_no_booking_and_does_not_lower_what_was_sold_elsewhere(shop: ImportShop) -> None:
    shop.put(slot(0, spots_open=12))
    shop.shop.lease(asked())
    shop.put(slot(0, spots_open=10))
    assert shop.shop.count_available(asked()) == 9  # 2 elsewhere, and the lease


def test_more_bookings_of_ours_than_the_feed_counts_are_not_sold_elsewhere(shop: ImportShop) -> None:
    shop.put(slot(0, spots_open=12))
    shop.shop.book(asked())
    shop.put(slot(0, spots_open=12))
    assert shop.shop.count_available(asked()) == 11


def test_feed_may_say_itself_what_was_sold_elsewhere(shop: ImportShop) -> None:
    shop.put(slot(0, spots_total=5, spots_open=0, slotlease_spots_elsewhere=2))
    assert shop.shop.count_available(asked()) == 3


def test_lowered_slot_revokes_nothing_and_sells_nothing_more(shop: ImportShop) -> None:
    shop.put(slot(0))
    bookings = [shop.shop.book(asked(), user_id=f"u{number}") for number in range(3)]
    shop.put(slot(0, spots_total=2, spots_open=0))
    assert shop.shop.count_available(asked()) == 0
    shop.shop.cancel(bookings[0])
    assert shop.shop.count_available(asked()) == 0
    shop.shop.cancel(bookings[1])
    assert shop.shop.count_available(asked()) == 1


# --- who holds what vanished ---------------------------------------------------------------------------------------


def test_leases_and_bookings_of_a_vanished_slot_are_kept_and_reported(shop: ImportShop) -> None:
    shop.put(slot(0), slot(1), slot(2))
    lease = shop.shop.lease(asked(1))
    shop.shop.book(asked(1), user_id="u1")
    shop.shop.book(asked(1), user_id="u2")
    summary = shop.put(slot(0))
    assert (summary.slots_closed, summary.leases_kept, summary.bookings_kept) == (2, 1, 2)
    assert summary.kept == [KeptSlot(asked(1), leases=1, bookings=2)]
    shop.shop.book(asked(1), lease_id=lease.lease_id, user_id="u3")  # a live lease is a promise
    assert list(shop.store.audit()) == []


def test_slot_that_vanished_before_is_reported_as_long_as_somebody_holds_it(shop: ImportShop) -> None:
    shop.put(slot(0), slot(1))
    booking = shop.shop.book(asked(1))
    shop.put(slot(0))
    again = shop.put(slot(0))
    assert (again.slots_closed, again.bookings_kept) == (0, 1)
    shop.shop.cancel(booking)
    assert shop.put(slot(0)).kept == []


def test_bookings_at_a_retired_merchant_are_kept_and_reported(shop: ImportShop) -> None:
    shop.put(slot(0), slot(1))
    shop.shop.book(asked(1))
    summary = shop.put_files(shop.feeds.merchants({"merchant_id": "m2"}))
    assert (summary.merchants_retired, summary.bookings_kept) == (1, 1)
    assert [kept.slot for kept in summary.kept] == [asked(1)]
    assert isinstance(shop.shop.ask(shop.shop.create_lease(asked(0))), InvalidArgument)


def test_bookings_of_past_slots_are_nobodys_news(shop: ImportShop) -> None:
    shop.put(slot(0))
    shop.shop.book(asked(0))
    summary = shop.put(generated_s=slot(0)["start_sec"])
    assert (summary.bookings_kept, summary.slots_closed) == (0, 0)


def test_list_of_who_is_kept_is_bounded_and_the_count_is_not(shop: ImportShop) -> None:
    numbers = range(KEPT_LISTED_MAX + 5)
    shop.put(*[slot(number) for number in numbers])
    for number in numbers:
        shop.shop.book(asked(number))
    summary = shop.put()
    assert summary.bookings_kept == len(numbers)
    assert len(summary.kept) == KEPT_LISTED_MAX


# --- in pieces -------------------------------------------------------------------------------------------------------


def test_progress_is_told_up_to_the_end(shop: ImportShop) -> None:
    told: list[tuple[int, int]] = []

    def note(done: int, total: int, rows: int | None = None, /) -> None:
        assert rows is None, "slots are what is counted"
        told.append((done, total))

    shop.put(*[slot(number) for number in range(2_500)], progress=note)
    assert told == [(1_000, 2_500), (2_000, 2_500), (2_500, 2_500)]


def test_pieces_as_small_as_can_be_end_the_same(tmp_path: Path) -> None:
    rows = []
    for name, held_max_s in (("small", 0.0), ("usual", 0.02)):
        with import_shop(tmp_path / name) as shop:
            shop.put(*[slot(number) for number in range(700)], held_max_s=held_max_s)
            shop.put(*[slot(number, spots_open=1) for number in range(300, 900)], held_max_s=held_max_s)
            rows.append(shop.rows())
    assert rows[0] == rows[1]


def test_merchants_more_than_are_retired_at_once_are_all_retired(shop: ImportShop) -> None:
    shop.put_files(shop.feeds.merchants(*[{"merchant_id": f"m{number}"} for number in range(250)]))
    summary = shop.put_files(shop.feeds.merchants({"merchant_id": "m7"}))
    assert (summary.merchants_retired, summary.merchants_unchanged) == (249, 1)
    assert known_inventory(shop.store).merchants == {"m7"}


def test_recurrence_goes_onto_the_ledger_as_single_slots(shop: ImportShop) -> None:
    start_s = slot(0)["start_sec"]
    entry = slot(0, recurrence={"repeat_every_sec": HOUR_S, "repeat_until_sec": start_s + 4 * HOUR_S})
    del entry["spots_total"], entry["spots_open"]
    entry["schedule_exception"] = [{"time_range": {"begin_sec": start_s + HOUR_S, "end_sec": start_s + 2 * HOUR_S}}]
    assert counts(shop.put(entry)) == (5, 0, 0, 0)
    assert [shop.shop.count_available(asked(number)) for number in range(5)] == [1, 0, 1, 1, 1]
    shop.shop.book(asked(0))
    entry["schedule_exception"] += [{"time_range": {"begin_sec": start_s, "end_sec": start_s + HOUR_S}}]
    assert counts(shop.put(entry)) == (0, 0, 5, 0)  # what is blocked now, we sold


def test_generation_is_the_feeds_and_not_the_clocks(shop: ImportShop) -> None:
    shop.shop.clock.now_us = GENERATED_US + 10 * SECOND_US
    shop.put(slot(0, spots_open=12), generated_s=GENERATED_S)
    shop.shop.book(asked())
    shop.put(slot(0, spots_open=11), generated_s=GENERATED_S + 10)
    assert shop.shop.count_available(asked()) == 11

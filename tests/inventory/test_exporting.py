"""The ledger written as feeds: what they say."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from slotlease.desk.close_slot import CloseSlot
from slotlease.inventory.feed_writer import FeedWriter
from tests.inventory.feed_folder import (
    GENERATED_S,
    MERCHANT,
    SERVICE,
    START_S,
    metadata,
    read_whole,
    without,
)
from tests.inventory.import_shop import (
    GENERATED_US,
    ImportShop,
    asked,
    counts,
    export,
    exported,
    import_shop,
    slot,
)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ImportShop]:
    with import_shop(tmp_path) as opened:
        yield opened


def spots_open(shop: ImportShop, number: int = 0) -> int:
    starts = {found.start_us: found.spots_open for found in exported(shop).slots["m1"]}
    return starts[asked(number).start_us]


# --- what is written -------------------------------------------------------------------------------------------------


def test_export_says_what_the_feeds_said(shop: ImportShop) -> None:
    rules = {"min_advance_booking": 60, "min_advance_online_canceling": 0}
    services = shop.feeds.services(
        SERVICE | {"rules": rules}, SERVICE | {"service_id": "s2", "slotlease_one_booking_per_user": False}
    )
    overrides = {"first_bookable_sec": 5, "last_bookable_sec": START_S - 7, "last_online_cancellable_sec": START_S - 9}
    resources = {"staff_id": "anna", "room_id": "r1", "party_size": 2}
    paths = (
        shop.feeds.merchants(MERCHANT),
        services,
        shop.slots_file(
            slot(0, availability_tag="tag", resources=resources, scheduling_rule_overrides=overrides),
            slot(1, service_id="s2", confirmation_mode="CONFIRMATION_MODE_ASYNCHRONOUS", spots_open=5),
            slot(1, resources={"staff_id": "anna"}),
        ),
    )
    shop.put_files(*paths)
    given, found = read_whole(paths), exported(shop)
    assert found.slots == given.slots
    assert found.merchants == given.merchants
    names = [(service.service_id, service.name) for service in found.services]
    assert names == [("s1", "s1"), ("s2", "s2")]  # the ledger knows services by id alone
    assert [service.min_advance_online_canceling_s for service in found.services] == [0, None]
    assert [service.min_advance_booking_s for service in found.services] == [60, 0]
    assert [service.one_booking_per_user for service in found.services] == [True, False]


def test_files_are_named_as_google_wants_and_begin_with_their_metadata(shop: ImportShop) -> None:
    shop.put(slot(0))
    written = export(shop)
    assert [path.name for path in written.paths] == [
        f"merchant_feed_{GENERATED_S}_001_of_001.json.gz",
        f"service_feed_{GENERATED_S}_001_of_001.json.gz",
        f"availability_feed_{GENERATED_S}_001_of_001.json.gz",
    ]
    assert sorted(path.name for path in written.paths[0].parent.iterdir()) == sorted(p.name for p in written.paths)
    feed = json.loads(gzip.decompress(written.paths[2].read_bytes()))
    assert list(feed) == ["metadata", "service_availability"]
    assert feed["metadata"] == metadata(nonce=str(GENERATED_S))
    assert (written.merchants, written.services, written.slots) == (1, 1, 1)


def test_staff_and_rooms_are_given_a_name_which_google_requires(shop: ImportShop) -> None:
    shop.put(slot(0, resources={"staff_id": "anna", "staff_name": "Anna", "room_id": "r1"}))
    feed = json.loads(gzip.decompress(export(shop).paths[2].read_bytes()))
    (entry,) = feed["service_availability"][0]["availability"]
    assert entry["resources"] == {"staff_id": "anna", "staff_name": "anna", "room_id": "r1", "room_name": "r1"}


def test_shards_are_no_larger_than_asked_and_together_the_whole(shop: ImportShop) -> None:
    shop.put(*[slot(number) for number in range(100)])
    written = export(shop, gzipped=False, shard_bytes_max=4_000)
    shards = written.paths[2:]
    assert len(shards) > 3
    assert shards[-1].name == f"availability_feed_{GENERATED_S}_{len(shards):03}_of_{len(shards):03}.json"
    assert max(path.stat().st_size for path in shards) < 4_000 + 300  # and what stands around the entries
    assert len(read_whole(written.paths).slots["m1"]) == 100
    assert counts(shop.put_files(*written.paths)) == (0, 0, 100, 0)


def test_slots_come_by_start(shop: ImportShop) -> None:
    shop.put(*[slot(number) for number in reversed(range(30))])
    feed = json.loads(gzip.decompress(export(shop).paths[2].read_bytes()))
    starts = [entry["start_sec"] for entry in feed["service_availability"][0]["availability"]]
    assert starts == sorted(starts)


def test_what_is_retired_closed_or_begun_is_left_out(shop: ImportShop) -> None:
    services = [SERVICE, SERVICE | {"service_id": "s2"}, SERVICE | {"merchant_id": "m2"}]
    merchants = [MERCHANT, {"merchant_id": "m2"}]
    slots = [slot(0), slot(1), slot(2), slot(3, service_id="s2"), slot(3, merchant_id="m2")]
    shop.put_files(shop.feeds.merchants(*merchants), shop.feeds.services(*services), shop.slots_file(*slots))
    shop.put_files(shop.slots_file(slot(0), *slots[2:]))
    shop.put_files(shop.feeds.merchants(MERCHANT), shop.feeds.services(SERVICE))
    shop.shop.clock.now_us = asked(0).start_us
    found = exported(shop)
    assert [(s.merchant_id, s.service_id) for s in found.services] == [("m1", "s1")]
    assert {merchant_id: [s.start_us for s in slots] for merchant_id, slots in found.slots.items()} == {
        "m1": [asked(2).start_us]
    }


def test_slot_that_has_begun_is_written_as_long_as_its_service_admits_late_bookings(shop: ImportShop) -> None:
    rules = {"admission_policy": "TIME_FLEXIBLE", "min_booking_buffer_before_end_time": 60}
    late = SERVICE | {"service_id": "late", "rules": rules}
    slots = [slot(n, service_id=service_id) for n in (0, 1, 2) for service_id in ("s1", "late")]
    shop.put_files(shop.feeds.merchants(MERCHANT), shop.feeds.services(SERVICE, late), shop.slots_file(*slots))
    shop.shop.clock.now_us = asked(1).start_us
    found = exported(shop)
    assert {(s.service_id, s.start_us) for s in found.slots["m1"]} == {
        ("s1", asked(2).start_us),
        ("late", asked(1).start_us),
        ("late", asked(2).start_us),
    }
    assert [s.min_booking_buffer_before_end_time_s for s in found.services] == [60, None]
    assert counts(shop.put_files(*export(shop, "again").paths)) == (0, 0, 3, 0)


def test_booking_is_taken_and_a_live_lease_is_not(shop: ImportShop) -> None:
    """A lease ends within minutes and a feed lasts a day; the booking server answers for it meanwhile."""
    shop.put(slot(0, spots_open=10))
    shop.shop.book(asked())
    shop.shop.lease(asked())
    assert spots_open(shop) == 9
    assert shop.shop.count_available(asked()) == 8


def test_booking_within_the_second_of_the_export_is_in_neither_count(shop: ImportShop) -> None:
    """spots_open is true at generation_timestamp, which has whole seconds: so says the import too."""
    shop.put(slot(0))
    shop.shop.clock.advance(us=999_999)
    shop.shop.book(asked())
    assert spots_open(shop) == 12
    assert counts(shop.put_files(*export(shop, "again").paths)) == (0, 0, 1, 0)
    shop.shop.clock.advance(us=1)
    assert spots_open(shop) == 11


def test_slot_with_more_bookings_than_spots_says_in_our_own_key_what_was_sold_elsewhere(shop: ImportShop) -> None:
    shop.put(slot(0, spots_total=5, spots_open=5))
    bookings = [shop.shop.book(asked(), user_id=f"u{number}") for number in range(4)]
    shop.put(slot(0, spots_total=5, spots_open=0, slotlease_spots_elsewhere=2))
    assert counts(shop.put_files(*export(shop).paths)) == (0, 0, 1, 0)
    shop.shop.cancel(bookings[0])
    assert shop.shop.count_available(asked()) == 0
    (entry,) = exported(shop, name="google", for_google=True).slots["m1"]
    assert (entry.spots_open, entry.spots_elsewhere) == (0, None)


def test_slot_that_the_operator_closed_has_no_spot_open_and_is_as_before_when_they_open_it(shop: ImportShop) -> None:
    shop.put(slot(0, spots_open=9))
    shop.shop.book(asked())
    shop.shop.ask(CloseSlot(asked(), closes=True))
    assert spots_open(shop) == 0
    assert counts(shop.put_files(*export(shop, "again").paths)) == (0, 0, 1, 0)
    assert shop.shop.count_available(asked()) == 0
    shop.shop.ask(CloseSlot(asked(), closes=False))
    assert shop.shop.count_available(asked()) == 8
    assert spots_open(shop) == 8


def test_feed_for_google_has_no_keys_of_ours(shop: ImportShop) -> None:
    shop.put_files(
        shop.feeds.merchants(MERCHANT),
        shop.feeds.services(SERVICE | {"slotlease_one_booking_per_user": False}),
        shop.slots_file(slot(0)),
    )
    written = export(shop, gzipped=False, for_google=True)
    assert not any("slotlease" in path.read_text() for path in written.paths)
    assert any("slotlease" in path.read_text() for path in export(shop, "ours", gzipped=False).paths)


def test_empty_ledger_is_written_as_empty_feeds(shop: ImportShop) -> None:
    found = exported(shop)
    assert (found.merchants, found.services, found.slots) == ((), (), {})
    assert found.slots_generation_us == GENERATED_US


def test_writing_that_fails_leaves_no_file_behind(tmp_path: Path) -> None:
    feed = FeedWriter(tmp_path, "merchant", GENERATED_S, gzipped=True)
    feed.add({"merchant_id": "m1"})
    assert [path.name[0] for path in tmp_path.iterdir()] == ["."]
    with pytest.raises(TypeError), feed:
        feed.add({"merchant_id": object()})
    assert list(tmp_path.iterdir()) == []


def test_feed_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    with FeedWriter(tmp_path, "merchant", GENERATED_S, gzipped=False) as feed:
        feed.add({"merchant_id": "m1"})
        assert not list(tmp_path.glob("merchant_feed*"))
    assert [path.name for path in tmp_path.iterdir()] == [f"merchant_feed_{GENERATED_S}_001_of_001.json"]


def test_one_entry_without_what_it_does_not_need(shop: ImportShop) -> None:
    shop.put(slot(0))
    feed = json.loads(gzip.decompress(export(shop).paths[2].read_bytes()))
    (entry,) = feed["service_availability"][0]["availability"]
    assert without(entry, "confirmation_mode") == slot(0)

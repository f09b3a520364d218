"""The ledger written as feeds: importing them again changes nothing."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slotlease.desk.close_slot import CloseSlot
from slotlease.domain.booking import Booking
from slotlease.domain.slot import SECOND_US, AskedSlot, Resources
from slotlease.inventory.example import write_example
from slotlease.inventory.exporting import Exported, export_feeds
from slotlease.inventory.feed_writer import FeedWriter
from tests.inventory.feed_folder import (
    GENERATED_S,
    MERCHANT,
    SERVICE,
    START_S,
    FeedFolder,
    WholeFeed,
    metadata,
    read_whole,
    without,
)
from tests.inventory.import_shop import GENERATED_US, HOUR_S, ImportShop, asked, counts, import_shop, rows_of, slot
from tests.support import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ImportShop]:
    with import_shop(tmp_path) as opened:
        yield opened


def export(shop: ImportShop, name: str = "export", **options: Any) -> Exported:
    return export_feeds(shop.store, shop.folder / name, shop.shop.clock.now_us, **options)


def exported(shop: ImportShop, **options: Any) -> WholeFeed:
    return read_whole(export(shop, **options).paths)


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


# --- the property ----------------------------------------------------------------------------------------------------


RESOURCES = st.fixed_dictionaries(
    {},
    optional={
        "staff_id": st.sampled_from(["a", "b"]),
        "room_id": st.sampled_from(["a", "r"]),
        "party_size": st.sampled_from([2, 4]),
    },
)
INSTANTS = st.integers(GENERATED_S - 10, START_S + 10 * HOUR_S)
OVERRIDES = st.fixed_dictionaries(
    {},
    optional={
        "first_bookable_sec": INSTANTS,
        "last_bookable_sec": INSTANTS,
        "last_online_cancellable_sec": INSTANTS,
    },
)
RULES = st.fixed_dictionaries(
    {},
    optional={"min_advance_booking": st.integers(0, 3_600), "min_advance_online_canceling": st.integers(0, 3_600)},
) | st.fixed_dictionaries(
    {"admission_policy": st.just("TIME_FLEXIBLE"), "min_booking_buffer_before_end_time": st.integers(0, 3_600)}
)
PLACES = st.tuples(st.sampled_from(["m1", "m2"]), st.sampled_from(["s1", "s2"]), st.integers(0, 3))


@st.composite
def slots(draw: st.DrawFn) -> dict[str, Any]:
    merchant_id, service_id, number = draw(PLACES)
    total = draw(st.integers(1, 4))
    fields: dict[str, Any] = {
        "merchant_id": merchant_id,
        "service_id": service_id,
        "spots_total": total,
        "spots_open": draw(st.integers(0, total)),
        "resources": draw(RESOURCES),
        "scheduling_rule_overrides": draw(OVERRIDES),
        "availability_tag": draw(st.sampled_from(["", "t", "ü"])),
        "confirmation_mode": f"CONFIRMATION_MODE_{draw(st.sampled_from(['A', '']))}SYNCHRONOUS",
        "duration_sec": draw(st.sampled_from([HOUR_S, 1])),
    }
    return slot(number, **fields)


@st.composite
def recurring(draw: st.DrawFn) -> dict[str, Any]:
    """Half an hour, every two hours for some: so it is none of the single slots, and some of it may be blocked."""
    merchant_id, service_id, number = draw(PLACES)
    begin_s = START_S + draw(st.integers(0, 5 * HOUR_S))
    fields: dict[str, Any] = {
        "merchant_id": merchant_id,
        "service_id": service_id,
        "duration_sec": HOUR_S // 2,
        "spots_total": 1,
        "spots_open": 1,
        "resources": draw(RESOURCES),
        "recurrence": {"repeat_every_sec": 2 * HOUR_S, "repeat_until_sec": START_S + 2 * number * HOUR_S},
        "schedule_exception": [{"time_range": {"begin_sec": begin_s, "end_sec": begin_s + HOUR_S}}],
    }
    return slot(0, **fields)


@st.composite
def feeds(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """Merchants, services, slots: of two merchants with two services, in some feeds one of them alone."""
    merchants = draw(st.sampled_from([["m1", "m2"], ["m1"], ["m2"]]))
    services = draw(st.sampled_from([["s1", "s2"], ["s1"]]))
    found: dict[object, dict[str, Any]] = {}
    for entry in draw(st.lists(slots() | recurring(), max_size=8)):
        if entry["merchant_id"] in merchants and entry["service_id"] in services:
            found[
                json.dumps([entry[key] for key in ("merchant_id", "service_id", "start_sec", "duration_sec")])
                + json.dumps(sorted(entry["resources"].items()))
            ] = entry
    one_per_user = draw(st.booleans())
    return (
        [{"merchant_id": merchant_id, "name": draw(st.sampled_from(["N", "Ö"]))} for merchant_id in merchants],
        [
            {"merchant_id": merchant_id, "service_id": service_id, "rules": draw(RULES)}
            | ({} if one_per_user else {"slotlease_one_booking_per_user": False})
            for merchant_id in merchants
            for service_id in services
        ],
        list(found.values()),
    )


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["lease", "book", "cancel", "close", "open", "wait"]), st.integers(0, 7), st.integers(0, 2)
    ),
    max_size=12,
)


def act(shop: Shop, entries: list[dict[str, Any]], actions: list[tuple[str, int, int]]) -> None:
    booked: list[Booking] = []
    for what, which, who in actions:
        if what == "wait":
            shop.clock.advance(s=which * 37, us=which * 1_003)
        elif what == "cancel" and booked:
            shop.cancel(booked[which % len(booked)])
        elif entries:
            entry = entries[which % len(entries)]
            resources = Resources(**entry["resources"])
            asked_slot = AskedSlot(
                entry["merchant_id"],
                entry["service_id"],
                entry["start_sec"] * SECOND_US,
                entry["duration_sec"] * SECOND_US,
                resources=resources,
            )
            if what in ("close", "open"):
                shop.ask(CloseSlot(asked_slot, closes=what == "close"))
            elif what == "lease":
                shop.ask(shop.create_lease(asked_slot))
            else:
                answer = shop.ask(shop.create_booking(asked_slot, user_id=f"u{who}"))
                booked += [answer] if isinstance(answer, Booking) else []


def write(folder: Path, feed: tuple[list[Any], list[Any], list[Any]], generated_s: int) -> list[Path]:
    files = FeedFolder(folder)
    meta = metadata(generated_s=generated_s)
    return [
        files.write("merchants.json", {"metadata": meta, "merchant": feed[0]}),
        files.write("services.json", {"metadata": meta, "service": feed[1]}),
        files.write("slots.json", {"metadata": meta, "service_availability": [{"availability": feed[2]}]}),
    ]


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(feeds(), ACTIONS), min_size=1, max_size=3), st.integers(0, 4 * HOUR_S))
def test_export_then_import_changes_nothing(days: list[tuple[Any, list[tuple[str, int, int]]]], later_s: int) -> None:
    """Whatever was imported, leased, booked, cancelled and closed before, in whatever order."""
    with TemporaryDirectory() as name, import_shop(Path(name)) as shop:
        for feed, actions in days:
            shop.put_files(*write(shop.folder, feed, shop.shop.clock.now_us // SECOND_US))
            act(shop.shop, feed[2], actions)
        shop.shop.clock.advance(s=later_s)
        written = export(shop, gzipped=later_s % 2 == 0)
        before = rows_of(shop.folder)
        summary = shop.put_files(*written.paths)
        assert counts(summary) == (0, 0, written.slots, 0)
        assert (summary.merchants_unchanged, summary.services_unchanged) == (written.merchants, written.services)
        assert rows_of(shop.folder) == before


def test_export_makes_the_same_inventory_of_an_empty_ledger(shop: ImportShop, tmp_path: Path) -> None:
    paths = write_example(tmp_path / "example", date(2025, 3, 1), 2, generation_s=GENERATED_S).paths
    shop.put_files(*paths)
    with import_shop(tmp_path / "copy") as copy:
        copy.put_files(*export(shop).paths)
        assert exported(copy) == exported(shop, name="again")
        found, given = exported(copy, name="third"), read_whole(paths)
        assert (found.slots, found.merchants) == (given.slots, given.merchants)


def test_one_entry_without_what_it_does_not_need(shop: ImportShop) -> None:
    shop.put(slot(0))
    feed = json.loads(gzip.decompress(export(shop).paths[2].read_bytes()))
    (entry,) = feed["service_availability"][0]["availability"]
    assert without(entry, "confirmation_mode") == slot(0)

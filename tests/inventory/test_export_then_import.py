"""Whatever is on the ledger, written as feeds and imported again it changes nothing."""

from __future__ import annotations

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
from tests.inventory.feed_folder import (
    GENERATED_S,
    START_S,
    FeedFolder,
    metadata,
    read_whole,
)
from tests.inventory.import_shop import (
    HOUR_S,
    ImportShop,
    counts,
    export,
    exported,
    import_shop,
    rows_of,
    slot,
)
from tests.support import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ImportShop]:
    with import_shop(tmp_path) as opened:
        yield opened


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

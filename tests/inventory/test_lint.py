"""What Google would warn about in feeds that can be imported."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from slotlease.inventory import example
from slotlease.inventory.example import write_example
from slotlease.inventory.feed import FeedRefused
from slotlease.inventory.lint import FeedWarning, Rule, lint
from tests.inventory.feed_folder import GENERATED_S, MERCHANT, SECOND_US, SERVICE, SLOT, FeedFolder

NOW_US = GENERATED_S * SECOND_US
DAY_S = 86_400
HOUR_S = 3_600
TOMORROW_S = (GENERATED_S // DAY_S + 1) * DAY_S
IN_SLOTS = "service_availability[0].availability"


@pytest.fixture
def shop(tmp_path: Path) -> FeedFolder:
    return FeedFolder(tmp_path)


def daily(days: range = range(30), hour: int = 12, **fields: Any) -> list[dict[str, Any]]:
    """A slot at that hour on each of these days, 0 being the day after the feed was generated."""
    return [SLOT | {"start_sec": TOMORROW_S + day * DAY_S + hour * HOUR_S} | fields for day in days]


def linted(shop: FeedFolder, *slots: dict[str, Any], now_us: int = NOW_US) -> list[FeedWarning]:
    paths = [shop.merchants(MERCHANT), shop.services(SERVICE), shop.availability(*slots)]
    return list(lint(paths, now_us))


def only(warnings: list[FeedWarning]) -> FeedWarning:
    assert len(warnings) == 1, warnings
    return warnings[0]


def test_feed_of_thirty_days_gives_no_cause_for_warning(shop: FeedFolder) -> None:
    assert linted(shop, *daily()) == []


def test_feed_that_does_not_reach_thirty_days_ahead_is_warned_of(shop: FeedFolder) -> None:
    warning = only(linted(shop, *daily(range(7))))
    assert (warning.rule, warning.place) == (Rule.MISSING_DAYS, f"{IN_SLOTS}[0]")
    assert "service s1: has no slot on 22 of the 30 days ahead" in warning.problem
    assert "the first 2025-02-27" in warning.problem


def test_day_in_between_that_is_missing_is_warned_of_and_a_weekly_day_of_rest_is_not(shop: FeedFolder) -> None:
    open_days = [slot for day, slot in enumerate(daily()) if day % 7 != 3]
    assert linted(shop, *open_days) == []
    del open_days[10]
    assert "has no slot on 1 of the 30 days ahead" in only(linted(shop, *open_days)).problem


def test_slots_of_a_service_that_is_not_in_the_services_feed_are_warned_of(shop: FeedFolder) -> None:
    warning = only(linted(shop, *daily(), *daily(service_id="s2")))
    assert (warning.rule, warning.place) == (Rule.UNKNOWN_ID, f"{IN_SLOTS}[30].service_id")
    assert "the services feed given does not list" in warning.problem
    assert warning.problem.endswith('(30 slots name it) (found: "s2")')


def test_service_without_a_slot_is_warned_of(shop: FeedFolder) -> None:
    services = shop.services(SERVICE, SERVICE | {"service_id": "s2"})
    warning = only(list(lint([shop.merchants(), services, shop.availability(*daily())], NOW_US)))
    assert (warning.file, warning.place, warning.rule) == (str(services), "service[1]", Rule.SERVICE_WITHOUT_SLOTS)


@pytest.mark.parametrize("kinds", [["availability"], ["services"], ["merchants"], ["merchants", "availability"]])
def test_kind_of_feed_that_is_not_given_is_not_missed(shop: FeedFolder, kinds: list[str]) -> None:
    files = {
        "merchants": shop.merchants(),
        "services": shop.services(),
        "availability": shop.availability(*daily()),
    }
    assert lint([files[kind] for kind in kinds], NOW_US) == ()


def test_recurrences_beside_single_slots_of_one_service_are_warned_of(shop: FeedFolder) -> None:
    first = daily(range(1), hour=8, spots_total=1, spots_open=1)[0]
    recurring = first | {"recurrence": {"repeat_every_sec": HOUR_S, "repeat_until_sec": first["start_sec"] + HOUR_S}}
    warning = only(linted(shop, *daily(), recurring))
    assert (warning.rule, warning.place) == (Rule.MIXED_RECURRENCE, f"{IN_SLOTS}[30]")


def test_recurrences_alone_are_as_google_wants_them(shop: FeedFolder) -> None:
    every_day = [
        slot | {"recurrence": {"repeat_every_sec": HOUR_S, "repeat_until_sec": slot["start_sec"] + 5 * HOUR_S}}
        for slot in daily(spots_total=1, spots_open=1)
    ]
    assert linted(shop, *every_day) == []


def test_overlapping_slots_that_share_staff_are_warned_of_once_for_each_of_them(shop: FeedFolder) -> None:
    slots = [
        *daily(resources={"staff_id": "anna"}),
        *daily(resources={"staff_id": "anna", "room_id": "r"}),
        *daily(resources={"staff_id": "ben"}),
    ]
    warning = only(linted(shop, *slots))
    assert (warning.rule, warning.place) == (Rule.OVERLAPPING_STAFF, f"{IN_SLOTS}[30]")
    assert "staff anna: slots that begin while another of theirs lasts: 30" in warning.problem


def test_slots_that_touch_do_not_overlap(shop: FeedFolder) -> None:
    staff = {"staff_id": "anna"}
    assert linted(shop, *daily(resources=staff), *daily(hour=13, resources=staff)) == []


def test_short_slot_within_a_long_one_does_not_hide_what_comes_after(shop: FeedFolder) -> None:
    staff = {"staff_id": "anna"}
    slots = [
        *daily(duration_sec=4 * HOUR_S, resources=staff),
        *daily(range(1), hour=13, resources=staff),
        *daily(range(1), hour=15, resources=staff),
    ]
    assert "of theirs lasts: 2" in only(linted(shop, *slots)).problem


def test_identical_slots_are_warned_of_with_both_places(shop: FeedFolder) -> None:
    slots = daily()
    warning = only(linted(shop, *slots, slots[3]))
    assert (warning.rule, warning.place) == (Rule.IDENTICAL, f"{IN_SLOTS}[30]")
    assert f"is the same slot as {IN_SLOTS}[3]" in warning.problem


def test_tables_sold_as_party_sizes_without_a_room_are_warned_of(shop: FeedFolder) -> None:
    slots = [*daily(resources={"party_size": 2}), *daily(resources={"party_size": 4})]
    warning = only(linted(shop, *slots))
    assert (warning.rule, warning.place) == (Rule.PARTY_SIZES_WITHOUT_ROOM, f"{IN_SLOTS}[30]")
    assert "this the first of 30" in warning.problem


def test_party_sizes_of_one_room_or_at_starts_of_their_own_are_not(shop: FeedFolder) -> None:
    in_rooms = [daily(resources={"party_size": size, "room_id": "table-1"}) for size in (2, 4)]
    assert linted(shop, *in_rooms[0], *in_rooms[1]) == []
    apart = [daily(hour=hour, resources={"party_size": size}) for hour, size in ((12, 2), (18, 4))]
    assert linted(shop, *apart[0], *apart[1]) == []


def test_times_in_the_past_are_warned_of(shop: FeedFolder) -> None:
    now_us = (TOMORROW_S + 12 * HOUR_S) * SECOND_US
    warning = only(linted(shop, *daily(), now_us=now_us))
    assert (warning.rule, warning.place) == (Rule.PAST_SLOTS, f"{IN_SLOTS}[0]")
    assert "slots that are past: 1" in warning.problem
    assert linted(shop, *daily(), now_us=now_us - 1) == []


def test_slot_that_has_begun_is_not_past_while_its_service_admits_late_bookings(shop: FeedFolder) -> None:
    rules = {"admission_policy": "TIME_FLEXIBLE", "min_booking_buffer_before_end_time": 60}
    paths = [shop.merchants(), shop.services(SERVICE | {"rules": rules}), shop.availability(*daily())]
    first_us = daily()[0]["start_sec"] * SECOND_US
    assert lint(paths, first_us) == ()
    assert only(list(lint(paths, first_us + HOUR_S * SECOND_US))).rule is Rule.PAST_SLOTS


def test_feed_from_the_future_is_warned_of(shop: FeedFolder) -> None:
    warning = only(linted(shop, *daily(), now_us=NOW_US - 1))
    assert (warning.rule, warning.place) == (Rule.GENERATED_IN_THE_FUTURE, "metadata.generation_timestamp")
    assert "2025-02-19T21:20:00+00:00" in warning.problem


def test_keys_of_our_own_are_warned_of(shop: FeedFolder) -> None:
    services = shop.services(SERVICE | {"slotlease_one_booking_per_user": False})
    slots = shop.availability(*daily(slotlease_spots_elsewhere=1))
    warnings = lint([shop.merchants(), services, slots], NOW_US)
    assert [(warning.rule, warning.place) for warning in warnings] == [
        (Rule.OWN_KEY, "service[0]"),
        (Rule.OWN_KEY, f"{IN_SLOTS}[0]"),
    ]


def test_feed_that_is_wrong_in_itself_is_refused_as_an_import_refuses_it(shop: FeedFolder) -> None:
    with pytest.raises(FeedRefused, match="must be from 1 to 10,000 spots"):
        linted(shop, SLOT | {"spots_total": 0})
    with pytest.raises(FeedRefused, match="give these too: 1"):
        lint([shop.availability(*daily(), shards=2, nonce="n")], NOW_US)


def test_warning_reads_as_a_line_with_file_place_and_rule(shop: FeedFolder) -> None:
    warning = only(linted(shop, *daily(range(7))))
    assert str(warning).startswith(f"{shop.folder / 'slots.json'}: {IN_SLOTS}[0]: merchant m1, service s1: has no slot")
    assert str(warning).endswith("[missing-days]")


def test_example_is_warned_of_for_what_it_is_there_to_show(tmp_path: Path) -> None:
    written = write_example(tmp_path, date(2025, 2, 20), 30, generation_s=GENERATED_S)
    found = [(warning.rule, warning.problem.split(":")[0]) for warning in lint(written.paths, NOW_US)]
    assert [rule for rule, _ in found] == [
        Rule.OWN_KEY,
        Rule.PARTY_SIZES_WITHOUT_ROOM,
        Rule.OVERLAPPING_STAFF,
        Rule.OVERLAPPING_STAFF,
    ]
    assert [who for rule, who in found if rule is Rule.OVERLAPPING_STAFF] == [
        f"merchant {example.SALON}, staff {example.ANNA}",
        f"merchant {example.SALON}, staff {example.BEN}",
    ]

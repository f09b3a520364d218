"""`slotlease slot`: why a slot cannot be had, and how it is taken off sale."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from slotlease.domain.slot import SECOND_US, AskedSlot, Resources
from slotlease.inventory.example import ANNA, BASIN, CHAIRS, COLOUR, CUT, GYM, RESTAURANT, SALON, TABLE, YOGA
from slotlease.store.clock import system_clock
from slotlease.store.open import open_store
from tests.cli.running import TOMORROW, Outcome, run
from tests.support import HOUR_US, MINUTE_US, HandClock, Offered, Shop

Capsys = pytest.CaptureFixture[str]

AT_7 = TOMORROW.replace(hour=7)
YOGA_AT_7 = ("--merchant", GYM, "--service", YOGA, "--start", AT_7.isoformat(), "--duration", "1h")
YOGA_SLOT = AskedSlot(GYM, YOGA, int(AT_7.timestamp()) * SECOND_US, HOUR_US)
AT_9 = TOMORROW.replace(hour=9)
BASIN_AT_9 = ("--merchant", SALON, "--service", COLOUR, "--start", AT_9.isoformat(), "--duration", "90m")
COLOUR_AT_9 = (*BASIN_AT_9, "--staff", ANNA, "--room", BASIN)
CUT_AT_9 = AskedSlot(
    SALON, CUT, int(AT_9.timestamp()) * SECOND_US, 30 * MINUTE_US, resources=Resources(ANNA, CHAIRS[ANNA])
)


@pytest.fixture
def shop(ledger: str) -> Iterator[Shop]:
    """A desk on the ledger, now."""
    store = open_store(ledger)
    yield Shop(store, HandClock(system_clock()))
    store.close()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[tuple[str, Shop]]:
    """A ledger of one merchant, m1, on the real clock, and a shop to put slots on it."""
    url = f"sqlite:///{tmp_path / 'small.db'}"
    store = open_store(url, create=True)
    yield url, Shop(store, HandClock(system_clock()))
    store.close()


def words_for(offered: Offered) -> tuple[str, ...]:
    start = str(offered.start_us // SECOND_US)
    words = ("--merchant", "m1", "--service", offered.service_id, "--start", start, "--duration", "1h")
    staff = ("--staff", offered.staff_id) if offered.staff_id else ()
    return words + staff + (("--room", offered.room_id) if offered.room_id else ())


def in_an_hour() -> int:
    """A whole second, as `--start` takes them."""
    return system_clock() // SECOND_US * SECOND_US + HOUR_US


def shown(capsys: Capsys, url: str, *words: str) -> Any:
    outcome = run(capsys, "slot", "show", *words, "--store", url, "--json")
    assert outcome.code == 0, outcome.err
    return outcome.json


def reasons(told: Any) -> list[str]:
    return [reason["reason"] for reason in told["why_not_available"]]


# --- show --------------------------------------------------------------------------------------------------------


def test_a_free_slot_is_shown_with_its_spots_and_no_reason(ledger: str, capsys: Capsys) -> None:
    told = shown(capsys, ledger, *YOGA_AT_7)
    assert (told["spots_total"], told["spots_claimed"], told["spots_available"]) == (12, 0, 12)
    assert (told["why_not_available"], told["claims"]) == ([], [])
    assert "Available." in run(capsys, "slot", "show", *YOGA_AT_7, "--store", ledger).out


def test_a_slot_sold_in_part_elsewhere_says_how_many(ledger: str, capsys: Capsys) -> None:
    at_noon = (*YOGA_AT_7, "--start", TOMORROW.replace(hour=12).isoformat())
    told = shown(capsys, ledger, *at_noon)
    assert (told["spots_elsewhere"], told["spots_available"]) == (3, 9)


def test_a_full_slot_says_who_holds_it_until_when_and_by_which_reference(
    ledger: str, shop: Shop, capsys: Capsys
) -> None:
    at_19 = TOMORROW.replace(hour=19)
    table = AskedSlot(
        RESTAURANT, TABLE, int(at_19.timestamp()) * SECOND_US, 2 * HOUR_US, resources=Resources(party_size=6)
    )
    words = ("--merchant", RESTAURANT, "--service", TABLE, "--start", at_19.isoformat(), "--duration", "2h")
    lease = shop.lease(table, reference="eve-1")
    told = shown(capsys, ledger, *words, "--party-size", "6")
    assert reasons(told) == ["FULL"]
    (claim,) = told["claims"]
    assert (claim["lease_id"], claim["user_reference"]) == (lease.lease_id, "eve-1")
    assert 590 <= claim["left_s"] <= 600
    out = run(capsys, "slot", "show", *words, "--party-size", "6", "--store", ledger).out
    assert "- all of its 1 spots are claimed" in out
    assert f"- spot 1: leased until {claim['expires']}, for 9m" in out
    assert f"by reference eve-1, {lease.lease_id}" in out
    booking = shop.book(table, lease_id=lease.lease_id)
    (claim,) = shown(capsys, ledger, *words, "--party-size", "6")["claims"]
    assert claim == {"spot": 1, "booking_id": booking.booking_id, "status": "CONFIRMED"}


def test_a_slot_shows_nothing_of_its_customers(ledger: str, shop: Shop, capsys: Capsys) -> None:
    booking = shop.book(YOGA_SLOT)
    out = run(capsys, "slot", "show", *YOGA_AT_7, "--store", ledger).out + json.dumps(shown(capsys, ledger, *YOGA_AT_7))
    assert booking.booking_id in out
    for personal in (booking.user.given_name, booking.user.email, booking.user.telephone, booking.user_key):
        assert personal not in out


def test_busy_staff_is_told_with_what_keeps_it_busy(ledger: str, shop: Shop, capsys: Capsys) -> None:
    booking = shop.book(CUT_AT_9)
    told = shown(capsys, ledger, *COLOUR_AT_9)
    assert (reasons(told), told["spots_claimed"], told["spots_available"]) == (["STAFF_BUSY"], 0, 0)
    (reason,) = told["why_not_available"]
    assert (reason["service"], reason["staff"], reason["duration_s"]) == (CUT, ANNA, 1800)
    assert [claim["booking_id"] for claim in reason["claims"]] == [booking.booking_id]
    out = run(capsys, "slot", "show", *COLOUR_AT_9, "--store", ledger).out
    assert f"- staff anna is busy with cut at {AT_9.strftime('%Y-%m-%dT%H:%M:%SZ')} for 30m" in out
    assert f"  - spot 1: booked, CONFIRMED, {booking.booking_id}" in out


def test_a_busy_room_is_told_too(small: tuple[str, Shop], capsys: Capsys) -> None:
    url, shop = small
    mine = Offered(start_us=in_an_hour(), room_id="blue")
    other = Offered("dye", start_us=mine.start_us, room_id="blue", staff_id="ann")
    shop.offer(mine, other)
    shop.book(other.asked())
    told = shown(capsys, url, *words_for(mine))
    assert reasons(told) == ["ROOM_BUSY"]
    assert "room blue is busy with dye" in told["why_not_available"][0]["description"]


def test_a_slot_tells_every_reason_at_once(small: tuple[str, Shop], capsys: Capsys) -> None:
    url, shop = small
    offered = Offered(start_us=in_an_hour(), first_bookable_us=in_an_hour() - 60 * SECOND_US)
    shop.offer(offered)
    url_words = (*words_for(offered), "--store", url)
    assert run(capsys, "booking", "create", *url_words).code == 0
    assert run(capsys, "slot", "close", *url_words, "--yes").code == 0
    shop.offer(Offered(start_us=offered.start_us, first_bookable_us=offered.first_bookable_us, closed=True))
    told = shown(capsys, url, *words_for(offered))
    assert reasons(told) == ["CLOSED_BY_FEED", "CLOSED_BY_OPERATOR", "NOT_BOOKABLE_YET", "FULL"]


@pytest.mark.parametrize(
    ("offered", "reason"),
    [
        (Offered(start_us=-30 * MINUTE_US), "BEGUN"),
        (Offered(start_us=HOUR_US, last_bookable_us=1), "LEAD_TIME_PASSED"),
        (Offered(start_us=HOUR_US, first_bookable_us=4_102_444_800 * SECOND_US), "NOT_BOOKABLE_YET"),
        (Offered(start_us=HOUR_US, closed=True), "CLOSED_BY_FEED"),
        (Offered(start_us=HOUR_US, spots_total=3, spots_elsewhere=3), "FULL"),
    ],
)
def test_a_slot_says_which_rule_forbids_it(
    small: tuple[str, Shop], offered: Offered, reason: str, capsys: Capsys
) -> None:
    """`offered` starts so long from now."""
    url, shop = small
    start_us = (system_clock() + offered.start_us) // SECOND_US * SECOND_US
    moved = replace(offered, start_us=start_us)
    shop.offer(moved)
    told = shown(capsys, url, *words_for(moved))
    assert reasons(told)[0] == reason
    assert told["spots_available"] == 0
    assert "Not available, because" in run(capsys, "slot", "show", *words_for(moved), "--store", url).out


def test_a_slot_that_is_on_no_feed_is_refused_by_the_part_that_is_wrong(ledger: str, capsys: Capsys) -> None:
    for words, field in (
        ((*YOGA_AT_7, "--merchant", "gym-9"), "slot.merchant_id"),
        ((*YOGA_AT_7, "--service", "boxing"), "slot.service_id"),
        ((*YOGA_AT_7, "--staff", "nobody"), "slot.resources"),
        ((*YOGA_AT_7, "--start", (AT_7 + timedelta(minutes=1)).isoformat()), "slot.start_time"),
    ):
        for verb in (("show",), ("close", "--yes"), ("open",)):
            outcome = run(capsys, "slot", *verb, *words, "--store", ledger)
            assert outcome.code == 1
            assert f"refused, SLOT_UNKNOWN: {field}: " in outcome.err


# --- close, open --------------------------------------------------------------------------------------------------


def closed_then(ledger: str, capsys: Capsys, verb: str) -> Outcome:
    return run(capsys, "slot", verb, *YOGA_AT_7, "--store", ledger, "--json", *(("--yes",) if verb == "close" else ()))


def test_a_slot_is_taken_off_sale_and_put_back(ledger: str, capsys: Capsys) -> None:
    closed = closed_then(ledger, capsys, "close")
    assert (closed.code, reasons(closed.json), closed.json["spots_available"]) == (0, ["CLOSED_BY_OPERATOR"], 0)
    refused = run(capsys, "lease", "create", *YOGA_AT_7, "--store", ledger)
    assert refused.err == "slotlease: refused, SLOT_UNAVAILABLE: the slot is closed for booking\n"
    assert run(capsys, "booking", "create", *YOGA_AT_7, "--store", ledger).code == 1, "closed to the merchant too"
    opened = closed_then(ledger, capsys, "open")
    assert (opened.code, reasons(opened.json), opened.json["spots_available"]) == (0, [], 12)


def test_closing_asks_first_and_a_program_must_say_yes(ledger: str, capsys: Capsys) -> None:
    refused = run(capsys, "slot", "close", *YOGA_AT_7, "--store", ledger)
    assert refused.code == 2
    assert "say --yes" in refused.err
    assert reasons(shown(capsys, ledger, *YOGA_AT_7)) == []
    closed_then(ledger, capsys, "close")
    assert run(capsys, "slot", "close", *YOGA_AT_7, "--store", ledger).code == 0, "it is closed: nothing to ask"


def test_the_next_feed_does_not_open_what_the_operator_closed(ledger: str, tmp_path: Path, capsys: Capsys) -> None:
    closed_then(ledger, capsys, "close")
    feeds = [str(path) for path in sorted((tmp_path / "feeds").iterdir())]
    assert run(capsys, "inventory", "import", *feeds, "--store", ledger).code == 0
    assert reasons(shown(capsys, ledger, *YOGA_AT_7)) == ["CLOSED_BY_OPERATOR"]


def test_opening_does_not_open_what_a_feed_closed(small: tuple[str, Shop], capsys: Capsys) -> None:
    url, shop = small
    offered = Offered(start_us=in_an_hour(), closed=True)
    shop.offer(offered)
    opened = run(capsys, "slot", "open", *words_for(offered), "--store", url, "--json")
    assert (opened.code, reasons(opened.json)) == (0, ["CLOSED_BY_FEED"])

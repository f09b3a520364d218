"""`slotlease inventory lint` and `show`: what Google would warn about, and a merchant's day."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from slotlease.desk.close_slot import CloseSlot
from slotlease.domain.slot import SECOND_US, AskedSlot
from slotlease.inventory.example import GYM, SALON, YOGA
from tests.cli.inventory_files import (
    AT_7_US,
    YOGA_SLOT,
    Capsys,
    availability,
    example_files,
    instant,
    ledgers_feed,
    put,
    shop_beside,
    slots_of,
)
from tests.cli.running import TOMORROW, run
from tests.support import HOUR_US, Shop


@pytest.fixture
def shop(ledger: str) -> Shop:
    return shop_beside(ledger)


# --- lint --------------------------------------------------------------------------------------------------------


def test_lint_lists_warnings_by_rule_and_ends_with_1(capsys: Capsys) -> None:
    files = example_files(capsys, "--merchants", "3")
    outcome = run(capsys, "inventory", "lint", *files)
    assert outcome.code == 1
    rules = [line.rpartition("[")[2] for line in outcome.out.splitlines()]
    assert rules == ["own-key]", "party-sizes-without-room]", "overlapping-staff]", "overlapping-staff]"]
    assert outcome.err.startswith("slotlease: 4 warnings; ")
    told = run(capsys, "inventory", "lint", *files, "--json").json["warnings"]
    assert [warning["rule"] for warning in told] == [rule[:-1] for rule in rules]
    assert told[1]["file"] == files[2]
    assert told[1]["place"].startswith("service_availability[0].availability[")


def test_lint_finds_nothing_where_all_is_well(capsys: Capsys) -> None:
    files = example_files(capsys, "--merchants", "1")
    feed = availability(files[2])
    slots_of(feed)[:] = [slot for slot in slots_of(feed) if slot["service_id"] == YOGA]
    Path("yoga.json").write_text(json.dumps(feed), encoding="utf-8")
    outcome = run(capsys, "inventory", "lint", "yoga.json")
    assert (outcome.code, outcome.out, outcome.err) == (0, "Nothing to warn about.\n", "")
    assert run(capsys, "inventory", "lint", "yoga.json", "--json").json == {"warnings": []}


def test_lint_of_what_an_import_would_refuse_lists_the_errors(capsys: Capsys) -> None:
    Path("wrong.json").write_text("{}", encoding="utf-8")
    outcome = run(capsys, "inventory", "lint", "wrong.json")
    assert outcome.code == 1
    assert "wrong.json: must hold one of merchant, service, service_availability" in outcome.err
    told = run(capsys, "inventory", "lint", "wrong.json", "--json").json
    assert told["errors_total"] == len(told["errors"]) > 0


# --- show --------------------------------------------------------------------------------------------------------


def test_a_merchants_day_is_shown_with_who_holds_each_slot(ledger: str, shop: Shop, capsys: Capsys) -> None:
    shop.lease(YOGA_SLOT)
    shop.book(YOGA_SLOT)
    at_9 = AskedSlot(GYM, YOGA, AT_7_US + 2 * HOUR_US, HOUR_US)
    shop.ask(CloseSlot(at_9, closes=True))
    feed = availability(ledgers_feed())
    slots_of(feed)[:] = [slot for slot in slots_of(feed) if slot["start_sec"] * SECOND_US != AT_7_US + 5 * HOUR_US]
    put(capsys, feed, ledger)
    day = TOMORROW.date().isoformat()
    rows = run(capsys, "inventory", "show", GYM, "--day", day, "--store", ledger, "--json").json
    found = {row["time"]: row for row in rows if row["service"] == YOGA}
    counts = ("spots", "elsewhere", "booked", "leased", "available", "state")
    assert [found["07:00+00:00"][name] for name in counts] == [12, 0, 1, 1, 10, "open"]
    assert [found["09:00+00:00"][name] for name in counts] == [12, 0, 0, 0, 0, "closed by the operator"]
    assert [found["12:00+00:00"][name] for name in counts] == [12, 3, 0, 0, 0, "closed by the feed"]
    assert {row["confirmed_later"] for row in rows} == {True, False}
    printed = run(capsys, "inventory", "show", GYM, "--day", day, "--store", ledger).out
    line = next(line for line in printed.splitlines() if line.startswith("07:00"))
    assert line.split() == ["07:00+00:00", YOGA, instant(AT_7_US), "1h", *"---", "12", "0", "1", "1", "10", "open"]


def test_a_day_is_the_zones(ledger: str, capsys: Capsys) -> None:
    """14 hours ahead of UTC, so the salon's hours from nine on are the night between two of their days."""
    words = ("inventory", "show", SALON, "--store", ledger, "--json", "--zone", "Pacific/Kiritimati", "--day")
    times = [row["time"] for row in run(capsys, *words, TOMORROW.date().isoformat()).json]
    assert {time[:2] for time in times} == {"23"}
    times = [row["time"] for row in run(capsys, *words, (TOMORROW + timedelta(days=1)).date().isoformat()).json]
    assert (times[0], times[-1]) == ("00:00+14:00", "23:30+14:00")


def test_today_is_shown_unless_another_day_is_asked_for(ledger: str, capsys: Capsys) -> None:
    outcome = run(capsys, "inventory", "show", GYM, "--store", ledger)
    assert outcome.code == 0
    today = (TOMORROW - timedelta(days=1)).date()
    assert outcome.out == f"{GYM} has no slots that start on {today} (UTC).\n"


@pytest.mark.parametrize("words", [("--day", "tomorrow"), ("--zone", "Mars/Olympus"), ("--zone", "../etc/passwd")])
def test_day_and_zone_that_are_none_are_misused(words: tuple[str, str], ledger: str, capsys: Capsys) -> None:
    outcome = run(capsys, "inventory", "show", GYM, *words, "--store", ledger)
    assert outcome.code == 2
    assert words[0] in outcome.err


def test_a_merchant_nobody_knows_has_no_day(ledger: str, capsys: Capsys) -> None:
    outcome = run(capsys, "inventory", "show", "nobody", "--store", ledger)
    assert outcome.code == 1
    assert "no merchant on the ledger has the id 'nobody'" in outcome.err

"""`slotlease inventory` on real feeds and a real ledger, without a server."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from slotlease.cli import inventory
from slotlease.desk.close_slot import CloseSlot
from slotlease.domain.slot import SECOND_US, AskedSlot
from slotlease.inventory.example import GYM, MERCHANTS, YOGA, write_example
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
from tests.cli.running import COMMAND, TOMORROW, run
from tests.support import HOUR_US, Shop


@pytest.fixture
def shop(ledger: str) -> Shop:
    return shop_beside(ledger)


# --- import ------------------------------------------------------------------------------------------------------


def test_example_feeds_are_imported_and_once_more_change_nothing(capsys: Capsys) -> None:
    files = example_files(capsys, "--days", "2")
    words = ("inventory", "import", *files, "--store", "sqlite:///new.db")
    first = run(capsys, *words)
    assert (first.code, first.err) == (0, "")
    assert first.out.startswith("Imported into sqlite:///new.db in ")
    assert cells(first.out) == [
        ["new", "changed", "unchanged", "closed", "refused"],
        ["merchants", "6", "0", "0", "0", "0"],
        ["services", "14", "0", "0", "0", "0"],
        ["slots", "416", "0", "0", "0", "0"],
    ]
    again = run(capsys, *words, "--json").json
    assert again["slots_unchanged"] == 416
    assert again["seconds"] > 0
    told = {name: value for name, value in again.items() if value and not name.endswith("_unchanged")}
    assert told.keys() == {"seconds"}


def cells(printed: str) -> list[list[str]]:
    lines = [line.split() for line in printed.splitlines()[1:]]
    return [words for words in lines if words and "─" not in words[0]]


def test_import_says_what_is_new_changed_unchanged_and_closed(ledger: str, capsys: Capsys) -> None:
    feed = availability(ledgers_feed())
    slots = slots_of(feed)
    slots[1]["spots_open"] -= 1
    slots.append(slots[0] | {"start_sec": slots[0]["start_sec"] + 60})
    del slots[0]
    printed = put(capsys, feed, ledger).out
    assert ["slots", "1", "1", str(len(slots) - 2), "1", "0"] in cells(printed)


def test_dry_run_says_the_same_and_changes_nothing(ledger: str, capsys: Capsys) -> None:
    feed = availability(ledgers_feed())
    del slots_of(feed)[0]
    dry = put(capsys, feed, ledger, "--dry-run", "--json").json
    told = put(capsys, feed, ledger, "--dry-run").out
    assert told.startswith(f"An import into {ledger} would do this; nothing was changed.\n")
    real = put(capsys, feed, ledger, "--json").json
    assert (dry.pop("dry_run"), real.pop("dry_run")) == (True, False)
    del dry["seconds"], real["seconds"]
    assert dry == real
    assert real["slots_closed"] == 1


def test_dry_run_where_there_is_no_ledger_compares_with_an_empty_one_and_makes_none(capsys: Capsys) -> None:
    files = example_files(capsys, "--days", "1")
    words = ("inventory", "import", *files, "--store", "sqlite:///new.db")
    dry = run(capsys, *words, "--dry-run", "--json")
    assert not list(Path().glob("new.db*"))
    real = run(capsys, *words, "--json")
    assert (dry.code, dry.json["slots_new"]) == (0, real.json["slots_new"])
    assert dry.json["slots_new"] > 0


def test_who_holds_a_slot_that_vanished_is_told(ledger: str, shop: Shop, capsys: Capsys) -> None:
    shop.lease(YOGA_SLOT)
    shop.book(YOGA_SLOT)
    feed = availability(ledgers_feed())
    slots_of(feed)[:] = [slot for slot in slots_of(feed) if slot["merchant_id"] != GYM]
    printed = put(capsys, feed, ledger, "--dry-run").out
    assert "1 leases and 1 bookings on them stay as they are" in printed
    assert printed.splitlines()[-1].split() == [GYM, YOGA, instant(AT_7_US), "1h", "-", "-", "-", "1", "1"]
    told = put(capsys, feed, ledger, "--json").json
    assert (told["leases_kept"], told["bookings_kept"]) == (1, 1)
    (kept,) = told["kept"]
    assert (kept["merchant"], kept["start"], kept["leases"], kept["bookings"]) == (GYM, instant(AT_7_US), 1, 1)


def test_more_holders_than_are_listed_are_counted(
    ledger: str, shop: Shop, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slotlease.inventory.importing.KEPT_LISTED_MAX", 1)
    shop.book(YOGA_SLOT)
    other = AskedSlot(GYM, YOGA, AT_7_US + 2 * HOUR_US, HOUR_US)
    shop.book(other)
    shop.lease(other)
    feed = availability(ledgers_feed())
    slots_of(feed).clear()
    last = put(capsys, feed, ledger).out.splitlines()[-1]
    assert last in (
        "and 1 more leases and bookings, on other slots.",
        "and 2 more leases and bookings, on other slots.",
    )


def test_every_error_is_listed_with_file_place_and_value_and_nothing_changes(ledger: str, capsys: Capsys) -> None:
    feed = availability(ledgers_feed())
    wrong = slots_of(feed)[:30]
    for slot in wrong:
        slot["spots_open"] = 13
    outcome = put(capsys, feed, ledger)
    assert outcome.code == 1
    lines = outcome.err.splitlines()
    assert len(lines) == 30 + 1
    for number, line in enumerate(lines[:-1]):
        assert line.startswith(f"next.json: service_availability[0].availability[{number}].spots_open: must not be")
        assert line.endswith("(found: 13)")
    assert lines[-1] == "slotlease: the feeds were refused, nothing was changed: 30 errors; correct the feeds"
    assert ["slots", "0", "0", "0", "0", "30"] in cells("\n" + outcome.out)
    told = put(capsys, feed, ledger, "--json").json
    assert (told["slots_refused"], told["slots_changed"], told["errors_total"], len(told["errors"])) == (30, 0, 30, 30)
    assert told["errors"][0]["place"] == "service_availability[0].availability[0].spots_open"
    assert (told["errors"][0]["file"], told["errors"][0]["value"]) == ("next.json", "13")
    again = run(capsys, "inventory", "import", str(ledgers_feed()), "--store", ledger, "--json").json
    assert (again["slots_new"], again["slots_changed"], again["slots_closed"]) == (0, 0, 0)


def test_a_feed_that_is_not_there_is_refused(ledger: str, capsys: Capsys) -> None:
    outcome = run(capsys, "inventory", "import", "gone.json", "--store", ledger)
    assert outcome.code == 1
    assert "gone.json: cannot be read" in outcome.err
    assert "nothing was changed: 1 error;" in outcome.err


def test_more_spots_than_the_operator_allows_are_refused(ledger: str, capsys: Capsys) -> None:
    Path("slotlease.toml").write_text("spots_total_max = 11\n", encoding="utf-8")
    for words in (("import", str(ledgers_feed()), "--store", ledger), ("lint", str(ledgers_feed()))):
        outcome = run(capsys, "inventory", *words)
        assert outcome.code == 1
        assert ".spots_total: must be from 1 to 11 spots" in outcome.err


def test_interrupted_import_says_what_to_do_and_run_again_ends_the_same(
    ledger: str, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(inventory, "import_feed", interrupted)
        outcome = run(capsys, "inventory", "import", str(ledgers_feed()), "--store", ledger)
    assert outcome.code == 1
    assert outcome.err.startswith("slotlease: interrupted halfway; the ledger holds together")
    assert "run the same import again" in outcome.err
    assert run(capsys, "inventory", "import", str(ledgers_feed()), "--store", ledger).code == 0


# --- progress ----------------------------------------------------------------------------------------------------


def on_terminal(words: Sequence[str], folder: Path) -> tuple[str, str]:
    """What the command writes to stdout, a pipe, and to stderr, a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(  # noqa: S603 - our own program
        [*COMMAND, *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4_096)
        except OSError:  # the other end was closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0, shown
    return out, shown.decode()


def test_progress_is_shown_on_a_terminal_with_rate_and_time_left(tmp_path: Path) -> None:
    write_example(tmp_path / "feeds", TOMORROW.date(), 30, generation_s=int(TOMORROW.timestamp()) - 86_400)
    files = sorted(str(path) for path in (tmp_path / "feeds").iterdir())
    out, shown = on_terminal(["inventory", "import", *files, "--store", "sqlite:///new.db", "--json"], tmp_path)
    assert json.loads(out)["slots_new"] == 3_120
    assert "Reading and checking" in shown
    assert "Importing" in shown
    assert "rows/s" in shown
    assert "slots/s" in shown
    assert "0:00:0" in shown  # time left


# --- example -----------------------------------------------------------------------------------------------------


def test_example_has_over_five_thousand_slots_unless_told_otherwise(capsys: Capsys) -> None:
    outcome = run(capsys, "inventory", "example", "feeds")
    slots = slots_of(availability(ledgers_feed()))
    assert len(slots) > 5_000
    assert len({slot["merchant_id"] for slot in slots}) == MERCHANTS
    days = {slot["start_sec"] // 86_400 for slot in slots}
    assert (min(days), len(days)) == (int(TOMORROW.timestamp()) // 86_400, 30)
    assert f"{len(slots):,} slots. Import them with: slotlease inventory import feeds/*_" in outcome.err


def test_example_is_as_large_as_asked_in_as_many_files(capsys: Capsys) -> None:
    files = example_files(capsys, "--merchants", "9", "--days", "1", "--shards", "3", "--gzip")
    assert len(files) == 5
    assert all(name.endswith(".json.gz") for name in files)
    told = run(capsys, "inventory", "import", *reversed(files), "--store", "sqlite:///new.db", "--json").json
    assert (told["merchants_new"], told["slots_new"]) == (9, 312)


def test_example_has_its_zones_hours(capsys: Capsys) -> None:
    example_files(capsys, "--days", "1", "--merchants", "1", "--zone", "Asia/Kathmandu")
    assert min(slot["start_sec"] for slot in slots_of(availability(ledgers_feed()))) % 3_600 == 45 * 60


def test_example_that_cannot_be_written_is_told(capsys: Capsys) -> None:
    Path("file").touch()
    for words in (("example", "file/feeds"), ("example", "file")):
        outcome = run(capsys, "inventory", *words)
        assert outcome.code == 1
        assert outcome.err.startswith("slotlease: cannot write to ")


# --- export ------------------------------------------------------------------------------------------------------


def test_export_imported_again_changes_nothing(ledger: str, shop: Shop, capsys: Capsys) -> None:
    shop.book(YOGA_SLOT)
    shop.ask(CloseSlot(AskedSlot(GYM, YOGA, AT_7_US + 2 * HOUR_US, HOUR_US), closes=True))
    outcome = run(capsys, "inventory", "export", "out", "--store", ledger)
    files = outcome.out.split()
    assert [Path(name).name.split("_feed_")[0] for name in files] == ["merchant", "service", "availability"]
    assert all(name.endswith("_001_of_001.json.gz") for name in files)
    assert outcome.err == "3 merchants, 7 services, 208 slots.\n"
    told = run(capsys, "inventory", "import", *files, "--store", ledger, "--json").json
    assert told["slots_unchanged"] == 208
    assert not told["slots_new"] + told["slots_changed"] + told["slots_closed"]


def test_export_says_how_many_spots_are_open_now(ledger: str, shop: Shop, capsys: Capsys) -> None:
    shop.book(YOGA_SLOT)
    shop.ask(CloseSlot(AskedSlot(GYM, YOGA, AT_7_US + 2 * HOUR_US, HOUR_US), closes=True))
    told = run(capsys, "inventory", "export", "out", "--no-gzip", "--for-google", "--store", ledger, "--json").json
    assert (told["merchants"], told["services"], told["slots"], len(told["paths"])) == (3, 7, 208, 3)
    slots = slots_of(availability(told["paths"][2]))
    spots = {slot["start_sec"] * SECOND_US: slot["spots_open"] for slot in slots if slot["service_id"] == YOGA}
    assert (spots[AT_7_US], spots[AT_7_US + 2 * HOUR_US]) == (11, 0)
    assert not any("slotlease_" in Path(path).read_text() for path in told["paths"])


def test_export_that_cannot_be_written_is_told(ledger: str, capsys: Capsys) -> None:
    Path("file").touch()
    outcome = run(capsys, "inventory", "export", "file/out", "--store", ledger)
    assert outcome.code == 1
    assert outcome.err.startswith("slotlease: cannot write to ")

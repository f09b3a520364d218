"""docs/getting-started.md: its feeds are good ones, its examples run as they stand there, its rules are lint's."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from slotlease.domain.slot import SECOND_US, AskedSlot, Resources
from slotlease.inventory.lint import Rule
from slotlease.store.clock import system_clock
from slotlease.store.open import open_store
from tests.cli.running import TOMORROW
from tests.cli.shown_commands import run_page
from tests.support import HOUR_US, HandClock, Shop

PAGE = Path(__file__).parents[2] / "docs" / "getting-started.md"
FIRST_CLASS = TOMORROW.replace(hour=8)
_FEED = re.compile(r"^`(\w+\.json)`\n\n```json\n(.*?)```$", re.DOTALL | re.MULTILINE)
_INSTANT = re.compile(r"\b\d{10}\b")


def feeds_of_page() -> dict[str, str]:
    """By name, with the first class tomorrow at eight, and all else as far from it as on the page."""
    found = dict(_FEED.findall(PAGE.read_text("utf-8")))
    first_s = json.loads(found["availability.json"])["service_availability"][0]["availability"][0]["start_sec"]
    shift_s = int(FIRST_CLASS.timestamp()) - first_s
    return {name: _INSTANT.sub(lambda match: str(int(match[0]) + shift_s), text) for name, text in found.items()}


def lay_feeds(folder: Path) -> None:
    for name, text in feeds_of_page().items():
        (folder / name).write_text(text, encoding="utf-8")


def lose_the_second_slot(folder: Path) -> None:
    second_us = int((FIRST_CLASS + timedelta(hours=2)).timestamp()) * SECOND_US
    store = open_store(f"sqlite:///{folder / 'ledger.db'}")
    Shop(store, HandClock(system_clock())).book(
        AskedSlot("studio-1", "yoga", second_us, HOUR_US, resources=Resources("ann"))
    )
    store.close()
    feed = json.loads((folder / "availability.json").read_text("utf-8"))
    del feed["service_availability"][0]["availability"][1]
    (folder / "availability.json").write_text(json.dumps(feed), encoding="utf-8")


@pytest.mark.slow
def test_every_example_of_the_page_runs_and_prints_what_it_shows(tmp_path: Path) -> None:
    meanwhile = {
        "The three feeds lie in the folder.": lay_feeds,
        "The next feed lacks the second slot, and somebody has booked it.": lose_the_second_slot,
    }
    wrong = run_page(PAGE, tmp_path, meanwhile)
    assert wrong == [], "\n\n".join(wrong)


def test_every_rule_of_lint_is_explained() -> None:
    explained = re.findall(r"^\| `([a-z-]+)` \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert sorted(explained) == sorted(rule.value for rule in Rule)

"""docs/commands.md: its examples run as they stand there, and no command is without one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer

from slotlease.cli import app
from slotlease.desk.set_marketing_preference import SetMarketingPreference
from slotlease.domain.booking import BookingStatus
from slotlease.domain.slot import SECOND_US, AskedSlot, Resources
from slotlease.inventory.example import CLEO, GYM, TRAINING
from slotlease.store.clock import system_clock
from slotlease.store.open import open_store
from tests.cli.running import TOMORROW
from tests.cli.shown_commands import Shown, agree, read_page, run_page
from tests.support import HOUR_US, HandClock, Shop, user

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


def book_training(folder: Path) -> None:
    store = open_store(f"sqlite:///{folder / 'ledger.db'}")
    shop = Shop(store, HandClock(system_clock()))
    for hour in (8, 9):
        start_us = int((TOMORROW + timedelta(hours=hour)).timestamp()) * SECOND_US
        booking = shop.book(AskedSlot(GYM, TRAINING, start_us, HOUR_US, resources=Resources(CLEO)), user_id=f"u{hour}")
        assert booking.status is BookingStatus.PENDING_MERCHANT_CONFIRMATION
    store.close()


def say_yes(folder: Path) -> None:
    store = open_store(f"sqlite:///{folder / 'ledger.db'}")
    Shop(store, HandClock(system_clock())).ask(SetMarketingPreference(user("1043"), receives_marketing=True))
    store.close()


HAPPENS = {
    "Two customers book personal training.": book_training,
    "A user says yes to advertising.": say_yes,
}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_example_of_the_page_runs_and_prints_what_it_shows(tmp_path: Path) -> None:
    assert not any(name.startswith("SLOTLEASE_") for name in os.environ)
    wrong = run_page(PAGE, tmp_path, HAPPENS)
    assert wrong == [], "\n\n".join(wrong)


def groups(command: Any, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every command that has commands below it, by its words, and those."""
    below: Mapping[str, Any] = getattr(command, "commands", {})
    if below:
        yield name, below
    for word, one in below.items():
        yield from groups(one, f"{name} {word}")


GROUPS = dict(groups(typer.main.get_command(app), "slotlease"))
COMMANDS = [f"{name} {word}" for name, below in GROUPS.items() for word in below if f"{name} {word}" not in GROUPS]


def test_every_command_has_an_example() -> None:
    shown = [step.command for step in read_page(PAGE.read_text("utf-8")) if isinstance(step, Shown)]
    assert len(COMMANDS) > 20
    without = [name for name in COMMANDS if not any(re.search(rf"\b{name}(?![\w-])", command) for command in shown)]
    assert without == [], f"show and explain them on {PAGE.name}"


def test_what_differs_from_run_to_run_is_not_compared_and_all_else_is() -> None:
    shown = ["lease_id  l1-2-" + "0" * 32, "expires  2026-01-31T12:00:00Z", "left  9m59s", "..."]
    printed = ["lease_id    l3-4-" + "f" * 32, "expires    2027-02-01T00:00:01.5Z", "left    10m", "spot  1"]
    assert agree(shown, printed)
    assert agree(shown, printed[:3])
    assert not agree(shown[:3], printed), "one line more than shown"
    assert not agree(shown, printed[1:])
    assert not agree(["state  ACTIVE"], ["state  EXPIRED"])


def test_every_list_of_commands_says_in_a_whole_sentence_what_each_does() -> None:
    for name, below in GROUPS.items():
        for word, command in below.items():
            told = command.get_short_help_str(limit=57)  # what fits on 80 columns
            assert told.endswith("."), f"{name} {word}"
            assert not told.endswith("..."), f"{name} {word}: {told}"

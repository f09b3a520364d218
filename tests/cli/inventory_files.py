"""Feeds in files of a test's folder, and commands on them."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from slotlease.domain.slot import SECOND_US, AskedSlot
from slotlease.inventory.example import GYM, YOGA
from slotlease.store.clock import system_clock
from slotlease.store.open import open_store
from tests.cli.running import TOMORROW, Outcome, run
from tests.support import HOUR_US, HandClock, Shop

AT_7_US = int(TOMORROW.replace(hour=7).timestamp()) * SECOND_US
YOGA_SLOT = AskedSlot(GYM, YOGA, AT_7_US, HOUR_US)

Capsys = pytest.CaptureFixture[str]


def shop_beside(ledger: str) -> Shop:
    """A desk on the ledger that lives a minute ago: its leases are live."""
    clock = HandClock(system_clock() - 60 * SECOND_US)
    return Shop(open_store(ledger, clock), clock)


def example_files(capsys: Capsys, *options: str) -> list[str]:
    return run(capsys, "inventory", "example", "feeds", *options).out.split()


def availability(path: str | Path) -> dict[str, Any]:
    """The feed in the file, which may be changed and written again."""
    found: dict[str, Any] = json.loads(Path(path).read_text("utf-8"))
    return found


def slots_of(feed: dict[str, Any]) -> list[dict[str, Any]]:
    slots: list[dict[str, Any]] = feed["service_availability"][0]["availability"]
    return slots


def ledgers_feed(folder: str = "feeds") -> Path:
    return next(Path(folder).glob("availability_feed_*"))


def put(capsys: Capsys, feed: dict[str, Any], ledger: str, *options: str) -> Outcome:
    Path("next.json").write_text(json.dumps(feed), encoding="utf-8")
    return run(capsys, "inventory", "import", "next.json", "--store", ledger, *options)


def instant(at_us: int) -> str:
    return (TOMORROW + timedelta(microseconds=at_us - int(TOMORROW.timestamp()) * SECOND_US)).strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )

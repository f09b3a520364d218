"""`slotlease events`: what a partner's own system reads."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import BookingStatus
from slotlease.domain.event import Actor
from slotlease.domain.slot import SECOND_US, AskedSlot
from slotlease.inventory.example import GYM, SALON, YOGA
from slotlease.store.clock import system_clock
from slotlease.store.open import open_store
from tests.cli.running import COMMAND, TOMORROW, WAIT_S, run
from tests.support import HOUR_US, HandClock, Shop, booked

Capsys = pytest.CaptureFixture[str]

YOGA_SLOT = AskedSlot(GYM, YOGA, int(TOMORROW.replace(hour=7).timestamp()) * SECOND_US, HOUR_US)


@pytest.fixture
def shop(ledger: str) -> Iterator[Shop]:
    store = open_store(ledger)
    yield Shop(store, HandClock(system_clock()))
    store.close()


def lines(capsys: Capsys, ledger: str, *words: str) -> list[dict[str, Any]]:
    outcome = run(capsys, "events", "--json", "--store", ledger, *words)
    assert outcome.code == 0, outcome.err
    return [json.loads(line) for line in outcome.out.splitlines()]


def test_each_change_of_a_booking_is_a_line_that_says_who_did_it(ledger: str, shop: Shop, capsys: Capsys) -> None:
    booking = shop.book(YOGA_SLOT)
    shop.ask(UpdateBooking(booking.booking_id, status=BookingStatus.CANCELED, actor=Actor.MERCHANT))
    told = lines(capsys, ledger)
    keys = ("event", "by", "booking_id", "status", "revision", "merchant", "service")
    assert [tuple(event[key] for key in keys) for event in told] == [
        ("BOOKING_CREATED", "USER", booking.booking_id, "CONFIRMED", 1, GYM, YOGA),
        ("BOOKING_CANCELED", "MERCHANT", booking.booking_id, "CANCELED", 2, GYM, YOGA),
    ]


def test_whoever_continues_from_any_line_misses_nothing_and_sees_nothing_twice(
    ledger: str, shop: Shop, capsys: Capsys
) -> None:
    for number in range(3):
        shop.cancel(shop.book(YOGA_SLOT, user_id=f"u{number}"))
    all_told = lines(capsys, ledger)
    assert len(all_told) == 6
    for at, event in enumerate(all_told):
        assert lines(capsys, ledger, "--after", event["cursor"]) == all_told[at + 1 :]
    assert lines(capsys, ledger, "--limit", "2") == all_told[:2]


def test_one_merchants_events_alone(ledger: str, shop: Shop, capsys: Capsys) -> None:
    shop.book(YOGA_SLOT)
    assert lines(capsys, ledger, "--merchant", SALON) == []
    (event,) = lines(capsys, ledger, "--merchant", GYM)
    assert lines(capsys, ledger, "--merchant", GYM, "--after", event["cursor"]) == []
    unknown = run(capsys, "events", "--merchant", "gym-9", "--store", ledger)
    assert (unknown.code, unknown.err[:29]) == (1, "slotlease: no merchant gym-9 ")


def test_events_carry_nothing_of_a_customer(ledger: str, shop: Shop, capsys: Capsys) -> None:
    asked = shop.create_booking(YOGA_SLOT)
    # Longer than the few letters that a cursor might happen to spell.
    booking = booked(shop.ask(replace(asked, user=replace(asked.user, given_name="Adalbertine"))))
    told = run(capsys, "events", "--json", "--store", ledger).out + run(capsys, "events", "--store", ledger).out
    assert booking.booking_id in told
    user = booking.user
    for personal in (user.given_name, user.family_name, user.email, user.telephone, booking.user_key, "token-"):
        assert personal not in told


@pytest.mark.parametrize("cursor", ["", "bogus", "AQ", "é", "0", "A" * 40])
def test_a_cursor_that_is_none_is_misuse(cursor: str, ledger: str, capsys: Capsys) -> None:
    outcome = run(capsys, "events", "--after", cursor, "--store", ledger)
    assert outcome.code == 2
    assert "no cursor of this ledger" in outcome.err


def test_the_cursor_of_another_ledger_is_refused(ledger: str, shop: Shop, tmp_path: Path, capsys: Capsys) -> None:
    shop.book(YOGA_SLOT)
    (event,) = lines(capsys, ledger)
    other = f"sqlite:///{tmp_path / 'other.db'}"
    open_store(other, create=True).close()
    assert run(capsys, "events", "--after", event["cursor"], "--store", other).code == 2


def test_a_cursor_from_after_the_backup_is_told_so(ledger: str, shop: Shop, tmp_path: Path, capsys: Capsys) -> None:
    shop.book(YOGA_SLOT)
    shop.store.close()
    backup = tmp_path / "backup.db"
    shutil.copy(ledger.removeprefix("sqlite:///"), backup)
    clock = HandClock(system_clock())
    later = Shop(open_store(ledger, clock), clock)
    later.book(YOGA_SLOT, user_id="u2", token="later")  # noqa: S106 - an idempotency token
    later.store.close()
    last = lines(capsys, ledger)[-1]
    refused = run(capsys, "events", "--after", last["cursor"], "--store", f"sqlite:///{backup}")
    assert (refused.code, refused.out) == (1, "")
    assert "slotlease: the cursor is ahead of the ledger" in refused.err


def test_people_are_told_with_which_cursor_to_continue(ledger: str, shop: Shop, capsys: Capsys) -> None:
    booking = shop.book(YOGA_SLOT)
    outcome = run(capsys, "events", "--store", ledger)
    assert f"  BOOKING_CREATED  USER  {booking.booking_id}  CONFIRMED  {GYM}  {YOGA}  " in outcome.out
    cursor = outcome.err.split()[-1]
    assert outcome.err == f"Continue with: --after {cursor}\n"
    again = run(capsys, "events", "--after", cursor, "--store", ledger)
    assert (again.out, again.err) == ("", outcome.err)


# --- follow -------------------------------------------------------------------------------------------------------


@contextmanager
def following(ledger: str, folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(  # noqa: S603 - our own program
        [*COMMAND, "events", "--follow", "--every", "20ms", "--json", "--store", ledger, *words],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("SLOTLEASE_")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=WAIT_S)


def next_line(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = json.loads(process.stdout.readline())
    assert isinstance(line, dict)
    return line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_follower_hears_of_what_happens_and_ends_with_0_when_asked(
    number: signal.Signals, ledger: str, shop: Shop, tmp_path: Path
) -> None:
    first = shop.book(YOGA_SLOT, user_id="u1")
    with following(ledger, tmp_path) as process:
        assert next_line(process)["booking_id"] == first.booking_id
        second = shop.book(YOGA_SLOT, user_id="u2")
        assert next_line(process)["booking_id"] == second.booking_id
        process.send_signal(number)
        assert process.communicate(timeout=WAIT_S) == ("", "")
        assert process.returncode == 0


def test_a_follower_asked_to_stop_does_not_sleep_its_interval_out(ledger: str, shop: Shop, tmp_path: Path) -> None:
    shop.book(YOGA_SLOT)
    with following(ledger, tmp_path, "--every", "1h") as process:
        next_line(process)
        began_s = time.monotonic()
        process.terminate()
        assert process.wait(WAIT_S) == 0
        assert time.monotonic() - began_s < WAIT_S / 3


def test_a_follower_with_a_limit_ends_by_itself(ledger: str, shop: Shop, tmp_path: Path) -> None:
    with following(ledger, tmp_path, "--limit", "2") as process:
        for user_id in ("u1", "u2", "u3"):
            shop.book(YOGA_SLOT, user_id=user_id)
        out, _ = process.communicate(timeout=WAIT_S)
        assert (len(out.splitlines()), process.returncode) == (2, 0)


def test_a_reader_that_goes_away_causes_no_traceback(ledger: str, shop: Shop, tmp_path: Path) -> None:
    shop.book(YOGA_SLOT)
    with following(ledger, tmp_path) as process:
        next_line(process)
        assert process.stdout is not None
        process.stdout.close()
        shop.book(YOGA_SLOT, user_id="u2")
        process.wait(WAIT_S)
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
        process.stdout = None

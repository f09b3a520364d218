"""What a run has booked and not cancelled: found again, cancelled, and told where it cannot be."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from slotlease.cli.verify_start import start
from slotlease.domain.booking import Booking
from slotlease.inventory.feed import read_feed
from slotlease.inventory.importing import import_feed
from slotlease.store.clock import system_clock
from slotlease.store.open import open_store
from slotlease.verify.asking import Asking
from slotlease.verify.caller_v2 import CallerV2
from slotlease.verify.cutting import Cutting
from slotlease.verify.feed import read_offers
from slotlease.verify.names import Names
from slotlease.verify.run import give_back
from slotlease.verify.shop import BookingWish, Dialing, Version
from slotlease.verify.trial import Options
from tests.cli.running import COMMAND, WAIT_S, run, serving
from tests.verify.judging import Judged, example_ledger, judged

Capsys = pytest.CaptureFixture[str]
SEED = "one"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    """Each test leaves it as it was: that is what they are about."""
    with judged(tmp_path_factory.mktemp("judged")) as server:
        yield server


def standing(url: str) -> list[Booking]:
    store = open_store(url)
    try:
        return [one for one in store.bookings(limit=1000) if one.claims_spot]
    finally:
        store.close()


def left_by_a_run(server: Judged) -> None:
    """As a run with SEED books, and is killed."""
    caller = CallerV2(Dialing(server.address, WAIT_S))
    free, _ = read_offers(server.feeds, system_clock())
    names = Names(SEED, "booking.made")
    wish = BookingWish(free[0].slot, names.user(), names.token())
    assert caller.create_booking(wish).word == "OK"
    caller.close()


def test_what_an_interrupted_run_has_left_is_found_by_its_seed(server: Judged, capsys: Capsys) -> None:
    left_by_a_run(server)
    words = (*server.words, "--api", "v2", "--only", "booking.made", "--cancel_all_bookings", "--seed")
    assert run(capsys, *words, "another").code == 0
    assert len(standing(server.url)) == 1
    assert run(capsys, *words, SEED).out == "Everything that was booked is cancelled.\n"
    assert standing(server.url) == []


def test_a_booking_that_cannot_be_cancelled_is_named(tmp_path: Path, capsys: Capsys) -> None:
    url, feeds = example_ledger(tmp_path)
    for path in (tmp_path / "feeds").glob("service_feed*"):
        feed = json.loads(path.read_text("utf-8"))
        for service in feed["service"]:
            service["rules"] = {"min_advance_online_canceling": 30 * 86_400}
        path.write_text(json.dumps(feed), encoding="utf-8")
    store = open_store(url)
    with read_feed(tuple((tmp_path / "feeds").iterdir())) as read:
        import_feed(store, read)
    store.close()
    with serving(url, tmp_path) as server:
        words = ("--api", "v2", "--availability", str(feeds[0]), "--only", "booking.made")
        outcome = run(capsys, "verify", server.address, *words)
    (left,) = standing(url)
    assert outcome.code == 0
    assert f"NOT CANCELLED: {left.booking_id}, {left.slot.merchant_id}" in outcome.out
    assert "OUTSIDE_CANCELLATION_WINDOW" in outcome.out
    assert "Everything that was booked is cancelled." not in outcome.out


def test_a_booking_whose_answer_was_lost_is_found_by_its_user_and_cancelled(server: Judged) -> None:
    dialing = Dialing(server.address, WAIT_S)
    caller, around = start(Version.V2, dialing, server.feeds, SEED, 100, Options())
    names = Names("a third", "booking.made")
    wish = BookingWish(around.offers[0].slot, names.user(), names.token())
    with Cutting(server.address, WAIT_S) as proxy:
        lost = Asking(CallerV2(replace(dialing, via=proxy.address)), around.calls.append, around.left)
        assert lost.health("").word == "OK"
        proxy.arm(0.5)
        assert lost.create_booking(wish).word == "UNAVAILABLE"
        lost.close()
    assert len(standing(server.url)) == 1
    assert give_back(around, caller).bookings == ()
    assert standing(server.url) == []
    caller.close()


def test_a_run_that_is_interrupted_cancels_what_it_has_booked(server: Judged) -> None:
    words = ("--api", "v2", "--only", "latency.update", "--qps", "0.2")
    process = subprocess.Popen([*COMMAND, *server.words, *words], stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own
    try:
        until_s = time.monotonic() + WAIT_S
        # The second booking stands while the run waits for its turn to cancel it.
        while len(standing(server.url)) == 0 and time.monotonic() < until_s:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=WAIT_S)
    finally:
        process.kill()
        process.communicate()
    assert "Interrupted: the other cases were not tried." in out
    assert "Everything that was booked is cancelled." in out
    assert process.returncode == 1
    assert standing(server.url) == []

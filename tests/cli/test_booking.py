"""`slotlease booking`: the merchant's own bookings and answers, alone and beside a running server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slotlease.domain.booking import Booking, BookingStatus
from slotlease.domain.slot import SECOND_US, AskedSlot, Resources
from slotlease.inventory.example import CLEO, GYM, RESTAURANT, TABLE, TRAINING, YOGA
from slotlease.store.clock import system_clock
from slotlease.store.open import open_store
from tests.cli.running import TOMORROW, run, serving
from tests.cli.test_serve import count_available
from tests.support import HOUR_US, HandClock, Shop

Capsys = pytest.CaptureFixture[str]

AT_7 = TOMORROW.replace(hour=7)
AT_9 = TOMORROW.replace(hour=9)
YOGA_AT_7 = ("--merchant", GYM, "--service", YOGA, "--start", AT_7.isoformat(), "--duration", "1h")
YOGA_SLOT = AskedSlot(GYM, YOGA, int(AT_7.timestamp()) * SECOND_US, HOUR_US)
TRAINING_SLOT = AskedSlot(
    GYM, TRAINING, int(TOMORROW.replace(hour=8).timestamp()) * SECOND_US, HOUR_US, resources=Resources(CLEO)
)


@pytest.fixture
def shop(ledger: str) -> Iterator[Shop]:
    store = open_store(ledger)
    yield Shop(store, HandClock(system_clock()))
    store.close()


@pytest.fixture
def waiting(shop: Shop) -> Booking:
    booking = shop.book(TRAINING_SLOT)
    assert booking.status is BookingStatus.PENDING_MERCHANT_CONFIRMATION
    return booking


def done(capsys: Capsys, *words: str) -> Any:
    outcome = run(capsys, "booking", *words, "--json")
    assert outcome.code == 0, outcome.err
    return outcome.json


def told(shop: Shop) -> list[tuple[str, str]]:
    return [(one.kind.value, one.actor.value) for one in shop.store.events(after={}, merchant_id=None, limit=99)]


# --- create -------------------------------------------------------------------------------------------------------


def test_a_walk_in_takes_a_spot_and_the_event_says_that_the_merchant_did_it(
    ledger: str, shop: Shop, capsys: Capsys
) -> None:
    words = ("--name", "Ada", "--telephone", "+31 20 1", "--email", "a@b", "--note", "by the window")
    made = done(capsys, "create", *YOGA_AT_7, *words, "--store", ledger)
    assert (made["status"], made["merchant"], made["revision"]) == ("CONFIRMED", GYM, 1)
    assert shop.count_available(YOGA_SLOT) == 11
    assert told(shop) == [("BOOKING_CREATED", "MERCHANT")]
    shown = done(capsys, "show", made["booking_id"], "--store", ledger)
    user = shown["user"]
    assert (user["given_name"], user["telephone"], user["email"]) == ("Ada", "+31 20 1", "a@b")
    assert shown["additional_request"] == "by the window"


def test_a_walk_in_of_one_reference_is_booked_once(ledger: str, shop: Shop, capsys: Capsys) -> None:
    words = ("create", *YOGA_AT_7, "--reference", "till-1", "--store", ledger)
    assert done(capsys, *words)["booking_id"] == done(capsys, *words)["booking_id"]
    assert shop.count_available(YOGA_SLOT) == 11
    other = run(capsys, "booking", *words, "--name", "Ben")
    assert other.code == 1
    assert "refused, IDEMPOTENCY_TOKEN_REUSED: idempotency_token: " in other.err


def test_two_walk_ins_without_names_are_two_people(ledger: str, shop: Shop, capsys: Capsys) -> None:
    for _ in range(2):
        done(capsys, "create", *YOGA_AT_7, "--store", ledger)
    assert shop.count_available(YOGA_SLOT) == 10


def test_a_walk_in_waits_for_no_confirmation_of_the_merchants_own(ledger: str, capsys: Capsys) -> None:
    training = (*YOGA_AT_7, "--service", TRAINING, "--start", TOMORROW.replace(hour=8).isoformat(), "--staff", CLEO)
    assert done(capsys, "create", *training, "--store", ledger)["status"] == "CONFIRMED"


def test_a_full_slot_is_refused_with_its_cause(ledger: str, capsys: Capsys) -> None:
    words = ("--merchant", RESTAURANT, "--service", TABLE, "--start", TOMORROW.replace(hour=19).isoformat())
    table = ("create", *words, "--duration", "2h", "--party-size", "6", "--store", ledger)
    done(capsys, *table)
    refused = run(capsys, "booking", *table, "--json")
    assert (refused.code, refused.json["refusal"]["reason"]) == (1, "SLOT_UNAVAILABLE")
    assert refused.err == "slotlease: refused, SLOT_UNAVAILABLE: no spot of the slot is free\n"


@pytest.mark.parametrize(
    "words",
    [
        ("--name", "two\nlines"),
        ("--telephone", "1" * 256),
        ("--reference", ""),
        ("--party-size", "-1"),
        ("--start", "soon"),
        ("--start", "9" * 30),
        ("--duration", "0s"),
    ],
)
def test_what_no_booking_can_hold_is_misuse(words: tuple[str, ...], ledger: str, capsys: Capsys) -> None:
    outcome = run(capsys, "booking", "create", *YOGA_AT_7, *words, "--store", ledger)
    assert outcome.code == 2
    assert words[0] in outcome.err


# --- answers, moves, cancellations ----------------------------------------------------------------------------------


def test_the_merchant_confirms_what_waits(ledger: str, shop: Shop, waiting: Booking, capsys: Capsys) -> None:
    assert done(capsys, "confirm", waiting.booking_id, "--store", ledger)["status"] == "CONFIRMED"
    assert done(capsys, "confirm", waiting.booking_id, "--store", ledger)["revision"] == 2, "and once is enough"
    assert told(shop) == [("BOOKING_CREATED", "USER"), ("BOOKING_CONFIRMED", "MERCHANT")]


def test_the_merchant_declines_what_waits(ledger: str, shop: Shop, waiting: Booking, capsys: Capsys) -> None:
    declined = done(capsys, "decline", waiting.booking_id, "--yes", "--store", ledger)
    assert (declined["status"], declined["spot"]) == ("CANCELED", None)
    assert told(shop) == [("BOOKING_CREATED", "USER"), ("BOOKING_DECLINED", "MERCHANT")]
    late = run(capsys, "booking", "confirm", waiting.booking_id, "--store", ledger)
    assert (late.code, late.err[:49]) == (1, "slotlease: refused, BOOKING_ALREADY_CANCELLED: th")


def test_what_is_confirmed_is_not_declined(ledger: str, shop: Shop, capsys: Capsys) -> None:
    booking = shop.book(YOGA_SLOT)
    outcome = run(capsys, "booking", "decline", booking.booking_id, "--yes", "--store", ledger)
    assert outcome.code == 1
    assert "the booking waits for no answer: it is CONFIRMED" in outcome.err


def test_the_merchant_moves_a_booking(ledger: str, shop: Shop, capsys: Capsys) -> None:
    booking = shop.book(YOGA_SLOT)
    words = ("move", booking.booking_id, "--start", AT_9.isoformat(), "--yes", "--store", ledger)
    moved = done(capsys, *words)
    assert (moved["booking_id"], moved["revision"]) == (booking.booking_id, 2)
    assert moved["start"] == AT_9.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert shop.count_available(YOGA_SLOT) == 12
    assert told(shop)[-1] == ("BOOKING_MOVED", "MERCHANT")
    nowhere = run(capsys, "booking", "move", booking.booking_id, "--duration", "7m", "--yes", "--store", ledger)
    assert (nowhere.code, "SLOT_UNKNOWN" in nowhere.err) == (1, True)
    assert run(capsys, "booking", "move", booking.booking_id, "--store", ledger).code == 2, "where to was not said"


def test_the_merchant_cancels_a_booking_once(ledger: str, shop: Shop, capsys: Capsys) -> None:
    booking = shop.book(YOGA_SLOT)
    for _ in range(2):
        cancelled = done(capsys, "cancel", booking.booking_id, "--yes", "--store", ledger)
        assert (cancelled["status"], cancelled["revision"]) == ("CANCELED", 2)
    assert shop.count_available(YOGA_SLOT) == 12
    assert told(shop)[-1] == ("BOOKING_CANCELED", "MERCHANT")


@pytest.mark.parametrize("verb", [("cancel",), ("decline",), ("move", "--party-size", "2")])
def test_what_takes_something_away_asks_first(
    verb: tuple[str, ...], ledger: str, shop: Shop, waiting: Booking, capsys: Capsys
) -> None:
    outcome = run(capsys, "booking", *verb, waiting.booking_id, "--store", ledger)
    assert outcome.code == 2
    assert "nobody is here to be asked; say --yes to do it" in outcome.err
    assert shop.store.bookings(limit=9) == [waiting]


@pytest.mark.parametrize(
    ("typed", "code", "status"), [("y\n", 0, "CANCELED"), ("n\n", 1, "CONFIRMED"), ("\n", 1, "CONFIRMED")]
)
def test_the_answer_of_whoever_is_asked_counts(
    typed: str, code: int, status: str, ledger: str, shop: Shop, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    booking = shop.book(YOGA_SLOT)
    terminal = Terminal(typed)
    monkeypatch.setattr("sys.stdin", terminal)
    outcome = run(capsys, "booking", "cancel", booking.booking_id, "--store", ledger)
    assert outcome.code == code
    assert f"Cancel the CONFIRMED booking of {GYM} / {YOGA} at " in outcome.err
    assert booking.user.given_name not in outcome.err
    (found,) = shop.store.bookings(limit=9)
    assert found.status.name == status


class Terminal:
    """A terminal with somebody at it who types this."""

    def __init__(self, typed: str) -> None:
        self._typed = typed

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        typed, self._typed = self._typed, ""
        return typed


@pytest.mark.parametrize("verb", [("confirm",), ("decline", "--yes"), ("cancel", "--yes"), ("move", "--start", "0")])
@pytest.mark.parametrize("booking_id", ["nonsense", "b1-1-00000000000000000000000000000000"])
def test_an_unknown_booking_and_a_malformed_id_are_told_alike(
    verb: tuple[str, ...], booking_id: str, ledger: str, capsys: Capsys
) -> None:
    outcome = run(capsys, "booking", *verb, booking_id, "--store", ledger)
    assert outcome.code == 1
    assert "no booking with this id on sqlite:///" in outcome.err


# --- beside a running server ----------------------------------------------------------------------------------------


def test_every_command_that_writes_works_beside_a_running_server(
    ledger: str, shop: Shop, waiting: Booking, tmp_path: Path, capsys: Capsys
) -> None:
    """And the server's next answer shows it (DESIGN 2)."""
    declined = shop.book(
        AskedSlot(GYM, TRAINING, TRAINING_SLOT.start_us + HOUR_US, HOUR_US, resources=Resources(CLEO)), user_id="u2"
    )
    with serving(ledger, tmp_path) as server:
        made = done(capsys, "create", *YOGA_AT_7, "--store", ledger)["booking_id"]
        assert count_available(server) == 11
        done(capsys, "move", made, "--start", AT_9.isoformat(), "--yes", "--store", ledger)
        assert count_available(server) == 12
        done(capsys, "move", made, "--start", AT_7.isoformat(), "--yes", "--store", ledger)
        done(capsys, "cancel", made, "--yes", "--store", ledger)
        assert count_available(server) == 12
        done(capsys, "confirm", waiting.booking_id, "--store", ledger)
        done(capsys, "decline", declined.booking_id, "--yes", "--store", ledger)
        assert run(capsys, "slot", "close", *YOGA_AT_7, "--yes", "--store", ledger).code == 0
        assert count_available(server) == 0
        assert run(capsys, "slot", "open", *YOGA_AT_7, "--store", ledger).code == 0
        assert count_available(server) == 12
        assert run(capsys, "migrate", "--store", ledger).code == 0, "there is nothing to do"
        assert run(capsys, "doctor", "--store", ledger).code == 0
    status = {found.booking_id: found.status.name for found in shop.store.bookings(limit=9)}
    assert status == {made: "CANCELED", waiting.booking_id: "CONFIRMED", declined.booking_id: "CANCELED"}

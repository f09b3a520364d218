"""`slotlease verify` judges servers that it knows nothing of: one that was written quickly, one that never answers."""

from __future__ import annotations

import json
import logging
import socket
from pathlib import Path
from typing import Any

import pytest

from slotlease.inventory.example import YOGA
from slotlease.store.clock import system_clock
from slotlease.verify.feed import read_offers
from slotlease.verify.shop import SECOND_US, Resources
from tests.cli.running import run
from tests.verify.judging import example_ledger
from tests.verify.stranger import Key, stranger
from tests.verify.stranger_v3 import stranger_v3

Capsys = pytest.CaptureFixture[str]

EXCEPTIONS = {
    *(f"availability.check.unknown-{what}" for what in ("merchant", "service", "slot")),
    *(f"booking.unknown-{what}" for what in ("merchant", "service", "slot")),
    *("booking.missing", "booking.status.unknown", "booking.cancel.unknown"),
    *("robustness.nothing", "robustness.control", "robustness.sql-text"),
    *("robustness.no-unknown", "robustness.no-insides"),
}
"""What it answers with UNKNOWN and an exception's text, because it was not thought of."""

NO_TOKENS = {"booking.token.same", "booking.token.one-effect", "race.one-token.bookings", "lost.booking"}
NO_CHECKS = {
    *("booking.cancel.then-move", "booking.move.taken", "booking.move.taken-keeps"),
    *("robustness.instant", "robustness.duration"),
}
NO_LOCKS = {"race.last-spot.bookings", "race.adds-up"}
COUNTED_TWICE = {"race.one-cancellation", "lost.cancel"}


def spots_of(feed: Path) -> dict[Key, int]:
    free, full = read_offers([feed], system_clock())
    spots: dict[Key, int] = {}
    for offer in (*free, *full):
        slot, resources = offer.slot, offer.slot.resources or Resources()
        times = slot.start_us // SECOND_US, slot.duration_us // SECOND_US
        key = slot.merchant_id, slot.service_id, *times, resources.staff_id, resources.party_size
        spots[key] = offer.spots_open
    return spots


def read(report: Path) -> dict[str, Any]:
    return {one["id"]: one for one in json.loads(report.read_text("utf-8"))["cases"]}


@pytest.mark.slow
def test_a_server_written_quickly_fails_where_it_is_wrong_and_nowhere_else(tmp_path: Path, capsys: Capsys) -> None:
    _, feeds = example_ledger(tmp_path)
    report = tmp_path / "report.json"
    # What its exceptions leave in a log is its own.
    logging.getLogger("grpc._server").disabled = True
    with stranger(spots_of(feeds[0])) as address:
        words = ("--api", "v2", "--availability", str(feeds[0]), "--qps", "100", "--json", str(report))
        outcome = run(capsys, "verify", address, *words)
    cases = read(report)
    failed = {name for name, one in cases.items() if one["outcome"] == "fail"}
    assert failed == {"connection.health"} | EXCEPTIONS | NO_TOKENS | NO_CHECKS | NO_LOCKS | COUNTED_TWICE
    assert [name for name, one in cases.items() if one["outcome"] == "not tried"] == []
    leases = {one["why"] for name, one in cases.items() if name.startswith("lease.")}
    assert leases == {
        "the server offers no leases; Google leaves that to the partner",
        "the server does not offer CreateLease, which is optional",
    }
    assert outcome.code == 1
    assert "Everything that was booked is cancelled." in outcome.out


@pytest.mark.slow
@pytest.mark.parametrize("service_id", ["", YOGA], ids=["all kinds of slots", "classes of twelve alone"])
def test_a_right_server_of_a_new_partner_passes_without_leases_and_without_counts(
    service_id: str, tmp_path: Path, capsys: Capsys
) -> None:
    """The lookup says whether there is a spot and not how many, and a class has more than one."""
    _, (feed,) = example_ledger(tmp_path, merchants=12)
    offered = json.loads(feed.read_text("utf-8"))
    for part in offered["service_availability"]:
        part["availability"] = [one for one in part["availability"] if service_id in {"", one["service_id"]}]
    feed.write_text(json.dumps(offered), encoding="utf-8")
    report = tmp_path / "report.json"
    with stranger_v3(spots_of(feed)) as address:
        words = ("--api", "v3", "--availability", str(feed), "--qps", "200", "--calls", "5", "--json", str(report))
        outcome = run(capsys, "verify", address, *words)
    others = {name: one for name, one in read(report).items() if one["outcome"] not in {"pass", "skipped"}}
    assert {name: (one["outcome"], one["why"], one["findings"]) for name, one in others.items()} == {}
    assert outcome.code == 0
    passed = [name for name, one in read(report).items() if one["outcome"] == "pass"]
    assert {"booking.token.one-effect", "booking.move.spots", "race.one-token.bookings", "lost.booking"} <= set(passed)


def test_a_server_that_never_answers_is_given_up_soon(tmp_path: Path, capsys: Capsys) -> None:
    _, feeds = example_ledger(tmp_path)
    report = tmp_path / "report.json"
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        words = ("--api", "v2", "--availability", str(feeds[0]), "--timeout", "0.1", "--json", str(report))
        outcome = run(capsys, "verify", address, *words)
    assert outcome.code == 1
    given_up = [one for one in read(report).values() if "calls had no answer" in one["why"]]
    assert len(given_up) > 80
    assert {one["outcome"] for one in given_up} == {"not tried"}

"""`slotlease verify` against our own server, over real sockets: everything passes, and nothing is left behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from slotlease.store.open import open_store
from slotlease.verify.case import GROUPS
from slotlease.verify.cases import every_case
from tests.cli.running import Outcome, run, run_process
from tests.postgres_server import database
from tests.verify.judging import LASTS_S, Judged, judged

VERSIONS = ("v0", "v2", "v3")
ELSEWHERE = "v2 on PostgreSQL over the native transport"

Capsys = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    with judged(tmp_path_factory.mktemp("judged")) as server:
        yield server


@dataclass(frozen=True)
class Whole:
    """A run of everything against a server of its own, stopped since."""

    outcome: Outcome
    report: dict[str, Any]
    url: str


@pytest.fixture(scope="module")
def whole_runs(
    tmp_path_factory: pytest.TempPathFactory, postgres: str, postgres_template: str
) -> Iterator[dict[str, Whole]]:
    """Of all versions at the same time: most of a run is waiting for leases to end."""
    with database(postgres, postgres_template) as url, ThreadPoolExecutor(len(VERSIONS) + 1) as pool:
        runs = {version: pool.submit(_whole_run, version, tmp_path_factory.mktemp(version)) for version in VERSIONS}
        elsewhere = tmp_path_factory.mktemp("elsewhere")
        runs[ELSEWHERE] = pool.submit(_whole_run, "v2", elsewhere, "--transport", "native", url=url)
        yield {name: run.result() for name, run in runs.items()}


def _whole_run(version: str, folder: Path, *options: str, url: str = "") -> Whole:
    with judged(folder, "--rest", "127.0.0.1:0", *options, url=url) as server:
        words = (*server.words_of(version), "--qps", "50", "--output_dir", "out")
        outcome = run_process(*words, cwd=folder, lasts_s=LASTS_S)
    report = folder / "out" / "report.json"
    assert report.exists(), outcome
    return Whole(outcome, json.loads(report.read_text("utf-8")), server.url)


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.parametrize("version", [*VERSIONS, ELSEWHERE])
def test_our_own_server_passes_everything_and_gets_back_all_that_was_booked(
    whole_runs: dict[str, Whole], version: str
) -> None:
    outcome, report = whole_runs[version].outcome, whole_runs[version].report
    others = {one["id"]: (one["outcome"], one["why"], one["findings"]) for one in report["cases"]}
    assert {name: told for name, told in others.items() if told[0] not in {"pass", "skipped"}} == {}
    assert outcome.code == 0, outcome.out
    assert set(others) == {case.id for case in every_case()}
    assert {case.group for case in every_case()} <= set(GROUPS)
    assert report["not_cancelled"] == []
    assert "CreateBooking: 0 errors of " in outcome.out
    store = open_store(whole_runs[version].url)
    try:
        assert store.audit() == []
        assert [one for one in store.bookings(limit=1000) if one.claims_spot] == []
    finally:
        store.close()


def test_what_is_chosen_is_tried_and_nothing_else(server: Judged, capsys: Capsys, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    words = ("--only", "lease.echo,lease.id", "--skip", "lease.echo.tag", "--json", str(report))
    outcome = run(capsys, *server.words, "--api", "v2", *words)
    assert outcome.code == 0, outcome.out
    cases = {one["id"]: one["outcome"] for one in json.loads(report.read_text("utf-8"))["cases"]}
    assert cases.pop("lease.echo.tag") == "skipped"
    assert set(cases.values()) == {"pass"}
    assert {"lease.echo.start", "lease.id", "lease.id.ignored"} <= set(cases)
    assert all(name.startswith(("lease.echo.", "lease.id")) for name in cases)


def test_what_is_required_must_not_be_skipped(server: Judged, capsys: Capsys) -> None:
    words = (*server.words, "--api", "v2", "--only", "lease.id", "--skip", "lease.id")
    assert run(capsys, *words).code == 0
    outcome = run(capsys, *words, "--require", "lease.id")
    assert outcome.code == 1
    assert "did not pass: lease.id, lease.id.ignored." in outcome.out


def test_a_host_that_is_not_this_machine_is_left_alone(server: Judged, capsys: Capsys) -> None:
    words = [word if word != server.address else "booking.example:443" for word in server.words]
    outcome = run(capsys, *words, "--api", "v2")
    assert (outcome.code, outcome.out) == (1, "")
    assert "booking.example is not this machine" in outcome.err
    assert "--i-own-this-server" in outcome.err


def test_requests_are_bounded_and_what_was_booked_is_cancelled_all_the_same(server: Judged, capsys: Capsys) -> None:
    outcome = run(capsys, *server.words, "--api", "v2", "--only", "booking", "--requests", "25")
    assert outcome.code == 1
    assert "the run has made as many requests as --requests lets it" in outcome.out
    assert "Everything that was booked is cancelled." in outcome.out


def test_a_server_without_leases_is_told_apart_from_a_broken_one(tmp_path: Path, capsys: Capsys) -> None:
    with judged(tmp_path, "--leases", "off") as server:
        outcome = run(capsys, *server.words, "--api", "v2", "--only", "lease", "--json", str(tmp_path / "report.json"))
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert outcome.code == 0, outcome.out
    assert {one["outcome"] for one in report["cases"]} == {"skipped"}
    assert report["cases"][0]["why"] == "the server offers no leases; Google leaves that to the partner"


def test_a_word_that_chooses_nothing_is_refused(server: Judged, capsys: Capsys) -> None:
    outcome = run(capsys, *server.words, "--api", "v2", "--only", "leases")
    assert outcome.code == 1
    assert "no group or case is called 'leases'" in outcome.err

"""The load generator against real servers: what it sends is understood, what it logs is what was answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import caller
from bench.databases import SqliteFiles
from bench.measure import Bench
from bench.row import Measured, Row

SHORT_S = 0.3


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    try:
        return caller.build(tmp_path_factory.mktemp("programs"))
    except caller.CannotBuild as missing:
        # A C library is needed to measure, and not to work on the server.
        pytest.skip(str(missing))


@pytest.fixture
def bench(programs: dict[str, Path], tmp_path: Path) -> Bench:
    return Bench(programs, {"sqlite": SqliteFiles(tmp_path / "ledgers")}, tmp_path, runs=1, tries=1)


def answers(measured: Measured) -> set[str]:
    assert measured.wrong == []
    return set(measured.middle.answers)


@pytest.mark.parametrize(
    ("row", "answered"),
    [
        pytest.param(Row("lease-book", 16, for_s=SHORT_S), {"OK"}, id="v2"),
        pytest.param(Row("lease-book", 16, api="v0", for_s=SHORT_S), {"OK"}, id="v0"),
        pytest.param(Row("lease-book", 16, "http", api="v3", for_s=SHORT_S), {"200"}, id="v3"),
        pytest.param(Row("batch-lookup", 1, for_s=SHORT_S), {"OK"}, id="lookup"),
        pytest.param(Row("batch-lookup", 1, "http", api="v3", for_s=SHORT_S), {"200"}, id="lookup over HTTP"),
        pytest.param(Row("check", 16, rate_per_s=200, for_s=SHORT_S), {"OK"}, id="open loop"),
    ],
)
def test_each_version_is_asked_and_answers(bench: Bench, row: Row, answered: set[str]) -> None:
    measured = bench.measure(row)
    assert answers(measured) == answered
    assert measured.middle.calls_per_s > 0
    assert measured.middle.server_us > 0


@pytest.mark.slow
def test_every_acknowledged_lease_is_there_after_a_kill(bench: Bench) -> None:
    measured = bench.measure(Row("crash", 64, for_s=1))
    assert "no answer" in answers(measured)


def test_a_missing_header_is_told_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(caller.CannotBuild, match="apt install gcc libc6-dev libnghttp2-dev"):
        caller.build(tmp_path)

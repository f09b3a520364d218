"""What the benchmark says of what it measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import floors, told
from bench.row import Measured, Row, Run
from bench.rows import PROGRAMMES, for_variant

RUN = Run(
    calls_per_s=1000.0,
    pairs_per_s=0.0,
    p50_ms=1.0,
    p99_ms=2.0,
    p999_ms=3.0,
    server_us=100.0,
    client_us=5.0,
    database_us=0.0,
    server_cores=0.9,
    client_cores=0.1,
    foreign_cores=0.0,
    start_s=1.0,
    idle_mb=70.0,
    peak_mb=90.0,
    answers={"OK": 2000},
)
ECHO = Measured(Row("echo"), [replace(RUN, calls_per_s=4000.0)], 1)
LEASE = Measured(Row("lease-hot"), [RUN, replace(RUN, calls_per_s=1200.0), replace(RUN, calls_per_s=1300.0)], 3)
MACHINE = told.Machine(9000.0, 0.1, 300_000.0, 2.0, 2)


def test_a_row_is_set_against_the_echo_of_its_transport_and_load() -> None:
    assert told.echo_ratio(LEASE, [ECHO, LEASE]) == 0.3
    for other in (Row("lease-hot", 16), Row("lease-hot", transport="native"), Row("lease-hot", rate_per_s=100)):
        assert told.echo_ratio(replace(LEASE, row=other), [ECHO, LEASE]) is None


def test_the_middle_run_is_told_with_the_slowest_and_the_fastest() -> None:
    _, _, _, line = told.table([ECHO, LEASE]).splitlines()
    cells = [cell.strip() for cell in line.split("|")]
    assert "1,200" in cells
    assert "1,000..1,300" in cells


def test_a_row_says_what_makes_it_doubtful() -> None:
    doubtful = replace(RUN, wrong=["a spot was sold twice"], foreign_cores=0.5, client_cores=0.7)
    assert told.remarks(replace(LEASE, runs=[doubtful])) == [
        "WRONG: a spot was sold twice",
        "disturbed",
        "client above 0.6 of a core",
    ]
    assert told.remarks(LEASE) == []


def test_json_and_plots_hold_every_row(tmp_path: Path) -> None:
    told.write_json(tmp_path / "bench.json", MACHINE, [ECHO, LEASE])
    rows = json.loads((tmp_path / "bench.json").read_text())["rows"]
    assert [(row["workload"], len(row["runs"])) for row in rows] == [("echo", 1), ("lease-hot", 3)]
    for plot in (told.plot_rates, told.plot_latencies):
        texts = {node.text for node in ElementTree.fromstring(plot([ECHO, LEASE])).iter() if node.text}  # noqa: S314 - our own
        assert {str(ECHO.row), str(LEASE.row)} <= texts


def test_a_floor_is_met_missed_or_left_out() -> None:
    lease = Measured(Row("lease-uniform"), [replace(RUN, calls_per_s=4600.0, idle_mb=95.0)], 1)
    echo = Measured(Row("echo"), [replace(RUN, calls_per_s=9200.0)], 1)
    lines = floors.table([echo, lease]).splitlines()
    assert "| CreateLease, SQLite, grpcio, calls/s | at least 4,500 | 4,600 | met |" in lines
    assert "| CreateLease, SQLite, grpcio, of its echo | at least 0.55 | 0.50 | MISSED |" in lines
    assert "| memory before the first call, grpcio, MB | at most 90 | 95.00 | MISSED |" in lines
    assert not any("native" in line for line in lines)
    assert floors.table([echo]) == ""


@pytest.mark.parametrize(("programme", "unmeasured"), [("usual", floors.SCALE[1:]), ("full", ())])
def test_every_floor_is_measured_but_the_largest_ledgers_only_at_length(
    programme: str, unmeasured: tuple[str, ...]
) -> None:
    rows = {row: Measured(row, [RUN], 1) for row in PROGRAMMES[programme].rows}
    missing = [floor.name.partition(":")[0] for floor in floors.FLOORS if floor.reached(rows) is None]
    assert missing == list(unmeasured)


def test_every_programme_has_each_row_once() -> None:
    for programme in PROGRAMMES.values():
        assert len({str(row) for row in programme.rows}) == len(programme.rows)


def test_another_transport_is_for_rows_of_ours_over_grpc() -> None:
    assert for_variant(Row("check"), "postgres", "native", None) == Row("check", 128, "native", "postgres")
    rest = Row("check", 16, "http", api="v3")
    assert for_variant(rest, None, "native", None) == rest

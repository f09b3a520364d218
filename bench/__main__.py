"""`python -m bench quick|usual|full|peers`: measures, prints one table, and writes it with its plots into a folder.

Ends with 1 where an answer was wrong: how fast that came does not matter.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import caller, floors, told
from bench.databases import Database, SqliteFiles, postgres
from bench.inventory import Inventory
from bench.machine import fdatasync_per_s
from bench.measure import Bench
from bench.requests import METHODS, Encoder, Kind, Planned
from bench.row import CPP, Measured, Row
from bench.rows import PROGRAMMES, for_variant
from bench.servers import compiled
from bench.tape import write_tape
from bench.workloads import WORKLOADS


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    # The servers work in folders of their own.
    options.folder = options.folder.resolve()
    try:
        programs = caller.build(options.folder)
    except caller.CannotBuild as missing:
        sys.stderr.write(f"{missing}\n")
        return 2
    programme = PROGRAMMES[options.programme]
    rows = [for_variant(row, options.store, options.transport, options.processes) for row in programme.rows]
    # Once each: rows that differed by what is now the same for all are one.
    rows = [row for row in dict.fromkeys(rows) if not options.only or row.workload in options.only]
    if not rows:
        sys.stderr.write(f"bench {options.programme} has no row of {' or '.join(options.only)}: see bench/rows.py\n")
        return 2
    if caller.ECHO not in programs and any(row.transport == CPP for row in rows):
        sys.stdout.write(
            "Without the echo in C++: for it, install g++, pkg-config and libgrpc++-dev (Debian, Ubuntu).\n"
        )
        rows = [row for row in rows if row.transport != CPP]
    with ExitStack() as stack:
        scratch = stack.enter_context(TemporaryDirectory(dir=options.folder, prefix="scratch-"))
        runs, tries = options.runs or programme.runs, options.tries or programme.tries
        databases: dict[str, Database] = {"sqlite": SqliteFiles(options.folder / "ledgers")}
        if any(row.store == "postgres" for row in rows):
            databases["postgres"] = stack.enter_context(postgres(options.folder / f"postgres-{os.getpid()}"))
        bench = Bench(programs, databases, Path(scratch), runs, max(runs, tries))
        machine = _machine(programs, Path(scratch))
        sys.stdout.write(f"{machine}\n")
        measured = [_measure(bench, row) for row in rows]
    sys.stdout.write(f"\n{told.table(measured)}\n\n{floors.table(measured)}\n")
    told.write_json(options.folder / f"{options.programme}.json", machine, measured)
    for name, plot in (("rates", told.plot_rates), ("latencies", told.plot_latencies)):
        (options.folder / f"{options.programme}-{name}.svg").write_text(plot(measured))
    sys.stdout.write(f"Also in {options.folder}: {options.programme}.json and two plots (SVG).\n")
    wrong = [f"{one.row}: {what}" for one in measured for what in one.wrong]
    sys.stdout.writelines(f"WRONG {line}\n" for line in wrong[:20])
    return int(bool(wrong))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("programme", choices=PROGRAMMES)
    parser.add_argument("--only", action="append", choices=WORKLOADS, help="only this workload; several times for more")
    parser.add_argument("--store", choices=["sqlite", "postgres"], help="every row on this store")
    parser.add_argument("--transport", choices=["grpcio", "native"], help="every row of gRPC by this transport")
    parser.add_argument("--processes", type=int, help="so many server processes")
    parser.add_argument("--runs", type=int, help="so many runs of each row count")
    parser.add_argument("--tries", type=int, help="and so many are made at most, where others use the machine")
    parser.add_argument("--folder", type=Path, default=Path("build/bench"), help="where to work and to write")
    return parser.parse_args(arguments)


def _measure(bench: Bench, row: Row) -> Measured:
    began_s = time.monotonic()
    sys.stdout.write(f"{row} ... ")
    sys.stdout.flush()
    measured = bench.measure(row)
    middle, took_s = measured.middle, time.monotonic() - began_s
    said = "; ".join(told.remarks(measured))
    sys.stdout.write(
        f"{middle.calls_per_s:,.0f}/s, {middle.server_us:.0f} us a call, "
        f"{measured.tries} runs in {took_s:.0f} s; {said}\n"
    )
    sys.stdout.flush()
    return measured


def _machine(programs: dict[str, Path], scratch: Path) -> told.Machine:
    rate, p50_ms = fdatasync_per_s(scratch)
    tape = scratch / "tape"
    request = Encoder("v2", Inventory()).request(Planned(Kind.LEASE, 0, "0" * 32))
    write_tape(tape, METHODS["v2"], [request] * 100, grpc=True)
    with compiled(programs["sink"]) as sink:
        load = caller.Load(sink.address, tape, 8, 128, warm_s=0.2, for_s=0.8, cycles=True)
        loaded = caller.call(programs["load"], load, scratch / "calls")
    calls = sum(0 <= call.end_ns < loaded.measured_s * 1e9 for call in loaded.calls)
    return told.Machine(rate, p50_ms, calls / loaded.measured_s, loaded.client_cpu_s * 1e6 / calls, os.cpu_count() or 1)


if __name__ == "__main__":
    sys.exit(main())

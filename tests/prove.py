"""The long versions of all proofs, one command: `make prove`, or `python -m tests.prove`. docs/correctness.md says what
each of them proves.

Every proof is a process of its own. What it ran, how much of it, from which seed and for how long ends up in a table;
what failed is shown whole, with the command that does the same again. Exit code 1 where anything failed.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
PYTEST = ("-m", "pytest", "-p", "no:cacheprovider", "--no-header", "--timeout=0")


@dataclass(frozen=True, slots=True)
class Run:
    """A command for this Python, and what its environment adds. `seeds`: what is said of them in the table."""

    arguments: tuple[str, ...]
    seeds: str
    much: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        added = "".join(f"{name}={value} " for name, value in self.environment.items())
        return f"{added}python {shlex.join(self.arguments)}"


@dataclass(frozen=True, slots=True)
class Outcome:
    name: str
    run: Run
    code: int
    said: str
    took_s: float

    @property
    def figures(self) -> str:
        """The last line that a proof says is its figures; pytest's is cleared of its ornaments."""
        lines = [line for line in self.said.splitlines() if line.strip()]
        last = lines[-1] if lines else "said nothing"
        last = re.sub(r"^=+ | =+$| in [0-9.]+s.*$", "", last)
        return ", ".join(filter(None, (last.partition(": ")[2] or last, self.run.much)))


def model(scale: float, seed: int) -> Run:
    effort = _at_least_1(10 * scale)
    return _model(
        seed, effort, "not socket and not on_postgres", f"{200 * effort:,} programs of 40 steps, {180 * effort:,} days"
    )


def model_through_sockets(scale: float, seed: int) -> Run:
    effort = _at_least_1(10 * scale)
    return _model(
        seed, effort, "socket and not on_postgres", f"{50 * effort:,} programs of 40 steps, {20 * effort:,} days"
    )


def linearizability(scale: float, seed: int) -> Run:
    count = _at_least_1(500 * scale)
    command = ("-m", "tests.linearizability.histories", "--histories", str(count), "--seed", str(seed))
    return Run(command, f"{seed} to {seed + count - 1}")


def crash(scale: float, seed: int) -> Run:
    return Run(("-m", "tests.crash.lives", "--kills", str(_at_least_1(300 * scale)), "--seed", str(seed)), str(seed))


def simulation(scale: float, seed: int) -> Run:
    count = _at_least_1(5_000 * scale)
    command = ("-m", "tests.proofs.simulator", "--seeds", str(count), "--first", str(seed))
    return Run(command, f"{seed} to {seed + count - 1}")


def planted(_scale: float, _seed: int) -> Run:
    return Run(("-m", "tests.proofs.planted"), "from 1")


def power_cut(scale: float, seed: int) -> Run:
    count = _at_least_1(50 * scale)
    command = ("-m", "tests.proofs.power_cut", "--days", str(count), "--seed", str(seed))
    return Run(command, f"{seed} to {seed + count - 1}")


def faults(_scale: float, _seed: int) -> Run:
    others = ("--ignore=tests/proofs/test_power_cut.py", "--ignore=tests/proofs/test_simulation.py")
    return Run((*PYTEST, "tests/proofs", *others), "none")


def model_on_postgres(scale: float, seed: int) -> Run:
    effort = _at_least_1(10 * scale)
    much = f"{6 * effort:,} programs of 40 steps and {5 * effort:,} days on both engines, {4 * effort:,} by socket"
    return _model(seed, effort, "on_postgres", much)


def lost_lines(_scale: float, _seed: int) -> Run:
    files = ("tests/postgres/test_line_goes_dead.py", "tests/postgres/test_every_statement_fails.py")
    return Run((*PYTEST, *files), "none", "every kind of request", {"PROOF_EFFORT": "2"})


def two_servers(scale: float, seed: int) -> Run:
    effort = _at_least_1(10 * scale)
    files = ("tests/postgres/test_two_servers.py", "tests/postgres/test_stress.py")
    much = f"{4 * effort} histories, {8 * effort} races of each kind, {960 * effort:,} calls of the stress test"
    return _on_postgres(seed, effort, files, much)


def deaths(scale: float, seed: int) -> Run:
    effort = _at_least_1(10 * scale)
    files = ("tests/postgres/test_under_load.py", "tests/postgres/test_server_killed.py")
    much = f"{2 * effort} kills of the database, {5 * effort} of servers, {effort} loads on bad lines"
    return _on_postgres(seed, effort, (*files, "tests/postgres/test_process_clocks.py"), much)


PROOFS: dict[str, Callable[[float, int], Run]] = {
    "model": model,
    "model by socket": model_through_sockets,
    "crash": crash,
    "linearizability": linearizability,
    "simulation": simulation,
    "planted mistakes": planted,
    "power cut": power_cut,
    "faults": faults,
    "PostgreSQL: model": model_on_postgres,
    "PostgreSQL: lost lines": lost_lines,
    "PostgreSQL: two servers": two_servers,
    "PostgreSQL: deaths": deaths,
}


def _model(seed: int, effort: int, which: str, much: str) -> Run:
    environment = {"PROOF_EFFORT": str(effort), "PROOF_SEED": str(seed)}
    command = (*PYTEST, "tests/model", "-k", which, f"--hypothesis-seed={seed}")
    return Run(command, f"from {seed}", much, environment)


def _on_postgres(seed: int, effort: int, files: Sequence[str], much: str) -> Run:
    return Run((*PYTEST, *files), f"from {seed}", much, {"PROOF_EFFORT": str(effort), "PROOF_SEED": str(seed)})


def _at_least_1(count: float) -> int:
    return max(1, round(count))


def carry_out(name: str, run: Run) -> Outcome:
    began_s = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - our own tests
        [sys.executable, *run.arguments],
        cwd=ROOT,
        env=os.environ | run.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    # What grpc's own library remarks about a server that was stopped is no figure of ours.
    said = "\n".join(line for line in done.stdout.splitlines() if "chttp2_transport.cc" not in line)
    return Outcome(name, run, done.returncode, said, time.perf_counter() - began_s)


def table_of(outcomes: Sequence[Outcome]) -> Table:
    table = Table(title="What was proven", expand=True)
    for heading in ("proof", "how much", "seeds", "seconds", ""):
        table.add_column(heading, justify="right" if heading == "seconds" else "left")
    for outcome in outcomes:
        verdict = "[red]FAILED" if outcome.code else "[green]ok"
        table.add_row(outcome.name, outcome.figures, outcome.run.seeds, f"{outcome.took_s:,.0f}", verdict)
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=PROOFS, help="this proof; may be given several times")
    parser.add_argument("--seed", type=int, default=1, help="from which on to count seeds (default: 1)")
    parser.add_argument("--scale", type=float, default=1.0, help="so many times as much (default: 1)")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="proofs at a time (default: 2)")
    options = parser.parse_args(arguments)
    console = Console()
    began_s = time.perf_counter()

    def prove(name: str) -> Outcome:
        outcome = carry_out(name, PROOFS[name](options.scale, options.seed))
        console.print(f"{name}: {'FAILED' if outcome.code else 'ok'} after {outcome.took_s:.0f} s", highlight=False)
        return outcome

    with ThreadPoolExecutor(options.jobs) as pool:
        outcomes = list(pool.map(prove, options.only or PROOFS))
    failed = [outcome for outcome in outcomes if outcome.code]
    for outcome in failed:
        console.rule(f"{outcome.name}; again: {outcome.run}")
        console.print(outcome.said, markup=False, highlight=False)
    console.print(table_of(outcomes))
    verdict = f"{len(failed)} failed" if failed else "all of it holds"
    console.print(f"{len(outcomes)} proofs in {time.perf_counter() - began_s:,.0f} s: {verdict}", highlight=False)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())

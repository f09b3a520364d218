"""Histories of concurrent callers over real sockets, recorded and checked: some of them in `make test`, many with
`python -m tests.linearizability.histories --histories 500`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from slotlease.telemetry import set_up_logs
from tests.linearizability.callers import CALLERS, CALLS, Recorded, record
from tests.linearizability.checker import UNKNOWN, Violation, find_violation
from tests.linearizability.place import Asked, State
from tests.support import open_shop
from tests.wire.conftest import Served, serving

EXPECTED_CODES = {"DEADLINE_EXCEEDED", "UNAVAILABLE", "CANCELLED"}


@dataclass(slots=True)
class Figures:
    """Of a run. `wrong` has a text for each place of which no order explains what was told, with its seed."""

    histories: int = 0
    calls: int = 0
    unknown: int = 0
    recording_s: float = 0.0
    checking_s: float = 0.0
    codes: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.histories} histories, {self.calls:,} calls of {CALLERS} callers, {self.unknown:,} unanswered"
            f": {len(self.wrong)} violations; recorded in {self.recording_s:.1f} s, checked in {self.checking_s:.1f} s"
        )


def violations(recorded: Recorded) -> list[Violation[Asked]]:
    found = [find_violation(stage.calls, stage.place, State(stage.start_us)) for stage in recorded.stages]
    return [violation for violation in found if violation is not None]


def run(servers: Sequence[Served], seeds: Iterable[int], *, calls: int = CALLS) -> Figures:
    """Of the `servers` of one ledger, each of whose callers asks always the same."""
    figures = Figures()
    for seed in seeds:
        began_s = time.perf_counter()
        recorded = record(servers[0].shop, [served.address for served in servers], seed, calls=calls)
        recorded_s = time.perf_counter()
        wrong = [f"seed {seed}: {violation}" for violation in violations(recorded)]
        wrong += [f"seed {seed}: token {token} names two" for stage in recorded.stages for token in stage.twins]
        figures.wrong += wrong
        figures.histories += 1
        figures.calls += recorded.calls
        figures.recording_s += recorded_s - began_s
        figures.checking_s += time.perf_counter() - recorded_s
        figures.codes += recorded.codes
        for call in (call for stage in recorded.stages for call in stage.calls):
            figures.unknown += call.told is UNKNOWN
            figures.told[f"{type(call.asked).__name__} {_kind(call.told)}"] += 1
    return figures


def _kind(told: object) -> str:
    if isinstance(told, int):
        return "some" if told else "none"
    return type(told).__name__ if isinstance(told, tuple) else str(told)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=500)
    parser.add_argument("--calls", type=int, default=CALLS, help="in each history")
    parser.add_argument(
        "--seed", type=int, default=1, help="of the first; what is asked follows it, the timing does not"
    )
    options = parser.parse_args()
    set_up_logs("json", "error")
    with tempfile.TemporaryDirectory(prefix="slotlease-histories-") as folder:
        shop = open_shop(Path(folder))
        with serving(shop) as served:
            seeds = range(options.seed, options.seed + options.histories)
            figures = run([served], seeds, calls=options.calls)
            incidents = list(served.incidents)
        findings = shop.store.audit()
        shop.store.close()
    for wrong in [*figures.wrong, *map(repr, incidents), *map(str, findings)]:
        print(wrong)  # noqa: T201 - this is a command
    print(f"linearizability: seeds {seeds.start} to {seeds.stop - 1}: {figures}; codes {dict(figures.codes)}")  # noqa: T201 - the same
    sys.exit(bool(figures.wrong or incidents or findings or figures.codes.keys() - EXPECTED_CODES))


if __name__ == "__main__":
    main()

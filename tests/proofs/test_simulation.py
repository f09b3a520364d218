"""Days of a shop where everything goes wrong, drawn from seeds (tests/proofs/simulator.py): every promise is kept."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.model.effort import EFFORT
from tests.proofs.planted import PLANTED, first_found, planted
from tests.proofs.simulator import days_begin, how_to_replay, live
from tests.proofs.tripwire import DATA, Tripwire

SEEDS = 200 * EFFORT
PLANTED_FOUND_WITHIN = 60
ROOT = Path(__file__).parents[2]


@pytest.fixture
def morning() -> Iterator[tuple[Path, Tripwire]]:
    with days_begin() as begun:
        yield begun


@pytest.mark.slow
def test_no_promise_is_broken_on_any_day(morning: tuple[Path, Tripwire]) -> None:
    """`make prove` lives through more of them. What every kind of trouble came to is counted: none was left out."""
    counts = Counter[str]()
    for seed in range(1, SEEDS + 1):
        day = live(seed, *morning)
        assert not day.violation, how_to_replay(day)
        counts += day.counts
    assert (
        min(
            counts["batches kept whole, untold"],
            counts["batches lost whole"],
            counts["commits of unknown outcome"],
            counts["clock steps back"],
            counts["statements failed: stop"],
            counts["statements failed: BusyError"],
            sum(counts[f"statements failed: {failure}"] for failure in DATA),
            counts["requests doubled"],
            counts["answers lost"],
        )
        > 5
    ), counts


def test_same_seed_is_the_same_day_in_another_process(morning: tuple[Path, Tripwire]) -> None:
    """To the byte, although that process puts its sets into another order."""
    day = live(17, *morning)
    told = subprocess.run(
        [sys.executable, "-m", "tests.proofs.simulator", "--seed", "17"],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "17"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert told.splitlines() == [*day.transcript, f"seed 17, digest {day.digest}"]
    assert live(17, *morning).digest == day.digest
    assert live(18, *morning).digest != day.digest


@pytest.mark.slow
@pytest.mark.parametrize("mistake", PLANTED)
def test_planted_mistake_is_found_and_told_so_that_the_day_can_be_had_again(
    mistake: str, morning: tuple[Path, Tripwire]
) -> None:
    """Each of them breaks a promise of the design. Found later than this, the simulation has become too tame."""
    found = first_found(mistake, PLANTED_FOUND_WITHIN)
    assert found is not None
    assert f"python -m tests.proofs.simulator --seed {found.seed}" in how_to_replay(found)
    assert found.violation in how_to_replay(found)
    with planted(mistake):
        assert live(found.seed, *morning).digest == found.digest
    assert not live(found.seed, *morning).violation, "it is the mistake that breaks that day"

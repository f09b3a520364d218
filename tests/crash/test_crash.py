"""A server that is killed at any moment has lost nothing that it acknowledged, and whoever was not answered asks again
and finds out (INV-12, INV-17, INV-19). And the proof that this can fail: a server that makes a mistake is caught."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from tests.crash.lives import RANDOM, Kill, Lives, kills, run
from tests.crash.serve_and_die import POINTS
from tests.proofs.ledger_file import LEDGER

pytestmark = pytest.mark.slow

KILLS = 3 * len(POINTS)
"""At each point, and as often at random."""


LIVES_MAX = 20


def test_killed_server_lost_nothing_acknowledged_and_every_repeat_tells_what_became_of_the_rest(tmp_path: Path) -> None:
    figures = run(tmp_path, KILLS, seed=1)
    assert figures.wrong == []
    assert figures.kills.keys() == {RANDOM, *POINTS}
    counts = figures.counts
    assert counts["doubtful resolved"] == counts["unanswered"]
    # Nobody was answered of what had no effect, nor of what had: else there would be nothing to find out.
    assert min(counts["found committed"], counts["found not committed"], counts["repeats compared"]) > 0
    assert counts["acknowledged"] > 10 * KILLS


def test_same_seed_kills_at_the_same_points() -> None:
    assert kills(KILLS, 7) == kills(KILLS, 7) != kills(KILLS, 8)


def test_server_that_answers_before_its_commit_is_caught(tmp_path: Path) -> None:
    lives = Lives(tmp_path, 1, mistake="answer-before-commit")
    # Between two writes: what this server is about to write down, it has told of already. Some deaths come before those
    # answers are out, and then nobody was lied to.
    for _ in range(LIVES_MAX):
        lives.kill(Kill("written", 20))
        if lives.figures.wrong:
            break
    assert any("lost frozenset({" in wrong for wrong in lives.figures.wrong), lives.figures.wrong


def test_server_that_ignores_the_token_of_a_repeat_is_caught(tmp_path: Path) -> None:
    lives = Lives(tmp_path, 1, mistake="forget-tokens")
    ledger = apsw.Connection(str(tmp_path / LEDGER))
    ledger.execute("DROP INDEX lease_by_reference")
    ledger.close()
    for _ in range(2):
        lives.kill(Kill("committed", 20))
    assert any("is answered otherwise than before" in wrong for wrong in lives.figures.wrong), lives.figures.wrong
    assert any("names two leases" in wrong for wrong in lives.figures.wrong), lives.figures.wrong

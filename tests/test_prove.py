"""`make prove` says what ran, and what failed so that it can be had again."""

from __future__ import annotations

import pytest

from tests import prove
from tests.prove import Run


def test_proof_that_fails_is_shown_whole_with_its_command_and_ends_in_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def holds(scale: float, seed: int) -> Run:
        return Run(("-c", f"print('holds: {round(500 * scale)} tries, 0 wrong')"), str(seed))

    def breaks(_: float, seed: int) -> Run:
        code = (
            "import os; print('seed', os.environ['SEED'], 'sold twice'); print('breaks: 1 wrong'); raise SystemExit(3)"
        )
        return Run(("-c", code), str(seed), environment={"SEED": str(seed)})

    monkeypatch.setattr(prove, "PROOFS", {"holds": holds, "breaks": breaks})
    monkeypatch.setenv("COLUMNS", "200")
    assert prove.main(["--seed", "7", "--scale", "0.1"]) == 1
    said = capfd.readouterr().out
    assert "seed 7 sold twice" in said
    assert "again: SEED=7 python -c" in said
    assert "50 tries, 0 wrong" in said
    assert "2 proofs in" in said
    assert "1 failed" in said
    assert prove.main(["--only", "holds"]) == 0

"""What the pages of docs/decisions promise of the tests."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_each_test_that_a_decision_names_is_there() -> None:
    pages = "\n".join(page.read_text("utf-8") for page in (ROOT / "docs" / "decisions").glob("*.md"))
    tests = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py"))
    named = set(re.findall(r"`(test_\w+)`", pages))
    assert len(named) > 10
    assert {name for name in named if f"def {name}(" not in tests} == set()

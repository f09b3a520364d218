"""What the pages promise: each test, file and page that they name is there, and a decision has a number of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DECISIONS = ROOT / "docs" / "decisions"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

ROOMS = ("", "src/slotlease", "src/slotlease/wire", "tests", "tests/model")
"""Where a page may begin to count when it names a file."""

OPERATORS_OWN = {"slotlease.toml", "build/bench/"}
"""What whoever uses it makes, or has made."""


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_each_test_that_a_decision_names_is_there() -> None:
    pages = "\n".join(page.read_text("utf-8") for page in DECISIONS.glob("*.md"))
    tests = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py"))
    named = set(re.findall(r"`(test_\w+)`", pages))
    assert len(named) > 10
    assert {name for name in named if f"def {name}(" not in tests} == set()


def test_each_decision_has_its_own_number_and_stands_in_the_index_in_order() -> None:
    listed = re.findall(r"\| \[(\d{4})\]\(([\w.-]+)\)", (DECISIONS / "README.md").read_text("utf-8"))
    pages = sorted(page for page in DECISIONS.glob("*.md") if page.name != "README.md")
    assert [name for _, name in listed] == [page.name for page in pages]
    numbers = [page.name[:4] for page in pages]
    assert len(set(numbers)) == len(numbers)
    assert [number for number, _ in listed] == numbers
    for page, number in zip(pages, numbers, strict=True):
        assert page.read_text("utf-8").startswith(f"# {number} "), page.name


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_file_that_a_page_names_or_links_to_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    links = {link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link}
    assert {link for link in links if not (page.parent / link).exists()} == set()
    named = set(re.findall(r"`((?:[\w-]+/)*[\w-]+\.(?:py|md|sql|toml|lock|yml|proto)|(?:[\w-]+/)+)`", text))
    rooms = [page.parent, *(ROOT / room for room in ROOMS)]
    assert {name for name in named - OPERATORS_OWN if not any((room / name).exists() for room in rooms)} == set()

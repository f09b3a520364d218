"""Sources stay short enough to be read at one sitting (CONTRIBUTING.md)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[1] / "src" / "slotlease"
FILE_LINES_MAX, FUNCTION_LINES_MAX = 400, 60
VAGUE = {"utils", "util", "helpers", "helper", "manager", "core", "common", "misc"}


def written_by_us() -> Iterator[Path]:
    yield from (path for path in SOURCES.rglob("*.py") if "proto" not in path.relative_to(SOURCES).parts)


def test_no_file_is_too_long_to_be_read() -> None:
    lines = {str(path.relative_to(SOURCES)): len(path.read_text("utf-8").splitlines()) for path in written_by_us()}
    assert len(lines) > 50
    assert {name: number for name, number in lines.items() if number >= FILE_LINES_MAX} == {}


def test_no_function_does_more_than_fits_on_a_page() -> None:
    """Its signature does not count: a command has one line and more for each of its options."""
    functions = {
        f"{path.relative_to(SOURCES)}: {node.name}": (node.end_lineno or 0) - node.body[0].lineno + 1
        for path in written_by_us()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert len(functions) > 300
    assert {name: number for name, number in functions.items() if number >= FUNCTION_LINES_MAX} == {}


def test_a_file_is_named_by_what_it_answers() -> None:
    assert [path for path in written_by_us() if VAGUE & set(path.stem.split("_"))] == []

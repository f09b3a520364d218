"""Sources stay short enough to be read at one sitting (CONTRIBUTING.md)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "src" / "slotlease"
WRITTEN = (SOURCES, ROOT / "tests", ROOT / "bench")
FILE_LINES_MAX, FUNCTION_LINES_MAX, NESTING_MAX = 400, 60, 4
NESTS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
VAGUE = {"utils", "util", "helpers", "helper", "manager", "core", "common", "misc"}


def written_by_us() -> Iterator[Path]:
    yield from (path for folder in WRITTEN for path in folder.rglob("*.py") if "proto" not in path.parts[-3:])


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path in written_by_us():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, FUNCTIONS):
                yield f"{path.relative_to(ROOT)}: {node.name}", node


def nesting(node: ast.AST) -> int:
    """How many statements stand in each other below this one; `elif` stands beside its `if`, and a function that is
    defined within counts by itself."""
    deepest = 0
    for below in ast.iter_child_nodes(node):
        if not isinstance(below, (*FUNCTIONS, ast.ClassDef)):
            is_elif = isinstance(node, ast.If) and node.orelse == [below] and isinstance(below, ast.If)
            deepest = max(deepest, nesting(below) + (isinstance(below, NESTS) and not is_elif))
    return deepest


def test_no_file_is_too_long_to_be_read() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in written_by_us()}
    assert len(lines) > 300
    assert {name: number for name, number in lines.items() if number >= FILE_LINES_MAX} == {}


def test_no_function_does_more_than_fits_on_a_page() -> None:
    """Its signature does not count: a command has one line and more for each of its options."""
    lines = {name: (node.end_lineno or 0) - node.body[0].lineno + 1 for name, node in functions()}
    assert len(lines) > 3_000
    assert {name: number for name, number in lines.items() if number >= FUNCTION_LINES_MAX} == {}


def test_no_function_goes_too_deep() -> None:
    deep = {name: nesting(node) for name, node in functions()}
    assert max(deep.values()) == NESTING_MAX - 1
    assert {name: number for name, number in deep.items() if number >= NESTING_MAX} == {}


def test_a_file_is_named_by_what_it_answers() -> None:
    ours = (path for path in written_by_us() if path.is_relative_to(SOURCES))
    assert [path for path in ours if VAGUE & set(path.stem.split("_"))] == []

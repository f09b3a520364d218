"""The console examples of a page: read from it, run in a real shell, compared in all that stays the same."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_EXIT_CODE = re.compile(r"\(exit code (\d+)\)")
_MASKS = (
    (re.compile(r"\b[lb]\d+-\d+-[0-9a-f]{32}\b"), "ID"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "INSTANT"),
    (re.compile(r"\d{4}-\d\d-\d\d"), "DAY"),
    (re.compile(r"(?<=--after )\S+"), "CURSOR"),
    (re.compile(r'(?<="cursor": ")[^"]+'), "CURSOR"),
    (re.compile(r"(?<!\d)\d{10}(?!\d)"), "SECONDS"),
    (re.compile(r"127\.0\.0\.1:\d+"), "ADDRESS"),
    (re.compile(r"(?<=[Pp]rocess )\d+"), "NUMBER"),
    (re.compile(r"\b(\d+(\.\d+)?(d|h|ms|m|s))+\b"), "SPAN"),
    (re.compile(r"\b\d+\.\d+\b"), "DECIMAL"),
    (re.compile(r"─+"), "─"),
    (re.compile(r"[ \t]+"), " "),
)
"""What differs between two runs of the same commands, or between two screens."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One command of a page and what the page shows of its output; `line` is the command's. `...` leaves lines out."""

    line: int
    command: str
    output: list[str] = field(default_factory=list)
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """Between two examples something happens, told in a comment of the page: `<!-- ... -->` on a line of its own."""

    line: int
    what: str


def read_page(text: str) -> list[Shown | Meanwhile]:
    found: list[Shown | Meanwhile] = []
    inside = False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("```"):
            inside = line == "```console"
        elif inside and line.startswith("$ "):
            found.append(Shown(number, line[2:]))
        elif inside:
            last = found[-1]
            assert isinstance(last, Shown), f"line {number}: output before any command"
            code = _EXIT_CODE.fullmatch(line)
            if code is None:
                last.output.append(line)
            else:
                found[-1] = Shown(last.line, last.command, last.output, int(code[1]))
        elif line.startswith("<!-- "):
            found.append(Meanwhile(number, line.removeprefix("<!-- ").removesuffix(" -->")))
    return found


def masked(line: str) -> str:
    for pattern, name in _MASKS:
        line = pattern.sub(name, line)
    return line.strip()


def agree(shown: list[str], printed: list[str]) -> bool:
    """Whether the lines are as shown: `...` stands for any lines, and within a line for any text."""
    lines = [masked(line) for line in shown]
    parts = (r"(?:.*\n)*?" if line == "..." else _with_gaps(line) + r"\n" for line in lines)
    pattern = "".join(parts)
    return re.fullmatch(pattern, "".join(masked(line) + "\n" for line in printed)) is not None


def _with_gaps(line: str) -> str:
    return ".*".join(re.escape(part) for part in line.split("..."))


class Shell:
    """One shell for all commands, as the reader has: what a command sets, the next one sees."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._count = 0

    def run(self, command: str) -> tuple[int, list[str]]:
        """The exit code, and what it printed to both streams."""
        self._count += 1
        said = self._folder / f"said-{self._count}"
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{{ {command}\n}} > {said} 2>&1\necho $?\n")
        self._process.stdin.flush()
        code = self._process.stdout.readline()
        return int(code), said.read_text("utf-8").splitlines()


@contextmanager
def shell(folder: Path, environment: Mapping[str, str]) -> Iterator[Shell]:
    """A shell in `folder/work` in which `slotlease` is this very program. Ends what it left running."""
    work, programs = folder / "work", folder / "programs"
    work.mkdir()
    programs.mkdir()
    program = programs / "slotlease"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m slotlease.cli "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    process = subprocess.Popen(
        ["sh"],  # noqa: S607 - whichever the reader has
        cwd=work,
        env={**os.environ, **environment, "PATH": f"{programs}:{os.environ['PATH']}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Shell(process, folder)
        assert process.stdin is not None
        process.stdin.write("kill $(jobs -p) 2> /dev/null; wait\n")
    finally:
        process.communicate(timeout=60)


def run_page(page: Path, folder: Path, meanwhile: Mapping[str, Callable[[Path], None]]) -> list[str]:
    """Runs every example of the page in order; what went otherwise than the page shows, by line."""
    wrong: list[str] = []
    with shell(folder, {}) as running:
        for step in read_page(page.read_text("utf-8")):
            if isinstance(step, Meanwhile):
                meanwhile[step.what](folder / "work")
                continue
            code, printed = running.run(step.command)
            if code != step.exit_code or not agree(step.output, printed):
                shown = "\n".join(step.output)
                wrong.append(
                    f"{page.name}:{step.line}: $ {step.command}\nshown, exit code {step.exit_code}:\n{shown}\n"
                    f"printed, exit code {code}:\n" + "\n".join(printed)
                )
    return wrong

"""How far a long command is: a bar on the terminal that somebody looks at, and nothing anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text


class Note(Protocol):
    """Told how much is done, and of how much; and how many rows that is, where it is counted otherwise."""

    def __call__(self, done: int, total: int, rows: int | None = None, /) -> None: ...


MEGABYTES = ("MB", 1_000_000)
SLOTS = ("slots", 1)
ROWS = ("rows", 1)
"""What is counted in a bar, and how many of what is told make one."""


class _Rate(ProgressColumn):
    def __init__(self, unit: tuple[str, int]) -> None:
        super().__init__()
        self._name, self._size = unit

    def render(self, task: Task) -> Text:
        speed, rows = task.finished_speed or task.speed, task.fields.get("rows")
        if rows is not None:
            speed = rows / task.elapsed if task.elapsed else None
        return Text("" if speed is None else f"{speed / self._size:,.0f} {self._name}/s")


@contextmanager
def progress_bar(what: str, unit: tuple[str, int]) -> Iterator[Note | None]:
    """A bar with rate and time left, on stderr while the block lasts; None where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), _Rate(unit), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=None)

        def note(done: int, total: int, rows: int | None = None, /) -> None:
            bars.update(task, completed=done, total=total, rows=rows)

        yield note

"""How far a long command is: a bar on the terminal that somebody looks at, and nothing anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

Note = Callable[[int, int], None]
"""Told how much is done, and of how much."""

MEGABYTES = ("MB", 1_000_000)
SLOTS = ("slots", 1)
ROWS = ("rows", 1)
"""What is counted in a bar, and how many of what is told make one."""


class _Rate(ProgressColumn):
    def __init__(self, unit: tuple[str, int]) -> None:
        super().__init__()
        self._name, self._size = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
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

        def note(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total)

        yield note

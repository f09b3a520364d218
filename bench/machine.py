"""What this machine did meanwhile: processor time by process, and how often its disk can make a page durable."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from statistics import median

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
_KERNEL = 2
"""The process whose children are the kernel's own threads."""

PAGE_BYTES, PAGES = 4096, 256


@dataclass(frozen=True, slots=True)
class Reading:
    """Processor seconds since the machine or the process began."""

    at_s: float
    busy_s: float
    """Of all processes, and what a hypervisor gave to other machines."""

    of: dict[int, float]
    parents: dict[int, int]

    def tree(self, pid: int) -> set[int]:
        """The process and all that it started."""
        found, new = set[int](), {pid}
        while new:
            found |= new
            new = {child for child, parent in self.parents.items() if parent in new} - found
        return found


def read_cpu() -> Reading:
    """Linux only."""
    user, nice, system, _, _, _, _, steal = map(int, (_PROC / "stat").read_text().split(maxsplit=9)[1:9])
    at_s = time.monotonic()
    of, parents = {}, {}
    for path in _PROC.glob("[0-9]*"):
        try:
            text = (path / "stat").read_text()
        except OSError:
            continue  # it has ended meanwhile
        pid = int(path.name)
        words = text[text.rindex(")") + 2 :].split()
        parents[pid] = int(words[1])
        of[pid] = (int(words[11]) + int(words[12])) / _TICKS_PER_S
    return Reading(at_s, (user + nice + system + steal) / _TICKS_PER_S, of, parents)


def spent_s(before: Reading, after: Reading, pids: Collection[int]) -> float:
    return sum(after.of.get(pid, before.of.get(pid, 0.0)) - before.of.get(pid, 0.0) for pid in pids)


def foreign_cores(before: Reading, after: Reading, ours: Collection[int]) -> float:
    """Cores that neither our processes nor the kernel's threads used."""
    kernel = {pid for pid, parent in after.parents.items() if parent == _KERNEL}
    others_s = after.busy_s - before.busy_s - spent_s(before, after, kernel | set(ours))
    return max(0.0, others_s) / (after.at_s - before.at_s)


def process_cpu_s(pid: int) -> float:
    """To the nanosecond, of the process's threads that live. /proc/PID/stat counts in hundredths of a second."""
    return sum(map(_ran_ns, (_PROC / str(pid) / "task").iterdir())) / 1e9


def _ran_ns(task: Path) -> int:
    try:
        return int((task / "schedstat").read_text().split()[0])
    except (FileNotFoundError, ProcessLookupError):
        return 0  # a thread that ended since its name was read


def peak_memory_mb(pids: Collection[int]) -> float:
    return sum(_memory_mb(pid, "VmHWM:") for pid in pids)


def memory_mb(pids: Collection[int]) -> float:
    return sum(_memory_mb(pid, "VmRSS:") for pid in pids)


def _memory_mb(pid: int, what: str) -> float:
    try:
        lines = (_PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(what)), 0.0)


def fdatasync_per_s(folder: Path, for_s: float = 0.5) -> tuple[float, float]:
    """How often a page of a file that is there already can be overwritten and made durable, and the median of how many
    milliseconds that takes."""
    path = folder / "fdatasync"
    took_s: list[float] = []
    page = os.urandom(PAGE_BYTES)
    with path.open("wb+", buffering=0) as file:
        file.write(bytes(PAGE_BYTES * PAGES))
        os.fsync(file.fileno())
        until_s = time.perf_counter() + for_s
        while (began_s := time.perf_counter()) < until_s:
            os.pwrite(file.fileno(), page, len(took_s) % PAGES * PAGE_BYTES)
            os.fdatasync(file.fileno())
            took_s.append(time.perf_counter() - began_s)
    path.unlink()
    return len(took_s) / sum(took_s), median(took_s) * 1000

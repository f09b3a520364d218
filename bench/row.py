"""A row of the table: what is measured on what, and the runs that were."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

FOREIGN_CORES_MAX = 0.12
CLIENT_CORES_MAX = 0.6
CPP = "c++"
"""The transport of an echo that is not Python."""

PLAIN = "plain"
"""The transport of the booking server that is written the usual way (peers/plain.py)."""

BATCH_MAX = 256
"""The server's own default."""


@dataclass(frozen=True, slots=True)
class Row:
    """`transport`: grpcio, native, http for version 3, or CPP. `rate_per_s` 0: closed loop of `concurrent` callers.
    `batch_max`: how many requests may share a commit."""

    workload: str
    concurrent: int = 128
    transport: str = "grpcio"
    store: str = "sqlite"
    api: str = "v2"
    processes: int = 1
    batch_max: int = BATCH_MAX
    rate_per_s: float = 0
    for_s: float = field(default=2.0, compare=False)

    def __str__(self) -> str:
        load = f"{self.rate_per_s:,.0f}/s" if self.rate_per_s else f"@{self.concurrent}"
        store = "" if self.workload == "echo" else f" {self.store}"
        processes = f" x{self.processes}" if self.processes > 1 else ""
        api = "" if self.api == "v2" else f" {self.api}"
        alone = f" batch-max {self.batch_max}" if self.batch_max != BATCH_MAX else ""
        return f"{self.workload} {self.transport}{store}{api}{processes}{alone} {load}"


@dataclass(frozen=True, slots=True)
class Run:
    """One measurement. Microseconds are of processor time, for each call; latencies are from when a call was due."""

    calls_per_s: float
    pairs_per_s: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    server_us: float
    client_us: float
    database_us: float
    server_cores: float
    client_cores: float
    foreign_cores: float
    start_s: float
    idle_mb: float
    peak_mb: float
    answers: dict[str, int]
    wrong: list[str] = field(default_factory=list)

    @property
    def is_disturbed(self) -> bool:
        return self.foreign_cores > FOREIGN_CORES_MAX


@dataclass(frozen=True, slots=True)
class Measured:
    """The runs of a row that count, in order of calls/s: the undisturbed ones, or all where there are too few."""

    row: Row
    runs: list[Run]
    tries: int

    @property
    def middle(self) -> Run:
        return self.runs[(len(self.runs) - 1) // 2]

    @property
    def is_disturbed(self) -> bool:
        return any(run.is_disturbed for run in self.runs)

    @property
    def wrong(self) -> list[str]:
        return [one for run in self.runs for one in run.wrong]

    def middle_of(self, name: str) -> float:
        """The median of one figure of the runs, by its name."""
        return float(median(getattr(run, name) for run in self.runs))

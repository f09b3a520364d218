"""Which rows each of the three benchmarks measures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bench.measure import Row


@dataclass(frozen=True, slots=True)
class Programme:
    """`runs` of each row count, out of so many `tries` at most."""

    rows: tuple[Row, ...]
    runs: int
    tries: int


QUICK = Programme(
    (
        Row("echo", for_s=1.5),
        Row("lease-uniform", 1, for_s=1.5),
        Row("lease-uniform", 16, for_s=1.5),
        Row("lease-uniform", for_s=1.5),
        Row("lease-hot", for_s=1.5),
        Row("lease-scarce", for_s=1.5),
        Row("lease-book", for_s=1.5),
        Row("check", for_s=1.5),
    ),
    runs=1,
    tries=2,
)

_USUAL = (
    Row("echo", transport="c++"),
    Row("echo", 1),
    Row("echo", 16),
    Row("echo"),
    Row("lease-uniform", 1),
    Row("lease-uniform", 16),
    Row("lease-uniform"),
    Row("lease-zipf"),
    Row("lease-hot"),
    Row("lease-hot", batch_max=1),
    Row("lease-full"),
    Row("lease-scarce"),
    Row("lease-replay"),
    Row("lease-book"),
    Row("lease-uniform", api="v0"),
    Row("check"),
    Row("batch-lookup", 16),
    Row("mix"),
    Row("mix", rate_per_s=1000, for_s=4),
    Row("crash", 64),
    Row("echo", 16, transport="http", api="v3"),
    Row("lease-book", 16, transport="http", api="v3"),
    Row("batch-lookup", 16, transport="http", api="v3"),
)
USUAL = Programme(_USUAL, runs=3, tries=5)


def _cross() -> Iterator[Row]:
    yield from _USUAL
    for workload in ("lease-hot", "lease-book", "check"):
        yield Row(workload, 16)
    for concurrent in (1, 16):
        yield Row("batch-lookup", concurrent)
    yield Row("lease-expire", rate_per_s=2000, for_s=30)
    yield Row("mix", rate_per_s=4000, for_s=10)
    yield Row("lease-uniform", rate_per_s=1000, for_s=10)
    for workload in ("lease-1m-slots", "lease-10m-slots", "lease-1m-expired", "lease-10k-merchants"):
        yield Row(workload)
    for concurrent in (1, 128):
        yield Row("echo", concurrent, transport="http", api="v3")
        yield Row("lease-book", concurrent, transport="http", api="v3")


FULL = Programme(tuple(_cross()), runs=3, tries=7)

PROGRAMMES = {"quick": QUICK, "usual": USUAL, "full": FULL}


def for_variant(row: Row, store: str | None, transport: str | None, processes: int | None) -> Row:
    """The row on another store or transport, or with another number of processes; None leaves it as it is."""
    wanted = {"store": store, "transport": transport, "processes": processes}
    given = {name: value for name, value in wanted.items() if value is not None}
    if row.transport == "http":
        given.pop("transport", None)
    return replace(row, **given)  # type: ignore[arg-type] # each is of its field's type

"""Which rows each of the benchmarks measures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bench.floors import SCALE
from bench.row import CPP, PLAIN, Row


@dataclass(frozen=True, slots=True)
class Programme:
    """`runs` of each row count, out of so many `tries` at most."""

    rows: tuple[Row, ...]
    runs: int
    tries: int


NATIVE, POSTGRES, HTTP = "native", "postgres", "http"

QUICK = Programme(
    tuple(
        replace(row, for_s=1.5)
        for row in (
            Row("echo"),
            Row("echo", transport=NATIVE),
            Row("lease-uniform"),
            Row("lease-uniform", 1, NATIVE),
            Row("lease-uniform", 128, NATIVE),
            Row("lease-hot", 128, NATIVE),
            Row("lease-scarce", 128, NATIVE),
            Row("lease-book", 128, NATIVE),
            Row("check", 128, NATIVE),
        )
    ),
    runs=1,
    tries=2,
)

_USUAL = (
    Row("echo", 128, CPP),
    *(Row("echo", concurrent, transport) for transport in ("grpcio", NATIVE) for concurrent in (1, 128)),
    *(Row("lease-uniform", concurrent) for concurrent in (1, 16, 128)),
    *(Row(workload) for workload in ("lease-book", "check")),
    *(Row("lease-uniform", concurrent, NATIVE) for concurrent in (1, 16, 128)),
    *(
        Row(workload, 128, NATIVE)
        for workload in ("lease-zipf", "lease-hot", "lease-full", "lease-scarce", "lease-replay", "lease-book", "check")
    ),
    Row("lease-uniform", 128, NATIVE, api="v0"),
    Row("batch-lookup", 16, NATIVE),
    Row("lease-expire", 128, NATIVE),
    Row("mix", 128, NATIVE, rate_per_s=1000, for_s=4),
    Row("crash", 64, NATIVE),
    Row("lease-1m-slots", 128, NATIVE),
    Row("lease-uniform", 1, "grpcio", POSTGRES),
    *(Row("lease-uniform", concurrent, NATIVE, POSTGRES) for concurrent in (1, 128)),
    *(Row(workload, 128, NATIVE, POSTGRES) for workload in ("lease-hot", "lease-scarce", "lease-book", "check")),
    Row("lease-hot", 128, NATIVE, POSTGRES, batch_max=1),
    Row("echo", 16, HTTP, api="v3"),
    Row("lease-book", 16, HTTP, api="v3"),
    Row("batch-lookup", 16, HTTP, api="v3"),
)
USUAL = Programme(_USUAL, runs=3, tries=4)


def _cross() -> Iterator[Row]:
    """Every workload on every store and transport, at the loads that are asked of it."""
    yield Row("echo", 128, CPP)
    for concurrent in (1, 16, 128):
        yield from (Row("echo", concurrent, transport) for transport in ("grpcio", NATIVE))
        yield Row("echo", concurrent, HTTP, api="v3")
        yield Row("lease-book", concurrent, HTTP, api="v3")
        yield Row("batch-lookup", min(concurrent, 16), HTTP, api="v3")
    for store in ("sqlite", POSTGRES):
        for transport in ("grpcio", NATIVE):
            yield from _cross_of(Row("", 128, transport, store))
        yield Row("lease-hot", 128, NATIVE, store, batch_max=1)
    yield from (Row("lease-uniform", 128, NATIVE, POSTGRES, processes=number) for number in (2,))
    yield from (Row(workload, 128, NATIVE, POSTGRES) for workload in ("lease-1m-slots", "lease-1m-expired"))
    yield from (Row(workload, 128, NATIVE) for workload in ("lease-uniform", *SCALE))


def _cross_of(variant: Row) -> Iterator[Row]:
    for workload in ("lease-uniform", "check", "batch-lookup"):
        yield from (replace(variant, workload=workload, concurrent=concurrent) for concurrent in (1, 16, 128))
    for workload in ("lease-hot", "lease-book"):
        yield from (replace(variant, workload=workload, concurrent=concurrent) for concurrent in (16, 128))
    for workload in ("lease-zipf", "lease-full", "lease-scarce", "lease-replay", "mix"):
        yield replace(variant, workload=workload)
    yield replace(variant, workload="lease-uniform", api="v0")
    yield replace(variant, workload="lease-expire", rate_per_s=2000, for_s=30)
    yield from (replace(variant, workload="mix", rate_per_s=rate, for_s=10) for rate in (1000, 4000))
    yield replace(variant, workload="lease-uniform", rate_per_s=1000, for_s=10)
    yield replace(variant, workload="crash", concurrent=64)


FULL = Programme(tuple(dict.fromkeys(_cross())), runs=3, tries=7)

PEERS = Programme(
    tuple(
        Row(workload, concurrent, transport, POSTGRES)
        for workload, concurrent in (
            ("lease-uniform", 1),
            ("lease-uniform", 128),
            ("lease-hot", 128),
            ("lease-scarce", 128),
        )
        for transport in (PLAIN, "grpcio", NATIVE)
    ),
    runs=3,
    tries=5,
)

PROGRAMMES = {"quick": QUICK, "usual": USUAL, "full": FULL, "peers": PEERS}


def for_variant(row: Row, store: str | None, transport: str | None, processes: int | None) -> Row:
    """The row on another store or transport, or with another number of processes; None leaves it as it is."""
    is_ours = row.transport in ("grpcio", NATIVE)
    return replace(
        row,
        store=store or row.store,
        transport=transport if transport and is_ours else row.transport,
        processes=processes or row.processes,
    )

"""What Slotlease is to reach on two cores that it shares with its client, against what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.row import Measured, Row

Rows = Mapping[Row, Measured]


@dataclass(frozen=True, slots=True)
class Floor:
    """`reached` is None where a row that it needs was not measured. `limit` is the least, or the most if it `caps`."""

    name: str
    limit: float
    reached: Callable[[Rows], float | None]
    caps: bool = False

    def is_met(self, figure: float) -> bool:
        return figure <= self.limit if self.caps else figure >= self.limit


def _figure(name: str, row: Row) -> Callable[[Rows], float | None]:
    return lambda rows: rows[row].middle_of(name) if row in rows else None


def _ratio(name: str, row: Row, by: Row, name_by: str = "calls_per_s") -> Callable[[Rows], float | None]:
    """Of a figure of one row to a figure of another."""

    def reached(rows: Rows) -> float | None:
        if row not in rows or by not in rows:
            return None
        return rows[row].middle_of(name) / rows[by].middle_of(name_by)

    return reached


SCALE = ("lease-1m-slots", "lease-10m-slots", "lease-1m-expired", "lease-10k-merchants")
_GRPCIO, _NATIVE = Row("lease-uniform"), Row("lease-uniform", 128, "native")
_POSTGRES = Row("lease-uniform", 128, "native", "postgres")
_HOT = Row("lease-hot", 128, "native", "postgres")


def _floors() -> Iterator[Floor]:
    yield Floor("CreateLease, SQLite, grpcio, calls/s", 4_500, _figure("calls_per_s", _GRPCIO))
    yield Floor("CreateLease, SQLite, grpcio, of its echo", 0.55, _ratio("calls_per_s", _GRPCIO, Row("echo")))
    yield Floor("CreateLease, SQLite, native, calls/s", 12_000, _figure("calls_per_s", _NATIVE))
    native_echo = Row("echo", 128, "native")
    yield Floor("CreateLease, SQLite, native, of its echo", 0.3, _ratio("calls_per_s", _NATIVE, native_echo))
    yield Floor("CreateLease, PostgreSQL, native, distinct slots, calls/s", 12_000, _figure("calls_per_s", _POSTGRES))
    yield Floor("CreateLease, PostgreSQL, native, one hot slot, calls/s", 16_000, _figure("calls_per_s", _HOT))
    alone = Row("lease-hot", 128, "native", "postgres", batch_max=1)
    yield Floor("the same, times one transaction for each lease", 5, _ratio("calls_per_s", _HOT, alone))
    for name, lease in (("SQLite, grpcio", _GRPCIO), ("SQLite, native", _NATIVE), ("PostgreSQL, native", _POSTGRES)):
        book, check = (Row(workload, 128, lease.transport, lease.store) for workload in ("lease-book", "check"))
        yield Floor(f"lease then book, pairs, {name}, of CreateLease", 0.4, _ratio("pairs_per_s", book, lease))
        yield Floor(f"CheckAvailability, {name}, of CreateLease", 1.2, _ratio("calls_per_s", check, lease))
    lookup = _figure("p99_ms", Row("batch-lookup", 16, "native"))
    yield Floor("lookup of 7 days x 41 resources, p99 ms", 100, lookup, caps=True)
    for store, transport, limit_ms in (
        ("sqlite", "native", 0.7),
        ("postgres", "native", 1.2),
        ("sqlite", "grpcio", 1.2),
        ("postgres", "grpcio", 1.8),
    ):
        single = _figure("p50_ms", Row("lease-uniform", 1, transport, store))
        yield Floor(f"one call alone, {store}, {transport}, p50 ms", limit_ms, single, caps=True)
    for workload in SCALE:
        cost = _ratio("server_us", Row(workload, 128, "native"), _NATIVE, "server_us")
        yield Floor(f"{workload}: processor time, of that with 10,000 slots", 1.25, cost, caps=True)
    large = Row("lease-1m-slots", 128, "native")
    yield Floor("start to serving with 1 million slots, s", 1.5, _figure("start_s", large), caps=True)
    yield Floor("memory before the first call, grpcio, MB", 90, _figure("idle_mb", _GRPCIO), caps=True)
    yield Floor("memory under 128, grpcio, MB", 200, _figure("peak_mb", _GRPCIO), caps=True)


FLOORS = tuple(_floors())


def table(measured: Sequence[Measured]) -> str:
    """Markdown; empty where nothing that was measured has a floor."""
    rows = {one.row: one for one in measured}
    lines = []
    for floor in FLOORS:
        figure = floor.reached(rows)
        if figure is not None:
            verdict = "met" if floor.is_met(figure) else "MISSED"
            sense = "at most" if floor.caps else "at least"
            lines.append(f"| {floor.name} | {sense} {floor.limit:,g} | {figure:,.{_digits(figure)}f} | {verdict} |")
    return "\n".join(["| floor | | reached | |", "|---|---|---|---|", *lines]) if lines else ""


def _digits(figure: float) -> int:
    return 0 if figure >= 100 else 2

"""Measures the inventory at a million slots: `python -m tests.inventory.measure_million [MERCHANTS]`.

Not a test, for it takes minutes. Each step is a process of its own, so that its peak of memory is its own. The last
step imports beside a desk that leases, one lease after another, and tells how long they waited.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from slotlease.inventory.example import write_example
from slotlease.inventory.exporting import export_feeds
from slotlease.inventory.feed import read_feed
from slotlease.inventory.importing import import_feed, known_inventory
from slotlease.inventory.lint import lint
from slotlease.store.open import open_store
from slotlease.store.protocol import Store
from tests.inventory.test_import_beside_server import FIRST_DAY, GENERATED_S, Customers, importing
from tests.support import NOON_US, HandClock

MERCHANTS = 962
"""A million slots in 30 days."""


def _store(folder: Path, *, serve: bool = False) -> Store:
    return open_store(f"sqlite:///{folder / 'ledger.db'}", HandClock(), create=True, serve=serve)


def _feeds(folder: Path) -> list[Path]:
    return sorted((folder / "feeds").iterdir())


def _write(folder: Path, merchants: int) -> int:
    written = write_example(folder / "feeds", FIRST_DAY, 30, generation_s=GENERATED_S, merchants=merchants)
    return sum(written.slots.values())


def _read(folder: Path, _: int) -> int:
    with read_feed(_feeds(folder)) as feed:
        return feed.slots_total


def _import(folder: Path, _: int) -> int:
    """The import alone is told apart by the time of `read`."""
    store = _store(folder)
    with read_feed(_feeds(folder), known=known_inventory(store)) as feed:
        begun_s = time.monotonic()
        summary = import_feed(store, feed)
        _say(f"    onto the ledger {feed.slots_total / (time.monotonic() - begun_s):,.0f} slots/s: {summary}")
    return feed.slots_total


def _change(folder: Path, merchants: int) -> int:
    """The same a second later, with other tags and spots."""
    for path in _feeds(folder):
        path.unlink()
    slots = write_example(
        folder / "feeds", date(2026, 1, 3), 30, generation_s=GENERATED_S + 1, merchants=merchants
    ).slots
    return sum(slots.values())


def _export(folder: Path, _: int) -> int:
    return export_feeds(_store(folder), folder / "export", NOON_US).slots


def _lint(folder: Path, _: int) -> int:
    _say(f"    warnings: {len(lint(_feeds(folder), NOON_US)):,}")
    return 0


def _leases(folder: Path, merchants: int) -> int:
    store = _store(folder, serve=True)
    customers = Customers(store)
    for path in _feeds(folder):
        path.unlink()
    write_example(folder / "feeds", FIRST_DAY, 30, generation_s=GENERATED_S, merchants=merchants)
    for path in _feeds(folder):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace('"spots_total":12,"spots_open":12,', '"spots_total":9999,"spots_open":9999,'))
    first = write_example(folder / "one", FIRST_DAY, 20, generation_s=GENERATED_S, merchants=1).paths
    text = first[2].read_text().replace('"spots_total":12,"spots_open":12,', '"spots_total":9999,"spots_open":9999,')
    first[2].write_text(text)
    with read_feed(first) as feed:
        import_feed(store, feed)
    process = importing(f"sqlite:///{folder / 'ledger.db'}", _feeds(folder))
    customers.lease_while(process)
    customers.close()
    waits_ms = sorted(1_000 * wait_s for wait_s in customers.waits_s)
    told = [f"{name} {waits_ms[int(part * (len(waits_ms) - 1))]:.1f} ms" for name, part in _PARTS]
    _say(f"    leases beside the import: {len(waits_ms):,}, waited {', '.join(told)}")
    return 0


_PARTS = (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("longest", 1.0))
_STEPS: dict[str, tuple[str, Callable[[Path, int], int]]] = {
    "write": ("example written", _write),
    "read": ("feed read and found right", _read),
    "first": ("first import", _import),
    "unchanged": ("import of the same", _import),
    "lint": ("lint", _lint),
    "export": ("export", _export),
    "change": ("example written, a day on", _change),
    "next": ("import of the next day's feed", _import),
    "leases": ("import beside leases, first", _leases),
}


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> None:
    if len(arguments) == 3:  # one step of another process
        step, folder, merchants = arguments
        begun_s = time.monotonic()
        slots = _STEPS[step][1](Path(folder), int(merchants))
        spent_s = time.monotonic() - begun_s
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
        rate = f", {slots:,} slots, {slots / spent_s:,.0f}/s" if slots else ""
        _say(f"{_STEPS[step][0]}: {spent_s:.1f} s{rate}, peak {peak_mb:.0f} MB")
        return
    with TemporaryDirectory() as folder:
        for step in _STEPS:
            if step == "leases":
                Path(folder, "ledger.db").unlink()
            command = [
                sys.executable,
                "-m",
                "tests.inventory.measure_million",
                step,
                folder,
                *(arguments or [str(MERCHANTS)]),
            ]
            subprocess.run(command, check=True)  # noqa: S603 - this script
        sizes = {path.name: path.stat().st_size for path in (*_feeds(Path(folder)), Path(folder, "ledger.db"))}
        _say(json.dumps(sizes, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])

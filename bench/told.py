"""What was measured, as a table, as JSON and as plots."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from math import log10
from pathlib import Path

from bench.row import BATCH_MAX, CLIENT_CORES_MAX, Measured

HEADINGS = (
    "workload", "variant", "load", "calls/s", "spread", "of echo", "p50 ms", "p99 ms", "p99.9 ms", "server us",
    "client us", "db us", "foreign", "peak MB", "answers", "remarks",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Machine:
    """The physics of the same run."""

    fdatasync_per_s: float
    fdatasync_p50_ms: float
    sink_calls_per_s: float
    client_us_of_sink: float
    cores: int

    def __str__(self) -> str:
        return (
            f"{self.cores} cores. fdatasync of one page {self.fdatasync_per_s:,.0f}/s "
            f"(p50 {self.fdatasync_p50_ms:.2f} ms). Load generator against a sink: {self.sink_calls_per_s:,.0f}/s, "
            f"{self.client_us_of_sink:.1f} us of its own processor time a call."
        )


def table(measured: Sequence[Measured]) -> str:
    """Markdown, with columns of even width."""
    rows = [HEADINGS, *(_cells(one, echo_ratio(one, measured)) for one in measured)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def echo_ratio(one: Measured, measured: Sequence[Measured]) -> float | None:
    """Its calls/s as a part of those of the echo of the same transport and load, where that was measured too."""
    for other in measured:
        same = (other.row.transport, other.row.concurrent) == (one.row.transport, one.row.concurrent)
        if other.row.workload == "echo" and same and not one.row.rate_per_s:
            return one.middle.calls_per_s / other.middle.calls_per_s
    return None


def _cells(one: Measured, ratio: float | None) -> tuple[str, ...]:
    row, middle = one.row, one.middle
    store = "" if row.workload == "echo" else f"{row.store}, "
    processes = f", {row.processes} processes" if row.processes > 1 else ""
    alone = f", batches of {row.batch_max}" if row.batch_max != BATCH_MAX else ""
    return (
        row.workload,
        f"{store}{row.transport}, {row.api}{processes}{alone}",
        f"open {row.rate_per_s:,.0f}/s" if row.rate_per_s else f"{row.concurrent}",
        f"{middle.calls_per_s:,.0f}",
        f"{one.runs[0].calls_per_s:,.0f}..{one.runs[-1].calls_per_s:,.0f}",
        "" if ratio is None else f"{ratio:.2f}",
        *(f"{one.middle_of(name):.2f}" for name in ("p50_ms", "p99_ms", "p999_ms")),
        *(_unless_0(one.middle_of(name)) for name in ("server_us", "client_us", "database_us")),
        f"{max(run.foreign_cores for run in one.runs):.2f}",
        _unless_0(one.middle_of("peak_mb"), digits=0),
        ", ".join(f"{name} {number:,}" for name, number in middle.answers.items()),
        "; ".join(remarks(one)),
    )


def _unless_0(figure: float, digits: int = 1) -> str:
    """Empty for what was not there to be measured: a server that was killed, a database that there is not."""
    return f"{figure:.{digits}f}" if figure else ""


def remarks(one: Measured) -> list[str]:
    found = [f"WRONG: {one.wrong[0]}"] if one.wrong else []
    if one.is_disturbed:
        found.append("disturbed")
    if max(run.client_cores for run in one.runs) > CLIENT_CORES_MAX:
        found.append("client above 0.6 of a core")
    if one.middle.pairs_per_s:
        found.append(f"{one.middle_of('pairs_per_s'):,.0f} pairs/s")
    return found


def write_json(path: Path, machine: Machine, measured: Sequence[Measured]) -> None:
    told = {
        "machine": asdict(machine),
        "rows": [
            {
                **asdict(one.row),
                "tries": one.tries,
                "of_echo": echo_ratio(one, measured),
                "remarks": remarks(one),
                "runs": [asdict(run) for run in one.runs],
            }
            for one in measured
        ],
    }
    path.write_text(json.dumps(told, indent=1) + "\n")


# --- plots -------------------------------------------------------------------------------------------------------

_LINE, _LEFT, _WIDTH, _TEXT_ROOM = 22, 300, 560, 110
_STYLE = (
    "<style>text{font:12px sans-serif;fill:#333}.n{text-anchor:end}"
    ".b{fill:#4a7fb5}.w{stroke:#222}.l{stroke:#bbb}</style>"
)
_COLOURS = {"p50_ms": "#4a7fb5", "p99_ms": "#d98e32", "p999_ms": "#b5484a"}


def plot_rates(measured: Sequence[Measured]) -> str:
    """Bars of calls/s, with a line from the slowest to the fastest run."""
    most = max(one.runs[-1].calls_per_s for one in measured)
    parts = []
    for number, one in enumerate(measured):
        y = (number + 2) * _LINE
        low, middle, high = (_LEFT + _WIDTH * rate / most for rate in _rates(one))
        parts += [
            f'<text class="n" x="{_LEFT - 8}" y="{y + 12}">{escape(str(one.row))}</text>',
            f'<rect class="b" x="{_LEFT}" y="{y}" width="{middle - _LEFT:.1f}" height="{_LINE - 6}"/>',
            f'<line class="w" x1="{low:.1f}" x2="{high:.1f}" y1="{y + 8}" y2="{y + 8}"/>',
            f'<text x="{high + 6:.1f}" y="{y + 12}">{one.middle.calls_per_s:,.0f}</text>',
        ]
    return _svg("Calls a second: middle run, and from the slowest to the fastest", parts, len(measured))


def _rates(one: Measured) -> tuple[float, float, float]:
    return one.runs[0].calls_per_s, one.middle.calls_per_s, one.runs[-1].calls_per_s


def plot_latencies(measured: Sequence[Measured]) -> str:
    """Points on a scale of powers of ten, from 0.1 ms to 1 s."""
    decades = (0.1, 1, 10, 100, 1000)
    step = _WIDTH / (len(decades) - 1)
    bottom = (len(measured) + 2) * _LINE
    parts = []
    for number, ms in enumerate(decades):
        x = _LEFT + number * step
        parts.append(f'<line class="l" x1="{x}" x2="{x}" y1="{1.8 * _LINE}" y2="{bottom}"/>')
        parts.append(f'<text x="{x + 3}" y="{1.8 * _LINE}">{ms:g} ms</text>')
    for number, one in enumerate(measured):
        y = (number + 2) * _LINE + 8
        parts.append(f'<text class="n" x="{_LEFT - 8}" y="{y + 4}">{escape(str(one.row))}</text>')
        for name, colour in _COLOURS.items():
            x = _LEFT + step * log10(max(0.1, min(1000, one.middle_of(name))) / 0.1)
            parts.append(f'<circle cx="{x:.1f}" cy="{y}" r="5" fill="{colour}"/>')
    return _svg("Milliseconds: p50 (blue), p99 (orange), p99.9 (red)", parts, len(measured))


def _svg(title: str, parts: Sequence[str], lines: int) -> str:
    width, height = _LEFT + _WIDTH + _TEXT_ROOM, (lines + 3) * _LINE
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    background = f'<rect width="{width}" height="{height}" fill="white"/>'
    return "\n".join([head, _STYLE, background, f'<text x="12" y="20">{escape(title)}</text>', *parts, "</svg>\n"])

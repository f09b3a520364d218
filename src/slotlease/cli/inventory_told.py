"""What is told of an import and of a merchant's day: rows for people, the same facts for programs."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from slotlease.cli.output import print_rows, slot_facts
from slotlease.domain.slot import SECOND_US
from slotlease.inventory.day import DaySlot
from slotlease.inventory.feed import FeedRefused
from slotlease.inventory.importing import ImportSummary, KeptSlot

_KEPT_COLUMNS = ("merchant", "service", "start", "duration_s", "staff", "room", "party_size", "leases", "bookings")
_SUMMARY_COLUMNS = ("", "new", "changed", "unchanged", "closed", "refused")
_CLOSED = {"merchants": "retired", "services": "retired", "slots": "closed"}
"""Merchants and services are retired, slots are closed: one column, since both are no longer offered."""


def summary_told(summary: ImportSummary) -> dict[str, object]:
    return asdict(summary) | {"kept": [_kept_facts(kept) for kept in summary.kept]}


def refused_told(refused: FeedRefused) -> dict[str, object]:
    return {"errors": [asdict(error) for error in refused.errors], "errors_total": refused.count}


def print_imported(summary: ImportSummary) -> None:
    """The table, and after it what the merchants should hear of."""
    counts = asdict(summary)
    rows = []
    for kind, closed in _CLOSED.items():
        names = ("new", "changed", "unchanged", closed, "refused")
        cells = [f"{counts[f'{kind}_{name}']:,}" for name in names]
        rows.append(dict(zip(_SUMMARY_COLUMNS, (kind, *cells), strict=True)))
    print_rows(rows, _SUMMARY_COLUMNS, nothing="")
    if not summary.kept:
        return
    held = f"{summary.leases_kept:,} leases and {summary.bookings_kept:,} bookings"
    typer.echo(f"\nThe feed no longer offers these slots, and {held} on them stay as they are; tell the merchants:")
    print_rows([_kept_facts(kept) for kept in summary.kept], _KEPT_COLUMNS, nothing="")
    told_of = sum(kept.leases + kept.bookings for kept in summary.kept)
    more = summary.leases_kept + summary.bookings_kept - told_of
    if more:
        typer.echo(f"and {more:,} more leases and bookings, on other slots.")


def _kept_facts(kept: KeptSlot) -> dict[str, object]:
    return slot_facts(kept.slot) | {"leases": kept.leases, "bookings": kept.bookings}


def day_row(day_slot: DaySlot, zone: ZoneInfo) -> dict[str, object]:
    """`time` is the local hour, with its distance from UTC: on the day that clocks go back, an hour comes twice."""
    local = datetime.fromtimestamp(day_slot.slot.start_us // SECOND_US, zone)
    return {
        "time": local.strftime("%H:%M") + local.isoformat()[-6:],
        **slot_facts(day_slot.slot),
        "spots": day_slot.spots_total,
        "elsewhere": day_slot.spots_elsewhere,
        "booked": day_slot.bookings,
        "leased": day_slot.leases,
        "available": day_slot.available,
        "state": _state(day_slot),
        "confirmed_later": day_slot.asynchronous,
    }


def _state(day_slot: DaySlot) -> str:
    if day_slot.closed:
        return "closed by the feed"
    return "closed by the operator" if day_slot.closed_by_operator else "open"


def zone_of(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        problem = f"{name} is no time zone this system knows: write one like Europe/Amsterdam, or install its tzdata"
        raise typer.BadParameter(problem, param_hint="--zone") from error

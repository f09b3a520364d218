"""How the commands print: tables for people, JSON for programs, instants in UTC."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from slotlease.domain.booking import Booking
from slotlease.domain.lease import Lease, LeaseState
from slotlease.domain.slot import SECOND_US, AskedSlot

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WIDTH_FOR_PROGRAMS = 200
"""Where no terminal says how wide it is, lines stay whole: an id cut in two is of no use to `grep`."""

_SECONDS = "_s"
"""How the name of a fact ends that is a number of seconds: programs get the number, people the time."""

Facts = Mapping[str, object]


def instant(at_us: int) -> str:
    """UTC, ISO 8601: `2026-01-01T12:00:00Z`."""
    return (_EPOCH + timedelta(microseconds=at_us)).isoformat().replace("+00:00", "Z")


def span(seconds: int) -> str:
    """In the units that people use: `1h30m`, `9m59s`, `0s`; `-5m` is past."""
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return sign + "".join(parts) or "0s"


def print_json(value: object) -> None:
    # ASCII: whatever a text holds, it cannot command a terminal.
    typer.echo(json.dumps(value, indent=2))


def print_rows(rows: Sequence[Facts], columns: Sequence[str], *, nothing: str) -> None:
    """A table of these columns, of which the first is never folded. `nothing` is said where there are no rows."""
    if not rows:
        typer.echo(nothing)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(_label(column).replace("_", " "), no_wrap=column == columns[0], overflow="fold")
    for row in rows:
        table.add_row(*(Text(in_words(column, row[column])) for column in columns))
    console().print(table)


def print_facts(facts: Facts) -> None:
    """Everything about one thing, a line each."""
    lines = list(_flat(facts))
    width = max(len(_label(name)) for name, _ in lines)
    for name, value in lines:
        typer.echo(f"{_label(name):<{width}}  {in_words(name, value)}")


def console() -> Console:
    """Prints what it is given as it is: no text of a feed or a customer is markup."""
    width = None if sys.stdout.isatty() else _WIDTH_FOR_PROGRAMS
    return Console(markup=False, highlight=False, emoji=False, width=width)


def in_words(name: str, value: object) -> str:
    """A value as people read it; nothing unprintable in it, since it may be a feed's or a customer's text."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.endswith(_SECONDS) and isinstance(value, int):
        return span(value)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(value))


def _label(name: str) -> str:
    return name.removesuffix(_SECONDS)


def _flat(facts: Facts, prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


# --- what is told of a lease, of a booking -----------------------------------------------------------------------


def lease_facts(lease: Lease, now_us: int) -> dict[str, object]:
    """Time decides: a lease whose time is up is EXPIRED, whether or not anybody has marked it (INV-7)."""
    live = lease.is_live(now_us)
    lapsed = lease.state is LeaseState.ACTIVE and not live
    return {
        "lease_id": lease.lease_id,
        "state": LeaseState.EXPIRED.name if lapsed else lease.state.name,
        "expires": instant(lease.expires_us),
        "left_s": (lease.expires_us - now_us) // SECOND_US if live else None,
        **slot_facts(lease.slot),
        "spot": lease.spot_no,
        "user_reference": lease.client_reference,
        "created": instant(lease.created_us),
        "age_s": _age_s(lease.created_us, now_us),
        "state_stored": lease.state.name,
    }


def booking_facts(booking: Booking, now_us: int) -> dict[str, object]:
    """Nothing personal: lists may be printed, mailed and kept."""
    return {
        "booking_id": booking.booking_id,
        "status": booking.status.name,
        **slot_facts(booking.slot),
        "spot": booking.spot_no if booking.claims_spot else None,
        "revision": booking.revision,
        "created": instant(booking.created_us),
        "age_s": _age_s(booking.created_us, now_us),
        "cancel_by": instant(booking.cancel_by_us),
    }


def slot_facts(slot: AskedSlot) -> dict[str, object]:
    resources = slot.resources_or_none_given
    return {
        "merchant": slot.merchant_id,
        "service": slot.service_id,
        "start": instant(slot.start_us),
        "duration_s": slot.duration_us // SECOND_US,
        "staff": resources.staff_id or None,
        "room": resources.room_id or None,
        "party_size": resources.party_size or None,
        "availability_tag": slot.availability_tag or None,
    }


def _age_s(created_us: int, now_us: int) -> int:
    """Never less than nothing: the clock was read before the row, which may be newer."""
    return max(0, now_us - created_us) // SECOND_US

"""What several commands ask for: a slot, an instant, a yes; and how they say no."""

from __future__ import annotations

import secrets
import sys
from datetime import UTC, datetime
from typing import Annotated, NoReturn

import typer

from slotlease.cli.ledger import CommandFailed
from slotlease.cli.output import print_json
from slotlease.domain.failure import BookingFailure, NotFound, Refusal
from slotlease.domain.slot import SECOND_US, AskedSlot, Resources

TEXT_LENGTH_MAX = 255
"""As for a user_reference on the wire."""

MerchantOption = Annotated[str, typer.Option("--merchant", metavar="ID", help="The merchant.")]
ServiceOption = Annotated[str, typer.Option("--service", metavar="ID", help="The service.")]
StartOption = Annotated[
    str, typer.Option("--start", metavar="WHEN", help="2026-01-31T12:00Z, or seconds since 1970 UTC.")
]
DurationOption = Annotated[
    str, typer.Option("--duration", metavar="DURATION", help="The slot's length, like 45m or 1h.")
]
StaffOption = Annotated[str, typer.Option("--staff", metavar="ID", help="The slot's staff.")]
RoomOption = Annotated[str, typer.Option("--room", metavar="ID", help="The slot's room.")]
PartySizeOption = Annotated[
    int, typer.Option("--party-size", metavar="N", min=0, max=1_000, help="The slot's party size.")
]
ReferenceOption = Annotated[
    str | None, typer.Option("--reference", metavar="TEXT", help="Names this request: the same again is done once.")
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]


def make_sure(question: str, *, yes: bool) -> None:
    """Returns if it may be done. Asks where somebody is there to answer; a program must say --yes."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter("nobody is here to be asked; say --yes to do it", param_hint="--yes")
    if not typer.confirm(question, err=True):
        raise CommandFailed("nothing was changed")


def asked_slot(
    merchant: str, service: str, start: str, duration: str, staff: str, room: str, party_size: int
) -> AskedSlot:
    """The slot that the options name; resources only where any were given."""
    resources = Resources(staff, room, party_size)
    return AskedSlot(
        merchant,
        service,
        instant_us(start, "--start"),
        duration_us(duration, "--duration"),
        resources=None if resources == Resources() else resources,
    )


def instant_us(text: str, option: str) -> int:
    try:
        if text.isascii() and text.isdigit():
            at = datetime.fromtimestamp(int(text), tz=UTC)
        else:
            at = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError) as error:
        raise typer.BadParameter("write 2026-01-31T12:00Z, or seconds since 1970 UTC", param_hint=option) from error
    if at.tzinfo is None:
        raise typer.BadParameter("say the zone too: 2026-01-31T12:00Z or ...+01:00", param_hint=option)
    seconds = int(at.timestamp())
    return seconds * SECOND_US + at.microsecond


def duration_us(text: str, option: str) -> int:
    from slotlease.config import duration_of  # noqa: PLC0415 - see cli/__init__.py

    try:
        duration = duration_of(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text} {error}", param_hint=option) from error
    found_us = round(duration.total_seconds() * SECOND_US)
    if found_us < 1:
        raise typer.BadParameter("must be more than nothing", param_hint=option)
    return found_us


def reference_or_new(given: str | None) -> str:
    if given is None:
        return f"operator-{secrets.token_hex(8)}"
    return text_of_option(given, "--reference", least=1)


def text_of_option(given: str, option: str, *, least: int = 0) -> str:
    if len(given) < least or len(given) > TEXT_LENGTH_MAX or not given.isprintable():
        raise typer.BadParameter(f"write {least} to {TEXT_LENGTH_MAX} printable characters", param_hint=option)
    return given


def refuse(refusal: Refusal, as_json: bool) -> NoReturn:
    """Tells why not, and ends the command with 1."""
    match refusal:
        case BookingFailure():
            reason, where = refusal.cause.value, ""
        case NotFound():
            reason, where = "NOT_FOUND", refusal.field
        case _:
            reason, where = refusal.reason.value, refusal.field
    if as_json:
        told = {"reason": reason, "field": where or None, "description": refusal.description}
        print_json({"refusal": told})
    raise CommandFailed(f"refused, {reason}: {where + ': ' if where else ''}{refusal.description}")

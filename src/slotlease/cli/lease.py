"""`slotlease lease`: holds on spots, as the operator sees and makes them."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Annotated

import typer

from slotlease.cli.ledger import (
    CommandFailed,
    FileOption,
    JsonOption,
    LimitOption,
    StoreOption,
    ask_ledger,
    now_us_of,
    open_ledger,
    settings_from,
)
from slotlease.cli.output import lease_facts, print_facts, print_json, print_rows
from slotlease.desk.create_lease import CreateLease
from slotlease.desk.release_lease import ReleaseLease
from slotlease.desk.show_lease import ShowLease
from slotlease.domain.failure import BookingFailure, NotFound, Refusal
from slotlease.domain.lease import Lease, LeaseState
from slotlease.domain.slot import SECOND_US, AskedSlot, Resources

lease = typer.Typer(help="Leases: holds on spots, which end by themselves.", no_args_is_help=True)

_COLUMNS = ("lease_id", "state", "merchant", "service", "start", "staff", "room", "party_size", "spot", "left_s")
REFERENCE_LENGTH_MAX = 255
"""As for a user_reference on the wire."""

LeaseId = Annotated[str, typer.Argument(metavar="LEASE_ID", help="As `slotlease lease list` prints it.")]


@lease.command("list")
def list_(
    live: Annotated[bool, typer.Option("--live", help="Only those that hold a spot now.")] = False,
    limit: LimitOption = 100,
    store: StoreOption = None,
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List leases, the newest first."""
    settings = settings_from(file, store=store)
    with open_ledger(settings) as ledger:
        now_us = now_us_of(ledger)
        rows = [lease_facts(found, now_us) for found in ledger.leases(live_only=live, limit=limit)]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, _COLUMNS, nothing="No live leases." if live else "No leases.")


@lease.command()
def show(lease_id: LeaseId, store: StoreOption = None, file: FileOption = None, as_json: JsonOption = False) -> None:
    """Show everything about one lease."""
    settings = settings_from(file, store=store)
    with open_ledger(settings) as ledger:
        now_us = now_us_of(ledger)
        answer = ask_ledger(ledger, ShowLease(lease_id))
    _print(_found(answer, settings.store), now_us, as_json)


@lease.command()
def release(lease_id: LeaseId, store: StoreOption = None, file: FileOption = None, as_json: JsonOption = False) -> None:
    """End a lease before its time and give its spot back.

    One that has ended already stays as it is; one that was booked is refused.
    """
    settings = settings_from(file, store=store)
    with open_ledger(settings) as ledger:
        answer = _found(ask_ledger(ledger, ReleaseLease(lease_id)), settings.store)
        now_us = now_us_of(ledger)
    if answer.state is LeaseState.CONSUMED:
        message = f"{lease_id} was booked, so its spot is the booking's; cancel the booking to give the spot back"
        raise CommandFailed(message)
    _print(answer, now_us, as_json)


@lease.command()
def create(
    *,
    merchant: Annotated[str, typer.Option(metavar="ID", help="The merchant.")],
    service: Annotated[str, typer.Option(metavar="ID", help="The service.")],
    start: Annotated[str, typer.Option(metavar="WHEN", help="2026-01-31T12:00Z, or seconds since 1970 UTC.")],
    duration: Annotated[str, typer.Option(metavar="DURATION", help="The slot's length, like 45m or 1h.")],
    staff: Annotated[str, typer.Option(metavar="ID", help="The slot's staff.")] = "",
    room: Annotated[str, typer.Option(metavar="ID", help="The slot's room.")] = "",
    party_size: Annotated[int, typer.Option(metavar="N", min=0, max=1_000, help="The slot's party size.")] = 0,
    hold: Annotated[
        str | None, typer.Option("--for", metavar="DURATION", help="How long to hold it, within the server's limits.")
    ] = None,
    reference: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Names this request: the same again gets the same lease.")
    ] = None,
    store: StoreOption = None,
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold one spot of a slot, exactly as the server would."""
    resources = Resources(staff, room, party_size)
    slot = AskedSlot(
        merchant,
        service,
        _instant_us(start),
        _duration_us(duration, "--duration"),
        resources=None if resources == Resources() else resources,
    )
    hold_us = None if hold is None else _duration_us(hold, "--for")
    settings = settings_from(file, store=store)
    from slotlease.serve import lease_terms, new_secret  # noqa: PLC0415 - see cli/__init__.py

    with open_ledger(settings) as ledger:
        now_us = now_us_of(ledger)
        operation = CreateLease(
            slot,
            _reference(reference),
            None if hold_us is None else now_us + hold_us,
            new_secret(),
        )
        answer = ask_ledger(ledger, operation, lease_terms(settings))
    if isinstance(answer, Lease):
        _print(answer, now_us, as_json)
    else:
        _refuse(answer, as_json)


def _print(found: Lease, now_us: int, as_json: bool) -> None:
    facts = lease_facts(found, now_us)
    if as_json:
        print_json(facts)
    else:
        print_facts(facts)


def _found(answer: Lease | NotFound, store: str) -> Lease:
    if isinstance(answer, NotFound):
        message = f"no lease with this id on {store}; `slotlease lease list` prints the ids"
        raise CommandFailed(message)
    return answer


def _refuse(refusal: Refusal, as_json: bool) -> None:
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


def _reference(given: str | None) -> str:
    if given is None:
        return f"operator-{secrets.token_hex(8)}"
    if not given or len(given) > REFERENCE_LENGTH_MAX or not given.isprintable():
        raise typer.BadParameter(f"write 1 to {REFERENCE_LENGTH_MAX} printable characters", param_hint="--reference")
    return given


def _instant_us(text: str) -> int:
    try:
        if text.isascii() and text.isdigit():
            at = datetime.fromtimestamp(int(text), tz=UTC)
        else:
            at = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError) as error:
        raise typer.BadParameter("write 2026-01-31T12:00Z, or seconds since 1970 UTC", param_hint="--start") from error
    if at.tzinfo is None:
        raise typer.BadParameter("say the zone too: 2026-01-31T12:00Z or ...+01:00", param_hint="--start")
    seconds = int(at.timestamp())
    return seconds * SECOND_US + at.microsecond


def _duration_us(text: str, option: str) -> int:
    from slotlease.config import duration_of  # noqa: PLC0415 - see cli/__init__.py

    try:
        duration = duration_of(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text} {error}", param_hint=option) from error
    duration_us = round(duration.total_seconds() * SECOND_US)
    if duration_us < 1:
        raise typer.BadParameter("must be more than nothing", param_hint=option)
    return duration_us

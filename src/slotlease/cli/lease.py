"""`slotlease lease`: holds on spots, as the operator sees and makes them."""

from __future__ import annotations

from typing import Annotated

import typer

from slotlease.cli.asking import (
    DurationOption,
    MerchantOption,
    PartySizeOption,
    ReferenceOption,
    RoomOption,
    ServiceOption,
    StaffOption,
    StartOption,
    YesOption,
    asked_slot,
    duration_us,
    make_sure,
    reference_or_new,
    refuse,
)
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
from slotlease.domain.failure import NotFound
from slotlease.domain.lease import Lease, LeaseState
from slotlease.store.address import shown

commands = typer.Typer(help="Leases: holds on spots, which end by themselves.", no_args_is_help=True)

_COLUMNS = (
    "lease_id", "outcome", "merchant", "service", "start", "staff", "room", "party_size", "spot", "age_s", "left_s"
)  # fmt: skip

LeaseId = Annotated[str, typer.Argument(metavar="LEASE_ID", help="As `slotlease lease list` prints it.")]


@commands.command("list")
def list_(
    live: Annotated[bool, typer.Option("--live", help="Only those that hold a spot now.")] = False,
    expired: Annotated[bool, typer.Option("--expired", help="Only those whose time ran out.")] = False,
    limit: LimitOption = 100,
    store: StoreOption = None,
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List leases, the newest first.

    How old each is, how long it holds its spot still, and what became of it.
    """
    if live and expired:
        raise typer.BadParameter("a lease is either live or expired; say one of the two", param_hint="--expired")
    settings = settings_from(file, store=store)
    with open_ledger(settings) as ledger:
        now_us = now_us_of(ledger)
        rows = [_facts(found, now_us) for found in ledger.leases(live_only=live, expired_only=expired, limit=limit)]
    if as_json:
        print_json(rows)
    else:
        nothing = "No live leases." if live else "No expired leases." if expired else "No leases."
        print_rows(rows, _COLUMNS, nothing=nothing)


@commands.command()
def show(lease_id: LeaseId, store: StoreOption = None, file: FileOption = None, as_json: JsonOption = False) -> None:
    """Show everything about one lease."""
    settings = settings_from(file, store=store)
    with open_ledger(settings) as ledger:
        now_us = now_us_of(ledger)
        answer = ask_ledger(ledger, ShowLease(lease_id))
    _print(_found(answer, shown(settings.store)), now_us, as_json)


@commands.command()
def release(
    lease_id: LeaseId,
    yes: YesOption = False,
    store: StoreOption = None,
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a lease before its time.

    Its spot is free again at once, and whoever holds the lease can no longer book with it. One that has ended
    already stays as it is; one that was booked is refused.
    """
    settings = settings_from(file, store=store)
    with open_ledger(settings) as ledger:
        held = _found(ask_ledger(ledger, ShowLease(lease_id)), shown(settings.store))
        if held.is_live(now_us_of(ledger)):
            make_sure(f"Somebody may be booking with {lease_id} right now. End it?", yes=yes)
        answer = _found(ask_ledger(ledger, ReleaseLease(lease_id)), shown(settings.store))
        now_us = now_us_of(ledger)
    if answer.state is LeaseState.CONSUMED:
        message = f"{lease_id} was booked, so its spot is the booking's; cancel the booking to give the spot back"
        raise CommandFailed(message)
    _print(answer, now_us, as_json)


@commands.command()
def create(
    *,
    merchant: MerchantOption,
    service: ServiceOption,
    start: StartOption,
    duration: DurationOption,
    staff: StaffOption = "",
    room: RoomOption = "",
    party_size: PartySizeOption = 0,
    hold: Annotated[
        str | None, typer.Option("--for", metavar="DURATION", help="How long to hold it, within the server's limits.")
    ] = None,
    reference: ReferenceOption = None,
    store: StoreOption = None,
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold one spot, as the server would.

    The settings' shortest and longest lease bind it, and the slot's start.
    """
    slot = asked_slot(merchant, service, start, duration, staff, room, party_size)
    hold_us = None if hold is None else duration_us(hold, "--for")
    named = reference_or_new(reference)
    settings = settings_from(file, store=store)
    from slotlease.serve import lease_terms, new_secret  # noqa: PLC0415 - see cli/__init__.py

    with open_ledger(settings) as ledger:
        now_us = now_us_of(ledger)
        expires_us = None if hold_us is None else now_us + hold_us
        answer = ask_ledger(ledger, CreateLease(slot, named, expires_us, new_secret()), lease_terms(settings))
    if not isinstance(answer, Lease):
        refuse(answer, as_json)
    _print(answer, now_us, as_json)


def _print(found: Lease, now_us: int, as_json: bool) -> None:
    facts = _facts(found, now_us)
    if as_json:
        print_json(facts)
    else:
        print_facts(facts)


def _found(answer: Lease | NotFound, store: str) -> Lease:
    if isinstance(answer, NotFound):
        message = f"no lease with this id on {store}; `slotlease lease list` prints the ids"
        raise CommandFailed(message)
    return answer


def _facts(found: Lease, now_us: int) -> dict[str, object]:
    return {**lease_facts(found, now_us), "outcome": _outcome(found, now_us)}


def _outcome(found: Lease, now_us: int) -> str:
    match found.state:
        case LeaseState.ACTIVE:
            return "live" if found.is_live(now_us) else "expired, not swept yet"
        case LeaseState.CONSUMED:
            return "booked"
        case LeaseState.EXPIRED:
            return "expired"
        case LeaseState.RELEASED:
            return "given back"

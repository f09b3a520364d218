"""`slotlease booking`: sold spots, as the operator sees them."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import Enum
from typing import Annotated, cast

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
from slotlease.cli.output import booking_facts, instant, print_facts, print_json, print_rows, slot_facts
from slotlease.desk.get_booking_status import GetBookingStatus
from slotlease.domain.booking import Booking
from slotlease.domain.failure import NotFound
from slotlease.domain.slot import SECOND_US

booking = typer.Typer(help="Bookings: sold spots.", no_args_is_help=True)

_COLUMNS = ("booking_id", "status", "merchant", "service", "start", "staff", "room", "party_size", "spot", "created")


@booking.command("list")
def list_(
    limit: LimitOption = 100, store: StoreOption = None, file: FileOption = None, as_json: JsonOption = False
) -> None:
    """List bookings by their start, the latest first. Nothing personal is printed."""
    settings = settings_from(file, store=store)
    with open_ledger(settings) as ledger:
        now_us = now_us_of(ledger)
        rows = [booking_facts(found, now_us) for found in ledger.bookings(limit=limit)]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, _COLUMNS, nothing="No bookings.")


@booking.command()
def show(
    booking_id: Annotated[str, typer.Argument(metavar="BOOKING_ID", help="As `slotlease booking list` prints it.")],
    store: StoreOption = None,
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show everything about one booking, the customer's data too: the only command that prints it."""
    settings = settings_from(file, store=store)
    with open_ledger(settings) as ledger:
        now_us = now_us_of(ledger)
        answer = ask_ledger(ledger, GetBookingStatus(booking_id))
    if isinstance(answer, NotFound):
        message = f"no booking with this id on {settings.store}; `slotlease booking list` prints the ids"
        raise CommandFailed(message)
    facts = _everything(answer, now_us)
    if as_json:
        print_json(facts)
    else:
        print_facts(facts)


def _everything(found: Booking, now_us: int) -> dict[str, object]:
    return {
        **booking_facts(found, now_us),
        "starts_in_s": (found.slot.start_us - now_us) // SECOND_US,
        "first_answer": {"status": found.status_created.name, **slot_facts(found.slot_created)},
        "lease_no": found.lease_no or None,
        "idempotency_token": found.idempotency_token,
        "user": _plain(asdict(found.user)),
        "payment": None if found.payment is None else _plain(asdict(found.payment)),
        "additional_request": found.additional_request or None,
        "may_be_cancelled_now": found.claims_spot and now_us <= found.cancel_by_us,
        "as_of": instant(now_us),
    }


def _plain(value: dict[str, object]) -> dict[str, object]:
    def name_of(member: object) -> str:
        return member.name if isinstance(member, Enum) else str(member)

    return cast("dict[str, object]", json.loads(json.dumps(value, default=name_of)))

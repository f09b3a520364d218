"""`slotlease booking`: sold spots, as the operator sees them."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import Enum
from typing import Annotated, cast

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
    instant_us,
    make_sure,
    reference_or_new,
    refuse,
    text_of_option,
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
from slotlease.cli.output import booking_facts, instant, print_facts, print_json, print_rows, slot_facts
from slotlease.desk.answer_booking import AnswerBooking
from slotlease.desk.create_booking import CreateBooking
from slotlease.desk.get_booking_status import GetBookingStatus
from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import Booking, BookingStatus, UserInformation
from slotlease.domain.event import Actor
from slotlease.domain.failure import NotFound, Refusal
from slotlease.domain.slot import SECOND_US
from slotlease.store.address import shown
from slotlease.store.protocol import Store

commands = typer.Typer(help="Bookings: sold spots.", no_args_is_help=True)

BookingId = Annotated[str, typer.Argument(metavar="BOOKING_ID", help="As `slotlease booking list` prints it.")]

_COLUMNS = ("booking_id", "status", "merchant", "service", "start", "staff", "room", "party_size", "spot", "created")


@commands.command("list")
def list_(
    limit: LimitOption = 100, store: StoreOption = None, file: FileOption = None, as_json: JsonOption = False
) -> None:
    """List bookings, the latest start first.

    Nothing personal is printed.
    """
    settings = settings_from(file, store=store)
    with open_ledger(settings) as ledger:
        now_us = now_us_of(ledger)
        rows = [booking_facts(found, now_us) for found in ledger.bookings(limit=limit)]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, _COLUMNS, nothing="No bookings.")


@commands.command()
def show(
    booking_id: BookingId,
    store: StoreOption = None,
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one booking and its customer.

    The only command that prints a customer's data; `slotlease booking list` prints nothing personal.
    """
    settings = settings_from(file, store=store)
    with open_ledger(settings) as ledger:
        now_us = now_us_of(ledger)
        found = _found(ledger, shown(settings.store), booking_id)
    facts = _everything(found, now_us)
    if as_json:
        print_json(facts)
    else:
        print_facts(facts)


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
    name: Annotated[str, typer.Option(metavar="TEXT", help="Who comes.")] = "",
    telephone: Annotated[str, typer.Option(metavar="TEXT", help="Where to reach them.")] = "",
    email: Annotated[str, typer.Option(metavar="TEXT", help="Where to write to them.")] = "",
    note: Annotated[str, typer.Option(metavar="TEXT", help="What they ask for.")] = "",
    reference: ReferenceOption = None,
    store: StoreOption = None,
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Book a spot for a walk-in or a caller.

    So all channels share one ledger. No lead time binds the merchant, and the slot may have begun. The booking is
    confirmed at once. Names need not be given; two bookings of one slot are two people.
    """
    slot = asked_slot(merchant, service, start, duration, staff, room, party_size)
    token = reference_or_new(reference)
    given_name = text_of_option(name, "--name")
    user = UserInformation(
        "", given_name, "", text_of_option(telephone, "--telephone"), text_of_option(email, "--email")
    )
    settings = settings_from(file, store=store)
    from slotlease.serve import new_secret  # noqa: PLC0415 - see cli/__init__.py

    operation = CreateBooking(
        slot=slot,
        lease_id="",
        # Whoever stands at the counter has no id. Each booking is somebody's of its own: the merchant may well book
        # two spots of a class for a mother and her child.
        user_key=f"operator:{token}",
        user=user,
        payment=None,
        asks_to_charge=False,
        additional_request=text_of_option(note, "--note"),
        idempotency_token=token,
        secret=new_secret(),
        actor=Actor.MERCHANT,
    )
    with open_ledger(settings) as ledger:
        answer = ask_ledger(ledger, operation)
        now_us = now_us_of(ledger)
    _print(answer, now_us, as_json)


@commands.command()
def confirm(
    booking_id: BookingId, store: StoreOption = None, file: FileOption = None, as_json: JsonOption = False
) -> None:
    """Confirm a booking that waits for an answer."""
    settings = settings_from(file, store=store)
    with open_ledger(settings) as ledger:
        _found(ledger, shown(settings.store), booking_id)
        answer = ask_ledger(ledger, AnswerBooking(booking_id, confirms=True))
        now_us = now_us_of(ledger)
    _print(answer, now_us, as_json)


@commands.command()
def decline(
    booking_id: BookingId,
    yes: YesOption = False,
    store: StoreOption = None,
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decline a booking that waits for an answer.

    It becomes CANCELED, and its spot is free again.
    """
    settings = settings_from(file, store=store)
    with open_ledger(settings) as ledger:
        found = _found(ledger, shown(settings.store), booking_id)
        if found.claims_spot:
            make_sure(f"Decline {_named(found)}?", yes=yes)
        answer = ask_ledger(ledger, AnswerBooking(booking_id, confirms=False))
        now_us = now_us_of(ledger)
    _print(answer, now_us, as_json)


@commands.command()
def cancel(
    booking_id: BookingId,
    yes: YesOption = False,
    store: StoreOption = None,
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Cancel a booking for its merchant.

    No cancellation window binds the merchant. The spot is free again at once.
    """
    settings = settings_from(file, store=store)
    with open_ledger(settings) as ledger:
        found = _found(ledger, shown(settings.store), booking_id)
        if found.claims_spot:
            make_sure(f"Cancel {_named(found)}?", yes=yes)
        operation = UpdateBooking(booking_id, status=BookingStatus.CANCELED, actor=Actor.MERCHANT)
        answer = ask_ledger(ledger, operation)
        now_us = now_us_of(ledger)
    _print(answer, now_us, as_json)


@commands.command()
def move(
    booking_id: BookingId,
    *,
    start: Annotated[str | None, typer.Option(metavar="WHEN", help="When the new slot starts.")] = None,
    duration: Annotated[str | None, typer.Option(metavar="DURATION", help="The new slot's length.")] = None,
    party_size: Annotated[
        int | None, typer.Option(metavar="N", min=0, max=1_000, help="The new slot's party size.")
    ] = None,
    yes: YesOption = False,
    store: StoreOption = None,
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move a booking to another slot.

    The slot is one of the same service, staff and room; what is not named stays. Refused, nothing is changed. No
    cancellation window and no lead time bind the merchant.
    """
    if start is None and duration is None and party_size is None:
        raise typer.BadParameter("say where to: --start, --duration or --party-size", param_hint="--start")
    operation = UpdateBooking(
        booking_id,
        start_us=None if start is None else instant_us(start, "--start"),
        duration_us=None if duration is None else duration_us(duration, "--duration"),
        party_size=party_size,
        actor=Actor.MERCHANT,
    )
    settings = settings_from(file, store=store)
    with open_ledger(settings) as ledger:
        make_sure(f"Move {_named(_found(ledger, shown(settings.store), booking_id))}?", yes=yes)
        answer = ask_ledger(ledger, operation)
        now_us = now_us_of(ledger)
    _print(answer, now_us, as_json)


def _found(ledger: Store, address: str, booking_id: str) -> Booking:
    answer = ask_ledger(ledger, GetBookingStatus(booking_id))
    if isinstance(answer, NotFound):
        message = f"no booking with this id on {address}; `slotlease booking list` prints the ids"
        raise CommandFailed(message)
    return answer


def _named(found: Booking) -> str:
    """The booking in words, without its customer."""
    slot = found.slot
    return f"the {found.status.name} booking of {slot.merchant_id} / {slot.service_id} at {instant(slot.start_us)}"


def _print(answer: Booking | Refusal, now_us: int, as_json: bool) -> None:
    if not isinstance(answer, Booking):
        refuse(answer, as_json)
    facts = booking_facts(answer, now_us)
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

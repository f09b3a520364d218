"""`slotlease slot`: one slot as the operator sees it, and takes it off sale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

import typer

from slotlease.cli.asking import (
    DurationOption,
    MerchantOption,
    PartySizeOption,
    RoomOption,
    ServiceOption,
    StaffOption,
    StartOption,
    YesOption,
    asked_slot,
    make_sure,
    refuse,
)
from slotlease.cli.ledger import FileOption, JsonOption, StoreOption, ask_ledger, open_ledger, settings_from
from slotlease.cli.output import instant, print_facts, print_json, slot_facts, span
from slotlease.desk.close_slot import CloseSlot
from slotlease.desk.show_slot import ShowSlot, SlotShown, Taken
from slotlease.domain.booking import Booking
from slotlease.domain.failure import InvalidArgument
from slotlease.domain.lease import Lease
from slotlease.domain.policy import Closed, last_bookable_us
from slotlease.domain.slot import NOBODY, SECOND_US, AskedSlot
from slotlease.store.protocol import Store

commands = typer.Typer(help="Slots: offered appointments.", no_args_is_help=True)

Reason = dict[str, object]


@commands.command()
def show(
    *,
    merchant: MerchantOption,
    service: ServiceOption,
    start: StartOption,
    duration: DurationOption,
    staff: StaffOption = "",
    room: RoomOption = "",
    party_size: PartySizeOption = 0,
    store: StoreOption = None,
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one slot, and why it is not free.

    How many spots are free, who claims the others, and every reason why it cannot be booked now. Customers of
    Google are meant: for the merchant itself (`slotlease booking create`) lead times do not count.
    """
    asked = asked_slot(merchant, service, start, duration, staff, room, party_size)
    settings = settings_from(file, store=store)
    with open_ledger(settings) as ledger:
        shown = _shown(ledger, asked, as_json)
    _print(asked, shown, as_json)


@commands.command()
def close(
    *,
    merchant: MerchantOption,
    service: ServiceOption,
    start: StartOption,
    duration: DurationOption,
    staff: StaffOption = "",
    room: RoomOption = "",
    party_size: PartySizeOption = 0,
    yes: YesOption = False,
    store: StoreOption = None,
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a slot off sale.

    It stays so until `slotlease slot open`, whatever the next feeds say. What is booked stays booked, and whoever
    holds a lease now may still book with it.
    """
    asked = asked_slot(merchant, service, start, duration, staff, room, party_size)
    settings = settings_from(file, store=store)
    with open_ledger(settings) as ledger:
        before = _shown(ledger, asked, as_json)
        if not before.offer.slot.closed_by_operator:
            question = f"Take {merchant} / {service} at {instant(asked.start_us)} off sale?"
            make_sure(f"{question} {before.busy} of its spots are claimed, and stay so.", yes=yes)
        shown = _set(ledger, asked, closes=True, as_json=as_json)
    _print(asked, shown, as_json)


@commands.command("open")
def open_(
    *,
    merchant: MerchantOption,
    service: ServiceOption,
    start: StartOption,
    duration: DurationOption,
    staff: StaffOption = "",
    room: RoomOption = "",
    party_size: PartySizeOption = 0,
    store: StoreOption = None,
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a closed slot back on sale.

    Undoes `slotlease slot close`. A slot that a feed closed stays closed.
    """
    asked = asked_slot(merchant, service, start, duration, staff, room, party_size)
    settings = settings_from(file, store=store)
    with open_ledger(settings) as ledger:
        shown = _set(ledger, asked, closes=False, as_json=as_json)
    _print(asked, shown, as_json)


def _set(ledger: Store, asked: AskedSlot, *, closes: bool, as_json: bool) -> SlotShown:
    """Closes or opens the slot; as it is then."""
    answer = ask_ledger(ledger, CloseSlot(asked, closes=closes))
    if isinstance(answer, InvalidArgument):
        refuse(answer, as_json)
    return _shown(ledger, asked, as_json)


def _shown(ledger: Store, asked: AskedSlot, as_json: bool) -> SlotShown:
    answer = ask_ledger(ledger, ShowSlot(asked))
    if isinstance(answer, InvalidArgument):
        refuse(answer, as_json)
    return answer


# --- what is told -------------------------------------------------------------------------------------------------


def _print(asked: AskedSlot, shown: SlotShown, as_json: bool) -> None:
    slot = shown.offer.slot
    facts: dict[str, object] = {
        **slot_facts(asked),
        "availability_tag": slot.availability_tag or None,
        "spots_total": slot.spots_total,
        "spots_elsewhere": slot.spots_elsewhere,
        "spots_claimed": shown.busy,
        "spots_available": shown.count_available,
        "merchant_confirms": slot.asynchronous,
        "as_of": instant(shown.now_us),
    }
    reasons = list(_reasons(shown))
    claims = [_claim_facts(claim, shown.now_us) for claim in shown.claims]
    if as_json:
        print_json({**facts, "why_not_available": reasons, "claims": claims})
        return
    print_facts(facts)
    typer.echo("\nNot available, because" if reasons else "\nAvailable.")
    for reason in reasons:
        typer.echo(f"- {reason['description']}")
        for claim in cast("list[Reason]", reason.get("claims", [])):
            typer.echo(f"  - {_claim_in_words(claim)}")
    if claims:
        typer.echo("\nIts spots are claimed by")
        for claim in claims:
            typer.echo(f"- {_claim_in_words(claim)}")
    if len(claims) < shown.busy:
        typer.echo(f"- and {shown.busy - len(claims)} more")


def _reasons(shown: SlotShown) -> Iterator[Reason]:
    slot = shown.offer.slot
    for closed in shown.closed_because:
        yield {"reason": closed.value, "description": _closed_in_words(closed, shown)}
    if shown.busy >= slot.capacity:
        left = f"all of its {slot.capacity} spots are claimed" if slot.capacity else "it has no spot to sell here"
        elsewhere = f" ({slot.spots_elsewhere} of {slot.spots_total} were sold elsewhere)" * bool(slot.spots_elsewhere)
        yield {"reason": "FULL", "description": left + elsewhere}
    for taken in shown.taken:
        yield _taken_reason(taken, shown)


def _closed_in_words(closed: Closed, shown: SlotShown) -> str:
    slot, service = shown.offer.slot, shown.offer.service
    match closed:
        case Closed.BY_FEED:
            return "it is closed by the feed: the last import no longer offered it, or offered no spot"
        case Closed.BY_OPERATOR:
            return "it is closed by the operator; `slotlease slot open` puts it back on sale"
        case Closed.OVER:
            return f"it was over at {instant(slot.end_us)}"
        case Closed.BEGUN:
            return f"it began at {instant(slot.start_us)}"
        case Closed.NOT_YET:
            return f"it may be booked from {instant(slot.first_bookable_us or 0)} on"
        case Closed.LEAD_TIME:
            return f"it could be booked until {instant(last_bookable_us(slot, service))}"


def _taken_reason(taken: Taken, shown: SlotShown) -> Reason:
    catalogue, other = shown.offer.merchant, taken.slot
    staff = _name_of(catalogue.staff, other.staff_no)
    room = _name_of(catalogue.rooms, other.room_no)
    busy = [f"staff {staff}"] * taken.shares_staff + [f"room {room}"] * taken.shares_room
    service = next(one.service_id for one in catalogue.services.values() if one.service_no == other.service_no)
    when = f"{instant(other.start_us)} for {span(other.duration_us // SECOND_US)}"
    return {
        "reason": "STAFF_BUSY" if taken.shares_staff else "ROOM_BUSY",
        "description": f"{' and '.join(busy)} {'is' if len(busy) == 1 else 'are'} busy with {service} at {when}",
        "service": service,
        "start": instant(other.start_us),
        "duration_s": other.duration_us // SECOND_US,
        "staff": staff,
        "room": room,
        "claims": [_claim_facts(claim, shown.now_us) for claim in taken.claims],
    }


def _name_of(names: Mapping[str, int], number: int) -> str | None:
    return None if number == NOBODY else next(name for name, found in names.items() if found == number)


def _claim_facts(claim: Lease | Booking, now_us: int) -> dict[str, object]:
    """Who holds a spot: a lease by its reference, a booking by its id and no more."""
    if isinstance(claim, Booking):
        return {"spot": claim.spot_no, "booking_id": claim.booking_id, "status": claim.status.name}
    return {
        "spot": claim.spot_no,
        "lease_id": claim.lease_id,
        "user_reference": claim.client_reference,
        "expires": instant(claim.expires_us),
        "left_s": (claim.expires_us - now_us) // SECOND_US,
    }


def _claim_in_words(claim: Mapping[str, object]) -> str:
    if "booking_id" in claim:
        return f"spot {claim['spot']}: booked, {claim['status']}, {claim['booking_id']}"
    reference = str(claim["user_reference"]).encode("unicode_escape").decode()
    left = f"until {claim['expires']}, for {span(int(str(claim['left_s'])))} still"
    return f"spot {claim['spot']}: leased {left}, by reference {reference}, {claim['lease_id']}"

"""The ledger after a crash against what its callers know: nothing acknowledged is lost, nothing is there that nobody
asked for, and what was not answered happened once or not at all (INV-12, INV-17, INV-19)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.crash.callers import Account, BookingFact, Caller, LeaseFact
from tests.model.ledger_image import LedgerImage

Facts = frozenset[LeaseFact | BookingFact]


def facts_on(image: LedgerImage) -> dict[str, list[LeaseFact | BookingFact]]:
    """By caller."""
    found: dict[str, list[LeaseFact | BookingFact]] = {}
    tokens = {key: lease.client_reference for key, lease in image.leases.items()}
    for lease in image.leases.values():
        start_us = image.places[lease.merchant_no, lease.slot_no].start_us
        fact = LeaseFact(lease.client_reference, start_us, consumed=lease.state == "CONSUMED")
        found.setdefault(_caller(fact.token), []).append(fact)
    for booking in image.bookings.values():
        start_us = image.places[booking.merchant_no, booking.slot_no].start_us
        lease_token = tokens[booking.merchant_no, booking.lease_no] if booking.lease_no else ""
        made = BookingFact(booking.idempotency_token, start_us, booking.status, booking.revision, lease_token)
        found.setdefault(_caller(made.token), []).append(made)
    return found


def wrongs(callers: Sequence[Caller], image: LedgerImage, counts: Counter[str]) -> list[str]:
    """What the ledger and the callers disagree on. Counts how many unanswered requests are found to have happened."""
    found = facts_on(image)
    wrong = [f"nobody called {name} asks here" for name in found.keys() - {caller.name for caller in callers}]
    for caller in callers:
        listed = found.get(caller.name, [])
        theirs = frozenset(listed)
        before = caller.account.facts()
        after = before if caller.doubtful is None else caller.account.after(caller.doubtful).facts()
        if len(theirs) != len(listed) or theirs not in (before, after):
            wrong.append(_disagreement(caller, before, theirs))
        elif after != before:
            counts["found committed" if theirs == after else "found not committed"] += 1
        wrong += _other_ids(caller.account, image)
    return wrong


def _caller(token: str) -> str:
    return token.partition(".")[0]


def _disagreement(caller: Caller, due: Facts, found: Facts) -> str:
    return f"caller {caller.name}, in doubt over {caller.doubtful}: lost {due - found}, not asked for {found - due}"


def _other_ids(account: Account, image: LedgerImage) -> list[str]:
    ids = {lease.client_reference: lease.lease_id for lease in image.leases.values()}
    ids |= {booking.idempotency_token: booking.booking_id for booking in image.bookings.values()}
    known = account.ids.items()
    return [f"{token} was {given} and is {ids[token]}" for token, given in known if ids.get(token, given) != given]

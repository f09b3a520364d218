"""CreateLease: what the answer must say, and what the hold must do. What takes waiting is in cases_lease_ends.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from slotlease.verify.answer import (
    INVALID_ARGUMENT,
    LEASE_EXPIRED,
    NOT_FOUND,
    OK,
    SLOT_UNAVAILABLE,
    UNIMPLEMENTED,
    Answer,
)
from slotlease.verify.caller import AVAILABILITY, CREATE_BOOKING, CREATE_LEASE
from slotlease.verify.case import case
from slotlease.verify.cases_availability import NOBODY, no_such_time
from slotlease.verify.shop import SECOND_US, Lease, LeaseWish, Slot
from slotlease.verify.trial import STANDING, NotTried, Trial, said

LENGTH_SANE_S: Final = (30, 3600)
FAR_AWAY_S: Final = 30 * 86_400
CLAMPED_S: Final = 86_400

_LEASE = "Lease; CreateLease"
_LEASES = (CREATE_LEASE,)


@case(
    "lease.offered",
    "the server offers leases, or says that it does not",
    rule="CreateLease grants a lease of a free slot. Where it is not offered (v2, v3: by agreement only) it is "
    "UNIMPLEMENTED, and nothing else.",
    source="CreateLease; Implement the booking server: methods",
    hint="A server without leases that answers INTERNAL or UNKNOWN looks broken: leave the method unregistered.",
    needs=_LEASES,
)
def _offered(t: Trial) -> None:
    answer = t.caller.create_lease(t.lease_wish(t.slot()))
    if answer.word == UNIMPLEMENTED and CREATE_LEASE in t.caller.optional:
        raise NotTried("the server offers no leases; Google leaves that to the partner", by_choice=True)
    t.expect(answer, OK)


@case(
    "lease.id",
    "each lease has an id of its own",
    rule="The partner makes lease_id and always sets it.",
    source=_LEASE,
    hint="The id is set in the database and left out of the answer, or is the slot's id.",
    needs=_LEASES,
)
def _id(t: Trial) -> None:
    ids = []
    for slot in t.two_slots():
        answer = t.caller.create_lease(t.lease_wish(slot))
        ids.append(t.prepared(answer, "a lease").lease_id)
        t.holds(bool(ids[-1]), "a lease_id", "none", answer)
    t.holds(ids[0] != ids[1], "two ids", f"twice {ids[0]}")


def _echo(name: str, field: str, hint: str) -> None:
    """One case for each field that comes back as it was sent."""

    @case(
        f"lease.echo.{name}",
        f"the {name} comes back as it was sent",
        rule=f"Every field of the request is set in the answer and equal to it: the {name}.",
        source=_LEASE,
        hint=hint,
        needs=_LEASES,
    )
    def _one(t: Trial) -> None:
        wish, answer = sample(t)
        came = t.value(answer)
        if name == "token":
            t.equal(name, wish.token, came.token, answer)
            return
        sent = getattr(wish.slot, field)
        if not sent:
            raise NotTried(f"no free slot of the feed has {field}", by_choice=True)
        t.equal(f"slot.{field}", sent, getattr(came.slot, field), answer)


_echo("merchant", "merchant_id", "The answer is built from the database's own key.")
_echo("service", "service_id", "The answer is built from the database's own key.")
_echo("start", "start_us", "A time zone: instants are UTC on the wire.")
_echo("duration", "duration_us", "The service's usual length is answered instead of the slot's.")
_echo("tag", "availability_tag", "The tag is not kept with the lease, or is the feed's newest.")
_echo(
    "resources",
    "resources",
    "The lease is kept without staff, room and party size; it may hold the wrong slot, too.",
)
_echo("token", "token", "user_reference (v0: client_reference) is left out of the answer.")


def sample(t: Trial) -> tuple[LeaseWish, Answer[Lease]]:
    """One lease that all echo cases look at: a lease holds a spot until it ends, so they are not made in plenty."""
    if t.around.lease_sample is None:
        asked = t.lease_wish(t.slot(rich=True, kind="resources or an availability_tag"))
        t.around.lease_sample = asked, t.caller.create_lease(asked)
    wish, answer = t.around.lease_sample
    if answer not in t.calls:
        t.calls.append(answer)
    t.prepared(answer, "a lease")
    return wish, answer


@case(
    "lease.expiry.set",
    "the answer says when the lease ends",
    rule="lease_expiration_time is always set, and lies ahead.",
    source=_LEASE,
    hint="It is set only where the request asked for one; or seconds and milliseconds were mixed up.",
    needs=_LEASES,
)
def _expiry_set(t: Trial) -> None:
    _, answer = sample(t)
    ahead_s = (t.value(answer).expires_us - t.around.now_us()) / SECOND_US
    t.holds(t.value(answer).expires_us > 0, "lease_expiration_time is set", "it is not", answer)
    t.holds(ahead_s > 0, "an expiry that lies ahead", f"one that was {-ahead_s:.0f} s ago", answer)


@case(
    "lease.expiry.sane",
    "a lease lasts long enough to book, and not for ever",
    rule=f"No page states a length. Between {LENGTH_SANE_S[0]} s and {LENGTH_SANE_S[1] // 60} min a user can pay and "
    "the slot is not lost for the day.",
    source="CreateLease (length left open)",
    hint="The wish was taken as it is, or minutes were taken for seconds.",
    needs=_LEASES,
    required=False,
)
def _expiry_sane(t: Trial) -> None:
    _, answer = sample(t)
    ahead_s = (t.value(answer).expires_us - t.around.now_us()) / SECOND_US
    shortest, longest = LENGTH_SANE_S
    t.holds(shortest <= ahead_s <= longest, f"{shortest} to {longest} s", f"{ahead_s:.0f} s", answer)


@case(
    "lease.expiry.clamped",
    "an expiry in a month is not granted",
    rule="The partner may shorten what was asked; a hold of weeks takes the slot off sale for nothing.",
    source="CreateLease: the partner may alter the time (left open)",
    hint="The wish is stored unchecked.",
    needs=_LEASES,
    required=False,
)
def _expiry_clamped(t: Trial) -> None:
    far_us = t.around.now_us() + FAR_AWAY_S * SECOND_US
    answer = t.caller.create_lease(t.lease_wish(t.slot(), expires_us=far_us))
    ahead_s = (t.prepared(answer, "a lease").expires_us - t.around.now_us()) / SECOND_US
    t.holds(ahead_s <= CLAMPED_S, f"at most {CLAMPED_S // 3600} hours ahead", f"{ahead_s / 3600:.0f} hours", answer)


@case(
    "lease.id.ignored",
    "a lease_id in the request is ignored",
    rule="lease_id is made by the partner; whatever a create request says there is disregarded.",
    source=_LEASE,
    hint="The request's message is stored as it came.",
    needs=_LEASES,
)
def _id_ignored(t: Trial) -> None:
    answer = t.caller.create_lease(t.lease_wish(t.slot(), lease_id=NOBODY))
    came = t.prepared(answer, "a lease").lease_id
    t.holds(came not in {"", NOBODY}, "an id of the server's own", came or "none", answer)


@case(
    "lease.token.same",
    "the same token gets the same lease",
    rule="The token makes CreateLease idempotent: the same request again gets the lease that it made.",
    source="Lease: user_reference (v0: client_reference); Implement the booking server: idempotency",
    hint="The token is not looked up, or not kept in the transaction that makes the lease.",
    needs=_LEASES,
)
def _token_same(t: Trial) -> None:
    wish = t.lease_wish(t.slot(spots_min=2, kind="2 open spots"))
    first = t.prepared(t.caller.create_lease(wish), "a lease")
    again = t.caller.create_lease(wish)
    t.equal("lease", first, t.value(again), again)


@case(
    "lease.token.one-effect",
    "the same token takes one spot",
    rule="Equal requests, equal outcome, no duplicates: however often it is sent, one spot is held.",
    source="Implement the booking server: idempotency",
    hint="The answer is remembered, but the hold is made again.",
    needs=_LEASES,
)
def _token_one_effect(t: Trial) -> None:
    slot = t.counted(2)
    before, wish = t.spots_before(slot), t.lease_wish(slot)
    t.prepared(t.caller.create_lease(wish), "a lease")
    t.caller.create_lease(wish)
    t.spots_are(slot, before - 1)


@case(
    "lease.token.other-slot",
    "the same token for another slot is no second lease",
    rule="A token names one lease. What a used token with another slot gets, no page says: an error tells the mistake.",
    source="Lease: user_reference (reuse left open)",
    hint="The token's row is found and the slot is not compared, or the token is not looked up at all.",
    needs=_LEASES,
    required=False,
)
def _token_other_slot(t: Trial) -> None:
    one, other = t.two_slots()
    wish = t.lease_wish(one)
    t.prepared(t.caller.create_lease(wish), "a lease")
    t.expect(t.caller.create_lease(replace(wish, slot=other)), INVALID_ARGUMENT)


@case(
    "lease.holds",
    "a lease takes one spot off sale",
    rule="While it lives, there is one spot less to be had.",
    source="CreateLease; FAQ: a lease should hold the slot",
    hint="The lease is stored and the count of free spots does not know of leases.",
    needs=_LEASES,
)
def _holds(t: Trial) -> None:
    slot = t.counted()
    before = t.spots_before(slot)
    t.leased(slot)
    t.spots_are(slot, before - 1)


@case(
    "lease.last-spot",
    "the last spot is leased once",
    rule="A slot whose last spot is leased cannot be leased: SLOT_UNAVAILABLE (v0: RESOURCE_EXHAUSTED).",
    source="CreateLease; BookingFailure",
    hint="Live leases are not counted against the slot.",
    needs=_LEASES,
)
def _last_spot(t: Trial) -> None:
    slot = t.single()
    t.leased(slot)
    t.expect(t.caller.create_lease(t.lease_wish(slot)), SLOT_UNAVAILABLE)


@case(
    "lease.blocks-booking",
    "the last spot, once leased, cannot be booked past the lease",
    rule="Others must not take what is held while its user types and pays.",
    source="FAQ: a lease should hold the slot; CreateBooking",
    hint="CreateBooking without a lease counts bookings and forgets live leases.",
    needs=(CREATE_LEASE, AVAILABILITY),
)
def _blocks_booking(t: Trial) -> None:
    slot = t.single()
    t.leased(slot)
    t.expect(t.caller.create_booking(t.wish(slot)), SLOT_UNAVAILABLE)


@case(
    "lease.consumed",
    "a booking uses its lease up",
    rule="CreateBooking with the lease books its slot, and takes no spot beside the one that was held.",
    source="CreateBooking; Lease",
    hint="The lease is not ended by the booking: the spot is counted twice until the lease lapses.",
    needs=(CREATE_LEASE, CREATE_BOOKING),
)
def _consumed(t: Trial) -> None:
    slot = t.counted()
    before = t.spots_before(slot)
    lease = t.leased(slot)
    answer = t.caller.create_booking(t.wish(slot, lease_id=lease.lease_id))
    t.holds(t.value(answer).status in STANDING, " or ".join(STANDING), t.value(answer).status, answer)
    t.spots_are(slot, before - 1)


@case(
    "lease.consumed-twice",
    "a lease cannot be booked twice",
    rule="A booking made from a lease uses it up: it cannot back another booking.",
    source="Lease; CreateBooking",
    hint="The lease is checked for its expiry only, not for having been used.",
    needs=(CREATE_LEASE, CREATE_BOOKING),
)
def _consumed_twice(t: Trial) -> None:
    slot = t.slot(spots_min=2, kind="2 open spots")
    lease = t.leased(slot)
    t.prepared(t.caller.create_booking(t.wish(slot, lease_id=lease.lease_id)), "a booking")
    second = t.caller.create_booking(t.wish(slot, lease_id=lease.lease_id))
    t.expect(second, LEASE_EXPIRED, open_words=(SLOT_UNAVAILABLE, NOT_FOUND, INVALID_ARGUMENT))


@case(
    "lease.unknown",
    "a lease that there is not",
    rule="A booking that names an unknown lease is refused. v0: NOT_FOUND; which word elsewhere, no page says.",
    source="CreateBooking",
    hint="A lease that is not found is taken for none, and the slot is booked directly.",
    needs=(CREATE_LEASE, CREATE_BOOKING),
)
def _unknown(t: Trial) -> None:
    answer = t.caller.create_booking(t.wish(t.slot(), lease_id=NOBODY))
    t.expect(answer, LEASE_EXPIRED, open_words=(NOT_FOUND, INVALID_ARGUMENT))


@case(
    "lease.slot-differs",
    "the slot of the booking is not the lease's",
    rule="With a lease, slot must equal the leased slot. Which word refuses it, no page says.",
    source="CreateBooking: slot (v2, v3)",
    hint="The slot of the request is booked and the lease only ended, or the other way round.",
    needs=(CREATE_LEASE, CREATE_BOOKING, AVAILABILITY),
)
def _slot_differs(t: Trial) -> None:
    leased, other = t.two_slots()
    lease = t.leased(leased)
    answer = t.caller.create_booking(t.wish(other, lease_id=lease.lease_id))
    t.expect(answer, INVALID_ARGUMENT, open_words=(LEASE_EXPIRED, SLOT_UNAVAILABLE, NOT_FOUND))


@case(
    "lease.unknown-merchant",
    "a lease at a merchant that there is not",
    rule="A bad merchant id is INVALID_ARGUMENT.",
    source="CreateLease: status codes",
    hint="An empty result of a query is taken for a full slot.",
    needs=_LEASES,
)
def _unknown_merchant(t: Trial) -> None:
    _refuses(t, replace(t.around.offers[0].slot, merchant_id=NOBODY))


@case(
    "lease.unknown-service",
    "a lease of a service that there is not",
    rule="A bad service id is INVALID_ARGUMENT.",
    source="CreateLease: status codes",
    hint="As for an unknown merchant.",
    needs=_LEASES,
)
def _unknown_service(t: Trial) -> None:
    _refuses(t, replace(t.around.offers[0].slot, service_id=NOBODY))


@case(
    "lease.unknown-slot",
    "a lease of a start at which nothing begins",
    rule="A bad slot time is INVALID_ARGUMENT.",
    source="CreateLease: status codes",
    hint="The start is rounded, or the slot is made up as it is asked for.",
    needs=_LEASES,
)
def _unknown_slot(t: Trial) -> None:
    answer = t.caller.create_lease(t.lease_wish(no_such_time(t)))
    t.expect(answer, INVALID_ARGUMENT, open_words=(SLOT_UNAVAILABLE,))


@case(
    "lease.missing",
    "required fields left out, one by one",
    rule="A request without merchant, service, start, duration or token is INVALID_ARGUMENT.",
    source="CreateLease; Lease; Slot: required fields",
    hint="proto3 gives an empty text or zero for what is missing: check for it.",
    needs=_LEASES,
)
def _missing(t: Trial) -> None:
    slot = t.slot()
    accepted = []
    for field in t.caller.required[CREATE_LEASE]:
        answer = t.caller.create_lease(t.lease_wish(slot, without=field))
        if answer.word != INVALID_ARGUMENT:
            accepted.append(f"without {field}: {said(answer)}")
    t.holds(not accepted, "INVALID_ARGUMENT for each", "; ".join(accepted))


def _refuses(t: Trial, slot: Slot) -> None:
    t.expect(t.caller.create_lease(t.lease_wish(slot)), INVALID_ARGUMENT)

"""The answer is lost: the connection ends after the request was sent, and the caller asks again, as Google does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from slotlease.verify.answer import ALREADY_CANCELLED, OK, Answer, ValueT
from slotlease.verify.asking import Asking
from slotlease.verify.caller import CREATE_BOOKING, CREATE_LEASE, LIST, UPDATE
from slotlease.verify.case import Tried, case
from slotlease.verify.cutting import Cutting
from slotlease.verify.shop import Slot
from slotlease.verify.trial import GONE, NotTried, Trial, said

CUT_AFTER_S: Final = (0.5, 0.0)
"""First when the server has surely answered, then as soon as the request was passed on."""

_SOURCE = "CreateBooking (booking server ready): Google may repeat a call that it got no answer to; idempotency"
_HINT = (
    "The token and its effect are not kept in one transaction; or the work is undone when the caller is gone, and half "
    "of it stays."
)


def lose(t: Trial, work: Callable[[Asking], Answer[ValueT]], after_s: float) -> None:
    """Makes the call over a connection that is cut `after_s` seconds after the request. Raises NotTried."""
    dialing = t.around.dialing
    with Cutting(dialing.address, dialing.timeout_s) as proxy, t.connected(replace(dialing, via=proxy.address)) as lost:
        first = lost.health(lost.health_names[0])
        if first.word in GONE:
            raise NotTried(f"it needs a connection that can be cut, and got {said(first)}")
        proxy.arm(after_s)
        answer = work(lost)
    if answer.word == OK:
        raise NotTried("the answer came although its connection was cut")


def _both_ways(tried: Callable[[Trial, float], None]) -> Tried:
    def _tried(t: Trial) -> None:
        for after_s in CUT_AFTER_S:
            tried(t, after_s)

    return _tried


@case(
    "lost.lease",
    "the answer of CreateLease is lost, and it is sent again",
    rule="The same token again gets a lease, and one spot is held, not two.",
    source=_SOURCE,
    hint=_HINT,
    needs=(CREATE_LEASE,),
)
@_both_ways
def _lost_lease(t: Trial, after_s: float) -> None:
    slot, before = _slot(t)
    wish = t.lease_wish(slot)
    lose(t, lambda caller: caller.create_lease(wish), after_s)
    t.expect(t.caller.create_lease(wish), OK)
    t.spots_are(slot, before - 1)


@case(
    "lost.booking",
    "the answer of CreateBooking is lost, and it is sent again",
    rule="The same token again gets the booking; there is one, not two.",
    source=_SOURCE,
    hint=_HINT,
    needs=(CREATE_BOOKING,),
)
@_both_ways
def _lost_booking(t: Trial, after_s: float) -> None:
    slot, before = _slot(t)
    wish = t.wish(slot)
    lose(t, lambda caller: caller.create_booking(wish), after_s)
    t.expect(t.caller.create_booking(wish), OK)
    t.spots_are(slot, before - 1)
    if LIST in t.caller.methods:
        listed = t.caller.list_bookings(wish.user.user_id)
        t.equal("bookings of the user", 1, len(t.value(listed)), listed)


@case(
    "lost.cancel",
    "the answer of a cancellation is lost, and it is sent again",
    rule="The booking is cancelled, and its spot comes back once.",
    source="UpdateBooking: idempotency; the booking's id stands for a token",
    hint=_HINT,
    needs=(CREATE_BOOKING, UPDATE),
)
@_both_ways
def _lost_cancel(t: Trial, after_s: float) -> None:
    slot, before = _slot(t)
    booking_id = t.booked(slot).booking_id
    lose(t, lambda caller: caller.cancel(booking_id), after_s)
    t.expect(t.caller.cancel(booking_id), OK, open_words=(ALREADY_CANCELLED,))
    t.spots_are(slot, before)


@case(
    "lost.move",
    "the answer of a move is lost, and it is sent again",
    rule="The booking is in its new slot, and in no other.",
    source="UpdateBooking: idempotency; the booking's id stands for a token",
    hint=_HINT + " A repeat must not be refused because the booking is there already.",
    needs=(CREATE_BOOKING, UPDATE),
)
@_both_ways
def _lost_move(t: Trial, after_s: float) -> None:
    one, other = t.slots_with(2, 1)
    booking_id = t.booked(one).booking_id
    lose(t, lambda caller: caller.move(booking_id, other), after_s)
    t.expect(t.caller.move(booking_id, other), OK)
    t.spots_are(one, 1)
    t.spots_are(other, 0)


def _slot(t: Trial) -> tuple[Slot, int]:
    """One that shows a second effect, and how many spots it has."""
    slot = t.counted(2)
    return slot, t.spots_before(slot)

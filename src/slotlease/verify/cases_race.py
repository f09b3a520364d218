"""Many clients at once: no spot is sold twice, no token has two effects, and afterwards availability adds up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from slotlease.verify.answer import ALREADY_CANCELLED, OK, SLOT_UNAVAILABLE, UNAVAILABLE, Answer
from slotlease.verify.asking import Asking
from slotlease.verify.at_once import at_once
from slotlease.verify.caller import AVAILABILITY, CHECK, CREATE_BOOKING, CREATE_LEASE, LIST, STATUS, UPDATE
from slotlease.verify.case import case
from slotlease.verify.shop import Booking, BookingWish, Lease, LeaseWish, Slot, User, Version
from slotlease.verify.trial import STANDING, Trial, said

BUSY: Final = (UNAVAILABLE, "ABORTED")
"""What a server may say to one of many equal requests at once; it asks to be asked again."""

_HINT = "Free spots are counted in one statement and taken in another: lock the slot, or let a unique key decide."
_ONE_SPOT = "a class can be filled to its capacity"


def _lease(wish: LeaseWish) -> Callable[[Asking], Answer[Lease]]:
    return lambda caller: caller.create_lease(wish)


def _book(wish: BookingWish) -> Callable[[Asking], Answer[Booking]]:
    return lambda caller: caller.create_booking(wish)


@case(
    "race.last-spot.leases",
    "many clients want to lease the last spot",
    rule="One of them gets it; all others are answered SLOT_UNAVAILABLE.",
    source=f"CreateLease; Google's test list: {_ONE_SPOT}",
    hint=_HINT,
    needs=(CREATE_LEASE,),
)
def _last_spot_leases(t: Trial) -> None:
    slot = t.single()
    answers = at_once(t, [_lease(t.lease_wish(slot)) for _ in range(t.around.options.racers)])
    _one_gets_it(t, answers)


@case(
    "race.last-spot.bookings",
    "many clients want to book the last spot",
    rule="One of them gets it; all others are answered SLOT_UNAVAILABLE; then no spot is left.",
    source=f"CreateBooking; Google's test list: {_ONE_SPOT}",
    hint=_HINT,
    needs=(CREATE_BOOKING, AVAILABILITY),
)
def _last_spot_bookings(t: Trial) -> None:
    slot = t.single()
    _one_gets_it(t, at_once(t, [_book(t.wish(slot)) for _ in range(t.around.options.racers)]))
    t.equal("spots to be had", 0, t.free(slot))


@case(
    "race.lease-against-booking",
    "some want to lease the last spot while others book it",
    rule="One of them gets it; all others are answered SLOT_UNAVAILABLE; then no spot is left.",
    source="CreateLease; CreateBooking",
    hint="Leases and bookings are counted apart, or locked apart.",
    needs=(CREATE_LEASE, CREATE_BOOKING, AVAILABILITY),
)
def _lease_against_booking(t: Trial) -> None:
    slot = t.single()
    works: list[Callable[[Asking], Answer[Lease] | Answer[Booking]]] = []
    for _ in range(t.around.options.racers // 2):
        works += [_lease(t.lease_wish(slot)), _book(t.wish(slot))]
    _one_gets_it(t, at_once(t, works))
    t.equal("spots to be had", 0, t.free(slot))


@case(
    "race.one-token.leases",
    "many equal CreateLease requests with one token",
    rule="All get the same lease; one spot is held.",
    source="Lease: user_reference (v0: client_reference); idempotency",
    hint="The token is looked up before the transaction: let a unique key decide.",
    needs=(CREATE_LEASE,),
)
def _one_token_leases(t: Trial) -> None:
    slot = t.counted(2)
    before = t.spots_before(slot)
    wish = t.lease_wish(slot)
    answers = at_once(t, [_lease(wish)] * t.around.options.racers)
    _same_for_all(t, answers, {answer.value.lease_id for answer in answers if answer.value is not None})
    t.spots_are(slot, before - 1)


@case(
    "race.one-token.bookings",
    "many equal CreateBooking requests with one token",
    rule="All get the same booking; one spot is taken.",
    source="CreateBooking: idempotency",
    hint="The token is looked up before the transaction: let a unique key decide.",
    needs=(CREATE_BOOKING,),
)
def _one_token_bookings(t: Trial) -> None:
    slot = t.counted(2)
    before = t.spots_before(slot)
    wish = t.wish(slot)
    answers = at_once(t, [_book(wish)] * t.around.options.racers)
    _same_for_all(t, answers, {answer.value.booking_id for answer in answers if answer.value is not None})
    t.spots_are(slot, before - 1)


@case(
    "race.one-cancellation",
    "one booking is cancelled by many at once",
    rule="Its spot comes back once, and nobody gets an error of the server's.",
    source="UpdateBooking: idempotency",
    hint="The count of free spots is raised by each request that finds the booking.",
    needs=(CREATE_BOOKING, UPDATE),
)
def _one_cancellation(t: Trial) -> None:
    slot = t.single()
    booking = t.booked(slot)
    answers = at_once(t, [lambda caller: caller.cancel(booking.booking_id)] * t.around.options.racers)
    for answer in answers:
        t.expect(answer, OK, open_words=(ALREADY_CANCELLED, *BUSY))
    t.expect(_take(t, slot), OK)
    t.expect(_take(t, slot), SLOT_UNAVAILABLE)


@case(
    "race.opposite-moves",
    "two bookings want each other's slot at the same time",
    rule="Each ends in one of the two slots, never both in one and none lost; a refusal leaves a booking where it was.",
    source="UpdateBooking; BookingFailure",
    hint="Two slots are locked in the order of the request: a deadlock, or a spot given back too early.",
    needs=(CREATE_BOOKING, UPDATE),
)
def _opposite_moves(t: Trial) -> None:
    slots = t.slots_with(2, 1)
    users = t.names.user(), t.names.user()
    ids = [t.booked(slot, user).booking_id for slot, user in zip(slots, users, strict=True)]
    moves = [
        lambda caller: caller.move(ids[0], slots[1]),
        lambda caller: caller.move(ids[1], slots[0]),
    ]
    for answer in at_once(t, moves):
        t.expect(answer, OK, SLOT_UNAVAILABLE, open_words=BUSY)
    places = [_place(t, booking_id, user) for booking_id, user in zip(ids, users, strict=True)]
    if LIST in t.caller.methods:
        t.equal("the slots' times", sorted(slot.start_us for slot in slots), sorted(places))
    for slot in slots:
        t.spots_are(slot, 0)


@case(
    "race.adds-up",
    "leases, bookings and cancellations at once add up",
    rule="Afterwards there are as many spots to be had as before, less the leases and bookings that were answered OK.",
    source="CheckAvailability: the truth at that instant",
    hint="A count is kept beside the bookings and changed outside their transaction.",
    needs=(CREATE_BOOKING, UPDATE, CHECK),
)
def _adds_up(t: Trial) -> None:
    slot = t.slot(spots_min=4, kind="4 open spots")
    before = t.free(slot)
    booking = t.booked(slot)
    racers = t.around.options.racers
    works: list[Callable[[Asking], Answer[Lease] | Answer[Booking]]] = [
        _lease(t.lease_wish(slot)) if number % 2 and t.can(CREATE_LEASE) else _book(t.wish(slot))
        for number in range(racers - 1)
    ]
    works.append(lambda caller: caller.cancel(booking.booking_id))
    *answers, cancelled = at_once(t, works)
    t.prepared(cancelled, "a cancellation")
    for answer in answers:
        if t.can(answer.method):  # what is not offered has no effect
            t.expect(answer, OK, SLOT_UNAVAILABLE, open_words=BUSY)
    taken = sum(answer.word == OK for answer in answers)
    t.holds(taken <= before, f"at most {before} leases and bookings", str(taken))
    t.equal("spots to be had", before - taken, t.free(slot))


def _take(t: Trial, slot: Slot) -> Answer[Lease] | Answer[Booking]:
    """In version 0 a lease is what takes a spot."""
    if t.version is Version.V0:
        return t.caller.create_lease(t.lease_wish(slot))
    return t.caller.create_booking(t.wish(slot))


def _one_gets_it(t: Trial, answers: Sequence[Answer[object]]) -> None:
    words = Counter(answer.word for answer in answers)
    told = ", ".join(f"{count} {word}" for word, count in words.most_common())
    strange = next((answer for answer in answers if answer.word not in {OK, SLOT_UNAVAILABLE}), None)
    expected = f"1 {OK}, {len(answers) - 1} {SLOT_UNAVAILABLE}"
    t.holds(words[OK] == 1, expected, told, strange)
    t.holds(strange is None, expected, f"{told}; {said(strange) if strange else ''}", strange)


def _same_for_all(t: Trial, answers: Sequence[Answer[object]], ids: set[str]) -> None:
    t.holds(len(ids) == 1, "one and the same for all", f"{len(ids)}: {', '.join(sorted(ids))}")
    for answer in answers:
        t.expect(answer, OK, open_words=BUSY)


def _place(t: Trial, booking_id: str, user: User) -> int:
    """When the booking begins, 0 where nobody can say; that it stands is checked along the way."""
    if STATUS in t.caller.methods:
        answer = t.caller.status(booking_id)
        t.holds(t.value(answer).status in STANDING, " or ".join(STANDING), t.value(answer).status, answer)
    if LIST not in t.caller.methods:
        return 0
    listed = t.caller.list_bookings(user.user_id)
    starts = [one.slot.start_us for one in t.value(listed) if one.booking_id == booking_id and one.slot]
    t.holds(len(starts) == 1, "the booking is listed once", f"{len(starts)} times", listed)
    return starts[0]

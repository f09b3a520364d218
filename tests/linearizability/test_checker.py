"""The checker itself: histories of which everybody can see whether they are right."""

from __future__ import annotations

from itertools import count
from random import Random  # noqa: TID251 - the seed is fixed

import pytest

from tests.linearizability.checker import UNKNOWN, Call, Told, find_violation
from tests.linearizability.place import (
    CANCELED,
    CONFIRMED,
    LEASE_EXPIRED,
    LEASE_US,
    SLOT_UNAVAILABLE,
    Asked,
    Booked,
    Cancel,
    CheckAvailability,
    CreateBooking,
    CreateLease,
    GetBookingStatus,
    Leased,
    Move,
    Place,
    State,
    TimePasses,
)

ALONE = Place((1,), (frozenset(),))
TWO_SLOTS = Place((1, 1), (frozenset(), frozenset()))
SHARED_STAFF = Place((1, 1), (frozenset({1}), frozenset({0})))
TWO_SPOTS = Place((2,), (frozenset(),))

LEASED = Leased(0, LEASE_US)
BOOKED = Booked(0, CONFIRMED)
LEASE_A, LEASE_B = CreateLease("a", 0), CreateLease("b", 0)
BOOK_A, BOOK_B = CreateBooking("a", 0, ""), CreateBooking("b", 0, "")
LOOK = CheckAvailability(0)

Line = tuple[Asked, Told, int, int | None]
"""What was asked, what was told, when it began, when it ended."""


def fits(place: Place, *lines: Line) -> bool:
    return find_violation([Call(*line) for line in lines], place, State(0)) is None


GOOD: dict[str, tuple[Place, list[Line]]] = {
    "nothing": (ALONE, []),
    "one after the other": (ALONE, [(LOOK, 1, 0, 1), (LEASE_A, LEASED, 2, 3), (LOOK, 0, 4, 5)]),
    "two at once, one is refused": (ALONE, [(LEASE_A, LEASED, 0, 2), (LEASE_B, SLOT_UNAVAILABLE, 1, 3)]),
    "the later one wins": (ALONE, [(LEASE_A, SLOT_UNAVAILABLE, 0, 3), (LEASE_B, LEASED, 1, 2)]),
    "a read beside a write sees either": (ALONE, [(LEASE_A, LEASED, 0, 5), (LOOK, 1, 1, 2), (LOOK, 0, 3, 4)]),
    "the same token again": (ALONE, [(LEASE_A, LEASED, 0, 1), (LEASE_A, LEASED, 2, 3)]),
    "an unknown one happened": (ALONE, [(BOOK_A, UNKNOWN, 0, None), (BOOK_B, SLOT_UNAVAILABLE, 2, 3)]),
    "an unknown one never happened": (ALONE, [(BOOK_A, UNKNOWN, 0, None), (BOOK_B, BOOKED, 2, 3), (LOOK, 0, 4, 5)]),
    "an unknown one happened late": (ALONE, [(BOOK_A, UNKNOWN, 0, None), (LOOK, 1, 1, 2), (LOOK, 0, 3, 4)]),
    "an unknown one was asked again": (
        TWO_SPOTS,
        [(BOOK_A, UNKNOWN, 0, None), (BOOK_A, BOOKED, 2, 3), (LOOK, 1, 4, 5)],
    ),
    "an expired lease gives its spot back": (
        ALONE,
        [
            (LEASE_A, LEASED, 0, 1),
            (TimePasses(LEASE_US), None, 2, 3),
            (CreateBooking("c", 0, "a"), LEASE_EXPIRED, 4, 5),
            (LEASE_B, Leased(0, 2 * LEASE_US), 6, 7),
        ],
    ),
    "a cancelled booking does too": (
        ALONE,
        [(BOOK_A, BOOKED, 0, 1), (Cancel("a"), Booked(0, CANCELED), 2, 5), (BOOK_B, BOOKED, 3, 4)],
    ),
    "a move takes one spot and gives one": (
        TWO_SLOTS,
        [(BOOK_A, BOOKED, 0, 1), (Move("a", 1), Booked(1, CONFIRMED), 2, 5), (BOOK_B, BOOKED, 3, 4)],
    ),
}

BAD: dict[str, tuple[Place, list[Line]]] = {
    "sold twice": (ALONE, [(BOOK_A, BOOKED, 0, 3), (BOOK_B, BOOKED, 1, 2)]),
    "sold twice, by lease and directly": (ALONE, [(LEASE_A, LEASED, 0, 1), (BOOK_B, BOOKED, 2, 3)]),
    "staff in two places": (
        SHARED_STAFF,
        [(BOOK_A, BOOKED, 0, 2), (CreateBooking("b", 1, ""), Booked(1, CONFIRMED), 1, 3)],
    ),
    "refused though free": (ALONE, [(LEASE_A, SLOT_UNAVAILABLE, 0, 1)]),
    "a read of the past": (ALONE, [(LEASE_A, LEASED, 0, 1), (LOOK, 1, 2, 3)]),
    "a read that goes back": (ALONE, [(LEASE_A, LEASED, 0, 7), (LOOK, 0, 1, 2), (LOOK, 1, 3, 4)]),
    "a booking that is lost": (ALONE, [(BOOK_A, BOOKED, 0, 1), (LOOK, 1, 2, 3)]),
    "one token, two spots": (TWO_SPOTS, [(BOOK_A, UNKNOWN, 0, None), (BOOK_A, BOOKED, 2, 3), (LOOK, 0, 4, 5)]),
    "one lease, two bookings": (
        TWO_SPOTS,
        [
            (LEASE_A, LEASED, 0, 1),
            (CreateBooking("x", 0, "a"), BOOKED, 2, 5),
            (CreateBooking("y", 0, "a"), BOOKED, 3, 4),
        ],
    ),
    "an expired lease is booked": (
        ALONE,
        [(LEASE_A, LEASED, 0, 1), (TimePasses(LEASE_US), None, 2, 3), (CreateBooking("c", 0, "a"), BOOKED, 4, 5)],
    ),
    "a live lease is taken over": (
        ALONE,
        [(LEASE_A, LEASED, 0, 1), (TimePasses(LEASE_US - 1), None, 2, 3), (LEASE_B, Leased(0, 2 * LEASE_US - 1), 4, 5)],
    ),
    "an expired lease comes back": (
        ALONE,
        [
            (LEASE_A, LEASED, 0, 1),
            (TimePasses(LEASE_US), None, 2, 3),
            (LEASE_B, Leased(0, 2 * LEASE_US), 4, 5),
            (CreateBooking("c", 0, "a"), BOOKED, 6, 7),
        ],
    ),
    "half a move": (
        TWO_SLOTS,
        [(BOOK_A, BOOKED, 0, 1), (Move("a", 1), Booked(1, CONFIRMED), 2, 3), (LOOK, 0, 4, 5)],
    ),
    "a move that was refused and happened": (
        TWO_SLOTS,
        [(BOOK_A, BOOKED, 0, 1), (Move("a", 1), SLOT_UNAVAILABLE, 2, 3)],
    ),
    "a status of the past": (
        ALONE,
        [(BOOK_A, BOOKED, 0, 1), (Cancel("a"), Booked(0, CANCELED), 2, 3), (GetBookingStatus("a"), CONFIRMED, 4, 5)],
    ),
    "each alone is right, together they are not": (
        ALONE,
        # Both looks saw it free, so both bookings came later than both looks: but one had ended before.
        [(BOOK_A, BOOKED, 0, 9), (LOOK, 0, 1, 3), (BOOK_B, SLOT_UNAVAILABLE, 4, 6), (LOOK, 1, 7, 8)],
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_history_that_some_order_explains_is_accepted(name: str) -> None:
    place, lines = GOOD[name]
    assert fits(place, *lines)


@pytest.mark.parametrize("name", BAD)
def test_history_that_no_order_explains_is_refused(name: str) -> None:
    place, lines = BAD[name]
    assert not fits(place, *lines)


def test_violation_says_which_call_and_what_was_possible() -> None:
    history: list[Call[Asked]] = [Call(BOOK_A, BOOKED, 0, 3), Call(BOOK_B, BOOKED, 1, 2), Call(LOOK, 0, 4, 5)]
    violation = find_violation(history, ALONE, State(0))
    assert violation is not None
    assert violation.call == history[0]
    assert SLOT_UNAVAILABLE in violation.due
    assert "token='a'" in str(violation)


@pytest.mark.parametrize("seed", range(30))
def test_every_history_that_was_made_in_some_order_is_accepted_and_none_with_one_answer_changed(seed: int) -> None:
    """Made the other way round: the order first, then beginnings and ends around it."""
    chance = Random(seed)  # noqa: S311 - chooses, hides nothing
    history = made_in_order(chance, calls=60, width=6)
    assert find_violation(history, SHARED_STAFF, State(0)) is None
    spoilt = chance.choice([n for n, call in enumerate(history) if isinstance(call.asked, CheckAvailability)])
    history[spoilt] = Call(history[spoilt].asked, 2, history[spoilt].began, history[spoilt].ended)
    assert find_violation(history, SHARED_STAFF, State(0)) is not None


def made_in_order(chance: Random, *, calls: int, width: int) -> list[Call[Asked]]:
    """Each call takes effect at 10 n, and begins and ends at most `width` effects away."""
    state, tokens = State(0), count()
    history: list[Call[Asked]] = []
    for number in range(calls):
        asked = _any(chance, state, next(tokens))
        told, state = SHARED_STAFF.step(state, asked)
        at = 10 * number
        began, ended = at - chance.randrange(1, 10 * width), at + chance.randrange(1, 10 * width)
        if chance.random() < 0.05:
            history.append(Call(asked, UNKNOWN, began, None))
        else:
            history.append(Call(asked, told, began, ended))
    last = [CheckAvailability(slot) for slot in (0, 1)]
    return history + [Call(look, SHARED_STAFF.step(state, look)[0], 10**6, 10**6 + 1) for look in last]


def _any(chance: Random, state: State, token: int) -> Asked:
    slot = chance.randrange(2)
    wishes: list[Asked] = [CreateLease(str(token), slot), CreateBooking(str(token), slot, ""), CheckAvailability(slot)]
    wishes += [CreateBooking(str(token), lease.slot, lease.token) for lease in state.leases[-2:]]
    wishes += [Cancel(booking.token) for booking in state.bookings[-2:]]
    wishes += [Move(booking.token, slot) for booking in state.bookings[-2:]]
    return chance.choice(wishes)

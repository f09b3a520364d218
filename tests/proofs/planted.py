"""Mistakes planted on purpose, each one a promise of the design undone: a simulation that does not find them is worth
nothing. `python -m tests.proofs.planted` tells how many days it takes to find each."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import apsw
import pytest

from slotlease.desk import create_booking, update_booking
from slotlease.domain import spot, view
from slotlease.domain.booking import Booking, BookingStatus
from slotlease.domain.event import Actor, EventKind
from slotlease.domain.facts import Changes
from slotlease.domain.lease import Lease, LeaseState
from slotlease.domain.spot import Occupancy, SpotChoice, choose_spot
from slotlease.domain.view import View, spot_of_lease
from slotlease.store import sqlite, statements
from slotlease.store.protocol import CommitUnknown
from slotlease.store.rows import Params
from slotlease.store.sqlite import SqliteTransaction
from tests.proofs.simulator import Day, days_begin, live

Plant = Callable[[pytest.MonkeyPatch], None]

DAYS_MAX = 300


def _lease_lives_at_its_expiry(patch: pytest.MonkeyPatch) -> None:
    def is_live(lease: Lease, now_us: int) -> bool:
        return lease.state is LeaseState.ACTIVE and now_us <= lease.expires_us

    patch.setattr(Lease, "is_live", is_live)


def _nobody_is_buried(patch: pytest.MonkeyPatch) -> None:
    def without_burial(occupancy: Occupancy, rivals: list[Occupancy], capacity: int) -> SpotChoice | None:
        choice = choose_spot(occupancy, rivals, capacity)
        return None if choice is None else choice._replace(bury=())

    patch.setattr(view, "choose_spot", without_burial)


def _one_spot_too_many(patch: pytest.MonkeyPatch) -> None:
    def one_more(occupancy: Occupancy, rivals: list[Occupancy], capacity: int) -> SpotChoice | None:
        # Only where rows are taken over: a new number past the capacity, the database itself would refuse.
        return choose_spot(occupancy, rivals, capacity + (occupancy.highest >= capacity and occupancy.lapsed != ()))

    patch.setattr(view, "choose_spot", one_more)


def _staff_and_rooms_do_not_matter(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(spot, "is_taken_elsewhere", lambda _: False)


def _lapsed_leases_count_as_busy(patch: pytest.MonkeyPatch) -> None:
    def stale(occupancy: Occupancy, rivals: list[Occupancy], capacity: int) -> int:
        return max(0, spot.count_available(occupancy, rivals, capacity) - occupancy.lapsed_count)

    patch.setattr(view, "count_available", stale)


def _lease_token_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(View, "lease_of_reference", lambda *_: None)


def _user_may_book_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(View, "user_has_slot", lambda *_, **__: False)


def _lease_is_never_used_up(patch: pytest.MonkeyPatch) -> None:
    def consume(of: View, lease: Lease, booking_no: int) -> int:
        of.hand_over(spot_of_lease(lease), holder_no=booking_no)
        return lease.spot_no

    patch.setattr(create_booking, "_consume", consume)


def _cancelled_booking_keeps_its_spot(patch: pytest.MonkeyPatch) -> None:
    def cancel(of: View, booking: Booking, kind: EventKind, actor: Actor) -> Booking:
        cancelled = replace(booking, status=BookingStatus.CANCELED, revision=booking.revision + 1)
        of.put_booking(cancelled, kind, actor)
        return cancelled

    patch.setattr(update_booking, "cancel", cancel)


def _refused_move_is_not_taken_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(View, "restore", lambda *_: None)


def _lost_commit_is_done_again_blindly(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(View, "may_have_been_done", lambda *_: False)


def _lost_commit_is_taken_for_done(patch: pytest.MonkeyPatch) -> None:
    commit = SqliteTransaction.commit

    def hopeful(transaction: SqliteTransaction, changes: Changes) -> None:
        try:
            commit(transaction, changes)
        except CommitUnknown:
            return

    patch.setattr(SqliteTransaction, "commit", hopeful)


def _batch_is_committed_in_two(patch: pytest.MonkeyPatch) -> None:
    changed_by = sqlite._changed_by  # noqa: SLF001 - what is planted is planted where it would be written

    def and_commit(connection: apsw.Connection, sql: str, params: list[Params]) -> int:
        count = changed_by(connection, sql, params)
        if sql == statements.INSERT_LEASE:
            connection.execute("COMMIT")
            connection.execute("BEGIN IMMEDIATE")
        return count

    patch.setattr(sqlite, "_changed_by", and_commit)


PLANTED: dict[str, Plant] = {
    "a lease lives at its expiry (<=)": _lease_lives_at_its_expiry,
    "nobody is buried": _nobody_is_buried,
    "one spot too many, over a lapsed lease": _one_spot_too_many,
    "staff and rooms do not matter": _staff_and_rooms_do_not_matter,
    "lapsed leases count as busy": _lapsed_leases_count_as_busy,
    "a lease's token is forgotten": _lease_token_is_forgotten,
    "a user may book a slot twice": _user_may_book_twice,
    "a lease is never used up": _lease_is_never_used_up,
    "a cancelled booking keeps its spot": _cancelled_booking_keeps_its_spot,
    "a refused move is not taken back": _refused_move_is_not_taken_back,
    "a lost commit is done again blindly": _lost_commit_is_done_again_blindly,
    "a lost commit is taken for done": _lost_commit_is_taken_for_done,
    "a batch is committed in two": _batch_is_committed_in_two,
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        PLANTED[name](patch)
        yield


def first_found(name: str, days_max: int = DAYS_MAX) -> Day | None:
    """The first day on which the mistake shows; None where none does."""
    with days_begin() as begun, planted(name):
        for seed in range(1, days_max + 1):
            day = live(seed, *begun)
            if day.violation:
                return day
    return None


def main() -> int:
    began_s = time.monotonic()
    found = {name: first_found(name) for name in PLANTED}
    for name, day in found.items():
        verdict = (
            f"not found in {DAYS_MAX}" if day is None else f"seed {day.seed:>3}: {day.violation.splitlines()[0][:70]}"
        )
        sys.stdout.write(f"{name:<40} {verdict}\n")
    missed = sum(day is None for day in found.values())
    took_s = time.monotonic() - began_s
    sys.stdout.write(f"planted mistakes: {len(found) - missed} of {len(found)} found, seeds from 1, {took_s:.1f} s\n")
    return int(bool(missed))


if __name__ == "__main__":
    raise SystemExit(main())

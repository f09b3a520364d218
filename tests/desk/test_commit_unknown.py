"""The line went dead at the commit: the batch is done again, and tokens, states and revisions find what did commit
(INV-12, 19). Whether the lost commit happened or not, the effect happens exactly once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from slotlease.desk.batch import TRIES_MAX
from slotlease.desk.fault import Unavailable
from slotlease.desk.operation import Operation
from slotlease.desk.release_lease import ReleaseLease
from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import Booking, BookingStatus
from slotlease.domain.facts import Changes
from slotlease.domain.failure import Cause
from slotlease.domain.lease import LeaseState
from slotlease.store.protocol import Transaction
from tests.desk.broken import Commit, conflict, lossy, lost_after, lost_before
from tests.desk.checks import assert_sound, cause_of, count_rows, events, run_beside
from tests.support import HOUR_US, Offered, Shop, booked, open_shop

TEN = Offered(spots_total=2)
ELEVEN = replace(TEN, start_us=TEN.start_us + HOUR_US)
TWELVE = replace(TEN, start_us=TEN.start_us + 2 * HOUR_US)

LOST = pytest.mark.parametrize(
    "commits",
    [(lost_before,), (lost_after,), (lost_before, lost_after), (lost_after, lost_after), (conflict, lost_after)],
    ids=["before", "after", "before and after", "after and after", "after a conflict"],
)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = open_shop(tmp_path)
    shop.offer(TEN, ELEVEN, TWELVE)
    yield shop
    assert shop.incidents == []
    assert_sound(shop)
    shop.store.close()


def move(booking: Booking, there: Offered) -> UpdateBooking:
    return UpdateBooking(booking.booking_id, start_us=there.start_us)


@LOST
def test_lease_is_granted_once(shop: Shop, tmp_path: Path, commits: tuple[Commit, ...]) -> None:
    lossy(shop, *commits)
    lease = shop.lease(TEN.asked())
    assert shop.store.leases(live_only=True, limit=9) == [lease]
    assert count_rows(tmp_path, "spot") == 1


@LOST
def test_booking_is_made_once(shop: Shop, tmp_path: Path, commits: tuple[Commit, ...]) -> None:
    lossy(shop, *commits)
    booking = shop.book(TEN.asked())
    assert shop.store.bookings(limit=9) == [booking]
    assert count_rows(tmp_path, "spot") == count_rows(tmp_path, "event") == 1


@LOST
def test_lease_is_consumed_once_by_the_booking_that_is_answered(
    shop: Shop, tmp_path: Path, commits: tuple[Commit, ...]
) -> None:
    lease = shop.lease(TEN.asked())
    lossy(shop, *commits)
    booking = shop.book(TEN.asked(), lease_id=lease.lease_id)
    assert shop.store.bookings(limit=9) == [booking]
    assert [one.state for one in shop.store.leases(live_only=False, limit=9)] == [LeaseState.CONSUMED]
    assert count_rows(tmp_path, "event") == 1


@LOST
def test_booking_is_cancelled_once(shop: Shop, tmp_path: Path, commits: tuple[Commit, ...]) -> None:
    booking = shop.book(TEN.asked())
    lossy(shop, *commits)
    cancelled = booked(shop.cancel(booking))
    assert (cancelled.status, cancelled.revision) == (BookingStatus.CANCELED, 2)
    assert shop.store.bookings(limit=9) == [cancelled]
    assert len(events(tmp_path)) == 2


@LOST
def test_booking_is_moved_once(shop: Shop, tmp_path: Path, commits: tuple[Commit, ...]) -> None:
    booking = shop.book(TEN.asked())
    lossy(shop, *commits)
    moved = booked(shop.ask(move(booking, ELEVEN)))
    assert (moved.slot, moved.revision) == (ELEVEN.asked(), 2)
    assert shop.store.bookings(limit=9) == [moved]
    assert len(events(tmp_path)) == 2


@LOST
def test_lease_is_released_once(shop: Shop, commits: tuple[Commit, ...]) -> None:
    lease = shop.lease(TEN.asked())
    lossy(shop, *commits)
    assert shop.ask(ReleaseLease(lease.lease_id)) == lease._replace(state=LeaseState.RELEASED)
    assert shop.count_available(TEN.asked()) == 2


@LOST
def test_booking_moved_there_and_back_in_one_batch_is_moved_twice_and_not_four_times(
    shop: Shop, tmp_path: Path, commits: tuple[Commit, ...]
) -> None:
    """By its place alone the second try could not tell that the first was done: the revision tells."""
    booking = shop.book(TEN.asked())
    lossy(shop, *commits)
    answers = shop.ask_all([move(booking, ELEVEN), move(booking, TEN)])
    (now,) = shop.store.bookings(limit=9)
    assert (now.slot, now.revision) == (TEN.asked(), 3)
    assert answers[1] == now
    assert [kind for kind, *_ in events(tmp_path)] == ["BOOKING_CREATED", "BOOKING_MOVED", "BOOKING_MOVED"]


def test_move_of_unknown_outcome_does_not_undo_what_somebody_did_after_it(shop: Shop, tmp_path: Path) -> None:
    """Our move did commit, then another program moved the booking on. Ours is answered as the booking is."""
    booking = shop.book(TEN.asked())
    other = open_shop(tmp_path, clock=shop.clock)
    store = lossy(shop, lost_after)
    store.between_tries = lambda: booked(other.ask(move(booking, TWELVE)))
    answer = booked(shop.ask(move(booking, ELEVEN)))
    assert (answer.slot, answer.revision) == (TWELVE.asked(), 3)
    assert shop.store.bookings(limit=9) == [answer]
    other.store.close()


def test_last_spot_taken_by_another_between_two_tries_is_theirs(shop: Shop, tmp_path: Path) -> None:
    """Our commit did not happen, and somebody was quicker: the second try is judged by what is there."""
    other = open_shop(tmp_path, clock=shop.clock)
    store = lossy(shop, lost_before)
    store.between_tries = lambda: [other.book(TEN.asked(), user_id=user_id) for user_id in ("u8", "u9")]
    assert cause_of(shop.ask(shop.create_booking(TEN.asked(), token="ours"))) is Cause.SLOT_UNAVAILABLE  # noqa: S106
    assert {booking.user_key for booking in shop.store.bookings(limit=9)} == {"id:u8", "id:u9"}
    other.store.close()


def test_caller_who_hears_unavailable_learns_by_repeating(shop: Shop, tmp_path: Path) -> None:
    """Every answer was lost, the first commit was not: the repeat finds it (INV-19)."""
    request = shop.create_booking(TEN.asked())
    lossy(shop, lost_after, *[lost_before] * TRIES_MAX)
    first = shop.ask_all([request, shop.create_lease(TEN.asked(), reference="r1")])
    # The second try finds both, changes nothing and so commits nothing.
    assert [type(answer).__name__ for answer in first] == ["Booking", "Lease"]
    lossy(shop, *[lost_before] * (TRIES_MAX - 1), lost_after)
    late = shop.create_lease(ELEVEN.asked(), reference="r2")
    assert [type(answer) for answer in shop.ask_all([late])] == [Unavailable]
    assert count_rows(tmp_path, "lease") == 2
    assert shop.lease(ELEVEN.asked(), reference="r2").slot == ELEVEN.asked()
    assert count_rows(tmp_path, "lease") == 2


def test_every_kind_of_request_in_one_lost_batch_happens_once(shop: Shop, tmp_path: Path) -> None:
    lease = shop.lease(TEN.asked())
    first, second = (shop.book(one.asked()) for one in (ELEVEN, TWELVE))
    batch: list[Operation[object]] = [
        shop.create_booking(TEN.asked(), lease_id=lease.lease_id, user_id="u2"),
        move(first, TEN),
        UpdateBooking(second.booking_id, BookingStatus.CANCELED),
        shop.create_lease(TWELVE.asked(), reference="r2"),
        shop.create_booking(ELEVEN.asked(), user_id="u3"),
    ]
    lossy(shop, lost_after)
    answers = shop.ask_all(batch)
    assert [type(answer).__name__ for answer in answers] == ["Booking", "Booking", "Booking", "Lease", "Booking"]
    assert [revision for *_, revision in events(tmp_path)] == [1, 1, 1, 2, 2, 1]
    assert [shop.count_available(one.asked()) for one in (TEN, ELEVEN, TWELVE)] == [0, 1, 1]


def test_move_is_made_once_when_one_refused_before_it_is_made_in_the_second_try(tmp_path: Path) -> None:
    """Nobody was told of the first try, so what it refused is judged afresh; what it made is not made again."""
    shop = open_shop(tmp_path)
    only = replace(ELEVEN, spots_total=1)
    shop.offer(TEN, only, TWELVE)
    blocking = shop.lease(only.asked())
    booking = shop.book(TEN.asked())

    def lost_and_late(transaction: Transaction, changes: Changes) -> None:
        shop.clock.now_us = blocking.expires_us
        lost_after(transaction, changes)

    lossy(shop, lost_and_late)
    answers = shop.ask_all([move(booking, only), move(booking, TWELVE)])
    (now,) = shop.store.bookings(limit=9)
    assert answers == [now, now]
    assert (now.slot, now.revision) == (only.asked(), 3)
    assert [kind for kind, *_ in events(tmp_path)] == ["BOOKING_CREATED", "BOOKING_MOVED", "BOOKING_MOVED"]
    assert_sound(shop)
    shop.store.close()


def test_batch_that_is_halved_after_a_lost_commit_still_knows_what_it_may_have_changed(
    tmp_path: Path,
) -> None:
    """A re-run UpdateBooking does not apply to what it may have changed already (DESIGN 2). Here the second try is
    halved: a lease refused in the first (slot full) is granted in the second (time passed), and its row is refused."""
    shop = open_shop(tmp_path)
    full = replace(TEN, party_size=2, spots_total=1)
    shop.offer(TEN, ELEVEN, full)
    blocking = shop.lease(full.asked())
    booking = shop.book(TEN.asked())
    run_beside(
        tmp_path,
        """CREATE TRIGGER refused BEFORE INSERT ON lease WHEN NEW.client_reference = 'bad'
           BEGIN SELECT RAISE(ABORT, 'refused'); END""",
    )

    def lost_and_late(transaction: Transaction, changes: Changes) -> None:
        shop.clock.now_us = blocking.expires_us
        lost_after(transaction, changes)

    lossy(shop, lost_and_late)
    shop.ask_all([move(booking, ELEVEN), move(booking, TEN), shop.create_lease(full.asked(), reference="bad")])
    told = events(tmp_path)
    shop.store.close()
    assert [kind for kind, *_ in told] == ["BOOKING_CREATED", "BOOKING_MOVED", "BOOKING_MOVED"]

"""The queue before the desk: real threads, one real ledger, and a second program that holds the write lock for as long
as a test wants a batch to take."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from slotlease.desk.check_availability import Availability, CheckAvailability
from slotlease.desk.desk import Desk
from slotlease.desk.fault import Broken, DeadlinePassed, Unavailable
from slotlease.desk.lane import Ticket
from slotlease.domain.failure import Cause
from slotlease.domain.lease import Lease
from tests.desk.broken import MistakenIn
from tests.desk.callers import Caller, Watched
from tests.desk.checks import beside, cause_of, count_rows
from tests.support import PATIENCE_S, Offered, Shop

TEN = Offered()
CLASS = Offered(spots_total=12)
WAITING_MAX = 8
BATCH_MAX = 4


@pytest.fixture
def desk(shop: Shop) -> Iterator[Desk]:
    desk = Desk(shop.store, shop.rules, shop.report, waiting_max=WAITING_MAX, batch_max=BATCH_MAX)
    yield desk
    desk.close()


@pytest.fixture
def caller(desk: Desk) -> Caller:
    return Caller(desk)


@contextmanager
def batch_under_way(shop: Shop, caller: Caller, folder: Path) -> Iterator[Ticket]:
    """A batch of one has begun, and waits for the write lock until the block is left."""
    other = beside(folder)
    other.execute("BEGIN IMMEDIATE")
    try:
        first = Watched(shop.create_lease(CLASS.asked(), reference="under way"))
        ticket = caller.ask(first)
        assert first.begun.wait(PATIENCE_S)
        yield ticket
    finally:
        other.execute("ROLLBACK")
        other.close()


# --- batches without a timer -------------------------------------------------------------------------------------


def test_request_alone_is_a_batch_of_one_and_waits_for_nobody(shop: Shop, caller: Caller) -> None:
    shop.offer(CLASS)
    for number in range(1, 4):
        answer = caller.answer(shop.create_lease(CLASS.asked()))
        assert isinstance(answer, Lease)
        assert answer.spot_no == number
    assert [len(delivery) for delivery in caller.deliveries] == [1, 1, 1]


def test_requests_that_arrive_during_a_batch_form_the_next_one(shop: Shop, caller: Caller, tmp_path: Path) -> None:
    shop.offer(CLASS)
    waiting = [Watched(shop.create_lease(CLASS.asked())) for _ in range(3)]
    with batch_under_way(shop, caller, tmp_path) as first:
        for operation in waiting:
            caller.ask(operation)
    assert caller.collect(4)[0] is first
    assert [len(delivery) for delivery in caller.deliveries] == [1, 3]
    assert len({id(operation.views[0]) for operation in waiting}) == 1, "one view for all three"


def test_batch_is_bounded_and_requests_keep_their_order(shop: Shop, caller: Caller, tmp_path: Path) -> None:
    shop.offer(CLASS)
    with batch_under_way(shop, caller, tmp_path):
        tickets = [caller.ask(shop.create_lease(CLASS.asked())) for _ in range(6)]
    assert caller.collect(7)[1:] == tickets
    assert [len(delivery) for delivery in caller.deliveries] == [1, BATCH_MAX, 2]
    assert [t.answer.spot_no for t in tickets if isinstance(t.answer, Lease)] == [2, 3, 4, 5, 6, 7]


def test_each_caller_is_told_once_for_a_batch(shop: Shop, desk: Desk, caller: Caller, tmp_path: Path) -> None:
    shop.offer(CLASS)
    other = Caller(desk)
    with batch_under_way(shop, caller, tmp_path):
        for asker in (caller, other, caller, other):
            asker.ask(shop.create_lease(CLASS.asked()))
    caller.collect(3)
    other.collect(2)
    assert [len(delivery) for delivery in caller.deliveries] == [1, 2]
    assert [len(delivery) for delivery in other.deliveries] == [2]


def test_reads_do_not_wait_for_writes(shop: Shop, desk: Desk, caller: Caller, tmp_path: Path) -> None:
    shop.offer(CLASS)
    reader = Caller(desk)
    with batch_under_way(shop, caller, tmp_path):
        assert reader.answer(CheckAvailability(CLASS.asked())) == Availability(CLASS.asked(), 12)
        assert caller.deliveries == []
    caller.collect(1)
    assert reader.answer(CheckAvailability(CLASS.asked())) == Availability(CLASS.asked(), 11)


def test_lease_that_expires_while_its_booking_waits_for_the_lock_is_expired(
    shop: Shop, caller: Caller, tmp_path: Path
) -> None:
    """C-2: the clock is read after the wait, so a lease judged before it cannot be booked after its end."""
    shop.offer(CLASS)
    lease = shop.lease(CLASS.asked())
    other = beside(tmp_path)
    other.execute("BEGIN IMMEDIATE")
    booking = Watched(shop.create_booking(CLASS.asked(), lease_id=lease.lease_id))
    ticket = caller.ask(booking)
    assert booking.begun.wait(PATIENCE_S)
    shop.clock.now_us = lease.expires_us
    other.execute("ROLLBACK")
    other.close()
    caller.collect(1)
    assert cause_of(ticket.answer) is Cause.LEASE_EXPIRED


# --- the bound of the queue --------------------------------------------------------------------------------------


def test_full_queue_refuses_at_once_and_takes_requests_again_later(shop: Shop, caller: Caller, tmp_path: Path) -> None:
    shop.offer(CLASS)
    with batch_under_way(shop, caller, tmp_path):
        for _ in range(WAITING_MAX):
            caller.ask(shop.create_lease(CLASS.asked()))
        for _ in range(3):
            with pytest.raises(Unavailable, match="too many requests are waiting"):
                caller.ask(shop.create_lease(CLASS.asked()))
    answers = [ticket.answer for ticket in caller.collect(1 + WAITING_MAX)]
    assert [type(answer) for answer in answers] == [Lease] * (1 + WAITING_MAX)
    assert isinstance(caller.answer(shop.create_lease(CLASS.asked())), Lease)
    assert count_rows(tmp_path, "lease") == 2 + WAITING_MAX


def test_full_queue_of_writes_does_not_refuse_reads(shop: Shop, desk: Desk, caller: Caller, tmp_path: Path) -> None:
    shop.offer(CLASS)
    with batch_under_way(shop, caller, tmp_path):
        for _ in range(WAITING_MAX):
            caller.ask(shop.create_lease(CLASS.asked()))
        assert isinstance(Caller(desk).answer(CheckAvailability(CLASS.asked())), Availability)
    caller.collect(1 + WAITING_MAX)


# --- given up ----------------------------------------------------------------------------------------------------


def test_request_given_up_before_its_batch_begins_leaves_no_trace(shop: Shop, caller: Caller, tmp_path: Path) -> None:
    shop.offer(CLASS)
    dropped = Watched(shop.create_lease(CLASS.asked(), reference="dropped"))
    with batch_under_way(shop, caller, tmp_path):
        ticket = caller.ask(dropped)
        kept = caller.ask(shop.create_lease(CLASS.asked(), reference="kept"))
        ticket.give_up()
    caller.collect(3)
    assert isinstance(ticket.answer, DeadlinePassed)
    assert isinstance(kept.answer, Lease)
    assert not dropped.begun.is_set()
    references = {lease.client_reference for lease in shop.store.leases(live_only=False, limit=9)}
    assert references == {"under way", "kept"}


def test_request_given_up_after_its_batch_began_is_completed(shop: Shop, caller: Caller, tmp_path: Path) -> None:
    shop.offer(CLASS)
    with batch_under_way(shop, caller, tmp_path) as ticket:
        ticket.give_up()
    caller.collect(1)
    assert isinstance(ticket.answer, Lease)
    assert shop.store.leases(live_only=True, limit=9) == [ticket.answer]
    assert shop.lease(CLASS.asked(), reference="under way") == ticket.answer, "its token finds it"


def test_request_past_its_deadline_is_dropped_before_its_batch_begins(
    shop: Shop, caller: Caller, tmp_path: Path
) -> None:
    shop.offer(CLASS)
    with batch_under_way(shop, caller, tmp_path):
        late = caller.ask(shop.create_lease(CLASS.asked(), reference="late"), deadline_s=time.monotonic())
        early = caller.ask(shop.create_lease(CLASS.asked()), deadline_s=time.monotonic() + 1000 * PATIENCE_S)
    caller.collect(3)
    assert isinstance(late.answer, DeadlinePassed)
    assert isinstance(early.answer, Lease)
    assert count_rows(tmp_path, "lease") == 2


@pytest.mark.parametrize(
    ("deadline_s", "begins_s", "counts"),
    [(10.0, 9.999, True), (10.0, 10.0, False), (10.0, 10.001, False), (None, float("inf"), True)],
)
def test_request_counts_if_its_batch_begins_before_its_deadline(
    deadline_s: float | None, begins_s: float, *, counts: bool
) -> None:
    ticket = Ticket(CheckAvailability(TEN.asked()), deadline_s, lambda _: None)
    assert ticket.begin(begins_s) is counts
    assert isinstance(ticket.answer, DeadlinePassed) is not counts


def test_batch_in_which_everyone_gave_up_is_answered_and_the_next_goes_on(
    shop: Shop, caller: Caller, tmp_path: Path
) -> None:
    shop.offer(CLASS)
    with batch_under_way(shop, caller, tmp_path):
        for _ in range(BATCH_MAX):
            caller.ask(shop.create_lease(CLASS.asked())).give_up()
    tickets = caller.collect(1 + BATCH_MAX)
    assert [type(ticket.answer) for ticket in tickets] == [Lease] + [DeadlinePassed] * BATCH_MAX
    assert isinstance(caller.answer(shop.create_lease(CLASS.asked())), Lease)


# --- closing -----------------------------------------------------------------------------------------------------


def test_closing_desk_answers_all_that_wait_and_refuses_what_comes(shop: Shop, tmp_path: Path) -> None:
    shop.offer(CLASS)
    desk = Desk(shop.store, shop.rules, shop.report, waiting_max=100_000, batch_max=BATCH_MAX)
    caller = Caller(desk)
    closing = threading.Thread(target=desk.close)
    with batch_under_way(shop, caller, tmp_path):
        taken = [caller.ask(shop.create_lease(CLASS.asked(), reference=f"r{n}")) for n in range(BATCH_MAX + 2)]
        closing.start()
        repeat = shop.create_lease(CLASS.asked(), reference="r0")
        taken += until_refused(lambda: caller.ask(repeat))
    closing.join(PATIENCE_S)
    assert not closing.is_alive()
    assert len(caller.collect(1 + len(taken))) == 1 + len(taken)
    assert all(isinstance(ticket.answer, Lease) for ticket in taken), "whoever was let in was answered"
    for operation in (repeat, CheckAvailability(CLASS.asked())):
        with pytest.raises(Unavailable, match="the server is stopping"):
            caller.ask(operation)


def until_refused(ask: Callable[[], Ticket]) -> Iterator[Ticket]:
    """Knocks until the door is shut."""
    try:
        while True:
            yield ask()
    except Unavailable as fault:
        assert str(fault) == "the server is stopping"  # noqa: PT017 - how many came in before is what is asked


def test_desk_may_be_closed_twice(shop: Shop) -> None:
    desk = Desk(shop.store, shop.rules, shop.report)
    desk.close()
    desk.close()


# --- faults ------------------------------------------------------------------------------------------------------


def test_lane_goes_on_after_a_mistake(shop: Shop, caller: Caller) -> None:
    shop.offer(CLASS)
    assert isinstance(caller.answer(MistakenIn("decide", shop.create_lease(CLASS.asked()))), Broken)
    assert isinstance(caller.answer(shop.create_lease(CLASS.asked())), Lease)
    assert len(shop.incidents) == 1
    shop.incidents.clear()


def test_caller_who_cannot_be_told_ends_nobody_elses_wait(
    shop: Shop, desk: Desk, caller: Caller, tmp_path: Path
) -> None:
    shop.offer(CLASS)

    def fail(_tickets: list[Ticket]) -> None:
        message = "this caller is gone"
        raise RuntimeError(message)

    with batch_under_way(shop, caller, tmp_path):
        gone = desk.submit(shop.create_lease(CLASS.asked()), deadline_s=None, notify=fail)
        caller.ask(shop.create_lease(CLASS.asked()))
    assert [type(ticket.answer) for ticket in caller.collect(2)] == [Lease, Lease]
    assert isinstance(gone.answer, Lease)
    assert isinstance(caller.answer(shop.create_lease(CLASS.asked())), Lease)
    assert [str(error) for error in shop.incidents] == ["this caller is gone"]
    shop.incidents.clear()

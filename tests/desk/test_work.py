"""Whoever brings requests and has nothing else to do may work them off itself: one thread, one commit, no hand-over."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from slotlease.desk.check_availability import Availability, CheckAvailability
from slotlease.desk.desk import Desk
from slotlease.desk.fault import Unavailable
from slotlease.desk.lane import Ticket
from slotlease.desk.operation import Operation
from slotlease.desk.tally import Tally
from slotlease.domain.lease import Lease
from slotlease.telemetry.metrics import Metrics
from tests.desk.callers import Caller, Watched
from tests.desk.checks import beside
from tests.support import PATIENCE_S, Offered, Shop, wait_until

CLASS = Offered(spots_total=12)
WAITING_MAX = 8
BATCH_MAX = 4


@pytest.fixture
def desk(shop: Shop) -> Iterator[Desk]:
    shop.offer(CLASS)
    desk = Desk(shop.store, shop.rules, shop.report, waiting_max=WAITING_MAX, batch_max=BATCH_MAX)
    yield desk
    desk.close()


class Worker:
    """Brings requests, works them off, and keeps what it was told and on which threads."""

    def __init__(self, desk: Desk) -> None:
        self.told: list[tuple[int, object]] = []
        self.threads: set[threading.Thread] = set()
        self._desk = desk
        self._heard = threading.Semaphore(0)

    def work(self, *operations: Operation[object]) -> None:
        self._desk.work([Ticket(operation, None, self._hear, number) for number, operation in enumerate(operations)])

    def answers(self, count: int) -> list[object]:
        """By the order in which they were asked for."""
        for _ in range(count):
            assert self._heard.acquire(timeout=PATIENCE_S)
        return [answer for _, answer in sorted(self.told, key=lambda told: told[0])]

    def _hear(self, tickets: list[Ticket]) -> None:
        for ticket in tickets:
            assert isinstance(ticket.caller, int)
            self.told.append((ticket.caller, ticket.answer))
            self.threads.add(threading.current_thread())
            self._heard.release()


def test_what_is_written_is_answered_on_the_thread_that_brought_it_before_it_goes_on(shop: Shop, desk: Desk) -> None:
    worker = Worker(desk)
    requests = [Watched(shop.create_lease(CLASS.asked())) for _ in range(3)]
    worker.work(*requests)
    assert len(worker.told) == 3
    assert worker.threads == {threading.current_thread()}
    assert all(isinstance(answer, Lease) for answer in worker.answers(3))
    assert len({id(request.views[0]) for request in requests}) == 1, "one view for all three"


def test_a_worker_keeps_to_the_size_of_a_batch(shop: Shop, desk: Desk) -> None:
    requests = [Watched(shop.create_lease(CLASS.asked())) for _ in range(BATCH_MAX + 2)]
    Worker(desk).work(*requests)
    views = [id(request.views[0]) for request in requests]
    assert [len({*views[:BATCH_MAX]}), len({*views[BATCH_MAX:]}), len({*views})] == [1, 1, 2]


def test_a_worker_takes_along_what_waits_from_others(shop: Shop, tmp_path: Path) -> None:
    shop.offer(CLASS)
    metrics = Metrics()
    desk = Desk(shop.store, shop.rules, shop.report, tally=Tally(metrics, shop.store.live_leases))
    caller, other = Caller(desk), beside(tmp_path)
    other.execute("BEGIN IMMEDIATE")
    first, waiting, brought = (Watched(shop.create_lease(CLASS.asked())) for _ in range(3))
    caller.ask(first)
    assert first.begun.wait(PATIENCE_S)
    caller.ask(waiting)
    worker = threading.Thread(target=Worker(desk).work, args=(brought,))
    worker.start()
    wait_until(lambda: metrics.registry.get_sample_value("slotlease_queue_depth", {"lane": "writes"}) == 2)
    other.execute("ROLLBACK")
    other.close()
    worker.join(PATIENCE_S)
    caller.collect(2)
    desk.close()
    assert waiting.views == brought.views != first.views


def test_reads_that_a_worker_brings_wait_for_no_commit(shop: Shop, desk: Desk, tmp_path: Path) -> None:
    other, worker = beside(tmp_path), Worker(desk)
    other.execute("BEGIN IMMEDIATE")
    request = Watched(shop.create_lease(CLASS.asked()))
    working = threading.Thread(target=worker.work, args=(request, CheckAvailability(CLASS.asked())))
    working.start()
    assert worker.answers(1) == [Availability(CLASS.asked(), 12)]
    assert request.views == []
    other.execute("ROLLBACK")
    other.close()
    working.join(PATIENCE_S)
    assert isinstance(worker.answers(1)[0], Lease)


def test_what_a_worker_brings_beyond_the_queue_is_unavailable_and_the_rest_is_done(shop: Shop, desk: Desk) -> None:
    worker = Worker(desk)
    worker.work(*(shop.create_lease(CLASS.asked()) for _ in range(WAITING_MAX + 2)))
    kinds = [type(answer) for answer in worker.answers(WAITING_MAX + 2)]
    assert kinds == [Lease] * WAITING_MAX + [Unavailable] * 2


def test_a_closed_desk_tells_a_worker_that_it_is_unavailable(shop: Shop, desk: Desk) -> None:
    desk.close()
    worker = Worker(desk)
    worker.work(shop.create_lease(CLASS.asked()), CheckAvailability(CLASS.asked()))
    assert [type(answer) for answer in worker.answers(2)] == [Unavailable] * 2


def test_closing_waits_for_the_batch_that_a_worker_has_begun(shop: Shop, desk: Desk, tmp_path: Path) -> None:
    other, worker = beside(tmp_path), Worker(desk)
    other.execute("BEGIN IMMEDIATE")
    request = Watched(shop.create_lease(CLASS.asked()))
    working = threading.Thread(target=worker.work, args=(request,))
    working.start()
    assert request.begun.wait(PATIENCE_S)
    closing = threading.Thread(target=desk.close)
    closing.start()
    closing.join(0.1)
    assert closing.is_alive()
    other.execute("ROLLBACK")
    other.close()
    closing.join(PATIENCE_S)
    assert request.views != []
    working.join(PATIENCE_S)
    assert isinstance(worker.answers(1)[0], Lease)

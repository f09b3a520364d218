"""Twenty threads want the same thing: whoever is first has it, and nobody has it twice (INV-1, 5, 12)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import pytest

from slotlease.desk.desk import Desk
from slotlease.desk.operation import Operation
from slotlease.domain.failure import Cause
from slotlease.domain.lease import Lease
from tests.desk.callers import Caller
from tests.desk.checks import cause_of, count_rows
from tests.support import PATIENCE_S, Offered, Shop

TEN = Offered()
CLASS = Offered(spots_total=12)


def race(shop: Shop, make: Callable[[int], Operation[object]]) -> list[object]:
    """Twenty threads ask one desk at once; their answers, in no order."""
    desk = Desk(shop.store, shop.rules, shop.report)
    requests = [make(number) for number in range(20)]
    start = threading.Barrier(len(requests))
    answers: SimpleQueue[object] = SimpleQueue()

    def ask(request: Operation[object]) -> None:
        start.wait(PATIENCE_S)
        answers.put(Caller(desk).answer(request))

    threads = [threading.Thread(target=ask, args=(request,)) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    desk.close()
    return [answers.get_nowait() for _ in requests]


@pytest.mark.parametrize("spots", [1, 3, 12])
def test_spots_raced_for_by_twenty_threads_are_each_won_once(shop: Shop, spots: int) -> None:
    offered = replace(TEN, spots_total=spots)
    shop.offer(offered)
    answers = race(shop, lambda _: shop.create_lease(offered.asked()))
    won = [answer.spot_no for answer in answers if isinstance(answer, Lease)]
    assert sorted(won) == list(range(1, spots + 1))
    lost = [answer for answer in answers if not isinstance(answer, Lease)]
    assert [cause_of(answer) for answer in lost] == [Cause.SLOT_UNAVAILABLE] * (20 - spots)


def test_one_token_sent_by_twenty_threads_is_one_lease(shop: Shop, tmp_path: Path) -> None:
    shop.offer(CLASS)
    answers = race(shop, lambda _: shop.create_lease(CLASS.asked(), reference="the same"))
    assert isinstance(answers[0], Lease)
    assert answers == answers[:1] * 20
    assert count_rows(tmp_path, "lease") == count_rows(tmp_path, "spot") == 1


def test_one_lease_raced_for_by_twenty_bookings_is_consumed_once(shop: Shop, tmp_path: Path) -> None:
    shop.offer(CLASS)
    lease = shop.lease(CLASS.asked())
    answers = race(
        shop, lambda n: shop.create_booking(CLASS.asked(), lease_id=lease.lease_id, user_id=f"u{n}", token=f"t{n}")
    )
    causes = [cause_of(answer) for answer in answers if not hasattr(answer, "booking_id")]
    assert causes == [Cause.LEASE_EXPIRED] * 19
    assert count_rows(tmp_path, "booking") == 1


def test_last_lapsed_spot_raced_for_by_leases_and_bookings_is_won_once(shop: Shop) -> None:
    shop.offer(TEN)
    shop.clock.now_us = shop.lease(TEN.asked()).expires_us
    answers = race(
        shop,
        lambda n: shop.create_lease(TEN.asked()) if n % 2 else shop.create_booking(TEN.asked(), user_id=f"u{n}"),
    )
    refused = [answer for answer in answers if hasattr(answer, "cause")]
    assert [cause_of(answer) for answer in refused] == [Cause.SLOT_UNAVAILABLE] * 19

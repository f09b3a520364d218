"""Callers that stop waiting, by a deadline or of their own will, at every moment of every call (DESIGN 2): before its
batch begins the call leaves no trace; after, it completes and is found by its retry."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import grpc
import pytest
from google.protobuf.message import Message

from tests.support import open_shop, wait_until
from tests.wire import asking
from tests.wire.client import CALL_TIMEOUT_S
from tests.wire.conftest import Served, serving
from tests.wire.gates import GatedStore, Place
from tests.wire.ledger_rows import LedgerRows
from tests.wire.test_v2_faults import Stall
from tests.wire.whole_requests import CALLS, whole_requests

READS = {"v2.CheckAvailability", "v2.BatchAvailabilityLookup", "v2.GetBookingStatus", "v2.ListBookings"}
DEADLINE_S = 0.4
"""Enough for a call to come as far as the gate; the gate stays closed until it is over."""


class StallOfReads(Stall):
    writes: ClassVar[bool] = False


@dataclass(frozen=True)
class Stage:
    served: Served
    ledger: LedgerRows
    store: GatedStore
    requests: dict[str, Message]

    def start(self, name: str, *, timeout_s: float = CALL_TIMEOUT_S) -> grpc.Future[bytes]:
        call = CALLS[name]
        method: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self.served.channel.unary_unary(
            f"/{call.service}/{call.method}"
        )
        return method.future(self.requests[name].SerializeToString(), timeout=timeout_s)

    def answer(self, name: str) -> bytes:
        return self.start(name).result()

    def has_noticed(self) -> bool:
        """Whether the server knows that nobody waits any more."""
        return self.served.admission.calls == 0


@pytest.fixture
def stage(tmp_path_factory: pytest.TempPathFactory, library: str) -> Iterator[Stage]:  # noqa: ARG001 - see there
    folder = tmp_path_factory.mktemp("ledger")
    shop, ledger = open_shop(folder), LedgerRows(folder)
    requests = whole_requests(shop)
    store = GatedStore(shop.store)
    with serving(shop, store=store.as_store()) as served:
        yield Stage(served, ledger, store, requests)
        store.open()
        assert served.incidents == []
    ledger.close()
    shop.store.close()


def by_deadline(stage: Stage, name: str) -> Callable[[], None]:
    """Starts the call; what is returned waits until its caller has given up and the server knows."""
    asked = stage.start(name, timeout_s=DEADLINE_S)

    def given_up() -> None:
        assert asking.ended(asked.result).code is grpc.StatusCode.DEADLINE_EXCEEDED
        wait_until(stage.has_noticed)

    return given_up


def by_cancelling(stage: Stage, name: str) -> Callable[[], None]:
    asked = stage.start(name)

    def given_up() -> None:
        assert asked.cancel()
        wait_until(stage.has_noticed)

    return given_up


GiveUp = Callable[[Stage, str], Callable[[], None]]
EITHER_WAY = pytest.mark.parametrize("give_up", [by_deadline, by_cancelling])
EVERY_CALL = pytest.mark.parametrize("name", CALLS)


@contextmanager
def another_batch_under_way(stage: Stage, name: str) -> Iterator[None]:
    """In the same lane, so that what comes now must wait for its own batch to begin."""
    stall = StallOfReads() if name in READS else Stall()
    stage.served.desk.submit(stall, deadline_s=None, notify=lambda tickets: None)  # noqa: ARG005 - nobody waits for it
    assert stall.begun.wait(CALL_TIMEOUT_S)
    yield
    stall.go_on.set()


def let_the_lanes_empty(stage: Stage) -> None:
    """All that came before has been answered when this returns."""
    for last in (Stall(), StallOfReads()):
        last.go_on.set()
        answered = threading.Event()
        stage.served.desk.submit(last, deadline_s=None, notify=lambda tickets, done=answered: done.set())  # type: ignore[misc] # noqa: ARG005
        assert answered.wait(CALL_TIMEOUT_S)


@EITHER_WAY
@EVERY_CALL
def test_given_up_before_its_batch_begins_a_call_leaves_no_trace(stage: Stage, name: str, give_up: GiveUp) -> None:
    before = stage.ledger.state()
    with another_batch_under_way(stage, name):
        given_up = give_up(stage, name)
        wait_until(lambda: stage.served.admission.calls > 0)
        given_up()
    let_the_lanes_empty(stage)
    assert stage.ledger.state() == before
    assert stage.answer(name) == stage.answer(name)
    assert (stage.ledger.state() == before) == (name in READS), "asked again, it does what it would have done"


@pytest.mark.parametrize("place", [Place.BEFORE_COMMIT, Place.AFTER_COMMIT])
@EITHER_WAY
@EVERY_CALL
def test_given_up_after_its_batch_began_a_call_completes_and_is_found_by_its_retry(
    stage: Stage, name: str, give_up: GiveUp, place: Place
) -> None:
    before = stage.ledger.state()
    stage.store.close_at(place)
    given_up = give_up(stage, name)
    assert stage.store.reached.wait(CALL_TIMEOUT_S)
    given_up()
    stage.store.open()
    let_the_lanes_empty(stage)
    done = stage.ledger.state()
    assert (done == before) == (name in READS)
    assert stage.answer(name) == stage.answer(name)
    assert stage.ledger.state() == done, "the retry finds what was done and does nothing"


def test_a_caller_that_gave_up_takes_nobody_along(stage: Stage) -> None:
    with another_batch_under_way(stage, "v2.CreateLease"):
        gone = by_cancelling(stage, "v2.CreateLease")
        wait_until(lambda: stage.served.admission.calls == 1)
        gone()
        staying = [stage.start(name) for name in CALLS if name not in READS]
        wait_until(lambda: stage.served.admission.calls == len(staying))
    assert all(call.result() for call in staying)

"""What a backend gives the conformance suite, and what every part of the suite begins with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

from slotlease.desk.operation import Operation
from slotlease.domain.facts import Changes, Wanted
from slotlease.domain.policy import Rules
from slotlease.domain.view import View
from slotlease.store.protocol import Clock, Store
from tests.support import HandClock, Shop

ResultT = TypeVar("ResultT")

# ruff: noqa: S608 - table names are the list below

TABLES = ("merchant", "service", "staff", "room", "slot", "spot", "lease", "booking", "event", "marketing_preference")


class Backend(Protocol):
    """One ledger of one kind of database, which nothing else uses."""

    def open(self, clock: Clock) -> Store:
        """A store on the ledger, made by the first call. Each call is another one, as another program's would be."""

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Runs SQL past the store and commits it, under every guard that the database itself keeps (INV-4)."""

    def refuses(self, statement: str) -> bool:
        """Whether a constraint, key or trigger of the database forbids the statement. Then nothing is changed."""

    def corrupt(self, statement: str) -> None:
        """Runs SQL with those guards out of the way: what a bad disk or a careless hand could do."""


class OnALedger:
    """Fixtures. A backend's class gives `backend`; the ledger is empty until a test fills it."""

    @pytest.fixture
    def backend(self, tmp_path: Path) -> Backend:
        raise NotImplementedError

    @pytest.fixture
    def clock(self) -> HandClock:
        return HandClock()

    @pytest.fixture
    def store(self, backend: Backend, clock: HandClock) -> Iterator[Store]:
        store = backend.open(clock)
        yield store
        store.close()

    @pytest.fixture
    def beside(self, store: Store, backend: Backend, clock: HandClock) -> Iterator[Store]:
        """A second store on the same ledger."""
        assert store is not None, "the ledger is there before anybody stands beside it"
        beside = backend.open(clock)
        yield beside
        beside.close()

    @pytest.fixture
    def shop(self, store: Store, clock: HandClock) -> Iterator[Shop]:
        """Merchants on `store`. A mistake of ours that the desk swallowed fails the test."""
        shop = Shop(store, clock)
        yield shop
        assert shop.incidents == []


def everything(backend: Backend) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, to see that nothing changed."""
    return {table: sorted(backend.sql(f"SELECT * FROM {table}"), key=repr) for table in TABLES}


def changes_of(store: Store, *operations: Operation[Any]) -> Changes:
    """What the operations, decided as one batch, would write now. Nothing is written."""
    wanted, more = Wanted(), Wanted()
    for operation in operations:
        operation.want(wanted)
    with store.transact(wanted) as transaction:
        for operation in operations:
            operation.want_more(transaction.facts, more)
        transaction.load(more)
        view = View(transaction.facts, Rules(store.fingerprint_key))
        for operation in operations:
            operation.decide(view)
        return view.changes()


def commit(store: Store, changes: Changes) -> None:
    """Writes changes that were decided before, over whatever the ledger holds by now."""
    wanted = Wanted(merchant_nos={spot.merchant_no for _, spot in changes.spots})
    wanted.merchant_nos.update(lease.merchant_no for _, lease in changes.leases)
    wanted.merchant_nos.update(booking.merchant_no for _, booking in changes.bookings)
    wanted.merchant_nos.update(merchant_no for merchant_no, _ in changes.leases_buried)
    with store.transact(wanted) as transaction:
        transaction.commit(changes)


def at_once(actions: Sequence[Callable[[], ResultT]]) -> list[ResultT]:
    """Runs each on a thread of its own, all let go at the same instant. Raises what the first that failed raised."""
    results: dict[int, ResultT] = {}
    failures: list[BaseException] = []
    go = threading.Barrier(len(actions))

    def run(number: int, action: Callable[[], ResultT]) -> None:
        go.wait()
        try:
            results[number] = action()
        except BaseException as error:  # noqa: BLE001 - raised again on the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return [results[number] for number in range(len(actions))]

"""A real store that stops at a place of its own until it is told to go on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import cast

from slotlease.domain.facts import Changes, Facts, Wanted
from slotlease.store.protocol import Snapshot, Store, Transaction
from tests.wire.client import CALL_TIMEOUT_S


class Place(Enum):
    """Where a batch can be held: on either side of its commit, or, if it reads, of being decided."""

    BEFORE_COMMIT = "before the commit"
    AFTER_COMMIT = "after the commit"


class GatedStore:
    """Closed at a place, it holds the next batch that comes there: `reached` is set then, until `open`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._closed_at: Place | None = None
        self.reached = threading.Event()
        self._go_on = threading.Event()

    def close_at(self, place: Place) -> None:
        self.reached.clear()
        self._go_on.clear()
        self._closed_at = place

    def open(self) -> None:
        self._closed_at = None
        self._go_on.set()

    def as_store(self) -> Store:
        """The desk needs no more of a store than transactions and snapshots."""
        return cast("Store", self)

    @contextmanager
    def transact(self, wanted: Wanted) -> Iterator[Transaction]:
        with self._store.transact(wanted) as transaction:
            yield _GatedTransaction(self, transaction)

    @contextmanager
    def snapshot(self, wanted: Wanted) -> Iterator[Snapshot]:
        with self._store.snapshot(wanted) as snapshot:
            self.pass_by(Place.BEFORE_COMMIT)
            yield snapshot
            self.pass_by(Place.AFTER_COMMIT)

    def pass_by(self, place: Place) -> None:
        if place is self._closed_at:
            self.reached.set()
            assert self._go_on.wait(CALL_TIMEOUT_S), "nobody opened the gate"


class _GatedTransaction:
    def __init__(self, gated: GatedStore, transaction: Transaction) -> None:
        self._gated = gated
        self._transaction = transaction

    @property
    def facts(self) -> Facts:
        return self._transaction.facts

    def load(self, wanted: Wanted) -> None:
        self._transaction.load(wanted)

    def commit(self, changes: Changes) -> None:
        self._gated.pass_by(Place.BEFORE_COMMIT)
        self._transaction.commit(changes)
        self._gated.pass_by(Place.AFTER_COMMIT)

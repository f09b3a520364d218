"""Things that go wrong: requests with a mistake in them, and a store whose commits are lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, cast

from slotlease.desk.batch import Batches
from slotlease.desk.operation import Operation
from slotlease.domain.facts import Changes, Facts, Wanted
from slotlease.domain.view import View
from slotlease.store.protocol import (
    CommitUnknown,
    Snapshot,
    Store,
    StoreConflict,
    StoreDeadlock,
    StoreUnavailable,
    Transaction,
)
from tests.support import Shop


class Mistake(Exception):
    """Of ours, in one request."""


@dataclass(frozen=True, slots=True)
class MistakenIn(Operation[object]):
    """A write that raises in the named step: after it has done what `inner` does there."""

    step: str
    inner: Operation[object]

    writes: ClassVar[bool] = True

    def want(self, wanted: Wanted) -> None:
        self.inner.want(wanted)
        self._maybe_raise("want")

    def want_more(self, facts: Facts, wanted: Wanted) -> None:
        self.inner.want_more(facts, wanted)
        self._maybe_raise("want_more")

    def decide(self, view: View) -> object:
        answer = self.inner.decide(view)
        self._maybe_raise("decide")
        return answer

    def _maybe_raise(self, step: str) -> None:
        if step == self.step:
            raise Mistake(step)


Commit = Callable[[Transaction, Changes], None]
"""How one commit goes."""


def done(transaction: Transaction, changes: Changes) -> None:
    transaction.commit(changes)


def conflict(_transaction: Transaction, _changes: Changes) -> None:
    raise StoreConflict("another writer came between")


def deadlock(_transaction: Transaction, _changes: Changes) -> None:
    raise StoreDeadlock("writers waited for each other")


def unavailable(_transaction: Transaction, _changes: Changes) -> None:
    raise StoreUnavailable("the disk is full")


def lost_before(_transaction: Transaction, _changes: Changes) -> None:
    """Nothing was written, and nobody can know."""
    raise CommitUnknown("the line went dead")


def lost_after(transaction: Transaction, changes: Changes) -> None:
    """All was written, and nobody can know."""
    transaction.commit(changes)
    raise CommitUnknown("the line went dead")


class LossyStore:
    """A real store, of which each commit goes as told, one after another; once all is told, well."""

    def __init__(self, store: Store, commits: Sequence[Commit]) -> None:
        self.tries = 0
        self.between_tries: Callable[[], object] = lambda: None
        self._store = store
        self._commits = iter(commits)

    @contextmanager
    def transact(self, wanted: Wanted) -> Iterator[Transaction]:
        if self.tries == 1:
            self.between_tries()
        with self._store.transact(wanted) as transaction:
            yield _LossyTransaction(self, transaction)

    @contextmanager
    def snapshot(self, wanted: Wanted) -> Iterator[Snapshot]:
        with self._store.snapshot(wanted) as snapshot:
            yield snapshot

    def commit(self, transaction: Transaction, changes: Changes) -> None:
        self.tries += 1
        next(self._commits, done)(transaction, changes)


class _LossyTransaction:
    def __init__(self, lossy: LossyStore, transaction: Transaction) -> None:
        self._lossy = lossy
        self._transaction = transaction

    @property
    def facts(self) -> Facts:
        return self._transaction.facts

    def load(self, wanted: Wanted) -> None:
        self._transaction.load(wanted)

    def commit(self, changes: Changes) -> None:
        self._lossy.commit(self._transaction, changes)


def lossy(shop: Shop, *commits: Commit) -> LossyStore:
    """From now on the shop's commits go as told. Its inventory and its audits stay with the real store."""
    store = LossyStore(shop.store, commits)
    # The desk needs no more of a store than transactions and snapshots.
    shop.batches = Batches(cast("Store", store), shop.rules, shop.report)
    return store

"""Mistakes for a server to make, so that the crash test can be seen to find them. Each is planted in the process of a
server that the test starts, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from slotlease.desk import desk
from slotlease.desk.batch import Batches
from slotlease.domain.facts import Changes, Facts, Wanted
from slotlease.domain.view import View
from slotlease.store.protocol import Store, Transaction


class _HastyStore:
    """Commits what a batch changed only when the next one begins: its callers are answered before."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._owed: Changes | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def transact(self, wanted: Wanted) -> Iterator[_HastyTransaction]:
        if self._owed:
            owed, self._owed = self._owed, None
            with self._store.transact(Wanted()) as transaction:
                transaction.commit(owed)
        with self._store.transact(wanted) as transaction:
            yield _HastyTransaction(transaction, self)

    def owe(self, changes: Changes) -> None:
        self._owed = changes


class _HastyTransaction:
    def __init__(self, transaction: Transaction, store: _HastyStore) -> None:
        self._transaction = transaction
        self._store = store

    @property
    def facts(self) -> Facts:
        return self._transaction.facts

    def load(self, wanted: Wanted) -> None:
        self._transaction.load(wanted)

    def commit(self, changes: Changes) -> None:
        self._store.owe(changes)


def answer_before_commit() -> None:
    class Hasty(Batches):
        def __init__(self, store: Store, *others: Any, **named: Any) -> None:
            super().__init__(cast("Store", _HastyStore(store)), *others, **named)

    setattr(desk, "Batches", Hasty)  # noqa: B010 - to a type checker a class never changes


def forget_tokens() -> None:
    """Every request for a lease is a new one. Needs a ledger without its unique index: that one does not forget."""
    setattr(View, "lease_of_reference", lambda *_: None)  # noqa: B010 - the same


MISTAKES = {"answer-before-commit": answer_before_commit, "forget-tokens": forget_tokens}

"""A real store that fails, and says in its exceptions all that it was given: as databases and libraries do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

from slotlease.domain.facts import Changes, Facts, Wanted
from slotlease.store.protocol import (
    CommitUnknown,
    RowRefused,
    Snapshot,
    Store,
    StoreConflict,
    StoreUnavailable,
    Transaction,
)


class _LoudClock:
    """A time that no rule can compare with: whoever tries learns what was wanted."""

    def __init__(self, told: str) -> None:
        self._told = told

    def _fail(self, *_: object) -> Any:
        raise ArithmeticError(self._told)

    __lt__ = __le__ = __gt__ = __ge__ = __add__ = __radd__ = __sub__ = __rsub__ = _fail
    __hash__ = object.__hash__


Fault = Callable[[str], Exception]
COMMITS: dict[str, Fault] = {
    "the commit raises": RuntimeError,
    "the commit finds another writer": StoreConflict,
    "the commit is lost": CommitUnknown,
    "the commit is refused": RowRefused,
    "the disk is full": StoreUnavailable,
}
LOADS: dict[str, Fault] = {"a row cannot be read": ValueError, "the store is away": StoreUnavailable}
RULES = "a rule breaks"
FAULTS = (*COMMITS, *LOADS, RULES)


class LoudStore:
    """Fails in the way that `fault` names (one of FAULTS; empty: not at all). `told` is what its exceptions said."""

    def __init__(self, store: Store) -> None:
        self.fault = ""
        self.told: list[str] = []
        self._store = store

    def of(self) -> Store:
        # The desk needs no more of a store than transactions and snapshots.
        return cast("Store", self)

    @contextmanager
    def transact(self, wanted: Wanted) -> Iterator[Transaction]:
        with self._store.transact(wanted) as transaction:
            yield cast("Transaction", _Loud(self, transaction, wanted))

    @contextmanager
    def snapshot(self, wanted: Wanted) -> Iterator[Snapshot]:
        with self._store.snapshot(wanted) as snapshot:
            yield cast("Snapshot", _Loud(self, snapshot, wanted))

    def say(self, *given: object) -> str:
        self.told.append(repr(given))
        return self.told[-1]


class _Loud:
    def __init__(self, store: LoudStore, opened: Transaction | Snapshot, wanted: Wanted) -> None:
        self._store = store
        self._opened = opened
        self._wanted = wanted
        if store.fault in LOADS:
            raise LOADS[store.fault](store.say(wanted))

    @property
    def facts(self) -> Facts:
        if self._store.fault != RULES:
            return self._opened.facts
        loud = _LoudClock(self._store.say(self._wanted, self._opened.facts))
        return replace(self._opened.facts, now_us=cast("int", loud))

    def load(self, wanted: Wanted) -> None:
        self._opened.load(wanted)

    def commit(self, changes: Changes) -> None:
        fault = COMMITS.get(self._store.fault)
        if fault is None:
            cast("Transaction", self._opened).commit(changes)
            return
        raise fault(self._store.say(changes, self._wanted)) from KeyError(self._store.say(changes))

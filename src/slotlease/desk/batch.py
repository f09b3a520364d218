"""One batch from prefetch to commit, and what happens when something fails (DESIGN 2).

Synchronous and without threads: the lanes of the desk call it, and so may a command or a simulator.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from slotlease.desk.fault import Broken, DeskFault, Unavailable
from slotlease.desk.operation import Operation
from slotlease.desk.tally import Tally
from slotlease.domain.facts import Changes, Facts, RowKey, Wanted
from slotlease.domain.policy import Rules
from slotlease.domain.view import NotPrefetched, View
from slotlease.store.protocol import (
    CommitUnknown,
    RowRefused,
    Snapshot,
    Store,
    StoreConflict,
    StoreDeadlock,
    StoreFault,
    StoreUnavailable,
    Transaction,
)

TRIES_MAX = 5
"""How often a whole batch is done again after a conflict or a commit of unknown outcome."""

Report = Callable[[BaseException], str]
"""Logs a mistake of ours and returns the incident's id."""


@dataclass(slots=True, eq=False)
class _Request:
    """`given`: the revision that it gave a booking when it was last decided; `given_before`: the same where the commit
    of that may or may not have happened."""

    operation: Operation[object]
    answer: object = None
    given: Mapping[RowKey, int] = field(default_factory=dict)
    given_before: Mapping[RowKey, int] = field(default_factory=dict)


class Batches:
    """Answers batches of operations against one store. An answer that is a DeskFault is to be raised."""

    def __init__(
        self, store: Store, rules: Rules, report: Report, tally: Tally | None = None, *, by_merchant: bool = False
    ) -> None:
        """`by_merchant`: no transaction that writes spans merchants, for databases that keep each merchant on one
        machine of many."""
        self._store = store
        self._rules = rules
        self._report = report
        self._tally = tally
        self._by_merchant = by_merchant

    def write(self, operations: Sequence[Operation[object]]) -> list[object]:
        """One answer for each, in order. All that changed is durable when this returns."""
        requests = [_Request(operation) for operation in operations]
        for together in self._transactions(requests) if self._by_merchant else [requests]:
            self._write_all(together)
        return [request.answer for request in requests]

    def read(self, operations: Sequence[Operation[object]]) -> list[object]:
        """One answer for each, in order, all from one snapshot."""
        requests = [_Request(operation) for operation in operations]
        self._read_all(requests)
        return [request.answer for request in requests]

    # --- reading ---------------------------------------------------------------------------------------------

    def _read_all(self, requests: list[_Request]) -> None:
        try:
            wanted, asking = self._want(requests)
            with self._store.snapshot(wanted) as snapshot:
                asking = self._want_more(snapshot, asking)
                self._decide(snapshot.facts, asking)
        except StoreUnavailable as fault:
            self._answer_unavailable("reads", requests, fault)
        except Exception as error:  # noqa: BLE001 - a row that cannot be read, or a mistake of ours: find whose it is
            self._blame_one(requests, error, self._read_all)

    # --- writing ---------------------------------------------------------------------------------------------

    def _transactions(self, requests: list[_Request]) -> list[list[_Request]]:
        """By the merchants that each request names, in arrival order. A merchant that some name by id and some by
        number is in two of them: one after the other, which is as good."""
        by_merchants: dict[tuple[frozenset[str], frozenset[int]], list[_Request]] = {}
        for request in requests:
            wanted, asking = self._want([request])
            named = frozenset(wanted.merchant_ids), frozenset(wanted.merchant_nos)
            by_merchants.setdefault(named, []).extend(asking)
        return list(by_merchants.values())

    def _write_all(self, requests: list[_Request]) -> None:
        last: StoreFault = StoreUnavailable()
        for _ in range(TRIES_MAX):
            try:
                rest = self._write_once(requests)
            except (StoreConflict, CommitUnknown) as fault:
                if self._tally is not None:
                    self._tally.repeated(_why(fault))
                last = fault
                continue
            except StoreUnavailable as fault:
                last = fault
                break
            except Exception as error:  # noqa: BLE001 - a row refused, or a mistake of ours: find whose it is
                self._blame_one(requests, error, self._write_all)
                return
            else:
                if rest:
                    self._write_all(rest)
                return
        self._answer_unavailable("writes", requests, last)

    def _write_once(self, requests: list[_Request]) -> list[_Request]:
        """Returns those that were not decided: what the first of them starts from was changed by one before it."""
        wanted, asking = self._want(requests)
        with self._store.transact(wanted) as transaction:
            asking = self._want_more(transaction, asking)
            changes, rest = self._decide(transaction.facts, asking)
            began_s = time.monotonic()
            try:
                if changes:
                    transaction.commit(changes)
            except CommitUnknown:
                for request in asking[: len(asking) - len(rest)]:
                    request.given_before = request.given
                raise
            self._tell(asking[: len(asking) - len(rest)], changes, time.monotonic() - began_s)
            return rest

    def _tell(self, decided: list[_Request], changes: Changes, commit_s: float) -> None:
        """What is counted wrong must not undo what is committed: here nothing may raise."""
        if self._tally is None:
            return
        try:
            if changes:
                self._tally.committed(changes, commit_s)
            self._tally.answered([(request.operation, request.answer) for request in decided], changes)
        except Exception as error:  # noqa: BLE001 - see above
            self._report(error)

    # --- both ------------------------------------------------------------------------------------------------

    def _blame_one(self, requests: list[_Request], error: Exception, again: Callable[[list[_Request]], None]) -> None:
        """Nobody was answered. Half by half in their order, until the request that the store cannot serve is alone:
        one bad request never fails the others."""
        if len(requests) == 1:
            requests[0].answer = Broken(self._report(error))
            return
        if not isinstance(error, RowRefused):
            self._report(error)
        middle = len(requests) // 2
        again(requests[:middle])
        again(requests[middle:])

    def _want(self, requests: list[_Request]) -> tuple[Wanted, list[_Request]]:
        wanted = Wanted()
        return wanted, self._run_each(requests, lambda operation: operation.want(wanted))

    def _want_more(self, opened: Transaction | Snapshot, requests: list[_Request]) -> list[_Request]:
        more = Wanted()
        asking = self._run_each(requests, lambda operation: operation.want_more(opened.facts, more))
        if more != Wanted():
            opened.load(more)
        return asking

    def _run_each(self, requests: list[_Request], step: Callable[[Operation[object]], None]) -> list[_Request]:
        """Runs one step of each request; a mistake in it costs only that request. Returns the others."""
        asking = []
        for request in requests:
            try:
                step(request.operation)
            except Exception as error:  # noqa: BLE001 - see above
                request.answer = Broken(self._report(error))
            else:
                asking.append(request)
        return asking

    def _decide(self, facts: Facts, requests: list[_Request]) -> tuple[Changes, list[_Request]]:
        """Each in arrival order over one view. A rule that raises may have left the view half changed, so the
        others are decided afresh without that request. Returns also the rest of the requests, in their order, from
        the first on that could not see enough: they are the next batch."""
        asking, rest = list(requests), list[_Request]()
        while True:
            view = View(facts, self._rules)
            failed = _decide_until_one_fails(view, asking)
            if failed is None:
                return view.changes(), rest
            at, error = failed
            # Of a view that nobody changed each request sees all it wanted: asked again it would be for ever.
            if isinstance(error, NotPrefetched) and view.changes():
                rest = asking[at:] + rest
                del asking[at:]
            else:
                asking[at].answer = Broken(self._report(error))
                del asking[at]

    def _answer_unavailable(self, lane: str, requests: list[_Request], fault: StoreFault) -> None:
        if self._tally is not None:
            self._tally.store_unavailable(lane)
        for request in requests:
            if not isinstance(request.answer, Broken):
                request.answer = Unavailable(f"the store is not available: {fault}")


def _why(fault: StoreConflict | CommitUnknown) -> str:
    if isinstance(fault, StoreDeadlock):
        return "deadlock"
    return "conflict" if isinstance(fault, StoreConflict) else "commit_unknown"


def _decide_until_one_fails(view: View, requests: Sequence[_Request]) -> tuple[int, Exception] | None:
    """The place of the first whose rule raises, and what it raised; None where all are decided."""
    for at, request in enumerate(requests):
        view.begin(request.given_before)
        try:
            request.answer = request.operation.decide(view)
            request.given = view.given
        except Exception as error:  # noqa: BLE001 - a mistake in one rule is its request's alone
            return at, error
    return None


def unwrap(answer: object) -> object:
    """The answer itself, or the fault raised."""
    if isinstance(answer, DeskFault):
        raise answer
    return answer

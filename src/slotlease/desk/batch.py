"""One batch from prefetch to commit, and what happens when something fails (DESIGN 2).

Synchronous and without threads: the lanes of the desk call it, and so may a command or a simulator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from slotlease.desk.fault import Broken, DeskFault, Unavailable
from slotlease.desk.operation import Operation
from slotlease.domain.facts import Changes, Facts, RowKey, Wanted
from slotlease.domain.policy import Rules
from slotlease.domain.view import View
from slotlease.store.protocol import (
    CommitUnknown,
    RowRefused,
    Snapshot,
    Store,
    StoreConflict,
    StoreUnavailable,
    Transaction,
)

TRIES_MAX = 5
"""How often a whole batch is done again after a conflict or a commit of unknown outcome."""

Report = Callable[[BaseException], str]
"""Logs a mistake of ours and returns the incident's id."""


@dataclass(slots=True, eq=False)
class _Request:
    operation: Operation[object]
    answer: object = None


@dataclass(slots=True)
class _Progress:
    """What is remembered from one try of a batch to the next."""

    first_revisions: dict[RowKey, int] = field(default_factory=dict)
    seen_revisions: dict[RowKey, int] = field(default_factory=dict)


class Batches:
    """Answers batches of operations against one store. An answer that is a DeskFault is to be raised."""

    def __init__(self, store: Store, rules: Rules, report: Report) -> None:
        self._store = store
        self._rules = rules
        self._report = report

    def write(self, operations: Sequence[Operation[object]]) -> list[object]:
        """One answer for each, in order. All that changed is durable when this returns."""
        requests = [_Request(operation) for operation in operations]
        self._write_all(requests)
        return [request.answer for request in requests]

    def read(self, operations: Sequence[Operation[object]]) -> list[object]:
        """One answer for each, in order, all from one snapshot."""
        requests = [_Request(operation) for operation in operations]
        try:
            wanted, asking = self._want(requests)
            with self._store.snapshot(wanted) as snapshot:
                asking = self._want_more(snapshot, asking)
                self._decide(snapshot.facts, asking, {})
        except StoreUnavailable:
            _answer_unavailable(requests)
        except Exception as error:  # noqa: BLE001 - whatever it was, nobody may be left without an answer
            _answer_broken(requests, self._report(error))
        return [request.answer for request in requests]

    # --- writing ---------------------------------------------------------------------------------------------

    def _write_all(self, requests: list[_Request]) -> None:
        progress = _Progress()
        for _ in range(TRIES_MAX):
            try:
                self._write_once(requests, progress)
            except StoreConflict:
                continue
            except CommitUnknown:
                # What is decided next must know which bookings the lost commit may have changed already.
                progress.first_revisions = progress.first_revisions or dict(progress.seen_revisions)
                continue
            except StoreUnavailable:
                break
            except Exception as error:  # noqa: BLE001 - a row refused, or a mistake of ours: find whose it is
                self._blame_one(requests, error)
                return
            else:
                return
        _answer_unavailable(requests)

    def _write_once(self, requests: list[_Request], progress: _Progress) -> None:
        wanted, asking = self._want(requests)
        with self._store.transact(wanted) as transaction:
            asking = self._want_more(transaction, asking)
            progress.seen_revisions = {key: row.revision for key, row in transaction.facts.bookings.items()}
            changes = self._decide(transaction.facts, asking, progress.first_revisions)
            if changes:
                transaction.commit(changes)

    def _blame_one(self, requests: list[_Request], error: Exception) -> None:
        """Nothing was written. Half by half in their order, until the request that the store cannot take is alone:
        one bad request never fails the others."""
        if len(requests) == 1:
            requests[0].answer = Broken(self._report(error))
            return
        if not isinstance(error, RowRefused):
            self._report(error)
        middle = len(requests) // 2
        self._write_all(requests[:middle])
        self._write_all(requests[middle:])

    # --- both ------------------------------------------------------------------------------------------------

    def _want(self, requests: list[_Request]) -> tuple[Wanted, list[_Request]]:
        wanted = Wanted()
        asking = [request for request in requests if self._runs(request, lambda op: op.want(wanted))]
        return wanted, asking

    def _want_more(self, opened: Transaction | Snapshot, requests: list[_Request]) -> list[_Request]:
        more = Wanted()
        asking = [r for r in requests if self._runs(r, lambda op: op.want_more(opened.facts, more))]
        if more != Wanted():
            opened.load(more)
        return asking

    def _runs(self, request: _Request, step: Callable[[Operation[object]], None]) -> bool:
        """Runs one step of a request; a mistake in it costs only that request."""
        try:
            step(request.operation)
        except Exception as error:  # noqa: BLE001 - see above
            request.answer = Broken(self._report(error))
            return False
        return True

    def _decide(self, facts: Facts, requests: list[_Request], first: Mapping[RowKey, int]) -> Changes:
        """Each in arrival order over one view. A rule that raises may have left the view half changed, so the
        others are decided afresh without that request."""
        asking = list(requests)
        while True:
            view = View(facts, self._rules, first)
            broken = None
            for request in asking:
                try:
                    request.answer = request.operation.decide(view)
                except Exception as error:  # noqa: BLE001 - see above
                    request.answer = Broken(self._report(error))
                    broken = request
                    break
            if broken is None:
                return view.changes()
            asking.remove(broken)


def _answer_unavailable(requests: list[_Request]) -> None:
    for request in requests:
        if not isinstance(request.answer, Broken):
            request.answer = Unavailable("the store is not available")


def _answer_broken(requests: list[_Request], incident: str) -> None:
    for request in requests:
        request.answer = Broken(incident)


def unwrap(answer: object) -> object:
    """The answer itself, or the fault raised."""
    if isinstance(answer, DeskFault):
        raise answer
    return answer

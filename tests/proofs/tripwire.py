"""What happens at the k-th statement: every connection that is opened while a tripwire is set counts its statements,
and the one that was chosen fails, or the process stops there. Production code has no hook for it and needs none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import apsw

from tests.proofs.ledger_file import LEDGER

Chosen = Callable[[int, str, tuple[object, ...]], bool]
"""Whether a statement is to fail, by its number since the tripwire was armed, its text and the values it is given."""


class Killed(BaseException):
    """The process is no more. No `except Exception` may hold it up, and no statement runs after it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """How a statement fails. `after`: it really happened and only its answer was lost, as only a COMMIT can."""

    error: type[BaseException]
    after: bool = False

    def __str__(self) -> str:
        return self.error.__name__ + (" after it happened" if self.after else "")


KILL = Failure(Killed)
KILL_AFTER = Failure(Killed, after=True)

DATA = tuple(map(Failure, (apsw.ConstraintError, apsw.MismatchError, apsw.TooBigError, apsw.RangeError)))
"""The database does not take a row or a value: one request is to blame."""
AWAY = tuple(map(Failure, (apsw.FullError, apsw.IOError, apsw.ReadOnlyError, apsw.CantOpenError, apsw.InterruptError)))
"""Disk full, connection lost, read-only, time-out: nobody is to blame."""
BUSY = Failure(apsw.BusyError)
UNKNOWN = tuple(Failure(failure.error, after=True) for failure in AWAY)
"""The same at a COMMIT that reached the disk."""


@dataclass(slots=True)
class Tripwire:
    """`passed` counts the statements since `arm`; `sprung_at` is the text of the first one that was made to fail."""

    passed: int = 0
    sprung_at: str = ""
    _failure: Failure | None = None
    _chosen: Chosen = lambda *_: False
    _next: tuple[Failure, Chosen] | None = None
    _stays: bool = False
    _dead: bool = False
    _passes: bool = False

    def arm(self, failure: Failure, at: int, *, stays: bool = False) -> None:
        """The statement `at` (from 1) fails; with `stays`, so does every one after it until `disarm`."""
        self.arm_where(failure, lambda number, _, __: number >= at if stays else number == at, stays=stays)

    def arm_where(self, failure: Failure, chosen: Chosen, *, stays: bool = False) -> None:
        """The statement fails that is `chosen` by number, text and values; with `stays`, each that is."""
        self.passed, self.sprung_at = 0, ""
        self._failure, self._chosen, self._stays = failure, chosen, stays

    def then(self, failure: Failure, chosen: Chosen) -> None:
        """Once what was armed has sprung, this is."""
        self._next = (failure, chosen)

    def disarm(self) -> None:
        """Counts from 0 and lets everything pass. A dead process stays dead for its own connections only."""
        self.passed = 0
        self._failure, self._next, self._dead = None, None, False

    @contextmanager
    def suspended(self) -> Iterator[None]:
        failure, self._failure = self._failure, None
        try:
            yield
        finally:
            self._failure = failure

    def watch(self, connection: apsw.Connection) -> None:
        if Path(connection.filename).name == LEDGER:
            connection.exec_trace = self._trace

    def _trace(self, cursor: apsw.Cursor, sql: str, bindings: object) -> bool:
        if self._passes:
            return True
        if self._dead:
            raise Killed
        self.passed += 1
        failure = self._failure
        if failure is None or not self._chosen(self.passed, sql, _values(bindings)):
            return True
        self.sprung_at = self.sprung_at or sql
        if not self._stays:
            self._failure = None
        if self._next is not None:
            (self._failure, self._chosen), self._next = self._next, None
        if failure.after:
            self._passes = True
            cursor.connection.execute(sql)
            self._passes = False
        self._dead = failure.error is Killed
        raise failure.error(f"made to fail: statement {self.passed}")


@contextmanager
def set_tripwire() -> Iterator[Tripwire]:
    """Watches every connection to a ledger that is opened meanwhile in this process."""
    tripwire = Tripwire()
    apsw.connection_hooks.append(tripwire.watch)
    try:
        yield tripwire
    finally:
        apsw.connection_hooks.remove(tripwire.watch)


def _values(bindings: object) -> tuple[object, ...]:
    """Bound by name, by place or not at all."""
    if isinstance(bindings, dict):
        return tuple(bindings.values())
    return bindings if isinstance(bindings, tuple) else ()

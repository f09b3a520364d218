"""PostgreSQL's errors as faults of the store, by their SQLSTATE (DESIGN 2)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from slotlease.store.protocol import (
    CommitUnknown,
    RowRefused,
    StoreConflict,
    StoreDeadlock,
    StoreFault,
    StoreUnavailable,
)

GUARD = "22012"
"""Division by zero: what a conditional write that did not hit makes of its transaction."""

_CONFLICTS = {
    "40001": "serialization failure",
    GUARD: "a row is no longer as it was prefetched",
}
_DEADLOCK = "40P01"
_UNKNOWN = "40003"
_ROW_REFUSED = {"22", "23"}
"""Classes: the value does not fit, or a constraint forbids it."""

_TOLD = {
    "08": "the connection failed",
    "25006": "the database is read-only just now",
    "25P03": "this program left a transaction idle for too long",
    "28": "the database does not let this user in: check the user and password of the store's address",
    "3D": "there is no such database: check the store's address",
    "42501": "this user may not do that to the ledger: run deploy/postgres/grants.sql",
    "42P01": "a table of the ledger is missing: has somebody dropped it, or is the search_path another?",
    "53": "the database has no room: its disk, its memory or its connections are used up",
    "55P03": "another writer held a merchant for too long",
    "57014": "the database took too long",
    "57": "the database is shutting down or starting up",
    "58": "the database's disk failed",
    "XX": "the database is damaged, says the database",
}
"""By SQLSTATE or its class, for the operator: never the text of the error, which may quote a row."""


_TOOK_TOO_LONG = {"55P03", "57014"}


class TookTooLong(StoreUnavailable):
    """A statement was given up, and the connection is as good as it was."""


def told_of(error: psycopg.Error) -> str:
    state = error.sqlstate or ""
    told = _TOLD.get(state) or _TOLD.get(state[:2])
    if told is not None:
        return f"{told} (SQLSTATE {state})"
    return f"SQLSTATE {state}" if state else "the connection to the database was lost, or none could be made"


@contextmanager
def faults() -> Iterator[None]:
    """Raises StoreFault for what psycopg raises, before COMMIT is on its way."""
    try:
        yield
    except (OverflowError, UnicodeEncodeError, struct.error) as error:
        # Of the binding: a number past 64 bits, a text that is no Unicode.
        raise RowRefused(type(error).__name__) from error
    except psycopg.Error as error:
        raise _fault_of(error) from error


@contextmanager
def commit_faults() -> Iterator[None]:
    """The same where COMMIT may be on its way: only what the database itself says is known."""
    try:
        with faults():
            yield
    except StoreUnavailable as fault:
        # A server that shuts down ends connections that have committed already, and says the same to all.
        cause = fault.__cause__
        state = cause.sqlstate if isinstance(cause, psycopg.Error) else None
        if state is None or (state[:2] in {"08", "57"} and state not in _TOOK_TOO_LONG):
            raise CommitUnknown(str(fault)) from cause
        raise


def _fault_of(error: psycopg.Error) -> StoreFault:
    state = error.sqlstate or ""
    if state in _CONFLICTS:
        return StoreConflict(_CONFLICTS[state])
    if state == _DEADLOCK:
        return StoreDeadlock("deadlock")
    if state == _UNKNOWN:
        return CommitUnknown(told_of(error))
    # A text with a NUL in it is refused by psycopg, without a SQLSTATE.
    if state[:2] in _ROW_REFUSED or (not state and isinstance(error, psycopg.DataError)):
        return RowRefused(type(error).__name__)
    if state in _TOOK_TOO_LONG:
        return TookTooLong(told_of(error))
    return StoreUnavailable(told_of(error))

"""The connections of one open ledger on PostgreSQL: at most two that write, a few that read, each made when needed.

A connection that failed is closed, and the next use makes another: so a database that was restarted, or handed over
to another machine, is served again without anybody's doing.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8BinaryDumper

from slotlease.store.postgres_arrays import register_arrays
from slotlease.store.postgres_faults import TookTooLong, commit_faults, faults
from slotlease.store.postgres_statements import COMMIT, ROLLBACK, text_of
from slotlease.store.protocol import CommitUnknown, StoreConflict, StoreFault, StoreRefused, StoreUnavailable
from slotlease.store.rows import Params, Row

WRITERS_MAX = 2
"""The desk's, and one for a command, an import or a probe beside it: batches share commits, connections do not."""

READERS_MAX = 4
WAIT_S = 10.0
"""For a free connection, then it is as if the database were away."""

STATEMENT_TIMEOUT_MS = 10_000

_DEFAULTS: dict[str, object] = {
    "application_name": "slotlease",
    "client_encoding": "UTF8",
    "connect_timeout": 3,
    # Of several servers the one that takes writes; a standby is refused, not read.
    "target_session_attrs": "read-write",
    # A machine that vanished is noticed within seconds, not after two hours.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""What the address itself says goes before."""

_SETTINGS = {
    "statement_timeout": f"{STATEMENT_TIMEOUT_MS}ms",
    "lock_timeout": "3s",
    # A process that stopped in the middle of a batch must not keep its merchants locked.
    "idle_in_transaction_session_timeout": "10s",
    # A plan is kept, so it must not depend on how full the tables are today (postgres_statements.py).
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_sort": "off",
    # With these off a plan can look dear enough to be compiled, which takes longer than running it.
    "jit": "off",
}
_SET = """
    SELECT set_config(setting.name, setting.value, false)
    FROM unnest(CAST(%s AS text[]), CAST(%s AS text[])) AS setting (name, value)
"""
# Stronger than `on` is left as it is.
_SET_SYNCHRONOUS = """
    SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')
"""
_CHECKS = """
    SELECT current_setting('server_version_num')::integer, current_setting('server_encoding'), pg_is_in_recovery(),
           current_setting('transaction_read_only'), current_setting('synchronous_commit'), current_setting('fsync'),
           current_setting('full_page_writes')
"""
OLDEST_SERVER = 140_000

_log = logging.getLogger("slotlease.store")
_log.addHandler(logging.NullHandler())  # a command says it itself


class Session:
    """One connection, used by one thread at a time."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._connection = connection
        self.has_written = True
        """In the transaction at work. False only where whoever began it knows better."""

    def run(self, steps: Sequence[tuple[str, Params]]) -> list[list[Row]]:
        """The rows of each statement, all in one journey; where one fails the rest is not done. Raises StoreFault."""
        with faults():
            return self._run(steps)

    def commit(self, steps: Sequence[tuple[str, Params]]) -> None:
        """The same, and COMMIT in the same journey. Raises CommitUnknown where nobody can say whether it was done."""
        self.has_written = True
        with commit_faults():
            *_, (tag,) = self._run([*steps, (COMMIT, {})], tagged=True)
        if tag[0] != COMMIT:  # COMMIT after an error that nobody saw is answered ROLLBACK
            message = "the database undid the transaction"
            raise StoreConflict(message)

    def query(self, sql: str, params: Params) -> list[Row]:
        return self.run([(sql, params)])[0]

    def query_once(self, sql: str, params: Params) -> list[Row]:
        """Planned for the tables as they are now: for what reads whole ones, and seldom."""
        with faults():
            cursor = self._connection.execute(text_of(sql), params, prepare=False, binary=True)
            return list(cursor.fetchall()) if cursor.description else []

    def script(self, sql: str) -> None:
        """Several statements without parameters."""
        with faults():
            self._connection.execute(sql, prepare=False)

    def changed(self, sql: str, params: Params) -> int:
        """How many rows the statement changed."""
        with faults():
            return self._connection.execute(text_of(sql), params, prepare=True).rowcount

    def _run(self, steps: Sequence[tuple[str, Params]], *, tagged: bool = False) -> list[list[Row]]:
        with self._connection.pipeline():
            cursors = [
                self._connection.execute(text_of(sql), params, prepare=True, binary=True) for sql, params in steps
            ]
        found: list[list[Row]] = [list(cursor.fetchall()) if cursor.description else [] for cursor in cursors]
        if tagged:
            found[-1] = [(cursors[-1].statusmessage,)]
        return found

    def end(self) -> bool:
        """Ends a transaction of which nothing is to be kept, and says whether the connection can be used again. COMMIT
        where nothing was written: at a ROLLBACK psycopg forgets every statement that it has prepared."""
        status = self._connection.pgconn.transaction_status
        try:
            if status == TransactionStatus.INTRANS and not self.has_written:
                self._connection.execute(COMMIT)
            elif status in {TransactionStatus.INTRANS, TransactionStatus.INERROR}:
                self._connection.execute(ROLLBACK)
        except psycopg.Error:
            self.close()
        self.has_written = True
        return self._connection.pgconn.transaction_status == TransactionStatus.IDLE

    def close(self) -> None:
        with contextlib.suppress(psycopg.Error):
            self._connection.close()


def open_session(url: str, *, name: str) -> Session:
    """A session on the primary with the promised settings, read back. `name` is the address to show. Raises
    StoreRefused, StoreUnavailable."""
    try:
        parameters = psycopg.conninfo.conninfo_to_dict(url)
        wanted = {key: value for key, value in _DEFAULTS.items() if key not in parameters}
    except psycopg.ProgrammingError as error:
        # The text of the error may quote the password.
        message = f"{name} is no address of a PostgreSQL database: write postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        raise StoreRefused(message) from error
    if url.partition("://")[2].partition("/")[0].count("@") > 1:
        message = f"the password in the address of {name} has an @ in it: write it as %40"
        raise StoreRefused(message)
    try:
        connection = psycopg.connect(url, autocommit=True, prepare_threshold=None, **wanted)  # type: ignore[arg-type]
    except psycopg.Error as error:
        # What could not be reached, and why: it names hosts, users and databases, and no password.
        why = " ".join(str(error).split())
        raise StoreUnavailable(f"cannot connect to the database {name}: {why}") from error
    try:
        _configure(connection, name)
    except BaseException:
        connection.close()
        raise
    return Session(connection)


def _configure(connection: psycopg.Connection[tuple[Any, ...]], name: str) -> None:
    connection.prepare_threshold = 0
    connection.prepared_max = 500
    # Each number as 64 bits: else small and big ones would make two statements of one, each with its plan.
    connection.adapters.register_dumper(int, Int8BinaryDumper)
    register_arrays(connection)
    with faults():
        connection.execute(_SET, (list(_SETTINGS), list(_SETTINGS.values())), prepare=False)
        connection.execute(_SET_SYNCHRONOUS, prepare=False)
        found = connection.execute(_CHECKS, prepare=False).fetchone()
    assert found is not None  # noqa: S101 - a SELECT without FROM
    version, encoding, recovers, read_only, synchronous, fsync, full_pages = found
    if version < OLDEST_SERVER:
        raise StoreRefused(f"{name} is PostgreSQL {version // 10_000}: 14 or newer is needed")
    if encoding != "UTF8":
        raise StoreRefused(f"the database {name} keeps texts as {encoding}: make one with ENCODING 'UTF8'")
    if recovers or read_only == "on":
        raise StoreUnavailable(f"the database {name} is read-only just now: a standby, or set so by somebody")
    unsafe = {
        "synchronous_commit": synchronous == "off",
        "fsync": fsync == "off",
        "full_page_writes": full_pages == "off",
    }
    for setting, is_off in unsafe.items():
        if is_off:
            raise StoreRefused(
                f"the database {name} runs with {setting} = off and would lose what was acknowledged: set it on"
            )


class _Places:
    """So many at once. Whoever must wait is served in the order of arrival: a semaphore's waiters may starve."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    def take(self, timeout_s: float) -> bool:
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            turn = threading.Event()
            self._waiting.append(turn)
        if turn.wait(timeout_s):
            return True
        with self._lock:
            if not turn.is_set():
                self._waiting.remove(turn)
            return turn.is_set()

    def give_back(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1


class Connections:
    """Safe to share between threads."""

    def __init__(self, open_one: Callable[[], Session]) -> None:
        self._open = open_one
        self._closed = False
        self._told = False
        self._lock = threading.Lock()
        self._writers: list[Session] = []
        self._readers: list[Session] = []
        self._writers_free = _Places(WRITERS_MAX)
        self._readers_free = _Places(READERS_MAX)

    def writing(self) -> contextlib.AbstractContextManager[Session]:
        return self._session(self._writers, self._writers_free)

    def reading(self) -> contextlib.AbstractContextManager[Session]:
        return self._session(self._readers, self._readers_free)

    @contextmanager
    def _session(self, idle: list[Session], free: _Places) -> Iterator[Session]:
        """A session without a transaction; one that it leaves is undone. Raises StoreUnavailable."""
        if not free.take(WAIT_S):
            message = "every connection to the database is busy"
            raise StoreUnavailable(message)
        session: Session | None = None
        try:
            session = self._take(idle)
            yield session
        except TookTooLong:
            raise  # the connection is as good as it was
        except (StoreUnavailable, CommitUnknown) as fault:
            self._tell(str(fault))
            if session is not None:
                session.close()
            self._close_idle()
            raise
        finally:
            if session is not None:
                self._give_back(idle, session)
            free.give_back()

    def _take(self, idle: list[Session]) -> Session:
        with self._lock:
            if self._closed:
                message = "the store is closed"
                raise StoreUnavailable(message)
            if idle:
                return idle.pop()
        try:
            session = self._open()
        except StoreFault as fault:
            self._tell(str(fault))
            # The operator reads the rest in the log.
            message = "no connection to the database can be made"
            raise StoreUnavailable(message) from fault
        if self._told:
            self._told = False
            _log.warning("the ledger is usable again")
        return session

    def _give_back(self, idle: list[Session], session: Session) -> None:
        if session.end():
            with self._lock:
                if not self._closed:
                    idle.append(session)
                    return
        session.close()

    def _tell(self, what: str) -> None:
        """What is wrong, once, and once when it is over."""
        if not self._told and not self._closed:
            self._told = True
            _log.error(what)

    def close(self) -> None:
        with self._lock:
            self._closed = True
        self._close_idle()

    def _close_idle(self) -> None:
        """Where one connection was lost the others most likely are: the batch that is done again, and the next ones,
        must not try them one by one."""
        with self._lock:
            idle = [*self._writers, *self._readers]
            self._writers.clear()
            self._readers.clear()
        for session in idle:
            session.close()

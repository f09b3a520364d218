"""The ledger in one SQLite file: one writer at a time, readers beside it, every commit durable."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import ClassVar

import apsw

from slotlease.domain.credential import Credential
from slotlease.domain.facts import Changes, Facts, Wanted
from slotlease.domain.merchant import Merchant, Service
from slotlease.domain.slot import Slot
from slotlease.store import audit, catalogue, rows, statements
from slotlease.store import slots as slot_rows
from slotlease.store.prefetch import EVERY_ROW, Catalogues, Prefetch, Query, QueryEach
from slotlease.store.protocol import (
    CatalogueCounts,
    Clock,
    Finding,
    StoreConflict,
)
from slotlease.store.reads import Reads
from slotlease.store.rows import Params, Row
from slotlease.store.sqlite_binding import run_each
from slotlease.store.sqlite_connections import Connections
from slotlease.store.sqlite_file import (
    claim_for_server,
    connect,
    damage_of,
    faults,
    migrate,
    require_file,
    require_whole,
)
from slotlease.store.writes import net_writes


class SqliteStore(Reads):
    """See `protocol.Store`. Opened once by a process, shared by its threads. Raises StoreRefused."""

    def __init__(self, path: str, clock: Clock, *, create: bool, serve: bool) -> None:
        self._path = Path(path)
        self._clock = clock
        self._catalogues: Catalogues = {}
        # What is wrong with the file is said before a claim is made on it.
        require_file(self._path, create=create)
        self._claim = claim_for_server(self._path) if serve else None
        try:
            self._connections = self._open(create=create, serve=serve)
        except BaseException:
            if self._claim is not None:
                self._claim.close()
            raise

    def _open(self, *, create: bool, serve: bool) -> Connections:
        keeper = connect(self._path, create=create)
        try:
            if serve:
                require_whole(keeper, self._path)
            key = os.urandom(32)  # noqa: TID251 - the ledger's key is made here, once
            self.schema = migrate(keeper, self._path, self._clock(), key, older_too=serve)
            with faults():
                ((self.fingerprint_key,),) = _query_on(keeper)(statements.FINGERPRINT_KEY, {})
            return Connections(self._path, keeper)
        except BaseException:
            keeper.close(True)
            raise

    def close(self) -> None:
        self._connections.close()
        if self._claim is not None:
            self._claim.close()

    # --- batches -----------------------------------------------------------------------------------------------

    @contextmanager
    def transact(self, wanted: Wanted) -> Iterator[SqliteTransaction]:
        with self._connections.writing() as connection:
            # The file's only write lock covers every merchant. The clock is read after it was granted: time may
            # have passed while we waited, and a lease judged before the wait may be dead by now.
            facts = Facts(self._clock())
            with faults():
                transaction = SqliteTransaction(connection, facts, self._catalogues, self._connections.require_in_place)
                transaction.load(wanted)
            yield transaction

    @contextmanager
    def snapshot(self, wanted: Wanted) -> Iterator[SqliteSnapshot]:
        with self._connections.reading() as connection:
            # Before the snapshot: an answer may be a moment old, and never from the future of what it read.
            facts = Facts(self._clock())
            with faults():
                connection.execute("BEGIN")
                snapshot = SqliteSnapshot(connection, facts, self._catalogues)
                snapshot.load(wanted)
                yield snapshot

    def probe_write(self) -> None:
        with self._write() as connection:
            connection.execute(statements.PROBE_WRITE)

    # --- operators -----------------------------------------------------------------------------------------------

    @property
    def audit_rules(self) -> Sequence[str]:
        return (audit.FILE_IS_WHOLE, *audit.RULES)

    def audit(self) -> Sequence[Finding]:
        with self._read() as (query, now_us):
            damage = [Finding(audit.FILE_IS_WHOLE, str(self._path), what) for what in damage_of(query)]
            try:
                return [*damage, *audit.findings(query, now_us)]
            except apsw.CorruptError:
                if damage:
                    return damage
                raise

    # --- imports -------------------------------------------------------------------------------------------------

    def merchants(self) -> Sequence[Merchant]:
        with self._connections.reading() as connection, faults():
            query = _query_on(connection)
            facts = Facts(0)
            wanted = Wanted(merchant_ids={row[1] for row in query(statements.MERCHANTS, {})})
            Prefetch(query, _query_each_on(connection), facts, self._catalogues, counts_all=False).load(wanted)
            return [facts.merchants[merchant_id] for merchant_id in sorted(facts.merchants)]

    def retire_merchants(self, merchant_ids: Sequence[str]) -> None:
        if merchant_ids:
            with self._write() as connection:
                params = [{"merchant_id": merchant_id} for merchant_id in merchant_ids]
                run_each(connection, statements.RETIRE_MERCHANT, params)

    def put_catalogue(
        self,
        merchant_id: str,
        name: str | None,
        services: Sequence[Service],
        staff: Sequence[str],
        rooms: Sequence[str],
        *,
        dry_run: bool = False,
    ) -> tuple[Merchant, CatalogueCounts]:
        with self._write(commits=not dry_run) as connection:
            return catalogue.put(_query_on(connection), merchant_id, name, services, staff, rooms)

    def slots_of(self, merchant_no: int, *, after_slot_no: int = -1, limit: int | None = None) -> dict[int, Slot]:
        with self._read() as (query, _):
            rows_max = EVERY_ROW if limit is None else limit
            page = {"merchant_no": merchant_no, "after_slot_no": after_slot_no, "rows_max": rows_max}
            return {slot.slot_no: slot for slot in map(rows.slot_of, query(statements.SLOTS_OF_MERCHANT, page))}

    def put_slots(self, merchant_no: int, slots: Sequence[Slot], *, held_max_s: float | None = None) -> int:
        if not slots:
            return 0
        longest_us = max(slot.duration_us for slot in slots)
        params = [rows.slot_params(slot) for slot in slots]
        with self._write() as connection:
            connection.execute(
                statements.RAISE_LONGEST_DURATION, {"merchant_no": merchant_no, "duration_us": longest_us}
            )
            return slot_rows.put(connection, params, held_max_s)

    # --- who may call version 3 --------------------------------------------------------------------------------------

    def add_credential(self, credential: Credential) -> bool:
        with self._write() as connection:
            return _changed_by(connection, statements.ADD_CREDENTIAL, [asdict(credential)]) == 1

    def revoke_credential(self, user_name: str) -> bool:
        with self._write() as connection:
            return _changed_by(connection, statements.REVOKE_CREDENTIAL, [{"user_name": user_name}]) == 1

    # --- transactions ----------------------------------------------------------------------------------------------

    @contextmanager
    def _write(self, *, commits: bool = True) -> Iterator[apsw.Connection]:
        with self._connections.writing() as connection:
            with faults():
                yield connection
            if commits:
                with faults(committing=True):
                    connection.execute("COMMIT")
                self._connections.require_in_place()

    @contextmanager
    def _read(self) -> Iterator[tuple[Query, int]]:
        with self._connections.reading() as connection:
            now_us = self._clock()
            with faults():
                connection.execute("BEGIN")
                yield _query_on(connection), now_us


class SqliteSnapshot:
    """See `protocol.Snapshot`."""

    counts_all: ClassVar[bool] = True

    def __init__(self, connection: apsw.Connection, facts: Facts, catalogues: Catalogues) -> None:
        self._connection = connection
        self.facts = facts
        queries = _query_on(connection), _query_each_on(connection)
        self._prefetch = Prefetch(*queries, facts, catalogues, counts_all=self.counts_all)

    def load(self, wanted: Wanted) -> None:
        with faults():
            self._prefetch.load(wanted)


class SqliteTransaction(SqliteSnapshot):
    """See `protocol.Transaction`."""

    counts_all: ClassVar[bool] = False

    def __init__(
        self,
        connection: apsw.Connection,
        facts: Facts,
        catalogues: Catalogues,
        require_in_place: Callable[[], None],
    ) -> None:
        super().__init__(connection, facts, catalogues)
        self._require_in_place = require_in_place

    def commit(self, changes: Changes) -> None:
        with faults():
            for sql, params in net_writes(changes):
                if params and _changed_by(self._connection, sql, params) != len(params):
                    message = "a row is no longer as it was prefetched"
                    raise StoreConflict(message)
        with faults(committing=True):
            self._connection.execute("COMMIT")
        self._require_in_place()


def _changed_by(connection: apsw.Connection, sql: str, params: list[Params]) -> int:
    before = connection.total_changes()
    run_each(connection, sql, params)
    return connection.total_changes() - before


def _query_on(connection: apsw.Connection) -> Query:
    def query(sql: str, params: Params) -> Sequence[Row]:
        return connection.execute(sql, params).fetchall()

    return query


def _query_each_on(connection: apsw.Connection) -> QueryEach:
    return partial(run_each, connection)

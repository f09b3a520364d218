"""The ledger in a PostgreSQL database: many servers write, merchant by merchant, every commit durable."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import ClassVar

from slotlease.domain.credential import Credential
from slotlease.domain.facts import Changes, Facts, Wanted
from slotlease.domain.merchant import Merchant, Service
from slotlease.domain.slot import Slot
from slotlease.store import address, audit, catalogue, postgres_slots, rows, statements
from slotlease.store import postgres_statements as batch
from slotlease.store.postgres_connections import Connections, Session, open_session
from slotlease.store.postgres_prefetch import Catalogues, Prefetch
from slotlease.store.postgres_schema import migrate, require_current
from slotlease.store.prefetch import Query
from slotlease.store.protocol import CatalogueCounts, Finding, SchemaVersions
from slotlease.store.reads import Reads
from slotlease.store.writes import net_writes


class PostgresStore(Reads):
    """See `protocol.Store`. Opened once by a process, shared by its threads. `clock` is the SQL of the one clock that
    judges leases, in microseconds since 1970 UTC. Raises StoreRefused, StoreUnavailable."""

    def __init__(self, url: str, *, clock: str = batch.DATABASE_CLOCK) -> None:
        self._url = url
        self._clock = batch.read_clock(clock)
        self._catalogues = Catalogues()
        session = self._open()
        try:
            ((self.fingerprint_key,),) = session.query_once(statements.FINGERPRINT_KEY, {})
        finally:
            session.close()
        self._connections = Connections(self._open)

    def _open(self) -> Session:
        """Each connection looks at the schema: while we serve, somebody may have brought it up to date."""
        name = address.shown(self._url)
        session = open_session(self._url, name=name)
        try:
            self.schema = require_current(session, name)
        except BaseException:
            session.close()
            raise
        return session

    def close(self) -> None:
        self._connections.close()

    # --- batches -----------------------------------------------------------------------------------------------

    @contextmanager
    def transact(self, wanted: Wanted) -> Iterator[PostgresTransaction]:
        with self._connections.writing() as session:
            transaction = PostgresTransaction(session, Facts(0), self._catalogues)
            transaction.begin(wanted, [(batch.BEGIN_WRITE, {})], batch.LOCK_MERCHANTS, self._clock)
            yield transaction

    @contextmanager
    def snapshot(self, wanted: Wanted) -> Iterator[PostgresSnapshot]:
        with self._connections.reading() as session:
            # Before the snapshot, in a transaction of its own: an answer may be a moment old, and never from the
            # future of what it read.
            ((now_us,),) = session.query(self._clock, {})
            snapshot = PostgresSnapshot(session, Facts(now_us), self._catalogues)
            snapshot.begin(wanted, [(batch.BEGIN_READ, {})], batch.MERCHANTS_WANTED, "")
            yield snapshot

    def probe_write(self) -> None:
        with self._connections.writing() as session:
            session.run([(batch.BEGIN_WRITE, {})])
            session.commit([(batch.PROBE_WRITE, {})])

    # --- operators -----------------------------------------------------------------------------------------------

    @property
    def audit_rules(self) -> Sequence[str]:
        return audit.RULES

    def audit(self) -> Sequence[Finding]:
        with self._read(whole_tables=True) as (query, now_us):
            return audit.findings(query, now_us)

    # --- imports -------------------------------------------------------------------------------------------------

    def merchants(self) -> Sequence[Merchant]:
        with self._connections.reading() as session:
            session.has_written = False
            session.run([(batch.BEGIN_READ, {})])
            facts = Facts(0)
            Prefetch(session, facts, self._catalogues, counts_all=False).every_merchant()
            return [facts.merchants[merchant_id] for merchant_id in sorted(facts.merchants)]

    def retire_merchants(self, merchant_ids: Sequence[str]) -> None:
        if merchant_ids:
            with self._write(merchant_ids=merchant_ids) as session:
                session.run([(statements.RETIRE_MERCHANT, {"merchant_id": name}) for name in merchant_ids])

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
        with self._write(merchant_ids=[merchant_id], commits=not dry_run) as session:
            named = batch.merchants_named([], [merchant_id])
            if not session.query(batch.LOCK_MERCHANTS, named):
                # Of two that make it, the second then finds it.
                session.run([(batch.LOCK_NEW_MERCHANTS, {}), (batch.LOCK_MERCHANTS, named)])
            return catalogue.put(session.query, merchant_id, name, services, staff, rooms)

    def slots_of(self, merchant_no: int, *, after_slot_no: int = -1, limit: int | None = None) -> dict[int, Slot]:
        with self._read() as (query, _):
            page = {"merchant_no": merchant_no, "after_slot_no": after_slot_no, "rows_max": limit}
            return {slot.slot_no: slot for slot in map(rows.slot_of, query(statements.SLOTS_OF_MERCHANT, page))}

    def put_slots(self, merchant_no: int, slots: Sequence[Slot], *, held_max_s: float | None = None) -> int:
        if not slots:
            return 0
        longest_us = max(slot.duration_us for slot in slots)
        params = [rows.slot_params(slot) for slot in slots]
        with self._write(merchant_nos=[merchant_no]) as session:
            longest = {"merchant_no": merchant_no, "duration_us": longest_us}
            session.query(statements.RAISE_LONGEST_DURATION, longest)
            return postgres_slots.put(session, params, held_max_s)

    # --- who may call version 3 --------------------------------------------------------------------------------------

    def add_credential(self, credential: Credential) -> bool:
        with self._write() as session:
            return session.changed(statements.ADD_CREDENTIAL, asdict(credential)) == 1

    def revoke_credential(self, user_name: str) -> bool:
        with self._write() as session:
            return session.changed(statements.REVOKE_CREDENTIAL, {"user_name": user_name}) == 1

    # --- transactions ----------------------------------------------------------------------------------------------

    @contextmanager
    def _write(
        self, *, merchant_ids: Sequence[str] = (), merchant_nos: Sequence[int] = (), commits: bool = True
    ) -> Iterator[Session]:
        """Under the locks of these merchants; of what is not committed nothing is kept."""
        with self._connections.writing() as session:
            named = batch.merchants_named(merchant_nos, merchant_ids)
            session.run([(batch.BEGIN_WRITE, {}), (batch.LOCK_MERCHANTS, named)])
            yield session
            if commits:
                session.commit([])

    @contextmanager
    def _read(self, *, whole_tables: bool = False) -> Iterator[tuple[Query, int]]:
        with self._connections.reading() as session:
            ((now_us,),) = session.query(self._clock, {})
            session.has_written = False
            session.run([(batch.BEGIN_READ, {}), (batch.BE_PATIENT, {})])
            if whole_tables:
                session.query_once(batch.BE_FREE, {})
            yield (session.query_once if whole_tables else session.query), now_us


class PostgresSnapshot:
    """See `protocol.Snapshot`."""

    counts_all: ClassVar[bool] = True

    def __init__(self, session: Session, facts: Facts, catalogues: Catalogues) -> None:
        session.has_written = False
        self._session = session
        self.facts = facts
        self._prefetch = Prefetch(session, facts, catalogues, counts_all=self.counts_all)
        self.begin = self._prefetch.begin

    def load(self, wanted: Wanted) -> None:
        self._prefetch.load(wanted, finds_merchants=True)


class PostgresTransaction(PostgresSnapshot):
    """See `protocol.Transaction`."""

    counts_all: ClassVar[bool] = False

    def load(self, wanted: Wanted) -> None:
        self._prefetch.load(wanted, finds_merchants=False)

    def commit(self, changes: Changes) -> None:
        writes = ((batch.FOR_MANY_ROWS[sql], params) for sql, params in net_writes(changes) if params)
        self._session.commit([(sql, batch.columns_of(params)) for sql, params in writes])


def bring_up_to_date(url: str, clock_us: int) -> SchemaVersions:
    """Makes the ledger in an empty database, or runs the scripts that its schema lacks. Raises StoreRefused,
    StoreUnavailable, StoreConflict."""
    name = address.shown(url)
    session = open_session(url, name=name)
    try:
        key = os.urandom(32)  # noqa: TID251 - the ledger's key is made here, once
        return migrate(session, name, clock_us, key)
    finally:
        session.close()

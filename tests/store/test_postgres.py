"""What only PostgreSQL does: its sessions, its clock, its journeys, and what happens when it goes away."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest

from slotlease.domain.facts import Wanted
from slotlease.domain.lease import Lease
from slotlease.store import postgres_connections
from slotlease.store.postgres import PostgresStore
from slotlease.store.postgres_connections import Session
from slotlease.store.protocol import CommitUnknown, StoreConflict, StoreRefused, StoreUnavailable
from tests.store.backend import changes_of, commit
from tests.store.postgres_backend import PostgresBackend
from tests.store.postgres_ledger import backend, clock, shop, store
from tests.support import NOON_US, Offered, Shop

__all__ = ["backend", "clock", "shop", "store"]

SLOT = Offered(spots_total=5)
ASKED = SLOT.asked()
OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@pytest.fixture
def journeys(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The statements of each journey to the database."""
    made: list[list[str]] = []
    run = Session._run  # noqa: SLF001 - counts what it does

    def counted(self: Session, steps: Any, **how: Any) -> Any:
        made.append([sql for sql, _ in steps])
        return run(self, steps, **how)

    monkeypatch.setattr(Session, "_run", counted)
    return made


def settings_of(store: PostgresStore, *names: str) -> list[str]:
    """As the store's sessions have them."""
    with store._connections.writing() as session:  # noqa: SLF001 - no request tells them
        return [session.query_once(f"SELECT current_setting('{name}')", {})[0][0] for name in names]


def test_a_batch_makes_two_journeys(shop: Shop, journeys: list[list[str]]) -> None:
    """DESIGN 2: one to lock, to read the clock and the rows, one to write and commit."""
    shop.offer(SLOT, Offered(staff_id="ann"))
    shop.lease(ASKED)
    journeys.clear()
    answers = shop.ask_all([shop.create_lease(ASKED), shop.create_lease(Offered(staff_id="ann").asked())])
    assert all(isinstance(answer, Lease) for answer in answers)
    (first, second) = journeys
    assert first[0].startswith("BEGIN")
    assert "FOR NO KEY UPDATE" in first[1]
    assert "now_us" in first[2]
    assert "next_no" in second[0]


def test_a_catalogue_that_changed_is_read_anew_in_the_batch_that_notices(shop: Shop, backend: PostgresBackend) -> None:
    """Through another store, as another server's import would: what is remembered here is stale from then on."""
    shop.offer(SLOT)
    shop.lease(ASKED)
    beside = backend.open(shop.clock)
    new = Offered(service_id="new", staff_id="ann")
    Shop(beside, shop.clock).offer(new)
    assert shop.lease(new.asked()).spot_no == 1
    beside.retire_merchants(["m1"])
    assert not isinstance(shop.ask(shop.create_lease(ASKED)), Lease)
    beside.close()


def test_sessions_are_as_safe_as_promised(backend: PostgresBackend, store: PostgresStore) -> None:
    database = backend.url.rpartition("/")[2]
    backend.sql(f"ALTER DATABASE {database} SET synchronous_commit = off")
    assert settings_of(store, "synchronous_commit", "default_transaction_read_only") == ["on", "off"]
    assert "0" not in settings_of(store, "lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    backend.sql(f"ALTER DATABASE {database} SET synchronous_commit = remote_apply")
    store._connections._close_idle()  # noqa: SLF001 - the next one is new
    assert settings_of(store, "synchronous_commit") == ["remote_apply"], "stronger is left as it is"


def test_a_read_that_waited_for_its_clock_sees_what_was_written_meanwhile(backend: PostgresBackend, shop: Shop) -> None:
    """The clock first and then the snapshot: the other way round an answer is from the future of what it read, and two
    servers would disagree about whether a lease ended unused."""
    shop.offer(SLOT)
    slow = PostgresStore(backend.url, clock="(SELECT test_now_us() FROM pg_sleep(0.5))")
    seen: list[int] = []

    def read() -> None:
        with slow.snapshot(Wanted(merchant_ids={"m1"}, slots=[ASKED])) as snapshot:
            seen.extend(occupancy.busy for occupancy in snapshot.facts.occupancies.values())

    reader = threading.Thread(target=read)
    reader.start()
    reader.join(0.2)
    shop.lease(ASKED)
    reader.join(10)
    slow.close()
    assert seen == [1]


def test_the_clock_of_the_process_judges_nothing(backend: PostgresBackend, store: PostgresStore) -> None:
    with store.snapshot(Wanted()) as snapshot, store.transact(Wanted()) as transaction:
        assert (snapshot.facts.now_us, transaction.facts.now_us) == (NOON_US, NOON_US)
    real = PostgresStore(backend.url)
    with real.transact(Wanted()) as transaction:
        ((now_us,),) = backend.sql("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)")
        assert 0 <= now_us - transaction.facts.now_us < 10_000_000
    real.close()


def test_the_clock_is_read_after_the_wait_for_a_merchant(backend: PostgresBackend, shop: Shop) -> None:
    """now() stands still from BEGIN on: a lease judged by it after a wait may be dead by then."""
    shop.offer(SLOT)
    real = PostgresStore(backend.url)
    read_us: list[int] = []

    def write() -> None:
        with real.transact(Wanted(merchant_ids={"m1"})) as transaction:
            read_us.append(transaction.facts.now_us)

    writer = threading.Thread(target=write)
    with psycopg.connect(backend.url) as holder:
        holder.execute("SELECT 1 FROM merchant FOR NO KEY UPDATE")
        writer.start()
        writer.join(0.3)
        assert writer.is_alive()
        ((released_us,),) = backend.sql("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)")
    writer.join(10)
    real.close()
    assert read_us[0] >= released_us


# --- when the database goes away ------------------------------------------------------------------------------------


def test_connections_that_were_ended_cost_one_try_and_are_made_anew(
    backend: PostgresBackend, store: PostgresStore, shop: Shop
) -> None:
    shop.offer(SLOT)
    with store.snapshot(Wanted()), store.snapshot(Wanted()):
        pass
    shop.lease(ASKED)
    backend.sql(f"SELECT pg_terminate_backend(pid) {OTHERS}")
    with pytest.raises(StoreUnavailable), store.transact(Wanted()):
        pass
    assert shop.lease(ASKED).lease_no == 2
    assert shop.count_available(ASKED) == 3


def test_a_connection_that_ended_before_the_commit_wrote_nothing(
    backend: PostgresBackend, store: PostgresStore, shop: Shop
) -> None:
    """Which nobody on this side can know: the batch is done again, and finds out."""
    shop.offer(SLOT)
    changes = changes_of(store, shop.create_lease(ASKED))
    with store.transact(Wanted(merchant_ids={"m1"})) as transaction:
        backend.sql(f"SELECT pg_terminate_backend(pid) {OTHERS}")
        with pytest.raises(CommitUnknown):
            transaction.commit(changes)
    assert backend.sql("SELECT count(*) FROM lease") == [(0,)]
    commit(store, changes)


def test_a_database_that_becomes_read_only_is_unavailable_until_it_is_not(
    backend: PostgresBackend, store: PostgresStore, shop: Shop
) -> None:
    """As after a failover, when the address still leads to the old primary."""
    shop.offer(SLOT)
    database = backend.url.rpartition("/")[2]
    backend.sql(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    backend.sql(f"SELECT pg_terminate_backend(pid) {OTHERS}")
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            store.probe_write()
    backend.sql("SET default_transaction_read_only = off")
    backend.sql(f"ALTER DATABASE {database} SET default_transaction_read_only = off")
    store.probe_write()
    assert shop.lease(ASKED).lease_no == 1


def test_a_merchant_that_somebody_holds_too_long_makes_others_wait_no_longer_than_promised(
    backend: PostgresBackend, store: PostgresStore, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(postgres_connections._SETTINGS, "lock_timeout", "100ms")  # noqa: SLF001 - else 3 seconds
    for merchant_id in ("m1", "m2"):
        shop.offer(SLOT, merchant_id=merchant_id)
    store._connections._close_idle()  # noqa: SLF001 - the next one is new
    with psycopg.connect(backend.url) as holder:
        holder.execute("SELECT 1 FROM merchant WHERE merchant_id = 'm1' FOR NO KEY UPDATE")
        with pytest.raises(StoreUnavailable), store.transact(Wanted(merchant_ids={"m1"})):
            pass
        assert shop.lease(SLOT.asked("m2")).lease_no == 1, "the other merchant's requests do not wait"
        assert shop.count_available(ASKED) == 5, "and reads never do"
    assert shop.lease(ASKED).lease_no == 1


def test_a_schema_that_changes_under_a_server_is_noticed_by_its_next_connection(
    backend: PostgresBackend, store: PostgresStore
) -> None:
    store.probe_write()
    backend.sql("INSERT INTO migration VALUES (99, 0)")
    store.probe_write()
    backend.sql(f"SELECT pg_terminate_backend(pid) {OTHERS}")
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            store.probe_write()


def test_every_connection_busy_is_said_and_not_waited_for(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connections, "WAIT_S", 0.05)
    with store.transact(Wanted()), store.transact(Wanted()):
        with pytest.raises(StoreUnavailable, match="busy"), store.transact(Wanted()):
            pass
        store.live_leases()
    store.probe_write()


def test_a_writer_that_was_undone_by_the_database_is_a_conflict(
    backend: PostgresBackend, store: PostgresStore, shop: Shop
) -> None:
    """40001, which PostgreSQL does not give at READ COMMITTED, and databases like it do."""
    shop.offer(SLOT)
    backend.sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = 'serialization_failure'; END $$"
    )
    backend.sql("CREATE TRIGGER refuse BEFORE INSERT ON lease EXECUTE FUNCTION refuse()")
    changes = changes_of(store, shop.create_lease(ASKED))
    with pytest.raises(StoreConflict):
        commit(store, changes)
    backend.sql("DROP TRIGGER refuse ON lease")
    commit(store, changes)


def test_an_older_server_is_refused(monkeypatch: pytest.MonkeyPatch, backend: PostgresBackend) -> None:
    monkeypatch.setattr(postgres_connections, "OLDEST_SERVER", 990_000)
    with pytest.raises(StoreRefused, match="is needed"):
        PostgresStore(backend.url)

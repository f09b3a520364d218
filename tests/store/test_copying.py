"""A ledger moved from one store to another: everything comes along, or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from slotlease.domain.booking import BookingStatus
from slotlease.store import copying
from slotlease.store.copying import TABLES, copy_ledger
from slotlease.store.open import open_store
from slotlease.store.protocol import StoreOutdated, StoreRefused, StoreUnavailable
from slotlease.store.rows import Row
from slotlease.store.sqlite_tables import SqliteTables
from tests.postgres_server import database
from tests.store.copied import LATER, YOGA, ClockOfAll, InFile, Place, Stores, fill, told_by
from tests.store.postgres_backend import PostgresBackend
from tests.store.sqlite_backend import raw
from tests.support import HandClock, Offered, Shop, booked


@pytest.fixture(params=["file to file", "file to database", "database to file", "database to database"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    with ExitStack() as stack:
        places: list[Place] = []
        for name, kind in zip(("here", "there"), request.param.split(" to "), strict=True):
            if kind == "file":
                places.append(InFile(tmp_path / f"{name}.db"))
            else:
                server = request.getfixturevalue("postgres")
                url = stack.enter_context(database(server, request.getfixturevalue("postgres_template")))
                place = PostgresBackend(url)
                stack.callback(place.close)
                places.append(place)
        yield Stores(*places)


@pytest.fixture
def clock(stores: Stores) -> HandClock:
    return ClockOfAll(stores.here, stores.there)


@pytest.fixture
def url_to(stores: Stores, clock: HandClock) -> str:
    """Filled with something of everything."""
    store = stores.here.open(clock)
    fill(Shop(store, clock))
    store.close()
    return stores.there.url


files = pytest.mark.parametrize("stores", ["file to file"], indirect=True)
databases = pytest.mark.parametrize("stores", ["database to database"], indirect=True)


def test_the_new_ledger_gives_the_same_answers_to_the_same_tokens(
    stores: Stores, url_to: str, clock: HandClock
) -> None:
    done = copy_ledger(stores.url_from, url_to, clock)
    assert told_by(stores.there, clock) == told_by(stores.here, clock)
    assert done.findings_from == done.findings_to
    assert [finding.rule for finding in done.findings_to] == ["INV-1: no more live claims than spots"]


def test_every_row_of_every_table_arrives(stores: Stores, url_to: str, clock: HandClock) -> None:
    done = copy_ledger(stores.url_from, url_to, clock)
    for table in TABLES:
        sent = stores.here.sql(f"SELECT * FROM {table}")  # noqa: S608 - names of our own
        assert sorted(sent, key=repr) == sorted(stores.there.sql(f"SELECT * FROM {table}"), key=repr)  # noqa: S608
        assert done.rows[table] == len(sent)
        assert len(sent) > 0, f"{table} was not tried"


def test_new_leases_and_bookings_get_numbers_that_the_old_ledger_never_gave(
    stores: Stores, url_to: str, clock: HandClock
) -> None:
    copy_ledger(stores.url_from, url_to, clock)
    highest = stores.here.sql("SELECT max(lease_no) FROM lease WHERE merchant_no = 1")[0][0]
    store = stores.there.open(clock)
    shop = Shop(store, clock)
    assert shop.lease(LATER.asked(), reference="new").lease_no > highest
    merchant, _ = store.put_catalogue("m3", "M3", [], [], [])
    assert merchant.merchant_no == 3
    store.close()


@files
def test_a_copy_there_and_back_is_the_same_ledger(
    stores: Stores, url_to: str, clock: HandClock, tmp_path: Path
) -> None:
    there = copy_ledger(stores.url_from, url_to, clock)
    back = copy_ledger(url_to, f"sqlite:///{tmp_path / 'back.db'}", clock)
    assert (back.digest, back.rows) == (there.digest, there.rows)


@files
def test_a_change_of_one_value_changes_the_digest(
    stores: Stores, url_to: str, clock: HandClock, tmp_path: Path
) -> None:
    first = copy_ledger(stores.url_from, url_to, clock)
    stores.there.sql("UPDATE booking SET additional_request = 'x' WHERE idempotency_token = 'moved'")
    assert copy_ledger(url_to, f"sqlite:///{tmp_path / 'third.db'}", clock).digest != first.digest


def test_a_ledger_that_holds_anything_is_not_copied_over(stores: Stores, url_to: str, clock: HandClock) -> None:
    other = Shop(stores.there.open(clock), clock)
    other.offer(Offered())
    other.store.close()
    with pytest.raises(StoreRefused, match=r"is not empty \(it has rows in merchant, service, slot\)"):
        copy_ledger(stores.url_from, url_to, clock)
    assert stores.there.sql("SELECT count(*) FROM booking") == [(0,)]


def test_an_empty_ledger_that_is_there_already_takes_the_copy(stores: Stores, url_to: str, clock: HandClock) -> None:
    stores.there.open(clock).close()
    copy_ledger(stores.url_from, url_to, clock)
    assert told_by(stores.there, clock) == told_by(stores.here, clock)


@files
@pytest.mark.parametrize("served", ["from", "to"])
def test_a_ledger_with_a_server_is_neither_copied_nor_copied_to(
    served: str, stores: Stores, url_to: str, clock: HandClock
) -> None:
    stores.there.open(clock).close()
    server = open_store(stores.url_from if served == "from" else url_to, clock, serve=True)
    with pytest.raises(StoreRefused, match="is already served by process"):
        copy_ledger(stores.url_from, url_to, clock)
    server.close()


def test_a_copy_that_is_cut_off_leaves_the_target_empty(stores: Stores, url_to: str, clock: HandClock) -> None:
    class CutOff(Exception):
        pass

    def cut(done: int, _total: int) -> None:
        if done > 20:
            raise CutOff

    with pytest.raises(CutOff):
        copy_ledger(stores.url_from, url_to, clock, cut)
    assert stores.there.sql("SELECT count(*) FROM merchant") == [(0,)]
    copy_ledger(stores.url_from, url_to, clock)
    assert told_by(stores.there, clock) == told_by(stores.here, clock)


@files
def test_nobody_changes_either_ledger_while_the_copy_is_made(
    stores: Stores, url_to: str, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lease granted by a command after its table was read would be on no ledger that is served from then on."""
    monkeypatch.setattr("slotlease.store.sqlite_file.BUSY_STEPS_MAX", 2)
    tried: list[str] = []

    def note(done: int, total: int) -> None:
        for url in (stores.url_from, url_to):
            store = open_store(url, clock)
            with pytest.raises(StoreUnavailable, match="another program held the ledger for too long"):
                store.probe_write()
            store.close()
            tried.append(f"{done} of {total}")

    copy_ledger(stores.url_from, url_to, clock, note)
    assert len(tried) == 4 * len(TABLES)
    assert tried[-1].split(" of ")[0] == tried[-1].split(" of ")[1]


def test_rows_go_in_pieces_and_progress_is_told(
    stores: Stores, url_to: str, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "PIECE_ROWS", 2)
    steps: list[int] = []
    done = copy_ledger(stores.url_from, url_to, clock, lambda step, _total: steps.append(step))
    assert max(after - before for before, after in zip([0, *steps], steps, strict=False)) == 2
    assert steps[-1] == 2 * sum(done.rows.values())
    assert told_by(stores.there, clock) == told_by(stores.here, clock)


@files
def test_an_older_ledger_is_migrated_first(stores: Stores, url_to: str, clock: HandClock) -> None:
    stores.here.sql("DELETE FROM migration WHERE number > 5")
    with pytest.raises(StoreOutdated, match="slotlease migrate"):
        copy_ledger(stores.url_from, url_to, clock)


@files
def test_a_column_that_only_one_ledger_has_is_not_lost_without_a_word(
    stores: Stores, url_to: str, clock: HandClock
) -> None:
    with raw(Path(stores.url_from.removeprefix("sqlite:///"))) as connection:
        connection.execute("ALTER TABLE lease ADD COLUMN note TEXT")
    with pytest.raises(StoreRefused, match=r"not the same columns \(of lease\)"):
        copy_ledger(stores.url_from, url_to, clock)


@files
def test_a_ledger_is_not_copied_to_itself_nor_from_nowhere(stores: Stores, url_to: str, clock: HandClock) -> None:
    with pytest.raises(StoreRefused, match="cannot be copied to itself"):
        copy_ledger(stores.url_from, stores.url_from, clock)
    with pytest.raises(StoreRefused, match="there is no ledger at"):
        copy_ledger("sqlite:///typo.db", url_to, clock)
    assert not Path("typo.db.serving").exists()
    with pytest.raises(StoreRefused, match="expected sqlite:///PATH"):
        copy_ledger("mysql://x", url_to, clock)


@files
def test_a_row_that_was_lost_on_the_way_is_found(
    stores: Stores, url_to: str, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = SqliteTables.rows
    read: list[str] = []

    def lossy(self: SqliteTables, table: str, columns: Sequence[str], piece_rows: int) -> Iterator[Sequence[Row]]:
        read.append(table)
        for rows in whole(self, table, columns, piece_rows):
            yield rows[:-1] if table == "event" and read.count(table) == 1 else rows

    monkeypatch.setattr(SqliteTables, "rows", lossy)
    with pytest.raises(StoreRefused, match=r"does not hold what was sent to it \(event\)"):
        copy_ledger(stores.url_from, url_to, clock)


@files
def test_a_value_that_changed_on_the_way_is_found(
    stores: Stores, url_to: str, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = SqliteTables.put

    def careless(self: SqliteTables, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        sent = [["" if value == "u1" else value for value in row] for row in rows] if table == "booking" else rows
        whole(self, table, columns, sent)

    monkeypatch.setattr(SqliteTables, "put", careless)
    stores.here.sql("UPDATE booking SET additional_request = 'u1' WHERE idempotency_token = 'moved'")
    with pytest.raises(StoreRefused, match=r"does not hold what was sent to it \(booking\)"):
        copy_ledger(stores.url_from, url_to, clock)


def test_bookings_on_the_new_ledger_go_on_where_they_were(stores: Stores, url_to: str, clock: HandClock) -> None:
    copy_ledger(stores.url_from, url_to, clock)
    shop = Shop(stores.there.open(clock), clock)
    booking = shop.book(YOGA.asked(), user_id="u1", token="booked")  # noqa: S106 - an idempotency token
    assert booked(shop.cancel(booking)).status is BookingStatus.CANCELED
    shop.store.close()


# --- databases ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stores", ["file to database"], indirect=True)
def test_a_database_without_a_ledger_gets_one(stores: Stores, url_to: str, clock: HandClock, postgres: str) -> None:
    assert url_to
    with database(postgres) as bare:
        done = copy_ledger(stores.url_from, bare, clock)
        place = PostgresBackend(bare)
        assert place.sql("SELECT count(*) FROM booking") == [(done.rows["booking"],)]
        place.close()


@databases
@pytest.mark.parametrize("served", ["from", "to"])
def test_a_database_that_somebody_serves_is_neither_copied_nor_copied_to(
    served: str, stores: Stores, url_to: str, clock: HandClock
) -> None:
    server = (stores.here if served == "from" else stores.there).open(clock)
    server.probe_write()
    with pytest.raises(StoreRefused, match=r"is in use: \d connections of slotlease are open to it") as refused:
        copy_ledger(stores.url_from, url_to, clock)
    assert password_of(url_to) not in str(refused.value)
    server.close()


@databases
def test_nobody_changes_either_database_while_the_copy_is_made(stores: Stores, url_to: str, clock: HandClock) -> None:
    """Whoever is no slotlease, or is one that came meanwhile."""
    refused: list[str] = []

    def note(_done: int, _total: int) -> None:
        for place in (stores.here, stores.there):
            for table in TABLES:
                with pytest.raises(psycopg.errors.LockNotAvailable):
                    place.sql(f"DELETE FROM {table} WHERE false")  # noqa: S608 - names of our own
                refused.append(table)

    for place in (stores.here, stores.there):
        place.sql("SET lock_timeout = '10ms'")
    copy_ledger(stores.url_from, url_to, clock, note)
    assert len(refused) == 2 * len(TABLES) * 2 * len(TABLES)


@databases
def test_the_guards_of_the_new_ledger_stand_again(stores: Stores, url_to: str, clock: HandClock) -> None:
    copy_ledger(stores.url_from, url_to, clock)
    above = (
        "INSERT INTO spot SELECT merchant_no, slot_no, 99, 0, 0, start_us, end_us, staff_no, room_no FROM spot LIMIT 1"
    )
    assert isinstance(stores.there, PostgresBackend)
    assert stores.there.refuses(above)


@databases
def test_whoever_does_not_own_the_ledger_is_told_so(stores: Stores, url_to: str, clock: HandClock) -> None:
    """A server's own user may read and write rows, and no more."""
    role = url_to.rpartition("/")[2] + "_server"
    stores.here.sql(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
    try:
        stores.here.sql(f"GRANT SELECT, INSERT, UPDATE, DELETE ON slot, spot, lease, booking, merchant TO {role}")
        stores.here.sql(f"GRANT SELECT ON ledger, migration TO {role}")
        theirs = stores.url_from.replace(f"//postgres:{password_of(url_to)}@", f"//{role}:secret@")
        with pytest.raises(StoreRefused, match="that takes the owner of its tables"):
            copy_ledger(theirs, url_to, clock)
    finally:
        stores.here.sql(f"DROP OWNED BY {role}")
        stores.here.sql(f"DROP ROLE {role}")


def password_of(url: str) -> str:
    return url.partition("://")[2].partition("@")[0].partition(":")[2]


# --- all of it ----------------------------------------------------------------------------------------------------


def test_every_table_of_a_ledger_is_copied(stores: Stores, clock: HandClock) -> None:
    stores.here.open(clock).close()
    listed = (
        "SELECT name FROM sqlite_schema WHERE type = 'table'"
        if isinstance(stores.here, InFile)
        else "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    )
    assert {row[0] for row in stores.here.sql(listed)} - {"migration", "turn", "test_clock"} == set(TABLES)

"""A ledger moved from one store to another: everything comes along, or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from slotlease.desk.close_slot import CloseSlot
from slotlease.desk.list_bookings import ListBookings
from slotlease.desk.release_lease import ReleaseLease
from slotlease.desk.set_marketing_preference import SetMarketingPreference
from slotlease.domain.booking import BookingStatus, user_key
from slotlease.domain.credential import Credential
from slotlease.domain.event_cursor import cursor_of, seen_of
from slotlease.domain.merchant import Service
from slotlease.store import copying
from slotlease.store.copying import TABLES, copy_ledger
from slotlease.store.open import open_store
from slotlease.store.protocol import StoreOutdated, StoreRefused, StoreUnavailable
from slotlease.store.rows import Row
from slotlease.store.sqlite_tables import SqliteTables
from tests.store.sqlite_backend import SqliteBackend, raw
from tests.support import DAY_US, HOUR_US, HandClock, Offered, Shop, booked, user

CUT = Offered(staff_id="anna")
COLOUR = Offered(service_id="colour", start_us=CUT.start_us + HOUR_US // 2, staff_id="anna")
YOGA = Offered(service_id="yoga", start_us=CUT.start_us + DAY_US, spots_total=5, room_id="hall")
LATER = Offered(service_id="yoga", start_us=CUT.start_us + 2 * DAY_US, spots_total=5, room_id="hall")
SHUT = Offered(service_id="yoga", start_us=CUT.start_us + 3 * DAY_US, spots_total=5, room_id="hall")


@dataclass(frozen=True)
class Stores:
    """Where a ledger is, and where it goes."""

    url_from: str
    url_to: str
    backend_from: SqliteBackend
    backend_to: SqliteBackend


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    one, other = tmp_path / "one.db", tmp_path / "other.db"
    return Stores(f"sqlite:///{one}", f"sqlite:///{other}", SqliteBackend(one), SqliteBackend(other))


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def url_to(stores: Stores, clock: HandClock) -> str:
    """Filled with something of everything."""
    store = open_store(stores.url_from, clock, create=True)
    fill(Shop(store, clock))
    store.close()
    return stores.url_to


def fill(shop: Shop) -> None:
    shop.serve(Service(0, 0, "yoga", min_advance_online_canceling_s=3600, one_booking_per_user=False))
    shop.offer(CUT, COLOUR, YOGA, LATER, SHUT)
    shop.offer(Offered(spots_total=3), merchant_id="m2")
    shop.lease(CUT.asked(), reference="held")
    shop.ask(ReleaseLease(shop.lease(YOGA.asked(), reference="given back").lease_id))
    shop.lease(LATER.asked(), reference="lapsed", expires_us=shop.clock.now_us + 60_000_000)
    first = shop.book(YOGA.asked(), user_id="u1", token="booked")  # noqa: S106 - an idempotency token
    moved = shop.book(YOGA.asked(), user_id="u2", token="moved")  # noqa: S106 - as above
    cancelled = shop.book(YOGA.asked(), user_id="u3", token="cancelled")  # noqa: S106 - as above
    lease = shop.lease(YOGA.asked(), reference="consumed")
    shop.book(YOGA.asked(), lease_id=lease.lease_id, user_id="Zoë 佐藤", token="of a lease")  # noqa: S106 - as above
    shop.move(moved, start_us=LATER.start_us)
    shop.cancel(cancelled)
    shop.ask(CloseSlot(SHUT.asked(), closes=True))
    shop.book(Offered().asked("m2"), user_id="u1", token="elsewhere")  # noqa: S106 - as above
    shop.ask(SetMarketingPreference(user("u1"), receives_marketing=True))
    shop.store.add_credential(Credential("google-1", bytes(range(32)), 0, shop.clock.now_us + DAY_US))
    # The merchant lowered the slot under three live claims: its spots are above its capacity.
    shop.offer(Offered(service_id="yoga", start_us=YOGA.start_us, spots_total=1, room_id="hall"))
    shop.clock.advance(s=120)
    assert first.spot_no > 0


def told_by(url: str, clock: HandClock) -> list[object]:
    """What the ledger answers: repeats of all tokens, and what there is to be read."""
    store = open_store(url, clock, serve=True)
    try:
        shop = Shop(store, clock)
        leases = [
            shop.lease(slot.asked(), reference=reference)
            for slot, reference in ((CUT, "held"), (YOGA, "given back"), (LATER, "lapsed"), (YOGA, "consumed"))
        ]
        repeated = [
            shop.book(YOGA.asked(), user_id=user_id, token=token)
            for user_id, token in (("u1", "booked"), ("u2", "moved"), ("u3", "cancelled"))
        ]
        of_lease = shop.book(YOGA.asked(), lease_id=leases[3].lease_id, user_id="Zoë 佐藤", token="of a lease")  # noqa: S106 - an idempotency token
        free = [shop.count_available(slot.asked()) for slot in (CUT, COLOUR, YOGA, LATER, SHUT)]
        bookings = shop.ask(ListBookings(user_key("u1")))
        events = store.events(after={}, merchant_id=None, limit=100)
        assert len(events) >= 7
        after = seen_of(cursor_of({1: events[2].event_no}, bytes(32)), bytes(32))
        return [
            *(leases, repeated, of_lease, free, bookings, events, after),
            *(store.credentials(), store.marketing_preferences(after="", limit=9), store.fingerprint_key),
            *(store.merchants(), store.audit(), store.slots_of(1), store.claims(1, from_us=0, until_us=10**17)),
        ]
    finally:
        store.close()


def test_the_new_ledger_gives_the_same_answers_to_the_same_tokens(
    stores: Stores, url_to: str, clock: HandClock
) -> None:
    done = copy_ledger(stores.url_from, url_to, clock)
    assert told_by(url_to, clock) == told_by(stores.url_from, clock)
    assert done.findings_from == done.findings_to
    assert [finding.rule for finding in done.findings_to] == ["INV-1: no more live claims than spots"]


def test_every_row_of_every_table_arrives(stores: Stores, url_to: str, clock: HandClock) -> None:
    done = copy_ledger(stores.url_from, url_to, clock)
    for table in TABLES:
        sent = stores.backend_from.sql(f"SELECT * FROM {table}")  # noqa: S608 - names of our own
        assert sorted(sent, key=repr) == sorted(stores.backend_to.sql(f"SELECT * FROM {table}"), key=repr)  # noqa: S608
        assert done.rows[table] == len(sent)
        assert len(sent) > 0, f"{table} was not tried"


def test_new_leases_and_bookings_get_numbers_that_the_old_ledger_never_gave(
    stores: Stores, url_to: str, clock: HandClock
) -> None:
    copy_ledger(stores.url_from, url_to, clock)
    highest = stores.backend_from.sql("SELECT max(lease_no) FROM lease WHERE merchant_no = 1")[0][0]
    store = open_store(url_to, clock)
    shop = Shop(store, clock)
    assert shop.lease(LATER.asked(), reference="new").lease_no > highest
    merchant, _ = store.put_catalogue("m3", "M3", [], [], [])
    assert merchant.merchant_no == 3
    store.close()


def test_a_copy_there_and_back_is_the_same_ledger(
    stores: Stores, url_to: str, clock: HandClock, tmp_path: Path
) -> None:
    there = copy_ledger(stores.url_from, url_to, clock)
    back = copy_ledger(url_to, f"sqlite:///{tmp_path / 'back.db'}", clock)
    assert (back.digest, back.rows) == (there.digest, there.rows)


def test_a_change_of_one_value_changes_the_digest(
    stores: Stores, url_to: str, clock: HandClock, tmp_path: Path
) -> None:
    first = copy_ledger(stores.url_from, url_to, clock)
    stores.backend_to.sql("UPDATE booking SET additional_request = 'x' WHERE idempotency_token = 'moved'")
    assert copy_ledger(url_to, f"sqlite:///{tmp_path / 'third.db'}", clock).digest != first.digest


def test_a_ledger_that_holds_anything_is_not_copied_over(stores: Stores, url_to: str, clock: HandClock) -> None:
    other = Shop(open_store(url_to, clock, create=True), clock)
    other.offer(Offered())
    other.store.close()
    with pytest.raises(StoreRefused, match=r"is not empty \(it has rows in merchant, service, slot\)"):
        copy_ledger(stores.url_from, url_to, clock)
    assert stores.backend_to.sql("SELECT count(*) FROM booking") == [(0,)]


def test_an_empty_ledger_that_is_there_already_takes_the_copy(stores: Stores, url_to: str, clock: HandClock) -> None:
    open_store(url_to, clock, create=True).close()
    copy_ledger(stores.url_from, url_to, clock)
    assert told_by(url_to, clock) == told_by(stores.url_from, clock)


@pytest.mark.parametrize("served", ["from", "to"])
def test_a_ledger_with_a_server_is_neither_copied_nor_copied_to(
    served: str, stores: Stores, url_to: str, clock: HandClock
) -> None:
    open_store(url_to, clock, create=True).close()
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
    assert stores.backend_to.sql("SELECT count(*) FROM merchant") == [(0,)]
    copy_ledger(stores.url_from, url_to, clock)
    assert told_by(url_to, clock) == told_by(stores.url_from, clock)


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
    assert told_by(url_to, clock) == told_by(stores.url_from, clock)


def test_an_older_ledger_is_migrated_first(stores: Stores, url_to: str, clock: HandClock) -> None:
    stores.backend_from.sql("DELETE FROM migration WHERE number > 5")
    with pytest.raises(StoreOutdated, match="slotlease migrate"):
        copy_ledger(stores.url_from, url_to, clock)


def test_a_table_that_only_one_ledger_has_is_not_lost_without_a_word(
    stores: Stores, url_to: str, clock: HandClock
) -> None:
    with raw(Path(stores.url_from.removeprefix("sqlite:///"))) as connection:
        connection.execute("ALTER TABLE lease ADD COLUMN note TEXT")
    with pytest.raises(StoreRefused, match=r"not the same tables and columns \(lease\)"):
        copy_ledger(stores.url_from, url_to, clock)


def test_a_ledger_is_not_copied_to_itself_nor_from_nowhere(stores: Stores, url_to: str, clock: HandClock) -> None:
    with pytest.raises(StoreRefused, match="cannot be copied to itself"):
        copy_ledger(stores.url_from, stores.url_from, clock)
    with pytest.raises(StoreRefused, match="there is no ledger at"):
        copy_ledger("sqlite:///typo.db", url_to, clock)
    assert not Path("typo.db.serving").exists()
    with pytest.raises(StoreRefused, match="expected sqlite:///PATH"):
        copy_ledger("mysql://x", url_to, clock)


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


def test_a_value_that_changed_on_the_way_is_found(
    stores: Stores, url_to: str, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = SqliteTables.put

    def careless(self: SqliteTables, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        sent = [["" if value == "u1" else value for value in row] for row in rows] if table == "booking" else rows
        whole(self, table, columns, sent)

    monkeypatch.setattr(SqliteTables, "put", careless)
    stores.backend_from.sql("UPDATE booking SET additional_request = 'u1' WHERE idempotency_token = 'moved'")
    with pytest.raises(StoreRefused, match=r"does not hold what was sent to it \(booking\)"):
        copy_ledger(stores.url_from, url_to, clock)


def test_bookings_on_the_new_ledger_go_on_where_they_were(stores: Stores, url_to: str, clock: HandClock) -> None:
    copy_ledger(stores.url_from, url_to, clock)
    shop = Shop(open_store(url_to, clock), clock)
    booking = shop.book(YOGA.asked(), user_id="u1", token="booked")  # noqa: S106 - an idempotency token
    assert booked(shop.cancel(booking)).status is BookingStatus.CANCELED
    shop.store.close()

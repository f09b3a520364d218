"""When the store fails, it depends on what (DESIGN 2): a row that is refused, a disk that is full, a writer that came
between, a commit that may or may not have happened."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from slotlease.desk.batch import TRIES_MAX
from slotlease.desk.check_availability import CheckAvailability
from slotlease.desk.fault import Broken, Unavailable
from slotlease.desk.get_booking_status import GetBookingStatus
from slotlease.desk.operation import Operation
from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import Booking, BookingStatus
from slotlease.domain.facts import Changes
from slotlease.domain.failure import Cause
from slotlease.domain.lease import Lease
from slotlease.store import sqlite_file
from slotlease.store.protocol import RowRefused, Transaction
from tests.desk.broken import Commit, MistakenIn, conflict, lossy, lost_before, unavailable
from tests.desk.checks import assert_sound, beside, cause_of, count_rows, run_beside
from tests.support import HOUR_US, Offered, Shop, granted, open_shop

TEN = Offered()
ELEVEN = replace(TEN, start_us=TEN.start_us + HOUR_US)
CLASS = replace(TEN, spots_total=20)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """Faults may become incidents here; the ledger must be sound all the same."""
    shop = open_shop(tmp_path)
    yield shop
    assert_sound(shop)
    shop.store.close()


# --- a row that the database refuses -----------------------------------------------------------------------------


def refuse_leases_of(folder: Path, client_reference: str) -> None:
    """A rule of the database's own, as a constraint would be that the code thought impossible to break (B-6)."""
    run_beside(
        folder,
        f"""CREATE TRIGGER refused BEFORE INSERT ON lease WHEN NEW.client_reference = '{client_reference}'
            BEGIN SELECT RAISE(ABORT, 'refused'); END""",
    )


@pytest.mark.parametrize("place", [0, 1, 4, 7])
def test_row_that_the_database_refuses_costs_only_its_own_request(shop: Shop, tmp_path: Path, place: int) -> None:
    shop.offer(CLASS)
    refuse_leases_of(tmp_path, "bad")
    references = [f"r{n}" for n in range(7)]
    references.insert(place, "bad")
    answers = shop.ask_all([shop.create_lease(CLASS.asked(), reference=reference) for reference in references])
    assert [n for n, answer in enumerate(answers) if isinstance(answer, Broken)] == [place]
    leases = [granted(answer) for answer in answers if isinstance(answer, Lease)]
    assert [lease.client_reference for lease in leases] == [f"r{n}" for n in range(7)]
    assert count_rows(tmp_path, "lease") == count_rows(tmp_path, "spot") == 7
    assert [type(error) for error in shop.incidents] == [RowRefused]


def test_several_refused_rows_cost_only_their_own_requests(shop: Shop, tmp_path: Path) -> None:
    shop.offer(CLASS)
    refuse_leases_of(tmp_path, "bad")
    references = ["bad", "r1", "bad", "bad", "r2", "r3", "bad"]
    answers = shop.ask_all([shop.create_lease(CLASS.asked(), reference=reference) for reference in references])
    assert [isinstance(answer, Broken) for answer in answers] == [reference == "bad" for reference in references]


def test_request_whose_row_was_refused_left_nothing_and_may_be_sent_again(shop: Shop, tmp_path: Path) -> None:
    shop.offer(TEN)
    refuse_leases_of(tmp_path, "bad")
    with pytest.raises(Broken):
        shop.lease(TEN.asked(), reference="bad")
    assert shop.count_available(TEN.asked()) == 1
    run_beside(tmp_path, "DROP TRIGGER refused")
    assert shop.lease(TEN.asked(), reference="bad").client_reference == "bad"


def test_spot_that_a_refused_request_would_have_had_goes_to_the_next_in_line(shop: Shop, tmp_path: Path) -> None:
    shop.offer(TEN)
    refuse_leases_of(tmp_path, "bad")
    answers = shop.ask_all([shop.create_lease(TEN.asked(), reference=r) for r in ("bad", "good", "late")])
    assert [type(answer).__name__ for answer in answers] == ["Broken", "Lease", "BookingFailure"]


def test_mistake_and_refused_row_in_one_batch_each_cost_their_own_request(shop: Shop, tmp_path: Path) -> None:
    shop.offer(CLASS)
    refuse_leases_of(tmp_path, "bad")
    requests: list[Operation[object]] = [
        MistakenIn("decide", shop.create_lease(CLASS.asked())),
        shop.create_lease(CLASS.asked(), reference="good"),
        shop.create_lease(CLASS.asked(), reference="bad"),
        MistakenIn("want", shop.create_lease(CLASS.asked())),
    ]
    answers = shop.ask_all(requests)
    assert [type(answer) for answer in answers] == [Broken, Lease, Broken, Broken]


# --- a row that cannot be read -----------------------------------------------------------------------------------


def damage(folder: Path, booking: Booking) -> None:
    run_beside(folder, "UPDATE booking SET user = '{' WHERE booking_no = ?", booking.booking_no)


def test_damaged_row_costs_only_the_write_that_needs_it(shop: Shop, tmp_path: Path) -> None:
    shop.offer(TEN, ELEVEN)
    bad, good = shop.book(TEN.asked()), shop.book(ELEVEN.asked())
    damage(tmp_path, bad)
    answers = shop.ask_all([UpdateBooking(one.booking_id, BookingStatus.CANCELED) for one in (good, bad)])
    assert [type(answer) for answer in answers] == [Booking, Broken]


def test_damaged_row_costs_only_the_read_that_needs_it(shop: Shop, tmp_path: Path) -> None:
    """One bad request never fails the others (DESIGN 2): reads share their batches as writes do."""
    shop.offer(TEN, ELEVEN)
    bad, good = shop.book(TEN.asked()), shop.book(ELEVEN.asked())
    damage(tmp_path, bad)
    answers = shop.batches.read([GetBookingStatus(one.booking_id) for one in (good, bad)])
    assert [type(answer) for answer in answers] == [Booking, Broken]


# --- the store is away -------------------------------------------------------------------------------------------


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """No file may grow beyond what the ledger's log has now: what a full disk does to it."""
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (folder / "ledger.db-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, unlimited[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)


def test_full_disk_is_unavailable_and_recovers_by_itself(shop: Shop, tmp_path: Path) -> None:
    shop.offer(CLASS)
    kept = shop.lease(CLASS.asked(), reference="before")
    request = shop.create_lease(CLASS.asked(), reference="during")
    assert shop.count_available(CLASS.asked()) == 19
    with full_disk(tmp_path):
        for _ in range(3):
            assert [type(answer) for answer in shop.ask_all([request, request])] == [Unavailable, Unavailable]
        assert shop.count_available(CLASS.asked()) == 19, "reading goes on"
    assert granted(shop.ask(request)).client_reference == "during"
    assert shop.lease(CLASS.asked(), reference="before") == kept
    assert count_rows(tmp_path, "lease") == count_rows(tmp_path, "spot") == 2
    assert shop.incidents == []


def test_ledger_held_by_another_program_for_too_long_is_unavailable(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_STEPS_MAX", 2)
    shop.offer(TEN)
    request = shop.create_lease(TEN.asked())
    other = beside(tmp_path)
    other.execute("BEGIN IMMEDIATE")
    assert [type(answer) for answer in shop.ask_all([request])] == [Unavailable]
    assert shop.count_available(TEN.asked()) == 1, "readers never wait for a writer"
    other.execute("ROLLBACK")
    other.close()
    granted(shop.ask(request))


def test_closed_store_is_unavailable(tmp_path: Path) -> None:
    shop = open_shop(tmp_path)
    shop.offer(TEN)
    shop.store.close()
    with pytest.raises(Unavailable):
        shop.ask(shop.create_lease(TEN.asked()))
    with pytest.raises(Unavailable):
        shop.ask(CheckAvailability(TEN.asked()))
    assert shop.incidents == []


def test_mistake_stays_a_mistake_when_the_store_is_away(shop: Shop) -> None:
    shop.offer(TEN)
    lossy(shop, unavailable)
    answers = shop.ask_all([MistakenIn("decide", shop.create_lease(TEN.asked())), shop.create_lease(TEN.asked())])
    assert [type(answer) for answer in answers] == [Broken, Unavailable]


# --- another writer came between, or the line went dead: the whole batch again ------------------------------------


@pytest.mark.parametrize("fault", [conflict, lost_before])
def test_batch_is_done_again_until_it_is_done(shop: Shop, tmp_path: Path, fault: Commit) -> None:
    shop.offer(CLASS)
    store = lossy(shop, *[fault] * (TRIES_MAX - 1))
    answers = shop.ask_all([shop.create_lease(CLASS.asked()) for _ in range(2)])
    assert [type(answer) for answer in answers] == [Lease, Lease]
    assert store.tries == TRIES_MAX
    assert count_rows(tmp_path, "lease") == count_rows(tmp_path, "spot") == 2
    assert shop.incidents == []


@pytest.mark.parametrize("fault", [conflict, lost_before])
def test_batch_is_done_again_at_most_five_times(shop: Shop, tmp_path: Path, fault: Commit) -> None:
    shop.offer(TEN)
    store = lossy(shop, *[fault] * 9)
    request = shop.create_lease(TEN.asked())
    assert [type(answer) for answer in shop.ask_all([request])] == [Unavailable]
    assert store.tries == TRIES_MAX == 5
    assert count_rows(tmp_path, "lease") == 0
    lossy(shop)
    granted(shop.ask(request))


def test_store_that_is_away_is_not_asked_again(shop: Shop) -> None:
    shop.offer(TEN)
    store = lossy(shop, unavailable)
    with pytest.raises(Unavailable):
        shop.lease(TEN.asked())
    assert store.tries == 1
    shop.lease(TEN.asked())


def test_time_is_read_anew_in_each_try(shop: Shop) -> None:
    """The lease was live in the first try and expired before the second: the second decides."""
    shop.offer(TEN)
    lease = shop.lease(TEN.asked())

    def conflict_and_wait(transaction: Transaction, changes: Changes) -> None:
        shop.clock.now_us = lease.expires_us
        conflict(transaction, changes)

    lossy(shop, conflict_and_wait)
    answer = shop.ask(shop.create_booking(TEN.asked(), lease_id=lease.lease_id))
    assert cause_of(answer) is Cause.LEASE_EXPIRED


def test_fault_of_the_store_is_no_fault_of_a_refused_request(shop: Shop) -> None:
    """What changes nothing needs no commit, so a dead disk does not matter to it."""
    shop.offer(replace(TEN, closed=True))
    store = lossy(shop, unavailable)
    assert cause_of(shop.ask(shop.create_lease(TEN.asked()))) is Cause.SLOT_UNAVAILABLE
    assert store.tries == 0

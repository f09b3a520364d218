"""A ledger whose files are moved, replaced or removed under an open store, and names that lead to one ledger twice.

The usual cases are in tests/proofs/test_hostile_disk.py; these are the corners.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import apsw
import pytest

from slotlease.desk.fault import Unavailable
from slotlease.domain.facts import Wanted
from slotlease.domain.lease import Lease
from slotlease.store import sqlite_file
from slotlease.store.open import open_store
from slotlease.store.protocol import CommitUnknown, StoreRefused, StoreUnavailable
from slotlease.store.sqlite_place import Trouble
from tests.store.backend import changes_of
from tests.store.sqlite_backend import raw
from tests.support import HandClock, Offered, Shop, open_shop

SLOT = Offered(spots_total=10_000)
ASKED = SLOT.asked()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = open_shop(tmp_path)
    shop.offer(SLOT)
    return shop


def log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def answered(shop: Shop) -> type:
    (answer,) = shop.batches.write([shop.create_lease(ASKED)])
    return type(answer)


def leases_in(path: Path) -> int:
    """What whoever opens the file finds."""
    store = open_store(f"sqlite:///{path}", HandClock())
    try:
        assert store.audit() == []
        return len(store.leases(live_only=False, limit=9999))
    finally:
        store.close()


# --- what is acknowledged is where the next start looks ------------------------------------------------------------


def test_a_commit_into_a_file_that_was_moved_away_meanwhile_is_of_unknown_outcome(path: Path, shop: Shop) -> None:
    """Moved between the begin of a batch and its commit: nobody is told of a lease that the next start may not find."""
    operation = shop.create_lease(ASKED)
    changes = changes_of(shop.store, operation)
    with shop.store.transact(Wanted(merchant_ids={"m1"})) as transaction:
        path.rename(path.with_name("aside"))
        with pytest.raises(CommitUnknown):
            transaction.commit(changes)
    assert [type(answer) for answer in shop.batches.write([operation])] == [Unavailable]
    path.with_name("aside").rename(path)
    assert isinstance(shop.ask(operation), Lease)
    assert len(shop.store.leases(live_only=False, limit=9)) == 1, "its token found what did commit"


def test_an_import_into_a_file_that_was_moved_away_meanwhile_says_so(path: Path, shop: Shop) -> None:
    slots = list(shop.store.slots_of(1).values())
    path.rename(path.with_name("aside"))
    with pytest.raises(StoreUnavailable, match="moved away or removed"):
        shop.store.put_slots(1, slots)
    with pytest.raises(StoreUnavailable, match="moved away or removed"):
        shop.store.slots_of(1)


def test_a_store_that_is_closed_while_its_file_is_away_leaves_all_in_the_file(path: Path, shop: Shop) -> None:
    shop.lease(ASKED)
    path.rename(path.with_name("aside"))
    shop.store.close()
    assert log_of(path).stat().st_size == 0
    assert leases_in(path.with_name("aside")) == 1


def test_a_backup_is_not_taken_for_the_ledger_that_was_removed(path: Path, shop: Shop) -> None:
    """The system gives a removed file's number to the next one made, but not as long as the store holds it."""
    shop.lease(ASKED)
    backup = path.with_name("backup.db")
    with raw(path) as connection:
        connection.execute("VACUUM INTO ?", (str(backup),))
    shop.lease(ASKED)
    path.unlink()
    assert answered(shop) is Unavailable
    for _ in range(20):
        shutil.copyfile(backup, path)
        assert answered(shop) is Unavailable
        path.unlink()
    shop.store.close()
    assert leases_in(backup) == 1


def test_a_ledger_that_was_emptied_stays_refused_with_a_backup_in_its_place(path: Path, shop: Shop) -> None:
    """The log of the old ledger would be read over the pages of the backup."""
    shop.lease(ASKED)
    backup = path.with_name("backup.db")
    with raw(path) as connection:
        connection.execute("VACUUM INTO ?", (str(backup),))
    shop.lease(ASKED)
    os.truncate(path, 0)
    assert answered(shop) is Unavailable
    path.write_bytes(backup.read_bytes())
    kept_log = log_of(path).read_bytes()
    for _ in range(2):
        assert answered(shop) is Unavailable
        with pytest.raises(StoreUnavailable, match="restore a backup"):
            shop.store.audit()
    shop.store.close()
    assert log_of(path).read_bytes() == kept_log, "what was acknowledged is left to whoever can still read it"
    assert path.read_bytes() == backup.read_bytes()


def test_a_new_log_that_another_program_began_is_not_written_over(path: Path, shop: Shop) -> None:
    shop.lease(ASKED)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()
    other_log = b"what another program was told it had committed"
    log_of(path).write_bytes(other_log)
    for _ in range(2):
        assert answered(shop) is Unavailable
    assert log_of(path).read_bytes() == other_log
    log_of(path).unlink()
    assert Lease in {answered(shop) for _ in range(2)}
    assert len(shop.store.leases(live_only=False, limit=9)) >= 2
    shop.store.close()


def test_readers_under_way_while_the_log_is_removed_come_back_to_the_new_one(path: Path, shop: Shop) -> None:
    """Their connections have the old files open, so none of them goes back among those that are used again."""
    begun, go_on = threading.Event(), threading.Event()

    def read_slowly() -> None:
        with shop.store.snapshot(Wanted()):
            begun.set()
            assert go_on.wait(10)

    shop.lease(ASKED)
    reader = threading.Thread(target=read_slowly)
    reader.start()
    assert begun.wait(10)
    path.with_name(path.name + "-shm").unlink()
    answered(shop)
    go_on.set()
    reader.join()
    granted = sum(answered(shop) is Lease for _ in range(5))
    assert granted >= 4
    assert len(shop.store.leases(live_only=False, limit=9)) >= granted + 1
    shop.store.close()
    assert leases_in(path) >= granted + 1


def test_a_connection_that_has_the_old_log_open_reads_no_more(path: Path, shop: Shop) -> None:
    """The log's index is one for the whole process; with the old log it leads to pages that are not there."""
    shop.lease(ASKED)
    with shop.store._connections.reading() as old:  # type: ignore[attr-defined]  # noqa: SLF001 - between two reads
        log_of(path).unlink()
        granted = sum(answered(shop) is Lease for _ in range(3))
        assert granted >= 2
    assert old not in shop.store._connections._readers  # type: ignore[attr-defined]  # noqa: SLF001
    assert len(shop.store.leases(live_only=False, limit=9)) == granted + 1
    assert shop.store.audit() == []


OTHER_PROGRAM = """
import sys, apsw
connection = apsw.Connection(sys.argv[1])
connection.execute("BEGIN IMMEDIATE")
print("writes", flush=True)
sys.stdin.read(1)
connection.execute("UPDATE merchant SET name = 'Two'; COMMIT")
connection.close()
print("wrote", flush=True)
"""


def test_two_programs_never_write_at_once_though_the_index_of_the_log_was_removed(
    path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The locks lie in that file: whoever comes after makes a new one, and each would hold a lock of its own."""
    shop.lease(ASKED)
    path.with_name(path.name + "-shm").unlink()
    command = [sys.executable, "-c", OTHER_PROGRAM, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:  # noqa: S603 - this test's own program
        assert other.stdout is not None
        assert other.stdout.readline() == "writes\n"
        monkeypatch.setattr(sqlite_file, "BUSY_STEPS_MAX", 3)
        assert {answered(shop) for _ in range(3)} == {Unavailable}
        monkeypatch.undo()
        print("go", file=other.stdin, flush=True)
        assert other.stdout.readline() == "wrote\n"
    assert answered(shop) is Lease
    assert shop.store.merchant_names() == {"m1": "Two"}
    shop.store.close()
    assert leases_in(path) == 2


def test_what_happened_is_logged_once_and_once_when_it_is_over(
    path: Path, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    """Callers learn only UNAVAILABLE, so this is where the operator reads why."""
    with caplog.at_level(logging.INFO, "slotlease.store"):
        path.rename(path.with_name("aside"))
        for _ in range(5):
            answered(shop)
        path.with_name("aside").rename(path)
        for _ in range(5):
            answered(shop)
    assert [record.getMessage() for record in caplog.records] == [Trouble.AWAY.value, "the ledger is usable again"]
    assert "put it back" in Trouble.AWAY.value


def test_a_full_disk_is_logged_once_and_once_when_there_is_room_again(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    room: list[int] = []

    def within_bounds(connection: apsw.Connection) -> None:
        connection.pragma("max_page_count", room[0])

    room.append(1)
    apsw.connection_hooks.append(within_bounds)
    try:
        with caplog.at_level(logging.INFO, "slotlease.store"):
            shop.store._connections._writer = None  # type: ignore[attr-defined]  # noqa: SLF001 - the next one is small
            requests = [[shop.create_lease(ASKED) for _ in range(200)] for _ in range(9)]
            refused = [
                answer for batch in requests for answer in shop.batches.write(batch) if isinstance(answer, Unavailable)
            ]
            assert str(refused[0]) == "the store is not available: its disk is full"
            assert shop.count_available(ASKED) == 10_000 - 9 * 200 + len(refused)
            room[0] = 9999
            assert answered(shop) is Lease
    finally:
        apsw.connection_hooks.remove(within_bounds)
    assert [record.getMessage() for record in caplog.records] == ["its disk is full", "the ledger is usable again"]


# --- one ledger, two names -----------------------------------------------------------------------------------------


def test_a_link_to_a_ledger_is_no_second_ledger_to_serve(path: Path, shop: Shop) -> None:
    shop.store.close()
    link = path.with_name("link.db")
    link.symlink_to(path)
    server = open_store(f"sqlite:///{path}", HandClock(), serve=True)
    with pytest.raises(StoreRefused, match="already served"):
        open_store(f"sqlite:///{link}", HandClock(), serve=True)
    beside = open_store(f"sqlite:///{link}", HandClock())
    beside.put_catalogue("m2", "Two", [], [], [])
    assert len(server.merchants()) == 2
    beside.close()
    server.close()


@pytest.mark.parametrize("serve", [False, True])
def test_a_ledger_with_a_second_name_is_refused(path: Path, shop: Shop, serve: bool) -> None:
    """Its log lies beside one of its names; opened under the other, the log is not seen, and then written over."""
    shop.store.close()
    path.with_name("other.db").hardlink_to(path)
    with pytest.raises(StoreRefused, match="second name"):
        open_store(f"sqlite:///{path}", HandClock(), serve=serve)


# --- not yet a ledger, or no more ----------------------------------------------------------------------------------


def test_a_ledger_that_was_begun_and_never_made_is_no_ledger_to_whoever_would_use_it(path: Path) -> None:
    with raw(path) as connection:
        connection.execute("CREATE TABLE migration (number INTEGER PRIMARY KEY, at_us INTEGER NOT NULL) STRICT")
    for serve in (False, True):
        with pytest.raises(StoreRefused, match="not a ledger yet: make it one with"):
            open_store(f"sqlite:///{path}", HandClock(), serve=serve)
    open_store(f"sqlite:///{path}", HandClock(), create=True).close()


def test_an_empty_file_is_made_a_ledger_where_asked_to_but_not_beside_a_log(path: Path) -> None:
    """`install -m 600 /dev/null ledger.db` is a fair way to begin; a log says that there was more."""
    path.touch()
    log_of(path).write_bytes(b"what was acknowledged")
    with pytest.raises(StoreRefused, match="is empty"):
        open_store(f"sqlite:///{path}", HandClock(), create=True)
    assert (path.read_bytes(), log_of(path).read_bytes()) == (b"", b"what was acknowledged")
    log_of(path).unlink()
    open_store(f"sqlite:///{path}", HandClock(), create=True).close()
    assert path.stat().st_size > 0


def test_the_recount_names_a_damaged_file_to_a_command(path: Path, shop: Shop) -> None:
    """A command still opens it, so that `doctor` can say what is wrong."""
    shop.offer(*(Offered(start_us=SLOT.start_us + n) for n in range(1, 2000)))
    shop.store.close()
    with raw(path) as connection:
        found = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'slot'").get
        root, size = int(str(found)), int(str(connection.pragma("page_size")))
    pages = bytearray(path.read_bytes())
    pages[(root - 1) * size : root * size] = bytes(range(256)) * (size // 256)
    path.write_bytes(pages)
    store = open_store(f"sqlite:///{path}", HandClock())
    findings = store.audit()
    assert {finding.rule for finding in findings} == {store.audit_rules[0]}
    assert all(finding.where == str(path) and finding.what for finding in findings)
    store.close()
    with pytest.raises(StoreRefused, match="is damaged"):
        open_store(f"sqlite:///{path}", HandClock(), serve=True)

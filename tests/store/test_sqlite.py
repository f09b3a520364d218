"""Opening the ledger's file: what is refused and why, the settings of every connection, how the schema gets there."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import apsw
import pytest

from slotlease.domain.facts import Wanted
from slotlease.store.open import open_store
from slotlease.store.protocol import Store, StoreRefused
from slotlease.store.sqlite import SqliteStore
from slotlease.store.sqlite_file import migrations
from tests.store.backend import at_once
from tests.store.sqlite_backend import raw
from tests.support import HandClock, Offered, Shop, open_shop

ROOT = Path(__file__).parents[2]
NOBODY = 65534

SETTINGS = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL: what was acknowledged survives a power cut (INV-17, INV-36)
    "foreign_keys": 1,
    "trusted_schema": 0,
    "secure_delete": 1,
}


def open_at(path: Path, *, create: bool = False, serve: bool = False) -> Store:
    return open_store(f"sqlite:///{path}", HandClock(), create=create, serve=serve)


def refusal(path: Path, *, create: bool = False, serve: bool = False) -> str:
    with pytest.raises(StoreRefused) as caught:
        open_at(path, create=create, serve=serve).close()
    return str(caught.value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(tmp_path: Path, path: Path) -> Path:
    """A ledger with one lease on it, closed."""
    shop = open_shop(tmp_path)
    shop.offer(Offered())
    shop.lease(Offered().asked())
    shop.store.close()
    return path


# --- settings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("setting", "value"), SETTINGS.items())
def test_every_connection_has_the_promised_settings(path: Path, setting: str, value: object) -> None:
    store = SqliteStore(str(path), HandClock(), create=True, serve=False)
    with store.snapshot(Wanted()), store.snapshot(Wanted()), store.transact(Wanted()):
        pass
    held = store._connections  # noqa: SLF001 - a setting is one connection's own
    connections = [held._writer, *held._readers]  # noqa: SLF001
    assert len(connections) == 3
    assert [connection.pragma(setting) for connection in connections if connection] == [value] * 3
    store.close()


def test_the_settings_hold_on_a_ledger_that_is_opened_again(ledger: Path) -> None:
    store = SqliteStore(str(ledger), HandClock(), create=False, serve=True)
    keeper = store._connections._keeper  # noqa: SLF001 - as above
    assert keeper is not None
    assert {name: keeper.pragma(name) for name in SETTINGS} == SETTINGS
    store.close()


def test_a_probe_reaches_the_file_each_time(ledger: Path) -> None:
    """SQLite leaves out a write that would change nothing, and with it what the probe is to find out."""
    reader = apsw.Connection(str(ledger))
    store = open_store(f"sqlite:///{ledger}")
    versions = set()
    for _ in range(3):
        store.probe_write()
        versions.add(reader.pragma("data_version"))
    assert len(versions) == 3
    store.close()
    reader.close()


def test_sqlite_is_new_enough_to_be_written_by_two_programs() -> None:
    """Before 3.51.3 two connections that write and checkpoint at once can corrupt the file (INV-36)."""
    assert tuple(int(part) for part in apsw.sqlite_lib_version().split(".")) >= (3, 51, 3)


def test_tables_are_strict_so_that_a_type_is_a_promise(ledger: Path) -> None:
    with raw(ledger) as connection:
        tables = connection.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main'").fetchall()
    assert [name for name, strict in tables if not strict and not str(name).startswith("sqlite_")] == []


# --- which file ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("serve", [False, True])
def test_a_missing_ledger_is_refused_and_not_made(path: Path, serve: bool) -> None:
    """A slip in a path never starts an empty shop."""
    assert str(path) in refusal(path, serve=serve)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("name", ["käse & brot #1?.db", "100%.db", "a b'c\".db", "🎟.db", "file:x?mode=ro.db"])
def test_any_name_that_a_file_can_have_is_a_name_for_a_ledger(tmp_path: Path, name: str) -> None:
    for create in (True, False):
        store = open_at(tmp_path / name, create=create)
        store.close()
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("url", ["", "ledger.db", "sqlite://ledger.db", "sqlite:///", "mysql://host/db", "SQLITE:///x"])
def test_an_address_that_names_no_store_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(StoreRefused, match="sqlite:///PATH"):
        open_store(url, HandClock(), create=True)


@pytest.mark.parametrize("serve", [False, True])
@pytest.mark.parametrize("create", [False, True])
def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path, create: bool, serve: bool) -> None:
    text = b"Dear diary, today I sold a spot twice.\n" * 99
    path.write_bytes(text)
    assert f"{path} is not a ledger" in refusal(path, create=create, serve=serve)
    assert path.read_bytes() == text


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert str(tmp_path) in refusal(tmp_path)
    assert str(tmp_path) in refusal(tmp_path, create=True)


def strangers_database(path: Path) -> bytes:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE recipe (name TEXT)")
        connection.execute("INSERT INTO recipe VALUES ('bread')")
    connection.close()
    return path.read_bytes()


@pytest.mark.parametrize("create", [False, True])
def test_a_database_with_other_tables_is_refused(path: Path, create: bool) -> None:
    strangers_database(path)
    assert f"{path} is not a ledger: it holds other tables" in refusal(path, create=create)
    with raw(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("recipe",)]
        assert connection.execute("SELECT name FROM recipe").fetchall() == [("bread",)]


def test_a_strangers_database_is_left_byte_for_byte(path: Path) -> None:
    before = strangers_database(path)
    refusal(path)
    assert path.read_bytes() == before


def test_a_strangers_table_of_migrations_is_no_ledger(path: Path) -> None:
    with raw(path) as connection:
        connection.execute("CREATE TABLE migration (id INTEGER, name TEXT); CREATE TABLE recipe (name TEXT)")
    assert f"{path} is not a ledger" in refusal(path)


@pytest.mark.parametrize("serve", [False, True])
def test_an_empty_file_does_not_start_an_empty_shop(path: Path, serve: bool) -> None:
    """A ledger cut to nothing by a full disk must not come up as a shop without bookings (fault B-10)."""
    path.touch()
    assert f"the ledger at {path} is empty" in refusal(path, serve=serve)
    assert path.stat().st_size == 0


def test_a_ledger_with_a_damaged_page_is_not_served(tmp_path: Path, path: Path) -> None:
    """Fault B-11: quick_check refuses the start; the damage would else show when a customer pays for it."""
    shop = open_shop(tmp_path)
    shop.offer(*(Offered(start_us=shop.clock.now_us + n) for n in range(1, 2000)))
    shop.store.close()
    pages = bytearray(path.read_bytes())
    middle = len(pages) // 2 // 4096 * 4096
    pages[middle : middle + 4096] = bytes(range(256)) * 16
    path.write_bytes(pages)
    refusal(path, serve=True)


# --- a folder that may not be written ---------------------------------------------------------------------------


@contextmanager
def locked_folder(*, ledger: Path | None = None) -> Iterator[Path]:
    """A folder that this process may read and not write, with the ledger in it. Root becomes nobody meanwhile:
    to root every folder is open. Not under `tmp_path`, which only its owner may enter."""
    folder = Path(tempfile.mkdtemp(prefix="locked-"))
    is_root = os.geteuid() == 0
    try:
        if ledger is not None:
            shutil.copy(ledger, folder)
            (folder / ledger.name).chmod(0o666)
        folder.chmod(0o555)
        if is_root:
            os.seteuid(NOBODY)
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_ledger_cannot_be_made_in_a_folder_that_may_not_be_written() -> None:
    with locked_folder() as folder:
        assert "is its folder there, and may this user write to it?" in refusal(folder / "ledger.db", create=True)


def test_a_ledger_cannot_be_made_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    message = refusal(tmp_path / "no such folder" / "ledger.db", create=True)
    assert "is its folder there" in message
    assert "no such folder" in message


def test_a_server_cannot_make_a_ledger_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert "no such folder" in refusal(tmp_path / "no such folder" / "ledger.db", create=True, serve=True)


def test_a_ledger_cannot_be_served_from_a_folder_that_may_not_be_written(ledger: Path) -> None:
    with locked_folder(ledger=ledger) as folder:
        assert str(folder) in refusal(folder / "ledger.db", serve=True)


def test_a_ledger_in_a_folder_that_may_not_be_written_is_refused(ledger: Path) -> None:
    """WAL needs two more files beside the ledger."""
    with locked_folder(ledger=ledger) as folder:
        assert str(folder) in refusal(folder / "ledger.db")


# --- migrations ----------------------------------------------------------------------------------------------------


def schema_of(path: Path) -> list[tuple[str, str]]:
    with raw(path) as connection:
        found = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").fetchall()
        assert connection.pragma("integrity_check") == "ok"
        (count,) = connection.execute("SELECT count(*) FROM ledger").fetchall()
        assert count == (1,), "one ledger, one key"
    return [(str(name), str(sql)) for name, sql in found]


def test_migrations_are_numbered_from_one_without_a_gap() -> None:
    assert [number for number, _ in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_schema_newer_than_the_program_is_refused_naming_both(ledger: Path) -> None:
    newest = migrations()[-1][0]
    with raw(ledger) as connection:
        connection.execute("INSERT INTO migration (number, at_us) VALUES (?, 0)", (newest + 41,))
    before = ledger.read_bytes()
    message = refusal(ledger)
    assert f"has schema {newest + 41}, newer than the {newest} this program knows" in message
    assert str(ledger) in message
    assert refusal(ledger, create=True) == refusal(ledger, serve=True) == message
    assert ledger.read_bytes() == before


def test_opening_again_migrates_nothing_and_keeps_the_key(ledger: Path) -> None:
    before = schema_of(ledger)
    keys = set()
    for create in (False, True, False):
        store = open_at(ledger, create=create)
        keys.add(store.fingerprint_key)
        assert len(store.leases(live_only=False, limit=9)) == 1
        store.close()
    assert len(keys) == 1
    assert schema_of(ledger) == before


def killed_before_the_first_script(path: Path) -> None:
    with raw(path) as connection:
        connection.execute("CREATE TABLE migration (number INTEGER PRIMARY KEY, at_us INTEGER NOT NULL) STRICT")


def killed_within_the_first_script(path: Path) -> None:
    """What the file holds after a crash: a transaction that never ended, in the log."""
    killed_before_the_first_script(path)
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", "wal")
    connection.pragma("cache_size", 1)  # so that the unfinished pages are written out at once
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(migrations()[0][1][: len(migrations()[0][1]) // 2].rpartition(";")[0])
    unfinished = {file: file.read_bytes() for file in (path, path.with_name(path.name + "-wal"))}
    connection.close(True)
    for file, content in unfinished.items():
        file.write_bytes(content)


@pytest.mark.parametrize("killed", [killed_before_the_first_script, killed_within_the_first_script])
def test_a_migration_that_was_killed_goes_on_where_it_stopped(tmp_path: Path, killed: object) -> None:
    whole, broken = tmp_path / "whole.db", tmp_path / "broken.db"
    open_at(whole, create=True).close()
    assert callable(killed)
    killed(broken)
    store = open_at(broken, create=True)
    assert Shop(store, HandClock()).offer(Offered())
    store.close()
    assert schema_of(broken) == schema_of(whole)


def test_many_threads_migrate_at_once_and_it_is_done_once(path: Path) -> None:
    stores = at_once([partial(open_at, path, create=True)] * 8)
    assert len({store.fingerprint_key for store in stores}) == 1
    for store in stores:
        store.close()
    assert len(schema_of(path)) > len(SETTINGS)


def test_two_programs_migrate_at_once_and_it_is_done_once(path: Path) -> None:
    program = (
        "import sys; from slotlease.store.open import open_store; print(flush=True); sys.stdin.read(1);"
        f"print(open_store('sqlite:///{path}', create=True).fingerprint_key.hex())"
    )
    command = [sys.executable, "-c", program]
    programs = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603 - this test's own program
        for _ in range(2)
    ]
    for running in programs:
        assert running.stdout is not None
        running.stdout.readline()
    keys = [partial(running.communicate, "go") for running in programs]
    outcomes = at_once(keys)
    assert [(running.returncode, errors) for running, (_, errors) in zip(programs, outcomes, strict=True)] == [
        (0, "")
    ] * 2
    assert len({key for key, _ in outcomes}) == 1
    schema_of(path)


def test_a_new_ledger_that_another_program_is_making_is_waited_for(path: Path) -> None:
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.05, partial(other.close, True))
    release.start()
    try:
        open_at(path, create=True).close()
    finally:
        release.join()

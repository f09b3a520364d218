"""`slotlease sweep` and `slotlease migrate`, and what a server does of both by itself."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from slotlease.desk.purge_leases import KEPT_US
from slotlease.domain.lease import Lease, LeaseState
from slotlease.domain.slot import SECOND_US, AskedSlot
from slotlease.inventory.example import GYM, YOGA
from slotlease.store.clock import system_clock
from slotlease.store.open import open_store
from slotlease.store.sqlite_file import migrations
from tests.cli.running import TOMORROW, run, run_process, serving
from tests.cli.test_serve import leases_on
from tests.support import HOUR_US, HandClock, Shop, wait_until

Capsys = pytest.CaptureFixture[str]

YOGA_SLOT = AskedSlot(GYM, YOGA, int(TOMORROW.replace(hour=7).timestamp()) * SECOND_US, HOUR_US)
NEWEST = migrations()[-1][0]


def lease_made(ledger: str, ago_us: int) -> Lease:
    """A lease of ten minutes, granted so long ago."""
    clock = HandClock(system_clock() - ago_us)
    shop = Shop(open_store(ledger, clock), clock)
    lease = shop.lease(YOGA_SLOT, reference=f"made {ago_us} ago")
    shop.store.close()
    return lease


# --- sweep --------------------------------------------------------------------------------------------------------


def test_a_sweep_marks_what_lapsed_and_deletes_what_is_old(ledger: str, capsys: Capsys) -> None:
    old = lease_made(ledger, KEPT_US + HOUR_US)
    younger = lease_made(ledger, KEPT_US - HOUR_US)
    lapsed, live = lease_made(ledger, HOUR_US), lease_made(ledger, 0)
    done = run(capsys, "sweep", "--store", ledger, "--json")
    assert (done.code, done.json) == (0, {"leases_expired": 3, "leases_deleted": 1})
    assert leases_on(ledger) == {
        younger.lease_id: LeaseState.EXPIRED,
        lapsed.lease_id: LeaseState.EXPIRED,
        live.lease_id: LeaseState.ACTIVE,
    }
    assert run(capsys, "lease", "show", old.lease_id, "--store", ledger).code == 1
    assert run(capsys, "doctor", "--store", ledger).code == 0
    again = run(capsys, "sweep", "--store", ledger)
    assert again.out.split() == "leases expired 0 leases deleted 0".split()


def test_a_sweep_works_beside_a_running_server(ledger: str, tmp_path: Path, capsys: Capsys) -> None:
    lapsed, old = lease_made(ledger, HOUR_US), lease_made(ledger, KEPT_US + HOUR_US)
    with serving(ledger, tmp_path, "--sweep-interval", "0") as server:
        assert set(leases_on(ledger)) == {lapsed.lease_id, old.lease_id}
        assert run(capsys, "sweep", "--store", ledger).code == 0
        assert leases_on(ledger) == {lapsed.lease_id: LeaseState.EXPIRED}
        assert server.health() == "SERVING"


def test_a_server_deletes_old_leases_by_itself(ledger: str, tmp_path: Path) -> None:
    young, old = lease_made(ledger, KEPT_US - HOUR_US), lease_made(ledger, KEPT_US + HOUR_US)
    with serving(ledger, tmp_path, "--sweep-interval", "20ms"):
        wait_until(lambda: leases_on(ledger) == {young.lease_id: LeaseState.EXPIRED})
    assert old.lease_id not in leases_on(ledger)


# --- migrate ------------------------------------------------------------------------------------------------------


@pytest.fixture
def older(tmp_path: Path) -> str:
    """A ledger as the first version made it."""
    path = tmp_path / "older.db"
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE migration (number INTEGER PRIMARY KEY, at_us INTEGER NOT NULL) STRICT")
    connection.execute(migrations()[0][1])
    connection.execute("INSERT INTO migration VALUES (1, 0)")
    connection.execute("INSERT INTO ledger VALUES (zeroblob(32))")
    connection.close()
    return f"sqlite:///{path}"


def schema_number(url: str) -> int:
    connection = apsw.Connection(url.removeprefix("sqlite:///"))
    ((number,),) = connection.execute("SELECT max(number) FROM migration").fetchall()
    connection.close()
    assert isinstance(number, int)
    return number


def test_an_older_ledger_is_brought_up_to_date_and_that_is_told(older: str, capsys: Capsys) -> None:
    first = run(capsys, "migrate", "--store", older)
    assert (first.code, first.out) == (0, f"{older} was brought from schema 1 to {NEWEST}.\n")
    assert schema_number(older) == NEWEST
    again = run(capsys, "migrate", "--store", older)
    assert again.out == f"{older} has schema {NEWEST}, which is up to date. Nothing was changed.\n"
    assert run(capsys, "doctor", "--store", older).code == 0
    told = run(capsys, "migrate", "--store", older, "--json").json
    assert told == {"store": older, "schema_before": NEWEST, "schema_now": NEWEST}


@pytest.mark.parametrize("words", [("doctor",), ("lease", "list"), ("sweep",), ("events",)])
def test_other_commands_leave_an_older_ledger_as_it_is(words: tuple[str, ...], older: str, capsys: Capsys) -> None:
    """A server of the older version may be serving it."""
    outcome = run(capsys, *words, "--store", older)
    assert outcome.code == 1
    assert f"has schema 1, older than the {NEWEST} of this program" in outcome.err
    assert "run `slotlease migrate`" in outcome.err
    assert schema_number(older) == 1


def test_an_import_leaves_an_older_ledger_as_it_is(older: str, ledger: str, tmp_path: Path, capsys: Capsys) -> None:
    feeds = [str(path) for path in sorted((tmp_path / "feeds").iterdir())]
    assert run(capsys, "inventory", "import", *feeds, "--store", older).code == 1
    assert (schema_number(older), schema_number(ledger)) == (1, NEWEST)


def test_a_server_brings_its_ledger_up_to_date_and_logs_it(older: str, tmp_path: Path) -> None:
    with serving(older, tmp_path) as server:
        assert schema_number(older) == NEWEST
        assert '"event": "schema brought up to date"' in server.log.read_text("utf-8")


def test_an_older_ledger_is_not_changed_under_its_server(older: str, tmp_path: Path, capsys: Capsys) -> None:
    """The claim of a running server, which an older version of it would have taken just so."""
    with serving(older, tmp_path):
        connection = apsw.Connection(older.removeprefix("sqlite:///"))
        connection.execute("DELETE FROM migration WHERE number > 1")
        connection.close()
        outcome = run(capsys, "migrate", "--store", older)
    assert outcome.code == 1
    assert "is already served by process" in outcome.err
    assert schema_number(older) == 1


def test_a_schema_of_the_future_is_refused_clearly(ledger: str, tmp_path: Path) -> None:
    connection = apsw.Connection(ledger.removeprefix("sqlite:///"))
    connection.execute("INSERT INTO migration VALUES (999, 0)")
    connection.close()
    for words in (("migrate",), ("serve", "--grpc", "127.0.0.1:0"), ("lease", "list")):
        outcome = run_process(*words, "--store", ledger, cwd=tmp_path)
        assert (outcome.code, outcome.out) == (1, "")
        assert f"has schema 999, newer than the {NEWEST} this program knows: run the newer slotlease" in outcome.err
        assert "Traceback" not in outcome.err


def test_migrate_makes_no_ledger(capsys: Capsys) -> None:
    assert run(capsys, "migrate", "--store", "sqlite:///typo.db").code == 1
    assert not list(Path().glob("typo.db*"))

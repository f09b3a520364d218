"""`slotlease backup` beside a server, and the restore as the command itself tells it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.cli.running import WAIT_S, run, run_process, serving
from tests.cli.test_serve import lease_request, yoga
from tests.store.sqlite_backend import SqliteBackend

Capsys = pytest.CaptureFixture[str]


def test_a_backup_beside_a_server_is_restored_as_it_says_and_served_from(ledger: str, tmp_path: Path) -> None:
    with serving(ledger, tmp_path) as server:
        kept = server.stub.CreateLease(lease_request(yoga(), "before"), timeout=WAIT_S)
        made = run_process("backup", "copy.db", "--store", ledger, cwd=tmp_path)
        assert (made.code, made.err) == (0, "")
        lost = server.stub.CreateLease(lease_request(yoga(), "after"), timeout=WAIT_S)
    assert "Every page is whole, and every row is there: 208 slots, 1 leases, 0 bookings, 0 events." in made.out
    assert "Recounted: nothing is held twice, nothing is held by nobody." in made.out

    path = Path(ledger.removeprefix("sqlite:///"))
    for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        assert str(name) in made.out
        if name.exists():
            name.rename(f"{name}.damaged")
    steps = [shlex.split(line) for line in made.out.splitlines() if line.startswith("  ")]
    assert [words[0] for words in steps] == ["cp", "slotlease"]
    path.write_bytes((tmp_path / steps[0][1]).read_bytes())
    assert steps[0][2] == str(path)
    assert run_process(*steps[1][1:], cwd=tmp_path).code == 0

    with serving(ledger, tmp_path) as server:
        again = server.stub.CreateLease(lease_request(yoga(), "before"), timeout=WAIT_S)
        assert again.SerializeToString() == kept.SerializeToString()
        granted_anew = server.stub.CreateLease(lease_request(yoga(), "after"), timeout=WAIT_S)
        assert granted_anew.lease.lease_id != lost.lease.lease_id


def test_a_backup_says_all_it_did_to_a_program(ledger: str, tmp_path: Path, capsys: Capsys) -> None:
    done = run(capsys, "backup", "copy.db", "--store", ledger, "--json")
    told = done.json
    assert (done.code, told["store"], told["file"], told["audited"], told["findings"]) == (
        0,
        ledger,
        "copy.db",
        True,
        [],
    )
    assert told["bytes"] == (tmp_path / "copy.db").stat().st_size
    assert told["rows"]["slot"] == 208
    assert set(told) == {"store", "file", "at", "bytes", "schema", "rows", "audited", "findings"}


def test_a_backup_of_a_ledger_that_sold_twice_says_so_and_ends_with_1(
    ledger: str, tmp_path: Path, capsys: Capsys
) -> None:
    held = ("--merchant", "gym-1", "--service", "yoga", "--start", yoga_start(), "--duration", "1h")
    assert run(capsys, "lease", "create", *held, "--store", ledger).code == 0
    SqliteBackend(Path(ledger.removeprefix("sqlite:///"))).corrupt("DELETE FROM spot")
    done = run(capsys, "backup", "copy.db", "--store", ledger)
    assert done.code == 1
    assert "INV-3: every active lease holds its spot" in done.out
    assert "what is wrong in it is wrong in the ledger" in done.err
    assert (tmp_path / "copy.db").exists()


def test_a_backup_over_a_file_is_refused_in_words(ledger: str, tmp_path: Path, capsys: Capsys) -> None:
    (tmp_path / "copy.db").write_text("somebody's")
    done = run(capsys, "backup", "copy.db", "--store", ledger)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("slotlease: copy.db is there already, and a backup overwrites nothing")


def yoga_start() -> str:
    return str(yoga().start_time.seconds)

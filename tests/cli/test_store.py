"""`slotlease store copy`: a ledger moves, and Google's repeats are answered there as before."""

from __future__ import annotations

from pathlib import Path

import pytest

from slotlease.wire.proto.v2 import booking_pb2
from slotlease.wire.proto.v2.booking_service_pb2 import CreateBookingRequest
from tests.cli.running import WAIT_S, Server, run, serving
from tests.cli.test_serve import lease_request, yoga
from tests.postgres_server import database
from tests.store.sqlite_backend import SqliteBackend

Capsys = pytest.CaptureFixture[str]


def repeats(server: Server) -> list[bytes]:
    """A lease, a booking of a lease, and one without: what they answer, as bytes."""
    lease = server.stub.CreateLease(lease_request(yoga(7), "r1"), timeout=WAIT_S)
    other = server.stub.CreateLease(lease_request(yoga(9), "r2"), timeout=WAIT_S)
    who = booking_pb2.UserInformation(
        user_id="u1", given_name="Ada", family_name="Ł", telephone="+41 44 000 00 00", email="ada@example.com"
    )
    booked = [
        server.stub.CreateBooking(
            CreateBookingRequest(
                slot=yoga(hour), user_information=who, idempotency_token=f"t{hour}", lease_ref=lease_ref
            ),
            timeout=WAIT_S,
        )
        for hour, lease_ref in ((9, booking_pb2.LeaseReference(lease_id=other.lease.lease_id)), (7, None))
    ]
    assert all(answer.booking.booking_id for answer in booked), booked
    return [answer.SerializeToString() for answer in (lease, other, *booked)]


def test_a_server_on_the_copy_answers_repeats_byte_for_byte(ledger: str, tmp_path: Path, capsys: Capsys) -> None:
    copy = f"sqlite:///{tmp_path / 'copy.db'}"
    with serving(ledger, tmp_path) as server:
        before = repeats(server)
        refused = run(capsys, "store", "copy", ledger, copy)
        assert refused.code == 1
        assert "is already served by process" in refused.err
    done = run(capsys, "store", "copy", ledger, copy)
    assert (done.code, done.err) == (0, "")
    assert f"{copy} holds the same rows as {ledger}" in done.out
    assert f"From now on serve {copy} alone" in done.out
    with serving(copy, tmp_path) as server:
        assert repeats(server) == before


@pytest.mark.slow
def test_workers_on_the_copy_in_a_database_answer_repeats_byte_for_byte(
    ledger: str, tmp_path: Path, capsys: Capsys, postgres: str
) -> None:
    with serving(ledger, tmp_path) as server:
        before = repeats(server)
    with database(postgres) as copy:
        done = run(capsys, "store", "copy", ledger, copy)
        assert (done.code, done.err) == (0, "")
        password = copy.partition("@")[0].rpartition(":")[2]
        assert password not in done.out
        with serving(copy, tmp_path, "--workers", "2", "--grace", "2s") as server:
            assert repeats(server) == before
        back = f"sqlite:///{tmp_path / 'back.db'}"
        assert run(capsys, "store", "copy", copy, back).code == 0
    with serving(back, tmp_path) as server:
        assert repeats(server) == before


def test_a_copy_tells_a_program_how_many_rows_of_what(ledger: str, tmp_path: Path, capsys: Capsys) -> None:
    copy = f"sqlite:///{tmp_path / 'copy.db'}"
    told = run(capsys, "store", "copy", ledger, copy, "--json").json
    assert (told["from"], told["to"], told["findings"]) == (ledger, copy, [])
    assert (told["rows"]["slot"], told["rows"]["ledger"], told["rows"]["booking"]) == (208, 1, 0)
    assert len(told["digest"]) == 64


def test_a_copy_of_a_ledger_that_sold_twice_says_so_and_ends_with_1(
    ledger: str, tmp_path: Path, capsys: Capsys
) -> None:
    start = str(yoga().start_time.seconds)
    held = ("--merchant", "gym-1", "--service", "yoga", "--start", start, "--duration", "1h")
    assert run(capsys, "lease", "create", *held, "--store", ledger).code == 0
    SqliteBackend(Path(ledger.removeprefix("sqlite:///"))).corrupt("DELETE FROM spot")
    done = run(capsys, "store", "copy", ledger, f"sqlite:///{tmp_path / 'copy.db'}")
    assert done.code == 1
    assert done.out.count("INV-3: every active lease holds its spot") == 2
    assert f"it was wrong in {ledger} before" in done.err

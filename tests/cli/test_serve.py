"""The server as a process of its own: how it starts, what goes on beside it, how it ends."""

from __future__ import annotations

import re
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from urllib.request import urlopen

import apsw
import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from slotlease.domain.lease import LeaseState
from slotlease.domain.opaque_id import SECRET_BYTES
from slotlease.domain.slot import SECOND_US, AskedSlot
from slotlease.inventory.example import GYM, YOGA, YOGA_STARTS
from slotlease.serve import SECRETS_AT_ONCE, ManySecrets
from slotlease.store.clock import system_clock
from slotlease.store.open import open_store
from slotlease.wire import grpc_v0, grpc_v2
from slotlease.wire.proto.v2 import booking_pb2
from slotlease.wire.proto.v2.booking_service_pb2 import (
    CheckAvailabilityRequest,
    CreateBookingRequest,
    CreateLeaseRequest,
    ListBookingsRequest,
)
from tests.cli.running import TOMORROW, WAIT_S, Server, run, run_process, serving
from tests.support import HOUR_US, HandClock, Shop, wait_until
from tests.telemetry.reading import page, value_on

AT_7 = TOMORROW.replace(hour=7)
HOLD_YOGA_AT_7 = ("--merchant", GYM, "--service", YOGA, "--start", AT_7.isoformat(), "--duration", "1h")

BOOKING_SERVICES = {grpc_v0.SERVICE, grpc_v2.SERVICE}

Capsys = pytest.CaptureFixture[str]


def yoga(hour: int = 7, minute: int = 0) -> booking_pb2.Slot:
    start_s = int(TOMORROW.replace(hour=hour, minute=minute).timestamp())
    start = Timestamp(seconds=start_s)
    return booking_pb2.Slot(merchant_id=GYM, service_id=YOGA, start_time=start, duration=Duration(seconds=3600))


def count_available(server: Server) -> int:
    request = CheckAvailabilityRequest(slot=yoga())
    return server.stub.CheckAvailability(request, timeout=WAIT_S).count_available


def lease_request(slot: booking_pb2.Slot, reference: str) -> CreateLeaseRequest:
    return CreateLeaseRequest(lease=booking_pb2.Lease(slot=slot, user_reference=reference))


def leases_on(ledger: str) -> dict[str, LeaseState]:
    store = open_store(ledger)
    try:
        return {lease.lease_id: lease.state for lease in store.leases(live_only=False, limit=10_000)}
    finally:
        store.close()


# --- starting ----------------------------------------------------------------------------------------------------


def test_a_server_says_where_it_serves_and_answers_there(ledger: str, tmp_path: Path) -> None:
    with serving(ledger, tmp_path) as server:
        said = f"Serving {ledger} on {server.address}, leases on (1m to 15m, 10m unless asked). Ctrl-C stops it.\n"
        assert server.line == said
        assert server.health() == "SERVING"
        assert count_available(server) == 12


def test_without_leases_the_rest_works(ledger: str, tmp_path: Path) -> None:
    with serving(ledger, tmp_path, "--leases", "off") as server:
        assert ", leases off." in server.line
        assert count_available(server) == 12
        with pytest.raises(grpc.RpcError) as failed:
            server.stub.CreateLease(lease_request(yoga(), "r1"), timeout=WAIT_S)
        assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_ledger_is_served_once_and_then_again_when_that_server_has_ended(ledger: str, tmp_path: Path) -> None:
    with serving(ledger, tmp_path) as server:
        second = run_process("serve", "--store", ledger, "--grpc", "127.0.0.1:0", cwd=tmp_path)
        assert (second.code, second.out) == (1, "")
        assert f"is already served by process {server.process.pid}: stop that server first" in second.err
        assert "Traceback" not in second.err
        server.process.kill()
        server.exit_code()
    with serving(ledger, tmp_path) as server:
        assert server.health() == "SERVING"


def test_a_port_that_is_taken_is_refused_by_name(ledger: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        outcome = run_process("serve", "--store", ledger, "--grpc", address, cwd=tmp_path)
    assert (outcome.code, outcome.out) == (1, "")
    assert f"slotlease: cannot listen on {address}" in outcome.err
    assert "Traceback" not in outcome.err


def test_metrics_are_on_a_port_of_their_own(ledger: str, tmp_path: Path) -> None:
    with serving(ledger, tmp_path, "--metrics", "127.0.0.1:0") as server:
        assert server.process.stdout is not None
        said = re.fullmatch(r"Metrics on http://(127\.0\.0\.1:\d+)/metrics\n", server.process.stdout.readline())
        assert said is not None
        assert count_available(server) == 12
        of = {"version": "v2", "method": "CheckAvailability", "code": "OK", "cause": ""}
        assert value_on(page(said[1]), "slotlease_calls_total", **of) == 1


def test_with_the_native_library_health_reflection_metrics_and_version_3_are_as_ever(
    ledger: str, tmp_path: Path
) -> None:
    options = ("--transport", "native", "--reflection", "on", "--metrics", "127.0.0.1:0", "--rest", "127.0.0.1:0")
    with serving(ledger, tmp_path, *options) as server:
        assert server.process.stdout is not None
        told = [server.process.stdout.readline() for _ in range(2)]
        rest, metrics = (line.partition("://")[2].partition("/")[0] for line in told)
        assert server.health() == "SERVING"
        assert count_available(server) == 12
        assert set(ProtoReflectionDescriptorDatabase(server.channel).get_services()) >= BOOKING_SERVICES
        of = {"version": "v2", "method": "CheckAvailability", "code": "OK", "cause": ""}
        assert value_on(page(metrics), "slotlease_calls_total", **of) == 1
        assert value_on(page(metrics), "slotlease_calls_in_flight") == 0
        with urlopen(f"http://{rest}/v3/HealthCheck", timeout=WAIT_S) as answer:
            assert answer.status == 200
        server.ask_to_stop()
        assert server.exit_code() == 0
    assert "error" not in server.log.read_text("utf-8")


def test_the_native_library_is_refused_with_what_it_cannot_do(ledger: str, tmp_path: Path) -> None:
    options = ("--transport", "native", "--tls-certificate", "server.pem", "--connection-age", "1h")
    outcome = run_process("serve", "--store", ledger, "--grpc", "127.0.0.1:0", *options, cwd=tmp_path)
    assert (outcome.code, outcome.out) == (1, "")
    assert "tls_certificate (from --tls-certificate): the native transport leaves this to the proxy" in outcome.err
    assert "connection_age (from --connection-age): the native transport leaves this to the proxy" in outcome.err


def test_a_metrics_port_that_is_taken_is_refused_by_name(ledger: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        outcome = run_process("serve", "--store", ledger, "--grpc", "127.0.0.1:0", "--metrics", address, cwd=tmp_path)
    assert (outcome.code, outcome.out) == (1, "")
    assert f"slotlease: cannot serve metrics on {address}" in outcome.err
    assert "Traceback" not in outcome.err


def test_no_two_ids_are_given_the_same_random_bits() -> None:
    new_secret = ManySecrets()
    drawn = [new_secret() for _ in range(3 * SECRETS_AT_ONCE)]
    assert len(set(drawn)) == len(drawn)
    assert {len(secret) for secret in drawn} == {SECRET_BYTES}


# --- beside a running server -------------------------------------------------------------------------------------


def test_commands_work_beside_a_running_server(ledger: str, tmp_path: Path, capsys: Capsys) -> None:
    with serving(ledger, tmp_path) as server:
        lease_id = run(capsys, "lease", "create", *HOLD_YOGA_AT_7, "--store", ledger, "--json").json["lease_id"]
        assert count_available(server) == 11
        assert run(capsys, "lease", "release", lease_id, "--store", ledger, "--yes").code == 0
        assert count_available(server) == 12
        granted = server.stub.CreateLease(lease_request(yoga(), "r1"), timeout=WAIT_S).lease.lease_id
        live = run(capsys, "lease", "list", "--live", "--store", ledger, "--json").json
        assert [row["lease_id"] for row in live] == [granted]
        feeds = [str(path) for path in sorted((tmp_path / "feeds").iterdir())]
        assert run(capsys, "inventory", "import", *feeds, "--store", ledger).code == 0
        assert run(capsys, "doctor", "--store", ledger).code == 0


def test_commands_at_once_beside_a_busy_server_each_wait_their_turn(ledger: str, tmp_path: Path) -> None:
    """Processes of their own, as an operator's and a cron job's are: nobody ever sees "database is locked"."""
    feeds = [str(path) for path in sorted((tmp_path / "feeds").iterdir())]
    commands: list[tuple[str, ...]] = [
        ("inventory", "import", *feeds),
        ("lease", "create", *HOLD_YOGA_AT_7),
        ("lease", "list"),
        ("doctor",),
    ]
    with serving(ledger, tmp_path) as server, ThreadPoolExecutor(len(commands) + 1) as pool:
        asked = [pool.submit(run_process, *words, "--store", ledger, cwd=tmp_path) for words in commands]
        granted = 0
        while wait(asked, timeout=0.02).not_done:  # customers come one by one, meanwhile, until all is taken
            hour = (9, 12, 19)[granted // 12 % 3]
            lease = server.stub.CreateLease(lease_request(yoga(hour), f"r{granted}"), timeout=WAIT_S).lease
            granted += bool(lease.lease_id)
        for outcome in (future.result() for future in asked):
            assert (outcome.code, outcome.err.count("locked")) == (0, 0), outcome
    assert granted > 0
    assert len(leases_on(ledger)) == granted + 1


def test_a_lapsed_lease_is_swept_by_the_server(ledger: str, tmp_path: Path) -> None:
    clock = HandClock(system_clock() - HOUR_US)
    shop = Shop(open_store(ledger, clock), clock)
    lapsed = shop.lease(AskedSlot(GYM, YOGA, int(AT_7.timestamp()) * SECOND_US, HOUR_US))
    shop.store.close()
    with serving(ledger, tmp_path, "--sweep-interval", "20ms"):
        wait_until(lambda: leases_on(ledger)[lapsed.lease_id] is LeaseState.EXPIRED)


def test_a_server_logs_nothing_of_a_customer(ledger: str, tmp_path: Path) -> None:
    words = "canary-id Canary-Given Canary-Family +31201234567 canary@example.com canary-wish canary-token"
    user_id, given, family, telephone, email, wish, token = words.split()
    user = booking_pb2.UserInformation(
        user_id=user_id, given_name=given, family_name=family, telephone=telephone, email=email
    )
    request = CreateBookingRequest(slot=yoga(), user_information=user, idempotency_token=token, additional_request=wish)
    with serving(ledger, tmp_path, "--log-level", "debug", "--metrics", "127.0.0.1:0") as server:
        assert server.process.stdout is not None
        metrics_line = server.process.stdout.readline()
        assert server.stub.CreateBooking(request, timeout=WAIT_S).booking.status == booking_pb2.CONFIRMED
        request.user_information.given_name = given * 10
        with pytest.raises(grpc.RpcError):
            server.stub.CreateBooking(request, timeout=WAIT_S)
        # What the disk did to a row, and what its reader says of it.
        apsw.Connection(ledger.removeprefix("sqlite:///")).execute("UPDATE booking SET user = user || 'canary'")
        with pytest.raises(grpc.RpcError) as failed:
            server.stub.ListBookings(ListBookingsRequest(user_id=user_id), timeout=WAIT_S)
        assert failed.value.code() is grpc.StatusCode.INTERNAL
        assert "canary" not in page(metrics_line.split("/")[2])
        server.ask_to_stop()
        assert server.exit_code() == 0
        log = server.log.read_text("utf-8")
    assert "CreateBooking" in log
    assert "canary" not in log.lower()
    assert telephone not in log


def test_a_file_that_is_no_ledger_is_refused_without_a_word_of_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "other.db").write_text("canary " * 1000, encoding="utf-8")
    outcome = run_process("serve", "--store", "sqlite:///other.db", "--log-level", "debug", cwd=tmp_path)
    assert (outcome.code, outcome.out) == (1, "")
    assert "other.db" in outcome.err
    assert "canary" not in outcome.err
    assert "Traceback" not in outcome.err


# --- stopping ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_asked_to_stop_ends_with_0(number: signal.Signals, ledger: str, tmp_path: Path) -> None:
    with serving(ledger, tmp_path) as server:
        server.process.send_signal(number)
        assert server.exit_code() == 0
        assert '"event": "stopped"' in server.log.read_text("utf-8")


def test_a_stopping_server_says_not_serving_while_it_still_answers(ledger: str, tmp_path: Path) -> None:
    with serving(ledger, tmp_path, "--drain", "1s") as server:
        server.ask_to_stop()
        wait_until(lambda: server.health() == "NOT_SERVING")
        assert count_available(server) == 12
        assert server.exit_code() == 0


def test_whoever_got_a_lease_while_the_server_stopped_has_it_and_nobody_else(ledger: str, tmp_path: Path) -> None:
    granted: list[str] = []
    enough = threading.Event()

    def lease_all(number: int) -> grpc.StatusCode | None:
        """Leases one spot after another until the server is gone; the code with which it went."""
        for round_no in range(10_000):
            start = YOGA_STARTS[(number + round_no) % len(YOGA_STARTS)]
            request = lease_request(yoga(start.hour, start.minute), f"r{number}-{round_no}")
            try:
                answer = server.stub.CreateLease(request, timeout=WAIT_S)
            except grpc.RpcError as error:
                return error.code()
            if answer.HasField("lease"):
                granted.append(answer.lease.lease_id)
            if len(granted) >= 20:
                enough.set()
        return None

    with serving(ledger, tmp_path, "--log-level", "error") as server, ThreadPoolExecutor(8) as callers:
        asked = [callers.submit(lease_all, number) for number in range(8)]
        assert enough.wait(WAIT_S)
        server.ask_to_stop()
        assert {one.result() for one in asked} == {grpc.StatusCode.UNAVAILABLE}
        assert server.exit_code() == 0
    assert leases_on(ledger) == dict.fromkeys(granted, LeaseState.ACTIVE)


def test_a_call_that_outlasts_the_grace_is_cut_and_leaves_nothing_behind(ledger: str, tmp_path: Path) -> None:
    blocker = apsw.Connection(ledger.removeprefix("sqlite:///"))
    with serving(ledger, tmp_path, "--grace", "300ms") as server:
        blocker.execute("BEGIN IMMEDIATE")
        waiting = server.stub.CreateLease.future(lease_request(yoga(), "r1"), timeout=WAIT_S)
        for _ in range(10):  # one may overtake the call before it; ten do not
            assert count_available(server) == 12, "the call before this one has arrived"
        began_s = time.monotonic()
        server.ask_to_stop()
        assert waiting.exception() is not None
        assert server.exit_code() == 0
        assert time.monotonic() - began_s < 5, "far less than the ten seconds that a writer waits for its turn"
        assert "stopped with work unfinished" in server.log.read_text("utf-8")
    blocker.execute("ROLLBACK")
    blocker.close()
    assert leases_on(ledger) == {}


def test_a_second_signal_waits_for_nothing(ledger: str, tmp_path: Path) -> None:
    with serving(ledger, tmp_path, "--drain", "1h") as server:
        server.ask_to_stop()
        wait_until(lambda: server.health() == "NOT_SERVING")
        server.ask_to_stop()
        assert server.exit_code() == -signal.SIGTERM
    with serving(ledger, tmp_path) as server:
        assert count_available(server) == 12

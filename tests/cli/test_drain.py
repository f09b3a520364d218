"""A server asked to stop while callers call: whatever it acknowledged is on the ledger, once, and whatever it did not
acknowledge is settled by the caller's retry."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import apsw
import grpc
import pytest

from slotlease.domain.slot import SECOND_US
from slotlease.store.open import open_store
from slotlease.wire.proto.v2 import booking_service_pb2 as rpc
from tests.cli.running import TOMORROW, WAIT_S, Server, run_process, serving
from tests.support import HandClock, Offered, Shop, wait_until
from tests.wire import asking

CALLERS = 16
DRAIN_S, GRACE_S = 2.0, 10.0
BY_EACH = pytest.mark.parametrize("library", ["grpcio", "native"])
LARGE = Offered(spots_total=10_000, start_us=int(TOMORROW.timestamp()) * SECOND_US)


def large_ledger(folder: Path) -> str:
    url = f"sqlite:///{folder / 'large.db'}"
    clock = HandClock(LARGE.start_us)
    store = open_store(url, clock, create=True)
    Shop(store, clock).offer(LARGE)
    store.close()
    return url


@dataclass
class Told:
    """What callers asked for, by its token, and what they were told."""

    acknowledged: dict[str, bytes] = field(default_factory=dict)
    unanswered: list[str] = field(default_factory=list)
    codes: Counter[grpc.StatusCode] = field(default_factory=Counter)


def request_of(token: str) -> rpc.CreateLeaseRequest | rpc.CreateBookingRequest:
    """A lease or a booking, as the token says."""
    if token.startswith("lease"):
        return asking.lease(LARGE.asked(), token)
    return asking.booking(LARGE.asked(), token, user_id=token)


def ask(server: Server, token: str) -> bytes:
    request = request_of(token)
    if isinstance(request, rpc.CreateLeaseRequest):
        return server.stub.CreateLease(request, timeout=WAIT_S).SerializeToString(deterministic=True)
    return server.stub.CreateBooking(request, timeout=WAIT_S).SerializeToString(deterministic=True)


def call_until_refused(server: Server, number: int, told: Told) -> None:
    for round_no in range(1_000_000):
        token = f"{'lease' if round_no % 2 else 'booking'}-{number}-{round_no}"
        try:
            told.acknowledged[token] = ask(server, token)
        except grpc.RpcError as error:
            told.unanswered.append(token)
            told.codes[error.code()] += 1
            return


@BY_EACH
def test_nothing_acknowledged_is_lost_and_nothing_is_done_twice_when_the_server_stops_under_load(
    tmp_path: Path, library: str
) -> None:
    ledger = large_ledger(tmp_path)
    told = Told()
    stopping = ("--drain", f"{DRAIN_S}s", "--grace", f"{GRACE_S}s")
    with (
        serving(ledger, tmp_path, "--transport", library, "--log-level", "error", *stopping) as server,
        ThreadPoolExecutor(CALLERS) as callers,
    ):
        asked = [callers.submit(call_until_refused, server, number, told) for number in range(CALLERS)]
        wait_until(lambda: len(told.acknowledged) >= 200)
        began_s = time.monotonic()
        server.ask_to_stop()
        wait_until(lambda: server.health() == "NOT_SERVING")
        while_serving = len(told.acknowledged)
        for one in asked:
            one.result()
        assert server.exit_code() == 0
        lasted_s = time.monotonic() - began_s
    assert len(told.acknowledged) > while_serving, "the balancer's pause is one in which calls are answered"
    assert DRAIN_S <= lasted_s < DRAIN_S + GRACE_S
    assert set(told.codes) == {grpc.StatusCode.UNAVAILABLE}

    with serving(ledger, tmp_path, "--log-level", "error") as server:
        again = {token: ask(server, token) for token in (*told.acknowledged, *told.unanswered)}
        assert {token: again[token] for token in told.acknowledged} == told.acknowledged
    assert len(set(again.values())) == len(again), "no two were given the same lease or booking"
    store = open_store(ledger)
    leases, bookings = store.leases(live_only=False, limit=10**6), store.bookings(limit=10**6)
    store.close()
    on_the_ledger = [lease.client_reference for lease in leases] + [one.idempotency_token for one in bookings]
    assert sorted(on_the_ledger) == sorted(again)
    assert run_process("doctor", "--store", ledger, cwd=tmp_path).code == 0


@BY_EACH
def test_a_call_under_way_when_the_server_stops_is_answered_after_its_commit(tmp_path: Path, library: str) -> None:
    """It waits for another program's write, and the server for it."""
    ledger = large_ledger(tmp_path)
    other = apsw.Connection(ledger.removeprefix("sqlite:///"))
    with serving(ledger, tmp_path, "--transport", library, "--grace", "20s") as server:
        other.execute("BEGIN IMMEDIATE")
        waiting = server.stub.CreateLease.future(asking.lease(LARGE.asked(), "waiting"), timeout=WAIT_S)
        for _ in range(10):  # one may overtake the call before it; ten do not
            server.stub.CheckAvailability(asking.check(LARGE.asked()), timeout=WAIT_S)
        server.ask_to_stop()
        wait_until(lambda: '"stopping"' in server.log.read_text("utf-8"))
        assert not waiting.done()
        other.execute("ROLLBACK")
        assert waiting.result().lease.user_reference == "waiting"
        assert server.exit_code() == 0
    other.close()

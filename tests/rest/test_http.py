"""Version 3 as a process serves it, and what slow and huge callers can do to it."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import cast

import grpc
import httpx
import pytest

from slotlease.transport_http import HttpLimits
from slotlease.wire import rest_v3
from tests.cli.running import example_ledger, run_process, serving
from tests.proofs.ledger_file import scratch_folder
from tests.rest.serving import RestClient, serving_rest
from tests.support import open_shop
from tests.wire.client import CALL_TIMEOUT_S
from tests.wire.conftest import Served
from tests.wire.conftest import serving as serving_grpc

HEADERS_S = 1


def connect(rest: RestClient) -> socket.socket:
    host, _, port = rest.address.rpartition(":")
    return socket.create_connection((host, int(port)), CALL_TIMEOUT_S)


def is_closed(caller: socket.socket) -> bool:
    try:
        return caller.recv(65_536) == b""
    except ConnectionError:
        return True


# --- a process ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_server_answers_version_3_beside_the_others_and_stops_in_good_order(tmp_path: Path) -> None:
    ledger = example_ledger(tmp_path)
    with serving(ledger, tmp_path, "--rest", "127.0.0.1:0", "--rest-prefix", "/google", "--drain", "0.5s") as server:
        assert server.process.stdout is not None
        url = server.process.stdout.readline().split()[-1]
        assert url.endswith("/google/v3/")
        with httpx.Client(timeout=CALL_TIMEOUT_S) as caller:
            assert caller.get(f"{url}HealthCheck").json() == {"status": "SERVING"}
            assert caller.post(f"{url}ListBookings", json={"user_id": "nobody"}).status_code == 404
            brought = {"X-Forwarded-For": "203.0.113.7"}
            assert caller.post(f"{url}ListBookings", json={"user_id": "nobody"}, headers=brought).status_code == 401
            server.ask_to_stop()
            until_s = time.monotonic() + CALL_TIMEOUT_S
            while caller.get(f"{url}HealthCheck").status_code == 200:
                assert time.monotonic() < until_s
            assert caller.post(f"{url}ListBookings", json={"user_id": "nobody"}).status_code == 404
        assert server.exit_code() == 0


@pytest.mark.parametrize(
    ("option", "value", "wrong"),
    [
        ("--rest", "0.0.0.0:8080", "would speak plaintext, passwords too; give tls_certificate"),
        ("--rest", "localhost", "is no HOST:PORT"),
        ("--rest-prefix", "google", "is no path"),
    ],
)
def test_setting_that_would_let_anybody_in_is_refused(option: str, value: str, wrong: str, tmp_path: Path) -> None:
    outcome = run_process("serve", option, value, cwd=tmp_path)
    assert outcome.code != 0
    assert wrong in outcome.err


# --- slow and huge callers ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_headers_that_trickle_are_cut_off_and_others_are_answered_meanwhile(served: Served) -> None:
    with serving_rest(served, limits=HttpLimits(headers_s=HEADERS_S)) as rest:
        slow = [connect(rest) for _ in range(50)]
        began_s = time.monotonic()
        for caller in slow:
            caller.sendall(b"POST /v3/ListBookings HTTP/1.1\r\nHost: x\r\n")
        while time.monotonic() < began_s + HEADERS_S / 2:
            for caller in slow:
                caller.sendall(b"X-More: y\r\n")
            assert rest.http.get("/v3/HealthCheck").status_code == 200
        assert all(is_closed(caller) for caller in slow)
        assert time.monotonic() - began_s < HEADERS_S + 2
        for caller in slow:
            caller.close()


def test_headers_of_any_length_are_not_gathered(rest: RestClient) -> None:
    with connect(rest) as caller:
        caller.sendall(b"GET /v3/HealthCheck HTTP/1.1\r\nHost: x\r\nX-Long: " + b"y" * 200_000 + b"\r\n\r\n")
        assert not caller.recv(65_536).startswith(b"HTTP/1.1 200")


def test_body_that_does_not_arrive_is_400_in_bounded_time(
    rest: RestClient, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest_v3, "BODY_TIMEOUT_S", 0.3)
    with connect(rest) as caller:
        caller.sendall(b"POST /v3/ListBookings HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert caller.recv(65_536).startswith(b"HTTP/1.1 400")
    assert served.admission.calls == 0


def test_what_is_left_of_a_body_too_long_is_not_taken_for_a_request(rest: RestClient) -> None:
    with connect(rest) as caller:
        smuggled = b"GET /v3/HealthCheck HTTP/1.1\r\nHost: x\r\n\r\n"
        body = b"x" * 300_000 + smuggled
        head = f"POST /v3/ListBookings HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        caller.sendall(head.encode() + body)
        told = b""
        while more := caller.recv(65_536):
            told += more
    assert told.startswith(b"HTTP/1.1 400")
    assert told.count(b"HTTP/1.1") == 1
    assert b"SERVING" not in told


@pytest.mark.parametrize(("request_line", "code"), [("POST /v3/NoSuchMethod", 404), ("PUT /v3/ListBookings", 405)])
def test_caller_is_told_that_a_connection_ends_whose_body_nobody_read(
    rest: RestClient, request_line: str, code: int
) -> None:
    head = f"{request_line} HTTP/1.1\r\nHost: x\r\nContent-Length: "
    with connect(rest) as caller:
        caller.sendall(f"{head}2\r\n\r\n{{}}".encode())
        told = caller.recv(65_536)
        assert told.startswith(f"HTTP/1.1 {code}".encode())
        assert b"connection: close" in told.lower()
    with connect(rest) as caller:
        caller.sendall(f"{head}0\r\n\r\n".encode())
        assert b"connection: close" not in caller.recv(65_536).lower()


def test_caller_that_goes_away_gives_its_place_back(rest: RestClient, served: Served) -> None:
    for _ in range(20):
        with connect(rest) as caller:
            caller.sendall(b"POST /v3/ListBookings HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    until_s = time.monotonic() + CALL_TIMEOUT_S
    while served.admission.calls:
        assert time.monotonic() < until_s, "places are still taken"
        time.sleep(0.01)


def test_connection_serves_one_request_after_the_other(rest: RestClient) -> None:
    with connect(rest) as caller:
        for _ in range(3):
            caller.sendall(b"GET /v3/HealthCheck HTTP/1.1\r\nHost: x\r\n\r\n")
            told = b""
            while b"SERVING" not in told:
                told += caller.recv(65_536)
            assert told.startswith(b"HTTP/1.1 200")


def test_connection_that_says_nothing_more_is_closed(served: Served) -> None:
    with serving_rest(served, limits=HttpLimits(headers_s=HEADERS_S)) as rest, connect(rest) as caller:
        caller.sendall(b"GET /v3/HealthCheck HTTP/1.1\r\nHost: x\r\n\r\n")
        began_s = time.monotonic()
        while not is_closed(caller):
            assert time.monotonic() - began_s < HEADERS_S + 3


def test_calls_over_http_and_over_grpc_share_one_limit() -> None:
    """Bodies that do not come hold places that gRPC's calls then do not find."""
    with scratch_folder() as folder:
        shop = open_shop(folder)
        with serving_grpc(shop, calls_max=3) as served, serving_rest(served) as rest:
            callers = [connect(rest) for _ in range(3)]
            for caller in callers:
                caller.sendall(b"POST /v3/ListBookings HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            until_s = time.monotonic() + CALL_TIMEOUT_S
            while served.admission.calls < len(callers):
                assert time.monotonic() < until_s
                time.sleep(0.01)
            with pytest.raises(grpc.RpcError) as raised:
                served.call("ListBookings", b"")
            assert cast("grpc.Call", raised.value).code() is grpc.StatusCode.UNAVAILABLE
            assert rest.error("ListBookings", {"user_id": "nobody"})[0] == 503
            for caller in callers:
                caller.close()
        shop.store.close()

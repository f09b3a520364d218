"""`slotlease cert test-ca`, and a server process that serves with what it made."""

from __future__ import annotations

import http.client
import json
import re
import stat
from pathlib import Path

import grpc
import pytest

from slotlease.wire.proto.v2.booking_service_pb2 import ListBookingsRequest
from tests.certificates import made, shown
from tests.cli.running import WAIT_S, Server, run, run_process, serving

# Else a channel takes over a connection that another one like it had.
APART = [("grpc.use_local_subchannel_pool", 1)]

Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, capsys: Capsys) -> Path:
    assert run(capsys, "cert", "test-ca", str(tmp_path / "tls")).code == 0
    return tmp_path / "tls"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def tls_options(folder: Path) -> list[str]:
    files = {"--tls-certificate": "server.pem", "--tls-key": "server.key", "--tls-client-roots": "ca.pem"}
    return [word for flag, name in files.items() for word in (flag, str(folder / name))]


def code_of_a_call(server: Server) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as failed:
        server.stub.ListBookings(ListBookingsRequest(user_id="nobody"), timeout=WAIT_S)
    return failed.value.code()


def metrics_page(server: Server) -> str:
    """The address that the server tells in its second line."""
    assert server.process.stdout is not None
    return server.process.stdout.readline().split()[-1].removeprefix("http://").removesuffix("/metrics")


def metrics_of(address: str) -> str:
    connection = http.client.HTTPConnection(address, timeout=WAIT_S)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def test_keys_are_for_their_owner_only_and_the_authoritys_is_thrown_away(folder: Path) -> None:
    assert sorted(contents(folder)) == ["ca.pem", "client.key", "client.pem", "server.key", "server.pem"]
    rights = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.glob("*.key")}
    assert rights == {"client.key": 0o600, "server.key": 0o600}


def test_files_that_are_there_are_left_as_they_are(folder: Path, capsys: Capsys) -> None:
    (folder / "ca.pem").unlink()
    before = contents(folder)
    outcome = run(capsys, "cert", "test-ca", str(folder))
    assert outcome.code == 1
    assert f"{folder / 'server.pem'} is there already and was left as it is; choose another folder" in outcome.err
    assert contents(folder) == before


@pytest.mark.parametrize("name", ["two words", "", "müller.example"])
def test_a_name_that_no_certificate_can_have_is_refused(name: str, tmp_path: Path, capsys: Capsys) -> None:
    outcome = run(capsys, "cert", "test-ca", str(tmp_path / "tls"), "--client-name", name)
    assert outcome.code == 1
    assert "is no name that a certificate can have; write a DNS name, an address or a URI" in outcome.err
    assert not (tmp_path / "tls").exists()


def test_a_server_serves_with_what_was_made_and_says_so(folder: Path, ledger: str, tmp_path: Path) -> None:
    own = contents(folder)
    with serving(ledger, tmp_path, *tls_options(folder), shown=shown(own, trusting=own)) as server:
        assert server.line.endswith(", TLS, callers: mapsbooking.businesslink-3.net. Ctrl-C stops it.\n")
        assert server.health() == "SERVING"
        assert code_of_a_call(server) is grpc.StatusCode.NOT_FOUND


def test_the_names_that_may_call_are_a_setting(folder: Path, ledger: str, tmp_path: Path) -> None:
    own = contents(folder)
    options = (*tls_options(folder), "--tls-client-names", "somebody.example,somebody.else.example")
    with serving(ledger, tmp_path, *options, shown=shown(own, trusting=own)) as server:
        assert code_of_a_call(server) is grpc.StatusCode.PERMISSION_DENIED


def test_files_that_change_under_a_running_server_are_logged_good_or_bad(
    folder: Path, ledger: str, tmp_path: Path
) -> None:
    own = contents(folder)
    options = (*tls_options(folder), "--metrics", "127.0.0.1:0")
    with serving(ledger, tmp_path, *options, shown=shown(own, trusting=own)) as server:
        page = metrics_page(server)
        assert re.search(r"^slotlease_certificate_days_left (29\.9|30)", metrics_of(page), re.MULTILINE)
        assert "slotlease_certificate_files_refused 0.0" in metrics_of(page)
        (folder / "server.key").write_bytes(made()["server.key"])
        assert code_of_a_call(server) is grpc.StatusCode.NOT_FOUND
        assert "slotlease_certificate_files_refused 1.0" in metrics_of(page)
        assert "slotlease_certificate_reload_failures_total 1.0" in metrics_of(page)
        (folder / "server.key").write_bytes(own["server.key"])
        with grpc.secure_channel(server.address, shown(own, trusting=own), options=APART) as channel:
            grpc.channel_ready_future(channel).result(WAIT_S)
        assert "slotlease_certificate_files_refused 0.0" in metrics_of(page)
        server.ask_to_stop()
        assert server.exit_code() == 0
        log = [json.loads(line) for line in server.log.read_text("utf-8").splitlines() if line.startswith("{")]
    told = [line for line in log if line["event"].startswith("certificate")]
    assert [(line["event"], line["level"]) for line in told] == [
        ("certificate in force", "info"),
        ("certificate files refused, the old certificate stays", "error"),
        ("certificate in force", "info"),
    ]
    assert "is not that of the first certificate in" in told[1]["reason"]
    assert told[1]["days_left"] == pytest.approx(30, abs=0.1)


def test_a_certificate_that_cannot_be_served_stops_the_start(folder: Path, ledger: str, tmp_path: Path) -> None:
    (folder / "server.key").unlink()
    outcome = run_process("serve", "--store", ledger, "--grpc", "127.0.0.1:0", *tls_options(folder), cwd=tmp_path)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == (
        f"slotlease: the file {folder / 'server.key'} (tls_key) cannot be read (No such file or directory); "
        "check its path and its rights\n"
    )


def test_plaintext_beyond_this_machine_stops_the_start_and_says_what_to_do(ledger: str, tmp_path: Path) -> None:
    outcome = run_process("serve", "--store", ledger, "--grpc", "0.0.0.0:0", cwd=tmp_path)
    assert (outcome.code, outcome.out) == (1, "")
    assert "would speak plaintext; give tls_certificate, tls_key and tls_client_roots" in outcome.err
    assert "set insecure = on" in outcome.err

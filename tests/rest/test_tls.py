"""Version 3 shows the same certificate as gRPC's port, renewed without a restart, and asks for passwords."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from slotlease.certificate import CertificateRefused
from slotlease.transport_http import HttpLimits, HttpTransport
from tests.certificates import Files, made
from tests.cli.running import example_ledger, run_process
from tests.cli.running import serving as serving_process
from tests.rest.serving import RestClient, serving_rest
from tests.wire.client import CALL_TIMEOUT_S
from tests.wire.conftest import Served


def trusting(*authorities: bytes) -> ssl.SSLContext:
    context = ssl.create_default_context()
    for authority in authorities:
        context.load_verify_locations(cadata=authority.decode())
    return context


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path, mutual=False)


@pytest.fixture
def guarded(files: Files, served: Served) -> Iterator[RestClient]:
    first = made()
    files.put(first)
    with serving_rest(served, certificate=files.open(), trusting=trusting(first["ca.pem"])) as rest:
        yield rest


def handshake(rest: RestClient, context: ssl.SSLContext) -> str | None:
    host, _, port = rest.address.rpartition(":")
    with (
        socket.create_connection((host, int(port)), CALL_TIMEOUT_S) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as connection,
    ):
        return connection.version()


def anyone(version: ssl.TLSVersion, ciphers: str = "ALL") -> ssl.SSLContext:
    """A caller who speaks this version only, and whose own library does not mind."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    return context


def test_version_3_is_answered_over_tls_and_not_without(guarded: RestClient) -> None:
    assert guarded.http.get("/v3/HealthCheck").json() == {"status": "SERVING"}
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://{guarded.address}/v3/HealthCheck", timeout=CALL_TIMEOUT_S)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_from_1_2_on_is_spoken(guarded: RestClient, version: ssl.TLSVersion) -> None:
    assert handshake(guarded, anyone(version)) == version.name.replace("_", ".")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_older_tls_is_refused(guarded: RestClient, version: ssl.TLSVersion) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(guarded, anyone(version))


def test_ciphers_without_forward_secrecy_are_refused(guarded: RestClient) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(guarded, anyone(ssl.TLSVersion.TLSv1_2, "AES128-SHA:AES256-GCM-SHA384:ECDHE-ECDSA-AES128-SHA"))


def test_new_certificate_is_shown_to_the_next_connection_and_standing_ones_go_on(
    guarded: RestClient, files: Files
) -> None:
    assert guarded.http.get("/v3/HealthCheck").status_code == 200
    second = made()
    files.put(second)
    assert handshake(guarded, trusting(second["ca.pem"])) == "TLSv1.3"
    assert handshake(guarded, trusting(second["ca.pem"])) == "TLSv1.3"
    assert guarded.http.get("/v3/HealthCheck").status_code == 200


def test_bad_new_certificate_leaves_the_old_one(guarded: RestClient, files: Files) -> None:
    first = trusting((files.folder / "ca.pem").read_bytes())
    files.put({"server.key": made()["server.key"]})
    assert handshake(guarded, first) == "TLSv1.3"
    assert "is not that of" in files.told[-1][1]


def with_weak_issuer() -> dict[str, bytes]:
    """A good pair, and behind it in the chain an issuer whose key OpenSSL refuses to serve: RSA of 1024 bits."""
    good, key = made(), rsa.generate_private_key(65537, 1024)  # noqa: S505 - that is what is refused
    like = x509.load_pem_x509_certificate(good["server.pem"])
    builder = x509.CertificateBuilder(like.issuer, like.issuer, key.public_key(), like.serial_number)
    builder = builder.not_valid_before(like.not_valid_before_utc).not_valid_after(like.not_valid_after_utc)
    issuer = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    return {"server.pem": good["server.pem"] + issuer, "server.key": good["server.key"]}


def test_certificate_that_only_this_port_cannot_serve_leaves_the_old_one_too(guarded: RestClient, files: Files) -> None:
    first = trusting((files.folder / "ca.pem").read_bytes())
    files.put(with_weak_issuer())
    for _ in range(2):
        assert handshake(guarded, first) == "TLSv1.3"
    assert files.told[-1][1] == ""
    with pytest.raises(CertificateRefused, match="cannot be served over HTTPS"):
        HttpTransport(certificate=files.open())


def test_handshake_that_does_not_come_is_cut_off(files: Files, served: Served) -> None:
    first = made()
    files.put(first)
    limits = HttpLimits(headers_s=1)
    with serving_rest(served, certificate=files.open(), limits=limits, trusting=trusting(first["ca.pem"])) as rest:
        host, _, port = rest.address.rpartition(":")
        began_s = time.monotonic()
        with socket.create_connection((host, int(port)), CALL_TIMEOUT_S) as silent:
            assert silent.recv(1) == b""
        assert time.monotonic() - began_s < 4
        assert rest.http.get("/v3/HealthCheck").status_code == 200


# --- a process ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_port_for_others_opens_with_tls_and_a_password_and_not_without(tmp_path: Path) -> None:
    ledger, files = example_ledger(tmp_path), made()
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    tls = ("--tls-certificate", "server.pem", "--tls-key", "server.key")
    refused = run_process(
        "serve", "--store", ledger, "--grpc", "127.0.0.1:0", "--rest", "0.0.0.0:0", *tls, cwd=tmp_path
    )
    assert refused.code == 1
    assert "slotlease credential add" in refused.err
    run_process("credential", "add", "google-1", "--store", ledger, cwd=tmp_path)
    with serving_process(ledger, tmp_path, "--rest", "0.0.0.0:0", *tls) as server:
        assert server.process.stdout is not None
        url = server.process.stdout.readline().split()[-1]
        assert url.startswith("https://0.0.0.0:")
        with httpx.Client(verify=trusting(files["ca.pem"]), timeout=CALL_TIMEOUT_S) as caller:
            here = f"https://localhost:{url.rpartition(':')[2]}"
            assert caller.get(f"{here}HealthCheck").status_code == 200
            assert caller.post(f"{here}ListBookings", json={"user_id": "nobody"}).status_code == 401
        server.ask_to_stop()
        assert server.exit_code() == 0

"""What certificate files may be served, and what happens when they change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from slotlease.certificate import CertificateFiles, CertificateRefused, read_credentials
from slotlease.cli.cert_making import make_test_certificates
from slotlease.store.clock import system_clock
from tests.certificates import Files, made

DAY_US = 86_400 * 1_000_000


@pytest.fixture
def files(tmp_path: Path) -> Files:
    files = Files(tmp_path)
    files.put(made(days=10))
    return files


def refusal(files: Files) -> str:
    with pytest.raises(CertificateRefused) as refused:
        files.open()
    return str(refused.value).replace(str(files.folder) + "/", "")


def pem_of(key: PrivateKeyTypes, password: bytes | None = None) -> bytes:
    secret = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)


def test_good_files_are_in_force_and_it_is_known_when_they_end(files: Files) -> None:
    credentials = files.open().current
    assert credentials.days_left(system_clock()) == pytest.approx(10, abs=0.01)
    assert credentials.days_left(system_clock() + 11 * DAY_US) == pytest.approx(-1, abs=0.01)
    assert credentials.roots_end_us == pytest.approx(credentials.ends_us, abs=2_000_000)
    assert files.told == [(credentials, "")]


def test_without_client_roots_there_are_none(files: Files) -> None:
    plain = CertificateFiles(files.files.chain, files.files.key, None)
    credentials = read_credentials(plain, system_clock())
    assert (credentials.roots_pem, credentials.roots_end_us) == (None, None)


def test_a_file_that_is_not_there_is_refused_by_the_name_of_its_setting(files: Files) -> None:
    for name, setting in (("server.pem", "tls_certificate"), ("server.key", "tls_key"), ("ca.pem", "tls_client_roots")):
        content = (files.folder / name).read_bytes()
        (files.folder / name).unlink()
        assert refusal(files) == (
            f"the file {name} ({setting}) cannot be read (No such file or directory); check its path and its rights"
        )
        (files.folder / name).write_bytes(content)


@pytest.mark.parametrize(
    "content", [b"", b"not pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_what_is_no_pem_is_refused_and_never_quoted(files: Files, content: bytes) -> None:
    files.put({"server.pem": content})
    assert "server.pem has no certificate in PEM form" in refusal(files)
    files.put(made() | {"ca.pem": content})
    assert "ca.pem has no certificate in PEM form" in refusal(files)
    files.put(made() | {"server.key": content})
    assert "server.key has no private key in PEM form" in refusal(files)


def test_a_key_that_was_put_in_the_place_of_the_certificate_is_not_told(files: Files) -> None:
    key = (files.folder / "server.key").read_bytes()
    files.put({"server.pem": key})
    with pytest.raises(CertificateRefused) as refused:
        files.open()
    assert key.splitlines()[1].decode() not in str(refused.value)
    assert refused.value.__cause__ is None


def test_another_certificates_key_is_refused(files: Files) -> None:
    files.put({"server.key": made()["server.key"]})
    assert "the key in server.key is not that of the first certificate in server.pem" in refusal(files)


def test_a_chain_that_begins_with_its_issuer_is_refused(files: Files) -> None:
    chain = [(files.folder / name).read_bytes() for name in ("ca.pem", "server.pem")]
    files.put({"server.pem": b"".join(reversed(chain))})
    files.open()
    files.put({"server.pem": b"".join(chain)})
    assert "write the server's own certificate first" in refusal(files)


def test_a_clients_certificate_in_the_servers_place_is_refused(files: Files) -> None:
    content = made()
    files.put({"server.pem": content["client.pem"], "server.key": content["client.key"]})
    assert "server.pem is not made for a server" in refusal(files)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: pem_of(ed25519.Ed25519PrivateKey.generate()), "is of a kind that callers do not take"),
        (lambda: pem_of(ec.generate_private_key(ec.SECP521R1())), "make one on the curve P-256 or P-384"),
        (lambda: pem_of(rsa.generate_private_key(65537, 1024)), "an RSA key of at least 2048 bits"),  # noqa: S505
        (lambda: pem_of(ec.generate_private_key(ec.SECP256R1()), b"secret"), "has a password"),
    ],
    ids=["Ed25519", "P-521", "RSA-1024", "password"],
)
def test_a_key_that_could_not_serve_is_refused_before_a_caller_finds_out(
    files: Files, make: Callable[[], bytes], said: str
) -> None:
    files.put({"server.key": make()})
    assert said in refusal(files)


@pytest.mark.parametrize(("begun_days_ago", "days"), [(3, 2), (-1, 2)])
def test_a_certificate_that_is_not_good_now_is_refused(files: Files, begun_days_ago: int, days: int) -> None:
    files.put(made(begun_days_ago=begun_days_ago, days=days))
    assert "UTC, and not now; get a new one, or set the clock right" in refusal(files)


def test_roots_that_have_all_ended_are_refused(files: Files) -> None:
    ended, good = made(begun_days_ago=3, days=2)["ca.pem"], (files.folder / "ca.pem").read_bytes()
    files.put({"ca.pem": ended})
    assert "every certificate in ca.pem has ended" in refusal(files)
    files.put({"ca.pem": ended + good})
    files.open()


# --- when the files change ---------------------------------------------------------------------------------------


def test_changed_files_are_in_force_with_the_next_look(files: Files) -> None:
    certificate = files.open()
    before = certificate.current
    assert certificate.refresh() is before, "nothing has changed"
    files.put(made(days=20))
    after = certificate.refresh()
    assert after is certificate.current is not before
    assert after.days_left(system_clock()) == pytest.approx(20, abs=0.01)
    assert [refused for _, refused in files.told] == ["", ""]


def test_changed_files_that_cannot_be_served_leave_the_old_ones_in_force_and_are_told_once(files: Files) -> None:
    certificate = files.open()
    before = certificate.current
    files.put({"server.pem": b"half a fi"})
    for _ in range(3):
        assert certificate.refresh() is before
    assert [refused[:14] for _, refused in files.told] == ["", "the file " + str(files.folder)[:5]]
    assert files.told[-1][0] is before
    files.put(made())
    assert certificate.refresh() is not before
    assert files.told[-1][1] == ""


def test_a_file_that_vanishes_and_comes_back_changes_nothing_in_between(files: Files) -> None:
    certificate = files.open()
    key = (files.folder / "server.key").read_bytes()
    (files.folder / "server.key").unlink()
    before = certificate.refresh()
    assert "cannot be read" in files.told[-1][1]
    files.put({"server.key": key})
    assert certificate.refresh().key_pem == before.key_pem
    assert files.told[-1][1] == ""


def test_a_link_that_is_swapped_is_a_changed_file(tmp_path: Path) -> None:
    for name, content in (("first", made()), ("second", made(days=20))):
        (tmp_path / name).mkdir()
        Files(tmp_path / name).put(content)
    link = tmp_path / "live"
    link.symlink_to(tmp_path / "first")
    certificate = Files(link).open()
    swapped = tmp_path / "swapped"
    swapped.symlink_to(tmp_path / "second")
    swapped.rename(link)
    assert certificate.refresh().days_left(system_clock()) == pytest.approx(20, abs=0.01)


def test_what_was_made_is_what_the_name_says() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    made_then = make_test_certificates(["shop.example", "::1"], "caller.example", now, 30)
    server, client = (x509.load_pem_x509_certificate(made_then[name]) for name in ("server.pem", "client.pem"))
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["shop.example", "::1"]
    assert server.not_valid_after_utc == now + timedelta(days=30)
    names = client.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["caller.example"]

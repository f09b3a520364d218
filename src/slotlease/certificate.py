"""The certificate that a server shows, and the roots by which it knows its callers.

Both come from files, and are read anew when those change: certificates end, and a server should not have to.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from slotlease.config import Settings
from slotlease.telemetry.metrics import Metrics

LOOK_S: Final = 60.0
RSA_BITS_MIN: Final = 2048
_CURVES: Final = ("secp256r1", "secp384r1")
_SECOND_US: Final = 1_000_000
_DAY_US: Final = 86_400 * _SECOND_US

_log = structlog.get_logger("slotlease.certificate")


class CertificateRefused(Exception):
    """The files are no certificate that could be served; the text says which, why, and what to do next."""


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """PEM files. `chain` begins with the server's own certificate, `key` is the key of that one and has no password.
    With `client_roots` only callers are let in whose certificate one of them has issued."""

    chain: Path
    key: Path
    client_roots: Path | None


@dataclass(frozen=True, slots=True)
class Credentials:
    """What was in the files, checked."""

    chain_pem: bytes
    key_pem: bytes
    roots_pem: bytes | None
    ends_us: int
    """When the server's own certificate ends."""
    roots_end_us: int | None
    """When the last of the client roots ends; None where there are none."""

    def days_left(self, now_us: int) -> float:
        """Until the server's own certificate ends; less than 0 when that was in the past."""
        return (self.ends_us - now_us) / _DAY_US


Told = Callable[[Credentials, CertificateRefused | None], None]
"""Told what is in force, and why what the files say now is not (None: it is)."""

_Seen = tuple[tuple[int, int, int, int] | None, ...]


class Certificate:
    """The credentials in force. Files that have changed take effect with the next `refresh`; changed ones that cannot
    be served leave the old ones in force. Safe to use from any thread. Raises CertificateRefused when made."""

    def __init__(self, files: CertificateFiles, clock: Callable[[], int], told: Told) -> None:
        self._files = files
        self._clock = clock
        self._told = told
        self._lock = threading.Lock()
        self._seen = _seen(files)
        self._current = read_credentials(files, clock())
        told(self._current, None)

    @property
    def current(self) -> Credentials:
        return self._current

    def refresh(self) -> Credentials:
        """What is in force now. Reads the files only if they look different from when they were last read."""
        with self._lock:
            seen = _seen(self._files)
            if seen != self._seen:
                # Before they are read: a file that changes meanwhile is read again next time.
                self._seen = seen
                self._read()
            return self._current

    def _read(self) -> None:
        try:
            self._current = read_credentials(self._files, self._clock())
        except CertificateRefused as refused:
            self._told(self._current, refused)
        else:
            self._told(self._current, None)


def open_certificate(settings: Settings, metrics: Metrics, clock: Callable[[], int]) -> Certificate | None:
    """The certificate to serve with, None where the port speaks plaintext; its metrics
    and its log lines with it. Raises CertificateRefused."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None

    def tell(in_force: Credentials, refused: CertificateRefused | None) -> None:
        metrics.certificate_refused.set(refused is not None)
        days_left = round(in_force.days_left(clock()), 1)
        if refused is None:
            _log.info("certificate in force", days_left=days_left)
        else:
            metrics.certificate_reload_failures.inc()
            # Its text names files and says what is wrong with them: the operator's own, nobody's secret.
            _log.error("certificate files refused, the old certificate stays", reason=str(refused), days_left=days_left)

    files = CertificateFiles(settings.tls_certificate, settings.tls_key, settings.tls_client_roots)
    certificate = Certificate(files, clock, tell)
    # When the metrics are read, not when the files are: days pass without anybody changing a file.
    metrics.certificate_days_left.set_function(lambda: certificate.current.days_left(clock()))
    return certificate


async def look_often(certificate: Certificate | None) -> None:
    """Finds changed files where no caller connects: each connection looks too."""
    while certificate is not None:
        await asyncio.sleep(LOOK_S)
        await asyncio.to_thread(certificate.refresh)


def read_credentials(files: CertificateFiles, now_us: int) -> Credentials:
    """Raises CertificateRefused for what a server library would fail on later, or a caller refuse."""
    chain_pem, key_pem = _bytes(files.chain, "tls_certificate"), _bytes(files.key, "tls_key")
    own = _certificates(files.chain, chain_pem)[0]
    _check_own(files.chain, own, now_us)
    if _key(files.key, key_pem).public_key() != own.public_key():
        message = (
            f"the key in {files.key} is not that of the first certificate in {files.chain}; write the server's own "
            "certificate first, those that issued it after it, and give the key it was made with"
        )
        raise CertificateRefused(message)
    roots_pem, roots_end_us = None, None
    if files.client_roots is not None:
        roots_pem = _bytes(files.client_roots, "tls_client_roots")
        roots_end_us = max(_us(root.not_valid_after_utc) for root in _certificates(files.client_roots, roots_pem))
        if roots_end_us <= now_us:
            message = f"every certificate in {files.client_roots} has ended: nobody could be let in; get the new ones"
            raise CertificateRefused(message)
    return Credentials(chain_pem, key_pem, roots_pem, _us(own.not_valid_after_utc), roots_end_us)


def _check_own(path: Path, own: x509.Certificate, now_us: int) -> None:
    begin, end = own.not_valid_before_utc, own.not_valid_after_utc
    if not _us(begin) <= now_us < _us(end):
        message = (
            f"the first certificate in {path} is good from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC, "
            "and not now; get a new one, or set the clock right"
        )
        raise CertificateRefused(message)
    try:
        usages = own.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if ExtendedKeyUsageOID.SERVER_AUTH not in usages:
        message = (
            f"the first certificate in {path} is not made for a server (its extended key usage lacks serverAuth), and "
            "callers would refuse it; was a client's certificate put in its place?"
        )
        raise CertificateRefused(message)


def _bytes(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"the file {path} ({setting}) cannot be read ({error.strerror}); check its path and its rights"
        raise CertificateRefused(message) from error


def _certificates(path: Path, pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        message = f"the file {path} has no certificate in PEM form, or a broken one; write each as BEGIN CERTIFICATE"
        # The library's own words may quote the file, which may be a key that was put in the wrong place.
        raise CertificateRefused(message) from None


def _key(path: Path, pem: bytes) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except TypeError:
        message = f"the key in {path} has a password, and nobody is there to type it; take the password off the file"
        raise CertificateRefused(message) from None
    except (ValueError, UnsupportedAlgorithm):
        message = f"the file {path} has no private key in PEM form, or a broken one; write it as BEGIN PRIVATE KEY"
        raise CertificateRefused(message) from None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return key
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= RSA_BITS_MIN:
        return key
    # Refused here, since the server library would do so at a handshake, long after anybody is looking.
    message = (
        f"the key in {path} is of a kind that callers do not take; "
        f"make one on the curve P-256 or P-384, or an RSA key of at least {RSA_BITS_MIN} bits"
    )
    raise CertificateRefused(message)


def _us(instant: datetime) -> int:
    return round(instant.timestamp()) * _SECOND_US


def _seen(files: CertificateFiles) -> _Seen:
    """What tells a changed file from one that is the same: links are followed, since many tools swap a link."""
    return tuple(_look(path) for path in (files.chain, files.key, files.client_roots) if path is not None)


def _look(path: Path) -> tuple[int, int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)

"""Makes the certificates of `slotlease cert test-ca`."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_BACKDATED: Final = timedelta(minutes=5)
"""For a clock on the other side that is a little behind."""


class NameRefused(Exception):
    """A name that no certificate can have; the text says which, and what to write instead."""


def make_test_certificates(
    server_names: Sequence[str], client_name: str, now: datetime, days: int = 30
) -> dict[str, bytes]:
    """The files by name, as PEM. Raises NameRefused for a name that no certificate can have."""
    until = now + timedelta(days=days)
    authority = _Authority(now, until)
    server, client = authority.issue(server_names, server=True), authority.issue([client_name], server=False)
    return {
        "ca.pem": authority.pem,
        "server.pem": server[0],
        "server.key": server[1],
        "client.pem": client[0],
        "client.key": client[1],
    }


class _Authority:
    def __init__(self, now: datetime, until: datetime) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._from, self._until = now - _BACKDATED, until
        # Each has a name of its own: of two roots with one name, a checking program may try only the first.
        number = f"Slotlease test authority {x509.random_serial_number():x}"[:40]
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, number)])
        usage = _key_usage(signs_certificates=True)
        made = self._begun(self._name, self._key.public_key())
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.pem = _pem(made.add_extension(usage, critical=True).sign(self._key, hashes.SHA256()))

    def issue(self, names: Sequence[str], *, server: bool) -> tuple[bytes, bytes]:
        """The certificate and its key. The names stand where a checking program looks: not in the subject."""
        key = ec.generate_private_key(ec.SECP256R1())
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server" if server else "client")])
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        made = (
            self._begun(subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
            .add_extension(authority, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return _pem(made), private

    def _begun(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._from)
            .not_valid_after(self._until)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    if not name or not name.isascii() or any(c.isspace() for c in name):
        raise NameRefused(f"{name!r} is no name that a certificate can have; write a DNS name, an address or a URI")
    return x509.UniformResourceIdentifier(name) if ":" in name else x509.DNSName(name)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)

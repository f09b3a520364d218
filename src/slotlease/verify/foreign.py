"""A client certificate that nobody trusts, made on the spot: it says Google's name, and its issuer is itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

GOOGLE_CLIENT: Final = "mapsbooking.businesslink-3.net"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_GOOD_FOR: Final = timedelta(hours=1)


def foreign_certificate(now_us: int) -> tuple[bytes, bytes]:
    """The certificate and its key (PEM), good for an hour before and after `now_us` (microseconds since 1970 UTC)."""
    now = _EPOCH + timedelta(microseconds=now_us)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, GOOGLE_CLIENT)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _GOOD_FOR)
        .not_valid_after(now + _GOOD_FOR)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(GOOGLE_CLIENT)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(encoding), private

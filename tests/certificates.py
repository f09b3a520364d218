"""Certificate files to serve and to call with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc

from slotlease.certificate import Certificate, CertificateFiles, CertificateRefused, Credentials
from slotlease.cli.cert_making import make_test_certificates
from slotlease.config import GOOGLE_CLIENT
from slotlease.store.clock import system_clock

SERVER_NAMES = ("localhost", "127.0.0.1")


def made(client_name: str = GOOGLE_CLIENT, *, begun_days_ago: int = 0, days: int = 2) -> dict[str, bytes]:
    """A new authority and what it issued, by file name. Handshakes are judged by the real clock."""
    begun = datetime.now(tz=UTC) - timedelta(days=begun_days_ago)  # noqa: TID251 - see above
    return make_test_certificates(SERVER_NAMES, client_name, begun, days)


def shown(own: dict[str, bytes] | None, *, trusting: dict[str, bytes]) -> grpc.ChannelCredentials:
    """What a caller shows (nothing: no certificate at all) and whose authority it trusts."""
    if own is None:
        return grpc.ssl_channel_credentials(trusting["ca.pem"])
    return grpc.ssl_channel_credentials(trusting["ca.pem"], own["client.key"], own["client.pem"])


@dataclass
class Files:
    """A server's files, and what was told of them."""

    folder: Path
    mutual: bool = True
    told: list[tuple[Credentials, str]] = field(default_factory=list)

    @property
    def files(self) -> CertificateFiles:
        roots = self.folder / "ca.pem" if self.mutual else None
        return CertificateFiles(self.folder / "server.pem", self.folder / "server.key", roots)

    def put(self, content: dict[str, bytes]) -> None:
        """As tools do it: each file is written beside and then takes its name."""
        for name, one in content.items():
            beside = self.folder / f"{name}.new"
            beside.write_bytes(one)
            beside.rename(self.folder / name)

    def open(self) -> Certificate:
        return Certificate(self.files, system_clock, self._tell)

    def _tell(self, in_force: Credentials, refused: CertificateRefused | None) -> None:
        self.told.append((in_force, "" if refused is None else str(refused)))

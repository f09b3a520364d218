"""Who may call: the names that a caller's certificate must have one of (protocol: Google's client has one name)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import grpc.aio

_DNS: Final = "peer_dns"
_URI: Final = "peer_uri"
"""Subject alternative names by kind, as the server library found them in the certificate that it trusted."""


class Callers:
    """The callers that are let in, by a name of the certificate that the handshake has already found trustworthy.

    Names are DNS names, compared without regard to case, and URIs (they have a colon), compared as they are. Only
    subject alternative names count: a common name is a text that nobody checked (RFC 9525 section 2).
    """

    def __init__(self, names: Iterable[str]) -> None:
        names = frozenset(names)
        self._uris = frozenset(name for name in names if ":" in name)
        self._dns = frozenset(name.lower() for name in names - self._uris)

    def knows(self, context: grpc.aio.ServicerContext[bytes, bytes]) -> bool:
        facts = context.auth_context()
        dns = {_text(name).lower() for name in facts.get(_DNS, ())}
        return not self._dns.isdisjoint(dns) or not self._uris.isdisjoint(map(_text, facts.get(_URI, ())))


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")

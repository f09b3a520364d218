"""What the flags of `slotlease verify` mean."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from slotlease.cli.ledger import CommandFailed

if TYPE_CHECKING:
    from slotlease.verify.case import Case
    from slotlease.verify.shop import Tls


def where_to_call(address: str | None, *, owned: bool) -> str:
    """HOST:PORT. Raises CommandFailed where it is none, or not this machine and nobody said that it may be tried."""
    host, colon, port = (address or "").rpartition(":")
    if not colon or not port.isdecimal() or not host:
        raise CommandFailed(f"{address or 'nothing'!r} is no HOST:PORT; write one, like 127.0.0.1:50051")
    if not owned and not is_loopback(host):
        raise CommandFailed(
            f"{host} is not this machine, and a run books and cancels there, under made-up names; if the server is "
            "yours and may be tried so, say --i-own-this-server"
        )
    return f"{host}:{port}"


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def chosen_names(words: Sequence[str] | None, cases: Sequence[Case]) -> frozenset[str]:
    """Raises CommandFailed for a word that chooses nothing."""
    chosen = frozenset(name for word in words or () for name in word.split(","))
    for name in sorted(chosen):
        if not any(case.chosen_by(frozenset({name})) for case in cases):
            raise CommandFailed(f"no group or case is called {name!r}; docs/verify.md lists them")
    return chosen


def tls_from(
    address: str, wanted: bool | None, files: tuple[Path | None, Path | None, Path | None], name: str
) -> Tls | None:
    """`files`: roots, certificate, key. None for plaintext. Raises CommandFailed."""
    from slotlease.verify.shop import Tls  # noqa: PLC0415 - slow to import: see cli/__init__.py

    roots, certificate, key = files
    given = bool(roots or certificate or key or name)
    if wanted is None:
        wanted = given or not is_loopback(address.rpartition(":")[0])
    if not wanted:
        if given:
            raise CommandFailed("--plaintext shows no certificate and trusts no roots; leave out one or the other")
        return None
    if pair_of(certificate, key, "--tls-certificate and --tls-key") is None:
        return Tls(read(roots), name=name)
    return Tls(read(roots), read(certificate), read(key), name)


def pair_of(certificate: Path | None, key: Path | None, called: str) -> tuple[bytes, bytes] | None:
    """Raises CommandFailed where only one of them is given."""
    if (certificate is None) != (key is None):
        raise CommandFailed(f"{called} go together; give both or neither")
    return None if certificate is None or key is None else (read(certificate) or b"", read(key) or b"")


def credentials_from(user: str, password: str, file: Path | None) -> tuple[str, str]:
    """Raises CommandFailed."""
    if file is None:
        return user, password
    found, colon, secret = (read(file) or b"").decode("utf-8", "replace").strip().partition(":")
    if not colon:
        raise CommandFailed(f"{file} has no line user:password; write one")
    return found, secret


def read(path: Path | None) -> bytes | None:
    """Raises CommandFailed."""
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandFailed(f"{path} cannot be read ({error.strerror}); give a file that is there") from error

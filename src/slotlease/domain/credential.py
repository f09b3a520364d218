"""A user name and password with which Google's version 3 calls come in."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

PASSWORD_BYTES = 24
"""Of random bits in a password. We make it, so nobody can guess it, and a plain keyed hash of it is enough: a slow one
would cost every call what it costs an attacker, who has nothing to guess from."""


@dataclass(frozen=True, slots=True)
class Credential:
    """`password_hash` is `hashed` of the password, which is kept nowhere. The ends are half-open, as every span is."""

    user_name: str
    password_hash: bytes
    not_before_us: int
    not_after_us: int

    def is_valid(self, now_us: int) -> bool:
        return self.not_before_us <= now_us < self.not_after_us


def hashed(key: bytes, user_name: str, password: str) -> bytes:
    """32 bytes. `key` is the ledger's own; the name goes in, so that equal passwords do not look alike."""
    return hashlib.blake2b(f"{len(user_name)}:{user_name}{password}".encode(), key=key, digest_size=32).digest()

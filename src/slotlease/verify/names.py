"""Tokens and users: made up from a seed, the same for the same seed, and marked as test data where people read."""

from __future__ import annotations

import hashlib

from slotlease.verify.shop import User


class Names:
    """Of one case. The next one is another one each time."""

    def __init__(self, seed: str, case_id: str) -> None:
        self._from = f"{seed}/{case_id}"
        self._count = 0

    def token(self) -> str:
        """As Google's look: a number of 64 bits in decimals."""
        self._count += 1
        digest = hashlib.sha256(f"{self._from}/{self._count}".encode()).digest()
        return str(int.from_bytes(digest[:8]))

    def user(self) -> User:
        user_id = self.token()
        # 555-0100 to 555-0199 are for fiction, example.com is nobody's (RFC 2606).
        telephone = f"+1 202 555 01{int(user_id) % 100:02}"
        return User(user_id, "Test", "Slotlease-Verify", telephone, f"slotlease-verify-{user_id}@example.com")

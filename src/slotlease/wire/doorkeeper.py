"""Who may call version 3: HTTP Basic authentication against the ledger's credentials."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hmac
import math
import time
from collections.abc import Callable
from typing import Final

import structlog

from slotlease.domain.credential import hashed
from slotlease.domain.slot import SECOND_US
from slotlease.store.protocol import Store, StoreFault

FRESH_S: Final = 5.0
"""How long a credential that was added or revoked may go unnoticed."""


_DAY_US = 86_400 * SECOND_US

WARNED_AT_DAYS: Final = (30, 14, 7)

_log = structlog.get_logger("slotlease.doorkeeper")


class Doorkeeper:
    """Knows the credentials of a few seconds ago. Several may be valid at once: Google makes partners change theirs
    every six months, and the old one must work until the new one does. One that has run out still asks.

    Without any, `open_without` says whether those on this machine may come in (the port is on loopback), and
    `open_to_forwarded` whether those may whom a proxy brings: only where somebody said that the proxy checks them."""

    def __init__(
        self,
        store: Store,
        now_us: Callable[[], int],
        clock_s: Callable[[], float] = time.monotonic,
        *,
        open_without: bool = True,
        open_to_forwarded: bool = False,
    ) -> None:
        """Raises StoreUnavailable."""
        self._open_without = open_without
        self._open_to_forwarded = open_to_forwarded
        self._store = store
        self._now_us = now_us
        self._clock_s = clock_s
        self._key = store.fingerprint_key
        self._credentials = store.credentials()
        self._read_s = clock_s()
        self._warned_at_days = math.inf
        self._warn()

    async def lets_in(self, authorization: str | None, *, forwarded: bool = False) -> bool:
        """Every credential is compared, all in the same time, so that an answer's time tells nothing."""
        if self._clock_s() - self._read_s >= FRESH_S:
            # First, so that those who come meanwhile do not read as well.
            self._read_s = self._clock_s()
            await asyncio.to_thread(self._read)
            self._warn()
        if not self._credentials:
            return self._open_without and (self._open_to_forwarded or not forwarded)
        user_name, password = _basic(authorization)
        given, now_us = hashed(self._key, user_name, password), self._now_us()
        known = [hmac.compare_digest(one.password_hash, given) & one.is_valid(now_us) for one in self._credentials]
        return any(known)

    @property
    def lets_nobody_in(self) -> bool:
        """There is no credential, and without one nobody comes in."""
        return not (self._credentials or self._open_without)

    def days_left(self) -> float:
        """Until the last of those that are valid now runs out and nobody comes in any more: negative once that has
        come, infinite where nobody is asked."""
        if not self._credentials:
            return math.inf if self._open_without else 0
        return (max(one.not_after_us for one in self._credentials) - self._now_us()) / _DAY_US

    def _read(self) -> None:
        # While the store is away those of before hold; a call that needs it hears so from the desk.
        with contextlib.suppress(StoreFault):
            self._credentials = self._store.credentials()

    def _warn(self) -> None:
        """Once for each of WARNED_AT_DAYS that is reached."""
        left = self.days_left()
        reached = min((days for days in WARNED_AT_DAYS if left <= days), default=math.inf)
        if reached < self._warned_at_days:
            _log.warning("credentials run out", days_left=round(left, 1))
        self._warned_at_days = reached


def _basic(authorization: str | None) -> tuple[str, str]:
    """The name and the password; nobody's where there are none."""
    scheme, _, encoded = (authorization or "").partition(" ")
    try:
        text = base64.b64decode(encoded, validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    user_name, _, password = text.partition(":")
    return user_name, password

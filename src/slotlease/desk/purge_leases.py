"""Purging: deletes leases that ended long ago. A lease is kept for its life and KEPT_US after it (DESIGN 3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar

from slotlease.desk.operation import Operation
from slotlease.domain.facts import RowKey, Wanted
from slotlease.domain.lease import Lease
from slotlease.domain.slot import SECOND_US
from slotlease.domain.view import View
from slotlease.store.protocol import Store

KEPT_US = 30 * 86_400 * SECOND_US

PIECE = 64
"""Leases deleted in one transaction at most. Each costs rows in four b-trees, and a request waits behind one piece."""


@dataclass(frozen=True, slots=True)
class PurgeLeases(Operation[int]):
    """Deletes those of the merchant's `leases` whose expiry is KEPT_US ago or more; answers how many. One that nobody
    marked yet is buried in the same transaction."""

    merchant_no: int
    leases: tuple[RowKey, ...]

    writes: ClassVar[bool] = True

    def want(self, wanted: Wanted) -> None:
        wanted.merchant_nos.add(self.merchant_no)
        wanted.leases.update(self.leases)

    def decide(self, view: View) -> int:
        old = [lease for lease in map(view.lease, self.leases) if lease is not None and _is_old(lease, view.now_us)]
        for lease in old:
            view.purge(lease)
        return len(old)


def _is_old(lease: Lease, now_us: int) -> bool:
    """When a lease was booked or released is not kept; it was before its expiry, so that bounds all ends alike."""
    return lease.expires_us + KEPT_US <= now_us


def purge(store: Store, ask: Callable[[PurgeLeases], int], *, piece: int = PIECE) -> int:
    """Purges the whole ledger once, one merchant at a time in pieces, through the desk that `ask` stands for.
    Returns how many leases were deleted. Raises StoreUnavailable, and whatever `ask` raises."""
    purged = 0
    after: RowKey = (0, 0)
    while keys := store.old_leases(kept_us=KEPT_US, after=after, limit=piece):
        for merchant_no, theirs in groupby(keys, key=lambda key: key[0]):
            purged += ask(PurgeLeases(merchant_no, tuple(theirs)))
        after = keys[-1]
    return purged

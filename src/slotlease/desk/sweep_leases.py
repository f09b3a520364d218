"""Sweeping: marks leases whose time is up. Housekeeping only: time decides, and no answer depends on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar

from slotlease.desk.operation import Operation
from slotlease.domain.facts import RowKey, Wanted
from slotlease.domain.lease import LeaseState
from slotlease.domain.view import View
from slotlease.store.protocol import Store

PIECE = 256
"""Leases buried in one transaction at most, so that requests never wait long behind it."""


@dataclass(frozen=True, slots=True)
class SweepLeases(Operation[int]):
    """Buries those of the merchant's `leases` that are still ACTIVE and no longer live; answers how many."""

    merchant_no: int
    leases: tuple[RowKey, ...]

    writes: ClassVar[bool] = True

    def want(self, wanted: Wanted) -> None:
        wanted.merchant_nos.add(self.merchant_no)
        wanted.leases.update(self.leases)

    def decide(self, view: View) -> int:
        lapsed = [
            lease
            for lease in map(view.lease, self.leases)
            if lease is not None and lease.state is LeaseState.ACTIVE and not lease.is_live(view.now_us)
        ]
        for lease in lapsed:
            view.expire(lease)
        return len(lapsed)


def sweep(store: Store, ask: Callable[[SweepLeases], int], *, piece: int = PIECE) -> int:
    """Sweeps the whole ledger once, one merchant at a time in pieces, through the desk that `ask` stands for.
    Returns how many leases were buried. Raises StoreUnavailable, and whatever `ask` raises."""
    buried = 0
    after: RowKey = (0, 0)
    while keys := store.lapsed_leases(after=after, limit=piece):
        for merchant_no, theirs in groupby(keys, key=lambda key: key[0]):
            buried += ask(SweepLeases(merchant_no, tuple(theirs)))
        after = keys[-1]
    return buried

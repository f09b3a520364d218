"""ReleaseLease: the operator ends a hold before its time. Google has no such call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from slotlease.desk.operation import Operation
from slotlease.domain.facts import Wanted
from slotlease.domain.failure import NotFound
from slotlease.domain.lease import Lease, LeaseState
from slotlease.domain.view import View, spot_of_lease


@dataclass(frozen=True, slots=True)
class ReleaseLease(Operation[Lease | NotFound]):
    lease_id: str

    writes: ClassVar[bool] = True

    def want(self, wanted: Wanted) -> None:
        wanted.add_lease(self.lease_id)

    def decide(self, view: View) -> Lease | NotFound:
        """The lease as it is afterwards: RELEASED, or as it ended before; then nothing is given back twice."""
        lease = view.lease_named(self.lease_id)
        if lease is None:
            return NotFound("lease_id", "no lease with this id")
        if lease.state is not LeaseState.ACTIVE:
            return lease
        if not lease.is_live(view.now_us):
            view.expire(lease)
            return lease._replace(state=LeaseState.EXPIRED)
        view.give_back(spot_of_lease(lease))
        released = lease._replace(state=LeaseState.RELEASED)
        view.put_lease(released)
        return released

"""ShowLease: one lease as it stands, for the operator. Google has no such call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from slotlease.desk.operation import Operation
from slotlease.domain.facts import Wanted
from slotlease.domain.failure import NotFound
from slotlease.domain.lease import Lease
from slotlease.domain.view import View


@dataclass(frozen=True, slots=True)
class ShowLease(Operation[Lease | NotFound]):
    lease_id: str

    writes: ClassVar[bool] = False

    def want(self, wanted: Wanted) -> None:
        wanted.add_lease(self.lease_id)

    def decide(self, view: View) -> Lease | NotFound:
        return view.lease_named(self.lease_id) or NotFound("lease_id", "no lease with this id")

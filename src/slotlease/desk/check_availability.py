"""CheckAvailability: how many spots of one slot could be claimed at this instant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from slotlease.desk.operation import Operation
from slotlease.domain.facts import Wanted
from slotlease.domain.failure import InvalidArgument
from slotlease.domain.slot import AskedSlot
from slotlease.domain.view import View


@dataclass(frozen=True, slots=True)
class Availability:
    """`count_available` 0 says that the slot exists and cannot be had now: full, closed, begun, staff busy."""

    slot: AskedSlot
    count_available: int


@dataclass(frozen=True, slots=True)
class CheckAvailability(Operation[Availability | InvalidArgument]):
    slot: AskedSlot

    writes: ClassVar[bool] = False

    def want(self, wanted: Wanted) -> None:
        wanted.merchant_ids.add(self.slot.merchant_id)
        wanted.slots.append(self.slot)

    def decide(self, view: View) -> Availability | InvalidArgument:
        offer = view.find(self.slot)
        if isinstance(offer, InvalidArgument):
            return offer
        return Availability(self.slot, view.count_available(offer))

"""CloseSlot: the operator takes a slot off sale, or puts it back. Google has no such call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from slotlease.desk.operation import Operation
from slotlease.domain.facts import Wanted
from slotlease.domain.failure import InvalidArgument
from slotlease.domain.slot import AskedSlot, Slot
from slotlease.domain.view import View


@dataclass(frozen=True, slots=True)
class CloseSlot(Operation[Slot | InvalidArgument]):
    """`closes` False opens. Only the operator's own closing is changed: what a feed closed stays closed, and an
    import does not open what the operator has closed."""

    slot: AskedSlot
    closes: bool

    writes: ClassVar[bool] = True

    def want(self, wanted: Wanted) -> None:
        wanted.merchant_ids.add(self.slot.merchant_id)
        wanted.slots.append(self.slot)

    def decide(self, view: View) -> Slot | InvalidArgument:
        """The slot as it is afterwards. Its leases and bookings stay: a live lease is a promise (DESIGN 3)."""
        offer = view.find(self.slot)
        if isinstance(offer, InvalidArgument):
            return offer
        slot = offer.slot._replace(closed_by_operator=self.closes)
        view.put_slot(slot)
        return slot

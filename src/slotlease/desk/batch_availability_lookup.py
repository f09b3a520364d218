"""BatchAvailabilityLookup: which of many slots of one merchant can be had at this instant. One read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from slotlease.desk.operation import Operation
from slotlease.domain.facts import Wanted
from slotlease.domain.failure import InvalidArgument
from slotlease.domain.slot import AskedSlot
from slotlease.domain.view import View, unknown_slot


@dataclass(frozen=True, slots=True)
class BatchAvailabilityLookup(Operation[tuple[bool, ...] | InvalidArgument]):
    """The slots are all of `merchant_id`."""

    merchant_id: str
    slots: tuple[AskedSlot, ...]

    writes: ClassVar[bool] = False

    def want(self, wanted: Wanted) -> None:
        wanted.merchant_ids.add(self.merchant_id)
        wanted.slots.extend(self.slots)

    def decide(self, view: View) -> tuple[bool, ...] | InvalidArgument:
        """Whether each slot has a free spot, in the order asked. A service or slot we do not know is not
        available; only an unknown merchant makes the whole request wrong (DESIGN 5)."""
        merchant = view.merchant(self.merchant_id)
        if merchant is None or merchant.retired:
            return unknown_slot("merchant_id", "no merchant with this id takes bookings here")
        return tuple(_is_available(view, slot) for slot in self.slots)


def _is_available(view: View, slot: AskedSlot) -> bool:
    offer = view.find(slot)
    return not isinstance(offer, InvalidArgument) and view.count_available(offer) > 0

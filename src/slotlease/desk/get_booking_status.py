"""GetBookingStatus: where one booking stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from slotlease.desk.operation import Operation
from slotlease.desk.update_booking import BOOKING_UNKNOWN
from slotlease.domain.booking import Booking
from slotlease.domain.facts import Wanted
from slotlease.domain.failure import NotFound
from slotlease.domain.view import View


@dataclass(frozen=True, slots=True)
class GetBookingStatus(Operation[Booking | NotFound]):
    booking_id: str

    writes: ClassVar[bool] = False

    def want(self, wanted: Wanted) -> None:
        wanted.add_booking(self.booking_id)

    def decide(self, view: View) -> Booking | NotFound:
        return view.booking_named(self.booking_id) or BOOKING_UNKNOWN

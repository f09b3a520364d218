"""ListBookings: a user's upcoming bookings, over all merchants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from slotlease.desk.operation import Operation
from slotlease.domain.booking import Booking
from slotlease.domain.facts import Wanted
from slotlease.domain.failure import NotFound
from slotlease.domain.view import View


@dataclass(frozen=True, slots=True)
class ListBookings(Operation[tuple[Booking, ...] | NotFound]):
    user_key: str

    writes: ClassVar[bool] = False

    def want(self, wanted: Wanted) -> None:
        wanted.users.add(self.user_key)

    def decide(self, view: View) -> tuple[Booking, ...] | NotFound:
        """Upcoming and not cancelled, by start. A user is known while any booking row of theirs exists, so a
        known user with nothing upcoming gets an empty list."""
        bookings = view.bookings_of_user(self.user_key)
        return NotFound("user_id", "no booking of a user with this id") if bookings is None else bookings

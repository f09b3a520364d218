"""A day in a shop's life out of a seed: the same seed, the same requests at the same instants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random  # noqa: TID251 - seeded: it chooses, and the same every time
from typing import TypeVar

from tests.model.corners import Corner
from tests.model.customers import Customers
from tests.model.told import Request, Told
from tests.support import MINUTE_US, Offered

T = TypeVar("T")

SPANS_US = (0, 0, 0, 1, 500_000, 20_000_000, MINUTE_US, 2 * MINUTE_US)
STEPS_US = (-1, -500_000, -MINUTE_US, -10 * MINUTE_US, -60 * MINUTE_US)


class Day:
    """Says what is asked next, of what was heard so far, and how much time passes before it."""

    def __init__(self, corner: Corner, seed: int) -> None:
        self._random = Random(f"{corner.name} {seed}")  # noqa: S311 - see above
        self.customers = Customers(corner)

    def pick(self, options: Sequence[T], /) -> T:
        return self._random.choice(options)

    def time_passes_us(self, *, back: bool = False) -> int:
        """`back`: now and then it steps back."""
        return self.pick(STEPS_US if back and self.pick(range(6)) == 0 else SPANS_US)

    def requests(self, now_us: int, *, together_max: int = 1) -> tuple[Request, ...]:
        """One batch: all writes, or one read."""
        customers = self.customers
        if self.pick(range(5)) == 0:
            return (customers.look(self.pick),)
        count = self.pick(range(1, together_max + 1))
        about = self.pick(("anything", "anything", "a slot", "a booking"))
        if about == "a slot":
            slot = customers.some_slot(self.pick)
            return tuple(customers.claim(self.pick, slot, now_us) for _ in range(count))
        if about == "a booking" and customers.bookings:
            booking = customers.some_booking(self.pick)
            return tuple(customers.change(self.pick, booking) for _ in range(count))
        return tuple(customers.any_write(self.pick, now_us) for _ in range(count))

    def new_inventory(self) -> tuple[str, Offered] | None:
        """Now and then a merchant's slot as another feed has it: lowered, closed, with another tag, as it was."""
        if self.pick(range(10)) > 0:
            return None
        merchant_id, offered = self.pick(self.customers.corner.slots)
        lowered = replace(offered, spots_total=offered.spots_total - 1, spots_elsewhere=0)
        tagged = replace(offered, availability_tag=self.pick(("", "std", "another")))
        return merchant_id, self.pick((offered, offered, offered, lowered, tagged, replace(offered, closed=True)))

    def heard(self, requests: Sequence[Request], answers: Sequence[Told]) -> None:
        for request, told in zip(requests, answers, strict=True):
            self.customers.heard(request, told)

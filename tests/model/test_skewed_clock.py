"""A clock that jumps back and forth never sells a spot twice and loses no booking.

No model here, for it would have to ask the ledger what became of lapsed leases (see `shop_model`). What must hold needs
no such knowledge: after every batch, the claims that any clock could call live fit into the slots, no two of them want
the same staff or room at one time, and every booking that was told of stands as it was last told.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.model.corners import CORNERS, Corner
from tests.model.day import Day
from tests.model.effort import TIMEOUT_S, passing_folder, seeds
from tests.model.ledger_image import LedgerImage, broken_promises, image_of
from tests.model.told import BookingTold, told_by_desk
from tests.model.watched_shop import LedgerShop
from tests.support import HandClock

SEEDS = seeds(6)
BATCHES = 100

pytestmark = [pytest.mark.slow, pytest.mark.timeout(TIMEOUT_S)]


class SkewedDay:
    """One day at a shop whose inventory stays as it is, so that no slot may ever hold more than it has spots."""

    def __init__(self, folder: Path, corner: Corner, seed: int) -> None:
        self.day = Day(corner, seed)
        self.shop = LedgerShop(folder, HandClock())
        self.shop.open_for_business(corner)
        self.image = image_of(self.shop.ledger)
        self.told: dict[str, BookingTold] = {}

    def spend(self) -> None:
        for number in range(1, BATCHES + 1):
            self.ask_a_batch()
            self.check()
            if number % 20 == 0:
                self.shop.restart()
            if number % 15 == 0:
                self.shop.sweep()
                self.check()

    def close(self) -> None:
        self.shop.close()

    def ask_a_batch(self) -> None:
        self.shop.clock.now_us += self.day.time_passes_us(back=True)
        requests = self.day.requests(self.shop.clock.now_us, together_max=4)
        answers = list(map(told_by_desk, requests, self.shop.ask(*requests)))
        self.day.heard(requests, answers)
        self.told |= self.day.customers.bookings

    def check(self) -> None:
        before, self.image = self.image, image_of(self.shop.ledger)
        assert broken_promises(before, self.image, self.shop.clock.now_us) == []
        assert list(sold_twice(self.image)) == []
        assert self.shop.shop.store.audit() == []
        standing = {booking.booking_id: booking.status for booking in self.image.bookings.values()}
        assert standing == {booking_id: told.status for booking_id, told in self.told.items()}


def sold_twice(image: LedgerImage) -> list[str]:
    """Counted twice over: by spots that are not given back, and by ACTIVE leases and standing bookings."""
    by_spots = image.claims_of_slots()
    by_claims = image.live_claims_of_slots(now_us=0)
    return [
        f"{place}: {by_spots[slot]} spots, {by_claims[slot]} claims, capacity {image.capacities[slot]}"
        for slot, place in image.places.items()
        if by_spots[slot] != by_claims[slot] or by_spots[slot] > image.capacities[slot]
    ]


@pytest.mark.parametrize("corner", CORNERS)
def test_no_spot_is_sold_twice_and_no_booking_lost_when_the_clock_jumps(corner: str) -> None:
    for seed in SEEDS:
        with passing_folder() as folder, closing(SkewedDay(folder, CORNERS[corner], seed)) as day:
            try:
                day.spend()
            except AssertionError as wrong:
                wrong.add_note(f"seed {seed}")
                raise

"""Whole days out of seeds, told in batches: denser than what a state machine finds, and beside the same model."""

from __future__ import annotations

from contextlib import closing

import pytest

from tests.model.corners import CORNERS, Corner
from tests.model.day import Day
from tests.model.effort import TIMEOUT_S, passing_folder, seeds
from tests.model.watched_shop import LedgerShop, WatchedShop
from tests.model.wire_shop import WireShop

SEEDS = seeds(6)
SEEDS_BY_WIRE = seeds(2)
BATCHES = 70

pytestmark = [pytest.mark.slow, pytest.mark.timeout(TIMEOUT_S)]


def spend(corner: Corner, seed: int, *, back: bool, kind: type[LedgerShop] = LedgerShop) -> None:
    day = Day(corner, seed)
    with passing_folder() as folder, closing(WatchedShop(folder, corner, asks_ledger=back, kind=kind)) as shop:
        try:
            spend_at(shop, day, back=back)
        except AssertionError as wrong:
            wrong.add_note(f"seed {seed}")
            raise


def spend_at(shop: WatchedShop, day: Day, *, back: bool) -> None:
    for number in range(1, BATCHES + 1):
        shop.clock.now_us += day.time_passes_us(back=back)
        offer = day.new_inventory()
        if offer is not None:
            shop.offer(*offer)
        asked = map(shop.shop.said, day.requests(shop.clock.now_us, together_max=5))
        requests = [request for request in asked if request is not None]
        if requests:
            day.heard(requests, shop.tell(*requests))
        if number % 20 == 0:
            shop.restart()
        if number % 15 == 0:
            shop.sweep()


@pytest.mark.parametrize("corner", CORNERS)
def test_a_day_in_batches_is_answered_as_the_model_says(corner: str) -> None:
    for seed in SEEDS:
        spend(CORNERS[corner], seed, back=False)


@pytest.mark.parametrize("corner", CORNERS)
def test_a_day_of_clocks_that_step_back_is_answered_as_the_model_says(corner: str) -> None:
    for seed in SEEDS:
        spend(CORNERS[corner], seed, back=True)


@pytest.mark.parametrize("corner", CORNERS)
def test_a_day_through_a_socket_is_answered_as_the_model_says(corner: str) -> None:
    for seed in SEEDS_BY_WIRE:
        spend(CORNERS[corner], seed, back=False, kind=WireShop)


@pytest.mark.parametrize("corner", CORNERS)
def test_a_day_of_clocks_that_step_back_is_answered_through_a_socket_as_the_model_says(corner: str) -> None:
    for seed in SEEDS_BY_WIRE:
        spend(CORNERS[corner], seed, back=True, kind=WireShop)

"""The same day told to several shops is answered alike: swept after every request or never, restarted or not.

Time decides whether a lease is live and the sweeper only tidies (DESIGN 3); what a shop knows is on its ledger.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

import pytest

from slotlease.domain.booking import Booking
from slotlease.domain.lease import Lease, LeaseState
from tests.model.corners import CORNERS, Corner
from tests.model.day import Day
from tests.model.effort import TIMEOUT_S, passing_folder, seeds
from tests.model.ledger_image import LedgerImage, image_of
from tests.model.told import Request, told_by_desk
from tests.model.watched_shop import LedgerShop
from tests.support import HandClock, Offered

SEEDS = seeds(6)
REQUESTS = 200

pytestmark = [pytest.mark.slow, pytest.mark.timeout(TIMEOUT_S)]


@dataclass(frozen=True, slots=True)
class Step:
    """What happened at an instant: perhaps a new feed for one slot, then one request and its answer."""

    now_us: int
    offer: tuple[str, Offered] | None
    requests: tuple[Request, ...]
    answers: tuple[object, ...]


@contextmanager
def opened(corner: Corner) -> Iterator[Callable[[str], LedgerShop]]:
    """Makes shops by name that begin with copies of one ledger, so that they draw the same numbers and keys."""
    with passing_folder() as folder:
        with closing(LedgerShop(folder / "opened", HandClock())) as first:
            first.open_for_business(corner)

        def shop(name: str) -> LedgerShop:
            shutil.copytree(folder / "opened", folder / name)
            return LedgerShop(folder / name, HandClock())

        yield shop


def first_telling(shop: LedgerShop, day: Day) -> Iterator[Step]:
    for _ in range(REQUESTS):
        shop.clock.now_us += day.time_passes_us()
        offer = day.new_inventory()
        if offer is not None:
            shop.offer(*offer)
        requests = day.requests(shop.clock.now_us)
        answers = tuple(shop.ask(*requests))
        day.heard(requests, list(map(told_by_desk, requests, answers)))
        yield Step(shop.clock.now_us, offer, requests, answers)


def tell_again(shop: LedgerShop, step: Step) -> tuple[object, ...]:
    shop.clock.now_us = step.now_us
    if step.offer is not None:
        shop.offer(*step.offer)
    return tuple(shop.ask(*step.requests))


def swept(answer: object, now_us: int) -> object:
    """The answer as it would be had the sweeper just run. Which numbered spot is taken is nobody's business: a spot
    given back by a burial is taken before one that merely lapsed."""
    if isinstance(answer, Lease):
        lapsed = answer.state is LeaseState.ACTIVE and answer.expires_us <= now_us
        return answer._replace(spot_no=0, state=LeaseState.EXPIRED if lapsed else answer.state)
    if isinstance(answer, tuple):
        return tuple(swept(one, now_us) for one in answer)
    return replace(answer, spot_no=0) if isinstance(answer, Booking) else answer


def apart_from_spots(image: LedgerImage) -> tuple[object, ...]:
    return (
        image.next_nos,
        image.claims_of_slots(),
        {key: lease._replace(spot_no=0) for key, lease in image.leases.items()},
        {key: booking._replace(spot_no=0) for key, booking in image.bookings.items()},
        {key: event._replace(spot_no=0) for key, event in image.events.items()},
    )


@pytest.mark.parametrize("corner", CORNERS)
def test_a_day_swept_after_every_request_is_answered_as_one_never_swept(corner: str) -> None:
    for seed in SEEDS:
        with opened(CORNERS[corner]) as shop, closing(shop("never")) as never, closing(shop("always")) as always:
            for step in first_telling(never, Day(CORNERS[corner], seed)):
                answers = tell_again(always, step)
                assert swept(answers, step.now_us) == swept(step.answers, step.now_us), f"seed {seed}: {step}"
                always.sweep()
            never.sweep()
            assert apart_from_spots(image_of(never.ledger)) == apart_from_spots(image_of(always.ledger)), f"seed {seed}"


def restarting(shop: LedgerShop, *, every: int) -> Iterator[LedgerShop]:
    """The shop for one request after another."""
    while True:
        for _ in range(every):
            yield shop
        shop.restart()


@pytest.mark.parametrize("corner", CORNERS)
def test_a_day_with_a_restart_after_every_tenth_request_is_answered_as_one_without(corner: str) -> None:
    for seed in SEEDS:
        with opened(CORNERS[corner]) as shop, closing(shop("up")) as up, closing(shop("restarted")) as restarted:
            again = restarting(restarted, every=10)
            for step in first_telling(up, Day(CORNERS[corner], seed)):
                assert tell_again(next(again), step) == step.answers, f"seed {seed}: {step}"
            assert image_of(up.ledger) == image_of(restarted.ledger), f"seed {seed}"

"""docs/capacity.md: the steps of its worked example, played on a real ledger, come to its numbers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from slotlease.domain.booking import Booking
from slotlease.domain.lease import LeaseTerms
from slotlease.domain.slot import SECOND_US
from slotlease.inventory.day import day_of
from tests.inventory.feed_folder import START_S
from tests.inventory.import_shop import ImportShop, asked, import_shop, slot

PAGE = Path(__file__).parents[2] / "docs" / "capacity.md"
DAY = datetime.fromtimestamp(START_S, UTC).date()
MINUTE_S = 60


def test_worked_example_comes_to_its_numbers(tmp_path: Path) -> None:
    steps = [line.split("|") for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    assert len(steps) > 10
    shown = [(step.strip(" `"), [int(cell) for cell in numbers]) for _, step, _, *numbers, _ in steps]
    with import_shop(tmp_path) as shop:
        bookings: list[Booking] = []
        played = [(step, _numbers_after(step, shop, bookings)) for step, _ in shown]
    assert played == shown


def _numbers_after(step: str, shop: ImportShop, bookings: list[Booking]) -> list[int]:
    clock = shop.shop.clock
    clock.advance(s=MINUTE_S)
    match step.split():
        case ["feed", total, spots_open, *earlier]:
            # Earlier is between the last two steps.
            generated_s = clock.now_us // SECOND_US - (3 * MINUTE_S // 2 if earlier else 0)
            shop.put(slot(0, spots_total=int(total), spots_open=int(spots_open)), generated_s=generated_s)
        case ["book"]:
            bookings.append(shop.shop.book(asked(), user_id=f"u{clock.now_us}"))
        case ["lease"]:
            shop.shop.lease(asked())
        case ["expire"]:
            clock.advance(us=LeaseTerms().default_us)
        case ["cancel"]:
            shop.shop.cancel(bookings.pop())
        case _:
            raise AssertionError(step)
    (found,) = day_of(shop.store, "m1", DAY)
    return [found.spots_total, found.spots_elsewhere, found.bookings, found.leases, found.available]

"""What eight callers at once were told, some order of one after the other explains (INV-26, INV-27).

And the proof that this can fail: servers with a mistake planted in them are caught, each by the same run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import apsw
import pytest

from slotlease.desk import desk
from slotlease.desk.batch import Batches
from slotlease.desk.operation import Operation
from slotlease.domain import view
from slotlease.domain.spot import Occupancy, SpotChoice, choose_spot
from tests.linearizability.histories import EXPECTED_CODES, Figures, run
from tests.support import Shop, open_shop
from tests.wire.conftest import Served, serving

pytestmark = pytest.mark.slow

HISTORIES = 20
EVERY = 2
"""A planted mistake shows itself in one of two cases in which it could: seldom enough to look like the truth, and often
enough for two histories."""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = open_shop(tmp_path)
    yield shop
    shop.store.close()


@contextmanager
def watched(shop: Shop) -> Iterator[Served]:
    with serving(shop) as served:
        yield served
    assert served.incidents == []


def test_some_order_explains_all_that_concurrent_callers_were_told(shop: Shop) -> None:
    with watched(shop) as served:
        figures = run([served], range(HISTORIES))
    assert figures.wrong == []
    assert figures.codes.keys() <= EXPECTED_CODES
    assert shop.store.audit() == []
    assert_worth_checking(figures)


def assert_worth_checking(figures: Figures) -> None:
    """Whatever can be told was told, and often: a history of refusals would prove nothing."""
    told = figures.told
    assert min(told["CreateLease Leased"], told["CreateBooking Booked"], told["CheckAvailability some"]) > 50
    assert min(told["Move Booked"], told["Move SLOT_UNAVAILABLE"], told["CreateBooking LEASE_EXPIRED"]) > 10
    assert min(told["GetBookingStatus CONFIRMED"], told["GetBookingStatus CANCELED"], figures.unknown) > 10


# --- mistakes, planted in the test's server and nowhere else -----------------------------------------------------


def forget_capacity(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule sells one spot too many, once in EVERY times that a slot is full."""
    times = count(1)

    def choose(occupancy: Occupancy, rivals: list[Occupancy], capacity: int) -> SpotChoice | None:
        choice = choose_spot(occupancy, rivals, capacity)
        if choice is None and not any(rival.busy for rival in rivals) and next(times) % EVERY == 0:
            return SpotChoice(occupancy.highest + 1, None, ())
        return choice

    monkeypatch.setattr(view, "choose_spot", choose)


def test_planted_oversell_is_caught(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = apsw.Connection(str(tmp_path / "ledger.db"))
    ledger.execute("DROP TRIGGER spot_within_capacity")
    ledger.close()
    forget_capacity(monkeypatch)
    with watched(shop) as served:
        assert len(run([served], range(3)).wrong) >= 3


def test_what_a_broken_rule_would_sell_twice_the_ledger_itself_refuses(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV-4: the same mistake without the hole in the schema costs its caller an INTERNAL and nobody a spot."""
    forget_capacity(monkeypatch)
    with serving(shop) as served:
        figures = run([served], range(2))
    assert served.incidents
    unheard = len(served.incidents) - figures.codes["INTERNAL"]
    assert 0 <= unheard <= figures.codes["DEADLINE_EXCEEDED"]  # nobody waits who gave up
    assert figures.wrong == []
    assert shop.store.audit() == []


def test_planted_stale_reads_are_caught(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of EVERY reads is told what the same question was told when it was first asked."""

    class Forgetful(Batches):
        def read(self, operations: Sequence[Operation[object]]) -> list[object]:
            answers = super().read(operations)
            return [self._old(operation, answer) for operation, answer in zip(operations, answers, strict=True)]

        def _old(self, operation: Operation[object], answer: object) -> object:
            first = told.setdefault(operation, answer)
            return first if next(times) % EVERY == 0 else answer

    told: dict[Operation[object], object] = {}
    times = count(1)
    monkeypatch.setattr(desk, "Batches", Forgetful)
    with watched(shop) as served:
        assert run([served], range(3)).wrong != []

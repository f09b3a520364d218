"""The machines and days of the model on PostgreSQL, with two servers in turn, a clock that is the database's, and the
same asked of SQLite: equal answers and equal rows, whatever is asked (INV-30). And once through a socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis.stateful import run_state_machine_as_test

from tests.model.corners import CORNERS, Corner
from tests.model.day import Day
from tests.model.effort import TIMEOUT_S, passing_folder, seeds
from tests.model.postgres_shop import BothEngines, PostgresShop, PostgresWireShop
from tests.model.test_state_machine import ForwardMachine, ShopMachine, SkewedMachine, machine_settings
from tests.model.test_whole_days import spend_at
from tests.model.watched_shop import WatchedShop
from tests.postgres.ledger_database import LedgerDatabase, ledger_database

pytestmark = [pytest.mark.slow, pytest.mark.timeout(TIMEOUT_S)]

EXAMPLES = 3
EXAMPLES_BY_WIRE = 2
SEEDS = seeds(1)


@pytest.fixture(scope="module")
def ledger(postgres: str, postgres_template: str) -> Iterator[LedgerDatabase]:
    with ledger_database(postgres, postgres_template) as ledger:
        yield ledger


def on(ledger: LedgerDatabase, shop: type[PostgresShop]) -> type[PostgresShop]:
    return type(shop.__name__, (shop,), {"database": ledger})


def run(machine: type[ShopMachine], kind: type[PostgresShop], examples: int) -> None:
    on_postgres = type(machine.__name__, (machine,), {"kind": kind})
    run_state_machine_as_test(on_postgres, settings=machine_settings(examples))


@pytest.mark.parametrize("machine", [ForwardMachine, SkewedMachine])
def test_inv_30_the_same_program_is_answered_and_kept_alike_on_postgresql_and_sqlite(
    machine: type[ShopMachine], ledger: LedgerDatabase
) -> None:
    run(machine, on(ledger, BothEngines), EXAMPLES)


@pytest.mark.parametrize("machine", [ForwardMachine, SkewedMachine])
def test_whatever_is_asked_through_a_socket_is_answered_as_the_model_says(
    machine: type[ShopMachine], ledger: LedgerDatabase
) -> None:
    run(machine, on(ledger, PostgresWireShop), EXAMPLES_BY_WIRE)


@pytest.mark.parametrize("corner", CORNERS)
def test_a_day_in_batches_is_answered_and_kept_alike_on_postgresql_and_sqlite(
    corner: str, ledger: LedgerDatabase
) -> None:
    for seed in SEEDS:
        # At every other corner, and there with every other seed, the clock steps back.
        back = (list(CORNERS).index(corner) + seed) % 2 == 1
        kind = on(ledger, BothEngines)
        with (
            passing_folder() as folder,
            closing(WatchedShop(folder, CORNERS[corner], asks_ledger=back, kind=kind)) as shop,
        ):
            try:
                spend_at(shop, DayOfEdges(shop, CORNERS[corner], seed), back=back)
            except AssertionError as wrong:
                wrong.add_note(f"seed {seed}")
                raise


class DayOfEdges(Day):
    """Time stops, more often than not, at the instant at which a lease ends, or beside it: where two engines compare
    otherwise, there it shows."""

    def __init__(self, shop: WatchedShop, corner: Corner, seed: int) -> None:
        super().__init__(corner, seed)
        self._clock = shop.clock

    def time_passes_us(self, *, back: bool = False) -> int:
        now_us = self._clock.now_us
        ahead = [lease.expires_us for lease in self.customers.leases if lease.expires_us > now_us]
        if ahead and self.pick(range(3)) == 0:
            return min(ahead) + self.pick((-1, 0, 0, 0, 1)) - now_us
        return super().time_passes_us(back=back)

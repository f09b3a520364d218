"""Two servers, an import, an operator and the sweeper on one ledger at once: no deadlock, and nothing sold twice."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from slotlease.desk.batch import Batches
from slotlease.desk.close_slot import CloseSlot
from slotlease.desk.operation import Operation
from slotlease.desk.set_marketing_preference import SetMarketingPreference
from slotlease.desk.sweep_leases import sweep
from slotlease.desk.tally import Tally
from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import Booking, BookingStatus
from slotlease.domain.policy import Rules
from slotlease.telemetry.metrics import Metrics
from tests.store.postgres_backend import DatabaseClock, PostgresBackend
from tests.store.postgres_ledger import backend, clock
from tests.support import DAY_US, HOUR_US, NOON_US, Offered, Shop, user

__all__ = ["backend", "clock"]

MERCHANTS = [f"m{number}" for number in range(1, 6)]
SLOTS = [Offered(start_us=NOON_US + DAY_US + n * HOUR_US // 2, staff_id=("ann", "bob", "")[n % 3]) for n in range(12)]
FOR_S = 4.0


class Server:
    """One of several on the ledger, with requests of its own, each batch over several merchants in its own order."""

    def __init__(self, backend: PostgresBackend, clock: DatabaseClock, number: int) -> None:
        self.store = backend.open(clock)
        self.shop = Shop(self.store, clock)
        self.metrics = Metrics()
        self.shop.batches = Batches(
            self.store, Rules(self.store.fingerprint_key), self._report, Tally(self.metrics, lambda: 0)
        )
        self.number = number
        self.faults: list[BaseException] = []
        self.bookings: list[Booking] = []

    def _report(self, error: BaseException) -> str:
        self.faults.append(error)
        return "incident"

    def batch(self, turn: int) -> None:
        step = 1 if (turn + self.number) % 2 else -1
        asked = [SLOTS[(turn + place) % len(SLOTS)].asked(m) for place, m in enumerate(MERCHANTS[::step])]
        name = f"{self.number}-{turn}"
        operations: list[Operation[object]] = []
        for place, slot in enumerate(asked):
            if place % 2:
                operations.append(self.shop.create_lease(slot, reference=f"{name}-{place}"))
            else:
                token = f"{name}-{place}"
                operations.append(self.shop.create_booking(slot, user_id=f"u{self.number}-{turn}", token=token))
        operations += [UpdateBooking(one.booking_id, status=BookingStatus.CANCELED) for one in self.bookings[-3:]]
        answers = self.shop.ask_all(operations)
        self.bookings = [answer for answer in answers if isinstance(answer, Booking)]

    def preferences(self, turn: int) -> None:
        """Rows that no merchant's lock guards."""
        users = range(40)[:: 1 if (turn + self.number) % 2 else -1]
        self.shop.ask_all([SetMarketingPreference(user(f"u{n}"), receives_marketing=bool(turn % 2)) for n in users])

    def deadlocks(self) -> float:
        """As the operator's metrics tell them."""
        return float(self.metrics.batch_repeats.labels("deadlock")._value.get())  # noqa: SLF001 - no other way


def again_and_again(acts: Sequence[tuple[str, Callable[[int], None]]]) -> Counter[str]:
    """Each on a thread of its own, for a few seconds; how often each was done. Raises what the first to fail raised."""
    until_s = time.monotonic() + FOR_S
    turns: Counter[str] = Counter()
    failures: list[BaseException] = []

    def run(name: str, act: Callable[[int], None]) -> None:
        try:
            while time.monotonic() < until_s:
                act(turns[name])
                turns[name] += 1
        except BaseException as error:  # noqa: BLE001 - shown by the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=run, args=act) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return turns


@pytest.mark.slow
def test_two_servers_an_import_an_operator_and_the_sweeper_never_wait_for_each_other_in_a_circle(
    backend: PostgresBackend, clock: DatabaseClock
) -> None:
    servers = [Server(backend, clock, number) for number in range(4)]
    feeds, operator = servers[2], servers[3]

    def import_all(turn: int) -> None:
        step = 1 if turn % 2 else -1
        for merchant_id in MERCHANTS[::step]:
            feeds.shop.offer(*SLOTS[::step], merchant_id=merchant_id)
        feeds.store.put_catalogue(f"new-{turn}", None, [], [], [])
        feeds.store.retire_merchants([f"new-{number}" for number in range(turn)][::step])

    def operate(turn: int) -> None:
        asked = SLOTS[turn % len(SLOTS)].asked(MERCHANTS[turn % len(MERCHANTS)])
        operator.shop.ask(CloseSlot(asked, closes=turn % 3 == 0))
        operator.store.probe_write()

    def sweep_all(_: int) -> None:
        clock.advance(s=20)
        sweep(operator.store, operator.shop.ask, piece=3)

    import_all(0)
    acts = [(f"batches {server.number}", server.batch) for server in servers[:2] for _ in range(2)]
    acts += [(f"preferences {server.number}", server.preferences) for server in servers[:2]]
    turns = again_and_again([*acts, ("imports", import_all), ("operator", operate), ("sweeps", sweep_all)])
    assert min(turns.values()) > 3, turns
    assert [fault for server in servers for fault in server.faults] == []
    assert backend.sql("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [(0,)]
    assert [server.deadlocks() for server in servers] == [0, 0, 0, 0]
    assert servers[0].store.audit() == []
    for server in servers:
        server.store.close()

"""libres (PyPI), a library that reserves things on PostgreSQL: how many reservations a second its own calls make, from
threads of one process and without any server in front, which ours has.

`python -m bench.peers.libres_holds` starts a PostgreSQL of its own as the benchmark does, and prints a table. A
reservation is `reserve` and `approve_reservations`, committed durably; where PostgreSQL says that it must be repeated
(libres works at SERIALIZABLE), it is, up to 50 times.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import libres
from libres.modules.errors import LibresError
from sqlalchemy.exc import DBAPIError

from bench.databases import postgres

RESOURCES, STARTS = 10, 100
FOR_S, REPEATS_MAX = 5.0, 50
FIRST = datetime(2030, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ONE_US = timedelta(microseconds=1)
"""By which a reserved slot ends before the next begins."""


@dataclass(frozen=True, slots=True)
class Round:
    """`spots` on each of the slots that `choose` picks."""

    name: str
    threads: int
    spots: int
    choose: Callable[[Random], int]


def first(_random: Random) -> int:
    return 0


def any_of_them(random: Random) -> int:
    return random.randrange(RESOURCES * STARTS)


# Its pool has ten connections and no setting for more.
ROUNDS = (
    Round("1,000 slots of 12 spots", 1, 12, any_of_them),
    Round("1,000 slots of 12 spots", 10, 12, any_of_them),
    Round("one slot of 1,000 spots", 10, 1000, first),
    Round("one slot of 5 spots", 10, 5, first),
)


def dates(slot: int) -> tuple[int, datetime, datetime]:
    start, resource = divmod(slot, RESOURCES)
    return resource, FIRST + start * HOUR, FIRST + (start + 1) * HOUR


class Holder:
    """Reserves from many threads, each with a session of its own."""

    def __init__(self, url: str, name: str, spots: int) -> None:
        context = libres.registry.register_context(name)
        context.set_setting("dsn", url.replace("postgresql:", "postgresql+psycopg2:"))
        self._schedulers: list[Any] = [
            libres.new_scheduler(context, f"resource-{number}", "UTC") for number in range(RESOURCES)
        ]
        self._schedulers[0].setup_database()
        for slot in range(RESOURCES * STARTS):
            resource, start, end = dates(slot)
            self._schedulers[resource].allocate((start, end), quota=spots, approve_manually=False)
        self._schedulers[0].commit()

    def reserve(self, slot: int) -> str:
        """How it ended."""
        resource, start, end = dates(slot)
        scheduler = self._schedulers[resource]
        for repeats in range(REPEATS_MAX):
            try:
                scheduler.approve_reservations(scheduler.reserve("ada@example.com", (start, end)))
                scheduler.commit()
            except LibresError:
                scheduler.rollback()
                return "refused"
            except DBAPIError:
                scheduler.rollback()
                time.sleep(0.001 * repeats)
            else:
                return "reserved"
        return "gave up"

    def sold(self, slot: int) -> int:
        resource, start, end = dates(slot)
        scheduler = self._schedulers[resource]
        return int(scheduler.managed_reserved_slots().filter_by(start=start, end=end - ONE_US).count())


def measure(one: Round, url: str, number: int) -> str:
    holder = Holder(url, f"bench-{number}", one.spots)
    ended: Counter[str] = Counter()
    until_s = time.monotonic() + FOR_S

    def hold(seed: int) -> Iterator[str]:
        random = Random(seed)
        while time.monotonic() < until_s:
            yield holder.reserve(one.choose(random))

    with ThreadPoolExecutor(one.threads) as pool:
        for answers in pool.map(lambda seed: Counter(hold(seed)), range(one.threads)):
            ended += answers
    oversold = max(0, holder.sold(0) - one.spots)
    told = ", ".join(f"{how} {times:,}" for how, times in ended.most_common())
    return f"| {one.name} | {one.threads} | {ended['reserved'] / FOR_S:,.0f} | {told} | {oversold} |"


def main() -> None:
    sys.stdout.write("| slots | threads | reservations/s | calls | oversold |\n|---|---|---|---|---|\n")
    folder = Path("build/bench").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with postgres(folder / "postgres-of-libres") as databases:
        for number, one in zip(count(), ROUNDS, strict=False):
            sys.stdout.write(f"{measure(one, databases.empty(), number)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()

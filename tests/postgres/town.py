"""Eight callers of one ledger in a PostgreSQL database, whoever serves it: they ask the next server when one does not
answer, with the token they asked with before. What became of it all is held against what they were told."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from itertools import count, cycle
from secrets import token_bytes  # noqa: TID251 - two servers must not draw the same

import grpc
import psycopg

from slotlease.domain.merchant import Service
from slotlease.domain.slot import AskedSlot
from slotlease.store.clock import system_clock
from slotlease.store.postgres import PostgresStore
from slotlease.wire.proto.v2.booking_service_pb2_grpc import BookingServiceStub
from tests.crash.audit import wrongs
from tests.crash.callers import Caller
from tests.model.ledger_image import LedgerImage, broken_promises, image_of
from tests.support import DAY_US, HOUR_US, HandClock, Offered, Shop
from tests.wire.conftest import Served, serving

CALLERS = 8
MERCHANT_NO = 1
"""Theirs, the first on the ledger."""

SPOTS = (2, 5, 20, 100, 400, 10_000)
MOMENT_S = 0.02
"""Before somebody who was not answered asks again."""

_OWN_SOCKET = (("grpc.use_local_subchannel_pool", 1),)


class Enough(Exception):
    """The caller has asked all that it was to ask."""


class Town:
    """The ledger at `url` gets its slots. All begin long after the test: time decides nothing here."""

    def __init__(self, url: str, seed: int) -> None:
        self.url = url
        self.slots = _stock(url)
        self.callers = [Caller(f"c{number}", seed, self.slots) for number in range(CALLERS)]
        self.counts: Counter[str] = Counter()
        self.image = self._image()

    def call(
        self,
        addresses: Sequence[str],
        calls: int,
        *,
        within_s: float = 60.0,
        is_over: Callable[[], bool] = lambda: False,
    ) -> None:
        """Each caller is answered `calls` times, refusals included, or is not answered and `is_over`. Raises
        TimeoutError."""
        ends_s = time.monotonic() + within_s
        with ThreadPoolExecutor(CALLERS) as pool:
            lives = [
                pool.submit(
                    _live,
                    caller,
                    [addresses[(first + n) % len(addresses)] for n in range(len(addresses))],
                    calls,
                    ends_s,
                    is_over,
                )
                for first, caller in enumerate(self.callers)
            ]
            for life in lives:
                life.result()

    def settle(self, addresses: Sequence[str]) -> None:
        """Everybody learns what became of what was not answered."""
        self.call(addresses, 1)

    def nobody_is_answered(self) -> bool:
        """Everybody has learned that no server answers just now."""
        return all(caller.counts["unanswered"] for caller in self.callers)

    def wrongs(self) -> list[str]:
        """What the ledger and the callers disagree on, and what is wrong with the ledger."""
        image = self._image()
        wrong = [
            *(wrong for caller in self.callers for wrong in caller.wrong),
            *wrongs(self.callers, _of_callers(image), self.counts),
            *broken_promises(self.image, image, system_clock()),
        ]
        with closing(PostgresStore(self.url)) as store:
            wrong += map(str, store.audit())
        self.image = image
        for caller in self.callers:
            self.counts += caller.counts
            caller.counts.clear()
        return wrong

    def _image(self) -> LedgerImage:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return image_of(connection)


def _of_callers(image: LedgerImage) -> LedgerImage:
    """Without what others lease and book of other merchants."""
    leases = {key: lease for key, lease in image.leases.items() if key[0] == MERCHANT_NO}
    return replace(
        image, leases=leases, bookings={key: one for key, one in image.bookings.items() if key[0] == MERCHANT_NO}
    )


def _live(caller: Caller, addresses: Sequence[str], calls: int, ends_s: float, is_over: Callable[[], bool]) -> None:
    answers = count(1)

    def answered() -> None:
        if next(answers) >= calls:
            raise Enough

    with ExitStack() as sockets:
        stubs = []
        for address in addresses:
            channel = sockets.enter_context(grpc.insecure_channel(address, options=_OWN_SOCKET))
            stubs.append(BookingServiceStub(channel))
        for stub in cycle(stubs):
            try:
                caller.live(stub, answered, only_settle=False)
            except Enough:
                return
            caller.counts["unanswered"] += 1
            if is_over():
                return
            if time.monotonic() > ends_s:
                message = f"{caller.name} was not answered any more, last over {caller.doubtful}"
                raise TimeoutError(message)
            time.sleep(MOMENT_S)


def _stock(url: str) -> list[AskedSlot]:
    """One service whose slots have from two spots to as many as one can have: some is granted and some refused."""
    clock = HandClock(system_clock())
    day_us = clock.now_us - clock.now_us % DAY_US + 60 * DAY_US
    offered = [Offered("yoga", day_us + n * HOUR_US, spots_total=spots) for n, spots in enumerate(SPOTS)]
    with closing(PostgresStore(url)) as store:
        shop = Shop(store, clock)
        shop.serve(Service(0, 0, "yoga", one_booking_per_user=False))
        shop.offer(*offered)
    return [one.asked() for one in offered]


@contextmanager
def served_at(*urls: str) -> Iterator[list[Served]]:
    """A server for each, on the ledger that is reached there."""
    with ExitStack() as servers:
        served = []
        for url in urls:
            store = servers.enter_context(closing(PostgresStore(url)))
            shop = Shop(store, HandClock(system_clock()))
            served.append(servers.enter_context(serving(shop, new_secret=lambda: token_bytes(16))))
        yield served
    for one in served:
        assert one.incidents == []


def background(action: Callable[[], None]) -> Callable[[], None]:
    """Starts it; what is returned waits for its end and raises what it raised."""
    pool = ThreadPoolExecutor(1)
    doing = pool.submit(action)

    def end() -> None:
        with pool:
            doing.result()

    return end

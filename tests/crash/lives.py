"""One server process after the other on one ledger, each killed under load; what it leaves is audited before the next.

`python -m tests.crash.lives --kills 60` is the long run.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random  # noqa: TID251 - seeded: it chooses where to kill

import grpc

from slotlease.domain.merchant import Service
from slotlease.domain.slot import AskedSlot
from slotlease.store.clock import system_clock
from slotlease.store.open import open_store
from slotlease.wire.proto.v2.booking_service_pb2_grpc import BookingServiceStub
from tests.crash.audit import wrongs
from tests.crash.callers import Caller
from tests.crash.serve_and_die import POINTS
from tests.model.ledger_image import LedgerImage, broken_promises, image_of, open_ledger
from tests.proofs.ledger_file import LEDGER, copy_ledger, url_of
from tests.support import DAY_US, HOUR_US, HandClock, Offered, open_shop

CALLERS = 8
SPOTS = (2, 5, 20, 100, 400, 10_000)
LEASE = "30d"
WAIT_S = 30.0
"""Nothing here takes so long; what waits for it has failed."""

RANDOM = "random"
_ROOT = Path(__file__).parents[2]
_ADDRESS = re.compile(r" on (\S+), leases ")


@dataclass(frozen=True, slots=True)
class Kill:
    """RANDOM: by us, from outside, once `after` calls were answered. Else by the server itself, at the point, from its
    batch number `after` on."""

    where: str
    after: int


def kills(count: int, seed: int) -> list[Kill]:
    """Every point in turn, and random ones as often as all of them."""
    chance = Random(f"kills {seed}")  # noqa: S311 - chooses, hides nothing
    turn = [where for point in POINTS for where in (RANDOM, point)]
    chosen = [turn[number % len(turn)] for number in range(count)]
    return [Kill(where, chance.randint(20, 300 if where == RANDOM else 60)) for where in chosen]


@dataclass(slots=True)
class Figures:
    kills: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    took_s: float = 0.0

    def __str__(self) -> str:
        points = ", ".join(f"{count} {where}" for where, count in sorted(self.kills.items()))
        counts = ", ".join(f"{count:,} {what}" for what, count in sorted(self.counts.items()))
        return f"{self.kills.total()} kills ({points}); {counts}; {len(self.wrong)} wrong; {self.took_s:.0f} s"


class Lives:
    """`mistake`: one of `planted.MISTAKES`, that every server but the last makes."""

    def __init__(self, folder: Path, seed: int, *, mistake: str = "") -> None:
        self._folder = folder
        self._mistake = mistake
        self.figures = Figures()
        slots = _stock(folder)
        self.callers = [Caller(f"c{number}", seed, slots) for number in range(CALLERS)]
        self.image = self._copied_image("audited-0")

    def kill(self, kill: Kill) -> None:
        """A life that ends badly, and what it left."""
        with self._server(kill) as (server, address):
            answered = threading.Semaphore(0)
            killing = threading.Thread(target=_kill_after, args=(server, answered, kill.after))
            if kill.where == RANDOM:
                killing.start()
            self._let_call(address, answered.release, only_settle=False)
            code = server.wait(WAIT_S)
            if kill.where == RANDOM:
                killing.join()
        self.figures.kills[kill.where] += 1
        if code != -signal.SIGKILL:
            self.figures.wrong.append(f"{kill}: the server ended with {code}")
        self.figures.counts["unanswered"] += sum(caller.doubtful is not None for caller in self.callers)
        self.audit(str(kill))

    def settle(self) -> None:
        """A last life in which everybody learns what became of what was not answered. It ends in good order."""
        with self._server(None) as (server, address):
            self._let_call(address, lambda: None, only_settle=True)
            server.terminate()
            if server.wait(WAIT_S) != 0:
                self.figures.wrong.append(f"the last server ended with {server.returncode}")
        self.audit("settled")
        doctor = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "slotlease.cli", "doctor", "--store", url_of(self._folder)],
            cwd=_ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if doctor.returncode != 0:
            self.figures.wrong.append(f"doctor: {doctor.stdout}{doctor.stderr}")

    def audit(self, after: str) -> None:
        """On a copy: the next server shall find the files as the last one left them."""
        image = self._copied_image(f"audited-{self.figures.kills.total()}-{after.partition('(')[0]}")
        wrong = [
            *(wrong for caller in self.callers for wrong in caller.wrong),
            *wrongs(self.callers, image, self.figures.counts),
            *broken_promises(self.image, image, system_clock()),
        ]
        self.figures.wrong += [f"{after}: {one}" for one in wrong]
        self.image = image
        for caller in self.callers:
            self.figures.counts += caller.counts
            caller.counts.clear()
            caller.wrong.clear()

    def _copied_image(self, name: str) -> LedgerImage:
        copy = copy_ledger(self._folder, self._folder / name)
        store = open_store(url_of(copy))
        self.figures.wrong += [f"{finding}" for finding in store.audit()]
        ledger = open_ledger(copy / LEDGER)
        image = image_of(ledger)
        ledger.close()
        store.close()
        shutil.rmtree(copy)
        return image

    def _let_call(self, address: str, answered: Callable[[], None], *, only_settle: bool) -> None:
        with ThreadPoolExecutor(CALLERS) as pool, grpc.insecure_channel(address) as channel:
            stub = BookingServiceStub(channel)
            lives = [pool.submit(caller.live, stub, answered, only_settle=only_settle) for caller in self.callers]
            for life in lives:
                life.result(WAIT_S)

    @contextmanager
    def _server(self, kill: Kill | None) -> Iterator[tuple[subprocess.Popen[str], str]]:
        """As people start it; only who is to die at a named point is started by another hand."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SLOTLEASE_")}
        module = "slotlease.cli"
        if self._mistake or (kill is not None and kill.where != RANDOM):
            module = "tests.crash.serve_and_die"
            environment["MISTAKE"] = self._mistake
            environment["DIE_AT"] = f"{kill.where}:{kill.after}" if kill is not None and kill.where != RANDOM else ""
        options = ["--grpc", "127.0.0.1:0", "--lease-max", LEASE, "--lease-default", LEASE, "--sweep-interval", "0"]
        options += ["--log-level", "error"]
        log = self._folder / "server.log"
        with log.open("a", encoding="utf-8") as stderr:
            server = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", module, "serve", "--store", url_of(self._folder), *options],
                cwd=_ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        too_late = threading.Timer(WAIT_S, server.kill)
        too_late.start()
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            address = _ADDRESS.search(line)
            assert address is not None, f"the server said {line!r}; its log: {log.read_text('utf-8')}"
            yield server, address[1]
        finally:
            too_late.cancel()
            server.kill()
            server.wait(WAIT_S)
            if server.stdout is not None:
                server.stdout.close()


def _kill_after(server: subprocess.Popen[str], answered: threading.Semaphore, calls: int) -> None:
    for _ in range(calls):
        if not answered.acquire(timeout=WAIT_S):
            break
    server.kill()


def _stock(folder: Path) -> list[AskedSlot]:
    """One service whose slots have from two spots to as many as one can have, so that what is asked is granted at
    times and refused at times. It all begins long after the test: no lease ends meanwhile, and time decides nothing."""
    shop = open_shop(folder, clock=HandClock(system_clock()))
    day_us = shop.clock.now_us - shop.clock.now_us % DAY_US + 60 * DAY_US
    offered = [Offered("yoga", day_us + n * HOUR_US, spots_total=spots) for n, spots in enumerate(SPOTS)]
    shop.serve(Service(0, 0, "yoga", one_booking_per_user=False))
    shop.offer(*offered)
    shop.store.close()
    return [one.asked() for one in offered]


def run(folder: Path, count: int, seed: int) -> Figures:
    began_s = time.perf_counter()
    lives = Lives(folder, seed)
    for kill in kills(count, seed):
        lives.kill(kill)
    lives.settle()
    lives.figures.took_s = time.perf_counter() - began_s
    return lives.figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument(
        "--seed", type=int, default=1, help="what is asked and where to kill; the timing is the machine's"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="slotlease-crash-") as folder:
        figures = run(Path(folder), options.kills, options.seed)
    for wrong in figures.wrong:
        print(wrong)  # noqa: T201 - this is a command
    print(f"crash: seed {options.seed}: {figures}")  # noqa: T201 - the same
    sys.exit(bool(figures.wrong))


if __name__ == "__main__":
    main()

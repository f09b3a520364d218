"""A day of the shop, drawn from a seed: callers whose requests are lost, doubled, delayed and overtaken, a clock that
steps both ways, a disk that fails, and a process that is stopped between any two statements of the store.

The desk, the rules and SQLite are the real ones; the schedule is one thread and one `random.Random(seed)`, so a seed is
a day that can be had again, byte for byte: `python -m tests.proofs.simulator --seed 17` tells it. Everything that is
answered is judged by the model (tests/model), and the ledger after each batch by `broken_promises`.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random  # noqa: TID251 - the seed is the argument: it is what makes a run repeatable

import apsw

from slotlease.desk.book_lease import BookLease
from slotlease.desk.check_availability import CheckAvailability
from slotlease.desk.create_booking import CreateBooking
from slotlease.desk.create_lease import CreateLease
from slotlease.desk.get_booking_status import GetBookingStatus
from slotlease.desk.operation import Operation
from slotlease.desk.update_booking import UpdateBooking
from tests.model.told import BookingTold, Request
from tests.proofs.callers import ASKED, SERVICES, SLOTS, Caller, again
from tests.proofs.judge import Judge, Violation
from tests.proofs.ledger_file import LEDGER, scratch_folder
from tests.proofs.served import Served, Trouble
from tests.proofs.tripwire import AWAY, BUSY, DATA, KILL, KILL_AFTER, UNKNOWN, Failure, Tripwire, set_tripwire
from tests.support import HandClock, open_shop

ACTIONS = 200
CALLERS = 6
DRAIN_MAX = 500


@dataclass(frozen=True, slots=True)
class Call:
    """A request on its way, or waiting. `number` is the caller's own count of what it asked."""

    caller: int
    number: int
    request: Request

    def __str__(self) -> str:
        return f"{self.caller}.{self.number}"


@dataclass(frozen=True, slots=True)
class Day:
    """What a seed came to: `digest` is a hash of everything that happened, in order."""

    seed: int
    digest: str
    counts: Counter[str]
    transcript: tuple[str, ...] = field(repr=False)
    violation: str = ""


class Simulation:
    """One day. `folder` holds a ledger as opened by `make_template`, and is the simulation's own."""

    def __init__(self, seed: int, folder: Path, tripwire: Tripwire) -> None:
        self.rng = Random(seed)  # noqa: S311 - nobody's secret hangs on it
        self.clock = HandClock()
        self.counts: Counter[str] = Counter()
        self.transcript: list[str] = []
        self._judge = Judge(self.clock)
        self._served = Served(folder, self.clock, tripwire, self._judge, self.counts)
        # Whoever knows a booking may change it: here all know of all, as the user, the merchant and Google do.
        known: list[BookingTold] = []
        self._callers = [Caller(f"c{number}", f"u{number // 2}", known) for number in range(CALLERS)]
        self._waiting: dict[int, Call] = {}
        self._to_shop: list[Call] = []
        self._inbox: list[Call] = []
        self._to_callers: list[tuple[Call, object]] = []
        self._secrets = 0
        self._troubled = True
        self._served.look()

    def run(self, actions: int) -> None:
        names = list(_ACTIONS)
        weights = list(_ACTIONS.values())
        for action in self.rng.choices(names, weights, k=actions):
            action(self)
        self._drain()
        self._close_of_day()

    def close(self) -> None:
        self._served.close()

    def _say(self, what: str) -> None:
        self.transcript.append(f"{self.clock.now_us} {what}")

    # --- callers and the network -------------------------------------------------------------------------------

    def _ask(self) -> None:
        idle = [number for number in range(CALLERS) if number not in self._waiting]
        if not idle:
            return self._ask_again()
        number = self.rng.choice(idle)
        caller = self._callers[number]
        call = Call(number, caller.asked + 1, caller.next_request(self.rng, self.clock()))
        self._waiting[number] = call
        self._to_shop.append(call)
        return self._say(f"{call} asks {call.request}")

    def _ask_again(self) -> None:
        if self._waiting:
            call = self._waiting[self.rng.choice(list(self._waiting))]
            call = replace(call, request=again(call.request, self.rng, self.clock()))
            self._to_shop.append(call)
            self._say(f"{call} asks again")

    def _carry(self) -> None:
        """Any message may overtake any other; some are lost, some arrive twice."""
        if not self._to_shop:
            return
        call = self._to_shop.pop(self.rng.randrange(len(self._to_shop)))
        fate = self.rng.random()
        if fate < 0.1:
            self._say(f"{call} is lost")
            self.counts["requests lost"] += 1
            return
        if fate < 0.25:
            self._to_shop.append(call)
            self.counts["requests doubled"] += 1
        self._say(f"{call} arrives")
        self._arrive(call)

    def _arrive(self, call: Call) -> None:
        request = call.request
        if isinstance(request, CreateLease | CreateBooking | BookLease):
            self._secrets += 1
            request = replace(request, secret=self._secrets.to_bytes(16, "big"))
        self._inbox.append(replace(call, request=request))

    def _answer(self) -> None:
        if not self._to_callers:
            return
        call, told = self._to_callers.pop(self.rng.randrange(len(self._to_callers)))
        if self.rng.random() < 0.15:
            self._say(f"the answer to {call} is lost")
            self.counts["answers lost"] += 1
            return
        self._hear(call, told)

    def _hear(self, call: Call, answer: object) -> None:
        told = self._judge.heard(call.request, answer)
        self._say(f"{call} hears {told}")
        waiting = self._waiting.get(call.caller)
        if waiting is None or waiting.number != call.number or told is None:
            return
        del self._waiting[call.caller]
        self._callers[call.caller].hear(waiting.request, told)

    # --- the shop ----------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        self._serve_batch(self._draw_trouble() if self.rng.random() < 0.22 else None)

    def _serve_batch(self, trouble: Trouble | None) -> None:
        writes = self.rng.random() < 0.85
        chosen = [call for call in self._inbox if call.request.writes == writes]
        chosen = chosen[: self.rng.randint(1, 8)]
        if not chosen:
            return
        self._inbox = [call for call in self._inbox if call not in chosen]
        operations: list[Operation[object]] = [call.request for call in chosen]
        updated = [x.booking_id for x in operations if isinstance(x, UpdateBooking)]
        if len(set(updated)) < len(updated) and trouble is None and self._troubled and self.rng.random() < 0.3:
            # The hardest thing to do again: one booking changed twice, and nobody knows whether that is done.
            trouble = Trouble(self.rng.choice(UNKNOWN), 0, at_commit=True, stays=False)
        serve = self._served.write if writes else self._served.read
        answers = serve(operations, trouble)
        batch = " ".join(map(str, chosen))
        self._say(f"batch {batch} {trouble or ''} -> {self._judge.in_words(operations, answers)}")
        if answers is None:
            # Whatever was inside the process is gone with it.
            self._inbox.clear()
            return
        self._to_callers += zip(chosen, answers, strict=True)

    def _draw_trouble(self) -> Trouble:
        at = self.rng.randint(1, 60)
        kind = self.rng.choice(
            ("kill", "kill", "kill after", "away", "away", "broken", "busy", "data", "unknown", "unknown")
        )
        failures: dict[str, Sequence[Failure]] = {
            "kill": (KILL,),
            "kill after": (KILL_AFTER,),
            "away": AWAY,
            "broken": AWAY,
            "busy": (BUSY,),
            "data": DATA,
            "unknown": UNKNOWN,
        }
        failure = self.rng.choice(failures[kind])
        return Trouble(failure, at, at_commit=failure.after, stays=kind == "broken")

    def _step_clock(self) -> None:
        kind = self.rng.random()
        expiries_us = [lease.told.expires_us for lease in self._judge.model.leases.values()]
        ahead_us = [expires_us for expires_us in expiries_us if expires_us > self.clock()]
        if kind < 0.15 and ahead_us:
            # Where mistakes with bounds are made: at the very instant of an expiry, and just beside it.
            self.clock.now_us = min(ahead_us) + self.rng.choice((-1, 0, 0, 1))
        elif kind < 0.8:
            self.clock.advance(s=self.rng.randrange(0, 30))
        elif kind < 0.93:
            self.clock.advance(s=self.rng.randrange(60, 1200))
        else:
            self.clock.advance(s=-self.rng.randrange(1, 900))
            self.counts["clock steps back"] += 1
        self._say("by the clock")

    def _stock(self) -> None:
        self._say(f"the feed says {self._served.change_a_slot(self.rng)}")

    def _sweep(self) -> None:
        trouble = self._draw_trouble() if self.rng.random() < 0.3 else None
        self._say(f"sweep {trouble or ''} -> {self._served.sweep(trouble)}")

    def _restart(self) -> None:
        self._say("restart")
        self._served.restart()
        self._inbox.clear()

    def _repair(self) -> None:
        self._served.repair()

    def _drain(self) -> None:
        """From here on nothing goes wrong any more: whoever waits must get an answer."""
        self._say("quiet")
        self._troubled = False
        self._served.repair()
        for _ in range(DRAIN_MAX):
            if not (self._waiting or self._to_shop or self._inbox or self._to_callers):
                return
            if not (self._to_shop or self._inbox or self._to_callers):
                self._ask_again()
            for call in self._to_shop:
                self._arrive(call)
            self._to_shop.clear()
            self._serve_batch(None)
            for call, answer in self._to_callers:
                self._hear(call, answer)
            self._to_callers.clear()
        message = f"nobody answers {sorted(self._waiting)}"
        raise Violation(message)

    def _close_of_day(self) -> None:
        """The process is stopped once more: what was acknowledged is there, and a repeat is told the same."""
        self._served.stop()
        repeated = [request for request, _ in self._judge.acknowledged.values()]
        for first in range(0, len(repeated), 64):
            self._served.write(repeated[first : first + 64], None)
        self._served.read([CheckAvailability(slot) for slot in ASKED], None)
        self._served.read([GetBookingStatus(booking_id) for booking_id in self._judge.model.bookings], None)
        self._judge.audited(self._served.audit())
        if lost := self._judge.lost():
            raise Violation("; ".join(lost))


_ACTIONS = {
    Simulation._ask: 28,  # noqa: SLF001 - this class's own
    Simulation._ask_again: 5,  # noqa: SLF001
    Simulation._carry: 30,  # noqa: SLF001
    Simulation._serve: 16,  # noqa: SLF001
    Simulation._answer: 26,  # noqa: SLF001
    Simulation._step_clock: 12,  # noqa: SLF001
    Simulation._stock: 1,  # noqa: SLF001
    Simulation._sweep: 1,  # noqa: SLF001
    Simulation._restart: 0.5,  # noqa: SLF001
    Simulation._repair: 6,  # noqa: SLF001
}


# --- many days ---------------------------------------------------------------------------------------------------


def make_template(folder: Path) -> Path:
    """The ledger with which every day begins. Its key is fixed, so that a day is the same in every process."""
    folder.mkdir()
    shop = open_shop(folder)
    for merchant_id, offered in SLOTS.items():
        for service in SERVICES:
            shop.serve(service, merchant_id)
        shop.offer(*offered, merchant_id=merchant_id)
    shop.store.close()
    connection = apsw.Connection(str(folder / LEDGER))
    connection.execute("UPDATE ledger SET fingerprint_key = ?", (bytes(range(32)),))
    connection.close()
    return folder


def live(seed: int, template: Path, tripwire: Tripwire, *, actions: int = ACTIONS) -> Day:
    """One day from its seed. A violation is told in the day, not raised."""
    folder = template.parent / f"day-{seed}"
    shutil.copytree(template, folder / "0")
    simulation = Simulation(seed, folder, tripwire)
    violation = ""
    try:
        simulation.run(actions)
    except Violation as error:
        violation = str(error)
        simulation.transcript.append(violation)
    finally:
        simulation.close()
        shutil.rmtree(folder)
    digest = hashlib.blake2b("\n".join(simulation.transcript).encode(), digest_size=16).hexdigest()
    return Day(seed, digest, simulation.counts, tuple(simulation.transcript), violation)


@contextmanager
def days_begin() -> Iterator[tuple[Path, Tripwire]]:
    with scratch_folder() as folder, set_tripwire() as tripwire:
        yield make_template(folder / "template"), tripwire


def live_through(seeds: Sequence[int], actions: int = ACTIONS) -> list[Day]:
    with days_begin() as (template, tripwire):
        return [replace(day, transcript=()) for day in (live(s, template, tripwire, actions=actions) for s in seeds)]


def how_to_replay(day: Day, actions: int = ACTIONS) -> str:
    extra = "" if actions == ACTIONS else f" --actions {actions}"
    return f"seed {day.seed}: {day.violation}\nreplay it: python -m tests.proofs.simulator --seed {day.seed}{extra}"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seed", type=int, help="tell this one day, action by action")
    options.add_argument("--seeds", type=int, default=2000, help="live through this many days (default: 2000)")
    options.add_argument("--first", type=int, default=1, help="the first seed (default: 1)")
    options.add_argument("--actions", type=int, default=ACTIONS, help=f"actions in a day (default: {ACTIONS})")
    options.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    args = options.parse_args()
    if args.seed is not None:
        with days_begin() as (template, tripwire):
            day = live(args.seed, template, tripwire, actions=args.actions)
        sys.stdout.write("\n".join((*day.transcript, f"seed {day.seed}, digest {day.digest}", "")))
        return int(bool(day.violation))
    return _prove(range(args.first, args.first + args.seeds), args.actions, args.jobs)


def _prove(seeds: Sequence[int], actions: int, jobs: int) -> int:
    began_s = time.monotonic()
    shares = [(seeds[first::jobs], actions) for first in range(jobs)]
    if jobs == 1:
        days = live_through(*shares[0])
    else:
        with multiprocessing.get_context("spawn").Pool(jobs) as pool:
            days = [day for share in pool.starmap(live_through, shares) for day in share]
    took_s = time.monotonic() - began_s
    counts = sum((day.counts for day in days), Counter[str]())
    broken = [day for day in days if day.violation]
    sys.stdout.writelines(f"{how_to_replay(day, actions)}\n" for day in broken)
    sys.stdout.writelines(f"{name:>28} {count:>9,}\n" for name, count in sorted(counts.items()))
    sys.stdout.write(
        f"simulation: seeds {seeds[0]} to {seeds[-1]}, {actions} actions each, {len(broken)} violations,"
        f" {took_s:.1f} s, {len(days) / took_s:.0f} seeds/s\n"
    )
    return int(bool(broken))


if __name__ == "__main__":
    raise SystemExit(main())

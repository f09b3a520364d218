"""The power goes, 200 times a day, between any two things that a disk is told. `python -m tests.proofs.power_cut` lives
through several such days, each from its seed, and says what a store that is in a hurry would have lost on them.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from random import Random  # noqa: TID251 - the seed is the argument: the same cuts in every run

import apsw

from slotlease.desk.operation import Operation
from slotlease.desk.release_lease import ReleaseLease
from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import Booking, BookingStatus
from slotlease.domain.lease import Lease
from slotlease.store.open import open_store
from tests.proofs.forgetful_disk import Fate, ForgetfulDisk, on_forgetful_disk
from tests.proofs.ledger_file import Content, content, copy_ledger, difference, scratch_folder, url_of
from tests.support import HOUR_US, NOON_US, HandClock, Offered, Shop, open_shop

CUTS = 200
BATCHES = 60
PAGES_TO_CHECKPOINT = 40
"""SQLite waits for 1,000; here the log goes into the file every few commits, for that is where cuts hurt most."""

SLOTS = tuple(Offered("gym", NOON_US + hour * HOUR_US, spots_total=60) for hour in range(24, 32))
"""With spots for all: a request refused in a batch would be judged afresh when the batch is repeated, and need not be
refused again."""

Batch = list[Operation[object]]


@dataclass(frozen=True, slots=True)
class Cut:
    """`done` batches were acknowledged when the power went; the next one was under way, or none was left."""

    folder: Path
    done: int
    fate: Fate
    unsynced: int


@dataclass(slots=True)
class Story:
    """What was asked and when, batch by batch, and the ledger after each: `contents[n]` is that after n batches."""

    contents: list[Content]
    batches: list[Batch] = field(default_factory=list)
    begun_us: list[int] = field(default_factory=list)


def day(shop: Shop, rng: Random) -> Generator[Batch, list[object], None]:
    """Batches that lease, book, move, cancel and release, each told by the answers to the one before it."""
    leases: list[Lease] = []
    bookings: list[Booking] = []
    slots = [offered.asked() for offered in SLOTS]
    for number in range(BATCHES):
        shop.clock.advance(s=rng.randrange(60))
        batch: Batch = [shop.create_lease(rng.choice(slots)) for _ in range(rng.randint(1, 4))]
        batch += [shop.create_booking(x.slot, lease_id=x.lease_id, user_id=f"u{number}") for x in leases[:1]]
        batch += [ReleaseLease(lease.lease_id) for lease in leases[1:2]]
        batch += [UpdateBooking(x.booking_id, start_us=rng.choice(slots).start_us) for x in bookings[-2:]]
        batch += [UpdateBooking(x.booking_id, status=BookingStatus.CANCELED) for x in bookings[2:3]]
        answers = yield batch
        leases = [answer for answer in answers if isinstance(answer, Lease)]
        bookings = [*bookings[-3:], *(answer for answer in answers if isinstance(answer, Booking))]


def live(folder: Path, story: Story, seed: int) -> None:
    """The day, as a program on the ledger in `folder`. `story` grows as batches are acknowledged."""
    clock = HandClock()
    shop = Shop(open_store(url_of(folder), clock), clock)
    batches = day(shop, Random(seed))  # noqa: S311 - nobody's secret hangs on it
    batch = next(batches)
    while True:
        story.batches.append(batch)
        story.begun_us.append(clock())
        answers = shop.batches.write(batch)
        assert not any(isinstance(answer, Exception) for answer in answers), answers
        story.contents.append(content(folder))
        try:
            batch = batches.send(answers)
        except StopIteration:
            break
    shop.store.close()


@contextmanager
def each_connection(tune: Callable[[apsw.Connection], None]) -> Iterator[None]:
    apsw.connection_hooks.append(tune)
    try:
        yield
    finally:
        apsw.connection_hooks.remove(tune)


def checkpoints_often(connection: apsw.Connection) -> None:
    connection.wal_autocheckpoint(PAGES_TO_CHECKPOINT)


def hurries(connection: apsw.Connection) -> None:
    """What the store insists on is undone before its first transaction."""
    checkpoints_often(connection)

    def before_it_begins(cursor: apsw.Cursor, sql: str, _: object) -> bool:
        if sql == "BEGIN IMMEDIATE":
            cursor.connection.execute("PRAGMA synchronous = NORMAL")
        return True

    connection.exec_trace = before_it_begins


def cut_the_power(folder: Path, tune: Callable[[apsw.Connection], None], seed: int) -> tuple[Story, list[Cut]]:
    """One day on a forgetful disk, and what it left at each of `CUTS` instants, in each way of forgetting in turn."""
    template = folder / "template"
    template.mkdir()
    shop = open_shop(template)
    shop.offer(*SLOTS)
    shop.store.close()
    rng = Random(seed)  # noqa: S311 - nobody's secret hangs on it

    def run(name: str, step: Callable[[ForgetfulDisk, Story], None]) -> tuple[Story, int]:
        story = Story([content(template)])
        with each_connection(tune), on_forgetful_disk(lambda _: step(disk, story)) as disk:
            live(copy_ledger(template, folder / name), story, seed)
        return story, disk.steps

    _, steps = run("rehearsal", lambda _, __: None)
    chosen = set(rng.sample(range(1, steps + 1), CUTS))
    cuts: list[Cut] = []
    fates = cycle(Fate)

    def perhaps_cut(disk: ForgetfulDisk, story: Story) -> None:
        if disk.steps in chosen:
            fate = next(fates)
            image = folder / f"cut-{disk.steps}-{fate.name}"
            disk.leave(image, fate, rng)
            cuts.append(Cut(image, len(story.contents) - 1, fate, disk.unsynced()))

    story, _ = run("day", perhaps_cut)
    return story, cuts


def live_through(seed: int) -> Counter[str]:
    """One day of cuts with the store as it is: after each the ledger holds what was acknowledged, and at most the
    batch under way beside it, whole; asked again, that batch has one effect. Counts what the cuts found."""
    seen = Counter[str]()
    with scratch_folder() as folder:
        story, cuts = cut_the_power(folder, checkpoints_often, seed)
        for cut in cuts:
            clock = HandClock(story.begun_us[min(cut.done, BATCHES - 1)])
            shop = Shop(open_store(url_of(cut.folder), clock), clock)
            found = content(cut.folder)
            allowed = story.contents[cut.done : cut.done + 2]
            assert found in allowed, f"seed {seed}, {cut}:\n{difference(story.contents[cut.done], found)}"
            assert shop.store.audit() == []
            seen["acknowledged only" if found == allowed[0] else "and the batch under way"] += 1
            seen["with something unsynced"] += bool(cut.unsynced)
            if cut.done < BATCHES:
                shop.batches.write(story.batches[cut.done])
                again = content(cut.folder)
                assert again == story.contents[cut.done + 1], difference(story.contents[cut.done + 1], again)
            shop.store.close()
    return seen


def count_lost_in_a_hurry(seed: int) -> int:
    """The same day and the same cuts with synchronous = NORMAL: how many of them lose what was acknowledged."""
    lost = 0
    with scratch_folder() as folder:
        story, cuts = cut_the_power(folder, hurries, seed)
        for cut in cuts:
            open_store(url_of(cut.folder)).close()
            found = content(cut.folder)
            assert found in story.contents, "NORMAL forgets whole commits, and never a part of one"
            lost += found not in story.contents[cut.done :]
    return lost


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--days", type=int, default=50, help="live through this many days (default: 50)")
    options.add_argument("--seed", type=int, default=1, help="the seed of the first one (default: 1)")
    args = options.parse_args()
    began_s = time.monotonic()
    seeds = range(args.seed, args.seed + args.days)
    seen = sum((live_through(seed) for seed in seeds), Counter[str]())
    whole = seen["and the batch under way"]
    lost = count_lost_in_a_hurry(args.seed)
    took_s = time.monotonic() - began_s
    sys.stdout.write(
        f"power cut: seeds {seeds[0]} to {seeds[-1]}, {CUTS * args.days:,} cuts, 0 lost what was acknowledged,"
        f" {whole:,} kept the batch under way (with NORMAL {lost} of {CUTS} lost some), {took_s:.1f} s\n"
    )
    return int(not lost)


if __name__ == "__main__":
    raise SystemExit(main())

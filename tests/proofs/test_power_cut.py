"""The power goes, 200 times, between any two things that a disk is told: what was acknowledged is there (INV-17)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random  # noqa: TID251 - the seed is fixed: the same cuts in every run

import apsw
import pytest

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


def live(folder: Path, story: Story) -> None:
    """The day, as a program on the ledger in `folder`. `story` grows as batches are acknowledged."""
    clock = HandClock()
    shop = Shop(open_store(url_of(folder), clock), clock)
    batches = day(shop, Random(3))  # noqa: S311 - nobody's secret hangs on it
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


def cut_the_power(folder: Path, tune: Callable[[apsw.Connection], None]) -> tuple[Story, list[Cut]]:
    """One day on a forgetful disk, and what it left at each of `CUTS` instants, in each way it can forget."""
    template = folder / "template"
    template.mkdir()
    shop = open_shop(template)
    shop.offer(*SLOTS)
    shop.store.close()
    rng = Random(5)  # noqa: S311 - nobody's secret hangs on it

    def run(name: str, step: Callable[[ForgetfulDisk, Story], None]) -> tuple[Story, int]:
        story = Story([content(template)])
        with each_connection(tune), on_forgetful_disk(lambda _: step(disk, story)) as disk:
            live(copy_ledger(template, folder / name), story)
        return story, disk.steps

    _, steps = run("rehearsal", lambda _, __: None)
    chosen = set(rng.sample(range(1, steps + 1), CUTS))
    cuts: list[Cut] = []

    def perhaps_cut(disk: ForgetfulDisk, story: Story) -> None:
        if disk.steps in chosen:
            for fate in Fate:
                image = folder / f"cut-{disk.steps}-{fate.name}"
                disk.leave(image, fate, rng)
                cuts.append(Cut(image, len(story.contents) - 1, fate, disk.unsynced()))

    story, _ = run("day", perhaps_cut)
    return story, cuts


@pytest.mark.slow
def test_power_cut_loses_nothing_that_was_acknowledged() -> None:
    with scratch_folder() as folder:
        story, cuts = cut_the_power(folder, checkpoints_often)
        assert len(cuts) == CUTS * len(Fate)
        seen = Counter[str]()
        for cut in cuts:
            clock = HandClock(story.begun_us[min(cut.done, BATCHES - 1)])
            shop = Shop(open_store(url_of(cut.folder), clock), clock)
            found = content(cut.folder)
            allowed = story.contents[cut.done : cut.done + 2]
            assert found in allowed, f"{cut}:\n{difference(story.contents[cut.done], found)}"
            assert shop.store.audit() == []
            seen["acknowledged only" if found == allowed[0] else "and the batch under way"] += 1
            seen["with something unsynced"] += bool(cut.unsynced)
            if cut.done < BATCHES:
                shop.batches.write(story.batches[cut.done])
                again = content(cut.folder)
                assert again == story.contents[cut.done + 1], difference(story.contents[cut.done + 1], again)
            shop.store.close()
        # Each way it can go was gone.
        assert min(seen.values()) > CUTS / 10, seen


@pytest.mark.slow
def test_store_that_did_not_insist_on_full_would_lose_what_it_acknowledged() -> None:
    """This proves the test above: the same day and the same cuts, with synchronous = NORMAL."""
    with scratch_folder() as folder:
        story, cuts = cut_the_power(folder, hurries)
        lost = 0
        for cut in cuts:
            open_store(url_of(cut.folder)).close()
            found = content(cut.folder)
            assert found in story.contents, "NORMAL forgets whole commits, and never a part of one"
            lost += found not in story.contents[cut.done :]
        assert lost > CUTS / 4


@pytest.mark.slow
def test_ledger_whose_making_was_cut_can_be_made_again() -> None:
    rng = Random(7)  # noqa: S311 - nobody's secret hangs on it
    with scratch_folder() as folder:
        (folder / "new").mkdir()
        images: list[Path] = []

        def cut(number: int) -> None:
            images.append(folder / f"cut-{number}")
            disk.leave(images[-1], Fate.AT_RANDOM, rng)

        with on_forgetful_disk(cut) as disk:
            open_store(url_of(folder / "new"), HandClock(), create=True).close()
        for image in images:
            shop = open_shop(image)
            shop.offer(*SLOTS)
            shop.book(SLOTS[0].asked())
            assert shop.count_available(SLOTS[0].asked()) == SLOTS[0].spots_total - 1, image
            assert shop.store.audit() == []
            shop.store.close()
        assert len(images) > 20

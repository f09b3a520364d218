"""One batch and what it comes to where nothing fails, to compare with where something does."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from slotlease.desk.operation import Operation
from slotlease.desk.purge_leases import PurgeLeases
from slotlease.desk.sweep_leases import SweepLeases
from slotlease.store.open import open_store
from tests.proofs.every_request import Kind, neighbours, open_for_business
from tests.proofs.ledger_file import Content, content, copy_ledger, difference, url_of
from tests.proofs.tripwire import BUSY, Chosen, Tripwire
from tests.support import HandClock, Shop, open_shop


@dataclass(frozen=True, slots=True)
class Case:
    """A batch, the ledger it is asked of, and what both come to where nothing fails. `places` are the statements."""

    folder: Path
    now_us: int
    batch: list[Operation[object]]
    before: Content
    answers: list[object]
    after: Content
    places: list[str]

    @contextmanager
    def reopened(self) -> Iterator[tuple[Shop, Path]]:
        """The shop before the batch, in a folder of its own."""
        copy = copy_ledger(self.folder, self.folder / "copy")
        clock = HandClock(self.now_us)
        shop = Shop(open_store(url_of(copy), clock), clock)
        try:
            yield shop, copy
        finally:
            shop.store.close()
            shutil.rmtree(copy)


def make_case(folder: Path, kind: Kind, tripwire: Tripwire, *, alone: bool) -> Case:
    shop = open_shop(folder)
    open_for_business(shop)
    target = kind.prepare(shop)
    before, after = neighbours(shop)
    shop.store.close()
    batch = [target] if alone else [before, target, after]
    case = Case(folder, shop.clock(), batch, content(folder), [], {}, [])
    with case.reopened() as (shop, copy):
        tripwire.arm_where(BUSY, noting(case.places))
        case.answers.extend(shop.batches.write(batch))
        tripwire.disarm()
        case.after.update(content(copy))
    assert not any(isinstance(answer, Exception) for answer in case.answers), case.answers
    return case


def noting(places: list[str]) -> Chosen:
    def note(_: int, sql: str, __: object) -> bool:
        places.append(sql)
        return False

    return note


def assert_right(case: Case, answers: list[object], found: Content, about: str) -> None:
    assert found == case.after, f"{about}\n{difference(case.after, found)}"
    for operation, answer, due in zip(case.batch, answers, case.answers, strict=True):
        # Done again, a sweep finds nothing left to bury, and a purge nothing to delete.
        assert answer == due or (isinstance(operation, SweepLeases | PurgeLeases) and answer == 0), about


def assert_repeated(case: Case, shop: Shop, folder: Path, about: str) -> None:
    """The same batch asked once more, by callers who heard nothing or who heard already: one effect, told alike."""
    assert_right(case, shop.batches.write(case.batch), content(folder), f"asked again after {about}")
    assert shop.store.audit() == [], about

"""One batch on a ledger in PostgreSQL, and what it comes to where nothing fails."""

from __future__ import annotations

from dataclasses import dataclass

from slotlease.desk.operation import Operation
from slotlease.desk.purge_leases import PurgeLeases
from slotlease.desk.sweep_leases import SweepLeases
from tests.postgres.ledger_database import LedgerDatabase
from tests.proofs.every_request import Kind, neighbours, open_for_business
from tests.proofs.ledger_file import Content, difference
from tests.support import Shop


@dataclass(frozen=True, slots=True)
class Case:
    """A request between two others, the ledger before and after them, and their answers."""

    ledger: LedgerDatabase
    shop: Shop
    batch: list[Operation[object]]
    before: Content
    answers: list[object]
    after: Content

    def assert_right(self, answers: list[object], about: str) -> None:
        found = self.ledger.content()
        assert found == self.after, f"{about}\n{difference(self.after, found)}"
        for operation, answer, due in zip(self.batch, answers, self.answers, strict=True):
            # Done again, a sweep finds nothing left to bury, and a purge nothing to delete.
            done = isinstance(operation, SweepLeases | PurgeLeases) and answer == 0
            assert answer == due or done, f"{about}\n{answer}"

    def assert_repeated(self, about: str) -> None:
        """The same batch asked once more, by callers who heard nothing or who heard already."""
        self.assert_right(self.shop.batches.write(self.batch), f"asked again after {about}")


def make_case(ledger: LedgerDatabase, shop: Shop, kind: Kind) -> Case:
    """The ledger is then as before the batch, and the shop knows its merchants and statements."""
    open_for_business(shop)
    target = kind.prepare(shop)
    before, after = neighbours(shop)
    batch = [before, target, after]
    ledger.keep()
    as_it_was = ledger.content()
    answers = shop.batches.write(batch)
    assert not any(isinstance(answer, Exception) for answer in answers), answers
    case = Case(ledger, shop, batch, as_it_was, answers, ledger.content())
    ledger.put_back()
    return case

"""A batch that is done again from its prefetch: at most five times, and with one effect (DESIGN 2)."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from slotlease.desk.fault import Unavailable
from slotlease.desk.operation import Operation
from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import Booking
from tests.proofs.batch_case import assert_repeated, assert_right, make_case
from tests.proofs.every_request import KINDS, ONE, THREE, TWO
from tests.proofs.ledger_file import LEDGER, content
from tests.proofs.tripwire import AWAY, BUSY, DATA, UNKNOWN, Failure, Tripwire
from tests.support import open_shop

TRIES = 5
"""DESIGN 2: the whole batch again, at most 5 times."""


@pytest.mark.parametrize("table", ["merchant", "spot", "lease", "booking"])
@pytest.mark.parametrize("tries_lost", [1, 4, 5])
def test_batch_whose_rows_changed_meanwhile_is_done_again_at_most_five_times(
    table: str, tries_lost: int, scratch: Path, tripwire: Tripwire
) -> None:
    """A trigger stands in for the other writer: as long as it is there, an update finds its row changed."""
    kinds = {"spot": "UpdateBooking, cancel", "lease": "CreateBooking with a lease", "booking": "UpdateBooking, cancel"}
    name = kinds.get(table, KINDS[0].name)
    case = make_case(scratch, next(kind for kind in KINDS if kind.name == name), tripwire, alone=False)
    begun = 0
    with case.reopened() as (shop, folder):
        other = apsw.Connection(str(folder / LEDGER))
        other.exec_trace = None
        other.execute(f"CREATE TRIGGER meddling BEFORE UPDATE ON {table} BEGIN SELECT RAISE(IGNORE); END")

        def other_writer_ends(_: int, sql: str, __: object) -> bool:
            nonlocal begun
            begun += sql == "BEGIN IMMEDIATE"
            if sql == "BEGIN IMMEDIATE" and begun == tries_lost + 1:
                other.execute("DROP TRIGGER meddling")
            return False

        tripwire.arm_where(BUSY, other_writer_ends)
        answers = shop.batches.write(case.batch)
        tripwire.disarm()
        if tries_lost < TRIES:
            assert_right(case, answers, content(folder), table)
            assert begun == tries_lost + 1
        else:
            assert [type(answer) for answer in answers] == [Unavailable] * 3
            assert content(folder) == case.before
            assert begun == TRIES
            other.execute("DROP TRIGGER meddling")
        other.close()
        assert_repeated(case, shop, folder, table)


@pytest.mark.parametrize(
    ("lost", "revisions"), [(UNKNOWN[0], [3, 3]), (AWAY[0], [2, 3])], ids=["commit happened", "commit did not happen"]
)
def test_two_moves_are_made_once_when_their_lost_commit_is_followed_by_a_refused_row(
    lost: Failure, revisions: list[int], scratch: Path, tripwire: Tripwire
) -> None:
    """Two faults in a row: nobody knew whether the commit reached the disk, and the second try was refused a row."""
    shop = open_shop(scratch)
    shop.offer(ONE, TWO, THREE)
    booking = shop.book(ONE.asked())
    moves: list[Operation[object]] = [
        UpdateBooking(booking.booking_id, start_us=TWO.start_us),
        UpdateBooking(booking.booking_id, start_us=THREE.start_us),
    ]
    tripwire.arm_where(lost, lambda _, sql, __: sql == "COMMIT")
    tripwire.then(DATA[0], lambda _, sql, __: sql == "BEGIN IMMEDIATE")
    answers = shop.batches.write(moves)
    tripwire.disarm()
    assert [answer.revision for answer in answers if isinstance(answer, Booking)] == revisions
    assert len(content(scratch)["event"]) == 3, "made, moved, moved: and not once more"
    assert shop.store.audit() == []
    shop.store.close()

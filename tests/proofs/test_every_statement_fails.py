"""Each statement of each kind of request fails once, in each way a statement can: afterwards the request was done
again or nothing was done, never half, and nobody else in the batch pays for it (DESIGN 2, INV-16, INV-19)."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from slotlease.desk.fault import Broken, Unavailable
from slotlease.desk.operation import Operation
from slotlease.domain.facts import Facts, Wanted
from slotlease.domain.view import Offer, View
from slotlease.store.protocol import StoreConflict
from tests.proofs.batch_case import Case, assert_repeated, assert_right, make_case
from tests.proofs.every_request import KINDS, ONE, Kind
from tests.proofs.ledger_file import content
from tests.proofs.tripwire import AWAY, BUSY, DATA, UNKNOWN, Failure, Tripwire

pytestmark = pytest.mark.slow

ONE_OF_EACH = (DATA[0], *AWAY[:3], BUSY)
"""A class for each way in which the store tells failures apart, and the three that happen most."""
ALL = (*DATA, *AWAY, BUSY)
CONFLICT = Failure(StoreConflict)
"""SQLite knows none, since a writer is alone; a database where several write can tell of one at any statement."""
TRIED_WITH_ALL = "CreateBooking with a lease"


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "between others"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_statement_that_fails_once_leaves_all_or_nothing(
    kind: Kind, alone: bool, scratch: Path, tripwire: Tripwire
) -> None:
    case = make_case(scratch, kind, tripwire, alone=alone)
    for place, sql in enumerate(case.places, start=1):
        usual = ALL if kind.name == TRIED_WITH_ALL else ONE_OF_EACH
        conflict = () if sql == "ROLLBACK" else (CONFLICT,)
        for failure in (*usual, *conflict, *(UNKNOWN if sql == "COMMIT" else ())):
            fail_once(case, tripwire, place, failure)


def fail_once(case: Case, tripwire: Tripwire, place: int, failure: Failure) -> None:
    sql = case.places[place - 1]
    about = f"{failure} at statement {place}: {sql}"
    with case.reopened() as (shop, folder):
        tripwire.arm(failure, place)
        answers = shop.batches.write(case.batch)
        assert tripwire.sprung_at == sql
        tripwire.disarm()
        found = content(folder)
        outcome = {type(answer) for answer in answers}
        match expected(failure, sql, alone=len(case.batch) == 1):
            case "blamed":
                assert outcome == {Broken}, about
                assert found == case.before, about
            case "unavailable":
                assert outcome == {Unavailable}, about
                assert found == case.before, about
            case _:
                assert_right(case, answers, found, about)
        assert_repeated(case, shop, folder, about)


def expected(failure: Failure, sql: str, *, alone: bool) -> str:
    """What DESIGN 2 promises of a batch with such a failure in it."""
    if sql == "ROLLBACK":
        return "right"  # nothing was to be written, so what was decided stands
    if failure is CONFLICT:
        return "right"  # the whole batch again
    if failure in DATA:
        return "blamed" if alone else "right"  # refused once, each half of the batch is done again
    if sql == "COMMIT" and failure is not BUSY:
        return "right"  # of unknown outcome: done again from prefetch, where tokens find what did commit
    return "unavailable"


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_disk_that_stays_broken_leaves_all_or_nothing_until_it_is_mended(
    kind: Kind, scratch: Path, tripwire: Tripwire
) -> None:
    case = make_case(scratch, kind, tripwire, alone=False)
    for place, sql in enumerate(case.places, start=1):
        for failure in (*AWAY[:2], BUSY, *(UNKNOWN[:2] if sql == "COMMIT" else ())):
            about = f"{failure} from statement {place} on: {sql}"
            with case.reopened() as (shop, folder):
                tripwire.arm(failure, place, stays=True)
                answers = shop.batches.write(case.batch)
                tripwire.disarm()
                found = content(folder)
                assert [type(answer) for answer in answers] == [Unavailable] * 3, about
                assert found == (case.after if failure.after else case.before), about
                assert_repeated(case, shop, folder, about)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.own], ids=str)
def test_row_that_the_database_refuses_costs_only_its_own_request(
    kind: Kind, scratch: Path, tripwire: Tripwire
) -> None:
    case = make_case(scratch, kind, tripwire, alone=False)
    with case.reopened() as (shop, folder):
        neighbours_alone = shop.batches.write([case.batch[0], case.batch[2]])
        without = content(folder)

    def is_its_own(_: int, sql: str, values: tuple[object, ...]) -> bool:
        return sql.strip().startswith(kind.own) and (not kind.tell_tale or kind.tell_tale in values)

    for failure in DATA:
        with case.reopened() as (shop, folder):
            tripwire.arm_where(failure, is_its_own, stays=True)
            answers = shop.batches.write(case.batch)
            tripwire.disarm()
            assert isinstance(answers[1], Broken), answers
            assert [answers[0], answers[2]] == neighbours_alone
            assert content(folder) == without
            assert len(shop.incidents) == 1, "one incident, for the one request"
            (retried,) = shop.batches.write([case.batch[1]])
            assert not isinstance(retried, Exception)
            assert shop.store.audit() == []


@pytest.mark.parametrize("step", ["want", "want_more", "decide"])
def test_rule_that_raises_costs_only_its_own_request(step: str, scratch: Path, tripwire: Tripwire) -> None:
    case = make_case(scratch, KINDS[0], tripwire, alone=False)
    before, _, after = case.batch
    with case.reopened() as (shop, folder):
        due = shop.batches.write([before, after])
        without = content(folder)
    with case.reopened() as (shop, folder):
        answers = shop.batches.write([before, Stumbles(step), after])
        assert isinstance(answers[1], Broken)
        assert [answers[0], answers[2]] == due
        assert content(folder) == without
        assert [str(incident) for incident in shop.incidents] == [step]
        assert shop.store.audit() == []


class Stumbles(Operation[object]):
    """A request with a mistake of ours in one of its steps, after it has changed the view."""

    writes: ClassVar[bool] = True

    def __init__(self, step: str) -> None:
        self.step = step

    def _stumble(self, step: str) -> None:
        if step == self.step:
            raise ZeroDivisionError(step)

    def want(self, wanted: Wanted) -> None:
        wanted.merchant_ids.add("m1")
        wanted.slots.append(ONE.asked())
        self._stumble("want")

    def want_more(self, facts: Facts, wanted: Wanted) -> None:  # noqa: ARG002 - the operation's signature
        self._stumble("want_more")

    def decide(self, view: View) -> object:
        offer = view.find(ONE.asked())
        assert isinstance(offer, Offer)
        taken = view.take(offer.slot, holder_no=view.draw_no(1), busy_until_us=view.now_us + 1)
        self._stumble("decide")
        return taken

"""Each statement of each kind of request fails once on PostgreSQL, in each way a statement can; rows change meanwhile;
the database refuses a row. Afterwards the batch was done again or nothing was done, never half, and nobody else in it
pays (DESIGN 2, INV-16, INV-19)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from slotlease.desk.batch import TRIES_MAX
from slotlease.desk.fault import Broken, Unavailable
from tests.model.effort import EFFORT
from tests.postgres.batch_case import Case, make_case
from tests.postgres.ledger_database import LedgerDatabase, ledger_database
from tests.postgres.tripwire import AWAY, CONFLICTS, DATA, LOST, UNKNOWN, Tripwire, set_tripwire, writes
from tests.proofs.every_request import KINDS, Kind
from tests.support import Shop

pytestmark = pytest.mark.slow

FAILURES = (*DATA, *AWAY, *CONFLICTS, LOST) if EFFORT > 1 else (DATA[0], AWAY[0], CONFLICTS[0], LOST)


@pytest.fixture
def ledger(postgres: str, postgres_template: str) -> Iterator[LedgerDatabase]:
    with ledger_database(postgres, postgres_template) as ledger:
        yield ledger


@pytest.fixture
def tripwire(ledger: LedgerDatabase, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tripwire]:
    with set_tripwire(ledger, monkeypatch) as tripwire:
        yield tripwire


@pytest.fixture
def shop(ledger: LedgerDatabase) -> Iterator[Shop]:
    shop = ledger.open_shop()
    yield shop
    assert shop.store.audit() == []
    shop.store.close()


def kind_named(name: str) -> Kind:
    return next(kind for kind in KINDS if kind.name == name)


@pytest.mark.parametrize("kind", KINDS if EFFORT > 1 else KINDS[1::5], ids=str)
def test_statement_that_fails_once_leaves_all_or_nothing(
    kind: Kind, ledger: LedgerDatabase, shop: Shop, tripwire: Tripwire
) -> None:
    case = make_case(ledger, shop, kind)
    tripwire.arm()
    answers = shop.batches.write(case.batch)
    tripwire.disarm()
    case.assert_right(answers, "nothing")
    places = tripwire.passed
    assert places[-1] == "COMMIT"
    for place, statement in enumerate(places, start=1):
        for failure in (*FAILURES, *(UNKNOWN if statement == "COMMIT" else ())):
            fail_once(case, tripwire, places, place, failure)


def fail_once(case: Case, tripwire: Tripwire, places: list[str], place: int, failure: str) -> None:
    about = f"{failure} at statement {place}: {places[place - 1]}"
    case.ledger.put_back()
    case.shop.store.probe_write()  # the connection that writes is there
    incidents = len(case.shop.incidents)
    tripwire.arm(failure, place)
    answers = case.shop.batches.write(case.batch)
    assert tripwire.sprung_at == places[place - 1]
    tripwire.disarm()
    # The writes and COMMIT make one journey: where that is lost, nobody knows how far it came.
    is_last_journey = any(writes(statement) for statement in places[:place])
    if failure in AWAY or (failure == LOST and not is_last_journey):
        assert {type(answer) for answer in answers} == {Unavailable}, f"{about}\n{answers}"
        assert case.ledger.content() == case.before, about
    else:
        case.assert_right(answers, about)
    assert len(case.shop.incidents) == incidents, about
    case.assert_repeated(about)


REFUSED = [
    ("CreateLease", "ALTER TABLE lease ADD CONSTRAINT refused CHECK (client_reference <> 'target')"),
    ("CreateBooking", "ALTER TABLE booking ADD CONSTRAINT refused CHECK (idempotency_token <> 'target')"),
]


@pytest.mark.parametrize(("name", "constraint"), REFUSED)
def test_row_that_the_database_refuses_costs_only_its_own_request(
    name: str, constraint: str, ledger: LedgerDatabase, shop: Shop
) -> None:
    """Though the rows of a batch are written by one statement."""
    case = make_case(ledger, shop, kind_named(name))
    neighbours_alone = shop.batches.write([case.batch[0], case.batch[2]])
    without = ledger.content()
    ledger.put_back()
    ledger.sql(constraint)
    answers = shop.batches.write(case.batch)
    assert isinstance(answers[1], Broken), answers
    assert [answers[0], answers[2]] == neighbours_alone
    assert ledger.content() == without
    assert len(shop.incidents) == 1, "one incident, for the one request"


MEDDLING = """
    CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER meddling BEFORE UPDATE ON {} FOR EACH ROW EXECUTE FUNCTION meddle();
"""


@pytest.mark.parametrize("table", ["merchant", "spot", "lease", "booking"])
@pytest.mark.parametrize("tries_lost", [1, TRIES_MAX - 1, TRIES_MAX])
def test_batch_whose_rows_changed_meanwhile_is_done_again_at_most_five_times(
    table: str, tries_lost: int, ledger: LedgerDatabase, shop: Shop, tripwire: Tripwire
) -> None:
    """A trigger stands in for the other writer: as long as it is there, an update finds its row changed."""
    kinds = {"spot": "UpdateBooking, cancel", "lease": "CreateBooking with a lease", "booking": "UpdateBooking, cancel"}
    case = make_case(ledger, shop, kind_named(kinds.get(table, "CreateLease")))
    ledger.sql(MEDDLING.format(table))
    begun = 0

    def other_writer_ends(statement: str) -> None:
        nonlocal begun
        begun += statement.startswith("BEGIN")
        if statement.startswith("BEGIN") and begun == tries_lost + 1:
            tripwire.disarm()
            ledger.sql(f"DROP TRIGGER meddling ON {table}")

    tripwire.arm(each=other_writer_ends)
    answers = shop.batches.write(case.batch)
    tripwire.disarm()
    if tries_lost < TRIES_MAX:
        assert begun == tries_lost + 1
        case.assert_right(answers, table)
        return
    assert begun == TRIES_MAX
    assert [type(answer) for answer in answers] == [Unavailable] * 3
    assert ledger.content() == case.before
    ledger.sql(f"DROP TRIGGER meddling ON {table}")
    case.assert_repeated(table)

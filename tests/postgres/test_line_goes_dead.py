"""The line between server and database goes dead in each journey of each kind of request, at each point of it: every
request ends as exactly one effect, or as none and UNAVAILABLE where no COMMIT was on its way (DESIGN 2, INV-19)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from slotlease.desk.fault import Unavailable
from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import Booking
from slotlease.domain.facts import Wanted
from tests.model.effort import EFFORT
from tests.postgres.batch_case import Case, make_case
from tests.postgres.ledger_database import LedgerDatabase, ledger_database
from tests.postgres.line import Journey, Line, Lost, line_to
from tests.proofs.every_request import KINDS, ONE, THREE, TWO, Kind
from tests.support import Offered, Shop, booked

AT_COMMIT = tuple(Lost)
BEFORE_COMMIT = (Lost.NOT_SENT, Lost.HALF_SENT, Lost.DONE, Lost.HALF_ANSWERED)
"""Nothing else may arrive late: what is sent next waits for its answer."""


@pytest.fixture
def ledger(postgres: str, postgres_template: str) -> Iterator[LedgerDatabase]:
    with ledger_database(postgres, postgres_template) as ledger:
        yield ledger


@pytest.fixture
def line(ledger: LedgerDatabase) -> Iterator[Line]:
    with line_to(ledger.url) as line:
        yield line


@pytest.fixture
def shop(ledger: LedgerDatabase, line: Line) -> Iterator[Shop]:
    """At the far end of the line."""
    shop = ledger.open_shop(line.url)
    yield shop
    assert shop.incidents == []
    assert shop.store.audit() == []
    shop.store.close()


@pytest.fixture
def beside(ledger: LedgerDatabase) -> Iterator[Shop]:
    """Another server on the same database, whose own line never fails."""
    shop = ledger.open_shop()
    yield shop
    assert shop.incidents == []
    shop.store.close()


# --- every journey of every request ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS if EFFORT > 1 else KINDS[::3], ids=str)
def test_line_that_goes_dead_once_leaves_all_or_nothing(
    kind: Kind, ledger: LedgerDatabase, line: Line, shop: Shop
) -> None:
    case = make_case(ledger, shop, kind)
    line.arm(Lost.NOT_SENT, lambda _, __: False)
    case.assert_repeated("nothing")
    journeys = list(line.journeys)
    assert [journey.writes for journey in journeys] == [False] * (len(journeys) - 1) + [True]
    for number, journey in enumerate(journeys, start=1):
        for how in AT_COMMIT if journey.writes else BEFORE_COMMIT:
            lose_once(case, line, number, journey, how)


def lose_once(case: Case, line: Line, number: int, due: Journey, how: Lost) -> None:
    about = f"lost {how}, journey {number}: {due.statements}"
    case.ledger.put_back()
    case.shop.store.probe_write()  # the connection that writes is there
    line.arm(how, lambda passed, _: passed == number)
    answers = case.shop.batches.write(case.batch)
    assert [journey.statements for journey in line.lost] == [due.statements], about
    line.mend()
    if due.ends:
        case.assert_right(answers, about)
    else:
        assert {type(answer) for answer in answers} == {Unavailable}, f"{about}\n{answers}"
        assert case.ledger.content() == case.before, about
    case.assert_repeated(about)


@pytest.mark.parametrize("how", Lost, ids=str)
def test_line_that_stays_dead_after_the_commit_is_unavailable_until_a_repeat_finds_what_became_of_it(
    how: Lost, ledger: LedgerDatabase, line: Line, shop: Shop
) -> None:
    kind = next(kind for kind in KINDS if kind.name == "CreateBooking with a lease")
    case = make_case(ledger, shop, kind)
    line.arm(how, lambda _, journey: journey.writes, stays_dead=True)
    answers = shop.batches.write(case.batch)
    assert {type(answer) for answer in answers} == {Unavailable}
    assert ledger.content() in (case.before, case.after)
    line.mend()
    case.assert_repeated(str(how))


# --- moves: no token tells a repeat from a second wish -----------------------------------------------------------


def at_commit(_: int, journey: Journey) -> bool:
    return journey.writes


def move(booking: Booking, to: Offered) -> UpdateBooking:
    return UpdateBooking(booking.booking_id, start_us=to.start_us)


LOST = pytest.mark.parametrize("how", Lost, ids=str)


@LOST
def test_move_there_and_back_in_one_batch_is_made_once(
    how: Lost, ledger: LedgerDatabase, line: Line, shop: Shop
) -> None:
    shop.offer(ONE, TWO)
    booking = shop.book(ONE.asked())
    line.arm(how, at_commit)
    there, back = map(booked, shop.batches.write([move(booking, TWO), move(booking, ONE)]))
    assert len(line.lost) == 1
    assert back.revision == 3
    assert back.slot.start_us == ONE.start_us
    # Done again, the first of the two may be told of both: what it asked for was so, and is over.
    assert (there.revision, there.slot.start_us) in {(2, TWO.start_us), (3, ONE.start_us)}
    assert len(ledger.sql("SELECT 1 FROM event")) == 3
    assert busy_spots(ledger) == [ONE.start_us]


# What is late holds the locks: nobody comes between.
@pytest.mark.parametrize("how", BEFORE_COMMIT, ids=str)
def test_move_whose_commit_is_in_doubt_is_not_made_again_over_a_move_back_by_another_server(
    how: Lost, ledger: LedgerDatabase, line: Line, shop: Shop, beside: Shop
) -> None:
    shop.offer(ONE, TWO)
    booking = shop.book(ONE.asked())
    line.meanwhile = lambda: said.append(booked(beside.ask(move(booking, ONE))))
    said: list[Booking] = []
    line.arm(how, at_commit)
    told = booked(shop.ask(move(booking, TWO)))
    assert len(line.lost) == len(said) == 1
    committed = how in {Lost.DONE, Lost.HALF_ANSWERED}
    if committed:
        # It was moved there and moved back: who moves it there once more undoes what another was told.
        assert said[0].revision == 3
        assert told == said[0]
    else:
        # To the other it was where it should be: nothing came between, and the move is made now.
        assert said[0].revision == 1
        assert (told.revision, told.slot.start_us) == (2, TWO.start_us)
    assert busy_spots(ledger) == [told.slot.start_us]
    assert len(ledger.sql("SELECT 1 FROM event")) == told.revision


@pytest.mark.parametrize("how", [Lost.NOT_SENT, Lost.DONE], ids=str)
def test_move_whose_commit_is_in_doubt_yields_to_a_move_elsewhere_by_another_server(
    how: Lost, ledger: LedgerDatabase, line: Line, shop: Shop, beside: Shop
) -> None:
    shop.offer(ONE, TWO, THREE)
    booking = shop.book(ONE.asked())
    line.meanwhile = lambda: said.append(booked(beside.ask(move(booking, THREE))))
    said: list[Booking] = []
    line.arm(how, at_commit)
    assert booked(shop.ask(move(booking, TWO))) == said[0]
    assert said[0].slot.start_us == THREE.start_us
    assert busy_spots(ledger) == [THREE.start_us]
    assert len(ledger.sql("SELECT 1 FROM event")) == said[0].revision


def busy_spots(ledger: LedgerDatabase) -> list[int]:
    return [start_us for (start_us,) in ledger.sql("SELECT start_us FROM spot WHERE busy_until_us > 0")]


# --- the pool ------------------------------------------------------------------------------------------------------


def test_commit_in_doubt_is_done_again_though_every_connection_was_lost_with_it(line: Line, shop: Shop) -> None:
    """As when a database restarts: the connections that lie idle are as dead as the one at work."""
    shop.offer(ONE)
    use_every_connection(shop)
    line.arm(Lost.DONE, at_commit, all_at_once=True)
    lease = shop.lease(ONE.asked())
    assert len(line.lost) == 1
    assert shop.store.leases(live_only=True, limit=9) == [lease]


def use_every_connection(shop: Shop) -> None:
    with shop.store.transact(Wanted()), shop.store.snapshot(Wanted()), shop.store.snapshot(Wanted()):
        shop.store.probe_write()

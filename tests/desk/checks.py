"""What an answer says, and whether the ledger behind it is sound: read as the desk's callers would, and beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw

from slotlease.domain.failure import BookingFailure, Cause, InvalidArgument, NotFound, Reason
from tests.support import Shop

OVERCOMMITTED = "INV-1: no more live claims than spots"


def cause_of(answer: object) -> Cause:
    assert isinstance(answer, BookingFailure), answer
    return answer.cause


def invalid(answer: object) -> tuple[Reason, str]:
    """Reason and field."""
    assert isinstance(answer, InvalidArgument), answer
    return answer.reason, answer.field


def reason_of(answer: object) -> Reason:
    return invalid(answer)[0]


def not_found(answer: object) -> str:
    """The field."""
    assert isinstance(answer, NotFound), answer
    return answer.field


def assert_sound(shop: Shop, *, overcommitted: bool = False) -> None:
    """Nothing is held twice, by the shop's clock and by one that was set back to 1970, when every lease that nobody
    has buried would be live again (INV-1 to 5, 9, 25). `overcommitted`: a slot was lowered under live claims."""
    for now_us in (shop.clock.now_us, 0):
        shop.clock.now_us = now_us
        findings = [one for one in shop.store.audit() if not (overcommitted and one.rule == OVERCOMMITTED)]
        assert findings == []


def beside(folder: Path) -> apsw.Connection:
    """A connection of another program to the shop's ledger. To be closed."""
    connection = apsw.Connection(str(folder / "ledger.db"))
    connection.set_busy_timeout(5_000)
    return connection


def run_beside(folder: Path, sql: str, *values: object) -> Sequence[tuple[Any, ...]]:
    """One statement of another program."""
    connection = beside(folder)
    try:
        return connection.execute(sql, values).fetchall()
    finally:
        connection.close()


def events(folder: Path) -> list[tuple[str, int, int]]:
    """What happened to bookings, in order: kind, booking_no, revision."""
    found = run_beside(folder, "SELECT kind, booking_no, revision FROM event ORDER BY merchant_no, event_no")
    return [(kind, booking_no, revision) for kind, booking_no, revision in found]


def count_rows(folder: Path, table: str) -> int:
    ((count,),) = run_beside(folder, f"SELECT count(*) FROM {table}")  # noqa: S608 - a table that the test names
    return int(count)


def retire_merchant(folder: Path, merchant_id: str = "m1") -> None:
    """As an import does to a merchant that the feed no longer names."""
    run_beside(
        folder,
        "UPDATE merchant SET retired = 1, catalogue_revision = catalogue_revision + 1 WHERE merchant_id = ?",
        merchant_id,
    )

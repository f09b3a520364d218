"""Every statement that a request waits for goes straight to its rows, on a new ledger and on a full one.

Every b-tree that a grant touches costs (DESIGN 3): a statement that is added gets its plan here, or its name among
those that may read whole tables because no request waits for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from slotlease.store import audit, statements
from slotlease.store.sqlite import SqliteStore
from tests.store.sqlite_backend import raw
from tests.support import HandClock

STATEMENTS = {
    name: sql
    for name, sql in vars(statements).items()
    if name.isupper() and isinstance(sql, str) and not name.endswith("_COLUMNS")
}

MERCHANT = "SEARCH merchant USING INTEGER PRIMARY KEY (rowid=?)"
SPOTS_OF_SLOT = "SEARCH spot USING PRIMARY KEY (merchant_no=? AND slot_no=?)"
GROUP_BY, ORDER_BY = (f"USE TEMP B-TREE FOR {what}" for what in ("GROUP BY", "ORDER BY"))

PREFETCH_AND_COMMIT = {
    "MERCHANT_BY_ID": ["SEARCH merchant USING INDEX sqlite_autoindex_merchant_1 (merchant_id=?)"],
    "MERCHANT_BY_NO": [MERCHANT],
    "SERVICES": ["SEARCH service USING PRIMARY KEY (merchant_no=?)"],
    "STAFF": ["SEARCH staff USING PRIMARY KEY (merchant_no=?)"],
    "ROOMS": ["SEARCH room USING PRIMARY KEY (merchant_no=?)"],
    # In the order of the key, so that the highest is the first one met and the limits stop the search.
    "SLOT": [
        "SEARCH slot USING PRIMARY KEY (merchant_no=? AND slot_no=?)",
        "CORRELATED SCALAR SUBQUERY 1",
        SPOTS_OF_SLOT,
    ],
    "COUNT_SPOTS": [SPOTS_OF_SLOT],
    "LAPSED_SPOTS": [SPOTS_OF_SLOT],
    "FREE_SPOTS": [SPOTS_OF_SLOT],
    # Bounded at both ends: unbounded, 29,000 past rows cost 6.8 ms (DESIGN 3).
    "SLOTS_OVERLAPPING_ON_STAFF": [
        "SEARCH spot USING INDEX spot_by_staff (merchant_no=? AND staff_no=? AND start_us>? AND start_us<?)",
    ],
    "SLOTS_OVERLAPPING_IN_ROOM": [
        "SEARCH spot USING INDEX spot_by_room (merchant_no=? AND room_no=? AND start_us>? AND start_us<?)",
    ],
    "LEASE": ["SEARCH lease USING PRIMARY KEY (merchant_no=? AND lease_no=?)"],
    "LEASE_BY_REFERENCE": [
        "SEARCH lease USING INDEX lease_by_reference (merchant_no=? AND client_reference=?)",
    ],
    "BOOKING": ["SEARCH booking USING PRIMARY KEY (merchant_no=? AND booking_no=?)"],
    "BOOKING_BY_TOKEN": [
        "SEARCH booking USING INDEX booking_by_token (merchant_no=? AND idempotency_token=?)",
    ],
    "BOOKINGS_OF_USER_AND_SLOT": [
        "SEARCH booking USING COVERING INDEX booking_by_user (user_key=? AND merchant_no=? AND slot_no=?)",
    ],
    "USER_IS_KNOWN": ["SEARCH booking USING COVERING INDEX booking_by_user (user_key=?)"],
    "BOOKINGS_OF_USER_UPCOMING": ["SEARCH booking USING INDEX booking_by_user (user_key=?)", MERCHANT, ORDER_BY],
    "ADVANCE_NEXT_NO": [MERCHANT],
    "UPDATE_SPOT": ["SEARCH spot USING PRIMARY KEY (merchant_no=? AND slot_no=? AND spot_no=?)"],
    "END_LEASE": ["SEARCH lease USING PRIMARY KEY (merchant_no=? AND lease_no=?)"],
    "UPDATE_BOOKING": ["SEARCH booking USING PRIMARY KEY (merchant_no=? AND booking_no=?)"],
    "INSERT_SPOT": [],
    "INSERT_LEASE": [],
    "INSERT_BOOKING": [],
    "INSERT_EVENT": [],
    "PUT_MARKETING_PREFERENCE": [],
}

ACCESS = {
    "ADD_CREDENTIAL": [],
    "REVOKE_CREDENTIAL": ["SEARCH credential USING PRIMARY KEY (user_name=?)"],
}

SWEEP_IMPORT_AND_EXPORT = {
    # Of the leases that are kept, only the active ones.
    # All of an index that holds the active ones only: no more than there are to count.
    "LIVE_LEASES": ["SCAN lease USING COVERING INDEX lease_active"],
    "LAPSED_LEASES": ["SEARCH lease USING COVERING INDEX lease_active ((merchant_no,lease_no)>(?,?))"],
    "INSERT_MERCHANT": [],
    "UPDATE_MERCHANT": [MERCHANT],
    "RETIRE_MERCHANT": ["SEARCH merchant USING INDEX sqlite_autoindex_merchant_1 (merchant_id=?)"],
    "MERCHANT_NAME": [MERCHANT],
    "RAISE_LONGEST_DURATION": [MERCHANT],
    "PUT_SERVICE": [],
    "INSERT_STAFF": [],
    "INSERT_ROOM": [],
    "PUT_SLOT": [],
    "SLOTS_OF_MERCHANT": ["SEARCH slot USING PRIMARY KEY (merchant_no=? AND slot_no>?)"],
    "SLOTS_BY_START": ["SEARCH slot USING PRIMARY KEY (merchant_no=?)", ORDER_BY],
    "CLAIMS_ON_SLOTS": ["SEARCH spot USING PRIMARY KEY (merchant_no=?)"],
    "OWN_BOOKINGS_AT": [
        "CO-ROUTINE latest",
        "SEARCH event USING PRIMARY KEY (merchant_no=?)",
        GROUP_BY,
        "SCAN latest",
        "SEARCH event USING PRIMARY KEY (merchant_no=? AND event_no=?)",
        GROUP_BY,
    ],
}

OPERATORS = {
    "MARKETING_PREFERENCES": ["SEARCH marketing_preference USING PRIMARY KEY (user_id>?)"],
    "CLOSE_SLOT": ["SEARCH slot USING PRIMARY KEY (merchant_no=? AND slot_no=?)"],
    "SPOTS_BUSY": [SPOTS_OF_SLOT],
    "OLD_LEASES": ["SEARCH lease USING PRIMARY KEY ((merchant_no,lease_no)>(?,?))"],
    "PURGE_LEASE": ["SEARCH lease USING PRIMARY KEY (merchant_no=? AND lease_no=?)"],
    "EVENTS_OF_MERCHANT": [
        "SEARCH event USING PRIMARY KEY (merchant_no=? AND event_no>?)",
        "SEARCH booking USING PRIMARY KEY (merchant_no=? AND booking_no=?)",
    ],
}

PLANS = PREFETCH_AND_COMMIT | SWEEP_IMPORT_AND_EXPORT | OPERATORS | ACCESS

MAY_READ_WHOLE_TABLES = {
    "FINGERPRINT_KEY",  # one row
    "LEASES_NEWEST",  # an operator looks
    "BOOKINGS_LATEST",  # an operator looks
    "PROBE_WRITE",  # reads none
    "MERCHANTS",  # an import looks, once
    "CREDENTIALS",  # a handful
    "MERCHANT_NAMES",  # an export looks, once
}

FILL = """
    WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
    INSERT INTO {table} SELECT {values} FROM n WHERE i <= {count}
"""
ROWS = {
    "merchant": (50, "i, 'm' || i, 'M', 0, 3600000000, 1, 1"),
    "service": (500, "i % 50 + 1, i, 's' || i, 0, 0, NULL, 1, NULL"),
    "staff": (500, "i % 50 + 1, i, 'p' || i"),
    "room": (500, "i % 50 + 1, i, 'r' || i"),
    "slot": (5000, "i % 50 + 1, i, i % 10, i, 3600000000, i % 10, i % 7, 0, '', 5, 0, 0, 0, NULL, NULL, NULL, 0"),
    "spot": (5000, "i % 50 + 1, i, 1, i, i, i, i + 3600000000, i % 10, i % 7"),
    "lease": (5000, "i % 50 + 1, i, zeroblob(16), i % 4 + 1, i, 't' || i, 's', i, 1, '', 0, '', '', 0, i, 1, 0, 0, i"),
    "booking": (
        5000,
        """i % 50 + 1, i, zeroblob(16), i % 5 + 1, 1, 's', i, 1, '', 0, '', '', 0, i, 1, '{}', 'u' || i % 900, '{}',
           NULL, '', 't' || i, NULL, zeroblob(32), 0, i""",
    ),
    "event": (5000, "i % 50 + 1, i, i, 'K', 'A', i, 1, 1, i, 1, '{}'"),
    "marketing_preference": (5000, "'u' || i, '{}', i % 2, i"),
}


@pytest.fixture(scope="module", params=["new", "full", "full and with statistics"])
def ledger(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[apsw.Connection]:
    """Nobody runs ANALYZE today; who does must not make a request slow."""
    path: Path = tmp_path_factory.mktemp("plans") / "ledger.db"
    SqliteStore(str(path), HandClock(), create=True, serve=False).close()
    with raw(path) as connection:
        connection.pragma("foreign_keys", False)
        if request.param != "new":
            for table, (count, values) in ROWS.items():
                connection.execute(FILL.format(table=table, values=values, count=count))
        if request.param == "full and with statistics":
            connection.execute("ANALYZE")
    with raw(path) as connection:  # statistics are read when a connection is opened
        yield connection


def explain(connection: apsw.Connection, how: str, sql: str) -> list[tuple[object, ...]]:
    return connection.execute(f"{how} {sql}", dict.fromkeys(re.findall(r":(\w+)", sql))).fetchall()


def plan_of(connection: apsw.Connection, sql: str) -> list[str]:
    return [str(row[3]) for row in explain(connection, "EXPLAIN QUERY PLAN", sql)]


def test_every_statement_has_a_plan_or_leave_to_read_whole_tables() -> None:
    assert set(PLANS) | MAY_READ_WHOLE_TABLES == set(STATEMENTS)
    assert not set(PLANS) & MAY_READ_WHOLE_TABLES


def test_no_plan_reads_a_whole_table() -> None:
    scans = [line for plan in PLANS.values() for line in plan if line.startswith("SCAN")]
    counted = "SCAN lease USING COVERING INDEX lease_active"
    assert sorted(scans) == ["SCAN latest", counted], "what a co-routine found before it; no table"


@pytest.mark.parametrize("name", PLANS)
def test_a_statement_takes_the_intended_index(ledger: apsw.Connection, name: str) -> None:
    assert plan_of(ledger, STATEMENTS[name]) == PLANS[name]


@pytest.mark.parametrize("name", [name for name, plan in PLANS.items() if not plan])
def test_an_insert_and_what_it_triggers_walk_no_table(ledger: apsw.Connection, name: str) -> None:
    """The plan of an insert says nothing of its trigger and its foreign keys; its program does."""
    steps = {str(row[1]) for row in explain(ledger, "EXPLAIN", STATEMENTS[name])}
    assert "Insert" in steps or "IdxInsert" in steps
    assert not steps & {"Rewind", "Last", "Sort"}


@pytest.mark.parametrize("rule", audit.RULES)
def test_the_audit_reads_each_table_once_and_looks_the_rest_up(ledger: apsw.Connection, rule: str) -> None:
    """`doctor` runs beside a server on a ledger of any size, so its work must not grow with the square of it: in each
    loop of the plan only the outermost table is read, and no look-up goes through all rows of a merchant."""
    plan = explain(ledger, "EXPLAIN QUERY PLAN", audit._STATEMENTS[rule])  # noqa: SLF001 - each of its rules by name
    scans = [(parent, str(line)) for _, parent, _, line in plan if str(line).startswith("SCAN")]
    assert len({parent for parent, _ in scans}) == len(scans), scans
    assert [line for *_, line in plan if str(line).endswith("(merchant_no=?) LEFT-JOIN")] == []

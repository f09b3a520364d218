"""Every statement that a request waits for goes straight to its rows: on a new database, a small and a large one, with
statistics and without.

A server keeps the plan of a statement that it has prepared. One made while a table was empty must be as good when it is
full, so what is looked at here is the plan that is kept (`force_generic_plan`), and each of its scans: by an index, and
with a condition that leads to the rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
import pytest

from slotlease.store import postgres_statements as batch
from slotlease.store import statements
from slotlease.store.postgres_connections import open_session
from slotlease.store.postgres_statements import text_of
from tests.postgres_server import database

BATCHES = {
    name: sql for name, sql in vars(batch).items() if name.isupper() and isinstance(sql, str) and "SELECT" in sql
}
WRITES = {name: batch.FOR_MANY_ROWS[sql] for name, sql in vars(statements).items() if str(sql) in batch.FOR_MANY_ROWS}
SHARED = {
    name: getattr(statements, name)
    for name in (
        *("MERCHANT_BY_ID", "MERCHANT_NAME", "SERVICES", "STAFF", "ROOMS"),
        *("PUT_SERVICE", "INSERT_STAFF", "INSERT_ROOM"),
        *("UPDATE_MERCHANT", "RETIRE_MERCHANT", "RAISE_LONGEST_DURATION", "LIVE_LEASES", "LAPSED_LEASES", "OLD_LEASES"),
        *("SLOTS_OF_MERCHANT", "SLOTS_BY_START", "CLAIMS_ON_SLOTS", "OWN_BOOKINGS_AT", "EVENTS_OF_MERCHANT"),
        *("MARKETING_PREFERENCES", "ADD_CREDENTIAL", "REVOKE_CREDENTIAL"),
    )
}
HOT = BATCHES | WRITES | SHARED

READS_NO_TABLE = {"DATABASE_CLOCK", "BE_PATIENT", "BE_FREE"}
MAY_SCAN = {
    "LOCK_NEW_MERCHANTS": {"turn"},  # one row
    "PROBE_WRITE": {"turn"},
}
WHOLE_INDEX = {
    "INSERT_MERCHANT": {"merchant_pkey"},  # its last entry only
    "LIVE_LEASES": {"lease_active"},  # it holds those that are counted, and few more
}

THE_INDEX = {
    "LEASES": "lease_pkey",
    "END_LEASE": "lease_pkey",
    "PURGE_LEASE": "lease_pkey",
    "OLD_LEASES": "lease_pkey",
    "LEASES_BY_REFERENCE": "lease_by_reference",
    "LAPSED_LEASES": "lease_active",
    "LIVE_LEASES": "lease_active",
    "BOOKINGS": "booking_pkey",
    "UPDATE_BOOKING": "booking_pkey",
    "BOOKINGS_BY_TOKEN": "booking_by_token",
    "BOOKINGS_OF_USERS_AND_SLOTS": "booking_by_user",
    "BOOKINGS_OF_USERS_UPCOMING": "booking_by_user",
    "USERS_KNOWN": "booking_by_user",
    "UPDATE_SPOT": "spot_pkey",
    "SPOTS_BUSY": "spot_pkey",
    "CLOSE_SLOT": "slot_pkey",
    "SLOTS_OF_MERCHANT": "slot_pkey",
}

ROWS = {
    "merchant": ("SELECT i, 'm' || i, 'M', 0, 3600000000, 1, 1 FROM generate_series(1, {n} / 100 + 1) AS i"),
    "service": "SELECT i % 50 + 1, i, 's' || i, 0, 0, NULL, 1, NULL FROM generate_series(1, {n} / 10) AS i",
    "staff": "SELECT i % 50 + 1, i, 'p' || i FROM generate_series(1, {n} / 10) AS i",
    "room": "SELECT i % 50 + 1, i, 'r' || i FROM generate_series(1, {n} / 10) AS i",
    "slot": """SELECT i % 50 + 1, i, i % 10, i, 3600000000, i % 10, i % 7, 0, '', 5, 0, 0, 0, NULL, NULL, NULL, 0
               FROM generate_series(1, {n}) AS i""",
    "spot": """SELECT i % 50 + 1, i, 1, i, i, i, i + 3600000000, i % 10, i % 7 FROM generate_series(1, {n}) AS i""",
    "lease": """SELECT i % 50 + 1, i, decode(repeat('00', 16), 'hex'), i % 4 + 1, i, 't' || i, 's', i, 1, '', 0, '', '',
                       0, i, 1, 0, 0, i FROM generate_series(1, {n}) AS i""",
    "booking": """SELECT i % 50 + 1, i, decode(repeat('00', 16), 'hex'), i % 5 + 1, 1, 's', i, 1, '', 0, '', '', 0, i,
                         1, '{{}}', 'u' || i % 900, '{{}}', NULL, '', 't' || i, NULL, decode(repeat('00', 32), 'hex'),
                         0, i FROM generate_series(1, {n}) AS i""",
    "event": "SELECT i % 50 + 1, i, i, 'K', 'A', i, 1, 1, i, 1, '{{}}' FROM generate_series(1, {n}) AS i",
    "marketing_preference": "SELECT 'u' || i, '{{}}', i % 2, i FROM generate_series(1, {n}) AS i",
    "credential": "SELECT 'c' || i, decode(repeat('00', 32), 'hex'), 0, 1 FROM generate_series(1, {n} / 100) AS i",
}
SIZES = {
    "new": 0,
    "small": 100,
    "large": 20_000,
    "new, looked at": 0,
    "small, looked at": 100,
    "large, looked at": 20_000,
}


@pytest.fixture(scope="module", params=SIZES)
def session(request: pytest.FixtureRequest, postgres: str, postgres_template: str) -> Iterator[psycopg.Connection[Any]]:
    """As the store opens one, on a ledger of that size; `looked at`: by ANALYZE."""
    with database(postgres, postgres_template) as url:
        connection = open_session(url, name="tests")._connection  # noqa: SLF001 - for EXPLAIN
        connection.execute("SET session_replication_role = replica")
        for table, rows in ROWS.items():
            if SIZES[request.param]:
                connection.execute(f"INSERT INTO {table} {rows.format(n=SIZES[request.param])}")
            if "looked at" in request.param:
                connection.execute(f"ANALYZE {table}")
        yield connection
        connection.close()


def plan_of(connection: psycopg.Connection[Any], sql: str) -> dict[str, Any]:
    """The plan that the server keeps for the statement."""
    names: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        return f"${names.setdefault(found[1], len(names) + 1)}"

    connection.execute("DEALLOCATE ALL")
    connection.execute(f"PREPARE kept AS {re.sub(r'%[(]([a-z_]+)[)]s', number, text_of(sql))}", prepare=False)
    nothing = f"({', '.join('NULL' for _ in names)})" if names else ""
    found = connection.execute(f"EXPLAIN (FORMAT JSON) EXECUTE kept{nothing}", prepare=False).fetchone()
    assert found is not None
    (plan,) = json.loads(found[0]) if isinstance(found[0], str) else found[0]
    return dict(plan["Plan"])


def nodes_of(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes_of(below)


@pytest.mark.parametrize("name", [name for name in HOT if name not in READS_NO_TABLE])
def test_a_statement_leads_straight_to_its_rows(session: psycopg.Connection[Any], name: str) -> None:
    plan = plan_of(session, HOT[name])
    scans = [node for node in nodes_of(plan) if "Scan" in node["Node Type"]]
    whole = {node["Relation Name"] for node in scans if node["Node Type"] == "Seq Scan"}
    assert whole <= MAY_SCAN.get(name, set()), json.dumps(plan, indent=1)
    by_index = [node for node in scans if "Index" in node["Node Type"]]
    unbounded = {node["Index Name"] for node in by_index if "Index Cond" not in node}
    assert unbounded <= WHOLE_INDEX.get(name, set()), json.dumps(plan, indent=1)


@pytest.mark.parametrize(("name", "index"), THE_INDEX.items())
def test_a_statement_that_two_indexes_could_serve_takes_the_right_one(
    session: psycopg.Connection[Any], name: str, index: str
) -> None:
    nodes = nodes_of(plan_of(session, HOT[name]))
    assert {node["Index Name"] for node in nodes if "Index Name" in node} - {"merchant_pkey"} == {index}


def test_the_search_for_rivals_is_bounded_at_both_ends(session: psycopg.Connection[Any]) -> None:
    """Unbounded, all the past of busy staff is walked (DESIGN 3)."""
    found = {
        node["Index Name"]: node["Index Cond"]
        for node in nodes_of(plan_of(session, batch.RIVALS))
        if node.get("Relation Name") == "spot" and str(node.get("Index Name", "")).startswith("spot_by")
    }
    assert set(found) == {"spot_by_staff", "spot_by_room"}
    for condition in found.values():
        assert "start_us >" in condition
        assert "start_us <" in condition

"""What PostgreSQL is asked in a form of its own: for many rows at once, since each statement costs a journey.

A batch names its rows in arrays. A plan is made once and kept, so none may depend on how full a table was at that time
(performance 7: one made while it was empty read all of it ever after). What the planner could choose is therefore taken
from it, here and in the session's settings (postgres_connections.py):

- a look-up stands in a LATERAL of its own that ends in OFFSET 0, so the arrays are walked and each row looked up;
- one that two indexes could serve is ordered by the last column of the right one, which then alone needs no sort;
- a write joins its rows by `= ANY(ARRAY[...])`: that can be looked up in an index, and neither hashed nor merged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from slotlease.store import statements
from slotlease.store.postgres_arrays import Bigints, Texts, array_of
from slotlease.store.rows import Params
from slotlease.store.statements import (
    BOOKING_COLUMNS,
    EVENT_COLUMNS,
    LEASE_COLUMNS,
    MERCHANT_COLUMNS,
    SERVICE_COLUMNS,
    SLOT_COLUMNS,
    SPOT_COLUMNS,
    names_of,
)

# ruff: noqa: S608 - the texts are put together from the column lists of the store, never from input

DATABASE_CLOCK = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)"
"""Not now(): that stands still from BEGIN on, and a wait for locks would make it stale."""

BEGIN_WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED"
BEGIN_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# For what nobody waits for.
BE_PATIENT = "SELECT set_config('statement_timeout', '600s', true)"
# And reads whole tables.
BE_FREE = """
    SELECT set_config('enable_seqscan', 'on', true), set_config('enable_bitmapscan', 'on', true),
           set_config('enable_sort', 'on', true)
"""
COMMIT = "COMMIT"
ROLLBACK = "ROLLBACK"

# A statement of its own, after the one that locks and before those that read rows. What it finds is kept in the
# session for them: who asks for the rows in the same journey does not know the time yet.
_NOW = "(SELECT CAST(current_setting('slotlease.now_us') AS bigint))"


def read_clock(clock: str) -> str:
    return f"SELECT CAST(set_config('slotlease.now_us', CAST({clock} AS text), false) AS bigint)"


# Nobody can lock the row of a merchant that is not there yet.
LOCK_NEW_MERCHANTS = "SELECT holder FROM turn FOR UPDATE"
# Changes nothing, and reaches the disk as any commit does.
PROBE_WRITE = "UPDATE turn SET holder = holder"

SERVICES_OF = f"SELECT {SERVICE_COLUMNS} FROM service WHERE merchant_no = ANY(CAST(:merchant_nos AS bigint[]))"
STAFF_OF = "SELECT merchant_no, staff_id, staff_no FROM staff WHERE merchant_no = ANY(CAST(:merchant_nos AS bigint[]))"
ROOMS_OF = "SELECT merchant_no, room_id, room_no FROM room WHERE merchant_no = ANY(CAST(:merchant_nos AS bigint[]))"


_TEXTS = set(
    "client_reference service_id availability_tag staff_id room_id created_as user_key user payment additional_request"
    " idempotency_token kind actor slot user_id merchant_ids".split()
)
_BYTES = {"secret", "fingerprint"}


def kind_of(name: str) -> str:
    """The type of a column's array."""
    return "text" if name in _TEXTS else "bytea" if name in _BYTES else "bigint"


def _asked(names: str, alias: str = "asked") -> str:
    """A table of what is asked for, out of an array for each column."""
    arrays = ", ".join(f"CAST(:{name} AS {kind_of(name)}[])" for name in names.split())
    return f"unnest({arrays}) AS {alias} ({', '.join(names.split())})"


def _of(table: str, columns: str) -> str:
    return ", ".join(f"{table}.{name.strip()}" for name in columns.split(","))


# In the order of their numbers, so that no two batches ever wait for each other in a circle (INV-22). Foreign keys
# need no more than the key, so FOR NO KEY UPDATE leaves them alone.
def _merchants_wanted(lock: str = "") -> str:
    return f"""
        SELECT {_of("found", MERCHANT_COLUMNS)}
        FROM (
            SELECT unnest(CAST(:merchant_nos AS bigint[])) AS merchant_no
            UNION
            SELECT named.merchant_no FROM unnest(CAST(:merchant_ids AS text[])) AS asked (merchant_id)
            CROSS JOIN LATERAL (
                SELECT merchant.merchant_no FROM merchant WHERE merchant.merchant_id = asked.merchant_id OFFSET 0
            ) AS named
            ORDER BY merchant_no
        ) AS wanted
        CROSS JOIN LATERAL (
            SELECT {MERCHANT_COLUMNS} FROM merchant WHERE merchant.merchant_no = wanted.merchant_no OFFSET 0 {lock}
        ) AS found
    """


MERCHANTS_WANTED = _merchants_wanted()
LOCK_MERCHANTS = _merchants_wanted("FOR NO KEY UPDATE")


def _each(columns: str, table: str, key: str, *, more: str = "TRUE") -> str:
    """The rows with each of these keys. The last column is bounded on both sides instead of equal, only so that it can
    be ordered by: see above."""
    *others, last = key.split()
    equal = " AND ".join(f"{table}.{name} = asked.{name}" for name in others)
    return f"""
        SELECT {_of("found", columns)} FROM {_asked(key)}
        CROSS JOIN LATERAL (
            SELECT {_of(table, columns)} FROM {table}
            WHERE {equal} AND {table}.{last} BETWEEN asked.{last} AND asked.{last} AND {more}
            ORDER BY {table}.{last} OFFSET 0
        ) AS found
    """


def _occupancy(asked: str) -> str:
    """Each slot asked for with its rows of spots: how many numbers were used; and, where they do not suffice for all
    takers or the slot shares staff or a room, how many are busy and lapsed, and those that a taker can need
    (store/prefetch.py does the same row by row)."""
    spots = "spot.merchant_no = slot.merchant_no AND spot.slot_no = slot.slot_no"
    return f"""
        SELECT {_of("slot", SLOT_COLUMNS)}, slot.closed_by_operator, top.highest, top.counts,
               counted.busy, counted.lapsed_count, lapsed.spot_nos, lapsed.busy_until_us, lapsed.holder_nos,
               free.spot_nos
        FROM {asked}
        CROSS JOIN LATERAL (
            SELECT {_of("slot", SLOT_COLUMNS)}, slot.closed_by_operator,
                   slot.spots_total - slot.spots_elsewhere AS capacity, slot.staff_no > 0 OR slot.room_no > 0 AS shares
            FROM slot WHERE slot.merchant_no = asked.merchant_no AND slot.slot_no = asked.slot_no OFFSET 0
        ) AS slot
        CROSS JOIN LATERAL (
            SELECT last.highest, CAST(:counts_all AS boolean) OR slot.shares
                                 OR last.highest + asked.takers > slot.capacity AS counts
            FROM (SELECT coalesce((SELECT spot.spot_no FROM spot WHERE {spots} ORDER BY spot.spot_no DESC LIMIT 1), 0)
                         AS highest OFFSET 0) AS last
            OFFSET 0
        ) AS top
        CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE spot.busy_until_us > {_NOW}) AS busy,
                   count(*) FILTER (WHERE spot.busy_until_us BETWEEN 1 AND {_NOW}) AS lapsed_count
            FROM spot WHERE {spots} AND top.counts
        ) AS counted
        CROSS JOIN LATERAL (
            SELECT array_agg(row.spot_no) AS spot_nos, array_agg(row.busy_until_us) AS busy_until_us,
                   array_agg(row.holder_no) AS holder_nos
            FROM (
                SELECT spot.spot_no, spot.busy_until_us, spot.holder_no FROM spot
                WHERE {spots} AND counted.lapsed_count > 0 AND spot.busy_until_us BETWEEN 1 AND {_NOW}
                ORDER BY spot.spot_no
                LIMIT CASE WHEN slot.shares THEN NULL
                      ELSE 2 * asked.takers + greatest(0, counted.busy + counted.lapsed_count - slot.capacity) END
            ) AS row
        ) AS lapsed
        CROSS JOIN LATERAL (
            SELECT array_agg(row.spot_no) AS spot_nos
            FROM (
                SELECT spot.spot_no FROM spot
                WHERE {spots} AND top.counts AND counted.busy + counted.lapsed_count < top.highest
                  AND spot.busy_until_us = 0
                ORDER BY spot.spot_no LIMIT asked.takers
            ) AS row
        ) AS free
    """


def _overlapping(shared: str) -> str:
    return f"""
        SELECT spot.slot_no FROM spot
        WHERE spot.merchant_no = span.merchant_no AND spot.{shared} = span.{shared} AND spot.{shared} > 0
          AND spot.start_us > span.start_us - span.longest_duration_us AND spot.start_us < span.end_us
          AND spot.end_us > span.start_us AND spot.slot_no <> span.slot_no AND spot.busy_until_us > 0
        ORDER BY spot.start_us OFFSET 0
    """


SPAN = "merchant_no slot_no start_us end_us staff_no room_no longest_duration_us"

SLOTS = _occupancy(_asked("merchant_no slot_no takers"))
# Nobody takes a spot of a rival: one that is asked for itself is read by the statement above.
RIVALS = _occupancy(f"""
    (
        SELECT DISTINCT span.merchant_no, rival.slot_no, CAST(0 AS bigint) AS takers
        FROM {_asked(SPAN, "span")}
        CROSS JOIN LATERAL (({_overlapping("staff_no")}) UNION ALL ({_overlapping("room_no")}) OFFSET 0) AS rival
    ) AS asked
""")

LEASES = _each(LEASE_COLUMNS, "lease", "merchant_no lease_no")
LEASES_BY_REFERENCE = _each(LEASE_COLUMNS, "lease", "merchant_no client_reference")
BOOKINGS = _each(BOOKING_COLUMNS, "booking", "merchant_no booking_no")
BOOKINGS_BY_TOKEN = _each(BOOKING_COLUMNS, "booking", "merchant_no idempotency_token")
BOOKINGS_OF_USERS_AND_SLOTS = _each(
    "merchant_no, slot_no, user_key, booking_no",
    "booking",
    "user_key merchant_no slot_no",
    more="booking.status <> 3",
)
USERS_KNOWN = f"""
    SELECT asked.user_key FROM {_asked("user_key")}
    CROSS JOIN LATERAL (SELECT 1 FROM booking WHERE booking.user_key = asked.user_key LIMIT 1) AS found
"""
BOOKINGS_OF_USERS_UPCOMING = f"""
    SELECT found.user_key, merchant.merchant_id, {_of("found", BOOKING_COLUMNS)}
    FROM {_asked("user_key")}
    CROSS JOIN LATERAL (
        SELECT {_of("booking", BOOKING_COLUMNS)} FROM booking
        WHERE booking.user_key = asked.user_key AND booking.start_us > {_NOW} AND booking.status <> 3 OFFSET 0
    ) AS found
    CROSS JOIN LATERAL (
        SELECT merchant.merchant_id FROM merchant WHERE merchant.merchant_no = found.merchant_no OFFSET 0
    ) AS merchant
    ORDER BY found.start_us, found.merchant_no, found.booking_no
"""
SPOTS_BUSY = f"""
    SELECT {_of("found", SPOT_COLUMNS)} FROM {_asked("merchant_no slot_no")}
    CROSS JOIN LATERAL (
        SELECT {_of("spot", SPOT_COLUMNS)} FROM spot
        WHERE spot.merchant_no = asked.merchant_no AND spot.slot_no = asked.slot_no AND spot.busy_until_us > {_NOW}
        ORDER BY spot.spot_no LIMIT :rows_max
    ) AS found
"""

# --- commit ------------------------------------------------------------------------------------------------------


def _given(names: Iterable[str]) -> str:
    """The rows to write, as a table."""
    kinds = {name: kind_of(name.removesuffix("_before")) for name in names}
    arrays = ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in kinds.items())
    columns = ", ".join(f'"{name}"' for name in kinds)  # one of them is called user
    return f"unnest({arrays}) AS given ({columns})"


def _is_given(table: str, key: str) -> str:
    return " AND ".join(f"{table}.{name} = ANY(ARRAY[given.{name}])" for name in key.split())


def _guarded(write: str) -> str:
    """Fails where it changed another number of rows than it was given: then some row was no longer as prefetched, and
    the division by zero undoes the transaction before its COMMIT, which is on its way already."""
    return f"WITH written AS ({write} RETURNING 1) SELECT 1 / CAST(count(*) = :rows AS integer) FROM written"


def _insert(table: str, columns: str) -> str:
    return f"INSERT INTO {table} ({columns}) SELECT * FROM {_given(names_of(columns))}"


def _update(table: str, sets: str, key: str, before: str = "") -> str:
    """Sets the columns `sets` of each row with that key, if the columns `before` are as they were."""
    conditions = [_is_given(table, key), *(f"{table}.{name} = given.{name}_before" for name in before.split())]
    names = [*sets.split(), *key.split(), *(f"{name}_before" for name in before.split())]
    changes = ", ".join(f"{name} = given.{name}" for name in sets.split())
    return f"UPDATE {table} SET {changes} FROM {_given(names)} WHERE {' AND '.join(conditions)}"


_SPOT_ROW = "merchant_no, slot_no, spot_no, busy_until_us, holder_no, start_us, end_us, staff_no, room_no"
_BOOKING_MOVES = (
    "status revision start_us duration_us availability_tag resources_given staff_id room_id party_size slot_no spot_no"
    " cancel_by_us"
)
_KEY_LEASE = "merchant_no lease_no"

FOR_MANY_ROWS: Mapping[str, str] = {
    statements.ADVANCE_NEXT_NO: _guarded(_update("merchant", "next_no", "merchant_no", "next_no")),
    statements.UPDATE_SPOT: _guarded(
        _update("spot", "busy_until_us holder_no", "merchant_no slot_no spot_no", "busy_until_us holder_no")
    ),
    # Below 2 is ACTIVE; `= 1` would make the index of active leases look fit for it.
    statements.END_LEASE: _guarded(_update("lease", "state", _KEY_LEASE) + " AND lease.state < 2"),
    statements.UPDATE_BOOKING: _guarded(_update("booking", _BOOKING_MOVES, "merchant_no booking_no", "revision")),
    statements.CLOSE_SLOT: _guarded(_update("slot", "closed_by_operator", "merchant_no slot_no", "closed_by_operator")),
    statements.PURGE_LEASE: _guarded(
        f"DELETE FROM lease USING {_given(_KEY_LEASE.split())}"
        f" WHERE {_is_given('lease', _KEY_LEASE)} AND lease.state <> 1"
    ),
    statements.INSERT_SPOT: _guarded(_insert("spot", _SPOT_ROW)),
    statements.INSERT_LEASE: _guarded(_insert("lease", LEASE_COLUMNS)),
    statements.INSERT_BOOKING: _guarded(_insert("booking", BOOKING_COLUMNS)),
    statements.INSERT_EVENT: _guarded(_insert("event", EVENT_COLUMNS)),
    statements.PUT_MARKETING_PREFERENCE: _guarded(
        _insert("marketing_preference", 'user_id, "user", receives_marketing, told_us')
        + statements.PUT_MARKETING_PREFERENCE[statements.PUT_MARKETING_PREFERENCE.index(" ON CONFLICT") :]
    ),
    statements.PUT_SLOT: _insert("slot", SLOT_COLUMNS)
    + statements.PUT_SLOT[statements.PUT_SLOT.index(" ON CONFLICT") :],
}

# No sequence: a number that was given is never free again, for no merchant is ever deleted, and a dry run takes none.
INSERT_MERCHANT = """
    INSERT INTO merchant (merchant_no, merchant_id, name, retired, longest_duration_us, catalogue_revision, next_no)
    SELECT coalesce(max(merchant_no), 0) + 1, :merchant_id, :name, 0, 0, 1, 1 FROM merchant
"""
_ITS_OWN = {statements.INSERT_MERCHANT: INSERT_MERCHANT}

_PARAMETER = re.compile(r"(?<!:):([a-z_]+)")


@cache
def text_of(sql: str) -> str:
    """A statement of the store as psycopg reads it, with its parameters named `%(so)s`."""
    return _PARAMETER.sub(r"%(\1)s", _ITS_OWN.get(sql, sql).replace("%", "%%"))


def columns_of(params: Sequence[Params]) -> Params:
    """The rows to write as one array for each column."""
    arrays = {name: array_of(kind_of(name), [row[name] for row in params]) for name in params[0]}
    return {**arrays, "rows": len(params)}


def arrays_of(names: str, rows: Iterable[Sequence[Any]]) -> Params:
    """The rows that are asked for, the same way; empty where there are none."""
    columns = zip(*rows, strict=True)
    return {name: array_of(kind_of(name), column) for name, column in zip(names.split(), columns, strict=False)}


def merchants_named(merchant_nos: Iterable[int], merchant_ids: Iterable[str]) -> Params:
    return {"merchant_nos": Bigints(merchant_nos), "merchant_ids": Texts(merchant_ids)}

"""Writes a merchant's slot rows in pieces, so that requests for the merchant wait milliseconds."""

from __future__ import annotations

import time
from collections.abc import Sequence

from slotlease.store import postgres_statements, statements
from slotlease.store.postgres_connections import Session
from slotlease.store.protocol import RowRefused
from slotlease.store.rows import Params

ROWS_BETWEEN_LOOKS = 200
"""Rows written between two looks at the clock: one journey, a few milliseconds."""

_PUT = postgres_statements.FOR_MANY_ROWS[statements.PUT_SLOT]


def put(session: Session, slots: Sequence[Params], held_max_s: float | None) -> int:
    """See `protocol.Inventory.put_slots`. Runs inside the caller's transaction, begun just now."""
    # Half of the time is for the rows, the other half for making them durable.
    stop_s = None if held_max_s is None else time.monotonic() + held_max_s / 2
    written = 0
    while written < len(slots) and (written == 0 or stop_s is None or time.monotonic() < stop_s):
        piece = slots[written : written + ROWS_BETWEEN_LOOKS]
        if session.changed(_PUT, postgres_statements.columns_of(piece)) != len(piece):
            message = "a slot's number belongs to another slot of this merchant"
            raise RowRefused(message)
        written += len(piece)
    return written

"""Writes a merchant's slot rows in pieces, so that whoever waits for the file's one write lock waits milliseconds."""

from __future__ import annotations

import time
from collections.abc import Sequence

import apsw

from slotlease.store import statements
from slotlease.store.protocol import RowRefused
from slotlease.store.rows import Params
from slotlease.store.sqlite_binding import run_each

ROWS_BETWEEN_LOOKS = 50
"""Rows written between two looks at the clock: a fraction of a millisecond."""


def put(connection: apsw.Connection, slots: Sequence[Params], held_max_s: float | None) -> int:
    """See `protocol.Inventory.put_slots`. Runs inside the caller's transaction, begun just now."""
    # Half of the time is for the rows, the other half for making them durable.
    stop_s = None if held_max_s is None else time.monotonic() + held_max_s / 2
    written = 0
    while written < len(slots) and (written == 0 or stop_s is None or time.monotonic() < stop_s):
        piece = slots[written : written + ROWS_BETWEEN_LOOKS]
        before = connection.total_changes()
        run_each(connection, statements.PUT_SLOT, piece)
        if connection.total_changes() - before != len(piece):
            message = "a slot's number belongs to another slot of this merchant"
            raise RowRefused(message)
        written += len(piece)
    return written

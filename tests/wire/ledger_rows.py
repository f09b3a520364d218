"""The ledger's tables as they lie on the disk, read while the server serves them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import apsw

WRITTEN_BY_CALLS = ("lease", "booking", "spot", "event")
"""The tables that a call of the API may write."""

Row = dict[str, Any]


class LedgerRows:
    """Close it before the folder goes."""

    def __init__(self, folder: Path) -> None:
        self._connection = apsw.Connection(str(folder / "ledger.db"), flags=apsw.SQLITE_OPEN_READWRITE)

    def close(self) -> None:
        self._connection.close()

    def counts(self) -> dict[str, int]:
        """The number of rows of each table that a call may write."""
        # S608: the names are ours, above.
        statement = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}" for name in WRITTEN_BY_CALLS)  # noqa: S608
        return {str(name): int(str(number)) for name, number in self._connection.execute(statement)}

    def state(self) -> tuple[object, ...]:
        """Changes with every commit of anybody, if only of a row that is as it was."""
        ((version,),) = self._connection.execute("PRAGMA data_version")
        return (version, *self.counts().items())

    def rows(self, table: str) -> list[Row]:
        """Every row by its columns' names, in the order of the primary key."""
        cursor = self._connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3")  # noqa: S608 - a name of ours
        return [dict(zip((name for name, _ in cursor.get_description()), row, strict=True)) for row in cursor]

    def telling(self) -> dict[str, list[Row]]:
        """The ledger apart from what differs between two tellings of one story: the random part of ids, the keys by
        which users and repeats are known again, and the id that only version 2 gives a user."""
        ledger = {table: self.rows(table) for table in ("merchant", "service", "slot", *WRITTEN_BY_CALLS)}
        for lease in ledger["lease"]:
            del lease["secret"]
        for booking in ledger["booking"]:
            for column in ("secret", "user_key", "idempotency_token", "fingerprint"):
                del booking[column]
            booking["user"] = {**json.loads(booking["user"]), "user_id": ""}
        return ledger

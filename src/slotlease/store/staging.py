"""Where a feed waits until all of it was found right: a private SQLite file beside no ledger.

SQLite keeps it in the system's temporary folder without a name, so nobody else can open it and the system deletes it
with the process, however that ends. It is thrown away whole: nothing in it is durable, and nothing needs to be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import apsw

from slotlease.domain.slot import slot_number
from slotlease.store.protocol import StoreUnavailable
from slotlease.store.rows import Row

# ruff: noqa: S608 - the texts are put together from the column lists below, never from input

CACHE_KIB = 32_768
"""Bounds what a million slots take of memory; the rest is in the file."""

SLOT_COLUMNS = (
    "start_us, service_no, duration_us, staff_id, room_id, party_size, spots_total, spots_open, spots_elsewhere,"
    " availability_tag, asynchronous, first_bookable_us, last_bookable_us, last_online_cancellable_us, recurs,"
    " file_no, group_no, entry_no"
)
"""In the order in which slots are added and read. `service_no` is the staging's own number of a service, and tells
its merchant; the last three say where in the files the slot stands."""

_NUMBERED_COLUMNS = (
    "slot_no, service_no, start_us, duration_us, staff_no, room_no, party_size, spots_total, spots_open,"
    " spots_elsewhere, availability_tag, asynchronous, first_bookable_us, last_bookable_us, last_online_cancellable_us"
)

_SCHEMA = f"""
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -{CACHE_KIB};
    PRAGMA temp_store = FILE;

    CREATE TABLE slot (row_no INTEGER PRIMARY KEY, merchant_no, {SLOT_COLUMNS});

    -- The numbers that the ledger gave to what one merchant's slots name.
    CREATE TABLE service_number (service_no INTEGER PRIMARY KEY, number);
    CREATE TABLE staff_number (id TEXT PRIMARY KEY, number) WITHOUT ROWID;
    CREATE TABLE room_number (id TEXT PRIMARY KEY, number) WITHOUT ROWID;

    -- One merchant's slots by their number on the ledger.
    CREATE TABLE numbered ({_NUMBERED_COLUMNS}, PRIMARY KEY (slot_no)) WITHOUT ROWID;

    -- Never committed: it only has to last as long as the connection.
    BEGIN;
"""
_KEY = "merchant_no, service_no, start_us, duration_us, staff_id, room_id, party_size"
_INDEX = f"CREATE INDEX slot_by_key ON slot ({_KEY})"
_ADD_SLOT = f"""
    INSERT INTO slot (merchant_no, {SLOT_COLUMNS}) VALUES (?, {", ".join("?" for _ in SLOT_COLUMNS.split(","))})
"""
_DOUBLES = f"""
    WITH twice AS (SELECT {_KEY}, min(row_no) AS first_row_no FROM slot GROUP BY {_KEY} HAVING count(*) > 1)
    SELECT slot.service_no, slot.start_us, slot.file_no, slot.group_no, slot.entry_no,
           first.file_no, first.group_no, first.entry_no
    FROM twice JOIN slot USING ({_KEY}) JOIN slot AS first ON first.row_no = twice.first_row_no
    WHERE slot.row_no > twice.first_row_no ORDER BY slot.row_no
"""
_SLOTS = f"SELECT {SLOT_COLUMNS} FROM slot WHERE merchant_no = ? ORDER BY start_us, {_KEY}, row_no"
_STAFF = "SELECT DISTINCT staff_id FROM slot WHERE merchant_no = ? AND staff_id <> '' ORDER BY staff_id"
_ROOMS = "SELECT DISTINCT room_id FROM slot WHERE merchant_no = ? AND room_id <> '' ORDER BY room_id"
_NUMBER = f"""
    INSERT OR IGNORE INTO numbered ({_NUMBERED_COLUMNS})
    SELECT slot_number(service_number.number, start_us, duration_us, coalesce(staff_number.number, 0),
                       coalesce(room_number.number, 0), party_size),
           service_number.number, start_us, duration_us, coalesce(staff_number.number, 0),
           coalesce(room_number.number, 0), party_size, spots_total, spots_open, spots_elsewhere, availability_tag,
           asynchronous, first_bookable_us, last_bookable_us, last_online_cancellable_us
    FROM slot
    JOIN service_number ON service_number.service_no = slot.service_no
    LEFT JOIN staff_number ON staff_number.id = slot.staff_id
    LEFT JOIN room_number ON room_number.id = slot.room_id
    WHERE merchant_no = ?
"""
_NUMBERED = f"SELECT {_NUMBERED_COLUMNS} FROM numbered ORDER BY slot_no"


class Staging:
    """The slots of one feed, each merchant and each service under a number of the caller's choice.

    Raises StoreUnavailable where the temporary folder has no room or may not be written.
    """

    def __init__(self) -> None:
        with _faults():
            self._connection = apsw.Connection("")
            self._connection.create_scalar_function("slot_number", lambda *key: slot_number(key), 6, deterministic=True)
            self._connection.execute(_SCHEMA).fetchall()

    def close(self) -> None:
        self._connection.close()

    def add_slots(self, slots: Sequence[Row]) -> None:
        """Each row is a merchant's number and then SLOT_COLUMNS."""
        with _faults():
            self._connection.executemany(_ADD_SLOT, slots)

    def index(self) -> None:
        """All slots were added; from here on they are read."""
        with _faults():
            self._connection.execute(_INDEX)

    def doubles(self) -> Iterator[Row]:
        """Slots that were added before: service_no, start_us, their place and the place of the first, in the order
        in which they were added."""
        return self._rows(_DOUBLES, ())

    def slots(self, merchant_no: int) -> Iterator[Row]:
        """The merchant's slots as SLOT_COLUMNS, by start."""
        return self._rows(_SLOTS, (merchant_no,))

    def staff(self, merchant_no: int) -> list[str]:
        return [row[0] for row in self._rows(_STAFF, (merchant_no,))]

    def rooms(self, merchant_no: int) -> list[str]:
        return [row[0] for row in self._rows(_ROOMS, (merchant_no,))]

    def number(
        self, merchant_no: int, services: Mapping[int, int], staff: Mapping[str, int], rooms: Mapping[str, int]
    ) -> int:
        """Brings the merchant's slots into the order of the ledger, whose numbers of services, staff and rooms are
        given. Says how many there are: a slot whose service has no number is left out, as is one of two that have
        the same slot_no."""
        with _faults():
            for table, numbers in (("service_number", services), ("staff_number", staff), ("room_number", rooms)):
                self._connection.execute(f"DELETE FROM {table}")
                self._connection.executemany(f"INSERT INTO {table} VALUES (?, ?)", numbers.items())
            self._connection.execute("DELETE FROM numbered")
            before = self._connection.total_changes()
            self._connection.execute(_NUMBER, (merchant_no,))
            return self._connection.total_changes() - before

    def numbered(self) -> Iterator[Row]:
        """The slots of the merchant that was numbered last, by slot_no: slot_no, service_no, start_us, duration_us,
        staff_no, room_no, party_size, spots_total, spots_open, spots_elsewhere (None unless the feed says it),
        availability_tag, asynchronous and the three overrides of scheduling rules."""
        return self._rows(_NUMBERED, ())

    def _rows(self, sql: str, params: Sequence[object]) -> Iterator[Row]:
        with _faults():
            yield from self._connection.execute(sql, params)


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except (apsw.FullError, apsw.IOError, apsw.CantOpenError, apsw.ReadOnlyError) as error:
        message = (
            f"the feed could not be kept in the temporary folder ({type(error).__name__}):"
            " make room there, or name another folder in TMPDIR, and try again"
        )
        raise StoreUnavailable(message) from error

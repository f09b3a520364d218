"""`python -m bench.row_sizes`: how many bytes a row takes on the disk, indexes included, on SQLite and on PostgreSQL.

A ledger is filled as a shop fills it: feeds first, in two imports, so that the second one splits the pages of the
first; then leases and bookings of random slots. docs/operate/scale.md computes from the figures.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import apsw
import psycopg

from slotlease.desk.batch import Batches
from slotlease.desk.create_booking import CreateBooking
from slotlease.desk.create_lease import CreateLease
from slotlease.domain.booking import Booking, UserInformation, user_key
from slotlease.domain.facts import natural_key
from slotlease.domain.lease import Lease
from slotlease.domain.merchant import Merchant, Service
from slotlease.domain.policy import Rules
from slotlease.domain.slot import SECOND_US, AskedSlot, Resources, Slot, slot_number
from slotlease.store.clock import system_clock
from slotlease.store.open import migrate_store, open_store
from slotlease.store.protocol import Store
from tests.postgres_server import started_server

MERCHANTS = 20
PIECE = 256
HALF_HOUR_US = 1800 * SECOND_US
STAFF = 8
TABLES = ("slot", "spot", "lease", "booking", "event")

_SQLITE_SIZES = """
    SELECT coalesce(schema.tbl_name, stat.name), sum(stat.pgsize)
    FROM dbstat AS stat LEFT JOIN sqlite_schema AS schema ON schema.name = stat.name GROUP BY 1
"""
_POSTGRES_SIZES = "SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r'"


def slots_of(merchant: Merchant, count: int) -> list[tuple[AskedSlot, Slot]]:
    """Half-hour slots of every member of staff, one spot each, from tomorrow on."""
    first_us = (system_clock() // (86_400 * SECOND_US) + 2) * 86_400 * SECOND_US
    made = []
    for number in range(count):
        resources = Resources(f"staff-{number % STAFF:04}", "", 0)
        start_us = first_us + number // STAFF * HALF_HOUR_US
        asked = AskedSlot(merchant.merchant_id, "haircut-30", start_us, HALF_HOUR_US, resources=resources)
        key = natural_key(merchant, asked)
        if key is None:
            raise LookupError("the merchant has not what its slots name")
        made.append(
            (asked, Slot(merchant.merchant_no, slot_number(key), *key, "", 1, 0, False, False, None, None, None))
        )
    return made


def fill(store: Store, slots: int) -> None:
    chosen = random.Random(1)
    offered: list[AskedSlot] = []
    for number in range(MERCHANTS):
        staff = [f"staff-{one:04}" for one in range(STAFF)]
        merchant, _ = store.put_catalogue(f"merchant-{number:06}", "A shop", [Service(0, 0, "haircut-30")], staff, [])
        made = slots_of(merchant, slots // MERCHANTS)
        for half in (made[::2], made[1::2]):
            store.put_slots(merchant.merchant_no, sorted((slot for _, slot in half), key=lambda slot: slot.slot_no))
        offered += [asked for asked, _ in made]
    batches = Batches(store, Rules(store.fingerprint_key), repr)
    wanted = chosen.sample(offered, len(offered) // 2)
    for begin in range(0, len(wanted), PIECE):
        taken = wanted[begin : begin + PIECE]
        leases = batches.write([CreateLease(one, reference(chosen), None, chosen.randbytes(16)) for one in taken])
        pairs = [(asked, lease) for asked, lease in zip(taken, leases, strict=True) if isinstance(lease, Lease)]
        _all_done(len(pairs), len(taken))
        # Two of three leases are booked.
        booked = batches.write([booking_of(asked, lease, chosen) for asked, lease in pairs[: 2 * len(pairs) // 3]])
        _all_done(sum(isinstance(one, Booking) for one in booked), len(booked))


def _all_done(done: int, asked: int) -> None:
    if done != asked:
        raise LookupError(f"of {asked} requests {done} were granted")


def reference(chosen: random.Random) -> str:
    """As long as a UUID, which is what callers make."""
    return f"{chosen.getrandbits(128):032x}-0000"[:36]


def booking_of(asked: AskedSlot, lease: Lease, chosen: random.Random) -> CreateBooking:
    user_id = str(chosen.randrange(10**18))
    return CreateBooking(
        slot=asked,
        lease_id=lease.lease_id,
        user_key=user_key(user_id),
        user=UserInformation(user_id, "Margarethe", "Sørensen", "+41 44 000 00 00", "margarethe.s@example.com"),
        payment=None,
        asks_to_charge=False,
        additional_request="",
        idempotency_token=reference(chosen),
        secret=chosen.randbytes(16),
    )


def of_sqlite(slots: int, folder: Path) -> tuple[dict[str, int], dict[str, int]]:
    path = folder / "ledger.db"
    store = open_store(f"sqlite:///{path}", create=True)
    fill(store, slots)
    store.close()
    connection = apsw.Connection(str(path))
    sizes = {str(name): int(str(size)) for name, size in connection.execute(_SQLITE_SIZES)}
    counts = {table: int(str(connection.execute(f"SELECT count(*) FROM {table}").get)) for table in TABLES}  # noqa: S608 - names of our own
    connection.close()
    return sizes, counts


def of_postgres(slots: int) -> tuple[dict[str, int], dict[str, int]]:
    with started_server() as server:
        url = server.url()
        migrate_store(url)
        store = open_store(url)
        fill(store, slots)
        store.close()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM")
            sizes = {name: size for name, size in connection.execute(_POSTGRES_SIZES).fetchall() if name in TABLES}
            counts = {table: connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0] for table in TABLES}  # noqa: S608 - names of our own
    return sizes, counts


def lines(name: str, sizes: Mapping[str, int], counts: Mapping[str, int]) -> Iterator[str]:
    yield f"{name}: bytes a row with its indexes"
    for table in TABLES:
        yield f"  {table:8} {sizes[table] / counts[table]:7.0f}   ({counts[table]:,} rows, {sizes[table]:,} bytes)"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--slots", type=int, default=200_000)
    slots: int = options.parse_args().slots
    with tempfile.TemporaryDirectory() as folder:
        for line in lines("SQLite", *of_sqlite(slots, Path(folder))):
            sys.stdout.write(line + "\n")
    for line in lines("PostgreSQL", *of_postgres(slots)):
        sys.stdout.write(line + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

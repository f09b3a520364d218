"""A ledger on PostgreSQL brought back to an instant: the rehearsal of docs/operate/scale.md, with the same commands."""

from __future__ import annotations

import os
import pwd
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from slotlease.domain.booking import Booking, BookingStatus
from slotlease.domain.slot import SECOND_US
from slotlease.store.open import migrate_store, open_store
from slotlease.store.protocol import Store
from tests.postgres_server import PostgresServer, execute, started_server
from tests.support import DAY_US, HandClock, Offered, Shop, booked

RECOVERED_WITHIN_S = 60.0


@contextmanager
def folder_of_servers() -> Iterator[Path]:
    """A folder that a server of the tests may write to. Not under `tmp_path`, which only its owner may enter."""
    with tempfile.TemporaryDirectory(prefix="slotlease-recovery-") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
        folder.chmod(0o755)
        yield folder


def wait_for(url: str, question: str) -> None:
    """Watches a server that takes its own time."""
    until_s = time.monotonic() + RECOVERED_WITHIN_S
    with psycopg.connect(url, autocommit=True) as connection:
        while not connection.execute(question).fetchall()[0][0]:
            assert time.monotonic() < until_s, f"never: {question}"
            time.sleep(0.02)


def ask(url: str, question: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        return str(connection.execute(question).fetchall()[0][0])


def shop_on(store: Store) -> Shop:
    """Its clock says where slots are; what is still live, the database's own clock decides."""
    return Shop(store, HandClock(int(time.time()) * SECOND_US))  # noqa: TID251 - the database runs on the real clock


def slot(shop: Shop, number: int) -> Offered:
    day_us = shop.clock.now_us // DAY_US * DAY_US
    return Offered(start_us=day_us + 2 * DAY_US + number * SECOND_US)


@pytest.mark.slow
def test_a_ledger_is_brought_back_to_the_instant_before_a_mistake() -> None:
    with folder_of_servers() as folder:
        archive, copy = folder / "archive", folder / "copy"
        for one in (archive, copy):
            one.mkdir()
            one.chmod(0o777)
        archiving = ("archive_mode=on", f"archive_command=test ! -f {archive}/%f && cp %p {archive}/%f")
        recovered = PostgresServer(copy)
        with started_server(*archiving) as server:
            url = server.url()
            migrate_store(url)
            store = open_store(url)
            shop = shop_on(store)
            shop.offer(*(slot(shop, number) for number in range(10)))
            before = shop.book(slot(shop, 0).asked(), token="before the copy")  # noqa: S106 - an idempotency token
            server.run(["pg_basebackup", f"--dbname={url}", f"--pgdata={recovered.data}", "--checkpoint=fast"])
            server.run(["pg_verifybackup", str(recovered.data)])
            after = shop.book(slot(shop, 1).asked(), token="after the copy")  # noqa: S106 - as above
            moved = booked(shop.move(before, start_us=slot(shop, 2).start_us))
            lease = shop.lease(slot(shop, 3).asked(), reference="held")
            instant = ask(url, "SELECT clock_timestamp()")
            shop.cancel(after)
            execute(url, "DELETE FROM spot", "DELETE FROM booking WHERE idempotency_token = 'before the copy'")
            store.close()
            last = ask(url, "SELECT pg_walfile_name(pg_switch_wal())")
            wait_for(url, f"SELECT last_archived_wal >= '{last}' FROM pg_stat_archiver")  # noqa: S608 - the database's own word

        (recovered.data / "recovery.signal").touch(0o644)
        # The test's own door: the copy has the passwords of the server that it is of.
        (recovered.data / "pg_hba.conf").write_text("host all all 127.0.0.1/32 trust\n")
        recovered.start(
            f"restore_command=cp {archive}/%f %p",
            f"recovery_target_time={instant}",
            "recovery_target_action=promote",
        )
        try:
            wait_for(recovered.url(), "SELECT NOT pg_is_in_recovery()")
            store = open_store(recovered.url())
            assert store.audit() == []
            shop = shop_on(store)
            repeats: list[Booking] = [
                shop.book(slot(shop, 0).asked(), token="before the copy"),  # noqa: S106 - an idempotency token
                shop.book(slot(shop, 1).asked(), token="after the copy"),  # noqa: S106 - as above
            ]
            assert repeats[1].status is BookingStatus.CONFIRMED, "cancelled after that instant"
            assert [one.booking_id for one in repeats] == [before.booking_id, after.booking_id]
            assert {one.booking_id: one.slot.start_us for one in store.bookings(limit=9)} == {
                before.booking_id: moved.slot.start_us,
                after.booking_id: after.slot.start_us,
            }
            assert shop.lease(slot(shop, 3).asked(), reference="held") == lease
            assert shop.lease(slot(shop, 4).asked()).lease_no > lease.lease_no, "it sells on"
            store.close()
        finally:
            recovered.stop()

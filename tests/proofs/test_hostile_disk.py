"""The disk is full, or the ledger is read-only, gone, replaced, or not to be had: a clear refusal, nothing lost, and
work goes on without a restart once it is as it was (reliability 7.3: B-9 and B-10)."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from slotlease.desk.check_availability import CheckAvailability
from slotlease.desk.fault import Unavailable
from slotlease.domain.failure import BookingFailure, Cause
from slotlease.domain.lease import Lease
from slotlease.domain.slot import SECOND_US
from slotlease.store.open import open_store
from slotlease.store.protocol import StoreRefused
from tests.proofs.ledger_file import LEDGER, content, copy_ledger, url_of
from tests.support import HandClock, Offered, Shop, open_shop

BIG = Offered("gym", spots_total=10_000)
NOBODY = 65534


def open_big_shop(folder: Path) -> Shop:
    folder.mkdir(exist_ok=True)
    shop = open_shop(folder)
    shop.offer(BIG)
    return shop


def lease_until_refused(shop: Shop, *, at_most: int = 3000) -> list[Lease]:
    leases: list[Lease] = []
    for _ in range(at_most):
        (answer,) = shop.batches.write([shop.create_lease(BIG.asked())])
        if isinstance(answer, Unavailable):
            return leases
        assert isinstance(answer, Lease), answer
        leases.append(answer)
    message = "the disk never filled"
    raise AssertionError(message)


def assert_kept(shop: Shop, leases: list[Lease]) -> None:
    """Each acknowledged lease is on the ledger, and nothing else."""
    assert {lease.lease_id for lease in shop.store.leases(live_only=True, limit=10_000)} == {
        lease.lease_id for lease in leases
    }
    assert shop.store.audit() == []
    assert shop.incidents == [], "a disk is nobody's mistake"


# --- full ----------------------------------------------------------------------------------------------------------


def test_full_database_refuses_and_goes_on_when_there_is_room_again(scratch: Path) -> None:
    pages_max = 40

    def within_bounds(connection: apsw.Connection) -> None:
        connection.pragma("max_page_count", pages_max)

    apsw.connection_hooks.append(within_bounds)
    try:
        shop = open_big_shop(scratch)
        leases = lease_until_refused(shop)
        assert leases
        assert_kept(shop, leases)
        assert isinstance(shop.batches.write([shop.create_lease(BIG.asked())])[0], Unavailable), "still full"
        assert shop.count_available(BIG.asked()) == BIG.spots_total - len(leases), "who only looks is answered"
        pages_max = 10_000
        leases.append(shop.lease(BIG.asked()))
        assert_kept(shop, leases)
        shop.store.close()
    finally:
        apsw.connection_hooks.remove(within_bounds)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Half a megabyte of its own. Only the system's administrator may make one."""
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    if os.geteuid() != 0 or mount is None or unmount is None:
        pytest.skip("only an administrator can mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    options = ["-t", "tmpfs", "-o", "size=512k", "slotlease", str(disk)]
    if subprocess.run([mount, *options], check=False, capture_output=True).returncode != 0:  # noqa: S603 - found above
        pytest.skip("this system mounts no small disk")
    try:
        yield disk
    finally:
        subprocess.run([unmount, "--lazy", str(disk)], check=True)  # noqa: S603 - found above


def test_full_disk_refuses_and_goes_on_when_there_is_room_again(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(100 * 1024))
    shop = open_big_shop(small_disk)
    leases = lease_until_refused(shop)
    assert leases
    assert_kept(shop, leases)
    assert shop.count_available(BIG.asked()) == BIG.spots_total - len(leases), "who only looks is answered"
    ballast.unlink()
    leases.append(shop.lease(BIG.asked()))
    assert_kept(shop, leases)
    shop.store.close()


def test_server_that_dies_on_a_full_disk_finds_everything_again(small_disk: Path, scratch: Path) -> None:
    shop = open_big_shop(small_disk)
    leases = lease_until_refused(shop)
    later = open_shop(copy_ledger(small_disk, scratch / "moved"))
    assert_kept(later, leases)
    leases.append(later.lease(BIG.asked(), reference="there is room here"))
    assert_kept(later, leases)
    later.store.close()
    shop.store.close()


# --- gone while it is served ---------------------------------------------------------------------------------------


def test_ledger_that_was_moved_away_is_not_written_to_until_it_is_back(scratch: Path) -> None:
    shop = open_big_shop(scratch)
    leases = [shop.lease(BIG.asked())]
    (scratch / LEDGER).rename(scratch / "aside")
    assert_refuses(shop)
    assert not (scratch / LEDGER).exists(), "no empty shop is opened in its place"
    (scratch / "aside").rename(scratch / LEDGER)
    leases.append(shop.lease(BIG.asked()))
    assert_kept(shop, leases)
    assert_left(scratch, leases)
    shop.store.close()


def test_folder_that_was_moved_away_is_not_written_to_until_it_is_back(scratch: Path) -> None:
    shop = open_big_shop(scratch / "here")
    leases = [shop.lease(BIG.asked())]
    (scratch / "here").rename(scratch / "there")
    assert_refuses(shop)
    assert not (scratch / "here").exists()
    (scratch / "there").rename(scratch / "here")
    leases.append(shop.lease(BIG.asked()))
    assert_kept(shop, leases)
    assert_left(scratch / "here", leases)
    shop.store.close()


def test_other_ledger_put_in_its_place_is_left_alone(scratch: Path) -> None:
    """A restored backup, say, moved over the file of a running server: neither may be spoilt by the other's log."""
    backup = open_big_shop(scratch / "backup")
    old = [backup.lease(BIG.asked(), reference="old")]
    backup.store.close()
    shop = open_big_shop(scratch / "served")
    leases = [shop.lease(BIG.asked(), reference=f"new {number}") for number in range(5)]
    (scratch / "served" / LEDGER).rename(scratch / "served" / "aside")
    shutil.copyfile(scratch / "backup" / LEDGER, scratch / "served" / LEDGER)
    assert_refuses(shop)
    assert_left(scratch / "served", old)
    (scratch / "served" / "aside").replace(scratch / "served" / LEDGER)
    leases.append(shop.lease(BIG.asked(), reference="new again"))
    assert_kept(shop, leases)
    assert_left(scratch / "served", leases)
    shop.store.close()


@pytest.mark.parametrize("suffixes", [("-wal",), ("-shm",), ("-wal", "-shm")], ids=" ".join)
def test_log_that_was_removed_costs_no_acknowledged_lease(suffixes: tuple[str, ...], scratch: Path) -> None:
    shop = open_big_shop(scratch)
    leases = [shop.lease(BIG.asked())]
    assert shop.count_available(BIG.asked()) == BIG.spots_total - 1, "a reader has the files open, too"
    for suffix in suffixes:
        (scratch / f"{LEDGER}{suffix}").unlink()
    leases += [answer for answer in ask_twice(shop) if isinstance(answer, Lease)]
    assert len(leases) >= 2, "at the latest the second request is answered"
    assert_left(scratch, leases)
    assert shop.count_available(BIG.asked()) == BIG.spots_total - len(leases)
    assert_kept(shop, leases)
    shop.store.close()


def test_reads_alone_find_a_log_again_that_was_removed(scratch: Path) -> None:
    shop = open_big_shop(scratch)
    leases = [shop.lease(BIG.asked())]
    shop.count_available(BIG.asked())
    (scratch / f"{LEDGER}-wal").unlink()
    shop.batches.read([CheckAvailability(BIG.asked())])
    assert shop.count_available(BIG.asked()) == BIG.spots_total - 1
    assert_left(scratch, leases)
    shop.store.close()


def test_ledger_that_was_emptied_is_not_served_as_an_empty_shop(scratch: Path) -> None:
    open_big_shop(scratch).store.close()  # from here on the log alone is not enough to have it all again
    shop = open_shop(scratch)
    shop.lease(BIG.asked())
    os.truncate(scratch / LEDGER, 0)
    assert_refuses(shop)
    shop.store.close()


def assert_refuses(shop: Shop) -> None:
    for _ in range(2):
        assert [type(answer) for answer in ask_twice(shop)] == [Unavailable, Unavailable]
        assert [type(answer) for answer in shop.batches.read([CheckAvailability(BIG.asked())])] == [Unavailable]


def ask_twice(shop: Shop) -> list[object]:
    requests = [shop.create_lease(BIG.asked()) for _ in range(2)]
    return [answer for request in requests for answer in shop.batches.write([request])]


def assert_left(folder: Path, leases: list[Lease]) -> None:
    """If the process ended here and now, these leases would be found."""
    copy = copy_ledger(folder, folder.parent / f"{folder.name}-left")
    store = open_store(url_of(copy), HandClock())
    assert [lease.lease_id for lease in store.leases(live_only=False, limit=10_000)][::-1] == [
        lease.lease_id for lease in leases
    ]
    assert store.audit() == []
    store.close()
    shutil.rmtree(copy)


# --- not a ledger, or not to be had --------------------------------------------------------------------------------


def _missing(_: Path) -> None:
    pass


def _folder(path: Path) -> None:
    path.mkdir()


def _empty(path: Path) -> None:
    path.touch()


def _emptied_with_its_log(path: Path) -> None:
    path.touch()
    path.with_name(f"{LEDGER}-wal").write_bytes(b"what was acknowledged")


def _garbage(path: Path) -> None:
    path.write_bytes(b"not a ledger at all" * 1000)


def _half(path: Path) -> None:
    open_big_shop(path.parent).store.close()
    os.truncate(path, path.stat().st_size // 2)


def _of_another_program(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE song (title TEXT)")
    connection.close()


def _no_tables(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", "wal")
    connection.close()


@pytest.mark.parametrize("serve", [False, True], ids=["command", "server"])
@pytest.mark.parametrize(
    "make", [_missing, _folder, _empty, _emptied_with_its_log, _garbage, _half, _of_another_program, _no_tables]
)
def test_what_is_no_ledger_is_refused_by_name_and_left_as_it_is(
    make: Callable[[Path], None], serve: bool, tmp_path: Path
) -> None:
    path = tmp_path / LEDGER
    make(path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}
    with pytest.raises(StoreRefused, match=LEDGER):
        open_store(url_of(tmp_path), HandClock(), serve=serve)
    after = {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}
    after.pop(f"{LEDGER}.serving", None)
    after.pop(f"{LEDGER}-shm", None)
    assert {name: data for name, data in after.items() if data or name in before} == before


def test_missing_folder_is_named_to_who_would_make_a_ledger_in_it(tmp_path: Path) -> None:
    for serve in (False, True):
        with pytest.raises(StoreRefused, match="nowhere"):
            open_store(url_of(tmp_path / "nowhere"), HandClock(), create=True, serve=serve)


@contextmanager
def as_anybody() -> Iterator[None]:
    """The system's administrator may do everything, so the test stops being that."""
    administrator = os.geteuid() == 0
    if administrator:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if administrator:
            os.seteuid(0)


@pytest.fixture
def own_folder(scratch: Path) -> Path:
    """A folder that belongs to whoever `as_anybody` becomes, and the way there is free."""
    folder = scratch / "own"
    with as_anybody():
        pass
    if os.geteuid() == 0:
        scratch.chmod(0o711)
        open_big_shop(folder).store.close()
        for path in (folder, *folder.iterdir()):
            os.chown(path, NOBODY, NOBODY)
    else:
        open_big_shop(folder).store.close()
    return folder


@pytest.mark.parametrize("serve", [False, True], ids=["command", "server"])
@pytest.mark.parametrize(
    ("what", "mode"),
    [("file", 0o444), ("file", 0), ("folder", 0o555), ("folder", 0o444), ("folder", 0)],
    ids=["read-only file", "forbidden file", "read-only folder", "folder that cannot be entered", "forbidden folder"],
)
def test_ledger_that_may_not_be_written_is_refused_by_name(what: str, mode: int, serve: bool, own_folder: Path) -> None:
    place = own_folder if what == "folder" else own_folder / LEDGER
    usual = place.stat().st_mode
    with as_anybody():
        place.chmod(mode)
        try:
            with pytest.raises(StoreRefused, match=LEDGER):
                open_store(url_of(own_folder), HandClock(), serve=serve)
        finally:
            place.chmod(usual)
        open_store(url_of(own_folder), HandClock(), serve=serve).close()


def test_permissions_taken_away_while_serving_lose_nothing_and_heal(own_folder: Path) -> None:
    with as_anybody():
        shop = open_shop(own_folder)
        leases = [shop.lease(BIG.asked())]
        for place, mode in ((own_folder / LEDGER, 0o444), (own_folder, 0o555), (own_folder, 0)):
            usual = place.stat().st_mode
            place.chmod(mode)
            # What is open stays open; what must be opened anew is refused.
            answers = [*ask_twice(shop), *shop.batches.read([CheckAvailability(BIG.asked())])]
            place.chmod(usual)
            leases += [answer for answer in answers if isinstance(answer, Lease)]
            assert not any(isinstance(a, Exception) and not isinstance(a, Unavailable) for a in answers), answers
            assert shop.count_available(BIG.asked()) == BIG.spots_total - len(leases)
            leases.append(shop.lease(BIG.asked()))
            assert_kept(shop, leases)
        shop.store.close()
        reopened = open_shop(own_folder)
        assert_kept(reopened, leases)
        reopened.store.close()


# --- the clock at a start ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("back_s", [1, 700, 86_400, 40 * 365 * 86_400])
def test_start_with_a_clock_that_stepped_back_loses_nothing_and_sells_nothing_twice(back_s: int, scratch: Path) -> None:
    one = Offered("cut")
    shop = open_shop(scratch)
    shop.offer(one, BIG)
    lapsed = shop.lease(one.asked())
    shop.clock.advance(s=3600)
    shop.book(one.asked(), user_id="who came after", token="after")  # noqa: S106 - not a password
    held = shop.lease(BIG.asked())
    before = content(scratch)
    shop.store.close()
    shop = open_shop(scratch, clock=HandClock(shop.clock() - back_s * SECOND_US))
    assert content(scratch) == before
    assert shop.store.audit() == []
    assert shop.count_available(one.asked()) == 0
    with_dead_lease = shop.create_booking(one.asked(), lease_id=lapsed.lease_id, token="dead")  # noqa: S106
    refusal = shop.ask(with_dead_lease)
    assert isinstance(refusal, BookingFailure)
    assert refusal.cause is Cause.LEASE_EXPIRED, "what was judged dead stays dead"
    shop.book(BIG.asked(), lease_id=held.lease_id, user_id="who held it", token="held")  # noqa: S106 - not a password
    assert len(shop.store.bookings(limit=10)) == 2
    assert shop.store.audit() == []
    shop.store.close()

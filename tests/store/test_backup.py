"""A copy of the ledger, made while it is served."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from slotlease.domain.lease import Lease
from slotlease.domain.slot import SECOND_US
from slotlease.store import backup
from slotlease.store.backup import PARTIAL, STEP_PAGES, back_up
from slotlease.store.open import open_store
from slotlease.store.protocol import StoreFault, StoreRefused
from tests.store.sqlite_backend import SqliteBackend, raw
from tests.support import DAY_US, HandClock, Offered, Shop, open_shop

PAGE_BYTES = 4096


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = open_shop(tmp_path)
    shop.offer(*(slot(shop, number) for number in range(1, 200)))
    yield shop
    shop.store.close()


@pytest.fixture
def url(tmp_path: Path, shop: Shop) -> str:
    assert shop is not None
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "copy.db"


def slot(shop: Shop, number: int) -> Offered:
    return Offered(start_us=shop.clock.now_us + DAY_US + number * SECOND_US)


def leases_in(path: Path, clock: HandClock) -> set[str]:
    store = open_store(f"sqlite:///{path}", clock)
    try:
        return {lease.lease_id for lease in store.leases(live_only=False, limit=1000)}
    finally:
        store.close()


def test_a_copy_holds_the_instant_at_which_it_was_begun_though_leases_are_granted_at_each_step(
    shop: Shop, url: str, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without one snapshot for all steps SQLite begins anew at each of these writes, and is never done."""
    monkeypatch.setattr(backup, "STEP_PAGES", 2)
    before = [shop.lease(slot(shop, n).asked()) for n in range(1, 4)]
    meanwhile: list[Lease] = []
    steps: list[tuple[int, int]] = []

    def note(done: int, total: int) -> None:
        steps.append((done, total))
        assert len(steps) < 1000, "it begins again and again"
        meanwhile.append(shop.lease(slot(shop, 10 + len(meanwhile)).asked()))

    done = back_up(url, to, shop.clock, note)
    assert len(steps) > 3
    assert steps == sorted(steps), "no step was done twice"
    assert steps[-1] == (done.size_bytes, done.size_bytes)
    assert leases_in(to, shop.clock) == {lease.lease_id for lease in before}
    assert (done.rows["lease"], done.rows["slot"], done.at_us) == (3, 199, shop.clock.now_us)
    assert done.findings == []
    assert len(shop.store.leases(live_only=False, limit=1000)) == 3 + len(meanwhile)


def test_a_copy_is_one_file_with_the_ledgers_rights_and_nothing_beside_it(shop: Shop, url: str, to: Path) -> None:
    (to.parent / "ledger.db").chmod(0o640)
    done = back_up(url, to, shop.clock)
    assert {path.name for path in to.parent.glob("copy*")} == {"copy.db"}
    assert to.stat().st_mode & 0o777 == 0o640
    assert to.stat().st_size == done.size_bytes
    assert to.read_bytes()[18:20] == b"\x01\x01", "no log that it would have to be copied with"


def test_a_restored_copy_answers_the_old_tokens_with_the_old_leases(shop: Shop, url: str, to: Path) -> None:
    first = shop.lease(slot(shop, 1).asked(), reference="r1")
    booking = shop.book(slot(shop, 2).asked(), token="t1")  # noqa: S106 - an idempotency token
    back_up(url, to, shop.clock)
    restored = Shop(open_store(f"sqlite:///{to}", shop.clock, serve=True), shop.clock)
    try:
        assert restored.lease(slot(shop, 1).asked(), reference="r1") == first
        assert restored.book(slot(shop, 2).asked(), token="t1") == booking  # noqa: S106 - an idempotency token
        assert restored.store.audit() == []
    finally:
        restored.store.close()


def test_a_backup_overwrites_nothing(shop: Shop, url: str, to: Path) -> None:
    to.write_text("somebody's")
    with pytest.raises(StoreRefused, match="is there already, and a backup overwrites nothing"):
        back_up(url, to, shop.clock)
    assert to.read_text() == "somebody's"
    dangling = to.with_name("dangling.db")
    dangling.symlink_to(to.with_name("nowhere.db"))
    with pytest.raises(StoreRefused, match="is there already"):
        back_up(url, dangling, shop.clock)
    with pytest.raises(StoreRefused, match="is there already"):
        back_up(url, Path(url.removeprefix("sqlite:///")), shop.clock)


def test_a_copy_that_was_cut_off_is_told_of_and_not_written_over(shop: Shop, url: str, to: Path) -> None:
    partial = to.with_name(to.name + PARTIAL)
    partial.write_text("half")
    with pytest.raises(StoreRefused, match="another backup to this name is at work, or one was cut off"):
        back_up(url, to, shop.clock)
    assert partial.read_text() == "half"
    assert not to.exists()


def test_a_backup_that_fails_leaves_nothing(shop: Shop, url: str, to: Path) -> None:
    def stop(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(url, to, shop.clock, stop)
    assert list(to.parent.glob("copy*")) == []
    shop.lease(slot(shop, 1).asked())


def test_a_full_disk_is_told_of_as_the_copys_and_not_the_ledgers(shop: Shop, url: str, to: Path) -> None:
    full = Path("/dev/full")
    assert full.exists()
    with pytest.raises(StoreRefused, match="cannot write to /dev/full"):
        back_up(url, full / "copy.db", shop.clock)
    assert list(to.parent.glob("copy*")) == []


def test_the_copy_of_a_damaged_ledger_is_not_kept(shop: Shop, url: str, to: Path) -> None:
    shop.store.close()
    path = Path(url.removeprefix("sqlite:///"))
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size - PAGE_BYTES)
        file.write(os.urandom(PAGE_BYTES))  # noqa: TID251 - what a bad disk leaves
    with pytest.raises(StoreFault, match="is damaged"):
        back_up(url, to, shop.clock)
    assert list(to.parent.glob("copy*")) == []


def test_a_copy_with_a_row_that_its_table_forbids_is_not_kept(shop: Shop, url: str, to: Path) -> None:
    """Every page of it is one, so only reading each row finds it."""
    SqliteBackend(Path(url.removeprefix("sqlite:///"))).corrupt("UPDATE merchant SET retired = 7")
    with pytest.raises(StoreRefused, match=r"the copy is damaged \(CHECK constraint failed in merchant\)"):
        back_up(url, to, shop.clock)
    assert list(to.parent.glob("copy*")) == []


def test_a_copy_says_what_is_wrong_in_the_ledger_and_is_kept(shop: Shop, url: str, to: Path) -> None:
    shop.lease(slot(shop, 1).asked())
    SqliteBackend(Path(url.removeprefix("sqlite:///"))).corrupt("DELETE FROM spot")
    done = back_up(url, to, shop.clock)
    assert [finding.rule for finding in done.findings or ()] == ["INV-3: every active lease holds its spot"]
    assert to.exists()


def test_an_older_ledger_is_copied_as_it_is(shop: Shop, url: str, to: Path) -> None:
    """Before an upgrade is when copies are wanted."""
    shop.store.close()
    path = Path(url.removeprefix("sqlite:///"))
    with raw(path) as connection:
        connection.execute("DELETE FROM migration WHERE number > 5; DROP TABLE marketing_preference")
    done = back_up(url, to, shop.clock)
    assert (done.schema, done.findings) == (5, None)
    with raw(to) as connection, raw(path) as original:
        migrations = "SELECT * FROM migration"
        assert connection.execute(migrations).fetchall() == original.execute(migrations).fetchall()


def test_a_ledger_that_is_not_there_is_not_copied(shop: Shop, to: Path) -> None:
    with pytest.raises(StoreRefused, match="there is no ledger at"):
        back_up(f"sqlite:///{to.parent / 'typo.db'}", to, shop.clock)
    assert not to.exists()


def test_another_database_has_tools_of_its_own(shop: Shop, to: Path) -> None:
    with pytest.raises(StoreRefused, match="pg_basebackup"):
        back_up("postgresql://localhost/ledger", to, shop.clock)


def test_a_step_is_no_longer_than_people_wait() -> None:
    assert STEP_PAGES * PAGE_BYTES == 4 << 20

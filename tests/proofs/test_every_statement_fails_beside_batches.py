"""Statements fail one by one where no batch of writes is: in reads, while a ledger is opened or made, in an import."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from slotlease.desk.batch_availability_lookup import BatchAvailabilityLookup
from slotlease.desk.check_availability import CheckAvailability
from slotlease.desk.fault import Broken, Unavailable
from slotlease.desk.get_booking_status import GetBookingStatus
from slotlease.desk.list_bookings import ListBookings
from slotlease.desk.operation import Operation
from slotlease.domain.booking import user_key
from slotlease.domain.slot import AskedSlot
from slotlease.inventory.feed import read_feed
from slotlease.inventory.importing import import_feed
from slotlease.store.open import open_store
from slotlease.store.protocol import Store, StoreFault, StoreRefused
from tests.inventory.feed_folder import MERCHANT, SERVICE, SLOT, START_S, FeedFolder
from tests.proofs.batch_case import noting
from tests.proofs.every_request import BEFORE, ONE, TWO, open_for_business
from tests.proofs.ledger_file import Content, content, copy_ledger, difference, url_of
from tests.proofs.tripwire import AWAY, BUSY, DATA, UNKNOWN, Tripwire
from tests.support import HOUR_US, HandClock, Shop, open_shop

pytestmark = pytest.mark.slow

FAILURES = (*AWAY[:3], BUSY)


# --- reads ---------------------------------------------------------------------------------------------------------


def reads(shop: Shop) -> list[Operation[object]]:
    first = shop.book(ONE.asked(), user_id="u1")
    shop.book(TWO.asked(), user_id="u2")
    return [
        CheckAvailability(BEFORE.asked()),
        GetBookingStatus(first.booking_id),
        ListBookings(user_key("u1")),
        ListBookings(user_key("u2")),
        BatchAvailabilityLookup("m1", (ONE.asked(), BEFORE.asked())),
    ]


def test_read_whose_statement_fails_is_unavailable_and_the_next_one_is_answered(
    scratch: Path, tripwire: Tripwire
) -> None:
    shop = open_shop(scratch)
    open_for_business(shop)
    batch = reads(shop)
    places: list[str] = []
    due = shop.batches.read(batch)
    tripwire.arm_where(BUSY, noting(places))
    assert shop.batches.read(batch) == due
    for place, sql in enumerate(places, start=1):
        for failure in FAILURES:
            tripwire.arm(failure, place)
            answers = shop.batches.read(batch)
            assert tripwire.sprung_at == sql
            if sql == "ROLLBACK":
                assert answers == due, "what was read before the snapshot's end failed stands"
            else:
                assert [type(answer) for answer in answers] == [Unavailable] * len(batch), f"{failure} at {sql}"
            assert shop.batches.read(batch) == due, f"after {failure} at {sql}"
    tripwire.disarm()
    assert shop.incidents == []
    assert shop.store.audit() == []
    shop.store.close()


def test_row_that_cannot_be_read_costs_only_those_who_ask_for_it(scratch: Path, tripwire: Tripwire) -> None:
    shop = open_shop(scratch)
    open_for_business(shop)
    batch = reads(shop)
    due = shop.batches.read(batch)

    def is_of_the_second_user(_: int, __: str, values: tuple[object, ...]) -> bool:
        return user_key("u2") in values

    for failure in DATA:
        tripwire.arm_where(failure, is_of_the_second_user, stays=True)
        answers = shop.batches.read(batch)
        tripwire.disarm()
        assert isinstance(answers[3], Broken)
        assert answers[:3] + answers[4:] == due[:3] + due[4:], "nobody else pays for it"
    assert shop.store.audit() == []
    shop.store.close()


# --- opening -------------------------------------------------------------------------------------------------------


def test_ledger_that_could_not_be_opened_is_opened_next_time(scratch: Path, tripwire: Tripwire) -> None:
    shop = open_shop(scratch)
    open_for_business(shop)
    shop.store.close()
    before = content(scratch)
    for place, failure in failing_places(scratch, tripwire, create=False):
        about = f"{failure} at statement {place}: "
        try:
            open_store(url_of(scratch), HandClock()).close()
        except StoreFault:
            pass
        else:
            assert failure is BUSY, about + tripwire.sprung_at
            assert tripwire.sprung_at.startswith("pragma"), "a setting that another program delays is waited for"
        tripwire.disarm()
        assert content(scratch) == before, about


def test_ledger_that_could_not_be_made_is_made_next_time(scratch: Path, tripwire: Tripwire) -> None:
    (scratch / "new").mkdir()
    for place, failure in failing_places(scratch / "new", tripwire, create=True):
        folder = scratch / f"new-{place}-{failure}"
        folder.mkdir()
        with suppress(StoreRefused, StoreFault):
            open_store(url_of(folder), HandClock(), create=True).close()
        tripwire.disarm()
        shop = open_shop(folder)
        open_for_business(shop)
        shop.book(ONE.asked())
        found = content(folder)
        assert (len(found["ledger"]), len(found["booking"])) == (1, 1), f"{failure} at statement {place}"
        assert shop.store.audit() == []
        shop.store.close()


def failing_places(folder: Path, tripwire: Tripwire, *, create: bool) -> Iterator[tuple[int, object]]:
    """Arms the tripwire for each statement that opening a ledger takes, in each way it can fail."""
    places: list[str] = []
    tripwire.arm_where(BUSY, noting(places))
    open_store(url_of(folder), HandClock(), create=create).close()
    for place, sql in enumerate(places, start=1):
        for failure in (*FAILURES, *(UNKNOWN if sql == "COMMIT" else ())):
            tripwire.arm(failure, place)
            yield place, failure
    assert len(places) > 10


# --- imports -------------------------------------------------------------------------------------------------------


@contextmanager
def office(folder: Path) -> Iterator[Store]:
    store = open_store(url_of(folder), HandClock(START_S * 1_000_000 - 10**11))
    try:
        yield store
    finally:
        store.close()


def test_import_whose_statement_fails_is_run_again_and_ends_the_same(scratch: Path, tripwire: Tripwire) -> None:
    """One merchant vanishes, one is new, a slot changes, one is closed, two are new; some are booked and leased."""
    old, new = ledger_and_feeds(scratch)
    whole: list[Content] = [content(old)]
    places: list[str] = []

    def remember(_: int, sql: str, __: object) -> bool:
        places.append(sql)
        if sql == "BEGIN IMMEDIATE":
            whole.append(content(scratch / "calm"))
        return False

    copy_ledger(old, scratch / "calm")
    with office(scratch / "calm") as store, read_feed(new) as feed:
        tripwire.arm_where(BUSY, remember)
        import_feed(store, feed)
        tripwire.disarm()
    due = content(scratch / "calm")
    whole.append(due)
    failures = (
        (place, sql, failure)
        for place, sql in enumerate(places, start=1)
        for failure in (DATA[0], *FAILURES, *(UNKNOWN[:1] if sql == "COMMIT" else ()))
    )
    for place, sql, failure in failures:
        about = f"{failure} at statement {place}: {sql}"
        folder = copy_ledger(old, scratch / "failed")
        with office(folder) as store, read_feed(new) as feed:
            tripwire.arm(failure, place)
            with suppress(StoreFault):
                import_feed(store, feed)
            tripwire.disarm()
            found = content(folder)
            assert found in whole, f"{about}\n{difference(whole[0], found)}"
            import_feed(store, feed)
            assert content(folder) == due, f"{about}\n{difference(due, content(folder))}"
            assert store.audit() == []
        shutil.rmtree(folder)
    assert due not in whole[:-1]


def ledger_and_feeds(scratch: Path) -> tuple[Path, list[Path]]:
    """A ledger that an older feed made and on which things were sold, and the paths of the feed that follows."""
    feeds = FeedFolder(scratch)
    merchants = ({"merchant_id": name, "name": name} for name in ("m1", "m2"))
    services = (SERVICE, {**SERVICE, "merchant_id": "m2"})
    slots = [{**SLOT, "start_sec": START_S + 3600 * hour} for hour in range(4)] + [{**SLOT, "merchant_id": "m2"}]
    folder = scratch / "old"
    folder.mkdir()
    clock = HandClock(START_S * 1_000_000 - 10**11)
    shop = open_shop(folder, clock=clock)
    with read_feed([feeds.merchants(*merchants), feeds.services(*services), feeds.availability(*slots)]) as feed:
        import_feed(shop.store, feed)
    shop.book(AskedSlot("m1", "s1", START_S * 1_000_000, HOUR_US))
    shop.lease(AskedSlot("m1", "s1", START_S * 1_000_000 + HOUR_US, HOUR_US))
    shop.store.close()
    later = [MERCHANT, {"merchant_id": "m3", "name": "m3"}]
    offered = [
        {**SLOT, "spots_total": 3, "spots_open": 2},
        *({**SLOT, "start_sec": START_S + 3600 * hour} for hour in (2, 3, 4)),
        {**SLOT, "merchant_id": "m3", "resources": {"staff_id": "ann"}},
    ]
    return folder, [
        feeds.merchants(*later),
        feeds.services(SERVICE, {**SERVICE, "merchant_id": "m3"}),
        feeds.availability(*offered, generated_s=START_S - 50_000),
    ]

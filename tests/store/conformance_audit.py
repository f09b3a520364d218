"""`audit` says nothing on a healthy ledger, and names every corruption that was planted on it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slotlease.desk.release_lease import ReleaseLease
from slotlease.domain.booking import Booking
from slotlease.store.protocol import Store
from tests.store.backend import Backend, OnALedger
from tests.support import DAY_US, HOUR_US, NOON_US, HandClock, Offered, Shop

PLAIN = Offered(spots_total=5)
LATER = Offered(start_us=NOON_US + 2 * DAY_US, spots_total=5)
ANN = Offered(start_us=NOON_US + 3 * DAY_US, staff_id="ann")
ANN_NEXT = replace(ANN, start_us=ANN.start_us + HOUR_US)
BOB = replace(ANN, start_us=ANN.start_us + 1, staff_id="bob")
BLUE = Offered(start_us=NOON_US + 4 * DAY_US, room_id="blue")
RED = replace(BLUE, start_us=BLUE.start_us + 1, room_id="red")

TWO_BOOKINGS_OF_ONE_LEASE = "UPDATE booking SET lease_no = 1 WHERE lease_no IS NULL AND status <> 3"

PLANTED = {
    "a slot lowered under its claims": (
        "INV-1",
        "UPDATE slot SET spots_elsewhere = spots_total - 1 WHERE staff_no = 0",
    ),
    "a slot closed to nothing": ("INV-1", "UPDATE slot SET spots_total = 0, spots_elsewhere = 0"),
    "staff in two places": ("INV-2", "UPDATE spot SET staff_no = 1 WHERE staff_no = 2"),
    "two slots in one room": ("INV-2", "UPDATE spot SET room_no = 1 WHERE room_no = 2"),
    "a live lease whose spot is gone": ("INV-3", "DELETE FROM spot WHERE holder_no = 4"),
    "a live lease whose spot was given back": (
        "INV-3",
        "UPDATE spot SET busy_until_us = 0, holder_no = 0 WHERE holder_no = 4",
    ),
    "a live lease whose spot is another's": ("INV-3", "UPDATE spot SET holder_no = 999 WHERE holder_no = 4"),
    "a live lease whose spot ends before it": (
        "INV-3",
        "UPDATE spot SET busy_until_us = busy_until_us - 1 WHERE holder_no = 4",
    ),
    "a live lease that names another spot": ("INV-3", "UPDATE lease SET spot_no = 5 WHERE lease_no = 4"),
    "a dead lease called to life": ("INV-3", "UPDATE lease SET state = 1 WHERE state = 3"),
    "a released lease called to life": ("INV-3", "UPDATE lease SET state = 1 WHERE state = 4"),
    "a booking whose spot is gone": ("INV-3", "DELETE FROM spot WHERE holder_no = 2"),
    "a booking whose spot will lapse": ("INV-3", "UPDATE spot SET busy_until_us = 1 WHERE holder_no = 2"),
    "a booking that names another slot": (
        "INV-3",
        "UPDATE booking SET slot_no = 1 WHERE booking_no = 2; UPDATE event SET slot_no = 1 WHERE booking_no = 2",
    ),
    "a cancelled booking called to life": ("INV-3", "UPDATE booking SET status = 1; UPDATE event SET status = 1"),
    "a spot held for a lease that is gone": ("INV-3", "DELETE FROM lease WHERE lease_no = 4"),
    "a spot held for a lease marked dead": ("INV-3", "UPDATE lease SET state = 3 WHERE lease_no = 4"),
    "a spot held for a booking that is gone": (
        "INV-3",
        "DELETE FROM event WHERE booking_no = 2; DELETE FROM booking WHERE booking_no = 2",
    ),
    "a spot held for a cancelled booking": (
        "INV-3",
        "UPDATE booking SET status = 3 WHERE booking_no = 2; UPDATE event SET status = 3 WHERE booking_no = 2",
    ),
    "a spot held twice by one booking": ("INV-3", "UPDATE spot SET holder_no = 2 WHERE holder_no = 4"),
    "a consumed lease whose booking is gone": (
        "INV-5",
        "UPDATE booking SET lease_no = NULL WHERE booking_no = 2",
    ),
    "a lease consumed by nobody": ("INV-5", "UPDATE lease SET state = 2 WHERE state = 4"),
    "a booking that changed and told nobody": ("INV-25", "UPDATE booking SET revision = revision + 1"),
    "a booking whose event is gone": ("INV-25", "DELETE FROM event WHERE booking_no = 2"),
    "two bookings of one lease": ("INV-5", TWO_BOOKINGS_OF_ONE_LEASE),
    "a booking from a lease that was released": (
        "INV-5",
        """UPDATE booking SET lease_no = (SELECT lease_no FROM lease WHERE state = 4)
           WHERE booking_no = (SELECT max(booking_no) FROM booking WHERE lease_no IS NULL)""",
    ),
    "a slot gone from under its claims": ("INV-1", "DELETE FROM slot"),
    "a spot that names other staff than its slot": ("INV-2", "UPDATE spot SET staff_no = 0 WHERE staff_no = 1"),
    "a spot at another time than its slot": (
        "INV-2",
        "UPDATE spot SET start_us = start_us + 7200000000, end_us = end_us + 7200000000 WHERE staff_no = 1",
    ),
    "a spot that begins after its slot": ("INV-2", "UPDATE spot SET start_us = start_us + 1 WHERE staff_no = 1"),
    "a spot that ends before its slot": ("INV-2", "UPDATE spot SET end_us = end_us - 1 WHERE staff_no = 1"),
    "a spot that names another room than its slot": ("INV-2", "UPDATE spot SET room_no = 0 WHERE room_no = 1"),
    "a longest duration shorter than a slot": ("INV-2", "UPDATE merchant SET longest_duration_us = 1"),
    "a change of a booking told twice": (
        "INV-25",
        """INSERT INTO event SELECT merchant_no, event_no + 900, at_us, kind, actor, booking_no, revision, status,
           slot_no, spot_no, slot FROM event WHERE booking_no = 2""",
    ),
}


class Audits(OnALedger):
    @pytest.fixture
    def day(self, shop: Shop, clock: HandClock) -> Shop:
        """A busy day: leases 1 and 4 and 5, booking 2 from lease 1, more that are dead, released, moved, cancelled."""
        shop.offer(PLAIN, LATER, ANN, ANN_NEXT, BOB, BLUE, RED)
        booking = shop.book(PLAIN.asked(), lease_id=shop.lease(PLAIN.asked()).lease_id)
        assert (booking.lease_no, booking.booking_no) == (1, 2)
        assert shop.lease(PLAIN.asked(), expires_us=NOON_US + 15 * 60_000_000).lease_no == 4
        released = shop.lease(PLAIN.asked())
        shop.ask(ReleaseLease(released.lease_id))
        dead = shop.lease(LATER.asked(), expires_us=NOON_US)
        clock.now_us = dead.expires_us
        shop.ask(shop.create_booking(LATER.asked(), lease_id=dead.lease_id))  # refused, and buries it
        moved = shop.book(LATER.asked(), user_id="u2")
        assert isinstance(shop.move(moved, start_us=PLAIN.start_us), Booking)
        cancelled = shop.book(PLAIN.asked(), user_id="u3")
        assert isinstance(shop.cancel(cancelled), Booking)
        for slot in (ANN, ANN_NEXT, BOB, BLUE, RED):
            shop.book(slot.asked(), user_id="u4")
        shop.lease(LATER.asked(), expires_us=NOON_US)
        clock.advance(s=60)  # and one that lapsed, and that nobody has noticed yet
        return shop

    def test_a_healthy_ledger_gives_no_findings(self, store: Store, day: Shop) -> None:
        assert store.audit() == []
        for later_s in (0, 3600, 7 * 86_400):
            day.clock.advance(s=later_s)
            assert store.audit() == []
        assert len(store.lapsed_leases(after=(0, 0), limit=9)) == 2

    def test_a_capacity_lowered_under_live_claims_is_reported_and_revokes_nothing(
        self, store: Store, day: Shop
    ) -> None:
        """INV-1: nothing is revoked, nothing new is granted, and the slot is reported as overcommitted."""
        claimed = len(store.bookings(limit=99))
        day.offer(replace(PLAIN, spots_total=1))
        (finding,) = store.audit()
        assert finding.rule.startswith("INV-1")
        assert "m1" in finding.where
        assert finding.what == "3 spots are busy and the slot has 1"
        assert len(store.bookings(limit=99)) == claimed
        day.offer(replace(PLAIN, spots_total=3))
        assert store.audit() == []

    @pytest.mark.parametrize(("rule", "statement"), PLANTED.values(), ids=PLANTED)
    def test_a_planted_corruption_is_found(
        self, backend: Backend, store: Store, day: Shop, rule: str, statement: str
    ) -> None:
        backend.corrupt(statement)
        found = store.audit()
        assert [finding for finding in found if finding.rule.startswith(rule)], found
        assert {finding.rule for finding in found} <= set(store.audit_rules)
        assert all("merchant m1" in finding.where and finding.what for finding in found)
        assert day.incidents == []

    def test_a_merchant_gone_from_under_its_claims_is_named_by_its_number(
        self, backend: Backend, store: Store, day: Shop
    ) -> None:
        """Nothing else tells: to a recount that starts at the merchants, what is theirs is gone with them."""
        assert day.incidents == []
        backend.corrupt("DELETE FROM merchant")
        assert {finding.where.split(", slot")[0] for finding in store.audit()} == {"merchant number 1, which is gone"}
        backend.corrupt("DELETE FROM spot")
        assert {finding.rule for finding in store.audit()} >= {
            "INV-3: every active lease holds its spot",
            "INV-3: every booking holds its spot",
        }

    def test_one_merchants_trouble_is_not_anothers(self, backend: Backend, store: Store, day: Shop) -> None:
        day.offer(ANN, PLAIN, merchant_id="m2")
        day.book(ANN.asked("m2"), user_id="u4")
        assert store.audit() == []
        backend.corrupt("DELETE FROM spot WHERE merchant_no = 2")
        assert {finding.where.split(",")[0] for finding in store.audit()} == {"merchant m2"}

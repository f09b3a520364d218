"""What housekeeping and those who must hear of bookings read: events past a cursor, leases that ended long ago."""

from __future__ import annotations

import pytest

from slotlease.desk.answer_booking import AnswerBooking
from slotlease.desk.close_slot import CloseSlot
from slotlease.desk.purge_leases import KEPT_US, PurgeLeases, purge
from slotlease.domain.booking import BookingStatus
from slotlease.domain.event import Actor, EventKind, EventTold
from slotlease.domain.facts import RowKey
from slotlease.domain.lease import Lease, LeaseState
from slotlease.store.protocol import Store, StoreConflict, StoreRefused
from tests.store.backend import Backend, OnALedger, changes_of, commit
from tests.support import DAY_US, HOUR_US, HandClock, Offered, Shop

SLOT = Offered(start_us=Offered().start_us + 90 * DAY_US, spots_total=9)
ASKED = SLOT.asked()


class TellsEvents(OnALedger):
    def test_an_event_tells_the_booking_as_it_was_after_it(self, store: Store, shop: Shop, clock: HandClock) -> None:
        offered = Offered(staff_id="ann", room_id="blue", party_size=2, asynchronous=True, availability_tag="t")
        shop.offer(offered)
        asked = offered.asked(availability_tag="t")
        booking = shop.book(asked)
        clock.advance(s=1, us=1)
        shop.ask(AnswerBooking(booking.booking_id, confirms=True))
        created, confirmed = store.events(after={}, merchant_id=None, limit=9)
        assert created == EventTold(
            merchant_no=1,
            event_no=booking.booking_no + 1,
            at_us=booking.created_us,
            kind=EventKind.BOOKING_CREATED,
            actor=Actor.USER,
            booking_id=booking.booking_id,
            revision=1,
            status=BookingStatus.PENDING_MERCHANT_CONFIRMATION,
            spot_no=booking.spot_no,
            slot=asked,
        )
        assert (confirmed.kind, confirmed.actor) == (EventKind.BOOKING_CONFIRMED, Actor.MERCHANT)
        assert (confirmed.at_us, confirmed.revision, confirmed.status) == (clock.now_us, 2, BookingStatus.CONFIRMED)

    @pytest.mark.parametrize("limit", [1, 2, 3, 99])
    def test_events_come_a_page_at_a_time_without_gap_or_repeat(self, store: Store, shop: Shop, limit: int) -> None:
        """Over all merchants, with leases drawing numbers in between."""
        for merchant_id in ("m1", "m2", "m3"):
            shop.offer(SLOT, merchant_id=merchant_id)
        for number, merchant_id in enumerate(("m3", "m1", "m2", "m1", "m3", "m1")):
            shop.lease(SLOT.asked(merchant_id))
            shop.cancel(shop.book(SLOT.asked(merchant_id), user_id=f"u{number}"))
        everything = list(store.events(after={}, merchant_id=None, limit=99))
        assert len(everything) == 12
        found: list[EventTold] = []
        seen: dict[int, int] = {}
        while page := store.events(after=seen, merchant_id=None, limit=limit):
            assert len(page) <= limit
            found += page
            seen.update((event.merchant_no, event.event_no) for event in page)
            assert len(found) <= 12
        assert found == everything
        for merchant_no in (1, 2, 3):
            numbers = [event.event_no for event in found if event.merchant_no == merchant_no]
            assert numbers == sorted(set(numbers))

    def test_a_reader_hears_later_of_what_happens_behind_its_back(self, store: Store, shop: Shop) -> None:
        """A merchant whose events were read already, and one that comes before it."""
        for merchant_id in ("m1", "m2"):
            shop.offer(SLOT, merchant_id=merchant_id)
        shop.book(SLOT.asked("m2"))
        (event,) = store.events(after={}, merchant_id=None, limit=9)
        seen = {event.merchant_no: event.event_no}
        late = [shop.book(SLOT.asked(merchant_id), user_id="u2") for merchant_id in ("m1", "m2")]
        told = store.events(after=seen, merchant_id=None, limit=9)
        assert [one.booking_id for one in told] == [booking.booking_id for booking in late]

    def test_one_merchants_events_alone(self, store: Store, shop: Shop) -> None:
        for merchant_id in ("m1", "m2"):
            shop.offer(SLOT, merchant_id=merchant_id)
            shop.book(SLOT.asked(merchant_id))
        (event,) = store.events(after={1: 99}, merchant_id="m2", limit=9)
        assert event.slot.merchant_id == "m2"
        assert list(store.events(after={event.merchant_no: event.event_no}, merchant_id="m2", limit=9)) == []
        assert list(store.events(after={}, merchant_id="unknown", limit=9)) == []

    def test_a_reader_that_is_ahead_of_the_ledger_is_told(self, store: Store, shop: Shop) -> None:
        """A backup was restored. Silence would lose what comes until the numbers catch up (at least once)."""
        shop.offer(SLOT)
        shop.book(ASKED)
        (event,) = store.events(after={}, merchant_id=None, limit=9)
        assert list(store.events(after={1: event.event_no}, merchant_id=None, limit=9)) == []
        for merchant_id in (None, "m1"):
            with pytest.raises(StoreRefused, match="ahead of the ledger"):
                store.events(after={1: event.event_no + 1}, merchant_id=merchant_id, limit=9)

    def test_a_refused_request_tells_nothing(self, store: Store, shop: Shop) -> None:
        shop.offer(SLOT)
        booking = shop.book(ASKED)
        shop.ask(shop.create_booking(ASKED))
        shop.cancel(shop.book(ASKED, user_id="u2"))
        shop.ask(AnswerBooking(booking.booking_id, confirms=False))
        kinds = [event.kind for event in store.events(after={}, merchant_id=None, limit=9)]
        assert kinds == [EventKind.BOOKING_CREATED, EventKind.BOOKING_CREATED, EventKind.BOOKING_CANCELED]


class KeepsHouse(OnALedger):
    @pytest.mark.parametrize("limit", [1, 2, 99])
    def test_old_leases_come_in_order_a_page_at_a_time(
        self, store: Store, shop: Shop, clock: HandClock, limit: int
    ) -> None:
        """Whatever became of them; the instant itself counts."""
        for merchant_id in ("m1", "m2"):
            shop.offer(SLOT, merchant_id=merchant_id)
        leases = [shop.lease(SLOT.asked(merchant_id)) for merchant_id in ("m2", "m1", "m1", "m2")]
        shop.book(leases[1].slot, lease_id=leases[1].lease_id)
        clock.advance(us=1)
        shop.lease(SLOT.asked("m1"), expires_us=leases[0].expires_us + 60_000_000)
        clock.now_us = leases[0].expires_us + HOUR_US
        found: list[RowKey] = []
        after = (0, 0)
        while page := list(store.old_leases(kept_us=HOUR_US, after=after, limit=limit)):
            assert len(page) <= limit
            found += page
            after = page[-1]
        assert found == sorted((lease.merchant_no, lease.lease_no) for lease in leases)
        clock.advance(us=-1)
        assert list(store.old_leases(kept_us=HOUR_US, after=(0, 0), limit=9)) == []

    def test_a_purge_leaves_no_trace_of_the_lease_and_none_of_a_busy_spot(
        self, backend: Backend, store: Store, shop: Shop, clock: HandClock
    ) -> None:
        shop.offer(SLOT)
        lease = shop.lease(ASKED)
        clock.now_us = lease.expires_us + KEPT_US
        assert purge(store, shop.ask) == 1
        assert backend.sql("SELECT count(*) FROM lease") == [(0,)]
        assert backend.sql("SELECT busy_until_us, holder_no FROM spot") == [(0, 0)]
        clock.now_us = lease.created_us
        assert store.audit() == []

    def test_a_lease_that_another_purged_meanwhile_is_a_conflict(
        self, store: Store, beside: Store, shop: Shop, clock: HandClock
    ) -> None:
        shop.offer(SLOT)
        lease = shop.lease(ASKED)
        clock.now_us = lease.expires_us + KEPT_US

        changes = changes_of(store, PurgeLeases(1, ((1, lease.lease_no),)))
        assert purge(beside, Shop(beside, clock).ask) == 1
        with pytest.raises(StoreConflict):
            commit(store, changes)

    def test_expired_leases_are_those_whose_time_ran_out_swept_or_not(
        self, store: Store, shop: Shop, clock: HandClock
    ) -> None:
        shop.offer(Offered(spots_total=1), SLOT)
        buried = shop.lease(Offered().asked())
        clock.now_us = buried.expires_us
        heir = shop.lease(Offered().asked())
        booked = shop.lease(ASKED)
        shop.book(ASKED, lease_id=booked.lease_id)
        clock.now_us = heir.expires_us
        live = shop.lease(ASKED)
        expired = list(store.leases(live_only=False, expired_only=True, limit=9))
        assert [(one.lease_no, one.state) for one in expired] == [
            (heir.lease_no, LeaseState.ACTIVE),
            (buried.lease_no, LeaseState.EXPIRED),
        ]
        assert list(store.leases(live_only=True, limit=9)) == [live]
        assert len(store.leases(live_only=False, expired_only=True, limit=1)) == 1

    def test_an_import_does_not_touch_what_the_operator_closed(
        self, backend: Backend, store: Store, shop: Shop
    ) -> None:
        (slot,) = shop.offer(SLOT)
        shop.ask(CloseSlot(ASKED, closes=True))
        shop.offer(SLOT)
        store.put_slots(1, [slot])
        assert backend.sql("SELECT closed, closed_by_operator FROM slot") == [(0, 1)]
        assert not isinstance(shop.ask(shop.create_lease(ASKED)), Lease)
        shop.ask(CloseSlot(ASKED, closes=False))
        assert backend.sql("SELECT closed, closed_by_operator FROM slot") == [(0, 0)]

    def test_a_slot_that_another_closed_meanwhile_is_a_conflict(
        self, store: Store, beside: Store, shop: Shop, clock: HandClock
    ) -> None:
        shop.offer(SLOT)
        changes = changes_of(store, CloseSlot(ASKED, closes=True))
        Shop(beside, clock).ask(CloseSlot(ASKED, closes=True))
        with pytest.raises(StoreConflict):
            commit(store, changes)

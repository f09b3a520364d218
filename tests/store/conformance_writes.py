"""A commit writes all or nothing, and only over the rows that its batch has seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NoReturn

import pytest

from slotlease.desk.create_lease import CreateLease
from slotlease.desk.release_lease import ReleaseLease
from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import BookingStatus
from slotlease.domain.facts import Changes, Wanted
from slotlease.domain.lease import LeaseState
from slotlease.domain.opaque_id import RowId
from slotlease.domain.spot import FOREVER_US, Spot
from slotlease.domain.view import spot_of_lease
from slotlease.store.protocol import RowRefused, Store, StoreConflict, StoreFault
from tests.store.backend import Backend, OnALedger, changes_of, commit, everything
from tests.store.rows import booking_row, changes_for, event_row, lease_row
from tests.support import DAY_US, NOON_US, Offered, Shop

SLOT = Offered(spots_total=4)
ASKED = SLOT.asked()
TAKEN = "token 2"

BAD_ROWS = [
    "a spot above the slot's capacity",
    "a spot that is there",
    "a spot of no slot",
    "a lease whose token is taken",
    "a lease whose number is taken",
    "a lease with half a secret",
    "a booking whose token is taken",
    "a booking of a lease that was booked",
    "an event whose number is taken",
]


def with_bad_row(changes: Changes, bad: str) -> Changes:
    """The changes of a lawful batch on a ledger where lease 1, booking 2 from lease 5 and event 3 are."""
    (_, lease), (_, booking), (_, spot) = changes.leases[0], changes.bookings[0], changes.spots[0]
    (event,) = changes.events
    match bad:
        case "a spot above the slot's capacity":
            return replace(changes, spots=(*changes.spots, (None, spot._replace(spot_no=5))))
        case "a spot that is there":
            return replace(changes, spots=(*changes.spots, (None, spot._replace(spot_no=1))))
        case "a spot of no slot":
            nowhere = changes.slots[spot.merchant_no, spot.slot_no]._replace(slot_no=1)
            slots = {**changes.slots, nowhere.key: nowhere}
            return replace(changes, slots=slots, spots=(*changes.spots, (None, spot._replace(slot_no=1))))
        case "a lease whose token is taken":
            return replace(changes, leases=((None, lease._replace(client_reference="reference 1")),))
        case "a lease whose number is taken":
            return replace(changes, leases=((None, lease._replace(lease_no=1)),))
        case "a lease with half a secret":
            return replace(changes, leases=((None, lease._replace(secret=bytes(8))),))
        case "a booking whose token is taken":
            return replace(changes, bookings=((None, replace(booking, idempotency_token=TAKEN)),))
        case "a booking of a lease that was booked":
            return replace(changes, bookings=((None, replace(booking, lease_no=5)),))
        case "an event whose number is taken":
            return replace(changes, events=(event, replace(event, event_no=3)))
        case _:
            raise AssertionError(bad)


class WritesAllOrNothing(OnALedger):
    def test_leaving_without_a_commit_leaves_nothing(self, backend: Backend, store: Store, shop: Shop) -> None:
        shop.offer(SLOT)
        before = everything(backend)
        changes = changes_of(store, shop.create_lease(ASKED), shop.create_booking(ASKED))
        assert changes
        assert everything(backend) == before

    def test_a_mistake_inside_the_batch_leaves_nothing(self, backend: Backend, store: Store, shop: Shop) -> None:
        shop.offer(SLOT)
        before = everything(backend)

        def fail(_: Any) -> NoReturn:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError), store.transact(Wanted(merchant_ids={"m1"})) as transaction:
            fail(transaction)
        assert everything(backend) == before
        assert shop.lease(ASKED).lease_no == 1

    def test_numbers_drawn_in_vain_are_drawn_again(self, store: Store, shop: Shop) -> None:
        shop.offer(SLOT)
        changes_of(store, shop.create_lease(ASKED), shop.create_lease(ASKED))
        assert [shop.lease(ASKED).lease_no for _ in range(2)] == [1, 2]

    @pytest.mark.parametrize("bad", BAD_ROWS)
    def test_one_row_refused_and_nothing_is_written(self, backend: Backend, store: Store, shop: Shop, bad: str) -> None:
        (slot,) = shop.offer(SLOT)
        there = changes_for(slot, [lease_row(slot, ASKED)], [replace(booking_row(slot, ASKED), lease_no=5)])
        commit(store, there)
        batch = changes_for(
            slot,
            [lease_row(slot, ASKED, lease_no=11, spot_no=3)],
            [booking_row(slot, ASKED, booking_no=12, spot_no=4)],
        )
        batch = replace(batch, next_nos={slot.merchant_no: (4, 14)})
        before = everything(backend)
        with pytest.raises((RowRefused, StoreConflict)):
            commit(store, with_bad_row(batch, bad))
        assert everything(backend) == before
        commit(store, batch)  # the very same, but for the bad row
        assert len(store.leases(live_only=False, limit=9)) == 2
        assert len(store.bookings(limit=9)) == 2

    @pytest.mark.parametrize(
        ("cancel_by_us", "reference"),
        [(2**63, "r"), (0, "\ud800")],
        ids=["past 64 bits", "half a surrogate pair"],
    )
    def test_a_value_that_no_column_holds_is_a_row_refused(
        self, store: Store, shop: Shop, cancel_by_us: int, reference: str
    ) -> None:
        """protocol.RowRefused: the database refused a row *or a value*, and one request of the batch is to blame."""
        (slot,) = shop.offer(SLOT)
        lease = lease_row(slot, ASKED)._replace(cancel_by_us=cancel_by_us, client_reference=reference)
        with pytest.raises(StoreFault) as caught:
            commit(store, changes_for(slot, [lease]))
        assert isinstance(caught.value, RowRefused)

    def test_the_store_works_on_after_a_refused_batch(self, store: Store, shop: Shop) -> None:
        (slot,) = shop.offer(SLOT)
        for _ in range(3):
            with pytest.raises(RowRefused):
                commit(store, changes_for(slot, [lease_row(slot, ASKED)._replace(secret=b"")]))
        assert shop.lease(ASKED).spot_no == 1
        assert shop.count_available(ASKED) == 3

    def test_a_batch_may_lease_and_book_at_one_blow(self, store: Store, shop: Shop) -> None:
        """One net write per row: what came and went within the batch is written as it stands at its end."""
        shop.offer(SLOT)
        lease = shop.create_lease(ASKED)
        book = shop.create_booking(ASKED, lease_id=str(RowId("l", 1, 1, lease.secret)))
        changes = changes_of(store, lease, book)
        assert [after.state for _, after in changes.leases] == [LeaseState.CONSUMED]
        commit(store, changes)
        assert store.leases(live_only=False, limit=9)[0].state is LeaseState.CONSUMED
        assert [booking.lease_no for booking in store.bookings(limit=9)] == [1]
        assert shop.count_available(ASKED) == 3
        assert store.audit() == []


class WritesOnlyOverWhatItSaw(OnALedger):
    """Every write is conditional on the row as prefetched (DESIGN 2). Decided, then another was faster: StoreConflict,
    nothing written, and the whole batch can be done again."""

    def refused_as_stale(self, backend: Backend, store: Store, changes: Changes) -> None:
        before = everything(backend)
        with pytest.raises(StoreConflict):
            commit(store, changes)
        assert everything(backend) == before

    def test_two_batches_that_drew_the_same_number(
        self, backend: Backend, store: Store, beside: Store, shop: Shop
    ) -> None:
        shop.offer(SLOT)
        slow, fast = shop.create_lease(ASKED), shop.create_lease(ASKED)
        stale = changes_of(store, slow)
        Shop(beside, shop.clock).ask(fast)
        self.refused_as_stale(backend, store, stale)
        again = shop.ask(slow)
        assert [lease.spot_no for lease in store.leases(live_only=True, limit=9)] == [2, 1]
        assert again == store.leases(live_only=True, limit=1)[0]

    def test_two_batches_that_take_over_the_same_lapsed_spot(self, backend: Backend, store: Store, shop: Shop) -> None:
        shop.offer(Offered())
        dead = shop.lease(Offered().asked())
        shop.clock.now_us = dead.expires_us
        slow, fast = shop.create_lease(Offered().asked()), shop.create_lease(Offered().asked())
        stale = changes_of(store, slow)
        assert stale.leases_buried or any(before is not None for before, _ in stale.leases)
        shop.ask(fast)
        current_no = stale.next_nos[1][1]
        self.refused_as_stale(backend, store, replace(stale, next_nos={1: (current_no, current_no + 1)}))
        only_the_spot = replace(stale, next_nos={}, leases=(), leases_buried=())
        self.refused_as_stale(backend, store, only_the_spot)

    def test_a_spot_whose_holder_is_the_same_and_whose_time_is_not(
        self, backend: Backend, store: Store, shop: Shop
    ) -> None:
        shop.offer(SLOT)
        lease = shop.lease(ASKED)
        stale = changes_of(store, ReleaseLease(lease.lease_id))
        spot = spot_of_lease(lease)
        longer = spot._replace(busy_until_us=FOREVER_US)
        commit(store, replace(stale, spots=((spot, longer),), leases=()))
        self.refused_as_stale(backend, store, stale)

    def test_a_spot_whose_time_is_the_same_and_whose_holder_is_not(
        self, backend: Backend, store: Store, shop: Shop
    ) -> None:
        """Booked, given back, booked by another: for ever both times."""
        shop.offer(Offered())
        booking = shop.book(Offered().asked())
        stale = changes_of(store, UpdateBooking(booking.booking_id, status=BookingStatus.CANCELED))
        shop.cancel(booking)
        shop.book(Offered().asked(), user_id="u2")
        self.refused_as_stale(backend, store, replace(stale, next_nos={}, bookings=(), events=()))

    def test_a_lease_that_ended_meanwhile(self, backend: Backend, store: Store, shop: Shop) -> None:
        """States move once, from ACTIVE (INV-6): neither a release nor a burial may follow another end."""
        shop.offer(SLOT)
        lease = shop.lease(ASKED)
        stale = changes_of(store, ReleaseLease(lease.lease_id))
        shop.book(ASKED, lease_id=lease.lease_id)
        self.refused_as_stale(backend, store, stale)
        self.refused_as_stale(backend, store, replace(stale, spots=()))
        buried = replace(stale, spots=(), leases=(), leases_buried=((lease.merchant_no, lease.lease_no),))
        self.refused_as_stale(backend, store, buried)

    def test_a_booking_that_moved_on(self, backend: Backend, store: Store, shop: Shop) -> None:
        later = replace(SLOT, start_us=SLOT.start_us + DAY_US)
        shop.offer(SLOT, later)
        booking = shop.book(ASKED)
        stale = changes_of(store, UpdateBooking(booking.booking_id, status=BookingStatus.CANCELED))
        shop.move(booking, start_us=later.start_us)
        self.refused_as_stale(backend, store, stale)
        only_the_booking = replace(stale, spots=(), next_nos={}, events=())
        self.refused_as_stale(backend, store, only_the_booking)

    def test_a_new_spot_that_is_there_by_now(self, backend: Backend, store: Store, shop: Shop) -> None:
        shop.offer(SLOT)
        stale = changes_of(store, shop.create_lease(ASKED))
        shop.lease(ASKED)
        before = everything(backend)
        with pytest.raises((StoreConflict, RowRefused)):
            commit(store, replace(stale, next_nos={}, leases=()))
        assert everything(backend) == before

    def test_a_new_spot_that_the_slot_no_longer_has(self, backend: Backend, store: Store, shop: Shop) -> None:
        """The insert itself compares the number with the slot's capacity (DESIGN 3, INV-4)."""
        shop.offer(SLOT)
        shop.lease(ASKED)
        stale = changes_of(store, shop.create_lease(ASKED))
        shop.offer(replace(SLOT, spots_elsewhere=3))
        before = everything(backend)
        with pytest.raises((StoreConflict, RowRefused)):
            commit(store, stale)
        assert everything(backend) == before

    def test_a_row_that_never_was(self, backend: Backend, store: Store, shop: Shop) -> None:
        (slot,) = shop.offer(SLOT)
        lease, booking = lease_row(slot, ASKED), booking_row(slot, ASKED)
        nothing = replace(
            changes_for(slot, [lease], [booking]), next_nos={}, spots=(), leases=(), bookings=(), events=()
        )
        spot = Spot(*slot.key, 1, NOON_US, 1)
        for changes in (
            replace(nothing, spots=((spot, spot._replace(busy_until_us=0, holder_no=0)),)),
            replace(nothing, leases=((lease, lease._replace(state=LeaseState.RELEASED)),)),
            replace(nothing, leases_buried=((slot.merchant_no, 1),)),
            replace(nothing, bookings=((booking, replace(booking, revision=2)),)),
            replace(nothing, next_nos={slot.merchant_no: (7, 8)}, events=(event_row(booking),)),
        ):
            self.refused_as_stale(backend, store, changes)

    def test_the_same_commit_twice_writes_once(self, backend: Backend, store: Store, shop: Shop) -> None:
        """Where the outcome of a commit is unknown its batch is done again: the old writes must never pass twice."""
        shop.offer(SLOT)
        changes = changes_of(store, CreateLease(ASKED, "r", None, bytes(16)), shop.create_booking(ASKED))
        commit(store, changes)
        self.refused_as_stale(backend, store, changes)

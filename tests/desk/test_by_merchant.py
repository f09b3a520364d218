"""`--store-scope merchant`: of a batch for several merchants, each has a transaction of its own."""

from __future__ import annotations

from typing import cast

import pytest

from slotlease.desk.batch import Batches
from slotlease.desk.fault import Broken, Unavailable
from slotlease.desk.set_marketing_preference import SetMarketingPreference
from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import Booking, BookingStatus
from slotlease.domain.facts import Changes
from slotlease.domain.failure import Cause
from slotlease.domain.lease import Lease
from slotlease.domain.marketing import MarketingPreference
from slotlease.store.protocol import Store, Transaction
from tests.desk.broken import Commit, LossyStore, MistakenIn, done, unavailable
from tests.desk.checks import assert_sound, cause_of
from tests.support import Offered, Shop, booked, user

MERCHANTS = ("m1", "m2", "m3")
TEN = Offered()


@pytest.fixture
def shop(shop: Shop) -> Shop:
    for merchant_id in MERCHANTS:
        shop.offer(TEN, merchant_id=merchant_id)
    by_merchant(shop)
    return shop


def by_merchant(shop: Shop, *commits: Commit) -> None:
    store = LossyStore(shop.store, commits)
    shop.batches = Batches(cast("Store", store), shop.rules, shop.report, by_merchant=True)


def merchants_of(changes: Changes) -> set[int]:
    return {spot.merchant_no for _, spot in changes.spots}


def test_each_merchant_of_a_batch_has_a_transaction_of_its_own(shop: Shop) -> None:
    committed: list[set[int]] = []

    def note(transaction: Transaction, changes: Changes) -> None:
        committed.append(merchants_of(changes))
        assert {merchant.merchant_no for merchant in transaction.facts.merchants.values()} == committed[-1]
        done(transaction, changes)

    by_merchant(shop, *[note] * 9)
    one, two, three, late = shop.ask_all([shop.create_lease(TEN.asked(m)) for m in ("m1", "m2", "m3", "m1")])
    assert committed == [{1}, {2}, {3}]
    assert all(isinstance(answer, Lease) for answer in (one, two, three))
    assert cause_of(late) is Cause.SLOT_UNAVAILABLE, "it sees what the one before it did"
    assert_sound(shop)


def test_a_merchant_that_is_named_by_an_id_of_ours_has_a_transaction_of_its_own_too(shop: Shop) -> None:
    bookings = [shop.book(TEN.asked(merchant_id)) for merchant_id in ("m1", "m2")]
    committed: list[set[int]] = []

    def note(transaction: Transaction, changes: Changes) -> None:
        committed.append(merchants_of(changes))
        done(transaction, changes)

    by_merchant(shop, note, note)
    shop.ask_all([UpdateBooking(booking.booking_id, status=BookingStatus.CANCELED) for booking in bookings])
    assert committed == [{1}, {2}]


def test_requests_that_name_the_merchant_by_an_id_of_ours_see_those_that_name_it_by_its_own(shop: Shop) -> None:
    """They are two transactions of one merchant, one after the other."""
    booking = shop.book(TEN.asked(), user_id="u1")
    cancelled, taken = shop.ask_all(
        [UpdateBooking(booking.booking_id, status=BookingStatus.CANCELED), shop.create_lease(TEN.asked())]
    )
    assert booked(cancelled).status is BookingStatus.CANCELED
    assert isinstance(taken, Lease)
    assert_sound(shop)


def test_what_the_store_refuses_of_one_merchant_fails_no_other(shop: Shop) -> None:
    by_merchant(shop, done, unavailable)
    answers = shop.ask_all([shop.create_lease(TEN.asked(merchant_id)) for merchant_id in MERCHANTS])
    assert [type(answer) for answer in answers] == [Lease, Unavailable, Lease]
    assert shop.count_available(TEN.asked("m2")) == 1


def test_a_mistake_in_what_a_request_wants_fails_that_request_alone(shop: Shop) -> None:
    mistaken, lease = shop.ask_all([MistakenIn("want", shop.create_lease(TEN.asked())), shop.create_lease(TEN.asked())])
    assert isinstance(mistaken, Broken)
    assert isinstance(lease, Lease)
    assert len(shop.incidents) == 1
    shop.incidents.clear()


def test_what_no_merchant_guards_is_written_too(shop: Shop) -> None:
    told, lease = shop.ask_all(
        [SetMarketingPreference(user(), receives_marketing=True), shop.create_lease(TEN.asked())]
    )
    assert isinstance(told, MarketingPreference)
    assert isinstance(lease, Lease)


def test_a_token_sent_twice_in_one_batch_has_one_effect(shop: Shop) -> None:
    first, again, other = shop.ask_all(
        [shop.create_booking(TEN.asked(merchant_id), token="t") for merchant_id in ("m1", "m1", "m2")]  # noqa: S106 - an idempotency token
    )
    assert isinstance(first, Booking)
    assert again == first
    assert isinstance(other, Booking)
    assert other.booking_id != first.booking_id, "tokens are each merchant's own"

"""CreateBooking as version 0 has it: the lease is all that is named, and its own token."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from slotlease.desk.book_lease import BookLease
from slotlease.domain.booking import BookingStatus, contact_key
from slotlease.domain.failure import Cause
from slotlease.domain.lease import Lease, LeaseState
from slotlease.domain.merchant import Service
from slotlease.domain.slot import Resources
from tests.desk.checks import cause_of, count_rows, retire_merchant
from tests.support import HOUR_US, Offered, Shop, booked, user

TEN = Offered(spots_total=3)
ELEVEN = replace(TEN, start_us=TEN.start_us + HOUR_US)


def book_lease(shop: Shop, lease: Lease, *, name: str = "ada", secret: bytes = bytes(16)) -> BookLease:
    client = replace(user(""), given_name=name, email=f"{name}@example.com")
    key = contact_key(shop.rules.fingerprint_key, telephone=client.telephone, email=client.email)
    return BookLease(lease.lease_id, key, client, None, asks_to_charge=False, secret=secret)


def test_lease_becomes_a_booking_of_its_slot(shop: Shop) -> None:
    two = replace(TEN, party_size=2)
    shop.offer(two)
    lease = shop.lease(two.asked())
    booking = booked(shop.ask(book_lease(shop, lease)))
    assert (booking.slot, booking.lease_no, booking.spot_no) == (lease.slot, lease.lease_no, lease.spot_no)
    assert booking.slot.resources == Resources(party_size=2)
    assert [one.state for one in shop.store.leases(live_only=False, limit=9)] == [LeaseState.CONSUMED]


def test_repeat_by_the_same_client_gets_the_same_booking(shop: Shop, tmp_path: Path) -> None:
    shop.offer(TEN, ELEVEN)
    lease = shop.lease(TEN.asked())
    booking = booked(shop.ask(book_lease(shop, lease)))
    repeat = book_lease(shop, lease, secret=bytes(range(16)))
    assert booked(shop.ask(repeat)) == booking
    shop.clock.now_us = lease.expires_us
    assert booked(shop.ask(repeat)) == booking
    moved = booked(shop.move(booking, start_us=ELEVEN.start_us))
    assert booked(shop.ask(repeat)) == moved
    shop.cancel(booking)
    replayed = booked(shop.ask(repeat))
    assert (replayed.booking_id, replayed.status) == (booking.booking_id, BookingStatus.CANCELED)
    assert (replayed.slot_created, replayed.status_created) == (booking.slot, booking.status)
    assert count_rows(tmp_path, "booking") == 1


def test_repeat_by_another_client_meets_a_used_lease(shop: Shop) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked())
    booking = booked(shop.ask(book_lease(shop, lease, name="ada")))
    assert cause_of(shop.ask(book_lease(shop, lease, name="bob"))) is Cause.LEASE_EXPIRED
    assert shop.store.bookings(limit=9) == [booking]


def test_two_clients_with_one_lease_in_one_batch_are_told_apart(shop: Shop) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked())
    first, repeat, other = shop.ask_all([book_lease(shop, lease, name=name) for name in ("ada", "ada", "bob")])
    assert first == repeat
    assert cause_of(other) is Cause.LEASE_EXPIRED


def test_lease_used_by_one_version_is_used_for_the_other(shop: Shop) -> None:
    shop.offer(TEN)
    one, other = shop.lease(TEN.asked()), shop.lease(TEN.asked())
    shop.book(TEN.asked(), lease_id=one.lease_id)
    assert cause_of(shop.ask(book_lease(shop, one))) is Cause.LEASE_EXPIRED
    booked(shop.ask(book_lease(shop, other)))
    answer = shop.ask(shop.create_booking(TEN.asked(), lease_id=other.lease_id, user_id="u2"))
    assert cause_of(answer) is Cause.LEASE_EXPIRED


@pytest.mark.parametrize(("step_us", "is_live"), [(-1, True), (0, False), (1, False)])
def test_lease_can_be_booked_until_the_instant_of_its_expiry(shop: Shop, step_us: int, *, is_live: bool) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked())
    shop.clock.now_us = lease.expires_us + step_us
    answer = shop.ask(book_lease(shop, lease))
    if is_live:
        booked(answer)
    else:
        assert cause_of(answer) is Cause.LEASE_EXPIRED
        shop.clock.now_us = lease.expires_us - 1
        assert cause_of(shop.ask(book_lease(shop, lease))) is Cause.LEASE_EXPIRED, "what was judged dead stays dead"


def test_unknown_malformed_and_guessed_leases_answer_alike(shop: Shop) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked())
    good = book_lease(shop, lease)
    guessed = lease.lease_id[:-1] + ("0" if lease.lease_id[-1] != "0" else "1")
    for wrong in ("", "unknown", guessed, lease.lease_id.upper(), lease.lease_id.replace("l1-", "l9-")):
        assert cause_of(shop.ask(replace(good, lease_id=wrong))) is Cause.LEASE_EXPIRED
    booked(shop.ask(good))


def test_live_lease_is_booked_though_slot_service_and_merchant_are_gone(shop: Shop, tmp_path: Path) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked())
    shop.offer(replace(TEN, closed=True))
    shop.store.put_catalogue("m1", "M1", [], [], [])
    retire_merchant(tmp_path)
    assert booked(shop.ask(book_lease(shop, lease))).lease_no == lease.lease_no


def test_same_client_books_a_slot_once_however_they_write_themselves(shop: Shop) -> None:
    shop.offer(TEN)
    first, second = shop.lease(TEN.asked()), shop.lease(TEN.asked())
    booked(shop.ask(book_lease(shop, first)))
    again = book_lease(shop, second)
    otherwise = replace(again, user=replace(again.user, email="ADA@example.com"))
    assert cause_of(shop.ask(otherwise)) is Cause.SLOT_ALREADY_BOOKED_BY_USER
    booked(shop.ask(book_lease(shop, second, name="bob")))


def test_same_client_may_book_a_slot_again_where_the_service_allows_it(shop: Shop) -> None:
    shop.serve(Service(0, 0, "cut", one_booking_per_user=False))
    shop.offer(TEN)
    for _ in range(2):
        booked(shop.ask(book_lease(shop, shop.lease(TEN.asked()))))


def test_request_that_asks_us_to_charge_leaves_the_lease(shop: Shop) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked())
    request = book_lease(shop, lease)
    assert cause_of(shop.ask(replace(request, asks_to_charge=True))) is Cause.PAYMENT_ERROR
    booked(shop.ask(request))


def test_several_leases_of_a_merchant_are_tokens_of_their_own(shop: Shop) -> None:
    shop.offer(TEN, ELEVEN)
    shop.offer(TEN, merchant_id="m2")
    leases = [shop.lease(slot) for slot in (TEN.asked(), ELEVEN.asked(), TEN.asked("m2"))]
    bookings = [booked(shop.ask(book_lease(shop, lease))) for lease in leases]
    assert len({booking.booking_id for booking in bookings}) == 3

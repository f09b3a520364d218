"""CreateBooking with a lease: a live lease is a promise, kept once, and only as it was given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from slotlease.desk.release_lease import ReleaseLease
from slotlease.domain.booking import BookingStatus, PaymentInformation, PaymentProcessedBy
from slotlease.domain.failure import Cause, Reason
from slotlease.domain.lease import Lease, LeaseState
from slotlease.domain.merchant import Service
from slotlease.domain.slot import AskedSlot, Resources
from tests.desk.checks import assert_sound, cause_of, count_rows, invalid, retire_merchant
from tests.support import HOUR_US, Offered, Shop, booked, open_shop

T1 = "t1"
TEN = Offered()
ELEVEN = replace(TEN, start_us=TEN.start_us + HOUR_US)
CLASS = replace(TEN, spots_total=3)


def states(shop: Shop) -> list[LeaseState]:
    return [lease.state for lease in shop.store.leases(live_only=False, limit=9)]


def test_booking_consumes_its_lease_and_keeps_its_spot(shop: Shop, tmp_path: Path) -> None:
    shop.offer(CLASS)
    shop.lease(CLASS.asked())
    lease = shop.lease(CLASS.asked())
    booking = shop.book(CLASS.asked(), lease_id=lease.lease_id)
    assert (booking.lease_no, booking.spot_no, booking.slot) == (lease.lease_no, lease.spot_no, lease.slot)
    assert sorted(state.name for state in states(shop)) == ["ACTIVE", "CONSUMED"]
    assert count_rows(tmp_path, "spot") == 2
    shop.clock.now_us = lease.expires_us
    assert shop.count_available(CLASS.asked()) == 2


def test_lease_is_used_once(shop: Shop, tmp_path: Path) -> None:
    shop.offer(CLASS)
    lease = shop.lease(CLASS.asked())
    first = shop.create_booking(CLASS.asked(), lease_id=lease.lease_id, token=T1)
    booking = booked(shop.ask(first))
    second = shop.create_booking(CLASS.asked(), lease_id=lease.lease_id, user_id="u2")
    assert cause_of(shop.ask(second)) is Cause.LEASE_EXPIRED
    assert booked(shop.ask(first)) == booking
    shop.cancel(booking)
    assert cause_of(shop.ask(second)) is Cause.LEASE_EXPIRED
    assert count_rows(tmp_path, "booking") == 1


@pytest.mark.parametrize(("step_us", "is_live"), [(-1, True), (0, False), (1, False)])
def test_lease_can_be_booked_until_the_instant_of_its_expiry(shop: Shop, step_us: int, *, is_live: bool) -> None:
    shop.offer(CLASS)
    lease = shop.lease(CLASS.asked())
    shop.clock.now_us = lease.expires_us + step_us
    answer = shop.ask(shop.create_booking(CLASS.asked(), lease_id=lease.lease_id))
    if is_live:
        assert booked(answer).lease_no == lease.lease_no
    else:
        assert cause_of(answer) is Cause.LEASE_EXPIRED, "though the slot has spots to spare"


def test_expired_lease_is_refused_after_a_restart_too(shop: Shop, tmp_path: Path) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked())
    shop.clock.now_us = lease.expires_us
    again = open_shop(tmp_path, clock=shop.clock)
    answer = again.ask(again.create_booking(TEN.asked(), lease_id=lease.lease_id))
    assert cause_of(answer) is Cause.LEASE_EXPIRED
    again.store.close()


def test_lease_held_to_the_start_of_its_slot_can_be_booked_until_then(shop: Shop) -> None:
    shop.offer(TEN)
    shop.clock.now_us = TEN.start_us - 2_000_000
    lease = shop.lease(TEN.asked())
    shop.clock.now_us = TEN.start_us - 1
    assert booked(shop.ask(shop.create_booking(TEN.asked(), lease_id=lease.lease_id))).slot == TEN.asked()


ALTERED: dict[str, Callable[[str], str]] = {
    "no id at all": lambda _: "unknown",
    "the beginning of one": lambda lease_id: lease_id[:3],
    "another secret": lambda lease_id: lease_id[:-1] + ("0" if lease_id[-1] != "0" else "1"),
    "upper case": str.upper,
    "another merchant": lambda lease_id: lease_id.replace("l1-", "l2-"),
    "another row": lambda lease_id: lease_id.replace("-1-", "-99-"),
    "a booking's": lambda lease_id: "b" + lease_id[1:],
    "a blank behind": lambda lease_id: lease_id + " ",
}


@pytest.mark.parametrize("alter", ALTERED.values(), ids=ALTERED.keys())
def test_unknown_and_malformed_leases_answer_alike(shop: Shop, alter: Callable[[str], str]) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked())
    wrong = alter(lease.lease_id)
    assert wrong != lease.lease_id
    assert cause_of(shop.ask(shop.create_booking(TEN.asked(), lease_id=wrong))) is Cause.LEASE_EXPIRED
    assert shop.book(TEN.asked(), lease_id=lease.lease_id).lease_no == lease.lease_no


def test_released_lease_is_gone(shop: Shop) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked())
    shop.ask(ReleaseLease(lease.lease_id))
    answer = shop.ask(shop.create_booking(TEN.asked(), lease_id=lease.lease_id))
    assert cause_of(answer) is Cause.LEASE_EXPIRED


# --- the slot must be the leased one, as it was leased -----------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"start_us": ELEVEN.start_us},
        {"start_us": TEN.start_us + 1},
        {"duration_us": 1},
        {"availability_tag": ""},
        {"availability_tag": "tuesday"},
        {"resources": None},
        {"resources": Resources()},
        {"resources": Resources(party_size=3)},
        {"service_id": "shave"},
        {"merchant_id": "m2"},
    ],
)
def test_slot_that_differs_from_the_leased_one_is_refused_and_the_lease_stays(
    shop: Shop, change: dict[str, str | int | Resources | None]
) -> None:
    two = replace(TEN, party_size=2, availability_tag="monday")
    shop.offer(two, ELEVEN, replace(TEN, service_id="shave"))
    shop.offer(two, merchant_id="m2")
    leased = two.asked(availability_tag="monday")
    lease = shop.lease(leased)
    wrong = replace(leased, **change)  # type: ignore[arg-type] # a table of single changes
    answer = shop.ask(shop.create_booking(wrong, lease_id=lease.lease_id))
    assert invalid(answer) == (Reason.SLOT_DIFFERS_FROM_LEASE, "slot")
    assert booked(shop.ask(shop.create_booking(leased, lease_id=lease.lease_id))).slot == leased


# --- a live lease is a promise -----------------------------------------------------------------------------------


def close_slot(shop: Shop, _folder: Path) -> None:
    shop.offer(replace(TEN, closed=True))


def sell_elsewhere(shop: Shop, _folder: Path) -> None:
    shop.offer(replace(TEN, spots_elsewhere=1))


def lower(shop: Shop, _folder: Path) -> None:
    shop.offer(replace(TEN, spots_total=0))


def end_lead_time(shop: Shop, _folder: Path) -> None:
    shop.offer(replace(TEN, last_bookable_us=shop.clock.now_us - 1))


def change_tag(shop: Shop, _folder: Path) -> None:
    shop.offer(replace(TEN, availability_tag="tuesday"))


def retire_service(shop: Shop, _folder: Path) -> None:
    shop.store.put_catalogue("m1", "M1", [], [], [])


def retire(_shop: Shop, folder: Path) -> None:
    retire_merchant(folder)


@pytest.mark.parametrize(
    "meanwhile", [close_slot, sell_elsewhere, lower, end_lead_time, change_tag, retire_service, retire]
)
def test_live_lease_is_booked_whatever_became_of_its_slot(
    tmp_path: Path, meanwhile: Callable[[Shop, Path], None]
) -> None:
    shop = open_shop(tmp_path)
    shop.offer(TEN)
    lease = shop.lease(TEN.asked())
    meanwhile(shop, tmp_path)
    assert shop.book(TEN.asked(), lease_id=lease.lease_id).spot_no == lease.spot_no
    assert_sound(shop, overcommitted=True)
    shop.store.close()


def test_booking_has_the_terms_that_its_lease_was_given(shop: Shop) -> None:
    shop.serve(Service(0, 0, "cut", min_advance_online_canceling_s=3600))
    shop.offer(replace(TEN, asynchronous=True))
    lease = shop.lease(TEN.asked())
    shop.serve(Service(0, 0, "cut", min_advance_online_canceling_s=7200))
    shop.offer(replace(TEN, asynchronous=False))
    booking = shop.book(TEN.asked(), lease_id=lease.lease_id)
    assert booking.status is BookingStatus.PENDING_MERCHANT_CONFIRMATION
    assert booking.cancel_by_us == TEN.start_us - HOUR_US


# --- a refused attempt consumes nothing --------------------------------------------------------------------------


def assert_usable(shop: Shop, lease: Lease) -> None:
    assert shop.book(lease.slot, lease_id=lease.lease_id, user_id="another").lease_no == lease.lease_no


def test_lease_stays_when_the_user_has_a_booking_of_the_slot(shop: Shop) -> None:
    shop.offer(CLASS)
    lease = shop.lease(CLASS.asked())
    shop.book(CLASS.asked(), user_id="u1")
    answer = shop.ask(shop.create_booking(CLASS.asked(), lease_id=lease.lease_id, user_id="u1"))
    assert cause_of(answer) is Cause.SLOT_ALREADY_BOOKED_BY_USER
    assert_usable(shop, lease)


def test_user_may_book_a_second_lease_of_the_slot_where_the_service_allows_it(shop: Shop) -> None:
    shop.serve(Service(0, 0, "cut", one_booking_per_user=False))
    shop.offer(CLASS)
    leases = [shop.lease(CLASS.asked()) for _ in range(2)]
    bookings = [shop.book(CLASS.asked(), lease_id=lease.lease_id, user_id="u1") for lease in leases]
    assert [booking.spot_no for booking in bookings] == [1, 2]


def test_lease_stays_when_the_request_asks_us_to_charge(shop: Shop) -> None:
    shop.offer(CLASS)
    lease = shop.lease(CLASS.asked())
    by_partner = PaymentInformation(payment_processed_by=PaymentProcessedBy.PARTNER)
    answer = shop.ask(shop.create_booking(CLASS.asked(), lease_id=lease.lease_id, payment=by_partner))
    assert cause_of(answer) is Cause.PAYMENT_ERROR
    assert_usable(shop, lease)


def test_failed_attempt_with_a_lease_is_never_remembered(shop: Shop) -> None:
    shop.offer(CLASS)
    lease = shop.lease(CLASS.asked())
    double = shop.book(CLASS.asked(), user_id="u1")
    attempt = shop.create_booking(CLASS.asked(), lease_id=lease.lease_id, user_id="u1", token=T1)
    assert cause_of(shop.ask(attempt)) is Cause.SLOT_ALREADY_BOOKED_BY_USER
    shop.cancel(double)
    assert booked(shop.ask(attempt)).lease_no == lease.lease_no


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (replace(TEN.asked(), merchant_id="m9"), "slot.merchant_id"),
        (replace(TEN.asked(), service_id="dye"), "slot.service_id"),
    ],
)
def test_unknown_merchant_or_service_is_invalid_with_a_lease_too(shop: Shop, wrong: AskedSlot, field: str) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked())
    answer = shop.ask(shop.create_booking(wrong, lease_id=lease.lease_id))
    assert invalid(answer) == (Reason.SLOT_UNKNOWN, field)
    assert_usable(shop, lease)

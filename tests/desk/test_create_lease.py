"""CreateLease: one spot is held for a while, for one token, and then it is free again by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from slotlease.desk.release_lease import ReleaseLease
from slotlease.domain.failure import BookingFailure, Cause, Reason
from slotlease.domain.lease import LeaseState, LeaseTerms
from slotlease.domain.opaque_id import parse_row_id
from slotlease.domain.slot import SECOND_US, AskedSlot, Resources
from tests.desk.checks import cause_of, count_rows, invalid, reason_of, retire_merchant
from tests.support import DAY_US, HOUR_US, MINUTE_US, NOON_US, Offered, Shop, booked, granted, open_shop

SAME = "same"
TEN = Offered()
ELEVEN = replace(TEN, start_us=TEN.start_us + HOUR_US)
CLASS = replace(TEN, spots_total=3)


# --- what is granted ---------------------------------------------------------------------------------------------


def test_lease_holds_a_spot_under_an_id_of_ours_for_the_default_time(shop: Shop) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked(), reference="r1")
    assert parse_row_id("l", lease.lease_id) is not None
    assert lease.state is LeaseState.ACTIVE
    assert lease.client_reference == "r1"
    assert lease.expires_us == NOON_US + 10 * MINUTE_US
    assert lease.created_us == NOON_US
    assert shop.store.leases(live_only=True, limit=9) == [lease]
    assert cause_of(shop.ask(shop.create_lease(TEN.asked()))) is Cause.SLOT_UNAVAILABLE


@pytest.mark.parametrize(
    ("asked", "offered"),
    [
        (TEN.asked(), TEN),
        (replace(TEN.asked(), resources=Resources()), TEN),
        (replace(TEN, availability_tag="monday").asked(), replace(TEN, availability_tag="monday")),
        (TEN.asked(availability_tag="monday"), replace(TEN, availability_tag="monday")),
        (AskedSlot("m1", "cut", TEN.start_us, HOUR_US, "", Resources("anna", "red", 4)), None),
    ],
)
def test_slot_is_echoed_exactly_as_it_was_asked_for(shop: Shop, asked: AskedSlot, offered: Offered | None) -> None:
    shop.offer(offered or replace(TEN, staff_id="anna", room_id="red", party_size=4))
    lease = shop.lease(asked, reference="r1")
    assert lease.slot == asked
    replayed = shop.lease(asked, reference="r1")
    assert replayed == lease
    assert replayed.slot == asked


@pytest.mark.parametrize(
    ("asked_us", "granted_us"),
    [
        (None, 10 * MINUTE_US),
        (-DAY_US, MINUTE_US),
        (1_000, MINUTE_US),
        (5 * MINUTE_US, 5 * MINUTE_US),
        (36_500 * DAY_US, 15 * MINUTE_US),
    ],
)
def test_asked_expiry_is_a_wish_and_never_refused(shop: Shop, asked_us: int | None, granted_us: int) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked(), expires_us=None if asked_us is None else NOON_US + asked_us)
    assert lease.expires_us == NOON_US + granted_us


def test_operator_sets_how_long_a_hold_may_last(tmp_path: Path) -> None:
    shop = open_shop(tmp_path, terms=LeaseTerms(min_us=SECOND_US, default_us=2 * SECOND_US, max_us=3 * SECOND_US))
    shop.offer(CLASS)
    ends = [shop.lease(CLASS.asked(), expires_us=asked_us).expires_us for asked_us in (0, None, NOON_US + DAY_US)]
    assert ends == [NOON_US + seconds * SECOND_US for seconds in (1, 2, 3)]
    shop.store.close()


def test_hold_never_outlives_the_start_of_its_slot(shop: Shop) -> None:
    shop.offer(TEN)
    shop.clock.now_us = TEN.start_us - 30 * SECOND_US
    assert shop.lease(TEN.asked()).expires_us == TEN.start_us


def test_slot_cannot_be_leased_in_the_last_second_before_its_start(shop: Shop) -> None:
    shop.offer(CLASS)
    shop.clock.now_us = CLASS.start_us - SECOND_US
    assert shop.lease(CLASS.asked()).expires_us == CLASS.start_us
    shop.clock.advance(us=1)
    assert cause_of(shop.ask(shop.create_lease(CLASS.asked()))) is Cause.SLOT_UNAVAILABLE


def test_every_spot_of_a_class_can_be_held_and_not_one_more(shop: Shop) -> None:
    shop.offer(CLASS)
    assert [shop.lease(CLASS.asked()).spot_no for _ in range(3)] == [1, 2, 3]
    assert cause_of(shop.ask(shop.create_lease(CLASS.asked()))) is Cause.SLOT_UNAVAILABLE


def test_no_two_leases_have_the_same_id(shop: Shop) -> None:
    shop.offer(replace(CLASS, spots_total=20))
    assert len({shop.lease(CLASS.asked()).lease_id for _ in range(20)}) == 20


# --- expiry ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("step_us", "is_free"), [(-1, False), (0, True), (1, True)])
def test_expired_lease_claims_nothing_though_nobody_swept(shop: Shop, step_us: int, *, is_free: bool) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked())
    shop.clock.now_us = lease.expires_us + step_us
    answer = shop.ask(shop.create_lease(TEN.asked()))
    assert (not isinstance(answer, BookingFailure)) is is_free


def test_slot_leased_again_and_again_needs_no_more_rows_than_it_has_spots(shop: Shop, tmp_path: Path) -> None:
    shop.offer(CLASS)
    for _ in range(10):
        lease = shop.lease(CLASS.asked())
        shop.lease(CLASS.asked())
        shop.clock.now_us = lease.expires_us
    assert count_rows(tmp_path, "spot") == 3
    assert count_rows(tmp_path, "lease") == 20


def test_hold_survives_a_restart_and_so_does_its_end(shop: Shop, tmp_path: Path) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked(), reference="r1")
    again = open_shop(tmp_path, clock=shop.clock)
    assert granted(again.ask(again.create_lease(TEN.asked(), reference="r1"))) == lease
    assert cause_of(again.ask(again.create_lease(TEN.asked(), reference="r2"))) is Cause.SLOT_UNAVAILABLE
    shop.clock.now_us = lease.expires_us
    assert again.count_available(TEN.asked()) == 1
    again.store.close()


# --- one token, one lease ----------------------------------------------------------------------------------------


def nothing(shop: Shop, lease_id: str, folder: Path) -> None:
    pass


def expire(shop: Shop, _lease_id: str, _folder: Path) -> None:
    shop.clock.advance(s=3600)


def expire_and_resell(shop: Shop, _lease_id: str, _folder: Path) -> None:
    shop.clock.advance(s=3600)
    shop.book(TEN.asked())


def book(shop: Shop, lease_id: str, _folder: Path) -> None:
    shop.book(TEN.asked(), lease_id=lease_id)


def book_and_cancel(shop: Shop, lease_id: str, _folder: Path) -> None:
    shop.cancel(booked(shop.ask(shop.create_booking(TEN.asked(), lease_id=lease_id))))


def release(shop: Shop, lease_id: str, _folder: Path) -> None:
    shop.ask(ReleaseLease(lease_id))


def close_slot(shop: Shop, _lease_id: str, _folder: Path) -> None:
    shop.offer(replace(TEN, closed=True))


def let_it_begin(shop: Shop, _lease_id: str, _folder: Path) -> None:
    shop.clock.now_us = TEN.start_us


def retire_service(shop: Shop, _lease_id: str, _folder: Path) -> None:
    shop.store.put_catalogue("m1", "M1", [], [], [])


def retire(_shop: Shop, _lease_id: str, folder: Path) -> None:
    retire_merchant(folder)


@pytest.mark.parametrize(
    "meanwhile",
    [
        nothing,
        expire,
        expire_and_resell,
        book,
        book_and_cancel,
        release,
        close_slot,
        let_it_begin,
        retire_service,
        retire,
    ],
)
def test_same_token_and_slot_get_the_same_lease_whatever_happened_meanwhile(
    shop: Shop, tmp_path: Path, meanwhile: Callable[[Shop, str, Path], None]
) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked(), reference="r1")
    meanwhile(shop, lease.lease_id, tmp_path)
    counted = count_rows(tmp_path, "spot"), count_rows(tmp_path, "lease")
    replayed = shop.lease(TEN.asked(), reference="r1")
    assert replayed._replace(state=lease.state) == lease
    assert (count_rows(tmp_path, "spot"), count_rows(tmp_path, "lease")) == counted


def test_replayed_lease_holds_no_second_spot(shop: Shop) -> None:
    shop.offer(CLASS)
    for _ in range(3):
        shop.lease(CLASS.asked(), reference="r1")
    assert shop.count_available(CLASS.asked()) == 2


def test_retry_that_asks_for_another_expiry_gets_the_one_first_granted(shop: Shop) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked(), reference="r1", expires_us=NOON_US + 2 * MINUTE_US)
    shop.clock.advance(s=5)
    assert shop.lease(TEN.asked(), reference="r1", expires_us=NOON_US + 9 * MINUTE_US) == lease
    assert shop.lease(TEN.asked(), reference="r1") == lease


@pytest.mark.parametrize(
    "other",
    [
        ELEVEN.asked(),
        replace(TEN.asked(), resources=Resources()),
        TEN.asked(availability_tag="monday"),
        replace(TEN.asked(), service_id="dye"),
        replace(TEN.asked(), duration_us=1),
    ],
)
def test_token_used_for_another_slot_of_the_merchant_is_refused(shop: Shop, other: AskedSlot) -> None:
    shop.offer(replace(TEN, availability_tag="monday"), ELEVEN)
    lease = shop.lease(TEN.asked(), reference="r1")
    answer = shop.ask(shop.create_lease(other, reference="r1"))
    assert invalid(answer) == (Reason.IDEMPOTENCY_TOKEN_REUSED, "client_reference")
    assert shop.lease(TEN.asked(), reference="r1") == lease
    assert shop.count_available(ELEVEN.asked()) == 1


def test_token_stays_used_after_its_lease_expired(shop: Shop) -> None:
    shop.offer(TEN, ELEVEN)
    shop.lease(TEN.asked(), reference="r1")
    shop.clock.advance(s=3600)
    answer = shop.ask(shop.create_lease(ELEVEN.asked(), reference="r1"))
    assert reason_of(answer) is Reason.IDEMPOTENCY_TOKEN_REUSED


def test_same_token_at_another_merchant_is_another_token(shop: Shop) -> None:
    shop.offer(TEN)
    shop.offer(TEN, merchant_id="m2")
    one = shop.lease(TEN.asked("m1"), reference="r1")
    other = shop.lease(TEN.asked("m2"), reference="r1")
    assert one.lease_id != other.lease_id
    assert (one.slot.merchant_id, other.slot.merchant_id) == ("m1", "m2")


@pytest.mark.parametrize("other", ["R1", "r1 ", " r1", "r\u0031\u0301", "r"])
def test_tokens_are_compared_byte_by_byte(shop: Shop, other: str) -> None:
    shop.offer(CLASS)
    assert shop.lease(CLASS.asked(), reference="r1") != shop.lease(CLASS.asked(), reference=other)


def test_token_of_a_lease_may_be_used_for_a_booking_as_well(shop: Shop) -> None:
    shop.offer(CLASS)
    lease = shop.lease(CLASS.asked(), reference=SAME)
    booking = shop.book(CLASS.asked(), lease_id=lease.lease_id, token=SAME)
    assert booking.lease_no == lease.lease_no


def test_failed_attempt_is_never_remembered(shop: Shop) -> None:
    shop.offer(TEN)
    first = shop.lease(TEN.asked(), reference="r1")
    assert cause_of(shop.ask(shop.create_lease(TEN.asked(), reference="r2"))) is Cause.SLOT_UNAVAILABLE
    shop.clock.now_us = first.expires_us
    assert shop.lease(TEN.asked(), reference="r2").client_reference == "r2"


def test_token_of_a_failed_attempt_is_free_for_another_slot(shop: Shop) -> None:
    shop.offer(replace(TEN, closed=True))
    assert cause_of(shop.ask(shop.create_lease(TEN.asked(), reference="r1"))) is Cause.SLOT_UNAVAILABLE
    assert reason_of(shop.ask(shop.create_lease(ELEVEN.asked(), reference="r1"))) is Reason.SLOT_UNKNOWN
    shop.offer(ELEVEN)
    assert shop.lease(ELEVEN.asked(), reference="r1").slot == ELEVEN.asked()


def test_refused_attempt_leaves_nothing_on_the_ledger(shop: Shop, tmp_path: Path) -> None:
    shop.offer(TEN)
    shop.book(TEN.asked())
    before = count_rows(tmp_path, "spot"), count_rows(tmp_path, "lease"), count_rows(tmp_path, "event")
    shop.ask(shop.create_lease(TEN.asked()))
    assert (count_rows(tmp_path, "spot"), count_rows(tmp_path, "lease"), count_rows(tmp_path, "event")) == before

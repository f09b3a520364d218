"""Two refusals at once: which one is answered (DESIGN 5, order of judgement). Token or target state; the things named
exist; the slot is the lease's; the lease is live; this user's double; policy; capacity."""

from __future__ import annotations

from dataclasses import replace

from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import BookingStatus, PaymentInformation, PaymentProcessedBy
from slotlease.domain.failure import BookingFailure, Cause, Reason
from slotlease.domain.slot import Resources
from tests.desk.checks import cause_of, not_found, reason_of
from tests.support import DAY_US, HOUR_US, NOON_US, Offered, Shop, booked

T1 = "t1"
T2 = "t2"
TEN = Offered()
ELEVEN = replace(TEN, start_us=TEN.start_us + HOUR_US)
CLASS = replace(TEN, spots_total=3)
UNKNOWN = replace(TEN.asked(), service_id="dye")
BY_PARTNER = PaymentInformation(payment_processed_by=PaymentProcessedBy.PARTNER)


def words_of(answer: object) -> str:
    assert isinstance(answer, BookingFailure), answer
    return answer.description


# --- CreateLease -------------------------------------------------------------------------------------------------


def test_lease_token_wins_over_a_slot_that_is_unknown_by_now(shop: Shop) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked(), reference="r1")
    shop.store.put_catalogue("m1", "M1", [], [], [])
    assert shop.lease(TEN.asked(), reference="r1") == lease


def test_reused_lease_token_wins_over_an_unknown_slot(shop: Shop) -> None:
    shop.offer(TEN)
    shop.lease(TEN.asked(), reference="r1")
    assert reason_of(shop.ask(shop.create_lease(UNKNOWN, reference="r1"))) is Reason.IDEMPOTENCY_TOKEN_REUSED


def test_reused_lease_token_wins_over_a_full_slot(shop: Shop) -> None:
    shop.offer(TEN, ELEVEN)
    shop.lease(TEN.asked(), reference="r1")
    shop.book(ELEVEN.asked())
    answer = shop.ask(shop.create_lease(ELEVEN.asked(), reference="r1"))
    assert reason_of(answer) is Reason.IDEMPOTENCY_TOKEN_REUSED


def test_lease_of_a_slot_misnamed_by_its_tag_is_invalid_though_the_slot_is_closed_and_full(shop: Shop) -> None:
    shop.offer(TEN)
    shop.book(TEN.asked())
    shop.offer(replace(TEN, closed=True))
    answer = shop.ask(shop.create_lease(TEN.asked(availability_tag="monday")))
    assert reason_of(answer) is Reason.SLOT_UNKNOWN


def test_lease_of_a_closed_slot_is_refused_by_policy_before_anyone_counts(shop: Shop) -> None:
    shop.offer(TEN)
    shop.book(TEN.asked())
    shop.offer(replace(TEN, closed=True))
    assert "closed" in words_of(shop.ask(shop.create_lease(TEN.asked())))


# --- CreateBooking -----------------------------------------------------------------------------------------------


def test_booking_token_wins_over_the_users_own_double(shop: Shop) -> None:
    """Every replay meets the booking that it made itself."""
    shop.offer(CLASS)
    booking = shop.book(CLASS.asked(), token=T1)
    assert shop.book(CLASS.asked(), token=T1) == booking


def test_reused_booking_token_wins_over_an_unknown_slot(shop: Shop) -> None:
    shop.offer(TEN)
    shop.book(TEN.asked(), token=T1)
    assert reason_of(shop.ask(shop.create_booking(UNKNOWN, token=T1))) is Reason.IDEMPOTENCY_TOKEN_REUSED


def test_reused_booking_token_wins_over_a_slot_that_is_not_the_leases(shop: Shop) -> None:
    shop.offer(TEN, ELEVEN)
    shop.book(TEN.asked(), token=T1)
    lease = shop.lease(ELEVEN.asked())
    answer = shop.ask(shop.create_booking(TEN.asked(), lease_id=lease.lease_id, token=T1))
    assert reason_of(answer) is Reason.IDEMPOTENCY_TOKEN_REUSED


def test_replay_wins_over_the_lease_that_it_consumed_itself(shop: Shop) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked())
    booking = shop.book(TEN.asked(), lease_id=lease.lease_id, token=T1)
    shop.clock.advance(s=3600)
    assert shop.book(TEN.asked(), lease_id=lease.lease_id, token=T1) == booking


def test_slot_misnamed_by_its_tag_wins_over_the_users_double(shop: Shop) -> None:
    shop.offer(CLASS)
    shop.book(CLASS.asked())
    answer = shop.ask(shop.create_booking(CLASS.asked(availability_tag="monday")))
    assert reason_of(answer) is Reason.SLOT_UNKNOWN


def test_unknown_service_wins_over_a_slot_that_is_not_the_leases(shop: Shop) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked())
    answer = shop.ask(shop.create_booking(UNKNOWN, lease_id=lease.lease_id))
    assert reason_of(answer) is Reason.SLOT_UNKNOWN


def test_unknown_merchant_wins_over_an_unknown_lease(shop: Shop) -> None:
    shop.offer(TEN)
    answer = shop.ask(shop.create_booking(replace(TEN.asked(), merchant_id="m9"), lease_id="unknown"))
    assert reason_of(answer) is Reason.SLOT_UNKNOWN


def test_slot_that_is_not_the_leases_wins_over_an_expired_lease(shop: Shop) -> None:
    shop.offer(TEN, ELEVEN)
    lease = shop.lease(TEN.asked())
    shop.clock.now_us = lease.expires_us
    answer = shop.ask(shop.create_booking(ELEVEN.asked(), lease_id=lease.lease_id))
    assert reason_of(answer) is Reason.SLOT_DIFFERS_FROM_LEASE


def test_slot_that_is_not_the_leases_wins_over_a_consumed_lease(shop: Shop) -> None:
    shop.offer(TEN, ELEVEN)
    lease = shop.lease(TEN.asked())
    shop.book(TEN.asked(), lease_id=lease.lease_id)
    answer = shop.ask(shop.create_booking(ELEVEN.asked(), lease_id=lease.lease_id, user_id="u2"))
    assert reason_of(answer) is Reason.SLOT_DIFFERS_FROM_LEASE


def test_expired_lease_wins_over_the_users_double(shop: Shop) -> None:
    shop.offer(CLASS)
    lease = shop.lease(CLASS.asked())
    shop.book(CLASS.asked(), user_id="u1")
    shop.clock.now_us = lease.expires_us
    answer = shop.ask(shop.create_booking(CLASS.asked(), lease_id=lease.lease_id, user_id="u1"))
    assert cause_of(answer) is Cause.LEASE_EXPIRED


def test_lease_that_the_user_consumed_under_another_token_wins_over_the_double(shop: Shop) -> None:
    shop.offer(CLASS)
    lease = shop.lease(CLASS.asked())
    shop.book(CLASS.asked(), lease_id=lease.lease_id, user_id="u1")
    answer = shop.ask(shop.create_booking(CLASS.asked(), lease_id=lease.lease_id, user_id="u1"))
    assert cause_of(answer) is Cause.LEASE_EXPIRED


def test_expired_lease_wins_over_a_closed_slot(shop: Shop) -> None:
    shop.offer(TEN)
    lease = shop.lease(TEN.asked())
    shop.offer(replace(TEN, closed=True))
    shop.clock.now_us = lease.expires_us
    answer = shop.ask(shop.create_booking(TEN.asked(), lease_id=lease.lease_id))
    assert cause_of(answer) is Cause.LEASE_EXPIRED


def test_users_double_wins_over_a_request_to_charge(shop: Shop) -> None:
    shop.offer(CLASS)
    shop.book(CLASS.asked(), user_id="u1")
    answer = shop.ask(shop.create_booking(CLASS.asked(), user_id="u1", payment=BY_PARTNER))
    assert cause_of(answer) is Cause.SLOT_ALREADY_BOOKED_BY_USER


def test_users_double_wins_over_a_closed_slot(shop: Shop) -> None:
    shop.offer(CLASS)
    shop.book(CLASS.asked(), user_id="u1")
    shop.offer(replace(CLASS, closed=True))
    answer = shop.ask(shop.create_booking(CLASS.asked(), user_id="u1"))
    assert cause_of(answer) is Cause.SLOT_ALREADY_BOOKED_BY_USER


def test_users_double_wins_over_a_slot_that_has_begun(shop: Shop) -> None:
    shop.offer(CLASS)
    shop.book(CLASS.asked(), user_id="u1")
    shop.clock.now_us = CLASS.start_us
    answer = shop.ask(shop.create_booking(CLASS.asked(), user_id="u1"))
    assert cause_of(answer) is Cause.SLOT_ALREADY_BOOKED_BY_USER


def test_users_double_wins_over_a_full_slot(shop: Shop) -> None:
    shop.offer(TEN)
    shop.book(TEN.asked(), user_id="u1")
    answer = shop.ask(shop.create_booking(TEN.asked(), user_id="u1"))
    assert cause_of(answer) is Cause.SLOT_ALREADY_BOOKED_BY_USER


def test_booking_of_a_closed_slot_is_refused_by_policy_before_anyone_counts(shop: Shop) -> None:
    shop.offer(TEN)
    shop.book(TEN.asked())
    shop.offer(replace(TEN, closed=True))
    assert "closed" in words_of(shop.ask(shop.create_booking(TEN.asked(), user_id="u2")))


# --- UpdateBooking -----------------------------------------------------------------------------------------------


def test_unknown_booking_wins_over_a_status_that_nobody_may_set(shop: Shop) -> None:
    shop.offer(TEN)
    assert not_found(shop.ask(UpdateBooking("unknown", BookingStatus.NO_SHOW))) == "booking_id"


def test_field_that_cannot_change_wins_over_the_state_of_the_booking(shop: Shop) -> None:
    shop.offer(TEN)
    booking = shop.book(TEN.asked())
    shop.cancel(booking)
    for status in (None, BookingStatus.CANCELED):
        answer = shop.ask(UpdateBooking(booking.booking_id, status, service_id="shave"))
        assert reason_of(answer) is Reason.FIELD_INVALID


def test_cancelled_already_wins_over_too_late_to_cancel(shop: Shop) -> None:
    shop.offer(TEN)
    booking = shop.book(TEN.asked())
    cancelled = shop.cancel(booking)
    shop.clock.now_us = TEN.start_us + DAY_US
    assert shop.cancel(booking) == cancelled


def test_cancelled_booking_wins_over_an_unknown_target(shop: Shop) -> None:
    shop.offer(TEN)
    booking = shop.book(TEN.asked())
    shop.cancel(booking)
    assert cause_of(shop.move(booking, start_us=1)) is Cause.BOOKING_ALREADY_CANCELLED


def test_unknown_target_wins_over_too_late_to_move(shop: Shop) -> None:
    shop.offer(TEN)
    booking = shop.book(TEN.asked())
    shop.clock.now_us = TEN.start_us + 1
    assert reason_of(shop.move(booking, start_us=1)) is Reason.SLOT_UNKNOWN


def test_users_double_at_the_target_wins_over_too_late_to_move(shop: Shop) -> None:
    shop.offer(replace(TEN, last_online_cancellable_us=NOON_US), replace(ELEVEN, spots_total=2))
    shop.book(ELEVEN.asked(), user_id="u1")
    booking = shop.book(TEN.asked(), user_id="u1")
    shop.clock.advance(us=1)
    assert cause_of(shop.move(booking, start_us=ELEVEN.start_us)) is Cause.SLOT_ALREADY_BOOKED_BY_USER


def test_users_double_at_the_target_wins_over_a_full_target(shop: Shop) -> None:
    shop.offer(TEN, ELEVEN)
    shop.book(ELEVEN.asked(), user_id="u1")
    booking = shop.book(TEN.asked(), user_id="u1")
    assert cause_of(shop.move(booking, start_us=ELEVEN.start_us)) is Cause.SLOT_ALREADY_BOOKED_BY_USER


def test_too_late_to_move_wins_over_a_closed_and_full_target(shop: Shop) -> None:
    shop.offer(replace(TEN, last_online_cancellable_us=NOON_US), ELEVEN)
    shop.book(ELEVEN.asked(), user_id="u2")
    booking = shop.book(TEN.asked(), user_id="u1")
    shop.offer(replace(ELEVEN, closed=True))
    shop.clock.advance(us=1)
    assert cause_of(shop.move(booking, start_us=ELEVEN.start_us)) is Cause.OUTSIDE_CANCELLATION_WINDOW


def test_closed_target_is_refused_by_policy_before_anyone_counts(shop: Shop) -> None:
    shop.offer(TEN, ELEVEN)
    shop.book(ELEVEN.asked(), user_id="u2")
    booking = shop.book(TEN.asked(), user_id="u1")
    shop.offer(replace(ELEVEN, closed=True))
    assert "closed" in words_of(shop.move(booking, start_us=ELEVEN.start_us))


def test_resources_of_the_request_are_judged_with_the_slot_and_not_before_the_token(shop: Shop) -> None:
    shop.offer(TEN)
    booking = booked(shop.ask(shop.create_booking(TEN.asked(), token=T1)))
    wrong = replace(TEN.asked(), resources=Resources("cleo"))
    assert reason_of(shop.ask(shop.create_booking(wrong, token=T1))) is Reason.IDEMPOTENCY_TOKEN_REUSED
    assert reason_of(shop.ask(shop.create_booking(wrong, token=T2))) is Reason.SLOT_UNKNOWN
    assert shop.store.bookings(limit=9) == [booking]

"""When a slot may be booked, and until when a booking may be cancelled: each boundary to the microsecond."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slotlease.domain import policy
from slotlease.domain.failure import BookingFailure, Cause
from slotlease.domain.merchant import Service
from slotlease.domain.slot import SECOND_US, Slot
from tests.domain.samples import CUT, START_US, slot
from tests.support import DAY_US, HOUR_US, MINUTE_US, NOON_US

HOUR_AHEAD = replace(CUT, min_advance_booking_s=3600)
LATE = replace(CUT, min_booking_buffer_before_end_time_s=60)
END_US = slot().end_us


def is_bookable(offered: Slot, service: Service, now_us: int) -> bool:
    refusal = policy.why_not_bookable(offered, service, now_us)
    assert refusal is None or refusal.cause is Cause.SLOT_UNAVAILABLE
    return refusal is None


@pytest.mark.parametrize(
    ("offered", "service", "boundary_us", "before", "at", "after"),
    [
        pytest.param(slot(), CUT, START_US, True, False, False, id="until the start and not in it"),
        pytest.param(
            slot(), HOUR_AHEAD, START_US - HOUR_US, True, True, False, id="the service's lead time, inclusive"
        ),
        pytest.param(
            slot()._replace(last_bookable_us=START_US - DAY_US // 2),
            CUT,
            START_US - DAY_US // 2,
            True,
            True,
            False,
            id="the slot's last bookable instant, inclusive",
        ),
        pytest.param(
            slot()._replace(last_bookable_us=START_US - MINUTE_US),
            HOUR_AHEAD,
            START_US - MINUTE_US,
            True,
            True,
            False,
            id="the slot's own rule wins over its service's",
        ),
        pytest.param(
            slot()._replace(first_bookable_us=NOON_US),
            CUT,
            NOON_US,
            False,
            True,
            True,
            id="the slot's first bookable instant, inclusive",
        ),
        pytest.param(
            slot()._replace(last_bookable_us=START_US + HOUR_US),
            CUT,
            START_US,
            True,
            False,
            False,
            id="a slot that has begun is gone, whatever its rule says",
        ),
        pytest.param(
            slot(), LATE, END_US - MINUTE_US, True, True, False, id="late bookings until the buffer, inclusive"
        ),
        pytest.param(slot(), LATE, START_US, True, True, True, id="late bookings go on when the slot begins"),
        pytest.param(
            slot(),
            replace(CUT, min_booking_buffer_before_end_time_s=0),
            END_US,
            True,
            False,
            False,
            id="late bookings without a buffer: until the end and not in it",
        ),
        pytest.param(
            slot()._replace(last_bookable_us=START_US - MINUTE_US),
            LATE,
            START_US - MINUTE_US,
            True,
            True,
            False,
            id="the slot's own rule wins over late bookings",
        ),
        pytest.param(
            slot()._replace(last_bookable_us=END_US + MINUTE_US),
            LATE,
            END_US,
            True,
            False,
            False,
            id="a slot that is over is gone, whatever its rule says",
        ),
        pytest.param(
            slot()._replace(first_bookable_us=NOON_US, last_bookable_us=NOON_US),
            CUT,
            NOON_US,
            False,
            True,
            False,
            id="first and last the same instant",
        ),
    ],
)
def test_slot_may_be_booked_up_to_its_boundary(
    *, offered: Slot, service: Service, boundary_us: int, before: bool, at: bool, after: bool
) -> None:
    assert [is_bookable(offered, service, boundary_us + step_us) for step_us in (-1, 0, 1)] == [before, at, after]


def test_closed_slot_is_refused_at_any_time() -> None:
    closed = slot()._replace(closed=True)
    assert [is_bookable(closed, CUT, now_us) for now_us in (0, NOON_US, START_US)] == [False, False, False]


@pytest.mark.parametrize(
    ("offered", "service", "now_us", "words"),
    [
        (slot()._replace(closed=True), CUT, START_US, "closed"),
        (slot()._replace(first_bookable_us=START_US + 1), CUT, START_US, "begun"),
        (slot()._replace(first_bookable_us=NOON_US + 1), CUT, NOON_US, "cannot be booked yet"),
        (slot(), HOUR_AHEAD, START_US - 1, "lead time"),
        (slot(), LATE, END_US, "the slot is over"),
        (slot(), LATE, END_US - 1, "lead time"),
    ],
)
def test_refusal_says_which_rule_forbids_it(offered: Slot, service: Service, now_us: int, words: str) -> None:
    refusal = policy.why_not_bookable(offered, service, now_us)
    assert isinstance(refusal, BookingFailure)
    assert words in refusal.description


@pytest.mark.parametrize(
    ("offered", "service", "by_us"),
    [
        pytest.param(slot(), CUT, START_US, id="no rule: until the start"),
        pytest.param(slot(), LATE, START_US, id="late bookings: until the start, so one made later stays"),
        pytest.param(
            slot(), replace(CUT, min_advance_online_canceling_s=0), START_US, id="a rule of no time: until the start"
        ),
        pytest.param(
            slot(),
            replace(CUT, min_advance_online_canceling_s=86_400),
            START_US - DAY_US,
            id="the service's rule, back from the start",
        ),
        pytest.param(
            slot()._replace(last_online_cancellable_us=NOON_US),
            replace(CUT, min_advance_online_canceling_s=60),
            NOON_US,
            id="the slot's own rule wins",
        ),
        pytest.param(
            slot()._replace(last_online_cancellable_us=0),
            CUT,
            0,
            id="a slot's rule of 1970 forbids every cancellation: 0 is an instant, not an absence",
        ),
    ],
)
def test_booking_may_be_cancelled_until(offered: Slot, service: Service, by_us: int) -> None:
    assert policy.cancel_by_us(offered, service) == by_us


def test_last_bookable_instant_is_the_start_where_nobody_set_a_lead_time() -> None:
    assert policy.last_bookable_us(slot(), CUT) == START_US
    assert policy.last_bookable_us(slot()._replace(last_bookable_us=0), CUT) == 0


def test_lead_time_is_counted_in_whole_seconds_back_from_the_start() -> None:
    assert policy.last_bookable_us(slot(), replace(CUT, min_advance_booking_s=1)) == START_US - SECOND_US

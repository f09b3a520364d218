"""How long a hold lasts, and when it is over."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from slotlease.domain.lease import LeaseState, LeaseTerms, lease_expiry_us
from slotlease.domain.slot import SECOND_US
from tests.domain.samples import lease_of, slot
from tests.support import DAY_US, MINUTE_US, NOON_US

TERMS = LeaseTerms()
YEAR_US = 365 * DAY_US

# --- the expiry that is granted ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked_us", "start_us", "granted_us"),
    [
        pytest.param(None, DAY_US, 10 * MINUTE_US, id="absent: the default"),
        pytest.param(5 * MINUTE_US, DAY_US, 5 * MINUTE_US, id="between shortest and longest: as asked"),
        pytest.param(-DAY_US, DAY_US, MINUTE_US, id="past: the shortest"),
        pytest.param(-100 * YEAR_US, DAY_US, MINUTE_US, id="a century past: the shortest"),
        pytest.param(0, DAY_US, MINUTE_US, id="now: the shortest"),
        pytest.param(1_000, DAY_US, MINUTE_US, id="1 ms ahead: the shortest"),
        pytest.param(MINUTE_US - 1, DAY_US, MINUTE_US, id="1 us under the shortest"),
        pytest.param(MINUTE_US, DAY_US, MINUTE_US, id="the shortest itself"),
        pytest.param(15 * MINUTE_US, DAY_US, 15 * MINUTE_US, id="the longest itself"),
        pytest.param(15 * MINUTE_US + 1, DAY_US, 15 * MINUTE_US, id="1 us over the longest"),
        pytest.param(100 * YEAR_US, DAY_US, 15 * MINUTE_US, id="a century ahead: the longest"),
        pytest.param(None, 5 * MINUTE_US, 5 * MINUTE_US, id="the start wins over the default"),
        pytest.param(9 * MINUTE_US, 5 * MINUTE_US, 5 * MINUTE_US, id="the start wins over what was asked"),
        pytest.param(-DAY_US, 30 * SECOND_US, 30 * SECOND_US, id="the start wins over the shortest"),
        pytest.param(100 * YEAR_US, 30 * SECOND_US, 30 * SECOND_US, id="the start wins over the longest"),
        pytest.param(None, SECOND_US, SECOND_US, id="a second left: held until the start"),
        pytest.param(None, SECOND_US - 1, None, id="less than a second left: closed"),
        pytest.param(100 * YEAR_US, SECOND_US - 1, None, id="less than a second left whatever is asked"),
        pytest.param(None, 0, None, id="at the start: closed"),
        pytest.param(None, -MINUTE_US, None, id="begun: closed"),
        pytest.param(5 * MINUTE_US + 999_999, DAY_US, 5 * MINUTE_US, id="cut to a whole second"),
        pytest.param(None, 5 * MINUTE_US + 1, 5 * MINUTE_US, id="a start between seconds is cut too"),
    ],
)
def test_expiry_is_a_wish_granted_within_the_terms(asked_us: int | None, start_us: int, granted_us: int | None) -> None:
    asked_at_us = None if asked_us is None else NOON_US + asked_us
    granted_at_us = lease_expiry_us(asked_at_us, until_us=NOON_US + start_us, now_us=NOON_US, terms=TERMS)
    assert granted_at_us == (None if granted_us is None else NOON_US + granted_us)


@pytest.mark.parametrize("asked_us", [None, -DAY_US, YEAR_US])
def test_terms_of_the_operator_bound_every_hold(asked_us: int | None) -> None:
    terms = LeaseTerms(min_us=7 * SECOND_US, max_us=7 * SECOND_US, default_us=7 * SECOND_US)
    asked_at_us = None if asked_us is None else NOON_US + asked_us
    granted_us = lease_expiry_us(asked_at_us, until_us=NOON_US + DAY_US, now_us=NOON_US, terms=terms)
    assert granted_us == NOON_US + 7 * SECOND_US


def test_cutting_between_seconds_never_ends_a_hold_before_it_began() -> None:
    now_us = NOON_US + 999_999
    terms = LeaseTerms(min_us=SECOND_US, max_us=SECOND_US, default_us=SECOND_US)
    assert lease_expiry_us(None, until_us=now_us + SECOND_US, now_us=now_us, terms=terms) == NOON_US + SECOND_US


@settings(deadline=None, max_examples=300)
@given(
    asked_us=st.none() | st.integers(-(2**60), 2**60),
    now_us=st.integers(0, 2**55),
    left_us=st.integers(-DAY_US, YEAR_US),
    lengths_us=st.tuples(*[st.integers(SECOND_US, DAY_US)] * 3).map(sorted),
)
@example(asked_us=None, now_us=NOON_US + 1, left_us=SECOND_US, lengths_us=[SECOND_US] * 3)
def test_no_hold_outlives_its_slot_or_the_longest_lease_and_every_hold_is_live_when_granted(
    asked_us: int | None, now_us: int, left_us: int, lengths_us: list[int]
) -> None:
    terms = LeaseTerms(min_us=lengths_us[0], default_us=lengths_us[1], max_us=lengths_us[2])
    start_us = now_us + left_us
    granted_us = lease_expiry_us(asked_us, until_us=start_us, now_us=now_us, terms=terms)
    if left_us < SECOND_US:
        assert granted_us is None
        return
    assert granted_us is not None
    assert granted_us % SECOND_US == 0
    assert now_us < granted_us <= min(start_us, now_us + terms.max_us)
    assert granted_us > min(start_us, now_us + terms.min_us) - SECOND_US


# --- when it is live ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("after_us", "live"), [(-1, True), (0, False), (1, False)])
def test_lease_is_live_until_the_instant_of_its_expiry_and_not_in_it(after_us: int, *, live: bool) -> None:
    lease = lease_of(slot(), expires_us=NOON_US)
    assert lease.is_live(NOON_US + after_us) is live


@pytest.mark.parametrize("state", [LeaseState.CONSUMED, LeaseState.EXPIRED, LeaseState.RELEASED])
def test_lease_that_has_ended_is_not_live_before_its_expiry_either(state: LeaseState) -> None:
    lease = lease_of(slot(), expires_us=NOON_US)._replace(state=state)
    assert not lease.is_live(NOON_US - 1)


def test_states_of_a_lease_keep_their_stored_numbers() -> None:
    assert {state.name: state.value for state in LeaseState} == {
        "ACTIVE": 1,
        "CONSUMED": 2,
        "EXPIRED": 3,
        "RELEASED": 4,
    }


def test_lease_id_carries_merchant_number_and_secret() -> None:
    assert lease_of(slot(), lease_no=7).lease_id == "l1-7-000102030405060708090a0b0c0d0e0f"

"""What one batch sees, and what it writes in the end: one write for each row, whatever happened in between."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slotlease.domain.booking import BookingStatus
from slotlease.domain.event import Actor, EventKind
from slotlease.domain.facts import Facts, RowKey, natural_key
from slotlease.domain.failure import BookingFailure, Cause, InvalidArgument, Reason
from slotlease.domain.lease import LeaseState
from slotlease.domain.merchant import Merchant
from slotlease.domain.slot import AskedSlot, Resources, slot_number
from slotlease.domain.spot import FOREVER_US
from slotlease.domain.view import NotPrefetched, Offer, View, spot_of_booking
from tests.domain.samples import (
    ASKED,
    CUT,
    MERCHANT,
    RULES,
    UNTIL_US,
    asked,
    booking_of,
    facts_of,
    held,
    lease_of,
    rows_of,
    slot,
    taken,
    view_of,
)
from tests.support import HOUR_US, NOON_US

ONE = slot(spots_total=2)


# --- finding what was asked for ----------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", ["", "monday"])
def test_slot_is_found_without_its_tag_and_with_it(tag: str) -> None:
    offered = slot(availability_tag="monday")
    offer = view_of(offered).find(replace(ASKED, availability_tag=tag))
    assert offer == Offer(MERCHANT, CUT, offered)


@pytest.mark.parametrize(
    ("merchant", "wrong", "field"),
    [
        (MERCHANT, replace(ASKED, merchant_id="m2"), "slot.merchant_id"),
        (replace(MERCHANT, retired=True), ASKED, "slot.merchant_id"),
        (MERCHANT, replace(ASKED, service_id="dye"), "slot.service_id"),
        (replace(MERCHANT, services={"cut": replace(CUT, retired=True)}), ASKED, "slot.service_id"),
        (MERCHANT, replace(ASKED, resources=Resources("cleo")), "slot.resources"),
        (MERCHANT, replace(ASKED, resources=Resources("", "green")), "slot.resources"),
        (MERCHANT, replace(ASKED, resources=Resources("anna")), "slot.start_time"),
        (MERCHANT, replace(ASKED, resources=Resources("", "", 2)), "slot.start_time"),
        (MERCHANT, replace(ASKED, service_id="shave"), "slot.start_time"),
        (MERCHANT, replace(ASKED, start_us=ASKED.start_us + 1), "slot.start_time"),
        (MERCHANT, replace(ASKED, duration_us=ASKED.duration_us - 1), "slot.start_time"),
        (MERCHANT, replace(ASKED, availability_tag="monday"), "slot.availability_tag"),
    ],
)
def test_what_is_not_offered_is_refused_by_field(merchant: Merchant, wrong: AskedSlot, field: str) -> None:
    facts = facts_of(ONE, merchant=merchant)
    key = natural_key(merchant, wrong)
    facts.slots_sought |= set() if key is None else {(1, slot_number(key))}
    answer = View(facts, RULES).find(wrong)
    assert isinstance(answer, InvalidArgument)
    assert (answer.field, answer.reason) == (field, Reason.SLOT_UNKNOWN)


def test_slot_that_nobody_wanted_is_not_called_unknown() -> None:
    """It was loaded as the rival of another: its own rivals were not, so nobody may be given it in this batch."""
    rival = slot(service_no=2, staff_no=1)
    facts = facts_of(ONE, rival)
    facts.slots_sought = {ONE.key}
    for asked_for in (asked(rival), replace(ASKED, start_us=ASKED.start_us + 1)):
        with pytest.raises(NotPrefetched):
            View(facts, RULES).find(asked_for)


def test_slot_whose_number_collides_with_the_one_asked_for_is_not_taken_for_it() -> None:
    facts = facts_of(ONE)
    facts.slots[ONE.key] = ONE._replace(party_size=2)
    assert isinstance(View(facts, RULES).find(ASKED), InvalidArgument)


def test_merchant_is_known_by_id_and_by_number() -> None:
    view = view_of(ONE)
    assert view.merchant("m1") is view.merchant_of(1) is MERCHANT
    assert view.merchant("m2") is None
    assert view.merchant_of(2) is None


def test_slot_that_policy_forbids_has_no_spot_to_offer() -> None:
    closed = ONE._replace(closed=True)
    view = view_of(closed)
    assert view.count_available(Offer(MERCHANT, CUT, closed)) == 0
    assert view_of(ONE).count_available(Offer(MERCHANT, CUT, ONE)) == 2


def test_id_with_a_guessed_secret_finds_neither_lease_nor_booking() -> None:
    facts = facts_of(ONE)
    lease, booking = lease_of(ONE, lease_no=7), booking_of(ONE, booking_no=8)
    facts.leases[1, 7], facts.bookings[1, 8] = lease, booking
    view = View(facts, RULES)
    assert view.lease_named(lease.lease_id) == lease
    assert view.booking_named(booking.booking_id) == booking
    for guessed in (lease._replace(secret=bytes(16)).lease_id, lease._replace(lease_no=9).lease_id, "none"):
        assert view.lease_named(guessed) is None
    for guessed in (replace(booking, secret=bytes(16)).booking_id, replace(booking, booking_no=9).booking_id, ""):
        assert view.booking_named(guessed) is None


def test_token_is_one_merchants_own() -> None:
    facts = facts_of(ONE)
    facts.leases[1, 7], facts.leases_by_reference[1, "r"] = lease_of(ONE, lease_no=7), (1, 7)
    facts.bookings[1, 8], facts.bookings_by_token[1, "t"] = booking_of(ONE, booking_no=8), (1, 8)
    view = View(facts, RULES)
    assert view.lease_of_reference(1, "r") == facts.leases[1, 7]
    assert view.booking_of_token(1, "t") == facts.bookings[1, 8]
    assert view.lease_of_reference(2, "r") is view.lease_of_reference(1, "t") is None
    assert view.booking_of_token(2, "t") is view.booking_of_token(1, "r") is None


def test_user_is_known_only_by_bookings_that_were_loaded() -> None:
    facts = facts_of(ONE)
    facts.bookings_of_users["id:u1"] = ()
    view = View(facts, RULES)
    assert view.bookings_of_user("id:u1") == ()
    assert view.bookings_of_user("id:u2") is None


# --- the next request sees what the one before it did ------------------------------------------------------------


def test_batch_of_claims_takes_spot_after_spot_until_the_slot_is_full() -> None:
    view = view_of(ONE)
    assert [taken(view, ONE, holder_no=n).spot_no for n in (7, 8)] == [1, 2]
    refused = view.take(ONE, holder_no=9, busy_until_us=UNTIL_US)
    assert isinstance(refused, BookingFailure)
    assert refused.cause is Cause.SLOT_UNAVAILABLE
    assert [after for _, after in view.changes().spots] == [held(ONE), held(ONE, 2, holder_no=8)]


def test_spot_given_back_is_taken_by_the_next_request_and_written_once() -> None:
    one = slot()
    view = view_of(one, told={one.slot_no: "b"})
    (booked,) = rows_of(one, "b")
    view.give_back(booked)
    taken(view, one)
    assert view.changes().spots == ((booked, held(one)),)


def test_spot_taken_and_given_back_within_a_batch_is_written_as_free() -> None:
    view = view_of(ONE)
    view.give_back(taken(view, ONE))
    assert view.changes().spots == ((None, held(ONE, holder_no=0, busy_until_us=0)),)
    assert view.count_available(Offer(MERCHANT, CUT, ONE)) == 2


def test_spot_that_ends_as_it_was_is_not_written() -> None:
    one = slot()
    view = view_of(one, told={one.slot_no: "f"})
    view.give_back(taken(view, one))
    assert view.changes().spots == ()


def test_spot_leased_and_booked_within_a_batch_is_written_as_booked() -> None:
    view = view_of(ONE)
    view.hand_over(taken(view, ONE), holder_no=8)
    assert view.changes().spots == ((None, held(ONE, holder_no=8, busy_until_us=FOREVER_US)),)
    assert view.count_available(Offer(MERCHANT, CUT, ONE)) == 1


def test_claim_of_a_slot_that_was_not_loaded_is_given_back_all_the_same() -> None:
    elsewhere = slot(service_no=2)
    view = view_of(ONE)
    booking = booking_of(elsewhere)
    view.give_back(spot_of_booking(booking))
    assert view.changes().spots == ((spot_of_booking(booking), held(elsewhere, holder_no=0, busy_until_us=0)),)


def test_numbers_are_drawn_in_order_and_the_counter_is_written_once() -> None:
    view = view_of(ONE)
    assert [view.draw_no(1), view.draw_no(1)] == [1000, 1001]
    assert view.changes().next_nos == {1: (1000, 1002)}
    assert view_of(ONE).changes().next_nos == {}


# --- leases and bookings -----------------------------------------------------------------------------------------


def test_lease_and_its_token_are_known_to_the_next_request() -> None:
    view = view_of(ONE)
    lease = lease_of(ONE, lease_no=7)
    view.put_lease(lease)
    assert view.lease_of_reference(1, "r7") == view.lease_named(lease.lease_id) == lease
    view.put_lease(lease._replace(state=LeaseState.CONSUMED))
    assert view.changes().leases == ((None, lease._replace(state=LeaseState.CONSUMED)),)


def view_of_users(*keys: RowKey) -> View:
    facts = facts_of(ONE, slot(service_no=2))
    facts.users_of_slots = {(*key, user_key): frozenset() for key in keys for user_key in ("id:u1", "id:u2")}
    return View(facts, RULES)


def test_booking_its_token_and_its_user_are_known_to_the_next_request() -> None:
    view = view_of_users(ONE.key, slot(service_no=2).key)
    booking = booking_of(ONE, booking_no=8)
    view.put_booking(booking, EventKind.BOOKING_CREATED, Actor.USER)
    assert view.booking_of_token(1, "t8") == view.booking_named(booking.booking_id) == booking
    assert view.user_has_slot("id:u1", ONE.key)
    assert not view.user_has_slot("id:u1", ONE.key, apart_from=8)
    assert not view.user_has_slot("id:u2", ONE.key)
    assert not view.user_has_slot("id:u1", slot(service_no=2).key)


def test_user_with_two_bookings_of_a_slot_still_has_it_when_one_is_cancelled() -> None:
    facts = facts_of(ONE)
    first, second = booking_of(ONE, booking_no=8), booking_of(ONE, booking_no=9, spot_no=2)
    facts.bookings |= {(1, 8): first, (1, 9): second}
    facts.users_of_slots[(*ONE.key, "id:u1")] = frozenset({8, 9})
    view = View(facts, RULES)
    view.put_booking(replace(first, status=BookingStatus.CANCELED), EventKind.BOOKING_CANCELED, Actor.USER)
    assert view.user_has_slot("id:u1", ONE.key)
    view.put_booking(replace(second, status=BookingStatus.CANCELED), EventKind.BOOKING_CANCELED, Actor.USER)
    assert not view.user_has_slot("id:u1", ONE.key)


def test_moved_booking_leaves_its_old_slot_to_the_user() -> None:
    other = slot(service_no=2)
    view = view_of_users(ONE.key, other.key)
    booking = booking_of(ONE, booking_no=8)
    view.put_booking(booking, EventKind.BOOKING_CREATED, Actor.USER)
    moved = replace(booking, slot=asked(other), slot_no=other.slot_no)
    view.put_booking(moved, EventKind.BOOKING_MOVED, Actor.USER)
    assert not view.user_has_slot("id:u1", ONE.key)
    assert view.user_has_slot("id:u1", other.key)


def test_user_of_whom_nobody_asked_is_not_called_a_stranger() -> None:
    view = view_of_users(ONE.key)
    with pytest.raises(NotPrefetched):
        view.user_has_slot("id:u1", slot(service_no=2).key)


def test_booking_changed_twice_is_written_once_and_told_twice() -> None:
    facts = facts_of(ONE)
    before = booking_of(ONE, booking_no=8)
    facts.bookings[1, 8] = before
    view = View(facts, RULES)
    moved = replace(before, revision=2)
    cancelled = replace(before, revision=3, status=BookingStatus.CANCELED)
    view.put_booking(moved, EventKind.BOOKING_MOVED, Actor.USER)
    view.put_booking(cancelled, EventKind.BOOKING_CANCELED, Actor.MERCHANT)
    changes = view.changes()
    assert changes.bookings == ((before, cancelled),)
    assert [(e.event_no, e.kind, e.actor, e.at_us, e.booking) for e in changes.events] == [
        (1000, EventKind.BOOKING_MOVED, Actor.USER, NOON_US, moved),
        (1001, EventKind.BOOKING_CANCELED, Actor.MERCHANT, NOON_US, cancelled),
    ]
    assert changes.next_nos == {1: (1000, 1002)}


def revision_now(revision: int) -> Facts:
    facts = facts_of(ONE)
    facts.bookings[1, 8] = replace(booking_of(ONE, booking_no=8), revision=revision)
    return facts


@pytest.mark.parametrize(
    ("given_before", "done"),
    [
        pytest.param({}, False, id="a first try, or one that was refused: nothing was done"),
        pytest.param({(1, 9): 3}, False, id="the earlier try changed another booking"),
        pytest.param({(1, 8): 4}, False, id="the booking is below what the earlier try gave it: that did not happen"),
        pytest.param({(1, 8): 3}, True, id="at what the earlier try gave it"),
        pytest.param({(1, 8): 2}, True, id="past what the earlier try gave it"),
    ],
)
def test_booking_may_have_been_changed_by_an_earlier_try(given_before: dict[RowKey, int], *, done: bool) -> None:
    facts = revision_now(3)
    view = View(facts, RULES)
    view.begin(given_before)
    assert view.may_have_been_done(facts.bookings[1, 8]) is done
    # What may have been done stays so for the try after this one.
    assert view.given == ({(1, 8): given_before[1, 8]} if done else {})


def test_view_tells_what_each_request_alone_gave_a_booking() -> None:
    facts = revision_now(1)
    view = View(facts, RULES)
    view.begin({(1, 8): 2})
    assert not view.may_have_been_done(facts.bookings[1, 8])
    moved = replace(facts.bookings[1, 8], revision=2)
    view.put_booking(moved, EventKind.BOOKING_MOVED, Actor.USER)
    assert view.given == {(1, 8): 2}
    view.begin({(1, 8): 3})
    assert not view.may_have_been_done(moved), "changed by the request before it, in this very try"
    assert view.given == {}


def test_facts_stay_as_they_were_so_that_a_batch_can_be_decided_afresh() -> None:
    facts = facts_of(ONE, told={ONE.slot_no: "l"})
    lease = lease_of(ONE, expires_us=NOON_US - HOUR_US)
    facts.leases[1, 101] = lease
    before = repr(facts)
    view = View(facts, RULES)
    view.expire(lease)
    taken(view, ONE)
    view.draw_no(1)
    view.put_booking(booking_of(ONE, booking_no=8), EventKind.BOOKING_CREATED, Actor.USER)
    assert repr(facts) == before

"""Bury what you judge dead (DESIGN 3), and a move that is refused leaves no trace."""

from __future__ import annotations

import pytest

from slotlease.domain.failure import BookingFailure
from slotlease.domain.lease import LeaseState
from slotlease.domain.view import Offer, View, spot_of_lease
from tests.domain.samples import CUT, MERCHANT, RULES, UNTIL_US, facts_of, held, lease_of, rows_of, slot, taken, view_of
from tests.support import MINUTE_US, NOON_US

ONE = slot(spots_total=2)


def test_lapsed_lease_whose_spot_is_taken_over_is_buried_though_nobody_loaded_it() -> None:
    one = slot()
    view = view_of(one, told={one.slot_no: "l"})
    taken(view, one)
    changes = view.changes()
    assert changes.leases_buried == ((1, 101),)
    assert changes.spots == ((rows_of(one, "l")[0], held(one)),)


def test_lapsed_lease_that_was_loaded_becomes_expired_and_is_written_once() -> None:
    one = slot()
    facts = facts_of(one, told={one.slot_no: "l"})
    lease = lease_of(one, expires_us=NOON_US - MINUTE_US)
    facts.leases[1, 101] = lease
    view = View(facts, RULES)
    taken(view, one)
    expired = lease._replace(state=LeaseState.EXPIRED)
    assert view.lease_named(lease.lease_id) == expired
    assert view.changes().leases == ((lease, expired),)
    assert view.changes().leases_buried == ()


def test_lease_found_expired_gives_its_spot_to_the_next_request() -> None:
    one = slot()
    facts = facts_of(one, told={one.slot_no: "l"})
    lease = lease_of(one, expires_us=NOON_US - MINUTE_US)
    facts.leases[1, 101] = lease
    view = View(facts, RULES)
    view.expire(lease)
    taken(view, one)
    assert view.changes().spots == ((spot_of_lease(lease), held(one)),)
    assert view.changes().leases == ((lease, lease._replace(state=LeaseState.EXPIRED)),)


def test_lease_found_expired_is_buried_though_its_slot_was_not_loaded() -> None:
    elsewhere = slot(service_no=2)
    lease = lease_of(elsewhere, expires_us=NOON_US - MINUTE_US)
    view = view_of(ONE)
    view.expire(lease)
    assert view.changes().spots == ((spot_of_lease(lease), held(elsewhere, holder_no=0, busy_until_us=0)),)
    assert view.changes().leases_buried == ((1, 101),)


@pytest.mark.parametrize(("staff_no", "room_no"), [(1, 0), (0, 1), (1, 1)])
def test_claim_buries_all_lapsed_leases_that_hold_its_staff_or_room(staff_no: int, room_no: int) -> None:
    here = slot(service_no=1, spots_total=2, staff_no=staff_no, room_no=room_no)
    rival = slot(service_no=2, spots_total=2, staff_no=staff_no, room_no=room_no)
    view = view_of(here, rival, told={rival.slot_no: "ll"})
    taken(view, here)
    changes = view.changes()
    assert changes.leases_buried == ((1, 101), (1, 102))
    assert [after.busy_until_us for _, after in changes.spots] == [0, 0, UNTIL_US]


@pytest.mark.parametrize(("staff_no", "room_no"), [(1, 0), (0, 1)])
def test_staff_or_room_taken_by_one_request_is_busy_for_the_next(staff_no: int, room_no: int) -> None:
    here, rival = (
        slot(service_no=1, staff_no=staff_no, room_no=room_no),
        slot(service_no=2, staff_no=staff_no, room_no=room_no),
    )
    view = view_of(here, rival)
    spot = taken(view, here)
    assert isinstance(view.take(rival, holder_no=8, busy_until_us=UNTIL_US), BookingFailure)
    assert view.count_available(Offer(MERCHANT, CUT, rival)) == 0
    view.give_back(spot)
    assert taken(view, rival, holder_no=8).spot_no == 1


def test_slots_without_staff_or_room_never_exclude_each_other() -> None:
    here, other = slot(service_no=1), slot(service_no=2)
    view = view_of(here, other)
    taken(view, here)
    assert taken(view, other, holder_no=8).spot_no == 1


# --- a step back -------------------------------------------------------------------------------------------------


def test_restored_view_has_the_spots_and_leases_it_had_when_saved() -> None:
    one, other = slot(service_no=1), slot(service_no=2)
    facts = facts_of(one, other, told={one.slot_no: "b", other.slot_no: "l"})
    lease = lease_of(other, expires_us=NOON_US - MINUTE_US)
    facts.leases[1, 101] = lease
    view = View(facts, RULES)
    saved = view.save()
    view.give_back(rows_of(one, "b")[0])
    taken(view, one)
    taken(view, other, holder_no=8)
    view.restore(saved)
    assert not view.changes()
    assert view.lease_named(lease.lease_id) == lease
    assert isinstance(view.take(one, holder_no=9, busy_until_us=UNTIL_US), BookingFailure)


def test_what_was_saved_does_not_move_with_the_view() -> None:
    view = view_of(ONE)
    first = view.save()
    taken(view, ONE)
    view.restore(first)
    second = view.save()
    taken(view, ONE)
    view.restore(second)
    assert not view.changes()

"""The audits of the benchmark find what they are there for."""

from __future__ import annotations

from itertools import islice

import pytest

from bench.inventory import Inventory
from bench.requests import Kind, Planned
from bench.tape import Call
from bench.workloads import (
    CERTAINLY_LIVE_NS,
    WORKLOADS,
    all_booked,
    capacity_comes_back,
    never_above_capacity,
    nothing_granted,
    one_token_one_id,
    some_refused,
)

TWO_SPOTS = Inventory(slots=3, merchants=1, spots=2)


def leased(token: str, lease_id: str, *, slot: int = 0, at_ns: int = 0) -> tuple[Planned, Call]:
    return Planned(Kind.LEASE, slot, token), Call(0, 0, "i", at_ns, at_ns + 1, 0, lease_id)


def refused(token: str, kind: Kind = Kind.LEASE) -> tuple[Planned, Call]:
    return Planned(kind, 0, token), Call(0, 0, "c", 0, 1, 1, "")


def test_a_third_lease_of_two_spots_is_found() -> None:
    two = [leased("a", "l1"), leased("b", "l2"), leased("c", "l3", slot=1), leased("a", "l1")]
    assert never_above_capacity(TWO_SPOTS, two) == []
    assert never_above_capacity(TWO_SPOTS, [*two, leased("d", "l4")]) == ["slot 0: 3 of 2 spots leased"]


def test_two_leases_for_one_token_and_one_lease_for_two_are_found() -> None:
    assert one_token_one_id(TWO_SPOTS, [leased("a", "l1"), leased("a", "l1"), leased("b", "l2")]) == []
    assert one_token_one_id(TWO_SPOTS, [leased("a", "l1"), leased("a", "l2")])
    assert one_token_one_id(TWO_SPOTS, [leased("a", "l1"), leased("b", "l1")])


def test_a_spot_leased_again_before_its_lease_can_have_ended_is_found() -> None:
    later = CERTAINLY_LIVE_NS + 2
    in_turn = [leased("a", "l1"), leased("b", "l2"), leased("c", "l3", at_ns=later)]
    assert capacity_comes_back(TWO_SPOTS, in_turn) == []
    too_early = [leased("a", "l1"), leased("b", "l2"), leased("c", "l3", at_ns=later // 2)]
    assert capacity_comes_back(TWO_SPOTS, too_early) == ["slot 0: 3 leases live at once"]


def test_spots_that_never_come_back_are_found() -> None:
    assert "did not come back" in capacity_comes_back(TWO_SPOTS, [leased("a", "l1"), leased("b", "l2")])[0]


def test_a_lease_of_a_full_slot_is_found() -> None:
    assert nothing_granted(TWO_SPOTS, [refused("a")]) == []
    assert nothing_granted(TWO_SPOTS, [refused("a"), leased("b", "l1")])


def test_scarcity_that_refuses_nobody_is_found() -> None:
    assert some_refused(TWO_SPOTS, [leased("a", "l1"), refused("b")]) == []
    assert some_refused(TWO_SPOTS, [leased("a", "l1")])


def test_a_live_lease_that_could_not_be_booked_is_found() -> None:
    assert all_booked(TWO_SPOTS, [leased("a", "l1"), refused("a")]) == []
    assert all_booked(TWO_SPOTS, [leased("a", "l1"), refused("b", Kind.BOOK)])


@pytest.mark.parametrize("name", sorted(WORKLOADS))
def test_a_workload_is_the_same_from_the_same_seed_and_asks_for_slots_that_there_are(name: str) -> None:
    workload, inventory = WORKLOADS[name], Inventory(slots=100, merchants=10)
    planned = list(islice(workload.requests(inventory, "1"), 500))
    assert planned == list(islice(workload.requests(inventory, "1"), 500))
    assert {one.slot for one in planned} <= set(range(100))


def test_a_fifth_of_replays_repeats_a_request_and_half_of_lease_book_books() -> None:
    replays = list(islice(WORKLOADS["lease-replay"].requests(Inventory(), "1"), 10_000))
    assert 0.75 < len({one.token for one in replays}) / len(replays) < 0.85
    pairs = list(islice(WORKLOADS["lease-book"].requests(Inventory(), "1"), 100))
    assert [one.chained for one in pairs] == [False, True] * 50


def test_every_slot_of_an_inventory_is_another_one() -> None:
    large = Inventory(slots=100_000, merchants=2)
    assert len({large.slot(number) for number in range(large.slots)}) == large.slots

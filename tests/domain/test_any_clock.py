"""No clock sells a spot twice: whatever was granted, and wherever the clock steps, the claims that *any* clock could
call live (rows that nobody has buried or given back) fit the slot, and never overlap on one staff (INV-1, 2, 8, 9)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from slotlease.domain.slot import Slot
from slotlease.domain.spot import FOREVER_US, SpotChoice, choose_spot, count_available
from slotlease.domain.spot import Spot as SpotRow
from slotlease.domain.view import View
from tests.domain.samples import RULES, START_US, facts_of, lease_of, occupancy, slot
from tests.support import HOUR_US

INSTANT = st.integers(1, 50)
"""Of the clock: few, so that leases end, and clocks step back over their ends."""


class OneSlot(RuleBasedStateMachine):
    """One slot whose capacity and clock move at will."""

    def __init__(self) -> None:
        super().__init__()
        self.capacity = 3
        self.now_us = 25
        self.rows: dict[int, SpotRow] = {}
        self.holders = 0
        self.fits = True
        """Whether what any clock could call live is within the capacity: so after each grant, until it is lowered."""

    @property
    def slot(self) -> Slot:
        return slot(spots_total=self.capacity)

    def busy(self) -> list[SpotRow]:
        return [row for row in self.rows.values() if row.busy_until_us > self.now_us]

    def unburied(self) -> list[SpotRow]:
        return [row for row in self.rows.values() if row.busy_until_us > 0]

    @rule(capacity=st.integers(0, 5))
    def merchant_changes_the_capacity(self, capacity: int) -> None:
        self.capacity = capacity
        self.fits = len(self.unburied()) <= capacity

    @rule(now_us=INSTANT)
    def clock_steps(self, now_us: int) -> None:
        self.now_us = now_us

    @rule(length_us=st.integers(1, 20), booked=st.booleans())
    def claim(self, length_us: int, *, booked: bool) -> None:
        before = self.busy()
        counted = occupancy(self.slot, self.rows.values(), now_us=self.now_us)
        choice = choose_spot(counted, [], self.capacity)
        assert (choice is None) == (len(before) >= self.capacity), "granted if and only if a spot is free"
        assert count_available(counted, [], self.capacity) == max(0, self.capacity - len(before))
        if choice is None:
            return
        self.write(choice, FOREVER_US if booked else self.now_us + length_us)
        assert all(row in self.rows.values() for row in before), "a live claim is never touched (INV-8)"
        assert len(self.unburied()) <= self.capacity, "what any clock could call live fits (INV-9)"
        self.fits = True

    def write(self, choice: SpotChoice, busy_until_us: int) -> None:
        for spot in choice.bury:
            assert self.rows[spot.spot_no] == spot
            self.rows[spot.spot_no] = spot._replace(busy_until_us=0, holder_no=0)
        assert self.rows.get(choice.spot_no) == choice.replaces
        self.holders += 1
        self.rows[choice.spot_no] = SpotRow(1, self.slot.slot_no, choice.spot_no, busy_until_us, self.holders)

    @precondition(lambda self: self.busy())
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        row = data.draw(st.sampled_from(self.busy()))
        self.rows[row.spot_no] = row._replace(busy_until_us=0, holder_no=0)

    @rule()
    def sweep(self) -> None:
        for row in self.unburied():
            if row.busy_until_us <= self.now_us:
                self.rows[row.spot_no] = row._replace(busy_until_us=0, holder_no=0)

    @invariant()
    def numbers_have_no_gaps(self) -> None:
        assert sorted(self.rows) == list(range(1, len(self.rows) + 1))

    @invariant()
    def live_claims_fit_at_every_clock_unless_the_capacity_was_lowered_since(self) -> None:
        assert not self.fits or len(self.unburied()) <= self.capacity


class OneStaff(RuleBasedStateMachine):
    """Three slots of one member of staff: the first two overlap, the last two too, the outer ones only touch."""

    @initialize()
    def open(self) -> None:
        self.now_us = 25
        self.slots = [
            slot(staff_no=1, start_us=START_US + step_us, spots_total=2) for step_us in (0, HOUR_US // 2, HOUR_US)
        ]
        self.rows: list[dict[int, SpotRow]] = [{}, {}, {}]

    @rule(now_us=INSTANT)
    def clock_steps(self, now_us: int) -> None:
        self.now_us = now_us

    @rule(which=st.integers(0, 2), length_us=st.integers(1, 20))
    def claim(self, which: int, length_us: int) -> None:
        counted = [
            occupancy(one, rows.values(), now_us=self.now_us) for one, rows in zip(self.slots, self.rows, strict=True)
        ]
        here = counted[which]
        rivals = [other for other in counted if here.excludes(other)]
        choice = choose_spot(here, rivals, 2)
        assert (choice is None) == (here.busy >= 2 or any(rival.busy for rival in rivals))
        if choice is None:
            return
        for spot in choice.bury:
            (owner,) = [rows for one, rows in zip(self.slots, self.rows, strict=True) if one.slot_no == spot.slot_no]
            owner[spot.spot_no] = spot._replace(busy_until_us=0, holder_no=0)
        taken = SpotRow(1, here.slot_no, choice.spot_no, self.now_us + length_us, 7)
        self.rows[which][choice.spot_no] = taken

    @invariant()
    def no_clock_sees_staff_in_two_overlapping_slots(self) -> None:
        taken = [any(row.busy_until_us > 0 for row in rows.values()) for rows in self.rows]
        assert not (taken[0] and taken[1])
        assert not (taken[1] and taken[2])


TestOneSlot = OneSlot.TestCase
TestOneSlot.settings = settings(deadline=None, max_examples=150, stateful_step_count=30)
TestOneStaff = OneStaff.TestCase
TestOneStaff.settings = settings(deadline=None, max_examples=100, stateful_step_count=25)


@settings(deadline=None, max_examples=300)
@given(
    ends=st.lists(st.sampled_from([0, 10, 20, 30, 40, FOREVER_US]), max_size=12),
    capacity=st.integers(0, 12),
    now_us=st.sampled_from([5, 15, 25, 35, 45]),
    takers=st.integers(1, 6),
    expired=st.sets(st.integers(0, 11)),
)
def test_as_few_rows_as_the_store_loads_are_enough_for_every_taker_of_a_batch(
    ends: list[int], capacity: int, now_us: int, takers: int, expired: set[int]
) -> None:
    one = slot(spots_total=capacity)
    rows = [
        SpotRow(1, one.slot_no, number, end, 0 if end == 0 else 100 + number)
        for number, end in enumerate(ends, start=1)
    ]
    facts = facts_of(one, now_us=now_us)
    facts.occupancies[one.key] = occupancy(one, rows, now_us=now_us, takers=takers)
    view = View(facts, RULES)
    for row in rows:  # some of the batch find their lease expired, and bury it before others take a spot
        if row.spot_no - 1 in expired and 0 < row.busy_until_us <= now_us:
            view.expire(lease_of(one, lease_no=row.holder_no, spot_no=row.spot_no, expires_us=row.busy_until_us))
    answers = [view.take(one, holder_no=1000 + n, busy_until_us=FOREVER_US) for n in range(takers)]
    granted = [spot for spot in answers if isinstance(spot, SpotRow)]
    busy = sum(row.busy_until_us > now_us for row in rows)
    assert len(granted) == min(takers, max(0, capacity - busy))
    after = {row.spot_no: row for row in rows} | {spot.spot_no: spot for _, spot in view.changes().spots}
    assert len({spot.spot_no for spot in granted}) == len(granted), "no spot is given twice"
    assert all(after[row.spot_no] == row for row in rows if row.busy_until_us > now_us), "live claims are untouched"
    if granted:
        assert sum(row.busy_until_us > 0 for row in after.values()) <= capacity, "what any clock could call live fits"

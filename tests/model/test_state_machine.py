"""Whatever is asked, in whatever order, the shop answers as the model says and its ledger keeps every promise.

Two machines. In the first the clock only runs forward, and the model knows every answer by itself. In the second it
also steps back, and the model must ask the ledger which lapsed leases were buried (see `shop_model`): there the proof
that nothing is sold twice rests on INV-1 and INV-2 in their strict form, which ask no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.model.corners import CORNERS
from tests.model.customers import Customers, Pick
from tests.model.effort import EFFORT, FOLDERS, TIMEOUT_S
from tests.model.told import Request, Told
from tests.model.watched_shop import LedgerShop, WatchedShop
from tests.model.wire_shop import WireShop
from tests.support import DAY_US, MINUTE_US

T = TypeVar("T")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(TIMEOUT_S)]

SPANS_US = (1, 500_000, 29_000_000, MINUTE_US, 10 * MINUTE_US, 15 * MINUTE_US)


def picking(data: st.DataObject) -> Pick:
    def pick(options: Sequence[T]) -> T:
        return options[data.draw(st.integers(0, len(options) - 1))]

    return pick


class ShopMachine(RuleBasedStateMachine):
    """The rules that both machines share."""

    asks_ledger: ClassVar[bool]
    kind: ClassVar[type[LedgerShop]] = LedgerShop

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory(prefix="slotlease-model-", dir=FOLDERS)
        self.last: tuple[Request, ...] = ()
        self.watched: WatchedShop
        self.customers: Customers

    @initialize(corner=st.sampled_from(list(CORNERS)))
    def opens(self, corner: str) -> None:
        self.watched = WatchedShop(
            Path(self.folder.name), CORNERS[corner], asks_ledger=self.asks_ledger, kind=self.kind
        )
        self.customers = Customers(CORNERS[corner])

    def teardown(self) -> None:
        if hasattr(self, "watched"):
            self.watched.close()
        self.folder.cleanup()

    def tell(self, *requests: Request) -> None:
        said = [said for request in requests if (said := self.watched.shop.said(request)) is not None]
        if not said:
            return
        requests = tuple(said)
        answers: list[Told] = self.watched.tell(*requests)
        for request, told in zip(requests, answers, strict=True):
            self.customers.heard(request, told)
            note(f"  {request}\n  -> {told}")
        if requests[0].writes:
            self.last = requests

    def now_us(self) -> int:
        return self.watched.clock.now_us

    # --- leases ----------------------------------------------------------------------------------------------

    @rule(data=st.data())
    def lease(self, data: st.DataObject) -> None:
        self.tell(self.customers.lease(picking(data), self.now_us()))

    @precondition(lambda self: self.customers.leases_asked)
    @rule(data=st.data(), same_slot=st.booleans())
    def lease_with_a_used_token(self, data: st.DataObject, *, same_slot: bool) -> None:
        pick = picking(data)
        again = self.customers.lease_again(pick, self.now_us())
        self.tell(again if same_slot else self.customers.lease_with_used_token(pick))

    @precondition(lambda self: self.customers.leases)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        self.tell(self.customers.release(picking(data)))

    @rule()
    def sweep(self) -> None:
        self.watched.sweep()

    # --- bookings --------------------------------------------------------------------------------------------

    @precondition(lambda self: self.customers.leases)
    @rule(data=st.data())
    def book_a_lease(self, data: st.DataObject) -> None:
        self.tell(self.customers.booking_from_lease(picking(data)))

    @precondition(lambda self: self.customers.leases)
    @rule(data=st.data())
    def book_a_strange_lease(self, data: st.DataObject) -> None:
        self.tell(self.customers.booking_from_strange_lease(picking(data)))

    @precondition(lambda self: self.customers.leases)
    @rule(data=st.data())
    def book_as_in_version_0(self, data: st.DataObject) -> None:
        self.tell(self.customers.booking_as_in_version_0(picking(data)))

    @rule(data=st.data())
    def book_directly(self, data: st.DataObject) -> None:
        self.tell(self.customers.direct_booking(picking(data)))

    @precondition(lambda self: self.customers.bookings_asked)
    @rule(data=st.data(), same_content=st.booleans())
    def book_with_a_used_token(self, data: st.DataObject, *, same_content: bool) -> None:
        pick = picking(data)
        self.tell(self.customers.booking_again(pick) if same_content else self.customers.booking_with_used_token(pick))

    @precondition(lambda self: self.customers.bookings)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.tell(self.customers.cancel(picking(data)))

    @precondition(lambda self: self.customers.bookings)
    @rule(data=st.data())
    def move(self, data: st.DataObject) -> None:
        self.tell(self.customers.move(picking(data)))

    @precondition(lambda self: self.customers.bookings)
    @rule(data=st.data())
    def move_onto_itself(self, data: st.DataObject) -> None:
        self.tell(self.customers.move_onto_itself(picking(data)))

    @precondition(lambda self: self.customers.bookings)
    @rule(data=st.data())
    def change_party_size(self, data: st.DataObject) -> None:
        self.tell(self.customers.change_party(picking(data)))

    @precondition(lambda self: self.customers.bookings)
    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        self.tell(self.customers.confirm(picking(data)))

    # --- reads, batches, deliveries ----------------------------------------------------------------------------

    @rule(data=st.data(), count=st.integers(1, 4))
    def look(self, data: st.DataObject, count: int) -> None:
        pick = picking(data)
        self.tell(*[self.customers.look(pick) for _ in range(count)])

    @rule(data=st.data(), count=st.integers(2, 6))
    def ask_much_in_one_batch(self, data: st.DataObject, count: int) -> None:
        pick = picking(data)
        self.tell(*[self.customers.any_write(pick, self.now_us()) for _ in range(count)])

    @rule(data=st.data(), count=st.integers(2, 5))
    def rush_for_one_slot(self, data: st.DataObject, count: int) -> None:
        pick = picking(data)
        slot = self.customers.some_slot(pick)
        self.tell(*[self.customers.claim(pick, slot, self.now_us()) for _ in range(count)])

    @precondition(lambda self: self.customers.bookings)
    @rule(data=st.data(), count=st.integers(2, 4))
    def change_one_booking_in_one_batch(self, data: st.DataObject, count: int) -> None:
        pick = picking(data)
        booking = self.customers.some_booking(pick)
        self.tell(*[self.customers.change(pick, booking) for _ in range(count)])

    @precondition(lambda self: self.last)
    @rule(at_once=st.booleans())
    def deliver_the_last_again(self, *, at_once: bool) -> None:
        """What was told last is delivered once more; or twice, in one batch."""
        self.tell(*map(self.customers.again, self.last * (1 + at_once)))

    @rule()
    def restart(self) -> None:
        self.watched.restart()

    # --- inventory -------------------------------------------------------------------------------------------

    @rule(data=st.data(), spots_total=st.integers(0, 4))
    def change_capacity(self, data: st.DataObject, spots_total: int) -> None:
        merchant_id, offered = picking(data)(self.customers.corner.slots)
        self.watched.offer(merchant_id, offered, spots_total=spots_total, spots_elsewhere=spots_total // 4)

    @rule(data=st.data(), closed=st.sampled_from((False, False, True)))
    def close_or_reopen(self, data: st.DataObject, *, closed: bool) -> None:
        """Also what an import does with a slot that vanished from the feed, or is in it again."""
        merchant_id, offered = picking(data)(self.customers.corner.slots)
        self.watched.offer(merchant_id, offered, closed=closed)

    @rule(data=st.data(), tag=st.sampled_from(("", "std", "another")))
    def change_tag(self, data: st.DataObject, tag: str) -> None:
        merchant_id, offered = picking(data)(self.customers.corner.slots)
        self.watched.offer(merchant_id, offered, availability_tag=tag)

    # --- time ------------------------------------------------------------------------------------------------

    @rule(span_us=st.sampled_from(SPANS_US))
    def time_passes(self, span_us: int) -> None:
        self._set_clock(self.watched.clock.now_us + span_us)

    @rule(data=st.data(), off_us=st.sampled_from((-1, 0, 1)))
    def time_comes_to_an_edge(self, data: st.DataObject, off_us: int) -> None:
        """An instant at which something changes, and its two neighbours."""
        self._set_clock(picking(data)(self._edges_us()) + off_us)

    def _set_clock(self, now_us: int) -> None:
        """Never back: only one of the machines lets time step back, and says so."""
        self.watched.clock.now_us = max(now_us, self.watched.clock.now_us)
        self.watched.check()

    def _edges_us(self) -> list[int]:
        now_us = self.watched.clock.now_us
        model = self.watched.model
        leases = [lease.told.expires_us for lease in model.leases.values() if lease.is_live(now_us)]
        others = [booking.cancel_by_us for booking in model.bookings.values() if booking.claims]
        for slot in model.slots.values():
            bounds = (slot.first_bookable_us, slot.last_bookable_us, slot.last_online_cancellable_us, slot.start_us)
            others += [bound for bound in bounds if bound is not None]
        ahead = sorted({edge for edge in others if edge > now_us})
        # Leases weigh most, and of the rest what comes next: once all slots have begun there is little left to ask.
        return leases * 3 + [now_us] * 3 + ahead[:1]


class ForwardMachine(ShopMachine):
    asks_ledger = False


class SkewedMachine(ShopMachine):
    asks_ledger = True

    @rule(span_us=st.sampled_from((*SPANS_US, DAY_US)))
    def time_steps_back(self, span_us: int) -> None:
        self.watched.clock.now_us -= span_us
        self.watched.check()


class ForwardWireMachine(ForwardMachine):
    kind = WireShop


class SkewedWireMachine(SkewedMachine):
    kind = WireShop


def machine_settings(examples: int) -> settings:
    return settings(
        max_examples=examples * EFFORT,
        stateful_step_count=40,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )


def test_whatever_is_asked_is_answered_as_the_model_says_and_the_ledger_keeps_its_promises() -> None:
    run_state_machine_as_test(ForwardMachine, settings=machine_settings(100))


def test_nothing_is_sold_twice_though_the_clock_steps_back() -> None:
    run_state_machine_as_test(SkewedMachine, settings=machine_settings(100))


def test_whatever_is_asked_through_a_socket_is_answered_as_the_model_says() -> None:
    run_state_machine_as_test(ForwardWireMachine, settings=machine_settings(25))


def test_nothing_is_sold_twice_through_a_socket_though_the_clock_steps_back() -> None:
    run_state_machine_as_test(SkewedWireMachine, settings=machine_settings(25))

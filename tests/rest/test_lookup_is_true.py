"""What a lookup calls free can be booked in the same instant, and what it does not cannot (Google's lookup page: a slot
called free that then fails counts as an error, and many of them disable the integration)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count

from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from slotlease.desk.close_slot import CloseSlot
from slotlease.domain.merchant import Service
from tests.rest import asking_v3 as asking
from tests.rest.serving import RestClient
from tests.support import MINUTE_US, NOON_US, Offered, Shop

HALF_HOUR_US = 30 * MINUTE_US
# Most slots can be booked: where nothing is free, nothing is shown.
instants = st.sampled_from([None, None, None, None, *(NOON_US + steps * HALF_HOUR_US for steps in (-1, 0, 1, 4))])

services = st.builds(
    Service,
    merchant_no=st.just(0),
    service_no=st.just(0),
    service_id=st.just(""),
    min_advance_booking_s=st.sampled_from([0, 0, 0, 1800]),
    one_booking_per_user=st.booleans(),
    min_booking_buffer_before_end_time_s=st.sampled_from([None, None, 0, 900]),
)

slots = st.builds(
    Offered,
    service_id=st.sampled_from(["cut", "dye"]),
    start_us=st.sampled_from([-1, 0, 1, 2, 3, 4, 4, 5, 6]).map(lambda steps: NOON_US + steps * HALF_HOUR_US),
    duration_us=st.sampled_from([HALF_HOUR_US, 2 * HALF_HOUR_US, 3 * HALF_HOUR_US]),
    staff_id=st.sampled_from(["", "ann", "bob"]),
    room_id=st.sampled_from(["", "", "red"]),
    party_size=st.sampled_from([0, 2]),
    spots_total=st.integers(1, 3),
    spots_elsewhere=st.sampled_from([0, 0, 0, 0, 1, 3]),
    closed=st.sampled_from([False] * 7 + [True]),
    asynchronous=st.booleans(),
    first_bookable_us=instants,
    last_bookable_us=instants,
).map(lambda one: replace(one, spots_elsewhere=min(one.spots_elsewhere, one.spots_total)))


def key(offered: Offered) -> tuple[object, ...]:
    place = (offered.service_id, offered.start_us, offered.duration_us)
    return (*place, offered.staff_id, offered.room_id, offered.party_size)


steps = st.lists(
    st.tuples(st.sampled_from(["book", "book", "lease", "book leased", "close", "open"]), st.integers(0, 5))
    | st.tuples(st.just("wait"), st.sampled_from([1, 16, 30, 60])),
    max_size=12,
)

numbers = count()


@dataclass
class Story:
    """One merchant's day, told over HTTP."""

    rest: RestClient
    shop: Shop
    merchant_id: str
    offered: list[Offered]
    told: int = 0

    def free(self) -> list[bool]:
        request = {
            "merchant_id": self.merchant_id,
            "slot_time": [asking.slot_time(one.asked(self.merchant_id)) for one in self.offered],
        }
        answer = self.rest.ask("BatchAvailabilityLookup", request)
        return [one["available"] for one in answer["slot_time_availability"]]

    def book(self, at: int) -> None:
        """By somebody new, who has no booking that could be in the way."""
        was_free = self.free()[at]
        self.told += 1
        slot = self.offered[at].asked(self.merchant_id)
        answer = self.rest.ask("CreateBooking", asking.booking(slot, f"t{self.told}", user_id=self._somebody()))
        refused = answer.get("booking_failure", {}).get("cause")
        event("booked" if was_free else "refused")
        assert refused == (None if was_free else "SLOT_UNAVAILABLE"), (was_free, answer)

    def lease(self, at: int) -> str | None:
        was_free = self.free()[at]
        self.told += 1
        answer = self.rest.ask("CreateLease", asking.lease(self.offered[at].asked(self.merchant_id), f"r{self.told}"))
        assert ("lease" in answer) == was_free
        lease_id: str | None = answer.get("lease", {}).get("lease_id")
        return lease_id

    def do(self, what: str, number: int) -> None:
        at = number % len(self.offered)
        slot = self.offered[at].asked(self.merchant_id)
        match what:
            case "wait":
                self.shop.clock.advance(s=60 * number)
            case "book":
                self.book(at)
            case "lease":
                self.lease(at)
            case "book leased":
                lease_id = self.lease(at)
                if lease_id is not None:
                    request = asking.booking(slot, f"l{self.told}", lease_id=lease_id, user_id=self._somebody())
                    assert "booking" in self.rest.ask("CreateBooking", request)
            case _:
                self.shop.ask(CloseSlot(slot, closes=what == "close"))

    def _somebody(self) -> str:
        return f"{self.merchant_id}-{self.told}"


# No minutes of explaining when it fails: the shrunk example says it.
@settings(
    phases=[Phase.generate, Phase.shrink],
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(cut=services, dye=services, offered=st.lists(slots, min_size=1, max_size=6, unique_by=key), what_happens=steps)
def test_slot_is_booked_exactly_when_a_lookup_in_the_same_instant_calls_it_free(
    rest: RestClient,
    shop: Shop,
    cut: Service,
    dye: Service,
    offered: list[Offered],
    what_happens: list[tuple[str, int]],
) -> None:
    shop.clock.now_us = NOON_US
    story = Story(rest, shop, f"shop-{next(numbers)}", offered)
    for service_id, service in (("cut", cut), ("dye", dye)):
        named = {**{name: getattr(service, name) for name in Service.__slots__}, "service_id": service_id}
        shop.serve(Service(**named), story.merchant_id)
    shop.offer(*offered, merchant_id=story.merchant_id)
    for what, number in what_happens:
        story.do(what, number)
    for at in range(len(offered)):
        story.book(at)
        story.book(at)

"""What the model of the shop keeps of slots, leases and bookings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from slotlease.domain.slot import AskedSlot, Resources
from tests.model.told import BookingTold, LeaseTold


class Place(NamedTuple):
    """What makes a slot this one and no other. The tag is no part of it: a partner may change its tags daily."""

    merchant_id: str
    service_id: str
    start_us: int
    duration_us: int
    staff_id: str
    room_id: str
    party_size: int


NOWHERE = Place("", "", 0, 0, "", "", 0)


def place_asked(asked: AskedSlot) -> Place:
    resources = asked.resources or Resources()
    place = (asked.merchant_id, asked.service_id, asked.start_us, asked.duration_us)
    return Place(*place, resources.staff_id, resources.room_id, resources.party_size)


@dataclass(slots=True)
class HeldLease:
    """`state` is ACTIVE until something is known to have ended it; whether it is live, time says."""

    told: LeaseTold
    place: Place
    cancel_by_us: int
    asynchronous: bool
    state: str = "ACTIVE"
    doubtful: bool = False

    def is_live(self, now_us: int) -> bool:
        return self.state == "ACTIVE" and now_us < self.told.expires_us

    def is_lapsed(self, now_us: int) -> bool:
        return self.state == "ACTIVE" and now_us >= self.told.expires_us


@dataclass(slots=True)
class SoldBooking:
    """`asked` tells a repeat from a token used for something else: lease, slot, user, payment."""

    first: BookingTold
    now: BookingTold
    place: Place
    user_key: str
    asked: tuple[object, ...]
    lease_id: str
    cancel_by_us: int
    revision: int = 1

    @property
    def claims(self) -> bool:
        return self.now.status != "CANCELED"

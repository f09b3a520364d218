"""A lease: a hold on one spot that ends by itself, and that a booking consumes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from slotlease.domain.opaque_id import RowId
from slotlease.domain.slot import SECOND_US, AskedSlot


class LeaseState(Enum):
    """The numbers are stored and never change. States move from ACTIVE to one of the others, once (INV-6)."""

    ACTIVE = 1
    CONSUMED = 2
    EXPIRED = 3
    RELEASED = 4


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """How long a hold may last: settings of the operator, in microseconds."""

    min_us: int = 60 * SECOND_US
    max_us: int = 900 * SECOND_US
    default_us: int = 600 * SECOND_US


class Lease(NamedTuple):
    """A lease row. `cancel_by_us` and `asynchronous` are the slot's when the lease was granted: a live lease is
    a promise, so the booking that consumes it reads no inventory (DESIGN 3)."""

    merchant_no: int
    lease_no: int
    secret: bytes
    state: LeaseState
    expires_us: int
    client_reference: str
    slot: AskedSlot
    slot_no: int
    spot_no: int
    cancel_by_us: int
    asynchronous: bool
    created_us: int

    @property
    def lease_id(self) -> str:
        return str(RowId("l", self.merchant_no, self.lease_no, self.secret))

    def is_live(self, now_us: int) -> bool:
        """Time decides, swept or not: live iff now < lease_expiration_time; equality is expired (INV-7)."""
        return self.state is LeaseState.ACTIVE and now_us < self.expires_us


def lease_expiry_us(asked_us: int | None, *, until_us: int, now_us: int, terms: LeaseTerms) -> int | None:
    """The expiry we grant, on a whole second; None when less than a second is left before `until_us`, when
    the slot is past for new customers: its start, unless the service admits late bookings.

    What was asked is a wish (Google: the partner may change it): min(max(asked, now + min), now + max, until).
    The slot's own time wins over the shortest lease: a hold never outlives what it holds (DESIGN 5).
    """
    if until_us - now_us < SECOND_US:
        return None
    wish_us = now_us + terms.default_us if asked_us is None else asked_us
    granted_us = min(max(wish_us, now_us + terms.min_us), now_us + terms.max_us, until_us)
    return granted_us - granted_us % SECOND_US

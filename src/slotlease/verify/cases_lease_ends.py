"""What is so when a lease has ended, and not before. These wait for leases, all at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from slotlease.verify.answer import LEASE_EXPIRED, OK, SLOT_UNAVAILABLE
from slotlease.verify.caller import CREATE_BOOKING, CREATE_LEASE
from slotlease.verify.case import Until, case
from slotlease.verify.shop import SECOND_US, Lease, Slot
from slotlease.verify.trial import NotTried, Trial

WISH_S: Final = 3
"""So short a lease is asked for; the server may grant a longer one, and then so long is waited."""

GRACE_US: Final = SECOND_US // 2
"""Added to the expiry before it is counted on: clocks differ."""

EARLY_US: Final = SECOND_US
"""So long before the expiry, the hold is looked at for the last time."""

_SOURCE = "CreateLease: lapses by itself; BookingFailure: LEASE_EXPIRED"


def short_lease(t: Trial, slot: Slot) -> Lease:
    """Raises NotTried where none is granted, or one that nobody wants to wait for."""
    now_us = t.around.now_us()
    lease = t.leased(slot, expires_us=now_us + WISH_S * SECOND_US)
    wait_s = (lease.expires_us - now_us) / SECOND_US
    if wait_s > t.around.options.wait_max_s:
        raise NotTried(f"the shortest lease that the server grants ends in {wait_s:.0f} s: too long to wait")
    t.note(f"waited for a lease of {wait_s:.0f} s")
    return lease


@case(
    "lease.ends.refused",
    "a booking with an expired lease",
    rule="A lease that lapsed cannot be booked: LEASE_EXPIRED (v0: NOT_FOUND).",
    source=_SOURCE,
    hint="Leases are ended by a job now and then: compare the expiry when the booking is made.",
    needs=(CREATE_LEASE, CREATE_BOOKING),
    waits=True,
)
def _refused(t: Trial) -> Iterator[Until]:
    slot = t.slot()
    lease = short_lease(t, slot)
    yield Until(lease.expires_us + GRACE_US)
    answer = t.caller.create_booking(t.wish(slot, lease_id=lease.lease_id))
    t.expect(answer, LEASE_EXPIRED)


@case(
    "lease.ends.back",
    "the spot comes back when the lease has ended",
    rule="The hold lapses by itself at lease_expiration_time: from then on others can have the spot.",
    source=_SOURCE,
    hint="The spot waits for a clean-up job.",
    needs=(CREATE_LEASE,),
    waits=True,
)
def _back(t: Trial) -> Iterator[Until]:
    slot = t.single()
    lease = short_lease(t, slot)
    yield Until(lease.expires_us + GRACE_US)
    t.expect(t.caller.create_lease(t.lease_wish(slot)), OK)


@case(
    "lease.ends.not-before",
    "the spot is held until the lease ends",
    rule="Until lease_expiration_time as the answer gave it, nobody else gets the spot.",
    source=_SOURCE,
    hint="The hold ends after a length of its own, not at the instant that was answered.",
    needs=(CREATE_LEASE,),
    waits=True,
)
def _not_before(t: Trial) -> Iterator[Until]:
    slot = t.single()
    lease = short_lease(t, slot)
    yield Until(lease.expires_us - EARLY_US)
    answer = t.caller.create_lease(t.lease_wish(slot))
    if t.around.now_us() >= lease.expires_us:
        raise NotTried("the answer came only after the lease had ended, so it says nothing")
    t.expect(answer, SLOT_UNAVAILABLE)

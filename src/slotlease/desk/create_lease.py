"""CreateLease: is the slot valid and free, and then hold one spot of it for a while."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from slotlease.desk.operation import Operation
from slotlease.domain.facts import Wanted
from slotlease.domain.failure import BookingFailure, Cause, InvalidArgument, Reason, Refusal
from slotlease.domain.lease import Lease, LeaseState, lease_expiry_us
from slotlease.domain.policy import admits_until_us, cancel_by_us
from slotlease.domain.slot import AskedSlot
from slotlease.domain.view import View


@dataclass(frozen=True, slots=True)
class CreateLease(Operation[Lease | Refusal]):
    """`client_reference` is the idempotency token, per merchant (v2 and v3 call it `user_reference`);
    `secret` is SECRET_BYTES random bytes made for this request."""

    slot: AskedSlot
    client_reference: str
    asked_expiry_us: int | None
    secret: bytes

    writes: ClassVar[bool] = True

    def want(self, wanted: Wanted) -> None:
        wanted.merchant_ids.add(self.slot.merchant_id)
        wanted.slots.append(self.slot)
        wanted.references.add((self.slot.merchant_id, self.client_reference))

    def decide(self, view: View) -> Lease | Refusal:
        earlier = self._earlier(view)
        if earlier is not None:
            return self._replay(earlier)
        offer = view.find(self.slot)
        if isinstance(offer, InvalidArgument):
            return offer
        refusal = view.why_not_bookable(offer)
        if refusal is not None:
            return refusal
        slot = offer.slot
        expires_us = lease_expiry_us(
            self.asked_expiry_us,
            until_us=admits_until_us(slot, offer.service),
            now_us=view.now_us,
            terms=view.rules.lease_terms,
        )
        if expires_us is None:
            return BookingFailure(Cause.SLOT_UNAVAILABLE, "less than a second is left to book the slot")
        lease_no = view.draw_no(slot.merchant_no)
        spot = view.take(slot, holder_no=lease_no, busy_until_us=expires_us)
        if isinstance(spot, BookingFailure):
            return spot
        lease = Lease(
            merchant_no=slot.merchant_no,
            lease_no=lease_no,
            secret=self.secret,
            state=LeaseState.ACTIVE,
            expires_us=expires_us,
            client_reference=self.client_reference,
            slot=self.slot,
            slot_no=slot.slot_no,
            spot_no=spot.spot_no,
            cancel_by_us=cancel_by_us(slot, offer.service),
            asynchronous=slot.asynchronous,
            created_us=view.now_us,
        )
        view.put_lease(lease)
        return lease

    def _earlier(self, view: View) -> Lease | None:
        merchant = view.merchant(self.slot.merchant_id)
        return None if merchant is None else view.lease_of_reference(merchant.merchant_no, self.client_reference)

    def _replay(self, earlier: Lease) -> Lease | InvalidArgument:
        """The same lease, always: also after it expired or was booked. The asked expiry is not compared, since a
        retry computes it anew (DESIGN 5)."""
        if earlier.slot == self.slot:
            return earlier
        description = "this token was used for a lease of another slot of the merchant; use a new one"
        return InvalidArgument("client_reference", description, Reason.IDEMPOTENCY_TOKEN_REUSED)

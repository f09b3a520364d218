"""CreateBooking: turn a lease into a booking, or book a slot directly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from slotlease.desk.operation import Operation
from slotlease.domain.booking import (
    Booking,
    PaymentInformation,
    PaymentProcessedBy,
    UserInformation,
    request_fingerprint,
    status_when_booked,
)
from slotlease.domain.event import Actor, EventKind
from slotlease.domain.facts import Facts, RowKey, Wanted, natural_key
from slotlease.domain.failure import BookingFailure, Cause, InvalidArgument, Reason, Refusal
from slotlease.domain.lease import Lease, LeaseState
from slotlease.domain.merchant import Merchant, Service
from slotlease.domain.policy import cancel_by_us
from slotlease.domain.slot import AskedSlot, Slot, slot_number
from slotlease.domain.spot import FOREVER_US
from slotlease.domain.view import View, spot_of_lease, unknown_slot


@dataclass(frozen=True, slots=True)
class _Claim:
    """What the booking is made from: a live lease, or a slot of which it takes a spot."""

    source: Lease | Slot
    cancel_by_us: int


@dataclass(frozen=True, slots=True)
class CreateBooking(Operation[Booking | Refusal]):
    """`lease_id` is empty where the slot is booked directly; `secret` is SECRET_BYTES random bytes made for this
    request. `asks_to_charge`: the caller sent what a payment processor would need. `asks_for_offer`: the customer was
    promised one. The merchant as `actor` is bound
    by no lead time, and waits for no confirmation of its own."""

    slot: AskedSlot
    lease_id: str
    user_key: str
    user: UserInformation
    payment: PaymentInformation | None
    asks_to_charge: bool
    additional_request: str
    idempotency_token: str
    secret: bytes
    actor: Actor = Actor.USER
    asks_for_offer: bool = False

    writes: ClassVar[bool] = True

    def want(self, wanted: Wanted) -> None:
        wanted.merchant_ids.add(self.slot.merchant_id)
        wanted.tokens.add((self.slot.merchant_id, self.idempotency_token))
        if self.lease_id:
            wanted.add_lease(self.lease_id)
        else:
            wanted.slots.append(self.slot)

    def want_more(self, facts: Facts, wanted: Wanted) -> None:
        merchant = facts.merchants.get(self.slot.merchant_id)
        key = None if merchant is None else natural_key(merchant, self.slot)
        if merchant is not None and key is not None:
            wanted.users_of_slots.add((merchant.merchant_no, slot_number(key), self.user_key))

    def decide(self, view: View) -> Booking | Refusal:
        """Order of judgement as in DESIGN 5: token, things named, the lease's slot, the lease, the user's own
        double, policy, capacity. A refused attempt consumes nothing and is never remembered."""
        fingerprint = request_fingerprint(
            view.rules.fingerprint_key, lease_id=self.lease_id, slot=self.slot, user=self.user, payment=self.payment
        )
        merchant = view.merchant(self.slot.merchant_id)
        if merchant is not None:
            earlier = view.booking_of_token(merchant.merchant_no, self.idempotency_token)
            if earlier is not None:
                return self._replay(earlier, fingerprint)
        claim = self._claim_of_lease(view, merchant) if self.lease_id else self._claim_slot(view)
        return self._book(view, claim, fingerprint) if isinstance(claim, _Claim) else claim

    def _replay(self, earlier: Booking, fingerprint: bytes) -> Booking | InvalidArgument:
        if earlier.fingerprint == fingerprint:
            return earlier
        description = "this token was used for a booking with other content; use a new one"
        return InvalidArgument("idempotency_token", description, Reason.IDEMPOTENCY_TOKEN_REUSED)

    # --- with a lease --------------------------------------------------------------------------------------

    def _claim_of_lease(self, view: View, merchant: Merchant | None) -> _Claim | Refusal:
        """A live lease is a promise: only the lease is compared, no inventory is read, so a slot that was closed,
        lowered or taken out of the feed meanwhile does not refuse it (DESIGN 3)."""
        if merchant is None:
            return unknown_slot("slot.merchant_id", "no merchant with this id takes bookings here")
        if self.slot.service_id not in merchant.services:
            return unknown_slot("slot.service_id", "the merchant offers no service with this id")
        lease = view.lease_named(self.lease_id)
        if lease is None:
            return LEASE_GONE
        if lease.slot != self.slot:
            description = "the slot is not the one the lease holds; send the slot exactly as it was leased"
            return InvalidArgument("slot", description, Reason.SLOT_DIFFERS_FROM_LEASE)
        if not lease.is_live(view.now_us):
            if lease.state is LeaseState.ACTIVE:
                view.expire(lease)
            return LEASE_GONE
        refusal = self._user_or_payment_refusal(view, merchant.services[self.slot.service_id], lease.slot_no)
        if refusal is not None:
            return refusal
        return _Claim(lease, lease.cancel_by_us)

    # --- without ---------------------------------------------------------------------------------------------

    def _claim_slot(self, view: View) -> _Claim | Refusal:
        offer = view.find(self.slot)
        if isinstance(offer, InvalidArgument):
            return offer
        slot = offer.slot
        refusal = self._user_or_payment_refusal(view, offer.service, slot.slot_no) or view.why_not_bookable(
            offer, self.actor
        )
        if refusal is not None:
            return refusal
        return _Claim(slot, cancel_by_us(slot, offer.service))

    # --- both ------------------------------------------------------------------------------------------------

    def _user_or_payment_refusal(self, view: View, service: Service, slot_no: int) -> BookingFailure | None:
        slot: RowKey = (service.merchant_no, slot_no)
        if service.one_booking_per_user and view.user_has_slot(self.user_key, slot):
            return BookingFailure(Cause.SLOT_ALREADY_BOOKED_BY_USER, "this user has a booking of this slot")
        processed_by = None if self.payment is None else self.payment.payment_processed_by
        if self.asks_to_charge or processed_by is PaymentProcessedBy.PARTNER:
            # A booking that says "paid" while nobody charged would cost the merchant: docs/decisions.
            return BookingFailure(Cause.PAYMENT_ERROR, "this server charges nobody; book without partner payment")
        if self.asks_for_offer:
            # The customer would come and expect it (Google's CreateBooking page: fail the booking).
            return BookingFailure(Cause.OFFER_UNAVAILABLE, "this server knows no offers; book without one")
        return None

    def _book(self, view: View, claim: _Claim, fingerprint: bytes) -> Booking | BookingFailure:
        source = claim.source
        booking_no = view.draw_no(source.merchant_no)
        spot_no = _consume(view, source, booking_no) if isinstance(source, Lease) else _take(view, source, booking_no)
        if isinstance(spot_no, BookingFailure):
            return spot_no
        status = status_when_booked(asynchronous=source.asynchronous and self.actor is Actor.USER)
        booking = Booking(
            merchant_no=source.merchant_no,
            booking_no=booking_no,
            secret=self.secret,
            status=status,
            revision=1,
            slot=self.slot,
            slot_no=source.slot_no,
            spot_no=spot_no,
            slot_created=self.slot,
            status_created=status,
            user_key=self.user_key,
            user=self.user,
            payment=self.payment,
            additional_request=self.additional_request,
            idempotency_token=self.idempotency_token,
            lease_no=source.lease_no if isinstance(source, Lease) else 0,
            fingerprint=fingerprint,
            cancel_by_us=claim.cancel_by_us,
            created_us=view.now_us,
        )
        view.put_booking(booking, EventKind.BOOKING_CREATED, self.actor)
        return booking


LEASE_GONE = BookingFailure(Cause.LEASE_EXPIRED, "the lease has expired, was used, or is not known")


def _consume(view: View, lease: Lease, booking_no: int) -> int:
    view.hand_over(spot_of_lease(lease), holder_no=booking_no)
    view.put_lease(lease._replace(state=LeaseState.CONSUMED))
    return lease.spot_no


def _take(view: View, slot: Slot, booking_no: int) -> int | BookingFailure:
    spot = view.take(slot, holder_no=booking_no, busy_until_us=FOREVER_US)
    return spot if isinstance(spot, BookingFailure) else spot.spot_no

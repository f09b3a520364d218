"""CreateBooking as version 0 has it: the request names a lease and nothing else, neither slot nor token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from slotlease.desk.create_booking import LEASE_GONE, CreateBooking
from slotlease.desk.operation import Operation
from slotlease.domain.booking import Booking, PaymentInformation, UserInformation
from slotlease.domain.facts import Facts, Wanted
from slotlease.domain.failure import InvalidArgument, Refusal
from slotlease.domain.opaque_id import parse_row_id
from slotlease.domain.slot import AskedSlot
from slotlease.domain.view import View


@dataclass(frozen=True, slots=True)
class BookLease(Operation[Booking | Refusal]):
    """The lease is the token: a repeat by the same user gets the same booking, by another one what any used lease
    gets (DESIGN 5). `secret` is SECRET_BYTES random bytes made for this request."""

    lease_id: str
    user_key: str
    user: UserInformation
    payment: PaymentInformation | None
    asks_to_charge: bool
    secret: bytes

    writes: ClassVar[bool] = True

    def want(self, wanted: Wanted) -> None:
        wanted.add_lease(self.lease_id)

    def want_more(self, facts: Facts, wanted: Wanted) -> None:
        row_id = parse_row_id("l", self.lease_id)
        lease = None if row_id is None else facts.leases.get((row_id.merchant_no, row_id.row_no))
        if lease is not None:
            wanted.tokens.add((lease.slot.merchant_id, _token(lease.lease_no)))
            wanted.users_of_slots.add((lease.merchant_no, lease.slot_no, self.user_key))

    def decide(self, view: View) -> Booking | Refusal:
        lease = view.lease_named(self.lease_id)
        if lease is None:
            return LEASE_GONE
        answer = self._with_slot(lease.slot, _token(lease.lease_no)).decide(view)
        # The slot is the lease's own and the syntax is settled: what is left to be wrong is the token's content.
        return LEASE_GONE if isinstance(answer, InvalidArgument) else answer

    def _with_slot(self, slot: AskedSlot, token: str) -> CreateBooking:
        return CreateBooking(
            slot=slot,
            lease_id=self.lease_id,
            user_key=self.user_key,
            user=self.user,
            payment=self.payment,
            asks_to_charge=self.asks_to_charge,
            additional_request="",
            idempotency_token=token,
            secret=self.secret,
        )


def _token(lease_no: int) -> str:
    """No caller's token can be this one: control characters are refused at the edge (wire/limits.py)."""
    return f"\x1flease {lease_no}"

"""ShowSlot: one slot as it stands, and why it cannot be had, for the operator. Google has no such call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from slotlease.desk.operation import Operation
from slotlease.domain.booking import Booking
from slotlease.domain.facts import Facts, Wanted
from slotlease.domain.failure import InvalidArgument
from slotlease.domain.lease import Lease
from slotlease.domain.policy import Closed, reasons_not_bookable
from slotlease.domain.slot import AskedSlot, Slot
from slotlease.domain.spot import FOREVER_US, Occupancy, Spot
from slotlease.domain.view import Offer, View, unknown_slot


@dataclass(frozen=True, slots=True)
class Taken:
    """Another slot that keeps this one's staff or room busy, and the claims that do."""

    slot: Slot
    shares_staff: bool
    shares_room: bool
    claims: tuple[Lease | Booking, ...]


@dataclass(frozen=True, slots=True)
class SlotShown:
    """As it stands at `now_us`. `closed_because` holds every policy that forbids a booking now. `claims` are the live
    ones by spot, at most CLAIMS_MAX; `busy` counts them all."""

    now_us: int

    offer: Offer
    count_available: int
    busy: int
    closed_because: tuple[Closed, ...]
    claims: tuple[Lease | Booking, ...]
    taken: tuple[Taken, ...]


@dataclass(frozen=True, slots=True)
class ShowSlot(Operation[SlotShown | InvalidArgument]):
    slot: AskedSlot

    writes: ClassVar[bool] = False

    def want(self, wanted: Wanted) -> None:
        wanted.merchant_ids.add(self.slot.merchant_id)
        wanted.slots.append(self.slot)

    def want_more(self, facts: Facts, wanted: Wanted) -> None:
        # The slot and its rivals. Those of other requests in the batch cost a look-up and change no answer.
        wanted.claims.update(facts.occupancies)

    def decide(self, view: View) -> SlotShown | InvalidArgument:
        offer = view.find(self.slot)
        if isinstance(offer, InvalidArgument):
            return _why_retired(view, self.slot) or offer
        slot = offer.slot
        return SlotShown(
            view.now_us,
            offer,
            view.count_available(offer),
            view.occupancy(slot).busy,
            tuple(reasons_not_bookable(slot, offer.service, view.now_us)),
            _claims(view, view.spots_busy(slot.key)),
            tuple(_taken(view, slot, rival) for rival in view.rivals(slot) if rival.busy),
        )


def _why_retired(view: View, slot: AskedSlot) -> InvalidArgument | None:
    """What Google's customers are not told: it was offered once. What was leased and sold of it stays."""
    merchant = view.merchant(slot.merchant_id)
    if merchant is None:
        return None
    if merchant.retired:
        return unknown_slot("slot.merchant_id", "the merchant is retired: the last import no longer lists it")
    service = merchant.services.get(slot.service_id)
    if service is not None and service.retired:
        return unknown_slot("slot.service_id", "the service is retired: the last import no longer lists it")
    return None


def _taken(view: View, slot: Slot, rival: Occupancy) -> Taken:
    other = view.slot(rival.key)
    assert other is not None, "a rival was loaded by its slot"  # noqa: S101 - tells the checker what prefetch promises
    return Taken(
        other,
        shares_staff=slot.staff_no != 0 and slot.staff_no == other.staff_no,
        shares_room=slot.room_no != 0 and slot.room_no == other.room_no,
        claims=_claims(view, view.spots_busy(rival.key)),
    )


def _claims(view: View, spots: tuple[Spot, ...]) -> tuple[Lease | Booking, ...]:
    found = (_holder(view, spot) for spot in spots)
    return tuple(holder for holder in found if holder is not None)


def _holder(view: View, spot: Spot) -> Lease | Booking | None:
    key = (spot.merchant_no, spot.holder_no)
    return view.booking(key) if spot.busy_until_us == FOREVER_US else view.lease(key)

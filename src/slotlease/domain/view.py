"""The world as one batch sees it: what was prefetched, overlaid with what the batch has decided so far.

Each request in arrival order reads and changes the view, so the next sees what the one before it did. Nothing
here touches a store: `changes()` is what the commit will write (DESIGN 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from slotlease.domain import policy
from slotlease.domain.booking import Booking
from slotlease.domain.event import Actor, Event, EventKind
from slotlease.domain.facts import Changes, Facts, RowKey, UserOfSlot, natural_key
from slotlease.domain.failure import BookingFailure, Cause, InvalidArgument, Reason
from slotlease.domain.lease import Lease, LeaseState
from slotlease.domain.marketing import MarketingPreference
from slotlease.domain.merchant import Merchant, Service
from slotlease.domain.opaque_id import parse_row_id
from slotlease.domain.rivals import Rivals
from slotlease.domain.slot import AskedSlot, Slot, slot_number
from slotlease.domain.spot import FOREVER_US, GIVEN_BACK_US, Occupancy, Spot, choose_spot, count_available

SpotKey = tuple[int, int, int]


class NotPrefetched(Exception):
    """A request looks for what it did not want when the batch was prefetched: a request before it in the batch has
    changed what it starts from. It must be asked again, of a later view."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A slot that exists, with the merchant and the service that offer it."""

    merchant: Merchant
    service: Service
    slot: Slot


@dataclass(frozen=True, slots=True)
class _Overlay:
    """What a batch has changed so far. Copied whole to take a step back: moves are few, batches small."""

    occupancies: dict[RowKey, Occupancy]
    spots: dict[SpotKey, tuple[Spot | None, Spot]]
    leases: dict[RowKey, Lease]
    leases_buried: dict[RowKey, None]

    def copy(self) -> _Overlay:
        return _Overlay(dict(self.occupancies), dict(self.spots), dict(self.leases), dict(self.leases_buried))


class View:
    """One batch's view. `given` and `given_before` belong to the request that is decided now: the revision that it
    gives a booking, and the one that it gave it in a try of which nobody knows whether it was committed (DESIGN 2)."""

    def __init__(self, facts: Facts, rules: policy.Rules) -> None:
        self.now_us = facts.now_us
        self.rules = rules
        self.given: dict[RowKey, int] = {}
        self.given_before: Mapping[RowKey, int] = {}
        self._facts = facts
        self._next_nos = dict(facts.next_nos)
        self._bookings: dict[RowKey, Booking] = {}
        self._leases_by_reference: dict[tuple[int, str], RowKey] = {}
        self._bookings_by_token: dict[tuple[int, str], RowKey] = {}
        self._users_of_slots: dict[UserOfSlot, frozenset[int]] = {}
        self._events: list[Event] = []
        self._slots: dict[RowKey, Slot] = {}
        self._leases_purged: dict[RowKey, None] = {}
        self._marketing_preferences: dict[str, MarketingPreference] = {}
        self._overlay = _Overlay(dict(facts.occupancies), {}, {}, {})
        self._slots_sharing = Rivals(facts.occupancies.values())

    # --- what is known -------------------------------------------------------------------------------------

    def merchant(self, merchant_id: str) -> Merchant | None:
        """The merchant by its id, retired ones too: their leases and bookings live on."""
        return self._facts.merchants.get(merchant_id)

    def merchant_of(self, merchant_no: int) -> Merchant | None:
        merchant_id = self._facts.merchant_ids.get(merchant_no)
        return None if merchant_id is None else self._facts.merchants[merchant_id]

    def find(self, asked: AskedSlot) -> Offer | InvalidArgument:
        """The slot that was asked for, among those the merchants offer now; fields are named below `slot`.
        Raises NotPrefetched."""
        merchant = self.merchant(asked.merchant_id)
        if merchant is None or merchant.retired:
            return unknown_slot("slot.merchant_id", "no merchant with this id takes bookings here")
        service = merchant.services.get(asked.service_id)
        if service is None or service.retired:
            return unknown_slot("slot.service_id", "the merchant offers no service with this id")
        key = natural_key(merchant, asked)
        if key is None:
            return unknown_slot("slot.resources", "the merchant has no such staff or room")
        sought = (merchant.merchant_no, slot_number(key))
        if sought not in self._facts.slots_sought:
            raise NotPrefetched
        slot = self.slot(sought)
        if slot is None or slot.natural_key != key:
            return unknown_slot("slot.start_time", "the service has no slot with this start, duration and resources")
        if asked.availability_tag and asked.availability_tag != slot.availability_tag:
            return unknown_slot("slot.availability_tag", "the slot carries another availability_tag")
        return Offer(merchant, service, slot)

    def slot(self, key: RowKey) -> Slot | None:
        return self._slots.get(key) or self._facts.slots.get(key)

    def why_not_bookable(self, offer: Offer, actor: Actor = Actor.USER) -> BookingFailure | None:
        return policy.why_not_bookable(offer.slot, offer.service, self.now_us, actor)

    def count_available(self, offer: Offer) -> int:
        """Spots of the slot that could be claimed now; 0 where policy, staff or room forbid any."""
        if self.why_not_bookable(offer) is not None:
            return 0
        occupancy = self._overlay.occupancies[offer.slot.key]
        return count_available(occupancy, self._rivals(occupancy), offer.slot.capacity)

    def occupancy(self, slot: Slot) -> Occupancy:
        return self._overlay.occupancies[slot.key]

    def rivals(self, slot: Slot) -> list[Occupancy]:
        """Other slots with claims, live or lapsed, on the same staff or room at an overlapping time."""
        return self._rivals(self._overlay.occupancies[slot.key])

    def spots_busy(self, slot: RowKey) -> tuple[Spot, ...]:
        """As the ledger has them, by number; only where a request wanted the claims of the slot."""
        return self._facts.spots_busy.get(slot, ())

    def lease(self, key: RowKey) -> Lease | None:
        if key in self._leases_purged:
            return None
        return self._overlay.leases.get(key) or self._facts.leases.get(key)

    def lease_named(self, lease_id: str) -> Lease | None:
        """The lease of that id; None for an id that is malformed, unknown or guessed (INV-31)."""
        row_id = parse_row_id("l", lease_id)
        lease = None if row_id is None else self.lease((row_id.merchant_no, row_id.row_no))
        return lease if row_id is not None and lease is not None and row_id.opens(lease.secret) else None

    def lease_of_reference(self, merchant_no: int, client_reference: str) -> Lease | None:
        token = (merchant_no, client_reference)
        key = self._leases_by_reference.get(token) or self._facts.leases_by_reference.get(token)
        return None if key is None else self.lease(key)

    def booking(self, key: RowKey) -> Booking | None:
        return self._bookings.get(key) or self._facts.bookings.get(key)

    def booking_named(self, booking_id: str) -> Booking | None:
        """The booking of that id; None for an id that is malformed, unknown or guessed (INV-31)."""
        row_id = parse_row_id("b", booking_id)
        booking = None if row_id is None else self.booking((row_id.merchant_no, row_id.row_no))
        return booking if row_id is not None and booking is not None and row_id.opens(booking.secret) else None

    def booking_of_token(self, merchant_no: int, idempotency_token: str) -> Booking | None:
        token = (merchant_no, idempotency_token)
        key = self._bookings_by_token.get(token) or self._facts.bookings_by_token.get(token)
        return None if key is None else self.booking(key)

    def bookings_of_user(self, user_key: str) -> tuple[Booking, ...] | None:
        """Upcoming and not cancelled, by start; None where no booking of the user was ever made."""
        return self._facts.bookings_of_users.get(user_key)

    def user_has_slot(self, user_key: str, slot: RowKey, *, apart_from: int = 0) -> bool:
        """Whether the user has a booking that claims a spot of the slot, leaving out booking `apart_from`.
        Raises NotPrefetched."""
        if (*slot, user_key) not in self._facts.users_of_slots:
            raise NotPrefetched
        return bool(self._users_of_slot((*slot, user_key)) - {apart_from})

    def begin(self, given_before: Mapping[RowKey, int]) -> None:
        """The next request is decided from here on."""
        self.given = {}
        self.given_before = given_before

    def may_have_been_done(self, booking: Booking) -> bool:
        """Whether an earlier try of this request, its outcome unknown, may have changed the booking already. Revisions
        only rise: below the one that the earlier try gave it, that try did not happen."""
        key = (booking.merchant_no, booking.booking_no)
        given = self.given_before.get(key)
        if given is None or booking.revision < given:
            return False
        self.given[key] = given
        return True

    # --- what is decided -----------------------------------------------------------------------------------

    def draw_no(self, merchant_no: int) -> int:
        """The merchant's next number, for a lease, a booking or an event. Never reused."""
        number = self._next_nos[merchant_no]
        self._next_nos[merchant_no] = number + 1
        return number

    def take(self, slot: Slot, *, holder_no: int, busy_until_us: int) -> Spot | BookingFailure:
        """Claims a spot of the slot for the holder, burying what the claim counts as gone; or says it is full."""
        key = slot.key
        occupancy = self._overlay.occupancies[key]
        choice = choose_spot(occupancy, self._rivals(occupancy), slot.capacity)
        if choice is None:
            return BookingFailure(Cause.SLOT_UNAVAILABLE, "no spot of the slot is free")
        for spot in choice.bury:
            self._bury(spot)
        taken = Spot(slot.merchant_no, slot.slot_no, choice.spot_no, busy_until_us, holder_no)
        if choice.replaces is not None and choice.replaces.busy_until_us != GIVEN_BACK_US:
            self._expire_lease((slot.merchant_no, choice.replaces.holder_no))
        self._write_spot(choice.replaces, taken)
        self._overlay.occupancies[key] = self._overlay.occupancies[key].with_taken(choice)
        return taken

    def hand_over(self, spot: Spot, *, holder_no: int) -> None:
        """The spot of a lease becomes a booking's, for ever. The claim goes on, so no count changes."""
        self._write_spot(spot, spot._replace(holder_no=holder_no, busy_until_us=FOREVER_US))

    def give_back(self, spot: Spot) -> None:
        """Ends a busy claim."""
        freed = _freed(spot)
        self._write_spot(spot, freed)
        occupancy = self._overlay.occupancies.get((spot.merchant_no, spot.slot_no))
        if occupancy is not None:
            self._overlay.occupancies[occupancy.key] = occupancy.with_given_back(freed)

    def expire(self, lease: Lease) -> None:
        """Buries a lease whose time is up: whoever counts it as gone makes it so (DESIGN 3)."""
        self._bury(spot_of_lease(lease))

    def put_lease(self, lease: Lease) -> None:
        key = (lease.merchant_no, lease.lease_no)
        self._overlay.leases[key] = lease
        self._leases_by_reference[lease.merchant_no, lease.client_reference] = key

    def purge(self, lease: Lease) -> None:
        """Deletes a lease that has ended. Bury first: one that is still marked ACTIVE may be called live by a clock
        that steps back, and its spot would then be held by nobody (DESIGN 3)."""
        if lease.state is LeaseState.ACTIVE:
            self.expire(lease)
        self._leases_purged[lease.merchant_no, lease.lease_no] = None

    def put_slot(self, slot: Slot) -> None:
        """The slot as its operator wants it: open or closed."""
        self._slots[slot.key] = slot

    def put_marketing_preference(self, preference: MarketingPreference) -> None:
        self._marketing_preferences[preference.user.user_id] = preference

    def put_booking(self, booking: Booking, kind: EventKind, actor: Actor) -> None:
        """Writes the booking and the event that tells of it: one change, one event (INV-16, INV-25)."""
        key = (booking.merchant_no, booking.booking_no)
        before = self.booking(key)
        if before is not None:
            self._note_user_of_slot(before, claims=False)
        self._note_user_of_slot(booking, claims=booking.claims_spot)
        self._bookings[key] = booking
        self.given[key] = booking.revision
        self._bookings_by_token[booking.merchant_no, booking.idempotency_token] = key
        event_no = self.draw_no(booking.merchant_no)
        self._events.append(Event(booking.merchant_no, event_no, self.now_us, kind, actor, booking))

    def save(self) -> _Overlay:
        """A point to which `restore` returns the spots and leases: a move that is refused leaves no trace."""
        return self._overlay.copy()

    def restore(self, saved: _Overlay) -> None:
        self._overlay = saved

    def changes(self) -> Changes:
        facts = self._facts
        return Changes(
            next_nos={
                merchant_no: (facts.next_nos[merchant_no], number)
                for merchant_no, number in self._next_nos.items()
                if number != facts.next_nos[merchant_no]
            },
            slots=facts.slots,
            spots=tuple(pair for pair in self._overlay.spots.values() if pair[0] != pair[1]),
            leases=tuple((facts.leases.get(key), lease) for key, lease in self._overlay.leases.items()),
            leases_buried=tuple(self._overlay.leases_buried),
            bookings=tuple((facts.bookings.get(key), booking) for key, booking in self._bookings.items()),
            events=tuple(self._events),
            slots_closed=tuple(
                (facts.slots[key], slot) for key, slot in self._slots.items() if slot != facts.slots[key]
            ),
            leases_purged=tuple(self._leases_purged),
            marketing_preferences=tuple(self._marketing_preferences.values()),
        )

    # --- below ---------------------------------------------------------------------------------------------

    def _rivals(self, occupancy: Occupancy) -> list[Occupancy]:
        return [self._overlay.occupancies[key] for key in self._slots_sharing.of(occupancy)]

    def _bury(self, spot: Spot) -> None:
        freed = _freed(spot)
        self._write_spot(spot, freed)
        self._expire_lease((spot.merchant_no, spot.holder_no))
        occupancy = self._overlay.occupancies.get((spot.merchant_no, spot.slot_no))
        if occupancy is not None:
            self._overlay.occupancies[occupancy.key] = occupancy.with_buried(spot, freed)

    def _expire_lease(self, key: RowKey) -> None:
        lease = self.lease(key)
        if lease is None:
            self._overlay.leases_buried[key] = None
        else:
            self._overlay.leases[key] = lease._replace(state=LeaseState.EXPIRED)

    def _write_spot(self, before: Spot | None, after: Spot) -> None:
        key = after.key
        first = self._overlay.spots.get(key)
        self._overlay.spots[key] = (before if first is None else first[0], after)

    def _users_of_slot(self, key: UserOfSlot) -> frozenset[int]:
        changed = self._users_of_slots.get(key)
        return self._facts.users_of_slots.get(key, frozenset()) if changed is None else changed

    def _note_user_of_slot(self, booking: Booking, *, claims: bool) -> None:
        key = (booking.merchant_no, booking.slot_no, booking.user_key)
        numbers = self._users_of_slot(key) - {booking.booking_no}
        self._users_of_slots[key] = numbers | {booking.booking_no} if claims else numbers


def spot_of_lease(lease: Lease) -> Spot:
    """The spot row of a lease that is ACTIVE on the ledger: every such lease has one (INV-3)."""
    return Spot(lease.merchant_no, lease.slot_no, lease.spot_no, lease.expires_us, lease.lease_no)


def spot_of_booking(booking: Booking) -> Spot:
    """The spot row of a booking that claims one (INV-3)."""
    return Spot(booking.merchant_no, booking.slot_no, booking.spot_no, FOREVER_US, booking.booking_no)


def _freed(spot: Spot) -> Spot:
    return spot._replace(busy_until_us=GIVEN_BACK_US, holder_no=0)


def unknown_slot(field: str, description: str) -> InvalidArgument:
    """A slot was named that is not offered: INVALID_ARGUMENT in every version (Google's CreateLease page)."""
    return InvalidArgument(field, description, Reason.SLOT_UNKNOWN)

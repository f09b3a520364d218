"""What the shop must answer, said once more and in another way: dicts, sets and counting; no batches, spots or rows.

DESIGN section 5 as a program of its own. It takes requests and values from Slotlease and no decision: not when a lease
is live, not what is free, not when it is too late. It is told each request after the shop answered it, at the instant
at which the shop judged it, and says what the answer had to be. From the shop it takes only the ids that were drawn.

**What it cannot know.** A lease whose time is up may have been marked EXPIRED by a later grant of its own slot, or not:
DESIGN 3 asks for as many burials as keep the slot within its capacity whatever the clock does, and leaves open which.
While the clock runs forward that never shows. When it steps back it does: such leases are `doubtful`, and `settle` is
told what became of them. Nothing else is ever taken from the ledger, and only for leases that are doubtful.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from slotlease.desk.batch_availability_lookup import BatchAvailabilityLookup
from slotlease.desk.book_lease import BookLease
from slotlease.desk.check_availability import CheckAvailability
from slotlease.desk.create_booking import CreateBooking
from slotlease.desk.create_lease import CreateLease
from slotlease.desk.get_booking_status import GetBookingStatus
from slotlease.desk.list_bookings import ListBookings
from slotlease.desk.release_lease import ReleaseLease
from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.merchant import Service
from slotlease.domain.slot import AskedSlot, Resources
from tests.model.kept import NOWHERE, HeldLease, Place, SoldBooking, place_asked
from tests.model.told import BookingTold, LeaseEnded, LeaseTold, Refused, Request, Told, in_order
from tests.support import Offered

SECOND_US = 1_000_000
MIN_LEASE_US = 60 * SECOND_US
MAX_LEASE_US = 900 * SECOND_US
DEFAULT_LEASE_US = 600 * SECOND_US

SLOT_UNKNOWN = Refused("SLOT_UNKNOWN")
SLOT_UNAVAILABLE = Refused("SLOT_UNAVAILABLE")
SLOT_DIFFERS = Refused("SLOT_DIFFERS_FROM_LEASE")
TOKEN_REUSED = Refused("IDEMPOTENCY_TOKEN_REUSED")
LEASE_EXPIRED = Refused("LEASE_EXPIRED")
BOOKED_BY_USER = Refused("SLOT_ALREADY_BOOKED_BY_USER")
ALREADY_CANCELLED = Refused("BOOKING_ALREADY_CANCELLED")
TOO_LATE = Refused("OUTSIDE_CANCELLATION_WINDOW")
NOT_FOUND = Refused("NOT_FOUND")


class ShopModel:
    """`slots` and `services` are the inventory, for the test to change; both are read afresh by each request."""

    def __init__(self) -> None:
        self.slots: dict[Place, Offered] = {}
        self.services: dict[tuple[str, str], Service] = {}
        self.leases: dict[str, HeldLease] = {}
        self.bookings: dict[str, SoldBooking] = {}
        self._lease_of_token: dict[tuple[str, str], str] = {}
        self._booking_of_token: dict[tuple[str, str], str] = {}

    def offer(self, merchant_id: str, offered: Offered) -> None:
        """The slot as the merchant offers it from now on."""
        self.slots[place_asked(offered.asked(merchant_id))] = offered

    def expect(self, request: Request, now_us: int, drawn_id: str) -> Told:
        """What the shop had to answer at that instant. `drawn_id` is the id in its answer: a new grant takes it,
        and it must be one that nobody ever had; anything else ignores it."""
        match request:
            case CreateLease():
                return self._create_lease(request, now_us, drawn_id)
            case CreateBooking():
                return self._create_booking(request, now_us, drawn_id)
            case BookLease():
                return self._book_lease(request, now_us, drawn_id)
            case UpdateBooking():
                return self._update_booking(request, now_us)
            case ReleaseLease():
                return self._release(request, now_us)
            case GetBookingStatus():
                known = self.bookings.get(request.booking_id)
                return NOT_FOUND if known is None else known.now
            case ListBookings():
                return self._list(request, now_us)
            case CheckAvailability():
                place = self._find(request.slot)
                return SLOT_UNKNOWN if place is None else self.count_available(place, now_us)
            case BatchAvailabilityLookup():
                if not self._is_merchant(request.merchant_id):
                    return SLOT_UNKNOWN
                places = map(self._find, request.slots)
                return tuple(place is not None and self.count_available(place, now_us) > 0 for place in places)

    def sweep(self, now_us: int) -> tuple[int, int]:
        """How many leases a sweep buries: at least, at most (the doubtful may be buried already)."""
        lapsed = [lease for lease in self.leases.values() if lease.is_lapsed(now_us)]
        for lease in lapsed:
            lease.state = "EXPIRED"
        return len([lease for lease in lapsed if not lease.doubtful]), len(lapsed)

    def settle(self, states: Mapping[str, str]) -> None:
        """Learns from the ledger (lease_id -> state) whether doubtful leases were buried."""
        for lease_id, lease in self.leases.items():
            if lease.doubtful and lease.state == "ACTIVE" and states[lease_id] == "EXPIRED":
                lease.state = "EXPIRED"
            lease.doubtful = False

    # --- counting --------------------------------------------------------------------------------------------

    def busy(self, place: Place, now_us: int) -> int:
        """Live claims on the slot."""
        leased = sum(1 for lease in self.leases.values() if lease.place == place and lease.is_live(now_us))
        booked = sum(1 for booking in self.bookings.values() if booking.place == place and booking.claims)
        return leased + booked

    def capacity(self, place: Place) -> int:
        offered = self.slots[place]
        return offered.spots_total - offered.spots_elsewhere

    def count_available(self, place: Place, now_us: int) -> int:
        if not self._is_bookable(place, now_us) or self._is_taken_elsewhere(place, now_us):
            return 0
        return max(0, self.capacity(place) - self.busy(place, now_us))

    def overcommitted(self, now_us: int) -> set[Place]:
        """Slots with more live claims than spots: lawful only where the merchant took spots away under them."""
        return {place for place in self.slots if self.busy(place, now_us) > self.capacity(place)}

    def _rivals(self, place: Place) -> Iterator[Place]:
        for other in self.slots:
            shares_staff = place.staff_id != "" and place.staff_id == other.staff_id
            shares_room = place.room_id != "" and place.room_id == other.room_id
            first, second = sorted((place, other), key=lambda one: one.start_us)
            overlaps = second.start_us < first.start_us + first.duration_us
            if other != place and other.merchant_id == place.merchant_id and (shares_staff or shares_room) and overlaps:
                yield other

    def _is_taken_elsewhere(self, place: Place, now_us: int) -> bool:
        return any(self.busy(rival, now_us) for rival in self._rivals(place))

    # --- inventory -------------------------------------------------------------------------------------------

    def _is_merchant(self, merchant_id: str) -> bool:
        return any(known == merchant_id for known, _ in self.services)

    def _find(self, asked: AskedSlot) -> Place | None:
        place = place_asked(asked)
        offered = self.slots.get(place)
        if offered is None or asked.availability_tag not in {"", offered.availability_tag}:
            return None
        return place

    def _service(self, place: Place) -> Service:
        return self.services[place.merchant_id, place.service_id]

    def _is_bookable(self, place: Place, now_us: int) -> bool:
        offered = self.slots[place]
        last_us = offered.last_bookable_us
        if last_us is None:
            last_us = place.start_us - self._service(place).min_advance_booking_s * SECOND_US
        too_soon = offered.first_bookable_us is not None and now_us < offered.first_bookable_us
        return not offered.closed and not too_soon and now_us < place.start_us and now_us <= last_us

    def _cancel_by_us(self, place: Place) -> int:
        last_us = self.slots[place].last_online_cancellable_us
        if last_us is not None:
            return last_us
        return place.start_us - (self._service(place).min_advance_online_canceling_s or 0) * SECOND_US

    # --- leases ----------------------------------------------------------------------------------------------

    def _create_lease(self, request: CreateLease, now_us: int, drawn_id: str) -> Told:
        token = (request.slot.merchant_id, request.client_reference)
        if token in self._lease_of_token:
            earlier = self.leases[self._lease_of_token[token]].told
            return earlier if earlier.slot == request.slot else TOKEN_REUSED
        place = self._find(request.slot)
        if place is None:
            return SLOT_UNKNOWN
        if self.count_available(place, now_us) == 0 or place.start_us - now_us < SECOND_US:
            return SLOT_UNAVAILABLE
        expires_us = _expiry_us(request.asked_expiry_us, place.start_us, now_us)
        told = LeaseTold(self._new(drawn_id), request.slot, request.client_reference, expires_us)
        self._bury(place, now_us)
        self.leases[told.lease_id] = HeldLease(told, place, self._cancel_by_us(place), self.slots[place].asynchronous)
        self._lease_of_token[token] = told.lease_id
        return told

    def _release(self, request: ReleaseLease, now_us: int) -> Told:
        lease = self.leases.get(request.lease_id)
        if lease is None:
            return NOT_FOUND
        if lease.state == "ACTIVE":
            lease.state = "RELEASED" if lease.is_live(now_us) else "EXPIRED"
        return LeaseEnded(request.lease_id, lease.state)

    def _bury(self, granted: Place, now_us: int) -> None:
        """Whoever takes a lapsed lease's staff or room buries it. Of its own slot's, some: see the top."""
        rivals = set(self._rivals(granted))
        for lease in self.leases.values():
            if lease.is_lapsed(now_us) and lease.place in rivals:
                lease.state = "EXPIRED"
            elif lease.is_lapsed(now_us) and lease.place == granted:
                lease.doubtful = True

    # --- bookings --------------------------------------------------------------------------------------------

    def _create_booking(self, request: CreateBooking, now_us: int, drawn_id: str) -> Told:
        asked = (request.lease_id, request.slot, request.user, request.payment)
        token = (request.slot.merchant_id, request.idempotency_token)
        if token in self._booking_of_token:
            earlier = self.bookings[self._booking_of_token[token]]
            return earlier.first if earlier.asked == asked else TOKEN_REUSED
        lease = self.leases.get(request.lease_id)
        refusal = self._why_not_with_lease(request, now_us) if request.lease_id else self._why_not(request, now_us)
        if refusal is not None:
            return refusal
        place = place_asked(request.slot)
        asynchronous = self.slots[place].asynchronous if lease is None else lease.asynchronous
        cancel_by_us = self._cancel_by_us(place) if lease is None else lease.cancel_by_us
        told = BookingTold(
            self._new(drawn_id), request.slot, _status(asynchronous=asynchronous), request.user, request.payment
        )
        if lease is None:
            self._bury(place, now_us)
        else:
            lease.state = "CONSUMED"
        self.bookings[told.booking_id] = SoldBooking(
            told, told, place, request.user_key, asked, request.lease_id, cancel_by_us
        )
        self._booking_of_token[token] = told.booking_id
        return told

    def _book_lease(self, request: BookLease, now_us: int, drawn_id: str) -> Told:
        """As version 0 books: the lease is the token, and to whoever asks wrongly it is used up (DESIGN 5)."""
        lease = self.leases.get(request.lease_id)
        if lease is None:
            return LEASE_EXPIRED
        booking = CreateBooking(
            slot=lease.told.slot,
            lease_id=request.lease_id,
            user_key=request.user_key,
            user=request.user,
            payment=request.payment,
            asks_to_charge=False,
            additional_request="",
            idempotency_token=f"the lease {request.lease_id}",
            secret=request.secret,
        )
        told = self._create_booking(booking, now_us, drawn_id)
        return LEASE_EXPIRED if told == TOKEN_REUSED else told

    def _why_not(self, request: CreateBooking, now_us: int) -> Refused | None:
        place = self._find(request.slot)
        if place is None:
            return SLOT_UNKNOWN
        if self._is_double(request.user_key, place):
            return BOOKED_BY_USER
        return None if self.count_available(place, now_us) else SLOT_UNAVAILABLE

    def _why_not_with_lease(self, request: CreateBooking, now_us: int) -> Refused | None:
        """A live lease is a promise: only the lease is compared, whatever the inventory says by now."""
        if (request.slot.merchant_id, request.slot.service_id) not in self.services:
            return SLOT_UNKNOWN
        lease = self.leases.get(request.lease_id)
        if lease is None:
            return LEASE_EXPIRED
        if lease.told.slot != request.slot:
            return SLOT_DIFFERS
        if lease.is_lapsed(now_us):
            lease.state = "EXPIRED"
        if not lease.is_live(now_us):
            return LEASE_EXPIRED
        return BOOKED_BY_USER if self._is_double(request.user_key, lease.place) else None

    def _is_double(self, user_key: str, place: Place, *, apart_from: str = "") -> bool:
        return self._service(place).one_booking_per_user and any(
            booking.place == place and booking.user_key == user_key and booking.claims
            for booking_id, booking in self.bookings.items()
            if booking_id != apart_from
        )

    def _update_booking(self, request: UpdateBooking, now_us: int) -> Told:
        booking = self.bookings.get(request.booking_id)
        if booking is None:
            return NOT_FOUND
        if request.status is not None and request.status.name == "CANCELED":
            return self._cancel(booking, now_us)
        if not booking.claims:
            return ALREADY_CANCELLED
        target = booking.place._replace(
            start_us=booking.place.start_us if request.start_us is None else request.start_us,
            duration_us=booking.place.duration_us if request.duration_us is None else request.duration_us,
            party_size=booking.place.party_size if request.party_size is None else request.party_size,
        )
        return booking.now if target == booking.place else self._move(booking, target, now_us)

    def _cancel(self, booking: SoldBooking, now_us: int) -> Told:
        if booking.claims:
            if now_us > booking.cancel_by_us:
                return TOO_LATE
            booking.now = replace(booking.now, status="CANCELED")
            booking.revision += 1
        return booking.now

    def _move(self, booking: SoldBooking, target: Place, now_us: int) -> Told:
        if target not in self.slots:
            return SLOT_UNKNOWN
        if self._is_double(booking.user_key, target, apart_from=booking.now.booking_id):
            return BOOKED_BY_USER
        if now_us > booking.cancel_by_us:
            return TOO_LATE
        before, booking.place = booking.place, NOWHERE
        if self.count_available(target, now_us) == 0:
            booking.place = before
            return SLOT_UNAVAILABLE
        self._bury(target, now_us)
        offered = self.slots[target]
        resources = booking.now.slot.resources
        if resources is not None or target.party_size:
            resources = Resources(target.staff_id, target.room_id, target.party_size)
        slot = replace(
            booking.now.slot,
            start_us=target.start_us,
            duration_us=target.duration_us,
            resources=resources,
            # Who never named a tag is told none.
            availability_tag=offered.availability_tag if booking.now.slot.availability_tag else "",
        )
        booking.place = target
        booking.now = replace(booking.now, slot=slot, status=_status(asynchronous=offered.asynchronous))
        booking.cancel_by_us = self._cancel_by_us(target)
        booking.revision += 1
        return booking.now

    def _list(self, request: ListBookings, now_us: int) -> Told:
        theirs = [booking for booking in self.bookings.values() if booking.user_key == request.user_key]
        if not theirs:
            return NOT_FOUND
        upcoming = [booking.now for booking in theirs if booking.claims and booking.place.start_us > now_us]
        return in_order(sorted(upcoming, key=lambda booking: booking.slot.start_us))

    def _new(self, drawn_id: str) -> str:
        assert drawn_id not in self.leases, f"{drawn_id} was drawn before"
        assert drawn_id not in self.bookings, f"{drawn_id} was drawn before"
        return drawn_id or "an id of its own"


def _expiry_us(asked_us: int | None, start_us: int, now_us: int) -> int:
    """min(max(asked, now + min), now + max, slot start), on a whole second (DESIGN 5, CreateLease)."""
    wished_us = now_us + DEFAULT_LEASE_US if asked_us is None else asked_us
    wished_us = max(wished_us, now_us + MIN_LEASE_US)
    wished_us = min(wished_us, now_us + MAX_LEASE_US, start_us)
    return wished_us // SECOND_US * SECOND_US


def _status(*, asynchronous: bool) -> str:
    return "PENDING_MERCHANT_CONFIRMATION" if asynchronous else "CONFIRMED"

"""Who asks, and what they ask: a small shop where everybody wants the same few slots, and callers who lease, book,
move, cancel, look, and repeat themselves, all drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random  # noqa: TID251 - the seed is the argument: it is what makes a run repeatable

from slotlease.desk.batch_availability_lookup import BatchAvailabilityLookup
from slotlease.desk.book_lease import BookLease
from slotlease.desk.check_availability import CheckAvailability
from slotlease.desk.create_booking import CreateBooking
from slotlease.desk.create_lease import CreateLease
from slotlease.desk.get_booking_status import GetBookingStatus
from slotlease.desk.list_bookings import ListBookings
from slotlease.desk.release_lease import ReleaseLease
from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import BookingStatus, UserInformation, user_key
from slotlease.domain.merchant import Service
from slotlease.domain.slot import SECOND_US, AskedSlot, Resources
from tests.model.told import BookingTold, LeaseTold, Request, Told
from tests.support import DAY_US, HOUR_US, MINUTE_US, NOON_US, Offered, user

TEN_US = NOON_US + DAY_US - 2 * HOUR_US
HALF_HOUR_US = HOUR_US // 2
NO_SECRET = bytes(16)
"""Stands in a request until it is delivered: whoever serves it makes the random bits."""

SERVICES = (
    Service(0, 0, "cut"),
    Service(0, 0, "gym", one_booking_per_user=False),
    Service(0, 0, "massage"),
    Service(0, 0, "table", min_advance_online_canceling_s=24 * 3600),
)

SLOTS = {
    "m1": (
        Offered(start_us=NOON_US + 25 * MINUTE_US, spots_total=2),  # begins while people still ask for it
        Offered(start_us=TEN_US),
        Offered(start_us=TEN_US + HOUR_US, availability_tag="tag", asynchronous=True),
        Offered("gym", TEN_US, spots_total=3),
        Offered("gym", TEN_US + HOUR_US, spots_total=4, spots_elsewhere=2),
        # One masseuse: the first two overlap, the third touches the second and overlaps nobody.
        Offered("massage", TEN_US, staff_id="ann"),
        Offered("massage", TEN_US + HALF_HOUR_US, staff_id="ann", spots_total=2),
        Offered("massage", TEN_US + HALF_HOUR_US + HOUR_US, staff_id="ann"),
        Offered("table", TEN_US, 2 * HOUR_US, room_id="hall", party_size=2, spots_total=2),
        Offered("table", TEN_US + HOUR_US, 2 * HOUR_US, room_id="hall", party_size=2, spots_total=2),
        Offered("table", TEN_US + HOUR_US, 2 * HOUR_US, room_id="hall", party_size=4),
    ),
    "m2": (Offered("gym", TEN_US, spots_total=2), Offered("gym", TEN_US + HOUR_US)),
}

ASKED = tuple(offered.asked(merchant_id) for merchant_id, slots in SLOTS.items() for offered in slots)


@dataclass(slots=True, eq=False)
class Caller:
    """One who waits for an answer before asking again. Remembers what was told; `bookings` may be shared."""

    name: str
    user_id: str
    bookings: list[BookingTold]
    asked: int = 0
    leases: list[LeaseTold] = field(default_factory=list)
    answered: list[Request] = field(default_factory=list)

    def next_request(self, rng: Random, now_us: int) -> Request:
        self.asked += 1
        (ask,) = rng.choices(list(_WISHES), list(_WISHES.values()))
        return ask(self, rng, now_us)

    def hear(self, request: Request, told: Told) -> None:
        if isinstance(told, LeaseTold):
            self.leases.append(told)
        if isinstance(told, BookingTold):
            self.bookings.append(told)
        if isinstance(request, CreateLease | CreateBooking | BookLease):
            self.answered.append(request)

    # --- wishes ------------------------------------------------------------------------------------------------

    def _lease(self, rng: Random, now_us: int) -> Request:
        return CreateLease(_slot(rng), f"{self.name}-{self.asked}", wished_expiry_us(rng, now_us), NO_SECRET)

    def _book_leased(self, rng: Random, now_us: int) -> Request:
        if not self.leases:
            return self._lease(rng, now_us)
        lease = rng.choice(self.leases[-3:])
        return self._booking(lease.slot if rng.random() < 0.97 else _slot(rng), lease.lease_id)

    def _book_as_version_0(self, rng: Random, now_us: int) -> Request:
        """By a lease and a contact, and no token: asked again it is the same lease that says so."""
        if not self.leases:
            return self._lease(rng, now_us)
        lease = rng.choice(self.leases[-3:])
        contact = UserInformation("", self.user_id, "Lovelace", "+41 44 000 00 00", f"{self.user_id}@example.com")
        return BookLease(
            lease.lease_id, f"contact {self.user_id}", contact, None, asks_to_charge=False, secret=NO_SECRET
        )

    def _book(self, rng: Random, _: int) -> Request:
        return self._booking(_slot(rng), "")

    def _booking(self, slot: AskedSlot, lease_id: str) -> CreateBooking:
        who = user(self.user_id)
        token = f"{self.name}-{self.asked}"
        return CreateBooking(slot, lease_id, user_key(self.user_id), who, None, False, "", token, NO_SECRET)

    def _cancel(self, rng: Random, now_us: int) -> Request:
        if not self.bookings:
            return self._book(rng, now_us)
        return UpdateBooking(rng.choice(self.bookings).booking_id, status=BookingStatus.CANCELED)

    def _move(self, rng: Random, now_us: int) -> Request:
        if not self.bookings:
            return self._book(rng, now_us)
        booking = rng.choice(self.bookings[-2:] if rng.random() < 0.5 else self.bookings)
        slots = [one for one in ASKED if one.service_id == booking.slot.service_id] or list(ASKED)
        target = rng.choice(slots)
        party_size = target.resources_or_none_given.party_size or None
        return UpdateBooking(booking.booking_id, start_us=target.start_us, party_size=party_size)

    def _release(self, rng: Random, now_us: int) -> Request:
        if not self.leases:
            return self._lease(rng, now_us)
        return ReleaseLease(rng.choice(self.leases).lease_id)

    def _repeat(self, rng: Random, now_us: int) -> Request:
        return rng.choice(self.answered) if self.answered else self._lease(rng, now_us)

    def _look(self, rng: Random, _: int) -> Request:
        if rng.random() < 0.5:
            return CheckAvailability(_slot(rng))
        return BatchAvailabilityLookup("m1", tuple(slot for slot in ASKED if slot.merchant_id == "m1"))

    def _status(self, rng: Random, _: int) -> Request:
        if self.bookings and rng.random() < 0.5:
            return GetBookingStatus(rng.choice(self.bookings).booking_id)
        return ListBookings(user_key(self.user_id))


_WISHES: dict[Callable[[Caller, Random, int], Request], int] = {
    Caller._lease: 30,  # noqa: SLF001 - this class's own
    Caller._book_leased: 16,  # noqa: SLF001
    Caller._book_as_version_0: 8,  # noqa: SLF001
    Caller._book: 10,  # noqa: SLF001
    Caller._cancel: 10,  # noqa: SLF001
    Caller._move: 12,  # noqa: SLF001
    Caller._release: 4,  # noqa: SLF001
    Caller._repeat: 5,  # noqa: SLF001
    Caller._look: 6,  # noqa: SLF001
    Caller._status: 6,  # noqa: SLF001
}


def again(request: Request, rng: Random, now_us: int) -> Request:
    """A retry: the same request with the same token; only the expiry it wishes for is computed anew (DESIGN 5)."""
    if isinstance(request, CreateLease):
        return replace(request, asked_expiry_us=wished_expiry_us(rng, now_us))
    return request


def wished_expiry_us(rng: Random, now_us: int) -> int | None:
    return rng.choice([None, now_us + rng.randrange(-60, 1200) * SECOND_US])


def _slot(rng: Random) -> AskedSlot:
    slot = rng.choice(ASKED)
    if slot.resources is None and rng.random() < 0.1:
        return replace(slot, resources=Resources())  # names the same slot and is echoed differently
    return slot

"""Everybody who asks something of a shop: they know what they were told, mix things up, and ask again.

Who chooses is handed in (`Pick`), so that a state machine and a seeded day ask from one stock of requests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Protocol, TypeVar

from slotlease.desk.batch_availability_lookup import BatchAvailabilityLookup
from slotlease.desk.book_lease import BookLease
from slotlease.desk.check_availability import CheckAvailability
from slotlease.desk.create_booking import CreateBooking
from slotlease.desk.create_lease import CreateLease
from slotlease.desk.get_booking_status import GetBookingStatus
from slotlease.desk.list_bookings import ListBookings
from slotlease.desk.release_lease import ReleaseLease
from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import BookingStatus, PaymentInformation, PrepaymentStatus, UserInformation, user_key
from slotlease.domain.slot import AskedSlot, Resources
from tests.model.corners import Corner
from tests.model.told import BookingTold, LeaseTold, ReadRequest, Request, Told, WriteRequest
from tests.support import DAY_US, HOUR_US, MINUTE_US, user

T = TypeVar("T")

USERS = ("u1", "u2", "u3")
LEASE_WISHES_US = (None, -DAY_US, 0, 61_500_000, 3 * MINUTE_US, HOUR_US, 300 * DAY_US)
PENDING = "PENDING_MERCHANT_CONFIRMATION"
PAYMENT = PaymentInformation(PrepaymentStatus.PROVIDED, "tx-1")


class Pick(Protocol):
    """Chooses one of several, of which there is at least one."""

    def __call__(self, options: Sequence[T], /) -> T: ...


@dataclass(slots=True)
class Customers:
    """`heard` is to be called with each request and its answer: later requests are made of both."""

    corner: Corner
    leases: list[LeaseTold] = field(default_factory=list)
    bookings: dict[str, BookingTold] = field(default_factory=dict)
    """By id, as they last heard of it."""
    leases_asked: list[CreateLease] = field(default_factory=list)
    bookings_asked: list[CreateBooking] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def heard(self, request: Request, told: Told) -> None:
        if isinstance(request, CreateLease):
            self.leases_asked.append(request)
        elif isinstance(request, CreateBooking):
            self.bookings_asked.append(request)
        if isinstance(told, LeaseTold) and told not in self.leases:
            self.leases.append(told)
        elif isinstance(told, BookingTold) and not (
            isinstance(request, CreateBooking | BookLease) and told.booking_id in self.bookings
        ):
            self.bookings[told.booking_id] = told

    def again(self, request: Request) -> Request:
        """The same request delivered once more: what the server draws for itself it draws anew."""
        if isinstance(request, CreateLease):
            return replace(request, secret=self._secret())
        return replace(request, secret=self._secret()) if isinstance(request, CreateBooking | BookLease) else request

    # --- what they ask: fresh --------------------------------------------------------------------------------

    def some_slot(self, pick: Pick) -> AskedSlot:
        """A slot of the corner as somebody names it; now and then with or without its tag, or wrongly."""
        merchant_id, offered = pick(self.corner.slots)
        asked = offered.asked(merchant_id)
        named = pick(("as offered",) * 8 + ("with its tag", "with resources", "misnamed"))
        if named == "with its tag":
            return replace(asked, availability_tag=offered.availability_tag)
        if named == "with resources":
            return replace(asked, resources=asked.resources or Resources())
        return asked if named == "as offered" else pick(_misnamed(asked))

    def lease(self, pick: Pick, now_us: int) -> CreateLease:
        wish_us = pick(LEASE_WISHES_US)
        expiry_us = None if wish_us is None else now_us + wish_us
        return CreateLease(self.some_slot(pick), f"r{next(self._numbers)}", expiry_us, self._secret())

    def booking_from_lease(self, pick: Pick) -> CreateBooking:
        """From any lease they ever got: live, expired, used or released."""
        lease = pick(self.leases[-4:])
        return self._booking(pick, lease.slot, lease.lease_id)

    def booking_from_strange_lease(self, pick: Pick) -> CreateBooking:
        """A lease of another slot, one that somebody guessed, one that never was."""
        lease_ids = ["", "l1-1-00", "l9-9-" + "0" * 32, "lease"]
        for lease in self.leases[-3:]:
            lease_ids += [lease.lease_id, lease.lease_id[:-2] + "ff", "b" + lease.lease_id[1:]]
        return self._booking(pick, self.some_slot(pick), pick(lease_ids))

    def booking_as_in_version_0(self, pick: Pick) -> BookLease:
        """By a lease and nothing else, and by somebody without an id. Asked for again as often as not."""
        name = pick(USERS)
        lease_id = pick([*(lease.lease_id for lease in self.leases[-4:] * 3), "l9-9-" + "0" * 32])
        contact = UserInformation("", name, "Lovelace", "+41 44 000 00 00", f"{name}@example.com")
        return BookLease(lease_id, f"contact {name}", contact, pick((None, None, PAYMENT)), False, self._secret())

    def direct_booking(self, pick: Pick) -> CreateBooking:
        return self._booking(pick, self.some_slot(pick), "")

    # --- what they ask again -----------------------------------------------------------------------------------

    def lease_again(self, pick: Pick, now_us: int) -> CreateLease:
        """The same token and slot, and an expiry reckoned anew."""
        asked = pick(self.leases_asked)
        return replace(asked, asked_expiry_us=now_us + HOUR_US, secret=self._secret())

    def lease_with_used_token(self, pick: Pick) -> CreateLease:
        return replace(pick(self.leases_asked), slot=self.some_slot(pick), secret=self._secret())

    def booking_again(self, pick: Pick) -> CreateBooking:
        return replace(pick(self.bookings_asked), secret=self._secret())

    def booking_with_used_token(self, pick: Pick) -> CreateBooking:
        asked = pick(self.bookings_asked)
        others = [
            replace(asked, slot=self.some_slot(pick)),
            replace(asked, user=replace(asked.user, given_name="Grace")),
            replace(asked, payment=None if asked.payment else PAYMENT),
            replace(asked, lease_id=pick([lease.lease_id for lease in self.leases] or [""])),
        ]
        return replace(pick(others), secret=self._secret())

    # --- what becomes of a booking -------------------------------------------------------------------------------

    def cancel(self, pick: Pick) -> UpdateBooking:
        return UpdateBooking(self._booking_id(pick), status=BookingStatus.CANCELED)

    def move(self, pick: Pick) -> UpdateBooking:
        """To another slot of its service, named by start, by duration, by party size, or by several of them."""
        booking = self.some_booking(pick)
        here = (booking.slot.start_us, booking.slot.duration_us, booking.slot.resources_or_none_given.party_size)
        of_service = [offered for _, offered in self.corner.slots if offered.service_id == booking.slot.service_id]
        elsewhere = [to for to in of_service if (to.start_us, to.duration_us, to.party_size) != here]
        to = pick(elsewhere or of_service)
        whole = UpdateBooking(booking.booking_id, None, to.start_us, to.duration_us, to.party_size or None)
        return pick((whole, whole, replace(whole, duration_us=None), replace(whole, start_us=None, duration_us=None)))

    def change_party(self, pick: Pick) -> UpdateBooking:
        return UpdateBooking(self._booking_id(pick), party_size=pick((0, 2, 4, 5)))

    def move_onto_itself(self, pick: Pick) -> UpdateBooking:
        booking = self.some_booking(pick)
        return UpdateBooking(booking.booking_id, start_us=booking.slot.start_us, duration_us=booking.slot.duration_us)

    def confirm(self, pick: Pick) -> UpdateBooking:
        """Says of a booking what is true, or was before it was cancelled."""
        confirmed = [told.booking_id for told in self.bookings.values() if told.status != PENDING]
        return UpdateBooking(pick(confirmed or ["booking"]), status=BookingStatus.CONFIRMED)

    def some_booking(self, pick: Pick) -> BookingTold:
        """One of theirs, rather one that stands than one that was cancelled."""
        standing = [booking for booking in self.bookings.values() if booking.status != "CANCELED"]
        return pick([*standing * 3, *self.bookings.values()])

    def release(self, pick: Pick) -> ReleaseLease:
        return ReleaseLease(pick([*(lease.lease_id for lease in self.leases[-6:]), "l1-1-" + "0" * 32]))

    # --- what they look up -----------------------------------------------------------------------------------

    def look(self, pick: Pick) -> ReadRequest:
        slots = tuple(offered.asked(merchant_id) for merchant_id, offered in self.corner.slots if merchant_id == "m1")
        lookup = BatchAvailabilityLookup("m1", (*slots, pick(_misnamed(slots[0]))))
        looks: tuple[ReadRequest, ...] = (
            CheckAvailability(self.some_slot(pick)),
            CheckAvailability(self.some_slot(pick)),
            lookup,
            replace(lookup, merchant_id="nobody"),
            ListBookings(user_key(pick((*USERS, "stranger")))),
            GetBookingStatus(self._booking_id(pick)),
        )
        return pick(looks)

    # --- many of them ------------------------------------------------------------------------------------------

    def claim(self, pick: Pick, slot: AskedSlot, now_us: int) -> WriteRequest:
        """A spot of that slot, one way or another: a lease, a booking, or what was leased of it."""
        leased = [lease for lease in self.leases if lease.slot == slot]
        how = pick(("lease", "lease", "book", *["leased"] * bool(leased)))
        if how == "lease":
            return replace(self.lease(pick, now_us), slot=slot)
        lease_id = pick(leased).lease_id if how == "leased" else ""
        return self._booking(pick, slot, lease_id)

    def change(self, pick: Pick, booking: BookingTold) -> UpdateBooking:
        ways = (self.move, self.move, self.move_onto_itself, self.change_party, self.cancel)
        return replace(pick(ways)(pick), booking_id=booking.booking_id)

    def any_write(self, pick: Pick, now_us: int) -> WriteRequest:
        """Whatever may be asked that changes something, as far as there is anything to ask it of."""
        ways: list[Callable[[Pick], WriteRequest]] = [self.direct_booking]
        ways += [self.lease_with_used_token] * bool(self.leases_asked)
        ways += [
            *[self.booking_from_lease] * 4,
            self.booking_as_in_version_0,
            self.release,
            self.booking_from_strange_lease,
        ] * bool(self.leases)
        ways += [self.booking_again, self.booking_with_used_token] * bool(self.bookings_asked)
        ways += [*[self.cancel] * 3, *[self.move] * 3, self.move_onto_itself, self.change_party] * bool(self.bookings)
        timed = [self.lease] * 4 + [self.lease_again] * bool(self.leases_asked)
        chosen = pick(range(len(ways) + len(timed)))
        return ways[chosen](pick) if chosen < len(ways) else timed[chosen - len(ways)](pick, now_us)

    # --- below -----------------------------------------------------------------------------------------------

    def _booking(self, pick: Pick, slot: AskedSlot, lease_id: str) -> CreateBooking:
        user_id = pick(USERS)
        return CreateBooking(
            slot=slot,
            lease_id=lease_id,
            user_key=user_key(user_id),
            user=user(user_id),
            payment=pick((None, None, PAYMENT)),
            asks_to_charge=False,
            additional_request="",
            idempotency_token=f"t{next(self._numbers)}",
            secret=self._secret(),
        )

    def _booking_id(self, pick: Pick) -> str:
        """One of theirs; rarely one that was guessed, or never was."""
        strange = pick((False,) * 9 + (True,)) or not self.bookings
        return pick(("b1-1-" + "0" * 32, "booking")) if strange else self.some_booking(pick).booking_id

    def _secret(self) -> bytes:
        return next(self._numbers).to_bytes(16, "big")


def _misnamed(asked: AskedSlot) -> tuple[AskedSlot, ...]:
    resources = asked.resources or Resources()
    return (
        replace(asked, merchant_id="nobody"),
        replace(asked, service_id="nothing"),
        replace(asked, start_us=asked.start_us + 1),
        replace(asked, duration_us=asked.duration_us + 1),
        replace(asked, availability_tag="another"),
        replace(asked, resources=replace(resources, staff_id="zoe")),
        replace(asked, resources=replace(resources, party_size=77)),
    )

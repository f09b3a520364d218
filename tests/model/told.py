"""What can be asked of a shop and what an answer tells, without the shop's own words for it.

The model speaks only of these, so that the same histories can be told through a socket: whoever fetches the answers
there turns messages into `Told`, as `told_by_desk` does for a shop in process.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from slotlease.desk.batch_availability_lookup import BatchAvailabilityLookup
from slotlease.desk.book_lease import BookLease
from slotlease.desk.check_availability import Availability, CheckAvailability
from slotlease.desk.create_booking import CreateBooking
from slotlease.desk.create_lease import CreateLease
from slotlease.desk.get_booking_status import GetBookingStatus
from slotlease.desk.list_bookings import ListBookings
from slotlease.desk.release_lease import ReleaseLease
from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import Booking, PaymentInformation, UserInformation
from slotlease.domain.failure import BookingFailure, InvalidArgument, NotFound
from slotlease.domain.lease import Lease
from slotlease.domain.slot import AskedSlot

WriteRequest: TypeAlias = CreateLease | CreateBooking | BookLease | UpdateBooking | ReleaseLease
ReadRequest: TypeAlias = GetBookingStatus | ListBookings | CheckAvailability | BatchAvailabilityLookup
Request: TypeAlias = WriteRequest | ReadRequest


@dataclass(frozen=True, slots=True)
class Refused:
    """`why`: the cause of a booking failure, the reason of an invalid argument, or NOT_FOUND."""

    why: str


@dataclass(frozen=True, slots=True)
class LeaseTold:
    """All that CreateLease says of a lease; a repeat says the same, whatever has become of it."""

    lease_id: str
    slot: AskedSlot
    client_reference: str
    expires_us: int


@dataclass(frozen=True, slots=True)
class LeaseEnded:
    """What ReleaseLease says: the lease and how it ended."""

    lease_id: str
    state: str


@dataclass(frozen=True, slots=True)
class BookingTold:
    """A booking as an answer shows it: to CreateBooking as it was made, to all others as it is."""

    booking_id: str
    slot: AskedSlot
    status: str
    user: UserInformation
    payment: PaymentInformation | None


Told: TypeAlias = Refused | LeaseTold | LeaseEnded | BookingTold | tuple[BookingTold, ...] | tuple[bool, ...] | int


def told_by_desk(request: Request, answer: object) -> Told:
    """The answer of a shop in process. Raises a fault that stands in its place."""
    match answer:
        case BaseException():
            raise answer
        case BookingFailure():
            return Refused(answer.cause.name)
        case InvalidArgument():
            return Refused(answer.reason.name)
        case NotFound():
            return Refused("NOT_FOUND")
        case Lease() if isinstance(request, ReleaseLease):
            return LeaseEnded(answer.lease_id, answer.state.name)
        case Lease():
            return LeaseTold(answer.lease_id, answer.slot, answer.client_reference, answer.expires_us)
        case Booking():
            return _booking_told(answer, created=isinstance(request, CreateBooking | BookLease))
        case Availability() if isinstance(request, CheckAvailability) and answer.slot == request.slot:
            return answer.count_available
        case tuple() if isinstance(request, ListBookings):
            return in_order(_booking_told(booking, created=False) for booking in answer)
        case tuple() if isinstance(request, BatchAvailabilityLookup):
            return answer
        case _:
            message = f"no answer to {request}: {answer!r}"
            raise AssertionError(message)


def drawn_id(told: Told) -> str:
    """The id of the lease or booking that the answer tells of; empty where it tells of none."""
    if isinstance(told, LeaseTold | LeaseEnded):
        return told.lease_id
    return told.booking_id if isinstance(told, BookingTold) else ""


def in_order(bookings: Iterable[BookingTold]) -> tuple[BookingTold, ...]:
    """Of bookings that start together no order is promised, so they are put into one. What starts earlier must have
    come first already."""
    listed = list(bookings)
    assert [one.slot.start_us for one in listed] == sorted(one.slot.start_us for one in listed), "not by start"
    return tuple(sorted(listed, key=_by_start_and_id))


def _by_start_and_id(booking: BookingTold) -> tuple[int, str]:
    return (booking.slot.start_us, booking.booking_id)


def _booking_told(booking: Booking, *, created: bool) -> BookingTold:
    slot = booking.slot_created if created else booking.slot
    status = booking.status_created if created else booking.status
    return BookingTold(booking.booking_id, slot, status.name, booking.user, booking.payment)

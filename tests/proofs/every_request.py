"""Each kind of request on a ledger where it has something to do, and two neighbours that have nothing to do with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from slotlease.desk.answer_booking import AnswerBooking
from slotlease.desk.book_lease import BookLease
from slotlease.desk.close_slot import CloseSlot
from slotlease.desk.operation import Operation
from slotlease.desk.purge_leases import KEPT_US, PurgeLeases
from slotlease.desk.release_lease import ReleaseLease
from slotlease.desk.set_marketing_preference import SetMarketingPreference
from slotlease.desk.sweep_leases import SweepLeases
from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import BookingStatus, contact_key
from tests.support import DAY_US, HOUR_US, NOON_US, Offered, Shop, user

TEN_US = NOON_US + DAY_US - 2 * HOUR_US
LAPSE_S = 3600
"""Longer than any lease lasts."""

ONE = Offered("cut", TEN_US)
TWO = Offered("cut", TEN_US + HOUR_US)
THREE = Offered("cut", TEN_US + 2 * HOUR_US)
ASKS = Offered("wax", TEN_US, asynchronous=True)
ANN = Offered("massage", TEN_US, staff_id="ann")
ANN_TOO = Offered("massage", TEN_US + HOUR_US // 2, staff_id="ann")
BEFORE = Offered("yoga", TEN_US, spots_total=3)
AFTER = Offered("spa", TEN_US, spots_total=3)

Prepare = Callable[[Shop], Operation[object]]


@dataclass(frozen=True, slots=True)
class Kind:
    """`prepare` brings the shop to where the request means something, and makes the request. `own`: how a statement
    begins that writes a row of it, and `tell_tale` a parameter that tells the row from its neighbours' (empty: they
    write no such rows); so the database can refuse it and nobody else. A request that writes nothing has none."""

    name: str
    prepare: Prepare
    own: str = ""
    tell_tale: str = ""

    def __str__(self) -> str:
        return self.name


def open_for_business(shop: Shop) -> None:
    shop.offer(ONE, TWO, ASKS, ANN, ANN_TOO, BEFORE, AFTER)


def neighbours(shop: Shop) -> tuple[Operation[object], Operation[object]]:
    """A lease and a booking on slots of their own, of the same merchant."""
    return (
        shop.create_lease(BEFORE.asked(), reference="before"),
        shop.create_booking(AFTER.asked(), user_id="after", token="after"),  # noqa: S106 - not a password
    )


def _lease(shop: Shop) -> Operation[object]:
    return shop.create_lease(ONE.asked(), reference="target")


def _lease_after_one_lapsed(shop: Shop) -> Operation[object]:
    shop.lease(ONE.asked())
    shop.clock.advance(s=LAPSE_S)
    return _lease(shop)


def _lease_of_busy_staff(shop: Shop) -> Operation[object]:
    shop.lease(ANN_TOO.asked())
    shop.clock.advance(s=LAPSE_S)
    return shop.create_lease(ANN.asked(), reference="target")


def _lease_again(shop: Shop) -> Operation[object]:
    shop.lease(ONE.asked(), reference="target")
    return _lease(shop)


def _booking_with_lease(shop: Shop) -> Operation[object]:
    lease = shop.lease(ONE.asked())
    return shop.create_booking(ONE.asked(), lease_id=lease.lease_id, token="target")  # noqa: S106 - not a password


def _booking_with_lapsed_lease(shop: Shop) -> Operation[object]:
    request = _booking_with_lease(shop)
    shop.clock.advance(s=LAPSE_S)
    return request


def _lease_booked(shop: Shop) -> BookLease:
    """As version 0 books, which names the lease and nothing else."""
    client = user("")
    key = contact_key(shop.rules.fingerprint_key, telephone=client.telephone, email=client.email)
    lease = shop.lease(ONE.asked())
    return BookLease(lease.lease_id, key, client, None, asks_to_charge=False, secret=bytes(range(16)))


def _lease_booked_again(shop: Shop) -> Operation[object]:
    request = _lease_booked(shop)
    shop.ask(request)
    return request


def _booking(shop: Shop) -> Operation[object]:
    return shop.create_booking(ONE.asked(), token="target")  # noqa: S106 - not a password


def _booking_again(shop: Shop) -> Operation[object]:
    shop.book(ONE.asked(), token="target")  # noqa: S106 - not a password
    return _booking(shop)


def _cancellation(shop: Shop) -> Operation[object]:
    return UpdateBooking(shop.book(ONE.asked()).booking_id, status=BookingStatus.CANCELED)


def _move(shop: Shop) -> Operation[object]:
    return UpdateBooking(shop.book(ONE.asked()).booking_id, start_us=TWO.start_us)


def _move_over_lapsed(shop: Shop) -> Operation[object]:
    shop.lease(TWO.asked())
    booking = shop.book(ONE.asked())
    shop.clock.advance(s=LAPSE_S)
    return UpdateBooking(booking.booking_id, start_us=TWO.start_us)


def _release(shop: Shop) -> Operation[object]:
    return ReleaseLease(shop.lease(ONE.asked()).lease_id)


def _sweep(shop: Shop) -> Operation[object]:
    leases = [shop.lease(ONE.asked()), shop.lease(TWO.asked())]
    shop.clock.advance(s=LAPSE_S)
    return SweepLeases(leases[0].merchant_no, tuple((x.merchant_no, x.lease_no) for x in leases))


def _purge(shop: Shop) -> Operation[object]:
    """Of a lease that was released and of one that nobody ever swept."""
    shop.clock.advance(us=-KEPT_US - HOUR_US)
    leases = [shop.lease(ONE.asked()), shop.lease(TWO.asked())]
    shop.ask(ReleaseLease(leases[0].lease_id))
    shop.clock.advance(us=KEPT_US + HOUR_US)
    return PurgeLeases(leases[0].merchant_no, tuple((x.merchant_no, x.lease_no) for x in leases))


def _closing(shop: Shop) -> Operation[object]:
    shop.lease(ONE.asked())
    return CloseSlot(ONE.asked(), closes=True)


def _opening(shop: Shop) -> Operation[object]:
    shop.ask(CloseSlot(ONE.asked(), closes=True))
    return CloseSlot(ONE.asked(), closes=False)


def _confirmation(shop: Shop) -> Operation[object]:
    return AnswerBooking(shop.book(ASKS.asked()).booking_id, confirms=True)


def _declining(shop: Shop) -> Operation[object]:
    return AnswerBooking(shop.book(ASKS.asked()).booking_id, confirms=False)


def _marketing(shop: Shop) -> Operation[object]:
    shop.ask(SetMarketingPreference(user("target"), receives_marketing=False))
    return SetMarketingPreference(user("target"), receives_marketing=True)


KINDS = (
    Kind("CreateLease", _lease, "INSERT INTO lease", "target"),
    Kind("CreateLease over a lapsed one", _lease_after_one_lapsed, "INSERT INTO lease", "target"),
    Kind("CreateLease where staff lapsed elsewhere", _lease_of_busy_staff, "INSERT INTO lease", "target"),
    Kind("CreateLease again", _lease_again),
    Kind("CreateBooking with a lease", _booking_with_lease, "INSERT INTO booking", "target"),
    Kind("CreateBooking with a lapsed lease", _booking_with_lapsed_lease, "UPDATE lease"),
    Kind("CreateBooking", _booking, "INSERT INTO booking", "target"),
    Kind("CreateBooking again", _booking_again),
    Kind("CreateBooking of version 0", _lease_booked, "INSERT INTO booking", "\x1flease 1"),
    Kind("CreateBooking of version 0 again", _lease_booked_again),
    Kind("UpdateBooking, cancel", _cancellation, "UPDATE booking"),
    Kind("UpdateBooking, move", _move, "UPDATE booking"),
    Kind("UpdateBooking, move over a lapsed lease", _move_over_lapsed, "UPDATE booking"),
    Kind("ReleaseLease", _release, "UPDATE lease"),
    Kind("SweepLeases", _sweep, "UPDATE lease"),
    Kind("PurgeLeases", _purge, "DELETE FROM lease"),
    Kind("CloseSlot", _closing, "UPDATE slot"),
    Kind("CloseSlot, open again", _opening, "UPDATE slot"),
    Kind("SetMarketingPreference", _marketing, "INSERT INTO marketing_preference", "target"),
    Kind("AnswerBooking, confirm", _confirmation, "UPDATE booking"),
    Kind("AnswerBooking, decline", _declining, "UPDATE booking"),
)

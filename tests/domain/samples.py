"""Rows to judge, made by hand: one merchant, its slots, and what claims their spots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from slotlease.domain.booking import Booking, BookingStatus, UserInformation
from slotlease.domain.facts import Facts
from slotlease.domain.lease import Lease, LeaseState
from slotlease.domain.merchant import Merchant, Service
from slotlease.domain.policy import Rules
from slotlease.domain.slot import AskedSlot, Resources, Slot, slot_number
from slotlease.domain.spot import FOREVER_US, Occupancy, Spot
from slotlease.domain.view import View
from tests.support import DAY_US, HOUR_US, MINUTE_US, NOON_US

START_US = NOON_US + DAY_US
UNTIL_US = NOON_US + 10 * MINUTE_US
RULES = Rules(fingerprint_key=bytes(32))
CUT = Service(1, 1, "cut")
SHAVE = Service(1, 2, "shave")

MERCHANT = Merchant(
    merchant_no=1,
    merchant_id="m1",
    retired=False,
    longest_duration_us=HOUR_US,
    services={"cut": CUT, "shave": SHAVE},
    staff={"anna": 1, "ben": 2},
    rooms={"red": 1, "blue": 2},
)

SECRET = bytes(range(16))
USER = UserInformation("u1", "Ada", "Lovelace", "+41 44 000 00 00", "ada@example.com")
ASKED = AskedSlot("m1", "cut", START_US, HOUR_US)


def slot(  # noqa: PLR0913 - a slot has as many sides
    *,
    service_no: int = 1,
    start_us: int = START_US,
    duration_us: int = HOUR_US,
    staff_no: int = 0,
    room_no: int = 0,
    party_size: int = 0,
    spots_total: int = 1,
    availability_tag: str = "",
) -> Slot:
    key = (service_no, start_us, duration_us, staff_no, room_no, party_size)
    return Slot(1, slot_number(key), *key, availability_tag, spots_total, 0, closed=False, asynchronous=False)


def asked(offered: Slot) -> AskedSlot:
    """The slot as a caller names it: resources only where it has any."""
    staff = {number: name for name, number in MERCHANT.staff.items()} | {0: ""}
    rooms = {number: name for name, number in MERCHANT.rooms.items()} | {0: ""}
    services = {service.service_no: name for name, service in MERCHANT.services.items()}
    resources = Resources(staff[offered.staff_no], rooms[offered.room_no], offered.party_size)
    return AskedSlot(
        "m1",
        services[offered.service_no],
        offered.start_us,
        offered.duration_us,
        offered.availability_tag,
        None if resources == Resources() else resources,
    )


def occupancy(offered: Slot, spots: Iterable[Spot] = (), *, now_us: int = NOON_US, takers: int = 10) -> Occupancy:
    """The slot's rows as a store counts them for a batch in which `takers` requests want a spot of it."""
    rows = sorted(spots, key=lambda spot: spot.spot_no)
    busy = sum(spot.busy_until_us > now_us for spot in rows)
    lapsed = [spot for spot in rows if 0 < spot.busy_until_us <= now_us]
    free = [spot for spot in rows if spot.busy_until_us == 0]
    return Occupancy(
        1,
        offered.slot_no,
        offered.start_us,
        offered.end_us,
        offered.staff_no,
        offered.room_no,
        highest=len(rows),
        busy=busy,
        lapsed_count=len(lapsed),
        lapsed=tuple(lapsed[: 2 * takers + max(0, busy + len(lapsed) - offered.capacity)]),
        free=tuple(free[:takers]),
    )


def rows_of(offered: Slot, told: str, *, now_us: int = NOON_US) -> tuple[Spot, ...]:
    """Spots 1, 2, 3 ... as told by letters: b booked, h held, l lapsed, f given back. Holder 101 has spot 1."""
    until_us = {"b": FOREVER_US, "h": now_us + MINUTE_US, "l": now_us - MINUTE_US, "f": 0}
    return tuple(
        Spot(1, offered.slot_no, number, until_us[letter], 0 if letter == "f" else 100 + number)
        for number, letter in enumerate(told, start=1)
    )


def lease_of(offered: Slot, *, lease_no: int = 101, spot_no: int = 1, expires_us: int = NOON_US + MINUTE_US) -> Lease:
    return Lease(
        merchant_no=1,
        lease_no=lease_no,
        secret=SECRET,
        state=LeaseState.ACTIVE,
        expires_us=expires_us,
        client_reference=f"r{lease_no}",
        slot=asked(offered),
        slot_no=offered.slot_no,
        spot_no=spot_no,
        cancel_by_us=offered.start_us,
        asynchronous=offered.asynchronous,
        created_us=NOON_US - MINUTE_US,
    )


def booking_of(offered: Slot, *, booking_no: int = 101, spot_no: int = 1, user_key: str = "id:u1") -> Booking:
    return Booking(
        merchant_no=1,
        booking_no=booking_no,
        secret=SECRET,
        status=BookingStatus.CONFIRMED,
        revision=1,
        slot=asked(offered),
        slot_no=offered.slot_no,
        spot_no=spot_no,
        slot_created=asked(offered),
        status_created=BookingStatus.CONFIRMED,
        user_key=user_key,
        user=USER,
        payment=None,
        additional_request="",
        idempotency_token=f"t{booking_no}",
        lease_no=0,
        fingerprint=bytes(32),
        cancel_by_us=offered.start_us,
        created_us=NOON_US - MINUTE_US,
    )


def facts_of(
    *slots: Slot, told: Mapping[int, str] | None = None, merchant: Merchant = MERCHANT, now_us: int = NOON_US
) -> Facts:
    """What a store would have found: these slots, their spots told by letters (see `rows_of`)."""
    told = told or {}
    return Facts(
        now_us=now_us,
        merchants={merchant.merchant_id: merchant},
        merchant_ids={merchant.merchant_no: merchant.merchant_id},
        next_nos={merchant.merchant_no: 1000},
        slots={one.key: one for one in slots},
        slots_sought={one.key for one in slots},
        occupancies={
            one.key: occupancy(one, rows_of(one, told.get(one.slot_no, ""), now_us=now_us), now_us=now_us)
            for one in slots
        },
    )


def view_of(*slots: Slot, told: Mapping[int, str] | None = None, now_us: int = NOON_US) -> View:
    return View(facts_of(*slots, told=told, now_us=now_us), RULES)


def held(offered: Slot, spot_no: int = 1, *, holder_no: int = 7, busy_until_us: int = UNTIL_US) -> Spot:
    return Spot(1, offered.slot_no, spot_no, busy_until_us, holder_no)


def taken(view: View, offered: Slot, *, holder_no: int = 7) -> Spot:
    spot = view.take(offered, holder_no=holder_no, busy_until_us=UNTIL_US)
    assert isinstance(spot, Spot), spot
    return spot

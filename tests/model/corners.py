"""The corners of the town in which the tests play: a few slots each, so that what is asked for soon collides."""

from __future__ import annotations

from dataclasses import dataclass

from slotlease.domain.merchant import Service
from tests.support import HOUR_US, MINUTE_US, NOON_US, Offered

SECOND_US = 1_000_000
FOUR_US = NOON_US + 4 * HOUR_US
HALF_PAST_US = FOUR_US + 30 * MINUTE_US
FIVE_US = NOON_US + 5 * HOUR_US
SIX_US = NOON_US + 6 * HOUR_US


@dataclass(frozen=True, slots=True)
class Corner:
    """Services and slots, each with its merchant's id; `why` it is worth a visit."""

    name: str
    why: str
    services: tuple[tuple[str, Service], ...]
    slots: tuple[tuple[str, Offered], ...]


def _services(*services: Service) -> tuple[tuple[str, Service], ...]:
    return tuple(("m1", service) for service in services)


def _slots(*slots: Offered) -> tuple[tuple[str, Offered], ...]:
    return tuple(("m1", slot) for slot in slots)


GYM = Corner(
    "gym",
    "many spots, users who may come twice, another merchant with the same service",
    (
        *_services(Service(0, 0, "yoga"), Service(0, 0, "spin", one_booking_per_user=False)),
        ("m2", Service(0, 0, "yoga")),
    ),
    (
        *_slots(
            Offered("yoga", FOUR_US, spots_total=3, availability_tag="std"),
            Offered("yoga", FIVE_US, spots_total=3, spots_elsewhere=1),
            Offered("spin", FOUR_US, spots_total=2, asynchronous=True),
        ),
        ("m2", Offered("yoga", FOUR_US, spots_total=1)),
    ),
)

SALON = Corner(
    "salon",
    "Ann's hours overlap and touch, one of her slots takes two",
    _services(Service(0, 0, "cut"), Service(0, 0, "colour", one_booking_per_user=False)),
    _slots(
        Offered("cut", FOUR_US, staff_id="ann"),
        Offered("cut", FIVE_US, staff_id="ann"),
        Offered("cut", FOUR_US, 90 * MINUTE_US, staff_id="ann"),
        Offered("cut", FIVE_US, 90 * MINUTE_US, staff_id="ann", spots_total=2),
        Offered("colour", HALF_PAST_US, staff_id="ann", availability_tag="hair"),
        Offered("colour", SIX_US, staff_id="ann", spots_total=2),
        Offered("cut", FOUR_US, staff_id="bob"),
    ),
)

SPA = Corner(
    "spa",
    "rooms are shared, and one slot needs Ann and a room",
    _services(Service(0, 0, "massage"), Service(0, 0, "sauna")),
    _slots(
        Offered("massage", FOUR_US, staff_id="ann", room_id="blue"),
        Offered("massage", FIVE_US, staff_id="bob", room_id="blue"),
        Offered("sauna", HALF_PAST_US, room_id="blue", spots_total=3),
        Offered("sauna", FOUR_US, staff_id="ann", room_id="red", spots_total=2),
        Offered("sauna", FIVE_US, room_id="red"),
    ),
)

RESTAURANT = Corner(
    "restaurant",
    "party sizes, one table that serves two sizes",
    _services(Service(0, 0, "dinner")),
    _slots(
        Offered("dinner", FOUR_US, room_id="window", party_size=2),
        Offered("dinner", FOUR_US, room_id="window", party_size=4),
        Offered("dinner", FIVE_US, room_id="window", party_size=2, asynchronous=True),
        Offered("dinner", FOUR_US, party_size=2, spots_total=2),
        Offered("dinner", FOUR_US, party_size=4),
        Offered("dinner", FIVE_US, party_size=2),
    ),
)

CLINIC = Corner(
    "clinic",
    "what starts soon, opens late, closes early, and may be cancelled only so long",
    _services(
        Service(0, 0, "check", min_advance_booking_s=600, min_advance_online_canceling_s=3600),
        Service(0, 0, "jab"),
    ),
    _slots(
        Offered("check", NOON_US + 2 * HOUR_US, spots_total=2),
        Offered("check", NOON_US + 3 * HOUR_US, last_online_cancellable_us=NOON_US + 20 * MINUTE_US),
        Offered("check", FOUR_US, last_bookable_us=NOON_US + 30 * MINUTE_US, spots_total=2),
        Offered("jab", NOON_US + 30 * SECOND_US),
        Offered("jab", NOON_US + 20 * MINUTE_US + 500_000, spots_total=2),
        Offered("jab", FOUR_US, first_bookable_us=NOON_US + 10 * MINUTE_US),
    ),
)

CORNERS = {corner.name: corner for corner in (GYM, SALON, SPA, RESTAURANT, CLINIC)}

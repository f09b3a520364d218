"""Feeds to try things with: three merchants in Google's feed format, the same for the same arguments.

- `GYM`
    - `YOGA`: a class of 12 spots, named without resources; of the one at `NOON`, 3 were sold elsewhere
    - `SPINNING`: a class of 12 spots, of which one user may book several
    - `TRAINING`: one spot, with `CLEO`; the merchant confirms it later (asynchronous)
- `SALON`
    - `CUT`: every half hour with `ANNA` and with `BEN`, each at their own chair (`CHAIRS`)
    - `COLOUR`: 90 minutes with either, so it overlaps their cuts, and both need the one `BASIN`; may be
      cancelled until 24 hours ahead
    - `TREATMENT`: 45 minutes with `DORA`, who shares nothing but the `BASIN`
- `RESTAURANT`
    - `TABLE`: for `PARTY_SIZES` at the same start, without rooms; may be booked until an hour ahead

More merchants are more of the same three, with numbers of their own: `gym-2`, `salon-2` and so on.

Every slot has an availability_tag. `YOGA_STARTS` and so on are a service's starts of each day; `start_sec` makes an
instant of a day and a start.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import count, islice
from pathlib import Path
from typing import Any, TypeAlias

from slotlease.inventory.feed_writer import FeedWriter

GYM = "gym-1"
SALON = "salon-1"
RESTAURANT = "restaurant-1"

YOGA = "yoga"
SPINNING = "spinning"
TRAINING = "personal-training"
CUT = "cut"
COLOUR = "colour"
TREATMENT = "treatment"
TABLE = "reservation"
"""Google allows a restaurant one service and recommends the same id for all of them."""

ANNA = "anna"
BEN = "ben"
DORA = "dora"
CLEO = "cleo"
BASIN = "basin"
CHAIRS = {ANNA: "chair-1", BEN: "chair-2"}
"""Where each of them cuts: a salon's slot is named by its staff and its room."""

PARTY_SIZES = (2, 4, 6)

_Entry: TypeAlias = dict[str, Any]


def _every(step_min: int, first: time, last: time) -> tuple[time, ...]:
    starts_min = range(first.hour * 60 + first.minute, last.hour * 60 + last.minute + 1, step_min)
    return tuple(time(start // 60, start % 60) for start in starts_min)


NOON = time(12)
YOGA_STARTS = (time(7), time(9), NOON, time(17, 30), time(19))
SPINNING_STARTS = (time(6, 30), time(12, 15), time(18), time(20))
TRAINING_STARTS = _every(60, time(8), time(15))
CUT_STARTS = _every(30, time(9), time(17, 30))
COLOUR_STARTS = _every(60, time(9), time(16))
TREATMENT_STARTS = _every(60, time(9, 30), time(16, 30))
TABLE_STARTS = _every(30, time(17), time(21))


@dataclass(frozen=True)
class _Offer:
    """Slots that come back every day."""

    merchant_id: str
    service_id: str
    starts: tuple[time, ...]
    duration_min: int
    spots_total: int = 1
    sold_elsewhere: Mapping[time, int] = field(default_factory=dict)
    resources: Mapping[str, str | int] = field(default_factory=dict)
    asynchronous: bool = False


def _staff(staff_id: str, room_id: str = "") -> dict[str, str | int]:
    staff: dict[str, str | int] = {"staff_id": staff_id, "staff_name": staff_id.capitalize()}
    room: dict[str, str | int] = (
        {"room_id": room_id, "room_name": room_id.replace("-", " ").capitalize()} if room_id else {}
    )
    return staff | room


_OFFERS = (
    _Offer(GYM, YOGA, YOGA_STARTS, 60, spots_total=12, sold_elsewhere={NOON: 3}),
    _Offer(GYM, SPINNING, SPINNING_STARTS, 45, spots_total=12),
    _Offer(GYM, TRAINING, TRAINING_STARTS, 60, resources=_staff(CLEO), asynchronous=True),
    _Offer(SALON, CUT, CUT_STARTS, 30, resources=_staff(ANNA, CHAIRS[ANNA])),
    _Offer(SALON, CUT, CUT_STARTS, 30, resources=_staff(BEN, CHAIRS[BEN])),
    _Offer(SALON, COLOUR, COLOUR_STARTS, 90, resources=_staff(ANNA, BASIN)),
    _Offer(SALON, COLOUR, COLOUR_STARTS, 90, resources=_staff(BEN, BASIN)),
    _Offer(SALON, TREATMENT, TREATMENT_STARTS, 45, resources=_staff(DORA, BASIN)),
    *(
        _Offer(RESTAURANT, TABLE, TABLE_STARTS, 120, spots_total=tables, resources={"party_size": party_size})
        for party_size, tables in zip(PARTY_SIZES, (4, 3, 1), strict=True)
    ),
)


def _merchant(merchant_id: str, name: str, category: str, number: int) -> _Entry:
    address = {
        "country": "NL",
        "locality": "Amsterdam",
        "postal_code": "1000 AA",
        "street_address": f"Example Street {number}",
    }
    return {
        "merchant_id": merchant_id,
        "name": name,
        "telephone": f"+31 20 000 {number:04}",
        "url": f"https://{merchant_id}.example",
        "category": category,
        "geo": {"latitude": 52.37, "longitude": 4.89, "address": address},
    }


def _service(service_id: str, name: str, description: str, rules: _Entry | None = None, **ours: bool) -> _Entry:
    service: _Entry = {
        "service_id": service_id,
        "localized_service_name": {"value": name, "localized_value": [{"locale": "en", "value": name}]},
        "localized_description": {"value": description},
    }
    return service | ({"rules": rules} if rules else {}) | ours


_NAMES = {
    GYM: ("Example Gym", "gym"),
    SALON: ("Example Salon", "hair salon"),
    RESTAURANT: ("Example Restaurant", "restaurant"),
}

_SERVICES = {
    GYM: (
        _service(YOGA, "Yoga", "A class for all levels, one hour"),
        _service(SPINNING, "Spinning", "45 minutes; bring your friends", slotlease_one_booking_per_user=False),
        _service(TRAINING, "Personal training", "An hour with Cleo, who confirms it herself"),
    ),
    SALON: (
        _service(CUT, "Cut", "Wash and cut, half an hour"),
        _service(COLOUR, "Colour", "Colour and finish, 90 minutes", {"min_advance_online_canceling": 24 * 3600}),
        _service(TREATMENT, "Scalp treatment", "45 minutes at the basin, with Dora"),
    ),
    RESTAURANT: (_service(TABLE, "Reservation", "A table for two hours", {"min_advance_booking": 3600}),),
}
"""Of the first of each kind; the others have the same."""

MERCHANTS = 6
"""Two of each kind: over 5,000 slots in 30 days."""


@dataclass(frozen=True, slots=True)
class WrittenExample:
    """The files, merchants first, and how many slots each (merchant_id, service_id) was given."""

    paths: tuple[Path, ...]
    slots: Mapping[tuple[str, str], int]


def start_sec(day: date, start: time, zone: tzinfo = UTC) -> int:
    """Unix seconds of a start on a day, by the clocks of the zone."""
    return int(datetime.combine(day, start, tzinfo=zone).timestamp())


def write_example(  # noqa: PLR0913 - options, of which a caller names the few it cares about
    folder: Path,
    first_day: date,
    days: int,
    *,
    generation_s: int,
    zone: tzinfo = UTC,
    merchants: int = len(_NAMES),
    availability_shards: int = 1,
    gzipped: bool = False,
) -> WrittenExample:
    """Writes the feeds of `days` days from `first_day` into the folder, which is made if it is not there.

    `generation_s`: the Unix second the feeds claim to be read at; it is in the files' names too, as Google wants, so
    that the same arguments write the same files again. `zone` is the merchants'. `merchants`: how many, the three of
    this module's names first; 30 days of 1,000 of them are a million slots, and are written as they are made.

    Raises ValueError for less than one day, merchant or shard, OSError where the files cannot be written.
    """
    if min(days, merchants, availability_shards) < 1:
        given = f"not {days}, {merchants} and {availability_shards}"
        raise ValueError(f"an example needs a day, a merchant and a shard at least, {given}")
    chosen = list(islice(_shops(), merchants))
    with FeedWriter(folder, "merchant", generation_s, gzipped=gzipped) as merchant_feed:
        for number, (kind, merchant_id, suffix) in enumerate(chosen, start=1):
            name, category = _NAMES[kind]
            merchant_feed.add(_merchant(merchant_id, name + suffix.replace("-", " "), category, number))
    with FeedWriter(folder, "service", generation_s, gzipped=gzipped) as service_feed:
        for kind, merchant_id, _ in chosen:
            for service in _SERVICES[kind]:
                service_feed.add({"merchant_id": merchant_id} | service)
    counts: Counter[tuple[str, str]] = Counter()
    slot_feed = FeedWriter(folder, "service_availability", generation_s, gzipped=gzipped, shards=availability_shards)
    with slot_feed:
        for merchant_id, service_id, slot in _offered(chosen, first_day, days, zone):
            slot_feed.add(slot)
            counts[merchant_id, service_id] += 1
    return WrittenExample((*merchant_feed.paths, *service_feed.paths, *slot_feed.paths), counts)


def _offered(
    shops: Iterable[tuple[str, str, str]], first_day: date, days: int, zone: tzinfo
) -> Iterator[tuple[str, str, dict[str, object]]]:
    """Each slot of each shop, with its merchant_id and its service_id."""
    for kind, merchant_id, suffix in shops:
        for offer in (offer for offer in _OFFERS if offer.merchant_id == kind):
            for slot in _slots(offer, merchant_id, suffix, _starts(offer, first_day, days, zone)):
                yield merchant_id, offer.service_id, slot


def _shops() -> Iterator[tuple[str, str, str]]:
    """Kind, merchant_id, and what its staff and rooms are called besides: nothing for the first of each kind."""
    for number in count(1):
        for kind in _NAMES:
            yield kind, f"{kind.removesuffix('1')}{number}", "" if number == 1 else f"-{number}"


def _starts(offer: _Offer, first_day: date, days: int, zone: tzinfo) -> Iterator[tuple[time, int]]:
    for day in (first_day + timedelta(days=number) for number in range(days)):
        for start in offer.starts:
            yield start, start_sec(day, start, zone)


def _slots(offer: _Offer, merchant_id: str, suffix: str, starts: Iterable[tuple[time, int]]) -> Iterator[_Entry]:
    resources = {
        key: f"{value}{suffix}" if key in ("staff_id", "room_id") else value for key, value in offer.resources.items()
    }
    for start, begins_sec in starts:
        slot: _Entry = {
            "merchant_id": merchant_id,
            "service_id": offer.service_id,
            "start_sec": begins_sec,
            "duration_sec": offer.duration_min * 60,
            "spots_total": offer.spots_total,
            "spots_open": offer.spots_total - offer.sold_elsewhere.get(start, 0),
            "availability_tag": f"{offer.service_id}-{begins_sec}",
            "confirmation_mode": f"CONFIRMATION_MODE_{'ASYNCHRONOUS' if offer.asynchronous else 'SYNCHRONOUS'}",
        }
        yield slot | ({"resources": resources} if resources else {})

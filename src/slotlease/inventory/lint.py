"""What Google would warn about in feeds that are otherwise right, and what a merchant would be sorry for later.

A warning stands once for each service, or member of staff, with how many slots it is about and the first of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path

from slotlease.inventory.feed import SPOTS_TOTAL_MAX, Feed, Place
from slotlease.inventory.feed_gathering import Gathering, Progress
from slotlease.inventory.feed_values import SECOND_US, FeedSlot

DAYS_AHEAD = 30
"""Google: every service has slots for the coming 30 days."""

_DAY_US = 86_400 * SECOND_US
_DAYS_OF_WEEK = 7


class Rule(Enum):
    """What a warning is about; the texts are for programs and never change."""

    GENERATED_IN_THE_FUTURE = "generated-in-the-future"
    UNKNOWN_ID = "unknown-id"
    SERVICE_WITHOUT_SLOTS = "service-without-slots"
    MISSING_DAYS = "missing-days"
    PAST_SLOTS = "past-slots"
    IDENTICAL = "identical"
    MIXED_RECURRENCE = "mixed-recurrence"
    OVERLAPPING_STAFF = "overlapping-staff"
    PARTY_SIZES_WITHOUT_ROOM = "party-sizes-without-room"
    OWN_KEY = "own-key"


@dataclass(frozen=True, slots=True)
class FeedWarning:
    file: str
    place: str
    """Inside the JSON."""
    rule: Rule
    problem: str

    def __str__(self) -> str:
        return f"{self.file}: {self.place}: {self.problem} [{self.rule.value}]"


def lint(
    paths: Iterable[Path | str],
    now_us: int,
    *,
    spots_total_max: int = SPOTS_TOTAL_MAX,
    progress: Progress | None = None,
) -> tuple[FeedWarning, ...]:
    """What to mend in the feeds, though an import might take them; empty where all is well.

    Kinds of feeds that are not among the files are not missed. Raises FeedRefused where a file or an entry is wrong in
    itself, StoreUnavailable where the system's temporary folder has no room.
    """
    gathering = Gathering(paths, spots_total_max)
    try:
        gathering.read(progress)
        gathering.refuse_errors()
        gathering.check_references(None)
        warnings = list(_told_of(gathering, Rule.UNKNOWN_ID))
        gathering.check_nothing_twice()
        warnings += _told_of(gathering, Rule.IDENTICAL)
        warnings += _of_services(gathering)
        warnings += _of_slots(Feed(gathering), now_us)
    finally:
        gathering.staging.close()
    return tuple(warnings)


def _told_of(gathering: Gathering, rule: Rule) -> Iterator[FeedWarning]:
    """What the files were found to have wrong as a whole, which an import refuses."""
    for faults in gathering.files:
        for error in faults.errors:
            yield FeedWarning(error.file, error.place, rule, f"{error.problem} (found: {error.value})")
        faults.errors.clear()


def _of_services(gathering: Gathering) -> Iterator[FeedWarning]:
    for key, (service, where) in gathering.services.items():
        if gathering.has("service_availability") and key not in gathering.offers:
            problem = "has no slot in the availability feed; give it slots, or leave it out until it has some"
            yield FeedWarning(where.faults.file, where.place, Rule.SERVICE_WITHOUT_SLOTS, problem)
        if not service.one_booking_per_user:
            problem = "says slotlease_one_booking_per_user, which Google does not know; leave it out of Google's copy"
            yield FeedWarning(where.faults.file, where.place, Rule.OWN_KEY, problem)


def _of_slots(feed: Feed, now_us: int) -> Iterator[FeedWarning]:
    generation_us = feed.slots_generation_us
    if generation_us is None:
        return
    for number, merchant_id in enumerate(feed.merchants_with_slots):
        services: dict[str, _Service] = {}
        staff: dict[str, _Staff] = {}
        late = {
            s.service_id for s in feed.services_of(merchant_id) if s.min_booking_buffer_before_end_time_s is not None
        }
        first: Place | None = None
        for slot, place in feed.slots_of(merchant_id):
            first = first or place
            service = services.setdefault(slot.service_id, _Service(slot.service_id, place, slot.service_id in late))
            service.note(slot, place, now_us)
            if slot.staff_id:
                staff.setdefault(slot.staff_id, _Staff(slot.staff_id)).note(slot, place)
        if number == 0 and first is not None and generation_us > now_us:
            problem = f"lies in the future, {_instant(generation_us)}; bookings until then would be taken for known"
            yield FeedWarning(first.file, "metadata.generation_timestamp", Rule.GENERATED_IN_THE_FUTURE, problem)
        for service in services.values():
            yield from service.warnings(merchant_id, generation_us)
        for member in staff.values():
            yield from member.warnings(merchant_id)


@dataclass(slots=True)
class _Count:
    """How many slots something is true of, and where the first stands."""

    slots: int = 0
    first: Place | None = None

    def add(self, place: Place) -> None:
        self.slots += 1
        self.first = self.first or place

    def warning(self, rule: Rule, problem: str) -> Iterator[FeedWarning]:
        if self.first is not None:
            yield FeedWarning(*self.first, rule, problem)


@dataclass(slots=True)
class _Service:
    """What one service's slots, by start, add up to."""

    service_id: str
    first: Place
    admits_late: bool
    days: set[int] = field(default_factory=set)
    plain: _Count = field(default_factory=_Count)
    recurring: _Count = field(default_factory=_Count)
    past: _Count = field(default_factory=_Count)
    own_key: _Count = field(default_factory=_Count)
    roomless: _Count = field(default_factory=_Count)
    """Slots that are one of several party sizes at their start, and name no room."""
    _start_us: int = 0
    _sizes: set[int] = field(default_factory=set)

    def note(self, slot: FeedSlot, place: Place, now_us: int) -> None:
        self.days.add(slot.start_us // _DAY_US)
        (self.recurring if slot.recurs else self.plain).add(place)
        if (slot.end_us if self.admits_late else slot.start_us) <= now_us:
            self.past.add(place)
        if slot.spots_elsewhere is not None:
            self.own_key.add(place)
        if slot.party_size and not slot.room_id:
            if slot.start_us != self._start_us:
                self._start_us = slot.start_us
                self._sizes.clear()
            self._sizes.add(slot.party_size)
            if len(self._sizes) > 1:
                self.roomless.add(place)

    def warnings(self, merchant_id: str, generation_us: int) -> Iterator[FeedWarning]:
        what = f"merchant {merchant_id}, service {self.service_id}: "
        yield from self._missing_days(what, generation_us)
        problem = f"{what}slots that are past: {self.past.slots:,}, this the first; leave them out"
        yield from self.past.warning(Rule.PAST_SLOTS, problem)
        if self.plain.slots and self.recurring.slots:
            problem = f"{what}has recurrences and single slots; Google wants one or the other within a service"
            yield from self.recurring.warning(Rule.MIXED_RECURRENCE, problem)
        problem = (
            f"{what}sells party sizes at the same start without a room (this the first of {self.roomless.slots:,}), so"
            " each size has tables of its own; where a table seats several sizes it can be sold once for each: name"
            " it in room_id"
        )
        yield from self.roomless.warning(Rule.PARTY_SIZES_WITHOUT_ROOM, problem)
        problem = (
            f"{what}slots that say slotlease_spots_elsewhere: {self.own_key.slots:,}, this the first; Google does not"
            " know it, leave it out of Google's copy"
        )
        yield from self.own_key.warning(Rule.OWN_KEY, problem)

    def _missing_days(self, what: str, generation_us: int) -> Iterator[FeedWarning]:
        """Days, in UTC, on whose weekday the service has slots on other days: a shop may well be closed on Sundays."""
        today = generation_us // _DAY_US
        ahead = range(today + 1, today + DAYS_AHEAD)
        weekdays = {day % _DAYS_OF_WEEK for day in self.days}
        missing = [day for day in ahead if day % _DAYS_OF_WEEK in weekdays and day not in self.days]
        if missing:
            first = date.fromordinal(date(1970, 1, 1).toordinal() + missing[0])
            problem = (
                f"{what}has no slot on {len(missing)} of the {DAYS_AHEAD} days ahead on which one would be expected,"
                f" the first {first}; Google wants {DAYS_AHEAD} days of availability for every service"
            )
            yield FeedWarning(*self.first, Rule.MISSING_DAYS, problem)


@dataclass(slots=True)
class _Staff:
    """One member of staff's slots, by start."""

    staff_id: str
    overlapping: _Count = field(default_factory=_Count)
    _latest_end_us: int = 0

    def note(self, slot: FeedSlot, place: Place) -> None:
        # Half-open spans: touching ends do not overlap (DESIGN 3).
        if slot.start_us < self._latest_end_us:
            self.overlapping.add(place)
        self._latest_end_us = max(self._latest_end_us, slot.end_us)

    def warnings(self, merchant_id: str) -> Iterator[FeedWarning]:
        problem = (
            f"merchant {merchant_id}, staff {self.staff_id}: slots that begin while another of theirs lasts:"
            f" {self.overlapping.slots:,}, this the first; one of them can be sold, and Google shows all as open"
        )
        yield from self.overlapping.warning(Rule.OVERLAPPING_STAFF, problem)


def _instant(at_us: int) -> str:
    return datetime.fromtimestamp(at_us // SECOND_US, UTC).isoformat()

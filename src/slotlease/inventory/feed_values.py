"""What a feed says once it was read and found right: frozen values, and the errors that refuse it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SECOND_US = 1_000_000

_ERRORS_SHOWN_MAX = 20


@dataclass(frozen=True, slots=True)
class FeedMerchant:
    merchant_id: str
    name: str
    """For people only. The merchant's id where the feed gives no name."""


@dataclass(frozen=True, slots=True)
class FeedService:
    """A service and its scheduling rules (`rules` of Google's services feed)."""

    merchant_id: str
    service_id: str
    name: str
    """For people only. The service's id where the feed gives no name."""
    min_advance_booking_s: int = 0
    min_advance_online_canceling_s: int | None = None
    min_booking_buffer_before_end_time_s: int | None = None
    one_booking_per_user: bool = True
    """Ours, not Google's: spelt `slotlease_one_booking_per_user` in the feed. False lets one user book a slot again."""


@dataclass(frozen=True, slots=True)
class FeedSlot:
    """One offered appointment: an entry of the availability feed, or one occurrence of an entry that recurs.
    Instants are microseconds since 1970 UTC."""

    merchant_id: str
    service_id: str
    start_us: int
    duration_us: int
    spots_total: int
    spots_open: int
    availability_tag: str = ""
    staff_id: str = ""
    room_id: str = ""
    party_size: int = 0
    asynchronous: bool = False
    first_bookable_us: int | None = None
    last_bookable_us: int | None = None
    last_online_cancellable_us: int | None = None
    spots_elsewhere: int | None = None
    """Ours, not Google's: spelt `slotlease_spots_elsewhere` in the feed. None leaves it to be told from the spots."""
    recurs: bool = False

    @property
    def end_us(self) -> int:
        return self.start_us + self.duration_us

    @property
    def natural_key(self) -> tuple[int, str, int, str, str, int]:
        """What tells the slots of one merchant apart (DESIGN section 3), the start first."""
        return (self.start_us, self.service_id, self.duration_us, self.staff_id, self.room_id, self.party_size)


@dataclass(frozen=True, slots=True)
class Known:
    """The merchants and the (merchant_id, service_id) pairs that the ledger offers now: what a feed may refer to
    where the files bring no feed of merchants, or none of services."""

    merchants: frozenset[str] = frozenset()
    services: frozenset[tuple[str, str]] = frozenset()


NOTHING_KNOWN = Known()


@dataclass(frozen=True, slots=True)
class FeedError:
    """One thing that is wrong in one file.

    `place` is the path inside the JSON, as in `service_availability[0].availability[12].spots_open`; empty where it is
    the file itself. `value` is what stands there, as JSON and shortened; empty where nothing does.
    """

    file: str
    place: str
    value: str
    problem: str

    def __str__(self) -> str:
        where = f"{self.file}: {self.place}" if self.place else self.file
        found = f" (found: {self.value})" if self.value else ""
        return f"{where}: {self.problem}{found}"


class FeedRefused(Exception):
    """Something in the files is wrong, so none of it was taken. `errors`: what is wrong, file by file, at most
    `feed_file.ERRORS_KEPT_MAX` of them; `count`: how many there are; `entries`: how many entries are wrong in
    themselves, by the name of their list (merchant, service, service_availability)."""

    def __init__(self, errors: tuple[FeedError, ...], count: int, entries: Mapping[str, int]) -> None:
        super().__init__(errors)
        self.errors = errors
        self.count = count
        self.entries = entries

    def __str__(self) -> str:
        lines = [f"the feeds were refused, nothing was changed; errors: {self.count}"]
        lines += [f"  {error}" for error in self.errors[:_ERRORS_SHOWN_MAX]]
        if self.count > _ERRORS_SHOWN_MAX:
            lines.append(f"  and {self.count - _ERRORS_SHOWN_MAX} more; correct these first, then import again")
        return "\n".join(lines)

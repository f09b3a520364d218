"""One case being tried: what it may ask, with what, and how it says what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Final

from slotlease.verify import caller as ask
from slotlease.verify.answer import DEADLINE_EXCEEDED, OK, SLOT_UNAVAILABLE, UNAVAILABLE, UNIMPLEMENTED, Answer, ValueT
from slotlease.verify.asking import Asking, Left
from slotlease.verify.caller import Caller, Dial
from slotlease.verify.case import Case, Finding
from slotlease.verify.names import Names
from slotlease.verify.shop import Booking, BookingWish, Dialing, Lease, LeaseWish, Offer, Slot, User, Version, instant
from slotlease.verify.slots import NoSlot, Slots

STANDING: Final = ("CONFIRMED", "PENDING_MERCHANT_CONFIRMATION")
"""How a booking may stand that was just made: the second where the merchant answers later (asynchronous slots)."""


_TELLING: Final = frozenset({ask.CHECK, ask.LOOK_UP})

GONE: Final = (UNAVAILABLE, DEADLINE_EXCEEDED)
"""Nobody answered."""


FILL_MAX: Final = 12
"""Spots of one slot that a case takes, at most."""


class Failed(Exception):
    """The rule does not hold."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.expected)
        self.finding = finding


class NotTried(Exception):
    """The case says nothing of the server. `by_choice`: it has no object here, so nothing is missing."""

    def __init__(self, why: str, *, by_choice: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.by_choice = by_choice


@dataclass(frozen=True, slots=True)
class Options:
    """What the one who runs it may choose. `qps`: calls a second of the latency group, `calls`: of each method there.
    `racers`: clients at once. `wrong_name`: certificate and key of a client that the server must not let in, though it
    trusts who issued it."""

    qps: float = 5.0
    calls: int = 10
    racers: int = 8
    wait_max_s: float = 1200.0
    wrong_name: tuple[bytes, bytes] | None = None


@dataclass(slots=True)
class Surroundings:
    """What all trials of a run share. `now_us` is the clock, in microseconds since 1970 UTC; `pause` sleeps seconds.
    `full` are the feed's slots without an open spot. `lease_sample` is one lease that several cases look at."""

    dial: Dial
    dialing: Dialing
    slots: Slots
    offers: list[Offer]
    full: list[Offer]
    left: Left
    seed: str
    now_us: Callable[[], int]
    pause: Callable[[float], None]
    options: Options
    calls: list[Answer[object]] = field(default_factory=list)
    absent: set[str] = field(default_factory=set)
    lease_sample: tuple[LeaseWish, Answer[Lease]] | None = None


class Trial:
    """`caller` is the run's connection; `connect` makes others, closed when the case has ended."""

    def __init__(self, case: Case, around: Surroundings, caller: Caller) -> None:
        self.case = case
        self.around = around
        self.calls: list[Answer[object]] = []
        self.warnings: list[Finding] = []
        self.notes: list[str] = []
        self.names = Names(around.seed, case.id)
        self._spots_open: dict[Slot, int] = {}
        self.caller = Asking(caller, self._note, around.left)

    # --- what to ask with ----------------------------------------------------------------------------------------

    @property
    def version(self) -> Version:
        return self.caller.version

    def slot(self, **kind: object) -> Slot:
        """One with an open spot; see `Slots.take`."""
        return self.offers(1, **kind)[0].slot

    def two_slots(self, **kind: object) -> tuple[Slot, Slot]:
        one, other = self.offers(2, **kind)
        return one.slot, other.slot

    def offers(self, number: int, **kind: object) -> tuple[Offer, ...]:
        """Raises NotTried where the feed has none left."""
        try:
            return self.around.slots.take(number, **kind)  # type: ignore[arg-type] # passed on as it is
        except NoSlot as error:
            raise NotTried(str(error)) from error

    def single(self) -> Slot:
        """A slot with one open spot."""
        return self.slots_with(1, 1)[0]

    def slots_with(self, number: int, spots: int) -> tuple[Slot, ...]:
        """Slots with exactly so many open spots, that differ in their start only. Of larger ones, the rest is booked
        first. Raises NotTried."""
        many = f"{spots} open spots, or up to {FILL_MAX}" if spots > 1 else f"an open spot, or up to {FILL_MAX}"
        offers = self.offers(number, spots_min=spots, spots_max=FILL_MAX, kind=many)
        for offer in offers:
            for _ in range(offer.spots_open - spots):
                self.booked(offer.slot)
        return tuple(offer.slot for offer in offers)

    def counted(self, spots: int = 1) -> Slot:
        """A slot with so many open spots at least, of which `spots_are` can tell that one was taken or given back."""
        return self.counted_slots(1, spots)[0]

    def counted_slots(self, number: int, spots: int = 1) -> tuple[Slot, ...]:
        """As `counted`, that differ in their start only. Where nobody says how many there are, they have exactly so
        many: then that there is none tells as much."""
        if self.can(ask.CHECK):
            return tuple(offer.slot for offer in self.offers(number, spots_min=spots))
        slots = self.slots_with(number, spots)
        self._spots_open |= dict.fromkeys(slots, spots)
        return slots

    def lease_wish(self, slot: Slot, **more: object) -> LeaseWish:
        """With a token of its own."""
        return replace(LeaseWish(slot, self.names.token()), **more)  # type: ignore[arg-type] # passed on as it is

    def wish(self, slot: Slot, user: User | None = None, *, lease_id: str = "") -> BookingWish:
        """With a token of its own, for a user of its own unless one is given. In version 0 a lease comes first."""
        if self.version is Version.V0 and not lease_id:
            lease_id = self.prepared(self.caller.create_lease(self.lease_wish(slot)), "a lease").lease_id
        return BookingWish(slot, user or self.names.user(), self.names.token(), lease_id)

    @contextmanager
    def connected(self, dialing: Dialing | None = None) -> Iterator[Asking]:
        """Another connection."""
        made = Asking(self.around.dial(dialing or self.around.dialing), self._note, self.around.left)
        try:
            yield made
        finally:
            made.close()

    # --- what others have to be before the case can say anything ---------------------------------------------------

    def can(self, method: str) -> bool:
        """Whether the version has the method and the server offers it, as far as is known."""
        return method in self.caller.methods and method not in self.around.absent

    def prepared(self, answer: Answer[ValueT], what: str) -> ValueT:
        """What a case builds on and does not judge. Raises NotTried."""
        if answer.word != OK or answer.value is None or answer.flaw:
            raise NotTried(f"it needs {what}, and {answer.method} answered {answer.flaw or said(answer)}")
        return answer.value

    def booked(self, slot: Slot, user: User | None = None) -> Booking:
        """Of one that is to be changed or looked at. Raises NotTried."""
        booking = self.prepared(self.caller.create_booking(self.wish(slot, user)), "a booking")
        if not booking.booking_id:
            raise NotTried("it needs a booking with an id, and CreateBooking gave none")
        return booking

    def leased(self, slot: Slot, **more: object) -> Lease:
        lease = self.prepared(self.caller.create_lease(self.lease_wish(slot, **more)), "a lease")
        if not lease.lease_id:
            raise NotTried("it needs a lease with an id, and CreateLease gave none")
        return lease

    def free(self, slot: Slot) -> int:
        """How many spots are to be had: asked of CheckAvailability, else of the lookup, which says 0 or 1 for "one at
        least". Raises NotTried."""
        count = count_of(self.caller, slot, self.around.absent)
        if count is None:
            none = not _TELLING & self.caller.methods
            raise NotTried("it counts free spots, and nothing here says how many there are", by_choice=none)
        return count

    def spots_before(self, slot: Slot) -> int:
        """How many there are, of a `counted` slot, before anything is done to it."""
        return self.free(slot) if self.can(ask.CHECK) else self._spots_open[slot]

    def spots_are(self, slot: Slot, number: int) -> None:
        """That a `counted` slot has so many; where nobody says how many, whether it has any. In version 0 that is told
        by whether it can be leased. Raises Failed."""
        if self.can(ask.CHECK):
            self.equal("spots to be had", number, self.free(slot))
        elif _TELLING & self.caller.methods:
            self.equal("is there a spot", number > 0, self.free(slot) > 0)
        else:
            self.expect(self.caller.create_lease(self.lease_wish(slot)), OK if number else SLOT_UNAVAILABLE)

    # --- what was found ------------------------------------------------------------------------------------------

    def expect(self, answer: Answer[ValueT], *words: str, open_words: tuple[str, ...] = ()) -> bool:
        """That the call ended with one of the words. One of `open_words` is a choice that Google leaves: a warning.
        False where it did not end with OK. Raises Failed."""
        if answer.word not in words:
            finding = Finding(" or ".join(words), said(answer), answer)
            if answer.word not in open_words:
                raise Failed(finding)
            self.warnings.append(finding)
        elif answer.flaw:
            raise Failed(Finding("an answer that says one thing", answer.flaw, answer))
        return answer.word == OK

    def value(self, answer: Answer[ValueT]) -> ValueT:
        """Of a call that must end with OK. Raises Failed."""
        self.expect(answer, OK)
        if answer.value is None:
            raise Failed(Finding("a value", said(answer), answer))
        return answer.value

    def equal(self, what: str, expected: object, came: object, answer: Answer[ValueT] | None = None) -> None:
        """Of two that differ, only what differs is told. Raises Failed."""
        told = [f"{what}{path}: {one}" for path, one, _ in differences(expected, came)]
        instead = [f"{what}{path}: {other}" for path, _, other in differences(expected, came)]
        self.holds(expected == came, ", ".join(told), ", ".join(instead), answer)

    def holds(self, it_does: bool, expected: str, came: str, answer: Answer[ValueT] | None = None) -> None:
        """Raises Failed."""
        if not it_does:
            raise Failed(Finding(expected, came, answer))

    def warn_unless(self, it_does: bool, expected: str, came: str, answer: Answer[ValueT] | None = None) -> None:
        if not it_does:
            self.warnings.append(Finding(expected, came, answer))

    def note(self, text: str) -> None:
        """Something worth saying that is neither right nor wrong."""
        self.notes.append(text)

    def _note(self, answer: Answer[object]) -> None:
        self.calls.append(answer)
        self.around.calls.append(answer)
        hear(answer, self.caller.optional, self.around.absent)


def hear(answer: Answer[object], optional: AbstractSet[str], absent: set[str]) -> None:
    """Learns what the server does not offer."""
    if answer.word == UNIMPLEMENTED and answer.method in optional:
        absent.add(answer.method)


def said(answer: Answer[ValueT]) -> str:
    return f"{answer.word}: {answer.text}" if answer.text else answer.word


def differences(expected: object, came: object, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Where two values differ: the path with a dot before each name, and both. Instants as people read them."""
    if type(expected) is type(came) and is_dataclass(expected):
        for one in fields(expected):
            yield from differences(getattr(expected, one.name), getattr(came, one.name), f"{path}.{one.name}")
    elif expected != came:
        yield path, _told(expected, path), _told(came, path)


def _told(value: object, path: str) -> str:
    if path.endswith((".start_us", ".expires_us")) and isinstance(value, int):
        return instant(value)
    return "none" if value is None else str(value)


def count_of(caller: Caller, slot: Slot, absent: set[str]) -> int | None:
    """See `Trial.free`; None where the server does not say."""
    if ask.CHECK in caller.methods - absent:
        checked = caller.check_availability(slot)
        if checked.value is not None:
            return checked.value.count
    if ask.LOOK_UP in caller.methods - absent:
        looked_up = caller.look_up(slot.merchant_id, [slot])
        if looked_up.value:
            return int(looked_up.value[0].available)
    return None

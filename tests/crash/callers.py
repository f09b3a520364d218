"""Callers who write down what they were told, and ask again whatever they were not told (reliability, finding 9)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from random import Random  # noqa: TID251 - seeded: it chooses what is asked
from typing import NamedTuple, TypeAlias, cast

import grpc

from slotlease.domain.slot import AskedSlot
from slotlease.wire.proto.v2 import booking_pb2 as pb
from slotlease.wire.proto.v2 import booking_service_pb2 as rpc
from slotlease.wire.proto.v2.booking_service_pb2_grpc import BookingServiceStub
from tests.wire import asking
from tests.wire.client import CALL_TIMEOUT_S

CUT_OFF = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
"""How a call ends whose server is no more."""
REPEATS = 3


class Lease(NamedTuple):
    token: str
    start_us: int


class Book(NamedTuple):
    """`lease`: its token; empty books the slot directly."""

    token: str
    start_us: int
    lease: str


class Cancel(NamedTuple):
    booking: str


class Move(NamedTuple):
    booking: str
    start_us: int


Asked: TypeAlias = Lease | Book | Cancel | Move
Answer: TypeAlias = rpc.CreateLeaseResponse | rpc.CreateBookingResponse | rpc.UpdateBookingResponse


@dataclass(frozen=True, slots=True)
class LeaseFact:
    """`consumed`: by a booking. Whether time has ended it is not asked here."""

    token: str
    start_us: int
    consumed: bool


@dataclass(frozen=True, slots=True)
class BookingFact:
    token: str
    start_us: int
    status: str
    revision: int
    lease: str


@dataclass(slots=True)
class Account:
    """What is so as far as its caller was told, by token; `ids` are the ledger's names for it."""

    leases: dict[str, LeaseFact] = field(default_factory=dict)
    bookings: dict[str, BookingFact] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def after(self, asked: Asked) -> Account:
        """What is so once `asked` was granted. What is asked for is true already: nothing changes."""
        leases, bookings = dict(self.leases), dict(self.bookings)
        match asked:
            case Lease():
                leases.setdefault(asked.token, LeaseFact(asked.token, asked.start_us, consumed=False))
            case Book():
                bookings[asked.token] = BookingFact(asked.token, asked.start_us, "CONFIRMED", 1, asked.lease)
                if asked.lease:
                    leases[asked.lease] = replace(leases[asked.lease], consumed=True)
            case Cancel():
                booking = bookings[asked.booking]
                if booking.status != "CANCELED":
                    revision = booking.revision + 1
                    bookings[asked.booking] = replace(booking, status="CANCELED", revision=revision)
            case Move():
                booking = bookings[asked.booking]
                if booking.start_us != asked.start_us:
                    revision = booking.revision + 1
                    bookings[asked.booking] = replace(booking, start_us=asked.start_us, revision=revision)
        return Account(leases, bookings, self.ids)

    def facts(self) -> frozenset[LeaseFact | BookingFact]:
        return frozenset([*self.leases.values(), *self.bookings.values()])


class Caller:
    """One who waits for an answer before asking again. Its tokens begin with its name and a dot."""

    def __init__(self, name: str, seed: int, slots: list[AskedSlot]) -> None:
        self.name = name
        self.account = Account()
        self.doubtful: Asked | None = None
        """What was asked when the answer failed to come."""
        self.wrong: list[str] = []
        self.counts: Counter[str] = Counter()
        self._slots = {slot.start_us: slot for slot in slots}
        self._chance = Random(f"{seed} {name}")  # noqa: S311 - chooses, hides nothing
        self._tokens = count(1)
        self._made: list[tuple[Lease | Book, bytes]] = []

    def live(self, stub: BookingServiceStub, answered: Callable[[], None], *, only_settle: bool) -> None:
        """Asks what nobody answered, then anything, until the server is no more."""
        try:
            if self.doubtful is not None:
                self._ask(stub, self.doubtful)
                self.counts["doubtful resolved"] += 1
            for asked, first_answer in self._chance.sample(self._made, min(REPEATS, len(self._made))):
                self.counts["repeats compared"] += 1
                if self._send(stub, asked).SerializeToString() != first_answer:
                    self.wrong.append(f"{asked} is answered otherwise than before")
            while not only_settle:
                self._ask(stub, self._wish())
                answered()
        except grpc.RpcError as error:
            code = cast("grpc.Call", error).code()
            if code not in CUT_OFF or only_settle:
                self.wrong.append(f"{self.doubtful} ended with {code.name}")

    def _ask(self, stub: BookingServiceStub, asked: Asked) -> None:
        self.doubtful = asked
        answer = self._send(stub, asked)
        self.doubtful = None
        self.counts["acknowledged"] += 1
        if answer.HasField("booking_failure"):
            self.counts["refused"] += 1
            return
        self.account = self.account.after(asked)
        match asked, answer:
            case Lease(), rpc.CreateLeaseResponse():
                self.account.ids[asked.token] = answer.lease.lease_id
                self._made.append((asked, answer.SerializeToString()))
            case Book(), rpc.CreateBookingResponse():
                self.account.ids[asked.token] = answer.booking.booking_id
                self._made.append((asked, answer.SerializeToString()))
            case ((Cancel() | Move()), rpc.UpdateBookingResponse()):
                self._compare(asked.booking, answer.booking)
            case _:
                message = f"{asked} was answered with {answer}"
                raise AssertionError(message)

    def _compare(self, token: str, told: pb.Booking) -> None:
        due = self.account.bookings[token]
        found = (told.slot.start_time.ToMicroseconds(), pb.BookingStatus.Name(told.status))
        if found != (due.start_us, due.status):
            self.wrong.append(f"{due} was told to be {found}")

    def _send(self, stub: BookingServiceStub, asked: Asked) -> Answer:
        ids = self.account.ids
        match asked:
            case Lease():
                return stub.CreateLease(asking.lease(self._slots[asked.start_us], asked.token), timeout=CALL_TIMEOUT_S)
            case Book():
                lease_id = ids[asked.lease] if asked.lease else ""
                request = asking.booking(self._slots[asked.start_us], asked.token, lease_id=lease_id)
                return stub.CreateBooking(request, timeout=CALL_TIMEOUT_S)
            case Cancel():
                return stub.UpdateBooking(asking.cancellation(ids[asked.booking]), timeout=CALL_TIMEOUT_S)
            case Move():
                return stub.UpdateBooking(asking.move(ids[asked.booking], asked.start_us), timeout=CALL_TIMEOUT_S)

    def _wish(self) -> Asked:
        token = f"{self.name}.{next(self._tokens)}"
        start_us = self._chance.choice(list(self._slots))
        leases = [lease for lease in self.account.leases.values() if not lease.consumed][-3:]
        bookings = [booking for booking in self.account.bookings.values() if booking.status != "CANCELED"][-5:]
        wish = self._chance.choice(("lease", "lease", "book lease", "book lease", "book", "cancel", "move"))
        if wish == "book lease" and leases:
            lease = self._chance.choice(leases)
            return Book(token, lease.start_us, lease.token)
        if wish in {"cancel", "move"} and bookings:
            booking = self._chance.choice(bookings)
            return Cancel(booking.token) if wish == "cancel" else Move(booking.token, start_us)
        return Book(token, start_us, "") if wish == "book" else Lease(token, start_us)

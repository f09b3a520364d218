"""Callers who want the same few slots at once, each over a socket of its own, and the record of what they asked, what
they were told, and in which order that began and ended."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from random import Random  # noqa: TID251 - seeded: it chooses what is asked, and the same every time
from typing import TypeVar, cast

import grpc

from slotlease.domain.facts import Wanted
from slotlease.domain.merchant import Service
from slotlease.domain.slot import AskedSlot
from slotlease.wire.proto.v2 import booking_pb2 as pb
from slotlease.wire.proto.v2 import booking_service_pb2 as rpc
from slotlease.wire.proto.v2.booking_service_pb2_grpc import BookingServiceStub
from tests.linearizability.checker import UNKNOWN, Call, Told
from tests.linearizability.place import (
    Asked,
    Booked,
    Cancel,
    CheckAvailability,
    CreateBooking,
    CreateLease,
    GetBookingStatus,
    Leased,
    Move,
    Place,
    TimePasses,
    Write,
)
from tests.support import DAY_US, HOUR_US, MINUTE_US, Offered, Shop
from tests.wire import asking
from tests.wire.client import CALL_TIMEOUT_S

T = TypeVar("T")

CALLERS = 8
CALLS = 300
CALLS_BETWEEN_TICKS = 64
TIMES_US = (0, 2 * MINUTE_US, 3 * MINUTE_US, 5 * MINUTE_US, 10 * MINUTE_US)
IMPATIENT = 0.05
"""Of the writes, those whose caller gives up after a moment that is about as long as the answer takes."""
IMPATIENT_S = (0.001, 0.008)

_OWN_SOCKET = (("grpc.use_local_subchannel_pool", 1),)
_WISHES = ("lease", "book lease", "book", "cancel", "move", "check", "status", "again")
_WEIGHTS = (22, 18, 10, 15, 11, 12, 7, 5)


@dataclass(slots=True)
class Stage:
    """A place on the ledger, and what everybody has heard of it: one caller's lease is another's to book."""

    place: Place
    slots: list[AskedSlot]
    start_us: int
    calls: list[Call[Asked]] = field(default_factory=list)
    lease_ids: dict[str, str] = field(default_factory=dict)
    leased: list[CreateLease] = field(default_factory=list)
    booking_ids: dict[str, str] = field(default_factory=dict)
    asked: list[Write] = field(default_factory=list)
    twins: list[str] = field(default_factory=list)
    """Tokens that named two leases or two bookings (INV-12)."""

    def slot_at(self, start_us: int) -> int:
        (number,) = [number for number, slot in enumerate(self.slots) if slot.start_us == start_us]
        return number

    def know(self, ids: dict[str, str], token: str, given_id: str) -> None:
        if ids.setdefault(token, given_id) != given_id:
            self.twins.append(token)


def open_stages(shop: Shop, merchant_id: str) -> list[Stage]:
    """One slot for two; two slots between which one moves; three hours of Ann's, of which the middle overlaps both."""
    now_us = shop.clock.now_us
    day_us = now_us - now_us % HOUR_US + DAY_US
    apart: frozenset[int] = frozenset()
    layout: list[tuple[str, Place, list[Offered]]] = [
        ("yoga", Place((2,), (apart,)), [Offered("yoga", day_us, spots_total=2)]),
        (
            "gym",
            Place((1, 3), (apart, apart)),
            [Offered("gym", day_us), Offered("gym", day_us + HOUR_US, spots_total=4, spots_elsewhere=1)],
        ),
        (
            "cut",
            Place((1, 2, 1), (frozenset({1}), frozenset({0, 2}), frozenset({1}))),
            [
                Offered("cut", day_us + number * HOUR_US // 2, staff_id="ann", spots_total=1 + number % 2)
                for number in range(3)
            ],
        ),
    ]
    stages = []
    for service_id, place, offered in layout:
        shop.serve(Service(0, 0, service_id, one_booking_per_user=False), merchant_id)
        shop.offer(*offered, merchant_id=merchant_id)
        stages.append(Stage(place, [one.asked(merchant_id) for one in offered], now_us))
    return stages


@dataclass(slots=True)
class Recorded:
    """`codes` counts the calls of which nobody learned what became of them, by how they ended."""

    stages: list[Stage]
    codes: Counter[str]

    @property
    def calls(self) -> int:
        return sum(len(stage.calls) for stage in self.stages)


def record(shop: Shop, addresses: Sequence[str], seed: int, *, calls: int = CALLS) -> Recorded:
    """What `calls` calls of CALLERS callers come to, who ask the servers of one ledger. Time passes only while nobody
    asks."""
    stages = open_stages(shop, f"m{seed}")
    chance = Random(f"time {seed}")  # noqa: S311 - chooses, hides nothing
    moments = count()
    with ExitStack() as sockets:
        callers = []
        for number in range(CALLERS):
            address = addresses[number % len(addresses)]
            channel = sockets.enter_context(grpc.insecure_channel(address, options=_OWN_SOCKET))
            callers.append(_Caller(f"{seed}.{number}", stages, BookingServiceStub(channel), moments))
        pool = sockets.enter_context(ThreadPoolExecutor(CALLERS))
        for begun in range(0, calls, CALLS_BETWEEN_TICKS):
            each = min(CALLS_BETWEEN_TICKS, calls - begun) / CALLERS
            together = threading.Barrier(CALLERS)
            shares = [round(each * (number + 1)) - round(each * number) for number in range(CALLERS)]
            turns = [
                pool.submit(caller.ask_some, share, together) for caller, share in zip(callers, shares, strict=True)
            ]
            for turn in turns:
                turn.result()
            _let_time_pass(shop, stages, chance.choice(TIMES_US), moments)
    codes = sum((caller.codes for caller in callers), Counter[str]())
    return Recorded(stages, codes)


def _let_time_pass(shop: Shop, stages: Sequence[Stage], time_us: int, moments: Iterator[int]) -> None:
    """Under the merchant's lock: a request whose caller gave up may still be at work, and its clock must not change
    between its reading and its commit."""
    began = next(moments)
    with shop.store.transact(Wanted(merchant_ids={stage.slots[0].merchant_id for stage in stages})):
        shop.clock.advance(us=time_us)
    ended = next(moments)
    for stage in stages:
        stage.calls.append(Call(TimePasses(shop.clock.now_us), None, began, ended))


class _Caller:
    def __init__(self, name: str, stages: list[Stage], stub: BookingServiceStub, moments: Iterator[int]) -> None:
        self._name = name
        self._stages = stages
        self._stub = stub
        self._moments = moments
        self._chance = Random(name)  # noqa: S311 - chooses, hides nothing
        self._tokens = count(1)
        self.codes: Counter[str] = Counter()

    def ask_some(self, calls: int, together: threading.Barrier) -> None:
        together.wait(CALL_TIMEOUT_S)
        while calls > 0:
            stage = self._chance.choice(self._stages)
            asked = self._wish(stage)
            calls -= 1
            # Nobody heard what became of it, so the same is asked again, with the same token.
            while not self._ask(stage, asked):
                calls -= 1

    # --- what is asked -------------------------------------------------------------------------------------------

    def _wish(self, stage: Stage) -> Asked:
        (wish,) = self._chance.choices(_WISHES, _WEIGHTS)
        slot = self._chance.randrange(len(stage.slots))
        if wish == "check":
            return CheckAvailability(slot)
        if wish == "again" and stage.asked:
            return self._recent(stage.asked)
        if wish == "book lease" and stage.leased:
            lease = self._recent(stage.leased)
            return CreateBooking(self._token(), lease.slot, lease.token)
        if wish in {"cancel", "move", "status"} and stage.booking_ids:
            booking = self._recent(list(stage.booking_ids))
            if wish == "status":
                return GetBookingStatus(booking)
            return Cancel(booking) if wish == "cancel" else Move(booking, slot)
        return CreateBooking(self._token(), slot, "") if wish == "book" else CreateLease(self._token(), slot)

    def _recent(self, known: Sequence[T]) -> T:
        """What others have just heard of too, so that they meet over it."""
        return self._chance.choice(known[-4:])

    def _token(self) -> str:
        return f"{self._name}.{next(self._tokens)}"

    # --- what is told --------------------------------------------------------------------------------------------

    def _ask(self, stage: Stage, asked: Asked) -> bool:
        """Whether there was an answer."""
        call = self._call_of(stage, asked)
        reads = isinstance(asked, CheckAvailability | GetBookingStatus)
        impatient = not reads and self._chance.random() < IMPATIENT
        timeout_s = self._chance.uniform(*IMPATIENT_S) if impatient else CALL_TIMEOUT_S
        began = next(self._moments)
        try:
            told = call(timeout_s)
        except grpc.RpcError as error:
            self.codes[cast("grpc.Call", error).code().name] += 1
            if not reads:
                stage.calls.append(Call(asked, UNKNOWN, began, None))
            return False
        stage.calls.append(Call(asked, told, began, next(self._moments)))
        if isinstance(asked, CreateLease | CreateBooking | Cancel | Move):
            stage.asked.append(asked)
        return True

    def _call_of(self, stage: Stage, asked: Asked) -> Callable[[float], Told]:
        stub = self._stub
        match asked:
            case CreateLease():
                leasing = asking.lease(stage.slots[asked.slot], asked.token)
                return lambda timeout_s: self._leased(stage, asked, stub.CreateLease(leasing, timeout=timeout_s))
            case CreateBooking():
                lease_id = stage.lease_ids[asked.lease] if asked.lease else ""
                booking = asking.booking(stage.slots[asked.slot], asked.token, lease_id=lease_id)
                return lambda timeout_s: self._booked(stage, asked, stub.CreateBooking(booking, timeout=timeout_s))
            case Cancel():
                cancellation = asking.cancellation(stage.booking_ids[asked.booking])
                return lambda timeout_s: _updated(stage, stub.UpdateBooking(cancellation, timeout=timeout_s))
            case Move():
                move = asking.move(stage.booking_ids[asked.booking], stage.slots[asked.slot].start_us)
                return lambda timeout_s: _updated(stage, stub.UpdateBooking(move, timeout=timeout_s))
            case CheckAvailability():
                check = asking.check(stage.slots[asked.slot])
                return lambda timeout_s: stub.CheckAvailability(check, timeout=timeout_s).count_available
            case GetBookingStatus():
                status = rpc.GetBookingStatusRequest(booking_id=stage.booking_ids[asked.booking])
                return lambda timeout_s: pb.BookingStatus.Name(
                    stub.GetBookingStatus(status, timeout=timeout_s).booking_status
                )
            case TimePasses():
                message = "nobody asks a server for time"
                raise AssertionError(message)

    def _leased(self, stage: Stage, asked: CreateLease, answer: rpc.CreateLeaseResponse) -> Told:
        if answer.HasField("booking_failure"):
            return _cause(answer.booking_failure)
        if asked.token not in stage.lease_ids:
            stage.leased.append(asked)
        stage.know(stage.lease_ids, asked.token, answer.lease.lease_id)
        slot = stage.slot_at(answer.lease.slot.start_time.ToMicroseconds())
        return Leased(slot, answer.lease.lease_expiration_time.ToMicroseconds())

    def _booked(self, stage: Stage, asked: CreateBooking, answer: rpc.CreateBookingResponse) -> Told:
        if answer.HasField("booking_failure"):
            return _cause(answer.booking_failure)
        stage.know(stage.booking_ids, asked.token, answer.booking.booking_id)
        return _booking(stage, answer.booking)


def _updated(stage: Stage, answer: rpc.UpdateBookingResponse) -> Told:
    if answer.HasField("booking_failure"):
        return _cause(answer.booking_failure)
    return _booking(stage, answer.booking)


def _booking(stage: Stage, booking: pb.Booking) -> Told:
    return Booked(stage.slot_at(booking.slot.start_time.ToMicroseconds()), pb.BookingStatus.Name(booking.status))


def _cause(failure: pb.BookingFailure) -> str:
    return pb.BookingFailure.Cause.Name(failure.cause)

"""A shop for tests: a hand-set clock, slots to hold, requests to make, and a desk over a real ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TypeVar

from slotlease.desk.batch import Batches
from slotlease.desk.check_availability import Availability, CheckAvailability
from slotlease.desk.create_booking import CreateBooking
from slotlease.desk.create_lease import CreateLease
from slotlease.desk.desk import ask
from slotlease.desk.operation import Operation
from slotlease.desk.update_booking import UpdateBooking
from slotlease.domain.booking import Booking, BookingStatus, PaymentInformation, UserInformation, user_key
from slotlease.domain.facts import natural_key
from slotlease.domain.failure import Refusal
from slotlease.domain.lease import Lease, LeaseTerms
from slotlease.domain.merchant import Merchant, Service
from slotlease.domain.policy import Rules
from slotlease.domain.slot import NOBODY, SECOND_US, AskedSlot, Resources, Slot, slot_number
from slotlease.store.open import open_store
from slotlease.store.protocol import Store

AnswerT = TypeVar("AnswerT")

PATIENCE_S = 30.0
"""How long a test waits for what must happen before it fails. Nothing waits that long when all is well."""

MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US

NOON_US = 1_767_268_800 * SECOND_US
"""2026-01-01 12:00 UTC: when every test's day begins."""


class HandClock:
    """A clock that moves only when told."""

    def __init__(self, now_us: int = NOON_US) -> None:
        self.now_us = now_us

    def __call__(self) -> int:
        return self.now_us

    def advance(self, *, s: float = 0, us: int = 0) -> None:
        self.now_us += round(s * SECOND_US) + us


def secrets() -> Iterator[bytes]:
    """Sixteen bytes for each new id, the same in every run."""
    return (number.to_bytes(16, "big") for number in count(1))


@dataclass(frozen=True, slots=True)
class Offered:
    """A slot as a feed would offer it: what `Shop.offer` puts on the ledger."""

    service_id: str = "cut"
    start_us: int = NOON_US + DAY_US
    duration_us: int = HOUR_US
    staff_id: str = ""
    room_id: str = ""
    party_size: int = 0
    availability_tag: str = ""
    spots_total: int = 1
    spots_elsewhere: int = 0
    closed: bool = False
    asynchronous: bool = False
    first_bookable_us: int | None = None
    last_bookable_us: int | None = None
    last_online_cancellable_us: int | None = None

    def asked(self, merchant_id: str = "m1", *, availability_tag: str = "") -> AskedSlot:
        """The slot as a caller would name it: resources only where it has any."""
        resources = Resources(self.staff_id, self.room_id, self.party_size)
        return AskedSlot(
            merchant_id,
            self.service_id,
            self.start_us,
            self.duration_us,
            availability_tag,
            None if resources == Resources() else resources,
        )


def user(user_id: str = "u1") -> UserInformation:
    return UserInformation(user_id, "Ada", "Lovelace", "+41 44 000 00 00", "ada@example.com")


class Shop:
    """Merchants on a real ledger, and a desk that answers on the caller's own thread."""

    def __init__(self, store: Store, clock: HandClock, *, terms: LeaseTerms | None = None) -> None:
        self.store = store
        self.clock = clock
        self.incidents: list[BaseException] = []
        self.rules = Rules(store.fingerprint_key, terms or LeaseTerms())
        self.batches = Batches(store, self.rules, self.report)
        self._secrets = secrets()
        self._references = count(1)
        self._services: dict[str, dict[str, Service]] = {}
        self._staff: dict[str, dict[str, None]] = {}
        self._rooms: dict[str, dict[str, None]] = {}

    def report(self, error: BaseException) -> str:
        self.incidents.append(error)
        return f"incident-{len(self.incidents)}"

    # --- inventory -------------------------------------------------------------------------------------------

    def serve(self, service: Service, merchant_id: str = "m1") -> Merchant:
        """Puts a service (numbers ignored) on the merchant's catalogue, in place of one with the same id."""
        self._services.setdefault(merchant_id, {})[service.service_id] = service
        return self._put_catalogue(merchant_id)

    def offer(self, *offered: Offered, merchant_id: str = "m1") -> list[Slot]:
        """Puts the slots on the ledger, with whatever service, staff and rooms they name."""
        services = self._services.setdefault(merchant_id, {})
        for one in offered:
            services.setdefault(one.service_id, Service(0, 0, one.service_id))
            if one.staff_id:
                self._staff.setdefault(merchant_id, {})[one.staff_id] = None
            if one.room_id:
                self._rooms.setdefault(merchant_id, {})[one.room_id] = None
        merchant = self._put_catalogue(merchant_id)
        slots = [slot_row(merchant, one) for one in offered]
        self.store.put_slots(merchant.merchant_no, slots)
        return slots

    def _put_catalogue(self, merchant_id: str) -> Merchant:
        merchant, _ = self.store.put_catalogue(
            merchant_id,
            merchant_id.upper(),
            list(self._services.get(merchant_id, {}).values()),
            list(self._staff.get(merchant_id, {})),
            list(self._rooms.get(merchant_id, {})),
        )
        return merchant

    # --- requests --------------------------------------------------------------------------------------------

    def ask(self, operation: Operation[AnswerT]) -> AnswerT:
        return ask(self.batches, operation)

    def ask_all(self, operations: Sequence[Operation[object]]) -> list[object]:
        """All in one batch, in this order."""
        return self.batches.write(operations)

    def create_lease(
        self, slot: AskedSlot, *, reference: str | None = None, expires_us: int | None = None
    ) -> CreateLease:
        reference = f"reference-{next(self._references)}" if reference is None else reference
        return CreateLease(slot, reference, expires_us, next(self._secrets))

    def create_booking(
        self,
        slot: AskedSlot,
        *,
        lease_id: str = "",
        user_id: str = "u1",
        token: str | None = None,
        payment: PaymentInformation | None = None,
    ) -> CreateBooking:
        return CreateBooking(
            slot=slot,
            lease_id=lease_id,
            user_key=user_key(user_id),
            user=user(user_id),
            payment=payment,
            asks_to_charge=False,
            additional_request="",
            idempotency_token=f"token-{next(self._references)}" if token is None else token,
            secret=next(self._secrets),
        )

    def lease(self, slot: AskedSlot, *, reference: str | None = None, expires_us: int | None = None) -> Lease:
        """A lease that must be granted."""
        return granted(self.ask(self.create_lease(slot, reference=reference, expires_us=expires_us)))

    def book(self, slot: AskedSlot, *, lease_id: str = "", user_id: str = "u1", token: str | None = None) -> Booking:
        """A booking that must succeed."""
        return booked(self.ask(self.create_booking(slot, lease_id=lease_id, user_id=user_id, token=token)))

    def cancel(self, booking: Booking) -> Booking | Refusal:
        return self.ask(UpdateBooking(booking.booking_id, status=BookingStatus.CANCELED))

    def move(self, booking: Booking, *, start_us: int) -> Booking | Refusal:
        return self.ask(UpdateBooking(booking.booking_id, start_us=start_us))

    def count_available(self, slot: AskedSlot) -> int:
        answer = self.ask(CheckAvailability(slot))
        assert isinstance(answer, Availability), answer
        return answer.count_available


def slot_row(merchant: Merchant, offered: Offered) -> Slot:
    key = natural_key(merchant, offered.asked(merchant.merchant_id))
    assert key is not None, "the merchant's catalogue has all that the slot names"
    service_no, start_us, duration_us, staff_no, room_no, party_size = key
    assert (staff_no != NOBODY) == bool(offered.staff_id)
    return Slot(
        merchant.merchant_no,
        slot_number(key),
        service_no,
        start_us,
        duration_us,
        staff_no,
        room_no,
        party_size,
        offered.availability_tag,
        offered.spots_total,
        offered.spots_elsewhere,
        offered.closed,
        offered.asynchronous,
        offered.first_bookable_us,
        offered.last_bookable_us,
        offered.last_online_cancellable_us,
    )


def granted(answer: Lease | Refusal) -> Lease:
    assert isinstance(answer, Lease), answer
    return answer


def booked(answer: object) -> Booking:
    assert isinstance(answer, Booking), answer
    return answer


def open_shop(folder: Path, *, terms: LeaseTerms | None = None, clock: HandClock | None = None) -> Shop:
    """A shop on the ledger in `folder`, made if it is not there."""
    clock = clock or HandClock()
    return Shop(open_store(f"sqlite:///{folder / 'ledger.db'}", clock, create=True), clock, terms=terms)


def wait_until(happened: Callable[[], bool]) -> None:
    """For what others do in their own time: processes, threads, a server and its callers. A test that waits in vain
    fails after half a minute."""
    until_s = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < until_s, "it never happened"
        time.sleep(0.001)

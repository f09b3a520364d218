"""Ledgers to measure on: so many slots of so many merchants, the same for the same day, with or without old leases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from itertools import islice

from slotlease.desk.batch import Batches
from slotlease.desk.create_lease import CreateLease
from slotlease.domain.facts import natural_key
from slotlease.domain.lease import Lease, LeaseTerms
from slotlease.domain.merchant import Merchant, Service
from slotlease.domain.policy import Rules
from slotlease.domain.slot import SECOND_US, AskedSlot, Resources, Slot, slot_number
from slotlease.store.open import open_store
from slotlease.store.protocol import Store

SPOTS_UNLIMITED = 1_000_000
STARTS, STEP_S = 2_880, 15 * 60
"""A start every quarter of an hour for 30 days, then the next service."""

SERVICES, DURATION_S = 10, 30 * 60
"""And after the last service the first one again, a minute longer."""

PIECE = 10_000
DAY_US = 86_400 * SECOND_US

FIRST_START_S = int(
    (datetime.now(tz=UTC) + timedelta(days=2)).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
)


@dataclass(frozen=True, slots=True)
class Inventory:
    """`expired` leases have ended and nobody has swept them; `held` leases are live, all of the first slot, and so are
    `taken` ones, of slots here and there. With `staff` each slot names one of so many people, who have one a day."""

    slots: int = 10_000
    merchants: int = 10
    spots: int = SPOTS_UNLIMITED
    expired: int = 0
    held: int = 0
    staff: int = 0
    taken: int = 0

    def __str__(self) -> str:
        return "-".join(str(getattr(self, one.name)) for one in fields(self))

    def slot(self, number: int) -> AskedSlot:
        """Slot `number`, of 0 to `slots`, as a caller names it. Neighbours belong to different merchants."""
        place, merchant = divmod(number, self.merchants)
        if self.staff:
            day, staff = divmod(place, self.staff)
            begins_us = FIRST_START_S * SECOND_US + day * DAY_US
            given = Resources(f"staff-{staff}", "", 0)
            return AskedSlot(f"merchant-{merchant}", "service-0", begins_us, DURATION_S * SECOND_US, resources=given)
        service, start = divmod(place, STARTS)
        longer, service = divmod(service, SERVICES)
        return AskedSlot(
            f"merchant-{merchant}",
            f"service-{service}",
            (FIRST_START_S + start * STEP_S) * SECOND_US,
            (DURATION_S + longer * 60) * SECOND_US,
        )

    def of_merchant(self, merchant: int) -> Iterator[AskedSlot]:
        return (self.slot(number) for number in range(merchant, self.slots, self.merchants))


def fill(url: str, inventory: Inventory) -> None:
    """Puts the inventory on the empty ledger at `url`; where that is a file, it is made."""
    store = open_store(url, create=True)
    try:
        for number in range(inventory.merchants):
            _put_merchant(store, inventory, number)
    finally:
        store.close()
    if inventory.held:
        _lease(url, inventory, [0] * inventory.held, DAY_US)
    if inventory.taken:
        step = inventory.slots // inventory.taken
        _lease(url, inventory, [number * step for number in range(inventory.taken)], DAY_US)
    if inventory.expired:
        _lease(url, inventory, [number % inventory.slots for number in range(inventory.expired)], SECOND_US)


def _put_merchant(store: Store, inventory: Inventory, number: int) -> None:
    services = [Service(0, 0, f"service-{one}") for one in range(SERVICES)]
    staff = [f"staff-{one}" for one in range(inventory.staff)]
    merchant, _ = store.put_catalogue(f"merchant-{number}", f"Merchant {number}", services, staff, [])
    asked = inventory.of_merchant(number)
    while piece := [_row(merchant, one, inventory.spots) for one in islice(asked, PIECE)]:
        store.put_slots(merchant.merchant_no, piece)


def _row(merchant: Merchant, asked: AskedSlot, spots: int) -> Slot:
    key = natural_key(merchant, asked)
    if key is None:
        message = f"{asked} names what is not on the ledger; mend bench/inventory.py"
        raise LookupError(message)
    return Slot(
        merchant.merchant_no,
        slot_number(key),
        *key,
        "",
        spots,
        0,
        closed=False,
        asynchronous=False,
    )


def _lease(url: str, inventory: Inventory, numbers: list[int], lasts_us: int) -> None:
    """Leases of these slots, through the desk itself."""

    def report(error: BaseException) -> str:
        raise error

    store = open_store(url)
    terms = LeaseTerms(min_us=lasts_us, max_us=lasts_us, default_us=lasts_us)
    batches = Batches(store, Rules(store.fingerprint_key, terms), report)
    try:
        for first in range(0, len(numbers), 1000):
            piece = range(first, min(first + 1000, len(numbers)))
            answers = batches.write([_create(inventory.slot(numbers[one]), one) for one in piece])
            if not all(isinstance(answer, Lease) for answer in answers):
                message = f"a lease before the measurement was refused: {answers[0]}; mend bench/inventory.py"
                raise LookupError(message)
    finally:
        store.close()


def _create(asked: AskedSlot, number: int) -> CreateLease:
    return CreateLease(asked, f"before-{number}", None, number.to_bytes(16, "big"))

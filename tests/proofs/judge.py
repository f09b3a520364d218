"""Who judges a simulated day: the model says what each answer had to be, `broken_promises` what the ledger may hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import apsw

from slotlease.desk.book_lease import BookLease
from slotlease.desk.create_booking import CreateBooking
from slotlease.desk.create_lease import CreateLease
from slotlease.desk.fault import Broken, DeskFault
from slotlease.desk.operation import Operation
from slotlease.desk.update_booking import UpdateBooking
from slotlease.store.protocol import Finding
from tests.model.ledger_image import LedgerImage, broken_promises, image_of
from tests.model.shop_model import ShopModel
from tests.model.told import BookingTold, LeaseTold, Request, Told, drawn_id, told_by_desk
from tests.proofs.callers import SERVICES, SLOTS
from tests.support import HandClock, Offered

Operations = Sequence[Operation[object]]
Answers = Sequence[object]
Token = tuple[type, str, str]


class Violation(Exception):
    """A promise was broken; the text says which."""


class Judge:
    """`model` follows what became durable: an answer that nobody heard counts, one that was lost with its batch does
    not. `acknowledged` is what callers were told of tokens of theirs."""

    def __init__(self, clock: HandClock) -> None:
        self.model = ShopModel()
        self.acknowledged: dict[Token, tuple[Request, Told]] = {}
        self._clock = clock
        self._before: LedgerImage | None = None
        for merchant_id, slots in SLOTS.items():
            for service in SERVICES:
                self.model.services[merchant_id, service.service_id] = service
            for offered in slots:
                self.model.offer(merchant_id, offered)

    # --- answers -----------------------------------------------------------------------------------------------

    def judge(self, operations: Operations, answers: Answers, *, may_break: bool = False) -> None:
        """Each in order against the model, which follows. `may_break`: a row was refused, so one request may have
        been told that it is our mistake."""
        broken = 0
        for operation, answer in zip(operations, answers, strict=True):
            if isinstance(answer, Broken) and may_break:
                broken += 1
                continue
            self._judge_one(operation, answer)
        if broken > 1 and operations[0].writes:
            message = f"one refused row cost {broken} requests of a batch"
            raise Violation(message)

    def judge_rerun(self, operations: Operations, first: Answers, answers: Answers) -> None:
        """A batch whose commit reached the disk and was not known to: it was done again from prefetch. `first` is
        what it decided the first time. A booking that a request changed then is answered to it as it is, whatever
        else is judged afresh (DESIGN 2)."""
        changed = []
        for operation, answer in zip(operations, first, strict=True):
            before = self._revision(operation)
            self._judge_one(operation, answer)
            changed.append(self._revision(operation) != before)
        for operation, answer, is_changed in zip(operations, answers, changed, strict=True):
            if is_changed and isinstance(operation, UpdateBooking):
                now = self.model.bookings[operation.booking_id].now
                self._compare(operation, told_by_desk(_request(operation), answer), now)
            else:
                self._judge_one(operation, answer)

    def _revision(self, operation: Operation[object]) -> int:
        """Of the booking that an update names; 0 where there is none."""
        booking = self.model.bookings.get(operation.booking_id) if isinstance(operation, UpdateBooking) else None
        return 0 if booking is None else booking.revision

    def _judge_one(self, operation: Operation[object], answer: object) -> None:
        if isinstance(answer, DeskFault):
            message = f"{answer!r} was answered to {operation}"
            raise Violation(message)
        told = told_by_desk(_request(operation), answer)
        self._compare(operation, told, self.model.expect(_request(operation), self._clock(), drawn_id(told)))

    def _compare(self, operation: Operation[object], told: Told, expected: Told) -> None:
        if told != expected:
            message = f"{operation} was told {told} and should have been told {expected}"
            raise Violation(message)

    def heard(self, request: Request, answer: object) -> Told | None:
        """What a caller makes of an answer; None for "not now". A token is told one thing, for ever (INV-13)."""
        if isinstance(answer, DeskFault):
            return None
        told = told_by_desk(request, answer)
        key = _token_of(request)
        if isinstance(told, LeaseTold | BookingTold) and key is not None:
            _, earlier = self.acknowledged.setdefault(key, (request, told))
            if told != earlier:
                message = f"{key} was told {earlier} and then {told}"
                raise Violation(message)
        return told

    def in_words(self, operations: Operations, answers: Answers | None) -> str:
        if answers is None:
            return "the process was stopped"
        return " | ".join(
            type(answer).__name__ if isinstance(answer, DeskFault) else str(told_by_desk(_request(operation), answer))
            for operation, answer in zip(operations, answers, strict=True)
        )

    # --- sweeps ------------------------------------------------------------------------------------------------

    def swept(self, buried: int) -> None:
        low, high = self.model.sweep(self._clock())
        if not low <= buried <= high:
            message = f"a sweep buried {buried} leases instead of {low} to {high}"
            raise Violation(message)

    def swept_in_part(self) -> None:
        """Which of the lapsed leases are buried, the ledger will say; that those still live are not, `look` checks."""
        for lease in self.model.leases.values():
            lease.doubtful = lease.doubtful or lease.is_lapsed(self._clock())

    # --- the ledger --------------------------------------------------------------------------------------------

    def offered(self) -> dict[str, list[Offered]]:
        """What each merchant offers at present."""
        found: dict[str, list[Offered]] = {}
        for place, offered in self.model.slots.items():
            found.setdefault(place.merchant_id, []).append(offered)
        return found

    def stocked(self, merchant_id: str, offered: Offered, ledger: apsw.Connection) -> None:
        self.model.offer(merchant_id, offered)
        self._before = image_of(ledger)

    def look(self, ledger: apsw.Connection) -> None:
        """At the whole ledger, after each batch: nothing sold twice by any clock, nothing lost, nothing half."""
        after = image_of(ledger)
        wrong = broken_promises(self._before, after, self._clock()) if self._before is not None else []
        self._before = after
        self.model.settle({lease.lease_id: lease.state for lease in after.leases.values()})
        wrong += self._untold(after)
        if wrong:
            raise Violation("; ".join(wrong))

    def _untold(self, image: LedgerImage) -> Iterator[str]:
        """The ledger holds what was decided and committed, each effect once, and nothing beside it."""
        found: set[object] = {(row.lease_id, row.state, row.expires_us) for row in image.leases.values()}
        found |= {
            (row.booking_id, row.status, row.revision, image.places[row.merchant_no, row.slot_no])
            for row in image.bookings.values()
        }
        due: set[object] = {(key, held.state, held.told.expires_us) for key, held in self.model.leases.items()}
        due |= {(key, sold.now.status, sold.revision, sold.place) for key, sold in self.model.bookings.items()}
        yield from (f"{row} is on the ledger and nobody was told" for row in sorted(map(repr, found - due)))
        yield from (f"{row} was told and is not on the ledger" for row in sorted(map(repr, due - found)))

    def audited(self, findings: Sequence[Finding]) -> None:
        """Only what a merchant took away under live claims may be found: nothing is revoked then (INV-1)."""
        lowered = self.model.overcommitted(self._clock())
        wrong = [finding for finding in findings if not finding.rule.startswith("INV-1")]
        if wrong or len(findings) != len(lowered):
            message = f"the audit found {findings}, and {lowered} are overcommitted"
            raise Violation(message)

    def lost(self) -> list[str]:
        """What was acknowledged and is not on the ledger, which the model knows."""
        return [
            f"{told} was acknowledged and is lost"
            for request, told in self.acknowledged.values()
            if drawn_id(told) not in (self.model.leases if isinstance(request, CreateLease) else self.model.bookings)
        ]


def _token_of(request: Request) -> Token | None:
    """What makes a repeat known as one. In version 0 that is the lease itself, in the hands of one client."""
    match request:
        case CreateLease():
            return CreateLease, request.slot.merchant_id, request.client_reference
        case CreateBooking():
            return CreateBooking, request.slot.merchant_id, request.idempotency_token
        case BookLease():
            return BookLease, request.user_key, request.lease_id
        case _:
            return None


def _request(operation: Operation[object]) -> Request:
    assert isinstance(operation, Request), operation
    return operation

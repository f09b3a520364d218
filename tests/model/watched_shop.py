"""A shop on a real ledger with the model beside it: what one is told, the other is told, and then both are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from slotlease.desk.operation import Operation
from slotlease.desk.sweep_leases import sweep
from slotlease.store.protocol import Finding
from tests.model.corners import Corner
from tests.model.kept import place_asked
from tests.model.ledger_image import LedgerConnection, LedgerImage, broken_promises, image_of, open_ledger
from tests.model.shop_model import ShopModel
from tests.model.told import Request, Told, drawn_id, told_by_desk
from tests.support import HandClock, Offered, Shop, open_shop, slot_row


class LedgerShop:
    """A shop in process, on the ledger in `folder`: answers as the desk gives them."""

    def __init__(self, folder: Path, clock: HandClock) -> None:
        self.folder = folder
        self.clock = clock
        self.shop, self.ledger = self.opened()

    @classmethod
    def new_clock(cls) -> HandClock:
        return HandClock()

    def opened(self) -> tuple[Shop, LedgerConnection]:
        """The shop, and a line to its ledger past it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return open_shop(self.folder, clock=self.clock), open_ledger(self.folder / "ledger.db")

    def open_for_business(self, corner: Corner) -> None:
        for merchant_id, service in corner.services:
            self.shop.serve(service, merchant_id)
        for merchant_id, offered in corner.slots:
            self.shop.offer(offered, merchant_id=merchant_id)

    def ask(self, *requests: Request) -> Sequence[object]:
        """All in one batch, which is either all writes or all reads."""
        operations = cast("Sequence[Operation[object]]", requests)
        batches = self.shop.batches
        answers = batches.write(operations) if requests[0].writes else batches.read(operations)
        assert self.shop.incidents == [], f"told {requests}"
        return answers

    def said(self, request: Request) -> Request | None:
        """The request as it can be asked here; None where it cannot."""
        return request

    def told(self, *requests: Request) -> list[Told]:
        answers = self.ask(*requests)
        return [told_by_desk(request, answer) for request, answer in zip(requests, answers, strict=True)]

    def shown(self, _: Request, expected: Told) -> object:
        """As much of the answer as is told here."""
        return expected

    def sweep(self) -> int:
        return sweep(self.shop.store, self.shop.ask, piece=2)

    def restart(self) -> None:
        self.close()
        self.shop, self.ledger = self.opened()

    def image(self) -> LedgerImage:
        return image_of(self.ledger)

    def audit(self) -> Sequence[Finding]:
        return self.shop.store.audit()

    def offer(self, merchant_id: str, offered: Offered) -> None:
        """The slot as tomorrow's feed has it: the merchant's catalogue stays."""
        merchant = next(one for one in self.shop.store.merchants() if one.merchant_id == merchant_id)
        self.shop.store.put_slots(merchant.merchant_no, [slot_row(merchant, offered)])

    def close(self) -> None:
        self.ledger.close()
        self.shop.store.close()


class WatchedShop:
    """`asks_ledger`: the clock may step back, so the model must learn what became of doubtful leases. Where it is
    False, the model is certain of every answer by itself."""

    def __init__(self, folder: Path, corner: Corner, *, asks_ledger: bool, kind: type[LedgerShop] = LedgerShop) -> None:
        self.clock = kind.new_clock()
        self.shop = kind(folder, self.clock)
        self.shop.open_for_business(corner)
        self.model = ShopModel()
        for merchant_id, service in corner.services:
            self.model.services[merchant_id, service.service_id] = service
        for merchant_id, offered in corner.slots:
            self.model.offer(merchant_id, offered)
        self._asks_ledger = asks_ledger
        self._image = self.shop.image()
        self._audited_us = 0

    def tell(self, *requests: Request) -> list[Told]:
        """Asks the shop all of it in one batch, compares each answer with the model's, and checks the ledger."""
        answered = self.shop.told(*requests)
        for request, told in zip(requests, answered, strict=True):
            expected = self.shop.shown(request, self.model.expect(request, self.clock.now_us, drawn_id(told)))
            assert told == expected, (
                f"at {self.clock.now_us}, one of {len(requests)}: {request}\n {told=}\n {expected=}"
            )
        before = self._image
        self.check()
        if not requests[0].writes:
            assert self._image == before, "a read changed the ledger"
        return answered

    def sweep(self) -> None:
        buried = self.shop.sweep()
        at_least, at_most = self.model.sweep(self.clock.now_us)
        assert at_least <= buried <= at_most
        self.check()

    def restart(self) -> None:
        self.shop.restart()
        before = self._image
        self.check()
        assert self._image == before, "a restart changed the ledger"

    def offer(self, merchant_id: str, asked: Offered, **changes: object) -> None:
        """Changes the inventory's slot that is named like `asked`."""
        place = place_asked(asked.asked(merchant_id))
        offered = replace(self.model.slots[place], **changes)  # type: ignore[arg-type]  # fields of Offered, by name
        self.shop.offer(merchant_id, offered)
        self.model.offer(merchant_id, offered)
        self.check()

    def check(self) -> None:
        """INV-1 to INV-16 of the ledger as it now is, and that the ledger and the model tell of the same."""
        now_us = self.clock.now_us
        image = self.shop.image()
        assert broken_promises(self._image, image, now_us) == []
        self._image = image
        self._compare(image)
        if self._asks_ledger:
            self.model.settle({lease.lease_id: lease.state for lease in image.leases.values()})
        overcommitted = self.model.overcommitted(now_us)
        assert {image.places[slot] for slot in image.overcommitted(now_us)} == overcommitted
        findings = self.shop.audit()
        assert [finding for finding in findings if not finding.rule.startswith("INV-1:")] == []
        assert len(findings) == len(overcommitted), findings

    def close(self) -> None:
        self.shop.close()

    def _compare(self, image: LedgerImage) -> None:
        leases = {lease.lease_id: lease for lease in image.leases.values()}
        assert leases.keys() == self.model.leases.keys()
        for lease_id, held in self.model.leases.items():
            lease = leases[lease_id]
            told = held.told
            assert (lease.client_reference, lease.expires_us) == (told.client_reference, told.expires_us)
            assert image.places[lease.merchant_no, lease.slot_no] == held.place
            may_be = {held.state, "EXPIRED"} if held.doubtful else {held.state}
            assert lease.state in may_be, f"{told} is {lease.state} on the ledger, {may_be} to the model"
        bookings = {booking.booking_id: booking for booking in image.bookings.values()}
        assert bookings.keys() == self.model.bookings.keys()
        for booking_id, sold in self.model.bookings.items():
            booking = bookings[booking_id]
            assert (booking.status, booking.revision) == (sold.now.status, sold.revision)
            lease_id = image.leases[booking.merchant_no, booking.lease_no].lease_id if booking.lease_no else ""
            assert lease_id == sold.lease_id
            assert image.places[booking.merchant_no, booking.slot_no] == sold.place

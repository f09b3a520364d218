"""Stories of a shop and its customers, told once and playable through every version of the API.

A `Teller` plays a story and keeps what each sentence came to: OK, or the reason or cause by name, which both versions
know by the same names. Each of the three kinds of calls (leases, bookings, changes) may go through another version.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, cast

import grpc

from slotlease.domain.slot import AskedSlot
from slotlease.wire.proto.v0 import booking_pb2 as v0
from slotlease.wire.proto.v2 import booking_pb2 as v2
from tests.rest import asking_v3
from tests.rest.serving import Json, RestClient
from tests.support import DAY_US, HOUR_US, MINUTE_US, NOON_US, Offered
from tests.wire import asking, asking_v0
from tests.wire.client import CALL_TIMEOUT_S, Client
from tests.wire.client_v0 import ClientV0

Version = Literal["v0", "v2", "v3"]

TODAY = Offered()
TOMORROW = Offered(start_us=NOON_US + 2 * DAY_US)
UNKNOWN_LEASE, UNKNOWN_BOOKING = "l1-999999-" + "0" * 32, "b1-999999-" + "0" * 32


@dataclass(slots=True)
class Teller:
    client: Client
    client_v0: ClientV0
    rest: RestClient
    leases: Version
    bookings: Version
    changes: Version
    told: list[str] = field(default_factory=list)
    _given: dict[str, AskedSlot] = field(default_factory=dict)

    def offer(self, *offered: Offered) -> None:
        self.client.shop.offer(*offered, merchant_id=self.client.merchant_id)

    def wait(self, minutes: float) -> None:
        self.client.shop.clock.advance(us=round(minutes * MINUTE_US))

    # --- the calls -------------------------------------------------------------------------------------------

    def lease(self, offered: Offered, reference: str, *, expires_us: int | None = None) -> str:
        """The lease's id, or one that nobody has where no lease was granted."""
        slot = offered.asked(self.client.merchant_id)
        if self.leases == "v2":
            request = asking.lease(slot, reference, expires_us=expires_us)
            lease_id = self._tell(lambda: self.client.stub.CreateLease(request, timeout=CALL_TIMEOUT_S))
        elif self.leases == "v3":
            lease_id = self._tell_rest("CreateLease", asking_v3.lease(slot, reference, expires_us=expires_us))
        else:
            request_v0 = asking_v0.lease(slot, reference, expires_us=expires_us)
            lease_id = self._tell(lambda: self.client_v0.stub.CreateLease(request_v0, timeout=CALL_TIMEOUT_S))
        self._given[lease_id or UNKNOWN_LEASE] = slot
        return lease_id or UNKNOWN_LEASE

    def book(
        self, lease_id: str, name: str = "Ada", *, telephone: str = "+41 44 000 00 00", charge: bool = False
    ) -> str:
        """The booking's id, or one that nobody has where nothing was booked. Version 2 repeats the leased slot, and its
        token is one for each customer and lease: that is what the lease alone is in version 0."""
        if self.bookings == "v2":
            request = asking.booking(self._given[lease_id], f"{name} {lease_id}", lease_id=lease_id, user_id=name)
            request.user_information.email = f"{name}@example.com"
            request.user_information.given_name = name
            request.user_information.telephone = telephone
            if charge:
                request.payment_processing_parameters.SetInParent()
            booking_id = self._tell(lambda: self.client.stub.CreateBooking(request, timeout=CALL_TIMEOUT_S))
        elif self.bookings == "v3":
            asked = asking_v3.booking(self._given[lease_id], f"{name} {lease_id}", lease_id=lease_id, user_id=name)
            who = {"email": f"{name}@example.com", "given_name": name, "telephone": telephone}
            asked["user_information"].update(who)
            if charge:
                asked["payment_processing_parameters"] = {}
            booking_id = self._tell_rest("CreateBooking", asked)
        else:
            request_v0 = asking_v0.booking(lease_id, name)
            request_v0.client_information.telephone = telephone
            if charge:
                request_v0.payment_processing_parameters.SetInParent()
            booking_id = self._tell(lambda: self.client_v0.stub.CreateBooking(request_v0, timeout=CALL_TIMEOUT_S))
        return booking_id or UNKNOWN_BOOKING

    def cancel(self, booking_id: str) -> None:
        request, request_v0 = asking.cancellation(booking_id), asking_v0.cancellation(booking_id)
        if self.changes == "v2":
            self._tell(lambda: self.client.stub.UpdateBooking(request, timeout=CALL_TIMEOUT_S))
        elif self.changes == "v3":
            self._tell_rest("UpdateBooking", asking_v3.cancellation(booking_id))
        else:
            self._tell(lambda: self.client_v0.stub.UpdateBooking(request_v0, timeout=CALL_TIMEOUT_S))

    def move(self, booking_id: str, offered: Offered) -> None:
        start, duration = asking.timestamp(offered.start_us), asking.duration(offered.duration_us)
        if self.changes == "v2":
            slot = v2.Slot(start_time=start, duration=duration)
            changed = asking.update(v2.Booking(booking_id=booking_id, slot=slot), "slot.start_time", "slot.duration")
            self._tell(lambda: self.client.stub.UpdateBooking(changed, timeout=CALL_TIMEOUT_S))
        elif self.changes == "v3":
            moved = asking_v3.move(booking_id, offered.start_us, offered.duration_us)
            self._tell_rest("UpdateBooking", moved)
        else:
            booking = v0.Booking(booking_id=booking_id, start_time=start, duration=duration)
            changed_v0 = asking_v0.update(booking, "start_time", "duration")
            self._tell(lambda: self.client_v0.stub.UpdateBooking(changed_v0, timeout=CALL_TIMEOUT_S))

    # --- what they came to -----------------------------------------------------------------------------------

    def _tell(self, call: Callable[[], object]) -> str:
        """The id in the answer, empty where the call was refused."""
        try:
            answer = call()
        except grpc.RpcError as error:
            status = cast("grpc.Call", error)
            ended = asking.read_ending(status.code(), status.details() or "", dict(status.trailing_metadata() or ()))
            self.told.append(ended.info.reason)
            return ""
        failure = getattr(answer, "booking_failure", None)
        if failure is not None and failure.cause:
            self.told.append(v2.BookingFailure.Cause.Name(failure.cause))
            return ""
        self.told.append("OK")
        return cast("str", answer.lease.lease_id if hasattr(answer, "lease") else answer.booking.booking_id)  # type: ignore[attr-defined]

    def _tell_rest(self, method: str, request: Json) -> str:
        response = self.rest.send(method, json.dumps(request).encode())
        answer: Json = response.json()
        if response.status_code != 200:
            self.told.extend(detail["reason"] for detail in answer["error"]["details"] if "reason" in detail)
            return ""
        if "booking_failure" in answer:
            self.told.append(answer["booking_failure"]["cause"])
            return ""
        self.told.append("OK")
        ((made, told),) = answer.items()
        made_id: str = told[f"{made}_id"]
        return made_id


# --- the stories ------------------------------------------------------------------------------------------------


def a_lease_becomes_a_booking(shop: Teller) -> None:
    shop.offer(TODAY)
    shop.book(shop.lease(TODAY, "r"))


def a_lease_runs_out_and_another_customer_takes_the_slot(shop: Teller) -> None:
    shop.offer(TODAY)
    late = shop.lease(TODAY, "r1")
    shop.wait(10)
    shop.book(late)
    shop.book(shop.lease(TODAY, "r2"), "Grace")


def a_lease_runs_out_and_its_customer_begins_again(shop: Teller) -> None:
    shop.offer(TODAY)
    late = shop.lease(TODAY, "r1")
    shop.wait(11)
    shop.book(late)
    shop.lease(TODAY, "r1")
    shop.book(shop.lease(TODAY, "r2"))


def a_lease_is_asked_for_twice_with_one_reference(shop: Teller) -> None:
    shop.offer(Offered(spots_total=3))
    shop.lease(TODAY, "r")
    shop.wait(1)
    shop.book(shop.lease(TODAY, "r", expires_us=NOON_US + 5 * MINUTE_US))
    shop.lease(TODAY, "r")


def a_reference_is_used_for_two_slots(shop: Teller) -> None:
    shop.offer(TODAY, TOMORROW)
    shop.lease(TODAY, "r")
    shop.lease(TOMORROW, "r")


def two_customers_want_the_last_spot(shop: Teller) -> None:
    shop.offer(Offered(spots_total=2))
    first, second = shop.lease(TODAY, "r1"), shop.lease(TODAY, "r2")
    shop.lease(TODAY, "r3")
    shop.book(second, "Grace")
    shop.book(first)


def the_asked_expiry_is_a_wish(shop: Teller) -> None:
    shop.offer(Offered(spots_total=4))
    for number, ahead_us in enumerate((-HOUR_US, 1_000, 5 * MINUTE_US + 1, DAY_US)):
        shop.lease(TODAY, f"r{number}", expires_us=NOON_US + ahead_us)


def a_lease_ends_where_its_slot_begins(shop: Teller) -> None:
    soon = Offered(start_us=NOON_US + MINUTE_US // 2)
    shop.offer(soon)
    shop.book(shop.lease(soon, "r"))
    shop.wait(1)
    shop.lease(soon, "r2")


def a_booking_is_asked_for_twice(shop: Teller) -> None:
    shop.offer(Offered(spots_total=2))
    lease = shop.lease(TODAY, "r")
    shop.book(lease)
    shop.book(lease)


def a_lease_is_booked_by_one_and_tried_by_another(shop: Teller) -> None:
    shop.offer(Offered(spots_total=3))
    lease = shop.lease(TODAY, "r")
    shop.book(lease)
    shop.book(lease, "Grace")


def a_customer_wants_the_same_slot_again(shop: Teller) -> None:
    shop.offer(Offered(spots_total=3))
    shop.book(shop.lease(TODAY, "r1"))
    second = shop.lease(TODAY, "r2")
    shop.book(second)
    shop.book(second, "Grace")


def a_customer_forgets_the_telephone_and_then_finds_it(shop: Teller) -> None:
    shop.offer(TODAY)
    lease = shop.lease(TODAY, "r")
    shop.book(lease, telephone="")
    shop.book(lease, telephone="+41 44 000 00 00\x1b")
    shop.book(lease)


def a_customer_wants_the_shop_to_charge(shop: Teller) -> None:
    shop.offer(TODAY)
    lease = shop.lease(TODAY, "r")
    shop.book(lease, charge=True)
    shop.book(lease)


def a_slot_closes_while_it_is_held(shop: Teller) -> None:
    shop.offer(TODAY)
    lease = shop.lease(TODAY, "r1")
    shop.offer(Offered(closed=True))
    shop.lease(TODAY, "r2")
    shop.book(lease)


def a_booking_is_cancelled_and_its_spot_sold_again(shop: Teller) -> None:
    shop.offer(TODAY)
    booking = shop.book(shop.lease(TODAY, "r1"))
    shop.lease(TODAY, "r2")
    shop.cancel(booking)
    shop.cancel(booking)
    shop.book(shop.lease(TODAY, "r3"), "Grace")


def a_booking_is_moved_and_moved_back(shop: Teller) -> None:
    shop.offer(TODAY, TOMORROW)
    booking = shop.book(shop.lease(TODAY, "r"))
    shop.move(booking, TOMORROW)
    shop.move(booking, TOMORROW)
    shop.move(booking, TODAY)


def a_booking_cannot_move_where_no_spot_is_left(shop: Teller) -> None:
    shop.offer(TODAY, TOMORROW)
    shop.lease(TOMORROW, "r1")
    booking = shop.book(shop.lease(TODAY, "r2"))
    shop.move(booking, TOMORROW)
    shop.wait(10)
    shop.move(booking, TOMORROW)


def a_booking_cannot_move_where_nothing_is_offered(shop: Teller) -> None:
    shop.offer(TODAY)
    booking = shop.book(shop.lease(TODAY, "r"))
    shop.move(booking, TOMORROW)
    shop.lease(TOMORROW, "r2")


def a_cancelled_booking_cannot_move(shop: Teller) -> None:
    shop.offer(TODAY, TOMORROW)
    booking = shop.book(shop.lease(TODAY, "r"))
    shop.cancel(booking)
    shop.move(booking, TOMORROW)


def it_is_too_late_to_cancel_and_to_move(shop: Teller) -> None:
    strict = Offered(last_online_cancellable_us=NOON_US + MINUTE_US)
    shop.offer(strict, TOMORROW)
    booking = shop.book(shop.lease(strict, "r"))
    shop.wait(2)
    shop.cancel(booking)
    shop.move(booking, TOMORROW)


def one_stylist_cannot_be_in_two_places(shop: Teller) -> None:
    cut = Offered("cut", staff_id="kim")
    colour = Offered("colour", start_us=cut.start_us + HOUR_US // 2, staff_id="kim", room_id="blue")
    shop.offer(cut, colour)
    lease = shop.lease(cut, "r1")
    shop.lease(colour, "r2")
    shop.cancel(shop.book(lease))
    shop.book(shop.lease(colour, "r3"))


def a_merchant_confirms_by_hand(shop: Teller) -> None:
    by_hand = Offered(asynchronous=True)
    shop.offer(by_hand, TOMORROW)
    booking = shop.book(shop.lease(by_hand, "r"))
    shop.move(booking, TOMORROW)


def nobody_knows_these_ids(shop: Teller) -> None:
    shop.offer(TODAY)
    shop.lease(TODAY, "r1")
    shop.book(shop.lease(TODAY, "r2"))
    shop.cancel(UNKNOWN_BOOKING)
    shop.move(UNKNOWN_BOOKING, TODAY)


STORIES: tuple[Callable[[Teller], None], ...] = (
    a_lease_becomes_a_booking,
    a_lease_runs_out_and_another_customer_takes_the_slot,
    a_lease_runs_out_and_its_customer_begins_again,
    a_lease_is_asked_for_twice_with_one_reference,
    a_reference_is_used_for_two_slots,
    two_customers_want_the_last_spot,
    the_asked_expiry_is_a_wish,
    a_lease_ends_where_its_slot_begins,
    a_booking_is_asked_for_twice,
    a_lease_is_booked_by_one_and_tried_by_another,
    a_customer_wants_the_same_slot_again,
    a_customer_forgets_the_telephone_and_then_finds_it,
    a_customer_wants_the_shop_to_charge,
    a_slot_closes_while_it_is_held,
    a_booking_is_cancelled_and_its_spot_sold_again,
    a_booking_is_moved_and_moved_back,
    a_booking_cannot_move_where_no_spot_is_left,
    a_booking_cannot_move_where_nothing_is_offered,
    a_cancelled_booking_cannot_move,
    it_is_too_late_to_cancel_and_to_move,
    one_stylist_cannot_be_in_two_places,
    a_merchant_confirms_by_hand,
    nobody_knows_these_ids,
)

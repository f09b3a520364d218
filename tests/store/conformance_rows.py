"""What goes in comes out equal: every type, every optional field, text as it was given, instants to the microsecond."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from slotlease.domain.booking import (
    Booking,
    BookingStatus,
    Deposit,
    NoShowFee,
    PaymentInformation,
    PaymentProcessedBy,
    PostalAddress,
    PrepaymentStatus,
    Price,
    PriceType,
    UserInformation,
)
from slotlease.domain.facts import Wanted
from slotlease.domain.lease import Lease, LeaseState
from slotlease.domain.merchant import Service
from slotlease.domain.slot import AskedSlot, Resources
from slotlease.domain.spot import FOREVER_US
from slotlease.store.protocol import Store
from tests.store.backend import Backend, OnALedger
from tests.store.rows import booking_row, changes_for, lease_row, put_rows
from tests.support import NOON_US, Offered, Shop

TEXTS = {
    "plain": "gym",
    "emoji": "🏋️‍♀️ 9 o'clock — café, cafe\u0301, ﷽",
    "quotes": 'O\'Brien; "DROP" `TABLE` \\ -- %_ :name ? $1 {}',
    "json": '{"a": [null, "\\u0000"]}',
    "white": " leading, trailing, tab\tline\nreturn\r ",
    "long": "é" * 500,
    "digits": "0012",
}

INSTANTS_US = {
    "the first microsecond of 1970": 1,
    "the second before 2001-09-09": 999_999_999_999_999,
    "a microsecond past noon": NOON_US + 1,
    "past 32 bits of seconds": 2**31 * 1_000_000 + 1,
    "the last microsecond of 2099": 4_102_444_799_999_999,
}

PRICE = Price(12_345_678, "CHF", "evening")
FULL_PAYMENT = PaymentInformation(
    prepayment_status=PrepaymentStatus.PROVIDED,
    payment_transaction_id="tx 1",
    price=PRICE,
    tax_amount=Price(0, "JPY"),
    payment_processed_by=PaymentProcessedBy.GOOGLE,
    payment_option_id="option",
    user_payment_option_id="option of the user",
    deposit=Deposit(Price(2**63 - 1, "VND"), 86_400, PriceType.PER_PERSON),
    no_show_fee=NoShowFee(Price(-1, "USD"), PriceType.FIXED_RATE),
)
PAYMENTS: dict[str, PaymentInformation | None] = {
    "none": None,
    "given and empty": PaymentInformation(),
    "full": FULL_PAYMENT,
    "deposit and fee without a price": PaymentInformation(
        deposit=Deposit(None, 0, PriceType.FIXED_RATE), no_show_fee=NoShowFee(None, PriceType.PER_PERSON)
    ),
    **{f"processed by {by.name}": PaymentInformation(payment_processed_by=by) for by in PaymentProcessedBy},
    **{f"prepayment {status.name}": PaymentInformation(prepayment_status=status) for status in PrepaymentStatus},
}

USERS = {
    "no address": UserInformation("u1", "Ada", "Lovelace", "+41 44 000 00 00", "ada@example.com"),
    "an empty address": UserInformation("u1", "", "", "", "", "de-CH", PostalAddress()),
    "a full address": UserInformation(
        "u1", "Ада", "李", "+1", "a@b", "zh-Hant", PostalAddress("CH", "Zürich", "ZH", "Box 1", "8001", "Weg 1 'a'")
    ),
}

RESOURCES = {
    "none": None,
    "given and empty": Resources(),
    "staff": Resources(staff_id="ann"),
    "room": Resources(room_id="blue"),
    "party": Resources(party_size=2**31 - 1),
    "all": Resources("ann", "blue", 4),
}


def read_back(store: Store, merchant_id: str, lease: Lease | None, booking: Booking | None) -> None:
    """By number, by token and in the lists: each way gives the row as it was written."""
    wanted = Wanted(merchant_ids={merchant_id})
    if lease is not None:
        wanted.leases.add((lease.merchant_no, lease.lease_no))
        wanted.references.add((merchant_id, lease.client_reference))
        assert list(store.leases(live_only=False, limit=9)) == [lease]
    if booking is not None:
        wanted.bookings.add((booking.merchant_no, booking.booking_no))
        wanted.tokens.add((merchant_id, booking.idempotency_token))
        wanted.users.add(booking.user_key)
        wanted.users_of_slots.add((booking.merchant_no, booking.slot_no, booking.user_key))
        assert list(store.bookings(limit=9)) == [booking]
    with store.snapshot(wanted) as snapshot:
        facts = snapshot.facts
    if lease is not None:
        key = (lease.merchant_no, lease.lease_no)
        assert facts.leases == {key: lease}
        assert facts.leases_by_reference == {(lease.merchant_no, lease.client_reference): key}
    if booking is not None:
        key = (booking.merchant_no, booking.booking_no)
        upcoming = booking.claims_spot and booking.slot.start_us > facts.now_us
        claims = frozenset({booking.booking_no} if booking.claims_spot else ())
        assert facts.bookings == {key: booking}
        assert facts.bookings_by_token == {(booking.merchant_no, booking.idempotency_token): key}
        assert facts.users_of_slots[booking.merchant_no, booking.slot_no, booking.user_key] == claims
        assert facts.bookings_of_users == {booking.user_key: (booking,) if upcoming else ()}


class KeepsRows(OnALedger):
    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
    def test_text_comes_back_letter_for_letter(self, store: Store, shop: Shop, text: str) -> None:
        offered = Offered(
            service_id=text, staff_id=text, room_id=text, party_size=2, availability_tag=text, spots_total=9
        )
        (slot,) = shop.offer(offered, merchant_id=text)
        asked = offered.asked(text, availability_tag=text)
        price = Price(1, text, text)
        lease = lease_row(slot, asked)._replace(client_reference=text)
        booking = replace(
            booking_row(slot, asked),
            user_key=text,
            user=UserInformation(text, text, text, text, text, text, PostalAddress(text, text, text, text, text, text)),
            payment=replace(FULL_PAYMENT, payment_transaction_id=text, price=price, user_payment_option_id=text),
            additional_request=text,
            idempotency_token=text,
        )
        put_rows(store, slot, [lease], [booking])
        read_back(store, text, lease, booking)
        with store.snapshot(Wanted(merchant_ids={text}, slots=[asked])) as snapshot:
            merchant = snapshot.facts.merchants[text]
            assert snapshot.facts.slots == {slot.key: slot}
        assert merchant.merchant_id == text
        assert (list(merchant.services), list(merchant.staff), list(merchant.rooms)) == ([text], [text], [text])

    @pytest.mark.parametrize(
        ("one", "other"), [("Ab", "aB"), ("straße", "strasse"), ("caf\u00e9", "cafe\u0301"), ("a", "a ")]
    )
    def test_ids_that_differ_at_all_are_different_ids(self, store: Store, shop: Shop, one: str, other: str) -> None:
        """Case, accents as one letter or two, a blank at the end: a database that folds them would mix customers."""
        for merchant_id in (one, other):
            pair = [Offered(service_id=x, staff_id=y, room_id=y) for x in (one, other) for y in (one, other)]
            shop.offer(*pair, merchant_id=merchant_id)
        asked = Offered(service_id=one, staff_id=one, room_id=one).asked(one)
        first = shop.lease(asked, reference=one)
        booking = shop.book(replace(asked, merchant_id=other), user_id=one, token=one)
        wanted = Wanted(merchant_ids={one, other}, users={f"id:{other}"})
        wanted.references.update({(one, other), (other, one)})
        wanted.tokens.update({(other, other), (one, one)})
        with store.snapshot(wanted) as snapshot:
            facts = snapshot.facts
        assert len(facts.merchants) == 2
        assert {len(merchant.services) for merchant in facts.merchants.values()} == {2}
        assert {len(merchant.staff) for merchant in facts.merchants.values()} == {2}
        assert (facts.leases, facts.bookings, facts.bookings_of_users) == ({}, {}, {})
        assert first.merchant_no != booking.merchant_no

    @pytest.mark.parametrize("instant_us", INSTANTS_US.values(), ids=INSTANTS_US)
    def test_instants_are_kept_to_the_microsecond(self, store: Store, shop: Shop, instant_us: int) -> None:
        offered = Offered(
            start_us=instant_us,
            duration_us=1,
            spots_total=9,
            first_bookable_us=instant_us,
            last_bookable_us=instant_us,
            last_online_cancellable_us=instant_us,
        )
        (slot,) = shop.offer(offered)
        lease = lease_row(slot, offered.asked())._replace(
            expires_us=instant_us, cancel_by_us=instant_us, created_us=instant_us
        )
        booking = replace(booking_row(slot, offered.asked()), cancel_by_us=instant_us, created_us=instant_us)
        shop.clock.now_us = instant_us
        put_rows(store, slot, [lease], [booking])
        read_back(store, "m1", lease, booking)
        assert store.slots_of(slot.merchant_no) == {slot.slot_no: slot}
        with store.snapshot(Wanted(merchant_ids={"m1"}, slots=[offered.asked()])) as snapshot:
            occupancy = snapshot.facts.occupancies[slot.key]
        assert (snapshot.facts.now_us, occupancy.start_us, occupancy.end_us) == (instant_us, instant_us, instant_us + 1)
        assert [(spot.busy_until_us, spot.holder_no) for spot in occupancy.lapsed] == [(instant_us, lease.lease_no)]

    @pytest.mark.parametrize("resources", RESOURCES.values(), ids=RESOURCES)
    def test_a_slot_is_kept_as_it_was_asked_for(self, store: Store, shop: Shop, resources: Resources | None) -> None:
        """Resources not given and resources given empty name one slot, and are echoed differently (DESIGN 5)."""
        given = resources or Resources()
        offered = Offered(staff_id=given.staff_id, room_id=given.room_id, party_size=given.party_size, spots_total=9)
        (slot,) = shop.offer(offered)
        asked = AskedSlot("m1", "cut", slot.start_us, slot.duration_us, "tag of the caller", resources)
        moved_from = replace(asked, start_us=1, availability_tag="", resources=Resources(party_size=1))
        lease = lease_row(slot, asked)
        booking = replace(booking_row(slot, asked), slot_created=moved_from)
        put_rows(store, slot, [lease], [booking])
        read_back(store, "m1", lease, booking)

    @pytest.mark.parametrize("state", LeaseState)
    @pytest.mark.parametrize("asynchronous", [False, True])
    def test_a_lease_is_kept_in_every_state(
        self, store: Store, shop: Shop, state: LeaseState, asynchronous: bool
    ) -> None:
        (slot,) = shop.offer(Offered())
        lease = lease_row(slot, Offered().asked())._replace(
            state=state, asynchronous=asynchronous, secret=bytes(range(240, 256))
        )
        put_rows(store, slot, [lease])
        read_back(store, "m1", lease, None)

    @pytest.mark.parametrize("status", BookingStatus)
    @pytest.mark.parametrize("lease_no", [0, 2**60])
    def test_a_booking_is_kept_in_every_status(
        self, store: Store, shop: Shop, status: BookingStatus, lease_no: int
    ) -> None:
        (slot,) = shop.offer(Offered(spots_total=9))
        booking = replace(
            booking_row(slot, Offered().asked()),
            status=status,
            status_created=BookingStatus.PENDING_MERCHANT_CONFIRMATION,
            revision=2**40,
            lease_no=lease_no,
            fingerprint=bytes(range(224, 256)),
        )
        put_rows(store, slot, bookings=[booking])
        read_back(store, "m1", None, booking)

    @pytest.mark.parametrize("payment", PAYMENTS.values(), ids=PAYMENTS)
    def test_payment_facts_are_kept(self, store: Store, shop: Shop, payment: PaymentInformation | None) -> None:
        (slot,) = shop.offer(Offered(spots_total=9))
        booking = replace(booking_row(slot, Offered().asked()), payment=payment)
        put_rows(store, slot, bookings=[booking])
        read_back(store, "m1", None, booking)

    @pytest.mark.parametrize("user", USERS.values(), ids=USERS)
    def test_the_user_is_kept(self, store: Store, shop: Shop, user: UserInformation) -> None:
        (slot,) = shop.offer(Offered(spots_total=9))
        booking = replace(booking_row(slot, Offered().asked()), user=user)
        put_rows(store, slot, bookings=[booking])
        read_back(store, "m1", None, booking)

    @pytest.mark.parametrize(
        "given",
        [
            {"first_bookable_us": NOON_US},
            {"last_bookable_us": NOON_US},
            {"last_online_cancellable_us": NOON_US},
            {"closed": True},
            {"asynchronous": True},
            {"spots_elsewhere": 3},
            {"spots_total": 0, "spots_elsewhere": 0},
            {"spots_total": 10_000},
        ],
        ids=",".join,
    )
    def test_every_optional_field_of_a_slot_is_kept(self, store: Store, shop: Shop, given: dict[str, Any]) -> None:
        (slot,) = shop.offer(replace(Offered(spots_total=9), **given))
        assert store.slots_of(slot.merchant_no) == {slot.slot_no: slot}

    @pytest.mark.parametrize("canceling_s", [None, 0, 10**9])
    @pytest.mark.parametrize("one_per_user", [False, True])
    def test_a_services_rules_are_kept(
        self, store: Store, shop: Shop, canceling_s: int | None, one_per_user: bool
    ) -> None:
        service = Service(0, 0, "cut", False, 7, canceling_s, one_per_user)
        shop.serve(service)
        with store.snapshot(Wanted(merchant_ids={"m1"})) as snapshot:
            kept = snapshot.facts.merchants["m1"].services["cut"]
        assert replace(kept, merchant_no=0, service_no=0) == service

    def test_events_tell_what_happened_and_name_nobody(self, backend: Backend, store: Store, shop: Shop) -> None:
        """No store reads them yet; the outbox will. They carry no personal data (DESIGN 3)."""
        (slot,) = shop.offer(Offered(spots_total=9))
        booking = replace(booking_row(slot, Offered().asked()), user=USERS["a full address"])
        put_rows(store, slot, bookings=[booking])
        (event,) = changes_for(slot, bookings=[booking]).events
        columns = "merchant_no, event_no, at_us, kind, actor, booking_no, revision, status, slot_no, spot_no"
        assert backend.sql(f"SELECT {columns} FROM event") == [  # noqa: S608 - the list above
            (slot.merchant_no, event.event_no, NOON_US, "BOOKING_CREATED", "USER", 2, 1, 1, slot.slot_no, 2)
        ]
        ((row,),) = backend.sql("SELECT slot FROM event")
        assert not any(str(getattr(booking.user, field.name)) in row for field in fields(booking.user))

    def test_a_booked_spot_is_busy_for_ever(self, backend: Backend, store: Store, shop: Shop) -> None:
        (slot,) = shop.offer(Offered(spots_total=9))
        put_rows(store, slot, bookings=[booking_row(slot, Offered().asked())])
        assert backend.sql("SELECT busy_until_us FROM spot") == [(FOREVER_US,)]
        shop.clock.now_us = FOREVER_US - 1
        with store.snapshot(Wanted(merchant_ids={"m1"}, slots=[Offered().asked()])) as snapshot:
            assert snapshot.facts.occupancies[slot.key].busy == 1

    @pytest.mark.parametrize("size", [0, 2**63 - 1])
    def test_numbers_reach_the_ends_of_64_bits(self, backend: Backend, store: Store, shop: Shop, size: int) -> None:
        (slot,) = shop.offer(Offered(spots_total=9))
        lease = lease_row(slot, Offered().asked())._replace(cancel_by_us=size)
        put_rows(store, slot, [lease])
        read_back(store, "m1", lease, None)
        assert backend.sql("SELECT cancel_by_us FROM lease") == [(size,)]

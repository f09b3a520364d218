"""What a booking is, and how a repeat of its request is told from a token used for something else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from slotlease.domain.booking import (
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
    contact_key,
    request_fingerprint,
    status_when_booked,
    user_key,
)
from slotlease.domain.slot import AskedSlot, Resources
from tests.domain.samples import booking_of, slot
from tests.support import HOUR_US, NOON_US

KEY = bytes(range(32))
ASKED = AskedSlot("m1", "cut", NOON_US, HOUR_US, "tag", Resources("anna", "red", 2))
ADDRESS = PostalAddress("CH", "Zürich", "ZH", "7", "8001", "Bahnhofstrasse 1")
USER = UserInformation("u1", "Ada", "Lovelace", "+41 44 000 00 00", "ada@example.com", "de", ADDRESS)
PRICE = Price(12_000_000, "CHF", "adult")
PAYMENT = PaymentInformation(
    PrepaymentStatus.PROVIDED,
    "transaction",
    PRICE,
    Price(1_000_000, "CHF"),
    PaymentProcessedBy.GOOGLE,
    "option",
    "user option",
    Deposit(PRICE, 3600, PriceType.PER_PERSON),
    NoShowFee(PRICE, PriceType.FIXED_RATE),
)


def fingerprint(
    *,
    key: bytes = KEY,
    lease_id: str = "l1",
    asked: AskedSlot = ASKED,
    user: UserInformation = USER,
    payment: PaymentInformation | None = PAYMENT,
) -> bytes:
    return request_fingerprint(key, lease_id=lease_id, slot=asked, user=user, payment=payment)


def test_same_request_has_the_same_fingerprint_of_32_bytes() -> None:
    assert fingerprint() == fingerprint()
    assert len(fingerprint()) == 32


def test_fingerprint_never_changes_since_ledgers_hold_it() -> None:
    assert fingerprint().hex() == "1116a03f261c478380d9786dc05c4fed33f97ca9401b0042b14587464e99fb72"
    assert (
        fingerprint(payment=None, user=replace(USER, address=None)).hex()
        == "7ec67f58a1555dd07eb650b671bd9cd664a7580f242fe9d4dee745293c4b82d6"
    )


def test_another_ledger_makes_another_fingerprint_of_the_same_request() -> None:
    assert fingerprint(key=bytes(32)) != fingerprint()


def test_booking_from_another_lease_or_from_none_is_another_request() -> None:
    assert len({fingerprint(), fingerprint(lease_id="l2"), fingerprint(lease_id="")}) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"merchant_id": "m2"},
        {"service_id": "shave"},
        {"start_us": NOON_US + 1},
        {"duration_us": HOUR_US + 1},
        {"availability_tag": ""},
        {"resources": None},
        {"resources": Resources()},
        {"resources": Resources("ben", "red", 2)},
        {"resources": Resources("anna", "blue", 2)},
        {"resources": Resources("anna", "red", 3)},
    ],
)
def test_another_slot_as_asked_is_another_request(change: dict[str, Any]) -> None:
    assert fingerprint(asked=replace(ASKED, **change)) != fingerprint()


def test_absent_and_empty_resources_are_two_requests() -> None:
    absent, empty = replace(ASKED, resources=None), replace(ASKED, resources=Resources())
    assert fingerprint(asked=absent) != fingerprint(asked=empty)


@pytest.mark.parametrize(
    "change",
    [
        {"user_id": "u2"},
        {"given_name": "ada"},
        {"family_name": ""},
        {"telephone": "+41 44 000 00 01"},
        {"email": "Ada@example.com"},
        {"language_code": "en"},
        {"address": None},
        *[
            {"address": replace(ADDRESS, **{name: "other"})}
            for name in ("country", "locality", "region", "post_office_box_number", "postal_code", "street_address")
        ],
    ],
)
def test_another_user_is_another_request(change: dict[str, Any]) -> None:
    assert fingerprint(user=replace(USER, **change)) != fingerprint()


@pytest.mark.parametrize(
    "change",
    [
        {"prepayment_status": PrepaymentStatus.REFUNDED},
        {"payment_transaction_id": ""},
        {"price": None},
        {"price": replace(PRICE, price_micros=1)},
        {"price": replace(PRICE, currency_code="EUR")},
        {"price": replace(PRICE, pricing_option_tag="child")},
        {"tax_amount": None},
        {"payment_processed_by": PaymentProcessedBy.PARTNER},
        {"payment_option_id": ""},
        {"user_payment_option_id": ""},
        {"deposit": None},
        {"deposit": Deposit(None, 3600, PriceType.PER_PERSON)},
        {"deposit": Deposit(PRICE, 3601, PriceType.PER_PERSON)},
        {"deposit": Deposit(PRICE, 3600, PriceType.FIXED_RATE)},
        {"no_show_fee": None},
        {"no_show_fee": NoShowFee(None, PriceType.FIXED_RATE)},
        {"no_show_fee": NoShowFee(PRICE, PriceType.PER_PERSON)},
    ],
)
def test_another_payment_is_another_request(change: dict[str, Any]) -> None:
    assert fingerprint(payment=replace(PAYMENT, **change)) != fingerprint()


def test_no_payment_and_an_empty_payment_are_two_requests() -> None:
    assert fingerprint(payment=None) != fingerprint(payment=PaymentInformation())


def test_text_cannot_be_shifted_from_one_field_to_the_next() -> None:
    one = replace(USER, given_name='a", "family_name": "b', family_name="c")
    other = replace(USER, given_name="a", family_name='b", "family_name": "c')
    assert fingerprint(user=one) != fingerprint(user=other)


def test_text_that_is_no_unicode_still_has_a_fingerprint() -> None:
    assert fingerprint(user=replace(USER, given_name="\ud800")) != fingerprint(user=replace(USER, given_name="\ud801"))


def test_value_that_no_request_can_hold_is_a_mistake_of_ours() -> None:
    odd: Any = object()
    with pytest.raises(TypeError, match="object has no place in a fingerprint"):
        fingerprint(user=replace(USER, given_name=odd))


def test_slot_that_its_merchant_confirms_is_booked_as_pending() -> None:
    assert status_when_booked(asynchronous=True) is BookingStatus.PENDING_MERCHANT_CONFIRMATION
    assert status_when_booked(asynchronous=False) is BookingStatus.CONFIRMED


@pytest.mark.parametrize("status", BookingStatus)
def test_every_booking_but_a_cancelled_one_holds_its_spot(status: BookingStatus) -> None:
    assert replace(booking_of(slot()), status=status).claims_spot is (status is not BookingStatus.CANCELED)


def test_booking_id_carries_merchant_number_and_secret() -> None:
    assert booking_of(slot(), booking_no=7).booking_id == "b1-7-000102030405060708090a0b0c0d0e0f"


def test_user_given_by_google_is_kept_apart_from_any_hash() -> None:
    assert user_key("u1") == "id:u1"


@pytest.mark.parametrize(
    ("telephone", "email"),
    [
        ("+41 44 123 45 67", "ada@example.com"),
        ("+41441234567", "ada@example.com"),
        ("+41 (44) 123-45-67", "Ada@Example.COM"),
        ("41.44.123.45.67", " ada@example.com "),
    ],
)
def test_user_without_an_id_is_known_again_however_they_write_themselves(telephone: str, email: str) -> None:
    known = contact_key(KEY, telephone="+41 44 123 45 67", email="ada@example.com")
    assert contact_key(KEY, telephone=telephone, email=email) == known


def test_users_without_an_id_are_told_apart_by_telephone_and_by_e_mail() -> None:
    contacts = [
        ("+41441234567", "ada@x"),
        ("+41441234568", "ada@x"),
        ("+41441234567", "bob@x"),
        ("", "7@x"),
        ("7", "@x"),
    ]
    assert len({contact_key(KEY, telephone=telephone, email=email) for telephone, email in contacts}) == 5


def test_key_of_a_user_without_an_id_gives_nobody_away() -> None:
    """Another ledger makes another one, and neither telephone nor e-mail can be read from it."""
    key = contact_key(KEY, telephone="+41441234567", email="ada@example.com")
    assert key != contact_key(bytes(32), telephone="+41441234567", email="ada@example.com")
    assert key == "contact:c46d70ec10757045e87dc6c874ec9776"


def test_stored_numbers_never_change() -> None:
    assert {status.name: status.value for status in BookingStatus} == {
        "CONFIRMED": 1,
        "PENDING_MERCHANT_CONFIRMATION": 2,
        "CANCELED": 3,
        "NO_SHOW": 4,
        "NO_SHOW_PENALIZED": 5,
    }
    assert [(status.name, status.value) for status in PrepaymentStatus] == [
        ("UNSPECIFIED", 0),
        ("PROVIDED", 1),
        ("NOT_PROVIDED", 2),
        ("REFUNDED", 3),
        ("CREDITED", 4),
    ]
    assert [(by.name, by.value) for by in PaymentProcessedBy] == [("UNSPECIFIED", 0), ("GOOGLE", 1), ("PARTNER", 2)]
    assert [(kind.name, kind.value) for kind in PriceType] == [("FIXED_RATE", 0), ("PER_PERSON", 1)]

"""What a booking says about money, read and written: here the versions' messages differ in nothing but their package.

Their numbers are equal too, and a test holds them so: what our sources do not show of either version is version 3's in
both (the payment.proto of each says which).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from slotlease.domain.booking import (
    Deposit,
    NoShowFee,
    PaymentInformation,
    PaymentProcessedBy,
    PrepaymentStatus,
    Price,
    PriceType,
)
from slotlease.wire.limits import Reading
from slotlease.wire.proto.v0 import payment_pb2 as v0
from slotlease.wire.proto.v2 import payment_pb2 as v2
from slotlease.wire.proto.v3 import payment_pb2 as v3
from slotlease.wire.reading import named

PREPAYMENT_STATUSES: Final[Mapping[int, PrepaymentStatus]] = {
    v2.PREPAYMENT_STATUS_UNSPECIFIED: PrepaymentStatus.UNSPECIFIED,
    v2.PREPAYMENT_PROVIDED: PrepaymentStatus.PROVIDED,
    v2.PREPAYMENT_NOT_PROVIDED: PrepaymentStatus.NOT_PROVIDED,
    v2.PREPAYMENT_REFUNDED: PrepaymentStatus.REFUNDED,
    v2.PREPAYMENT_CREDITED: PrepaymentStatus.CREDITED,
}

PROCESSED_BY: Final[Mapping[int, PaymentProcessedBy]] = {
    v2.PaymentInformation.PAYMENT_PROCESSED_BY_UNSPECIFIED: PaymentProcessedBy.UNSPECIFIED,
    v2.PaymentInformation.PROCESSED_BY_GOOGLE: PaymentProcessedBy.GOOGLE,
    v2.PaymentInformation.PROCESSED_BY_PARTNER: PaymentProcessedBy.PARTNER,
}

PRICE_TYPES: Final[Mapping[int, PriceType]] = {
    v2.FIXED_RATE_DEFAULT: PriceType.FIXED_RATE,
    v2.PER_PERSON: PriceType.PER_PERSON,
}

_ALL_NAMES: Final[tuple[Mapping[int, Enum], ...]] = (PREPAYMENT_STATUSES, PROCESSED_BY, PRICE_TYPES)

# Any: the stubs give one number three types, one for each version.
NUMBERS: Final[Mapping[Enum, Any]] = {meant: number for names in _ALL_NAMES for number, meant in names.items()}


def read_payment(
    reading: Reading, payment: v0.PaymentInformation | v2.PaymentInformation | v3.PaymentInformation
) -> PaymentInformation:
    at = "payment_information."
    deposit = fee = None
    if payment.HasField("deposit"):
        given = payment.deposit
        deposit = Deposit(
            _read_price(reading, at + "deposit.deposit.", given.deposit) if given.HasField("deposit") else None,
            given.min_advance_cancellation_sec,
            named(reading, at + "deposit.deposit_type", PRICE_TYPES, given.deposit_type),
        )
    if payment.HasField("no_show_fee"):
        asked = payment.no_show_fee
        fee = NoShowFee(
            _read_price(reading, at + "no_show_fee.fee.", asked.fee) if asked.HasField("fee") else None,
            named(reading, at + "no_show_fee.fee_type", PRICE_TYPES, asked.fee_type),
        )
    tax_given = payment.HasField("tax_amount")
    return PaymentInformation(
        prepayment_status=named(reading, at + "prepayment_status", PREPAYMENT_STATUSES, payment.prepayment_status),
        payment_transaction_id=reading.text(at, "payment_transaction_id", payment.payment_transaction_id),
        price=_read_price(reading, at + "price.", payment.price) if payment.HasField("price") else None,
        tax_amount=_read_price(reading, at + "tax_amount.", payment.tax_amount) if tax_given else None,
        payment_processed_by=named(reading, at + "payment_processed_by", PROCESSED_BY, payment.payment_processed_by),
        payment_option_id=reading.text(at, "payment_option_id", payment.payment_option_id),
        user_payment_option_id=reading.text(at, "user_payment_option_id", payment.user_payment_option_id),
        deposit=deposit,
        no_show_fee=fee,
    )


def _read_price(reading: Reading, at: str, price: v0.Price | v2.Price | v3.Price) -> Price:
    currency_code = reading.text(at, "currency_code", price.currency_code)
    return Price(price.price_micros, currency_code, reading.text(at, "pricing_option_tag", price.pricing_option_tag))


def write_payment(
    message: v0.PaymentInformation | v2.PaymentInformation | v3.PaymentInformation, payment: PaymentInformation | None
) -> None:
    """Into a field of a booking that is not set yet, and stays so where nothing was said about money."""
    if payment is None:
        return
    message.SetInParent()
    message.prepayment_status = NUMBERS[payment.prepayment_status]
    message.payment_transaction_id = payment.payment_transaction_id
    message.payment_processed_by = NUMBERS[payment.payment_processed_by]
    _write_price(message.price, payment.price)
    _write_price(message.tax_amount, payment.tax_amount)
    # Of one or the other, and an empty text would count as given.
    if payment.payment_option_id:
        message.payment_option_id = payment.payment_option_id
    if payment.user_payment_option_id:
        message.user_payment_option_id = payment.user_payment_option_id
    if payment.deposit is not None:
        message.deposit.SetInParent()
        _write_price(message.deposit.deposit, payment.deposit.deposit)
        message.deposit.min_advance_cancellation_sec = payment.deposit.min_advance_cancellation_s
        message.deposit.deposit_type = NUMBERS[payment.deposit.deposit_type]
    if payment.no_show_fee is not None:
        message.no_show_fee.SetInParent()
        _write_price(message.no_show_fee.fee, payment.no_show_fee.fee)
        message.no_show_fee.fee_type = NUMBERS[payment.no_show_fee.fee_type]


def prepayment_told(payment: PaymentInformation | None) -> Any:
    """Google requires one of GetBookingStatus, and takes "unspecified" for "not provided": that is what is said."""
    prepaid = PrepaymentStatus.UNSPECIFIED if payment is None else payment.prepayment_status
    return NUMBERS[PrepaymentStatus.NOT_PROVIDED if prepaid is PrepaymentStatus.UNSPECIFIED else prepaid]


def _write_price(message: v0.Price | v2.Price | v3.Price, price: Price | None) -> None:
    if price is None:
        return
    message.SetInParent()
    message.price_micros = price.price_micros
    message.currency_code = price.currency_code
    message.pricing_option_tag = price.pricing_option_tag

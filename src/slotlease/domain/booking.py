"""A booking: a sold spot, the user who has it, and what was promised when it was made."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum

from slotlease.domain.opaque_id import RowId
from slotlease.domain.slot import AskedSlot


class BookingStatus(Enum):
    """Google's names; the numbers are stored and never change. CANCELED is 3 on the wire of v2 and 4 in v0:
    wire numbers belong to the codec."""

    CONFIRMED = 1
    PENDING_MERCHANT_CONFIRMATION = 2
    CANCELED = 3
    NO_SHOW = 4
    NO_SHOW_PENALIZED = 5


class PrepaymentStatus(Enum):
    """Whether the user has paid in advance. The numbers are stored and never change."""

    UNSPECIFIED = 0
    PROVIDED = 1
    NOT_PROVIDED = 2
    REFUNDED = 3
    CREDITED = 4


class PaymentProcessedBy(Enum):
    """Who charges the user. The numbers are stored and never change."""

    UNSPECIFIED = 0
    GOOGLE = 1
    PARTNER = 2


class PriceType(Enum):
    """Whether a fee is for the booking or for each person. The numbers are stored and never change."""

    FIXED_RATE = 0
    PER_PERSON = 1


@dataclass(frozen=True, slots=True)
class PostalAddress:
    country: str = ""
    locality: str = ""
    region: str = ""
    post_office_box_number: str = ""
    postal_code: str = ""
    street_address: str = ""


@dataclass(frozen=True, slots=True)
class UserInformation:
    """The customer as the caller describes them. v0 names no `user_id`: there it stays empty."""

    user_id: str
    given_name: str
    family_name: str
    telephone: str
    email: str
    language_code: str = ""
    address: PostalAddress | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """An amount in millionths of the currency (ISO 4217)."""

    price_micros: int
    currency_code: str
    pricing_option_tag: str = ""


@dataclass(frozen=True, slots=True)
class Deposit:
    deposit: Price | None
    min_advance_cancellation_s: int
    deposit_type: PriceType


@dataclass(frozen=True, slots=True)
class NoShowFee:
    fee: Price | None
    fee_type: PriceType


@dataclass(frozen=True, slots=True)
class PaymentInformation:
    """Payment facts as the caller gives them: kept and echoed, never acted upon."""

    prepayment_status: PrepaymentStatus = PrepaymentStatus.UNSPECIFIED
    payment_transaction_id: str = ""
    price: Price | None = None
    tax_amount: Price | None = None
    payment_processed_by: PaymentProcessedBy = PaymentProcessedBy.UNSPECIFIED
    payment_option_id: str = ""
    user_payment_option_id: str = ""
    deposit: Deposit | None = None
    no_show_fee: NoShowFee | None = None


@dataclass(frozen=True, slots=True)
class Booking:
    """A booking row. `slot` is where it is now; `slot_created` and `status_created` are what the first answer
    said, so that a repeat of CreateBooking gets the same bytes after a move or a cancellation (INV-13)."""

    merchant_no: int
    booking_no: int
    secret: bytes
    status: BookingStatus
    revision: int
    slot: AskedSlot
    slot_no: int
    spot_no: int
    slot_created: AskedSlot
    status_created: BookingStatus
    user_key: str
    user: UserInformation
    payment: PaymentInformation | None
    additional_request: str
    idempotency_token: str
    lease_no: int
    fingerprint: bytes
    cancel_by_us: int
    created_us: int

    @property
    def booking_id(self) -> str:
        return str(RowId("b", self.merchant_no, self.booking_no, self.secret))

    @property
    def claims_spot(self) -> bool:
        return self.status is not BookingStatus.CANCELED


def status_when_booked(*, asynchronous: bool) -> BookingStatus:
    """A slot of CONFIRMATION_MODE_ASYNCHRONOUS waits for its merchant, and holds its spot meanwhile."""
    return BookingStatus.PENDING_MERCHANT_CONFIRMATION if asynchronous else BookingStatus.CONFIRMED


def user_key(user_id: str) -> str:
    """How the ledger knows a user again. The prefix keeps ids given by Google apart from hashes made for v0."""
    return f"id:{user_id}"


def contact_key(key: bytes, *, telephone: str, email: str) -> str:
    """How the ledger knows a user of version 0 again, whose requests carry no user id: a keyed hash of telephone
    (its digits) and e-mail (without case), so that the same person writing them otherwise is still the same."""
    digits = "".join(character for character in telephone if character.isdigit())
    contact = f"{digits}\n{email.strip().casefold()}"
    return f"contact:{hashlib.blake2b(contact.encode(), key=key, digest_size=16).hexdigest()}"


def request_fingerprint(
    key: bytes, *, lease_id: str, slot: AskedSlot, user: UserInformation, payment: PaymentInformation | None
) -> bytes:
    """Keyed hash of a validated CreateBooking request, to tell a repeat from a token used for something else.

    Keyed (BLAKE2b with the ledger's own key, 32 bytes), so that it stays when personal data is erased and
    cannot be turned back by trying telephone numbers.
    """
    content = {"lease_id": lease_id, "slot": slot, "user": user, "payment": payment}
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=_plain)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=key, digest_size=32).digest()


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.name
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    message = f"{type(value).__name__} has no place in a fingerprint"
    raise TypeError(message)

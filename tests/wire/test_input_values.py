"""The input matrix (reliability 7.1) as far as it is lawful and odd: over a socket, through both versions."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import UTC, datetime

import grpc
import pytest

from slotlease.domain.slot import Resources
from slotlease.wire.proto.v0 import booking_pb2 as v0
from slotlease.wire.proto.v2 import booking_pb2 as v2
from tests.support import DAY_US, NOON_US, Offered
from tests.wire import asking, asking_v0
from tests.wire.asking import Ended
from tests.wire.client import CAUSE, Client, cause_of
from tests.wire.client_v0 import ClientV0

# --- I-8: days that are not like others ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "start",
    [
        datetime(2028, 2, 29, 12, tzinfo=UTC),
        datetime(2026, 3, 29, 1, tzinfo=UTC),
        datetime(2026, 10, 25, 1, tzinfo=UTC),
        datetime(2026, 12, 31, 23, 30, tzinfo=UTC),
        datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
    ],
    ids=["leap day", "summer time begins", "summer time ends", "over new year", "past 32 bits"],
)
def test_a_slot_on_an_odd_day_is_a_slot_like_any_other(client: Client, client_v0: ClientV0, start: datetime) -> None:
    slot = client.offer(Offered(start_us=int(start.timestamp()) * 1_000_000, spots_total=2))
    assert client_v0.lease(slot).start_time.ToSeconds() == int(start.timestamp())
    assert client.book(slot).slot == asking.slot(slot)


# --- I-13: texts that mean something elsewhere come back byte for byte -------------------------------------------

NAMES = {
    "SQL": "'; DROP TABLE lease; --",
    "template": "{{7*7}}${7*7}",
    "spreadsheet": "=cmd|' /C calc'!A0",
    "markup": "<script>alert(1)</script>",
    "format": "%s%n{0.__class__}",
    "emoji of several": "👩‍👩‍👧‍👦 🇨🇭",
    "right to left": "\u202egnp.exe\u202c مرحبا",
    "composed": unicodedata.normalize("NFC", "Zoë Ångström"),
    "decomposed": unicodedata.normalize("NFD", "Zoë Ångström"),
    "forty": "Ω" * 40,
    "blanks around": "  Ada  ",
    "zero width": "A\u200bd\u200da\ufeff",
    "beyond the first plane": "\U0001d504\U0001d521\U0001d51e",
    "no character": "\ufffe\uffff",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_comes_back_byte_for_byte(client: Client, client_v0: ClientV0, name: str) -> None:
    slot = client.offer(Offered(spots_total=2))
    request = asking.booking(slot, "token", user_id=client.new_name())
    request.user_information.given_name = request.user_information.family_name = name
    booking = client.stub.CreateBooking(request).booking
    assert (booking.user_information.given_name, booking.user_information.family_name) == (name, name)
    request_v0 = asking_v0.booking(client_v0.lease(slot).lease_id, name)
    assert client_v0.stub.CreateBooking(request_v0).booking.client_information == request_v0.client_information


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_an_odd_id_names_nothing_and_harms_nothing(client: Client, client_v0: ClientV0, name: str) -> None:
    slot = client.offer(Offered())
    for other in (
        replace(slot, merchant_id=name),
        replace(slot, service_id=name),
        replace(slot, availability_tag=name),
    ):
        assert client_v0.ended(asking_v0.lease(other, "r")).info.reason == "SLOT_UNKNOWN"
        assert client.ended(asking.check(other)).info.reason == "SLOT_UNKNOWN"
    assert client.count_available(slot) == 1


def test_a_note_to_the_merchant_may_have_lines_and_no_other_control(client: Client) -> None:
    request = asking.booking(client.offer(Offered()), "token")
    request.additional_request = "Zwei Zeilen,\r\n\tbitte\n"
    assert client.stub.CreateBooking(request).booking.status == v2.CONFIRMED


# --- I-14: telephone and e-mail are the user's business ----------------------------------------------------------


@pytest.mark.parametrize(
    ("telephone", "email"),
    [("call me", "not an address"), ("0", "@"), ("+999999999999999999999", "a@b"), ("☎ 044", "Ünïcode@пример.рф")],
)
def test_a_telephone_and_an_e_mail_that_look_wrong_are_taken(
    client: Client, client_v0: ClientV0, telephone: str, email: str
) -> None:
    slot = client.offer(Offered(spots_total=2))
    request = asking.booking(slot, "token")
    request.user_information.telephone, request.user_information.email = telephone, email
    assert client.stub.CreateBooking(request).booking.user_information == request.user_information
    request_v0 = asking_v0.booking(client_v0.lease(slot).lease_id)
    request_v0.client_information.telephone, request_v0.client_information.email = telephone, email
    assert client_v0.stub.CreateBooking(request_v0).booking.client_information == request_v0.client_information


# --- I-15: tokens are compared byte for byte ----------------------------------------------------------------------

TOKENS = [
    "token",
    "Token",
    "token ",
    " token",
    "tök",
    unicodedata.normalize("NFD", "tök"),
    "t" * 255,
    "t" * 254,
    " ",
    "0",
]


def test_references_that_differ_in_a_byte_name_different_leases(client: Client, client_v0: ClientV0) -> None:
    slot = client.offer(Offered(spots_total=len(TOKENS)))
    leases = [client_v0.lease(slot, token).lease_id for token in TOKENS]
    assert len(set(leases)) == len(TOKENS)
    assert [client.lease(slot, token).lease_id for token in TOKENS] == leases


def test_tokens_that_differ_in_a_byte_name_different_bookings(client: Client) -> None:
    slot = client.offer(Offered(spots_total=len(TOKENS)))
    made = [client.create_booking(slot, attempt=token, user_id=client.new_name()).booking for token in TOKENS]
    assert len({booking.booking_id for booking in made}) == len(TOKENS)


# --- I-16: an empty mask with a status is a cancellation, as Google's FAQ shows it -------------------------------


def test_an_empty_mask_with_the_status_canceled_cancels(client: Client, client_v0: ClientV0) -> None:
    slot = client.offer(Offered(spots_total=2))
    request = asking.cancellation(client.book(slot).booking_id)
    request.update_mask.SetInParent()
    assert client.update(request).booking.status == v2.CANCELED
    cancellation = v0.Booking(booking_id=client_v0.book(slot).booking_id, status=v0.CANCELED)
    request_v0 = asking_v0.update(cancellation)
    request_v0.update_mask.SetInParent()
    assert client_v0.update(request_v0).status == v0.CANCELED


# --- I-17: ids that are another merchant's, changed, or none ------------------------------------------------------


def spoilt(own_id: str) -> list[str]:
    """The id with one thing changed: kind, merchant, row, random bits, case, blanks, length."""
    kind, merchant, row, secret = own_id[0], *own_id[1:].split("-")
    other_kind = "b" if kind == "l" else "l"
    return [
        f"{other_kind}{merchant}-{row}-{secret}",
        f"{kind}{int(merchant) + 1}-{row}-{secret}",
        f"{kind}{merchant}-{int(row) + 1}-{secret}",
        f"{kind}{merchant}-{row}-{'f' * 32}",
        f"{kind}0{merchant}-{row}-{secret}",
        f"{kind}{merchant}-{row}-{secret[:-1]}",
        f"{kind}{merchant}-{row}-{secret}0",
        f"{kind}-{merchant}-{row}-{secret}",
        f"{kind}{merchant}-{row}-{secret.upper()}A",
        f" {own_id}",
        f"{own_id} ",
        own_id.upper(),
        f"{kind}{'9' * 200}-{row}-{secret}",
        f"{kind}{merchant}-{2**63}-{secret}",
        f"{kind}٣-{row}-{secret}",
        "l",
        "0",
    ]


def test_an_id_that_is_not_quite_one_is_like_one_that_nobody_has(client: Client, client_v0: ClientV0) -> None:
    slot = client.offer(Offered(spots_total=3))
    neighbour = replace(client, merchant_id=client.merchant_id + "2")
    neighbour.book(neighbour.offer(Offered()))
    lease_id, booking_id = client.lease(slot).lease_id, client.book(slot).booking_id
    answers = [client_v0.ended(asking_v0.booking(other, "Grace")) for other in spoilt(lease_id)]
    assert set(map(repr, answers)) == {repr(answers[0])}, "they must not tell which part was right"
    assert answers[0].code is grpc.StatusCode.NOT_FOUND
    for other in spoilt(lease_id):
        assert cause_of(client.create_booking(slot, lease_id=other, user_id="grace")) == CAUSE.LEASE_EXPIRED
    for change in (asking.cancellation, asking_v0.cancellation):
        told = [ended_of(client, client_v0, change(other)) for other in spoilt(booking_id)]
        assert set(map(repr, told)) == {repr(told[0])}
        assert told[0].code is grpc.StatusCode.NOT_FOUND
    assert client.status(booking_id).booking_status == v2.CONFIRMED
    assert client_v0.book_lease(lease_id, "Grace").status == v0.CONFIRMED


def ended_of(client: Client, client_v0: ClientV0, request: object) -> Ended:
    if isinstance(request, type(asking_v0.cancellation(""))):
        return client_v0.ended(request)
    assert isinstance(request, type(asking.cancellation("")))
    return client.ended(request)


# --- I-18: a lease, and beside it another slot --------------------------------------------------------------------


@pytest.mark.parametrize("leased_by", ["v0", "v2"])
def test_a_slot_that_is_not_the_leased_one_leaves_the_lease_as_it_was(
    client: Client, client_v0: ClientV0, leased_by: str
) -> None:
    slot, other = client.offer(Offered()), client.offer(Offered(start_us=NOON_US + 2 * DAY_US))
    lease_id = client.lease(slot).lease_id if leased_by == "v2" else client_v0.lease(slot).lease_id
    for wrong in (other, replace(slot, resources=Resources())):
        ended = client.ended(asking.booking(wrong, "token", lease_id=lease_id))
        assert (ended.code, ended.info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "SLOT_DIFFERS_FROM_LEASE")
    assert client.count_available(slot) == 0
    assert client.book(slot, lease_id=lease_id).status == v2.CONFIRMED

"""Rows <-> domain values, in the column order of `statements.py`. Both backends read and write through here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

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
from slotlease.domain.event import Actor, Event, EventKind, EventTold
from slotlease.domain.lease import Lease, LeaseState
from slotlease.domain.marketing import MarketingPreference
from slotlease.domain.merchant import Service
from slotlease.domain.opaque_id import RowId
from slotlease.domain.slot import AskedSlot, Resources, Slot
from slotlease.domain.spot import Spot

# A database's row has no type that a checker could follow; the column lists and STRICT tables stand in for it.
Row = Sequence[Any]
Params = Mapping[str, object]


def service_of(row: Row) -> Service:
    merchant_no, service_no, service_id, retired, advance_s, canceling_s, one_per_user, late_s = row
    return Service(
        merchant_no, service_no, service_id, bool(retired), advance_s, canceling_s, bool(one_per_user), late_s
    )


def service_params(service: Service) -> Params:
    return {
        "merchant_no": service.merchant_no,
        "service_no": service.service_no,
        "service_id": service.service_id,
        "retired": int(service.retired),
        "min_advance_booking_s": service.min_advance_booking_s,
        "min_advance_online_canceling_s": service.min_advance_online_canceling_s,
        "one_booking_per_user": int(service.one_booking_per_user),
        "min_booking_buffer_before_end_time_s": service.min_booking_buffer_before_end_time_s,
    }


def slot_of(row: Row, closed_by_operator: int = 0) -> Slot:
    """The feed's columns; what the operator closed is read beside them where it matters."""
    *offered, closed, asynchronous, first_us, last_us, cancel_by_us = row
    rules = [bool(closed), bool(asynchronous), first_us, last_us, cancel_by_us, bool(closed_by_operator)]
    return Slot(*offered, *rules)


def slot_params(slot: Slot) -> Params:
    return {
        "merchant_no": slot.merchant_no,
        "slot_no": slot.slot_no,
        "service_no": slot.service_no,
        "start_us": slot.start_us,
        "duration_us": slot.duration_us,
        "staff_no": slot.staff_no,
        "room_no": slot.room_no,
        "party_size": slot.party_size,
        "availability_tag": slot.availability_tag,
        "spots_total": slot.spots_total,
        "spots_elsewhere": slot.spots_elsewhere,
        "closed": int(slot.closed),
        "asynchronous": int(slot.asynchronous),
        "first_bookable_us": slot.first_bookable_us,
        "last_bookable_us": slot.last_bookable_us,
        "last_online_cancellable_us": slot.last_online_cancellable_us,
    }


def spot_of(row: Row) -> Spot:
    return Spot(*row)


def spot_insert_params(spot: Spot, slot: Slot) -> Params:
    return {
        "merchant_no": spot.merchant_no,
        "slot_no": spot.slot_no,
        "spot_no": spot.spot_no,
        "busy_until_us": spot.busy_until_us,
        "holder_no": spot.holder_no,
        "start_us": slot.start_us,
        "end_us": slot.end_us,
        "staff_no": slot.staff_no,
        "room_no": slot.room_no,
    }


def spot_update_params(before: Spot, after: Spot) -> Params:
    return {
        "merchant_no": after.merchant_no,
        "slot_no": after.slot_no,
        "spot_no": after.spot_no,
        "busy_until_us": after.busy_until_us,
        "holder_no": after.holder_no,
        "busy_until_us_before": before.busy_until_us,
        "holder_no_before": before.holder_no,
    }


def lease_of(row: Row, merchant_id: str) -> Lease:
    merchant_no, lease_no, secret, state, expires_us, client_reference = row[:6]
    slot_no, spot_no, cancel_by_us, asynchronous, created_us = row[14:]
    return Lease(
        merchant_no=merchant_no,
        lease_no=lease_no,
        secret=secret,
        state=LeaseState(state),
        expires_us=expires_us,
        client_reference=client_reference,
        slot=_asked_slot_of(row[6:14], merchant_id),
        slot_no=slot_no,
        spot_no=spot_no,
        cancel_by_us=cancel_by_us,
        asynchronous=bool(asynchronous),
        created_us=created_us,
    )


def lease_params(lease: Lease) -> Params:
    return {
        "merchant_no": lease.merchant_no,
        "lease_no": lease.lease_no,
        "secret": lease.secret,
        "state": lease.state.value,
        "expires_us": lease.expires_us,
        "client_reference": lease.client_reference,
        **_asked_slot_params(lease.slot),
        "slot_no": lease.slot_no,
        "spot_no": lease.spot_no,
        "cancel_by_us": lease.cancel_by_us,
        "asynchronous": int(lease.asynchronous),
        "created_us": lease.created_us,
    }


def booking_of(row: Row, merchant_id: str) -> Booking:
    merchant_no, booking_no, secret, status, revision = row[:5]
    slot_no, spot_no, created_as, user_key, user, payment, additional_request, token = row[13:21]
    lease_no, fingerprint, cancel_by_us, created_us = row[21:]
    created = json.loads(created_as)
    return Booking(
        merchant_no=merchant_no,
        booking_no=booking_no,
        secret=secret,
        status=BookingStatus(status),
        revision=revision,
        slot=_asked_slot_of(row[5:13], merchant_id),
        slot_no=slot_no,
        spot_no=spot_no,
        slot_created=_asked_slot_of_json(created["slot"]),
        status_created=BookingStatus[created["status"]],
        user_key=user_key,
        user=_user_of_json(json.loads(user)),
        payment=None if payment is None else _payment_of_json(json.loads(payment)),
        additional_request=additional_request,
        idempotency_token=token,
        lease_no=lease_no or 0,
        fingerprint=fingerprint,
        cancel_by_us=cancel_by_us,
        created_us=created_us,
    )


def booking_params(booking: Booking) -> Params:
    return {
        "merchant_no": booking.merchant_no,
        "booking_no": booking.booking_no,
        "secret": booking.secret,
        "status": booking.status.value,
        "revision": booking.revision,
        **_asked_slot_params(booking.slot),
        "slot_no": booking.slot_no,
        "spot_no": booking.spot_no,
        "created_as": _json({"slot": booking.slot_created, "status": booking.status_created.name}),
        "user_key": booking.user_key,
        "user": _json(booking.user),
        "payment": None if booking.payment is None else _json(booking.payment),
        "additional_request": booking.additional_request,
        "idempotency_token": booking.idempotency_token,
        "lease_no": booking.lease_no or None,
        "fingerprint": booking.fingerprint,
        "cancel_by_us": booking.cancel_by_us,
        "created_us": booking.created_us,
    }


def booking_update_params(before: Booking, after: Booking) -> Params:
    return {
        "merchant_no": after.merchant_no,
        "booking_no": after.booking_no,
        "status": after.status.value,
        "revision": after.revision,
        **{name: value for name, value in _asked_slot_params(after.slot).items() if name != "service_id"},
        "slot_no": after.slot_no,
        "spot_no": after.spot_no,
        "cancel_by_us": after.cancel_by_us,
        "revision_before": before.revision,
    }


def event_params(event: Event) -> Params:
    booking = event.booking
    return {
        "merchant_no": event.merchant_no,
        "event_no": event.event_no,
        "at_us": event.at_us,
        "kind": event.kind.value,
        "actor": event.actor.value,
        "booking_no": booking.booking_no,
        "revision": booking.revision,
        "status": booking.status.value,
        "slot_no": booking.slot_no,
        "spot_no": booking.spot_no,
        "slot": _json(booking.slot),
    }


def event_told_of(row: Row) -> EventTold:
    merchant_no, event_no, at_us, kind, actor, booking_no, revision, status, _, spot_no, slot, secret = row
    return EventTold(
        merchant_no=merchant_no,
        event_no=event_no,
        at_us=at_us,
        kind=EventKind(kind),
        actor=Actor(actor),
        booking_id=str(RowId("b", merchant_no, booking_no, secret)),
        revision=revision,
        status=BookingStatus(status),
        spot_no=spot_no,
        slot=_asked_slot_of_json(json.loads(slot)),
    )


def slot_closed_params(before: Slot, after: Slot) -> Params:
    return {
        "merchant_no": after.merchant_no,
        "slot_no": after.slot_no,
        "closed_by_operator": int(after.closed_by_operator),
        "closed_by_operator_before": int(before.closed_by_operator),
    }


def _asked_slot_of(row: Row, merchant_id: str) -> AskedSlot:
    service_id, start_us, duration_us, availability_tag, resources_given, staff_id, room_id, party_size = row
    resources = Resources(staff_id, room_id, party_size) if resources_given else None
    return AskedSlot(merchant_id, service_id, start_us, duration_us, availability_tag, resources)


def _asked_slot_params(slot: AskedSlot) -> dict[str, object]:
    resources = slot.resources_or_none_given
    return {
        "service_id": slot.service_id,
        "start_us": slot.start_us,
        "duration_us": slot.duration_us,
        "availability_tag": slot.availability_tag,
        "resources_given": int(slot.resources is not None),
        "staff_id": resources.staff_id,
        "room_id": resources.room_id,
        "party_size": resources.party_size,
    }


# --- JSON columns: facts that are kept and echoed, and that no statement looks into ----------------------------


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain)


def _plain(value: object) -> object:
    """As `asdict` has it, which copies all it meets: a booking would spend a third of its time there."""
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    message = f"{type(value).__name__} is not kept as JSON"
    raise TypeError(message)


def _asked_slot_of_json(value: dict[str, Any]) -> AskedSlot:
    resources = value.pop("resources")
    return AskedSlot(**value, resources=None if resources is None else Resources(**resources))


def marketing_preference_of(row: Row) -> MarketingPreference:
    user, receives_marketing, told_us = row
    return MarketingPreference(_user_of_json(json.loads(user)), bool(receives_marketing), told_us)


def marketing_preference_params(preference: MarketingPreference) -> Params:
    return {
        "user_id": preference.user.user_id,
        "user": _json(preference.user),
        "receives_marketing": int(preference.receives_marketing),
        "told_us": preference.told_us,
    }


def _user_of_json(value: dict[str, Any]) -> UserInformation:
    address = value.pop("address")
    return UserInformation(**value, address=None if address is None else PostalAddress(**address))


def _payment_of_json(value: dict[str, Any]) -> PaymentInformation:
    deposit, fee = value["deposit"], value["no_show_fee"]
    return PaymentInformation(
        prepayment_status=PrepaymentStatus(value["prepayment_status"]),
        payment_transaction_id=value["payment_transaction_id"],
        price=_price_of_json(value["price"]),
        tax_amount=_price_of_json(value["tax_amount"]),
        payment_processed_by=PaymentProcessedBy(value["payment_processed_by"]),
        payment_option_id=value["payment_option_id"],
        user_payment_option_id=value["user_payment_option_id"],
        deposit=None
        if deposit is None
        else Deposit(
            _price_of_json(deposit["deposit"]),
            deposit["min_advance_cancellation_s"],
            PriceType(deposit["deposit_type"]),
        ),
        no_show_fee=None if fee is None else NoShowFee(_price_of_json(fee["fee"]), PriceType(fee["fee_type"])),
    )


def _price_of_json(value: dict[str, Any] | None) -> Price | None:
    return None if value is None else Price(**value)

"""What each object of a feed may say, and the value it becomes. Each rule looks at one object and knows no other.

Names and meanings are those of Google's feed pages (Actions Center, reservations end to end: feed metadata, merchants,
services and availability feed).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from slotlease.inventory.feed_fields import ID_LENGTH_MAX, Fields, Message, fields_of
from slotlease.inventory.feed_file import Faults, quoted
from slotlease.inventory.feed_recurrence import read_occurrences
from slotlease.inventory.feed_values import SECOND_US, FeedMerchant, FeedService, FeedSlot

_DAY_S = 86_400
_LEAD_TIME_MAX_S = 3_660 * _DAY_S
"""Ten years. Google names no limit; without one, a deadline could lie before the first instant the ledger can hold."""
_DURATION_MAX_S = 31 * _DAY_S
"""Every search for a busy staff or room looks back by a merchant's longest duration (DESIGN section 3)."""
_PARTY_SIZE_MAX = 1_000
_SHARDS_MAX = 10_000

_NO_PAYMENT = "let the customer pay at the merchant's"
_NO_TICKETS = "offer it without tickets"
_NO_LINKOUT = "leave what is booked elsewhere out of the feed"
_NO_WAITLIST = "leave waitlists to another server"
_NO_FORM = "let the merchant ask the customer"
_WHOLE_FEED = "send the whole availability in one feed, as Google asks of the daily one"

FEED = Message("feed", frozenset({"metadata", "merchant", "service", "service_availability"}))

_METADATA = Message(
    "FeedMetadata",
    frozenset({"processing_instruction", "shard_number", "total_shards", "nonce", "generation_timestamp"}),
)

_MERCHANT = Message(
    "Merchant",
    frozenset({"merchant_id", "name", "merchant_name"}),
    describes=frozenset(
        """telephone url geo category terms brand_id matching_hints service_attribute economic_operator action_link
        tax_rate tax_rate_basis_points num_bookings_30d""".split()
    ),
    not_yet={
        "payment_option": _NO_PAYMENT,
        "payment_processor_config": _NO_PAYMENT,
        "payment_restrictions": _NO_PAYMENT,
        "tokenization_config": _NO_PAYMENT,
        "reservation_linkout_template": _NO_LINKOUT,
        "waitlist_advisement": _NO_WAITLIST,
    },
)

_ONE_BOOKING_PER_USER = "slotlease_one_booking_per_user"
"""Google's feed has no such field: the prefix says whose it is. A feed sent to Google should leave it out."""

_SPOTS_ELSEWHERE = "slotlease_spots_elsewhere"
"""Ours too: what was sold through other channels, where spots_open cannot say it (see exporting.py)."""

_SERVICE = Message(
    "Service",
    frozenset(
        {"merchant_id", "service_id", "name", "service_name", "localized_service_name", "rules", _ONE_BOOKING_PER_USER}
    ),
    describes=frozenset(
        """description localized_description price price_interpretation related_media rating category type tax_rate
        service_attribute_value_id location virtual_session tours_and_activities_content direct_merchant_payment
        action_link""".split()
    ),
    not_yet={
        "deposit": _NO_PAYMENT,
        "no_show_fee": _NO_PAYMENT,
        "payment_option_id": _NO_PAYMENT,
        "per_order_fee": _NO_PAYMENT,
        "prepayment_terms": _NO_PAYMENT,
        "prepayment_type": _NO_PAYMENT,
        "require_credit_card": _NO_PAYMENT,
        "form": _NO_FORM,
        "intake_form": _NO_FORM,
        "per_ticket_intake_form": _NO_FORM,
        "ticket_type": _NO_TICKETS,
        "ticketing_vertical_specific_data": _NO_TICKETS,
        "uri_template": _NO_LINKOUT,
        "integration_type": _NO_LINKOUT,
        "home_service_data": "offer what takes place at the merchant's",
        "waitlist_rules": _NO_WAITLIST,
    },
    harmless={"prepayment_type": "NOT_SUPPORTED", "integration_type": "INTEGRATION_TYPE_END_TO_END"},
)

_LATE = "min_booking_buffer_before_end_time"

_TEXT = Message("Text", frozenset({"value"}), describes=frozenset({"localized_value"}))

_RULES = Message(
    "SchedulingRules",
    frozenset(
        """min_advance_booking min_advance_online_canceling admission_policy
        min_booking_buffer_before_end_time""".split()
    ),
    not_yet={
        "late_cancellation_fee": _NO_PAYMENT,
        "noshow_fee": _NO_PAYMENT,
        "cancellation_policy": _NO_PAYMENT,
    },
)

SERVICE_AVAILABILITY = Message(
    "ServiceAvailability",
    frozenset({"availability"}),
    not_yet=dict.fromkeys(
        """start_timestamp_restrict end_timestamp_restrict merchant_id_restrict service_id_restrict
        duration_restrict_sec resources_restrict""".split(),
        _WHOLE_FEED,
    ),
)

_AVAILABILITY = Message(
    "Availability",
    frozenset(
        """merchant_id service_id start_sec duration_sec spots_total spots_open availability_tag resources
        scheduling_rule_overrides confirmation_mode recurrence schedule_exception""".split()
    )
    | {_SPOTS_ELSEWHERE},
    describes=frozenset({"duration_requirement"}),
    not_yet={
        "deposit": _NO_PAYMENT,
        "no_show_fee": _NO_PAYMENT,
        "payment_option_id": _NO_PAYMENT,
        "prepayment": _NO_PAYMENT,
        "require_credit_card": _NO_PAYMENT,
        "ticket_type_id": _NO_TICKETS,
        "linkout_required_reason": _NO_LINKOUT,
    },
)

_RESOURCES = Message(
    "Resources",
    frozenset({"staff_id", "staff_name", "room_id", "room_name", "party_size"}),
    describes=frozenset({"room_description"}),
)

_OVERRIDES = Message(
    "SchedulingRuleOverrides",
    frozenset({"first_bookable_sec", "last_bookable_sec", "last_online_cancellable_sec"}),
)


@dataclass(frozen=True, slots=True)
class Metadata:
    """Which shard of which feed a file is. Shards count from 0."""

    shard: int
    shards: int
    nonce: str
    generation_us: int


def read_metadata(feed: Fields, faults: Faults) -> Metadata | None:
    """None where any of it is wrong: a shard that does not say which one it is cannot be counted."""
    if feed.raw("metadata") is None:
        feed.fault("metadata", "is required; give processing_instruction, generation_timestamp, total_shards")
    errors_before = faults.count
    metadata = feed.inner("metadata", _METADATA)
    if metadata is None:
        return None
    _check_processing_instruction(metadata)
    # A feed in one piece may leave its shard out; so may a proto3 writer for the shard number 0.
    shards = metadata.whole("total_shards", 0, _SHARDS_MAX) or 1
    shard = metadata.whole("shard_number", 0, _SHARDS_MAX) or 0
    nonce = _read_nonce(metadata)
    generation_us = metadata.required_instant_us("generation_timestamp")
    if faults.count > errors_before:
        return None
    if shard >= shards:
        metadata.fault("shard_number", f"counts from 0, so must be below total_shards, {shards}; correct one of them")
        return None
    if shards > 1 and not nonce:
        metadata.fault("nonce", "is required in a feed of several shards; give the same new number to all of them")
        return None
    return Metadata(shard, shards, nonce, generation_us)


def _check_processing_instruction(metadata: Fields) -> None:
    value = metadata.raw("processing_instruction")
    if value == "PROCESS_AS_COMPLETE":
        return
    advice = "send the whole feed and say PROCESS_AS_COMPLETE"
    if value in (None, "", 0, "PROCESS_UNKNOWN"):
        metadata.fault("processing_instruction", f"is required; {advice}")
    else:
        problem = f"this version does not understand {quoted(value)} yet; {advice} (Google withdrew incremental feeds)"
        metadata.fault("processing_instruction", problem)


def _read_nonce(metadata: Fields) -> str:
    """A uint64 that Google's samples write as text; only its sameness matters, so both are compared as text."""
    value = metadata.raw("nonce")
    return str(value) if type(value) is int else metadata.text("nonce", ID_LENGTH_MAX)


def read_merchant(value: object, place: str, faults: Faults) -> FeedMerchant | None:
    merchant = fields_of(value, place, faults, _MERCHANT)
    if merchant is None:
        return None
    merchant_id = merchant.id("merchant_id")
    # The feed says `name`, the update API `merchant_name`, and partners' feeds either.
    name = merchant.text("name") or merchant.text("merchant_name") or merchant_id
    return FeedMerchant(merchant_id, name)


def read_service(value: object, place: str, faults: Faults) -> FeedService | None:
    service = fields_of(value, place, faults, _SERVICE)
    if service is None:
        return None
    merchant_id = service.id("merchant_id")
    service_id = service.id("service_id")
    localized = service.inner("localized_service_name", _TEXT)
    name = (localized.text("value") if localized else "") or service.text("name") or service.text("service_name")
    rules = service.inner("rules", _RULES)
    return FeedService(
        merchant_id=merchant_id,
        service_id=service_id,
        name=name or service_id,
        min_advance_booking_s=(_lead_time_s(rules, "min_advance_booking") or 0),
        min_advance_online_canceling_s=_lead_time_s(rules, "min_advance_online_canceling"),
        min_booking_buffer_before_end_time_s=_read_admission(rules) if rules else None,
        one_booking_per_user=service.flag(_ONE_BOOKING_PER_USER, absent=True),
    )


def _read_admission(rules: Fields) -> int | None:
    """How long before its end a slot is booked for the last time; None where that is its start. What else the policies
    say, when customers may come and go, is between them and the merchant."""
    is_flexible = rules.is_one_of(
        "admission_policy",
        {"TIME_STRICT": False, "TIME_STRICT_WITH_FLEXIBLE_DURATION": False, "TIME_FLEXIBLE": True},
        "say TIME_STRICT, TIME_STRICT_WITH_FLEXIBLE_DURATION or TIME_FLEXIBLE",
    )
    # A writer that prints proto3's defaults writes 0 for none; the other reading would sell slots that have begun.
    late_s = _lead_time_s(rules, _LATE) or None
    if late_s and not is_flexible:
        rules.fault(_LATE, 'needs "admission_policy": "TIME_FLEXIBLE", as Google asks; say so, or remove it')
    if late_s and _lead_time_s(rules, "min_advance_booking"):
        rules.fault(_LATE, "cannot stand beside min_advance_booking, which ends booking before the start; keep one")
    return late_s


def _lead_time_s(rules: Fields | None, key: str) -> int | None:
    return rules.whole(key, 0, _LEAD_TIME_MAX_S, " seconds") if rules else None


def read_slots(value: object, place: str, faults: Faults, spots_total_max: int) -> Iterable[FeedSlot]:
    """The slot that one entry offers, or all occurrences of one that recurs; none where nothing can be told."""
    fields = fields_of(value, place, faults, _AVAILABILITY)
    if fields is None:
        return ()
    if fields.has("recurrence"):
        return read_occurrences(fields, _read_slot(fields, 1, 1))
    if fields.raw("schedule_exception"):
        fields.fault("schedule_exception", "is a part of a recurrence; give the recurrence, or remove it")
    return (_read_slot(fields, *_read_spots(fields, spots_total_max)),)


def _read_slot(slot: Fields, spots_total: int, spots_open: int) -> FeedSlot:
    resources = slot.inner("resources", _RESOURCES)
    overrides = slot.inner("scheduling_rule_overrides", _OVERRIDES)
    if resources is not None:
        resources.text("staff_name")
        resources.text("room_name")
    return FeedSlot(
        merchant_id=slot.id("merchant_id"),
        service_id=slot.id("service_id"),
        start_us=slot.required_instant_us("start_sec"),
        duration_us=(slot.required_whole("duration_sec", 1, _DURATION_MAX_S, " seconds (31 days)") or 0) * SECOND_US,
        spots_total=spots_total,
        spots_open=spots_open,
        availability_tag=slot.text("availability_tag"),
        staff_id=resources.text("staff_id", ID_LENGTH_MAX) if resources else "",
        room_id=resources.text("room_id", ID_LENGTH_MAX) if resources else "",
        party_size=(resources.whole("party_size", 0, _PARTY_SIZE_MAX) or 0) if resources else 0,
        asynchronous=slot.is_one_of(
            "confirmation_mode",
            {"CONFIRMATION_MODE_SYNCHRONOUS": False, "CONFIRMATION_MODE_ASYNCHRONOUS": True},
            "say CONFIRMATION_MODE_SYNCHRONOUS or CONFIRMATION_MODE_ASYNCHRONOUS",
        ),
        first_bookable_us=overrides.instant_us("first_bookable_sec") if overrides else None,
        last_bookable_us=overrides.instant_us("last_bookable_sec") if overrides else None,
        last_online_cancellable_us=overrides.instant_us("last_online_cancellable_sec") if overrides else None,
        spots_elsewhere=slot.whole(_SPOTS_ELSEWHERE, 0, spots_total, " spots (spots_total)"),
    )


def _read_spots(slot: Fields, spots_total_max: int) -> tuple[int, int]:
    spots_total = slot.required_whole("spots_total", 1, spots_total_max, " spots")
    # Left out it is 0: a proto3 writer leaves out the 0 of a full slot, and the other reading would sell it again.
    spots_open = slot.whole("spots_open", 0, spots_total_max, " spots") or 0
    if spots_total is not None and spots_open > spots_total:
        slot.fault("spots_open", f"must not be more than spots_total, {spots_total}; correct one of them")
    return spots_total or 0, spots_open

"""Recounts the ledger from its tables: is anything held twice, or held by nobody (INV-1 to INV-5)."""

from __future__ import annotations

from slotlease.store.prefetch import Query
from slotlease.store.protocol import Finding


def _taken_twice(shared: str) -> str:
    number = f"{shared}_no"
    return f"""
        SELECT 'merchant ' || merchant.merchant_id || ', {shared} ' || one.{number},
               'slots ' || one.slot_no || ' and ' || other.slot_no || ' overlap and are both taken'
        FROM spot AS one
        JOIN merchant ON merchant.merchant_no = one.merchant_no
        JOIN spot AS other
          ON other.merchant_no = one.merchant_no AND other.{number} = one.{number} AND other.{number} > 0
         AND other.start_us < one.end_us AND other.start_us > one.start_us - merchant.longest_duration_us
         AND other.end_us > one.start_us AND other.slot_no > one.slot_no AND other.busy_until_us > :now_us
        WHERE one.{number} > 0 AND one.busy_until_us > :now_us
    """  # noqa: S608 - put together from the two names below


_STATEMENTS = {
    "INV-1: no more live claims than spots": """
        SELECT 'merchant ' || merchant.merchant_id || ', slot ' || slot.slot_no,
               count(*) || ' spots are busy and the slot has ' || (slot.spots_total - slot.spots_elsewhere)
        FROM spot
        JOIN slot ON slot.merchant_no = spot.merchant_no AND slot.slot_no = spot.slot_no
        JOIN merchant ON merchant.merchant_no = spot.merchant_no
        WHERE spot.busy_until_us > :now_us
        GROUP BY spot.merchant_no, spot.slot_no
        HAVING count(*) > slot.spots_total - slot.spots_elsewhere
    """,
    "INV-2: staff in one place at a time": _taken_twice("staff"),
    "INV-2: a room for one slot at a time": _taken_twice("room"),
    "INV-3: every active lease holds its spot": """
        SELECT 'merchant ' || merchant.merchant_id || ', lease ' || lease.lease_no, 'its spot is not its own'
        FROM lease
        JOIN merchant ON merchant.merchant_no = lease.merchant_no
        LEFT JOIN spot
          ON spot.merchant_no = lease.merchant_no AND spot.slot_no = lease.slot_no AND spot.spot_no = lease.spot_no
         AND spot.holder_no = lease.lease_no AND spot.busy_until_us = lease.expires_us
        WHERE lease.state = 1 AND spot.spot_no IS NULL
    """,
    "INV-3: every booking holds its spot": """
        SELECT 'merchant ' || merchant.merchant_id || ', booking ' || booking.booking_no, 'its spot is not its own'
        FROM booking
        JOIN merchant ON merchant.merchant_no = booking.merchant_no
        LEFT JOIN spot
          ON spot.merchant_no = booking.merchant_no AND spot.slot_no = booking.slot_no
         AND spot.spot_no = booking.spot_no AND spot.holder_no = booking.booking_no
         AND spot.busy_until_us = 9223372036854775807
        WHERE booking.status <> 3 AND spot.spot_no IS NULL
    """,
    "INV-3: every busy spot has a claim": """
        SELECT 'merchant ' || merchant.merchant_id || ', slot ' || spot.slot_no || ', spot ' || spot.spot_no,
               'no active lease and no booking holds it'
        FROM spot
        JOIN merchant ON merchant.merchant_no = spot.merchant_no
        LEFT JOIN lease
          ON lease.merchant_no = spot.merchant_no AND lease.lease_no = spot.holder_no AND lease.state = 1
         AND lease.slot_no = spot.slot_no AND lease.spot_no = spot.spot_no AND lease.expires_us = spot.busy_until_us
        LEFT JOIN booking
          ON booking.merchant_no = spot.merchant_no AND booking.booking_no = spot.holder_no AND booking.status <> 3
         AND booking.slot_no = spot.slot_no AND booking.spot_no = spot.spot_no
         AND spot.busy_until_us = 9223372036854775807
        WHERE spot.busy_until_us > 0 AND lease.lease_no IS NULL AND booking.booking_no IS NULL
    """,
    "INV-5: a consumed lease has its booking": """
        SELECT 'merchant ' || merchant.merchant_id || ', lease ' || lease.lease_no,
               'it is consumed and no booking names it'
        FROM lease
        JOIN merchant ON merchant.merchant_no = lease.merchant_no
        LEFT JOIN booking ON booking.merchant_no = lease.merchant_no AND booking.lease_no = lease.lease_no
        WHERE lease.state = 2 AND booking.booking_no IS NULL
    """,
    "INV-25: the last event of a booking tells its state": """
        SELECT 'merchant ' || merchant.merchant_id || ', booking ' || booking.booking_no,
               'its events do not end where it stands'
        FROM booking
        JOIN merchant ON merchant.merchant_no = booking.merchant_no
        LEFT JOIN event
          ON event.merchant_no = booking.merchant_no AND event.booking_no = booking.booking_no
         AND event.revision = booking.revision AND event.status = booking.status
         AND event.slot_no = booking.slot_no AND event.spot_no = booking.spot_no
        WHERE event.event_no IS NULL
    """,
}


def findings(query: Query, now_us: int) -> list[Finding]:
    """Everything that is wrong at this instant; empty where all is well."""
    return [
        Finding(rule, where, what)
        for rule, sql in _STATEMENTS.items()
        for where, what in query(sql, {"now_us": now_us} if ":now_us" in sql else {})
    ]

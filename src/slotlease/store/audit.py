"""Recounts the ledger from its tables: is anything held twice, or held by nobody (INV-1 to INV-5, INV-25)?

A rule asks of every row that it speaks of, also where what the row belongs to is gone: a recount that joins only what
is there sees nothing of what is missing. Each reads one table from end to end and looks the rest up by its key.
"""

from __future__ import annotations

from slotlease.store.prefetch import Query
from slotlease.store.protocol import Finding


def _where(table: str, number: str = "") -> str:
    """The merchant, and the number of the row in a column of `table`, in words."""
    merchant = f"'merchant ' || coalesce(merchant.merchant_id, 'number ' || {table}.merchant_no || ', which is gone')"
    return f"{merchant} || ', {number.removesuffix('_no')} ' || {table}.{number}" if number else merchant


def _merchant_of(table: str) -> str:
    return f"LEFT JOIN merchant ON merchant.merchant_no = {table}.merchant_no"


def _taken_twice(shared: str) -> str:
    number = f"{shared}_no"
    return f"""
        SELECT {_where("one", number)},
               'slots ' || one.slot_no || ' and ' || other.slot_no || ' overlap and are both taken'
        FROM spot AS one
        JOIN merchant ON merchant.merchant_no = one.merchant_no
        JOIN spot AS other
          ON other.merchant_no = one.merchant_no AND other.{number} = one.{number} AND other.{number} > 0
         AND other.start_us < one.end_us AND other.start_us > one.start_us - merchant.longest_duration_us
         AND other.end_us > one.start_us AND other.slot_no > one.slot_no AND other.busy_until_us > :now_us
        WHERE one.{number} > 0 AND one.busy_until_us > :now_us
    """


_STATEMENTS = {
    "INV-1: no more live claims than spots": f"""
        SELECT {_where("spot", "slot_no")},
               count(*) || ' spots are busy and the slot has ' || (slot.spots_total - slot.spots_elsewhere)
        FROM spot
        JOIN slot ON slot.merchant_no = spot.merchant_no AND slot.slot_no = spot.slot_no
        {_merchant_of("spot")}
        WHERE spot.busy_until_us > :now_us
        GROUP BY spot.merchant_no, spot.slot_no, merchant.merchant_id, slot.spots_total, slot.spots_elsewhere
        HAVING count(*) > slot.spots_total - slot.spots_elsewhere
    """,
    "INV-1: every spot's slot and merchant are there": f"""
        SELECT {_where("spot", "slot_no")}, count(*) || ' spots of what is not there'
        FROM spot
        LEFT JOIN slot ON slot.merchant_no = spot.merchant_no AND slot.slot_no = spot.slot_no
        {_merchant_of("spot")}
        WHERE slot.slot_no IS NULL OR merchant.merchant_no IS NULL
        GROUP BY spot.merchant_no, spot.slot_no, merchant.merchant_id
    """,
    "INV-2: staff in one place at a time": _taken_twice("staff"),
    "INV-2: a room for one slot at a time": _taken_twice("room"),
    # A spot carries a copy of these, for that is where overlaps are searched.
    "INV-2: every spot has the staff, room and time of its slot": f"""
        SELECT {_where("spot", "slot_no")} || ', spot ' || spot.spot_no, 'its staff, room or time is not its slot''s'
        FROM spot
        JOIN slot ON slot.merchant_no = spot.merchant_no AND slot.slot_no = spot.slot_no
        {_merchant_of("spot")}
        WHERE spot.staff_no <> slot.staff_no OR spot.room_no <> slot.room_no
           OR spot.start_us <> slot.start_us OR spot.end_us <> slot.start_us + slot.duration_us
    """,
    # It bounds every search for overlaps, those above too.
    "INV-2: no slot is longer than its merchant's longest": f"""
        SELECT {_where("slot")}, count(*) || ' slots are longer than the longest that overlaps are searched for'
        FROM slot
        {_merchant_of("slot")}
        WHERE slot.duration_us > merchant.longest_duration_us
        GROUP BY slot.merchant_no, merchant.merchant_id
    """,
    "INV-3: every active lease holds its spot": f"""
        SELECT {_where("lease", "lease_no")}, 'its spot is not its own'
        FROM lease
        {_merchant_of("lease")}
        LEFT JOIN spot
          ON spot.merchant_no = lease.merchant_no AND spot.slot_no = lease.slot_no AND spot.spot_no = lease.spot_no
         AND spot.holder_no = lease.lease_no AND spot.busy_until_us = lease.expires_us
        WHERE lease.state = 1 AND spot.spot_no IS NULL
    """,
    "INV-3: every booking holds its spot": f"""
        SELECT {_where("booking", "booking_no")}, 'its spot is not its own'
        FROM booking
        {_merchant_of("booking")}
        LEFT JOIN spot
          ON spot.merchant_no = booking.merchant_no AND spot.slot_no = booking.slot_no
         AND spot.spot_no = booking.spot_no AND spot.holder_no = booking.booking_no
         AND spot.busy_until_us = 9223372036854775807
        WHERE booking.status <> 3 AND spot.spot_no IS NULL
    """,
    "INV-3: every busy spot has a claim": f"""
        SELECT {_where("spot", "slot_no")} || ', spot ' || spot.spot_no, 'no active lease and no booking holds it'
        FROM spot
        {_merchant_of("spot")}
        LEFT JOIN lease
          ON lease.merchant_no = spot.merchant_no AND lease.lease_no = spot.holder_no AND lease.state = 1
         AND lease.slot_no = spot.slot_no AND lease.spot_no = spot.spot_no AND lease.expires_us = spot.busy_until_us
        LEFT JOIN booking
          ON booking.merchant_no = spot.merchant_no AND booking.booking_no = spot.holder_no AND booking.status <> 3
         AND booking.slot_no = spot.slot_no AND booking.spot_no = spot.spot_no
         AND spot.busy_until_us = 9223372036854775807
        WHERE spot.busy_until_us > 0 AND lease.lease_no IS NULL AND booking.booking_no IS NULL
    """,
    "INV-5: a consumed lease has its booking": f"""
        SELECT {_where("lease", "lease_no")}, 'it is consumed and no booking names it'
        FROM lease
        {_merchant_of("lease")}
        LEFT JOIN booking ON booking.merchant_no = lease.merchant_no AND booking.lease_no = lease.lease_no
        WHERE lease.state = 2 AND booking.booking_no IS NULL
    """,
    # A lease that ended long ago is purged, and its booking stays.
    "INV-5: a booking's lease is consumed": f"""
        SELECT {_where("booking", "booking_no")}, 'it names lease ' || booking.lease_no || ', which is not consumed'
        FROM booking
        JOIN lease ON lease.merchant_no = booking.merchant_no AND lease.lease_no = booking.lease_no
        {_merchant_of("booking")}
        WHERE lease.state <> 2
    """,
    "INV-5: a lease is consumed by one booking": f"""
        SELECT {_where("booking", "lease_no")}, count(*) || ' bookings name it'
        FROM booking
        {_merchant_of("booking")}
        WHERE booking.lease_no IS NOT NULL
        GROUP BY booking.merchant_no, booking.lease_no, merchant.merchant_id
        HAVING count(*) > 1
    """,
    # The events are gathered by booking first: looked for anew for each booking, they would be read squared.
    "INV-25: every change of a booking is told once, and the last tells its state": f"""
        WITH told AS (
            SELECT merchant_no, booking_no, max(event_no) AS last_no, count(*) AS count FROM event
            GROUP BY merchant_no, booking_no
        )
        SELECT {_where("booking", "booking_no")}, 'its events do not end where it stands'
        FROM booking
        {_merchant_of("booking")}
        LEFT JOIN told ON told.merchant_no = booking.merchant_no AND told.booking_no = booking.booking_no
        LEFT JOIN event
          ON event.merchant_no = told.merchant_no AND event.event_no = told.last_no
         AND event.revision = booking.revision AND event.status = booking.status
         AND event.slot_no = booking.slot_no AND event.spot_no = booking.spot_no
        WHERE event.event_no IS NULL OR told.count <> booking.revision
    """,
}
# ruff: noqa: S608 - put together from the names of tables and columns in this file

RULES = tuple(_STATEMENTS)
"""What is recounted from the tables, in the words of the findings."""

FILE_IS_WHOLE = "the file is whole: every page is one, and every row keeps to its table's checks"
"""What a backend that is a file recounts before its tables."""


def findings(query: Query, now_us: int) -> list[Finding]:
    """Everything that is wrong at this instant; empty where all is well."""
    return [
        Finding(rule, where, what)
        for rule, sql in _STATEMENTS.items()
        for where, what in query(sql, {"now_us": now_us} if ":now_us" in sql else {})
    ]

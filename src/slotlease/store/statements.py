"""The SQL that every backend runs, one statement with one purpose. Parameters are named `:so`.

Column lists stand in the order in which `rows.py` reads and writes them.
"""

from __future__ import annotations

# ruff: noqa: S608 - the texts are put together from the column lists below, never from input

MERCHANT_COLUMNS = "merchant_no, merchant_id, retired, longest_duration_us, catalogue_revision, next_no"
SERVICE_COLUMNS = (
    "merchant_no, service_no, service_id, retired, min_advance_booking_s, min_advance_online_canceling_s,"
    " one_booking_per_user, min_booking_buffer_before_end_time_s"
)
SLOT_COLUMNS = (
    "merchant_no, slot_no, service_no, start_us, duration_us, staff_no, room_no, party_size, availability_tag,"
    " spots_total, spots_elsewhere, closed, asynchronous, first_bookable_us, last_bookable_us,"
    " last_online_cancellable_us"
)
SPOT_COLUMNS = "merchant_no, slot_no, spot_no, busy_until_us, holder_no"
LEASE_COLUMNS = (
    "merchant_no, lease_no, secret, state, expires_us, client_reference, service_id, start_us, duration_us,"
    " availability_tag, resources_given, staff_id, room_id, party_size, slot_no, spot_no, cancel_by_us,"
    " asynchronous, created_us"
)
BOOKING_COLUMNS = (
    "merchant_no, booking_no, secret, status, revision, service_id, start_us, duration_us, availability_tag,"
    ' resources_given, staff_id, room_id, party_size, slot_no, spot_no, created_as, user_key, "user", payment,'
    " additional_request, idempotency_token, lease_no, fingerprint, cancel_by_us, created_us"
)
EVENT_COLUMNS = "merchant_no, event_no, at_us, kind, actor, booking_no, revision, status, slot_no, spot_no, slot"


def _values(columns: str) -> str:
    return ", ".join(f":{name}" for name in names_of(columns))


def names_of(columns: str) -> list[str]:
    """Each column's name, without the quotes that keep one from being a word of SQL."""
    return [name.strip().strip('"') for name in columns.split(",")]


FINGERPRINT_KEY = "SELECT fingerprint_key FROM ledger"

# A probe must reach the disk. SQLite leaves out writing a row that stays as it is; a number in the file's header, which
# nobody reads, it writes each time.
PROBE_WRITE = "PRAGMA user_version = 1"

# --- prefetch ------------------------------------------------------------------------------------------------

MERCHANT_BY_ID = f"SELECT {MERCHANT_COLUMNS} FROM merchant WHERE merchant_id = :merchant_id"
MERCHANT_BY_NO = f"SELECT {MERCHANT_COLUMNS} FROM merchant WHERE merchant_no = :merchant_no"
SERVICES = f"SELECT {SERVICE_COLUMNS} FROM service WHERE merchant_no = :merchant_no"
STAFF = "SELECT staff_id, staff_no FROM staff WHERE merchant_no = :merchant_no"
ROOMS = "SELECT room_id, room_no FROM room WHERE merchant_no = :merchant_no"
# With the number of its highest spot, 0 where there is none.
SLOT = f"""
    SELECT {SLOT_COLUMNS}, closed_by_operator, ifnull(
        (
            SELECT spot_no FROM spot WHERE merchant_no = slot.merchant_no AND slot_no = slot.slot_no
            ORDER BY spot_no DESC LIMIT 1
        ),
        0
    )
    FROM slot WHERE merchant_no = :merchant_no AND slot_no = :slot_no
"""
COUNT_SPOTS = """
    SELECT :merchant_no, :slot_no,
           count(*) FILTER (WHERE busy_until_us > :now_us),
           count(*) FILTER (WHERE busy_until_us BETWEEN 1 AND :now_us)
    FROM spot WHERE merchant_no = :merchant_no AND slot_no = :slot_no
"""
LAPSED_SPOTS = f"""
    SELECT {SPOT_COLUMNS} FROM spot
    WHERE merchant_no = :merchant_no AND slot_no = :slot_no AND busy_until_us BETWEEN 1 AND :now_us
    ORDER BY spot_no LIMIT :rows_max
"""
FREE_SPOTS = f"""
    SELECT {SPOT_COLUMNS} FROM spot
    WHERE merchant_no = :merchant_no AND slot_no = :slot_no AND busy_until_us = 0
    ORDER BY spot_no LIMIT :rows_max
"""


def _slots_overlapping(shared: str) -> str:
    """Other slots with a claim on the same staff or room at an overlapping time, once for each claim (DISTINCT would
    cost six times the search). A claim that overlaps began less than the merchant's longest duration ago: without that
    bound the search walks all the past of busy staff."""
    return f"""
    SELECT merchant_no, slot_no FROM spot
    WHERE merchant_no = :merchant_no AND {shared} = :{shared} AND {shared} > 0
      AND start_us > :start_us - :longest_duration_us AND start_us < :end_us AND end_us > :start_us
      AND slot_no <> :slot_no AND busy_until_us > 0
    """


SLOTS_OVERLAPPING_ON_STAFF = _slots_overlapping("staff_no")
SLOTS_OVERLAPPING_IN_ROOM = _slots_overlapping("room_no")

LEASE = f"SELECT {LEASE_COLUMNS} FROM lease WHERE merchant_no = :merchant_no AND lease_no = :lease_no"
LEASE_BY_REFERENCE = (
    f"SELECT {LEASE_COLUMNS} FROM lease WHERE merchant_no = :merchant_no AND client_reference = :client_reference"
)
BOOKING = f"SELECT {BOOKING_COLUMNS} FROM booking WHERE merchant_no = :merchant_no AND booking_no = :booking_no"
BOOKING_BY_TOKEN = (
    f"SELECT {BOOKING_COLUMNS} FROM booking WHERE merchant_no = :merchant_no AND idempotency_token = :idempotency_token"
)
BOOKINGS_OF_USER_AND_SLOT = """
    SELECT booking_no FROM booking
    WHERE user_key = :user_key AND merchant_no = :merchant_no AND slot_no = :slot_no AND status <> 3
"""
USER_IS_KNOWN = "SELECT 1 FROM booking WHERE user_key = :user_key LIMIT 1"
BOOKINGS_OF_USER_UPCOMING = f"""
    SELECT merchant.merchant_id, {", ".join(f"booking.{name.strip()}" for name in BOOKING_COLUMNS.split(","))}
    FROM booking JOIN merchant ON merchant.merchant_no = booking.merchant_no
    WHERE booking.user_key = :user_key AND booking.start_us > :now_us AND booking.status <> 3
    ORDER BY booking.start_us, booking.merchant_no, booking.booking_no
"""

# --- commit: each write is conditional on the row as prefetched ----------------------------------------------

ADVANCE_NEXT_NO = (
    "UPDATE merchant SET next_no = :next_no WHERE merchant_no = :merchant_no AND next_no = :next_no_before"
)
INSERT_SPOT = (
    "INSERT INTO spot (merchant_no, slot_no, spot_no, busy_until_us, holder_no, start_us, end_us, staff_no, room_no)"
    " VALUES (:merchant_no, :slot_no, :spot_no, :busy_until_us, :holder_no, :start_us, :end_us, :staff_no, :room_no)"
)
UPDATE_SPOT = """
    UPDATE spot SET busy_until_us = :busy_until_us, holder_no = :holder_no
    WHERE merchant_no = :merchant_no AND slot_no = :slot_no AND spot_no = :spot_no
      AND busy_until_us = :busy_until_us_before AND holder_no = :holder_no_before
"""
INSERT_LEASE = f"INSERT INTO lease ({LEASE_COLUMNS}) VALUES ({_values(LEASE_COLUMNS)})"
# Nothing but the state of a lease ever changes (INV-6), and only from ACTIVE.
END_LEASE = "UPDATE lease SET state = :state WHERE merchant_no = :merchant_no AND lease_no = :lease_no AND state = 1"
INSERT_BOOKING = f"INSERT INTO booking ({BOOKING_COLUMNS}) VALUES ({_values(BOOKING_COLUMNS)})"
UPDATE_BOOKING = """
    UPDATE booking
    SET status = :status, revision = :revision, start_us = :start_us, duration_us = :duration_us,
        availability_tag = :availability_tag, resources_given = :resources_given, staff_id = :staff_id,
        room_id = :room_id, party_size = :party_size, slot_no = :slot_no, spot_no = :spot_no,
        cancel_by_us = :cancel_by_us
    WHERE merchant_no = :merchant_no AND booking_no = :booking_no AND revision = :revision_before
"""
INSERT_EVENT = f"INSERT INTO event ({EVENT_COLUMNS}) VALUES ({_values(EVENT_COLUMNS)})"

# --- what operators read --------------------------------------------------------------------------------------

LEASES_NEWEST = f"""
    SELECT merchant.merchant_id, {", ".join(f"lease.{name.strip()}" for name in LEASE_COLUMNS.split(","))}
    FROM lease JOIN merchant ON merchant.merchant_no = lease.merchant_no
    WHERE (CAST(:live_at_us AS BIGINT) IS NULL OR (lease.state = 1 AND lease.expires_us > :live_at_us))
      AND (CAST(:expired_at_us AS BIGINT) IS NULL OR lease.state = 3
           OR (lease.state = 1 AND lease.expires_us <= :expired_at_us))
    ORDER BY lease.created_us DESC, lease.merchant_no, lease.lease_no DESC LIMIT :rows_max
"""
BOOKINGS_LATEST = f"""
    SELECT merchant.merchant_id, {", ".join(f"booking.{name.strip()}" for name in BOOKING_COLUMNS.split(","))}
    FROM booking JOIN merchant ON merchant.merchant_no = booking.merchant_no
    ORDER BY booking.start_us DESC, booking.merchant_no, booking.booking_no DESC LIMIT :rows_max
"""
LIVE_LEASES = "SELECT count(*) FROM lease WHERE state = 1 AND expires_us > :now_us"
LAPSED_LEASES = """
    SELECT merchant_no, lease_no FROM lease
    WHERE state = 1 AND expires_us <= :now_us AND (merchant_no, lease_no) > (:merchant_no, :lease_no)
    ORDER BY merchant_no, lease_no LIMIT :rows_max
"""

# --- what an import writes ---------------------------------------------------------------------------------

INSERT_MERCHANT = """
    INSERT INTO merchant (merchant_id, name, retired, longest_duration_us, catalogue_revision, next_no)
    VALUES (:merchant_id, :name, 0, 0, 1, 1)
"""
UPDATE_MERCHANT = """
    UPDATE merchant SET name = :name, retired = 0, catalogue_revision = catalogue_revision + 1
    WHERE merchant_no = :merchant_no
"""
RETIRE_MERCHANT = """
    UPDATE merchant SET retired = 1, catalogue_revision = catalogue_revision + 1
    WHERE merchant_id = :merchant_id AND retired = 0
"""
MERCHANTS = f"SELECT {MERCHANT_COLUMNS} FROM merchant ORDER BY merchant_id"
MERCHANT_NAMES = "SELECT merchant_id, name FROM merchant"
MERCHANT_NAME = "SELECT name FROM merchant WHERE merchant_no = :merchant_no"
RAISE_LONGEST_DURATION = """
    UPDATE merchant SET longest_duration_us = :duration_us, catalogue_revision = catalogue_revision + 1
    WHERE merchant_no = :merchant_no AND longest_duration_us < :duration_us
"""
PUT_SERVICE = f"""
    INSERT INTO service ({SERVICE_COLUMNS}) VALUES ({_values(SERVICE_COLUMNS)})
    ON CONFLICT (merchant_no, service_no) DO UPDATE SET
        retired = excluded.retired, min_advance_booking_s = excluded.min_advance_booking_s,
        min_advance_online_canceling_s = excluded.min_advance_online_canceling_s,
        one_booking_per_user = excluded.one_booking_per_user,
        min_booking_buffer_before_end_time_s = excluded.min_booking_buffer_before_end_time_s
"""
INSERT_STAFF = "INSERT INTO staff (merchant_no, staff_no, staff_id) VALUES (:merchant_no, :number, :id)"
INSERT_ROOM = "INSERT INTO room (merchant_no, room_no, room_id) VALUES (:merchant_no, :number, :id)"
SLOTS_OF_MERCHANT = f"""
    SELECT {SLOT_COLUMNS} FROM slot
    WHERE merchant_no = :merchant_no AND slot_no > :after_slot_no
    ORDER BY slot_no LIMIT :rows_max
"""
# The natural key of a number never changes: another key with the same number changes no row, which is noticed.
PUT_SLOT = f"""
    INSERT INTO slot ({SLOT_COLUMNS}) VALUES ({_values(SLOT_COLUMNS)})
    ON CONFLICT (merchant_no, slot_no) DO UPDATE SET
        availability_tag = excluded.availability_tag, spots_total = excluded.spots_total,
        spots_elsewhere = excluded.spots_elsewhere, closed = excluded.closed, asynchronous = excluded.asynchronous,
        first_bookable_us = excluded.first_bookable_us, last_bookable_us = excluded.last_bookable_us,
        last_online_cancellable_us = excluded.last_online_cancellable_us
    WHERE slot.service_no = excluded.service_no AND slot.start_us = excluded.start_us
      AND slot.duration_us = excluded.duration_us AND slot.staff_no = excluded.staff_no
      AND slot.room_no = excluded.room_no AND slot.party_size = excluded.party_size
"""
# Own bookings when a feed was generated, told by the events: the last one of each booking up to that instant.
OWN_BOOKINGS_AT = """
    SELECT event.slot_no, count(*) FROM event
    JOIN (
        SELECT max(event_no) AS event_no FROM event
        WHERE merchant_no = :merchant_no AND at_us <= :at_us GROUP BY booking_no
    ) AS latest ON latest.event_no = event.event_no
    WHERE event.merchant_no = :merchant_no AND event.status <> 3 GROUP BY event.slot_no
"""

# --- what an export and an operator's day read ------------------------------------------------------------------

SLOTS_BY_START = f"""
    SELECT {SLOT_COLUMNS}, closed_by_operator FROM slot
    WHERE merchant_no = :merchant_no AND start_us < :until_us
      AND (start_us, slot_no) > (:after_start_us, :after_slot_no)
    ORDER BY start_us, slot_no LIMIT :rows_max
"""
CLAIMS_ON_SLOTS = """
    SELECT slot_no, count(*) FILTER (WHERE busy_until_us < 9223372036854775807),
           count(*) FILTER (WHERE busy_until_us = 9223372036854775807)
    FROM spot
    WHERE merchant_no = :merchant_no AND start_us >= :from_us AND start_us < :until_us AND busy_until_us > :now_us
    GROUP BY slot_no
"""

# --- operators -------------------------------------------------------------------------------------------------

# The feed's own columns stay as they are, and an import never writes this one.
CLOSE_SLOT = """
    UPDATE slot SET closed_by_operator = :closed_by_operator
    WHERE merchant_no = :merchant_no AND slot_no = :slot_no AND closed_by_operator = :closed_by_operator_before
"""
SPOTS_BUSY = f"""
    SELECT {SPOT_COLUMNS} FROM spot
    WHERE merchant_no = :merchant_no AND slot_no = :slot_no AND busy_until_us > :now_us
    ORDER BY spot_no LIMIT :rows_max
"""
OLD_LEASES = """
    SELECT merchant_no, lease_no FROM lease
    WHERE expires_us <= :ended_by_us AND (merchant_no, lease_no) > (:merchant_no, :lease_no)
    ORDER BY merchant_no, lease_no LIMIT :rows_max
"""
# What is not buried is never deleted (DESIGN 3).
PURGE_LEASE = "DELETE FROM lease WHERE merchant_no = :merchant_no AND lease_no = :lease_no AND state <> 1"
EVENTS_OF_MERCHANT = f"""
    SELECT {", ".join(f"event.{name.strip()}" for name in EVENT_COLUMNS.split(","))}, booking.secret
    FROM event
    JOIN booking ON booking.merchant_no = event.merchant_no AND booking.booking_no = event.booking_no
    WHERE event.merchant_no = :merchant_no AND event.event_no > :after_event_no
    ORDER BY event.event_no LIMIT :rows_max
"""

# --- who wants the partner's advertising ------------------------------------------------------------------------

# Unconditional, as no other write of a batch: the last word counts, whoever said what before.
PUT_MARKETING_PREFERENCE = """
    INSERT INTO marketing_preference (user_id, "user", receives_marketing, told_us)
    VALUES (:user_id, :user, :receives_marketing, :told_us)
    ON CONFLICT (user_id) DO UPDATE SET
        "user" = excluded."user", receives_marketing = excluded.receives_marketing, told_us = excluded.told_us
"""
MARKETING_PREFERENCES = """
    SELECT "user", receives_marketing, told_us FROM marketing_preference
    WHERE user_id > :after_user_id ORDER BY user_id LIMIT :rows_max
"""

# --- who may call version 3 -------------------------------------------------------------------------------------

CREDENTIALS = "SELECT user_name, password_hash, not_before_us, not_after_us FROM credential ORDER BY user_name"
ADD_CREDENTIAL = """
    INSERT INTO credential (user_name, password_hash, not_before_us, not_after_us)
    VALUES (:user_name, :password_hash, :not_before_us, :not_after_us)
    ON CONFLICT DO NOTHING
"""
REVOKE_CREDENTIAL = "DELETE FROM credential WHERE user_name = :user_name"

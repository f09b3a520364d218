-- The ledger (DESIGN section 3). Instants are microseconds since 1970 UTC. Every primary and unique key leads with
-- the merchant, for no rule looks across merchants; only the merchant's own id is unique on the whole ledger.
-- The b-trees that granting a lease touches are counted: spot, lease, lease_by_reference, and spot_by_staff or
-- spot_by_room where the slot names one. No index stands on busy_until_us or expires_us: measured, it costs a third
-- of the leases per second, and time decides without it.

CREATE TABLE ledger (
    fingerprint_key BLOB NOT NULL CHECK (length(fingerprint_key) = 32)
) STRICT;

CREATE TABLE merchant (
    merchant_no         INTEGER PRIMARY KEY,
    merchant_id         TEXT    NOT NULL UNIQUE,
    name                TEXT    NOT NULL,
    retired             INTEGER NOT NULL CHECK (retired IN (0, 1)),
    longest_duration_us INTEGER NOT NULL CHECK (longest_duration_us >= 0), -- bounds every search for overlaps
    catalogue_revision  INTEGER NOT NULL, -- rises with each change of services, staff or rooms
    next_no             INTEGER NOT NULL CHECK (next_no >= 1) -- leases, bookings and events draw from it
) STRICT;

CREATE TABLE service (
    merchant_no                    INTEGER NOT NULL REFERENCES merchant,
    service_no                     INTEGER NOT NULL CHECK (service_no >= 1),
    service_id                     TEXT    NOT NULL,
    retired                        INTEGER NOT NULL CHECK (retired IN (0, 1)),
    min_advance_booking_s          INTEGER NOT NULL CHECK (min_advance_booking_s >= 0),
    min_advance_online_canceling_s INTEGER CHECK (min_advance_online_canceling_s >= 0),
    one_booking_per_user           INTEGER NOT NULL CHECK (one_booking_per_user IN (0, 1)),
    PRIMARY KEY (merchant_no, service_no),
    UNIQUE (merchant_no, service_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE staff (
    merchant_no INTEGER NOT NULL REFERENCES merchant,
    staff_no    INTEGER NOT NULL CHECK (staff_no >= 1),
    staff_id    TEXT    NOT NULL,
    PRIMARY KEY (merchant_no, staff_no),
    UNIQUE (merchant_no, staff_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE room (
    merchant_no INTEGER NOT NULL REFERENCES merchant,
    room_no     INTEGER NOT NULL CHECK (room_no >= 1),
    room_id     TEXT    NOT NULL,
    PRIMARY KEY (merchant_no, room_no),
    UNIQUE (merchant_no, room_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE slot (
    merchant_no                INTEGER NOT NULL,
    slot_no                    INTEGER NOT NULL, -- domain/slot.py: slot_number
    service_no                 INTEGER NOT NULL,
    start_us                   INTEGER NOT NULL,
    duration_us                INTEGER NOT NULL CHECK (duration_us > 0),
    staff_no                   INTEGER NOT NULL, -- 0: none
    room_no                    INTEGER NOT NULL, -- 0: none
    party_size                 INTEGER NOT NULL, -- 0: none
    availability_tag           TEXT    NOT NULL,
    spots_total                INTEGER NOT NULL CHECK (spots_total >= 0),
    spots_elsewhere            INTEGER NOT NULL CHECK (spots_elsewhere BETWEEN 0 AND spots_total),
    closed                     INTEGER NOT NULL CHECK (closed IN (0, 1)),
    asynchronous               INTEGER NOT NULL CHECK (asynchronous IN (0, 1)),
    first_bookable_us          INTEGER,
    last_bookable_us           INTEGER,
    last_online_cancellable_us INTEGER,
    PRIMARY KEY (merchant_no, slot_no),
    FOREIGN KEY (merchant_no, service_no) REFERENCES service
) STRICT, WITHOUT ROWID;

CREATE TABLE spot (
    merchant_no   INTEGER NOT NULL,
    slot_no       INTEGER NOT NULL,
    spot_no       INTEGER NOT NULL CHECK (spot_no >= 1),
    busy_until_us INTEGER NOT NULL CHECK (busy_until_us >= 0), -- a lease's expiry, 2^63-1: booked, 0: given back
    holder_no     INTEGER NOT NULL CHECK ((holder_no = 0) = (busy_until_us = 0)), -- lease_no or booking_no
    start_us      INTEGER NOT NULL,
    end_us        INTEGER NOT NULL,
    staff_no      INTEGER NOT NULL,
    room_no       INTEGER NOT NULL,
    PRIMARY KEY (merchant_no, slot_no, spot_no),
    FOREIGN KEY (merchant_no, slot_no) REFERENCES slot
) STRICT, WITHOUT ROWID;

CREATE INDEX spot_by_staff ON spot (merchant_no, staff_no, start_us) WHERE staff_no > 0;
CREATE INDEX spot_by_room ON spot (merchant_no, room_no, start_us) WHERE room_no > 0;

-- The insert itself compares the number with the capacity, whoever writes it (INV-4).
CREATE TRIGGER spot_within_capacity BEFORE INSERT ON spot
WHEN NEW.spot_no > (
    SELECT spots_total - spots_elsewhere FROM slot WHERE merchant_no = NEW.merchant_no AND slot_no = NEW.slot_no
)
BEGIN
    SELECT RAISE(ABORT, 'spot_no is above the capacity of its slot');
END;

CREATE TABLE lease (
    merchant_no      INTEGER NOT NULL REFERENCES merchant,
    lease_no         INTEGER NOT NULL,
    secret           BLOB    NOT NULL CHECK (length(secret) = 16),
    state            INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4), -- domain/lease.py: LeaseState
    expires_us       INTEGER NOT NULL,
    client_reference TEXT    NOT NULL,
    service_id       TEXT    NOT NULL, -- from here: the slot as asked
    start_us         INTEGER NOT NULL,
    duration_us      INTEGER NOT NULL,
    availability_tag TEXT    NOT NULL,
    resources_given  INTEGER NOT NULL CHECK (resources_given IN (0, 1)),
    staff_id         TEXT    NOT NULL,
    room_id          TEXT    NOT NULL,
    party_size       INTEGER NOT NULL, -- to here
    slot_no          INTEGER NOT NULL,
    spot_no          INTEGER NOT NULL,
    cancel_by_us     INTEGER NOT NULL,
    asynchronous     INTEGER NOT NULL CHECK (asynchronous IN (0, 1)),
    created_us       INTEGER NOT NULL,
    PRIMARY KEY (merchant_no, lease_no)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX lease_by_reference ON lease (merchant_no, client_reference);

CREATE TABLE booking (
    merchant_no        INTEGER NOT NULL REFERENCES merchant,
    booking_no         INTEGER NOT NULL,
    secret             BLOB    NOT NULL CHECK (length(secret) = 16),
    status             INTEGER NOT NULL CHECK (status BETWEEN 1 AND 5), -- domain/booking.py: BookingStatus
    revision           INTEGER NOT NULL CHECK (revision >= 1),
    service_id         TEXT    NOT NULL, -- from here: the slot as asked, where the booking is now
    start_us           INTEGER NOT NULL,
    duration_us        INTEGER NOT NULL,
    availability_tag   TEXT    NOT NULL,
    resources_given    INTEGER NOT NULL CHECK (resources_given IN (0, 1)),
    staff_id           TEXT    NOT NULL,
    room_id            TEXT    NOT NULL,
    party_size         INTEGER NOT NULL, -- to here
    slot_no            INTEGER NOT NULL,
    spot_no            INTEGER NOT NULL,
    created_as         TEXT    NOT NULL, -- JSON: the slot as asked and the status of the first answer
    user_key           TEXT    NOT NULL,
    user               TEXT    NOT NULL, -- JSON: who books
    payment            TEXT, -- JSON: payment facts
    additional_request TEXT    NOT NULL,
    idempotency_token  TEXT    NOT NULL,
    lease_no           INTEGER, -- NULL: booked directly
    fingerprint        BLOB    NOT NULL CHECK (length(fingerprint) = 32),
    cancel_by_us       INTEGER NOT NULL,
    created_us         INTEGER NOT NULL,
    PRIMARY KEY (merchant_no, booking_no)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX booking_by_token ON booking (merchant_no, idempotency_token);
CREATE UNIQUE INDEX booking_by_lease ON booking (merchant_no, lease_no) WHERE lease_no IS NOT NULL; -- INV-5
CREATE INDEX booking_by_user ON booking (user_key, merchant_no, slot_no);

CREATE TABLE event (
    merchant_no INTEGER NOT NULL REFERENCES merchant,
    event_no    INTEGER NOT NULL,
    at_us       INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    actor       TEXT    NOT NULL,
    booking_no  INTEGER NOT NULL,
    revision    INTEGER NOT NULL,
    status      INTEGER NOT NULL,
    slot_no     INTEGER NOT NULL,
    spot_no     INTEGER NOT NULL,
    slot        TEXT    NOT NULL, -- JSON: the slot as asked, after the change
    PRIMARY KEY (merchant_no, event_no)
) STRICT, WITHOUT ROWID;

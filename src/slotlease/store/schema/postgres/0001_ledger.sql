-- The ledger on PostgreSQL (DESIGN section 3): what schema/sqlite/ says after its last script, in one.
-- Text that is a key or an order compares byte by byte (COLLATE "C"), as on SQLite, whatever the database's language.
-- Only portable SQL: no advisory locks, range types or exclusion constraints, so that the same tables can be spread over
-- machines by merchant. No sequence hands out numbers: a rolled back batch must not leave gaps, and a merchant's counter
-- is its row's.

CREATE TABLE ledger (
    fingerprint_key bytea NOT NULL CHECK (length(fingerprint_key) = 32)
);

-- One row, and nothing is kept in it. Who makes a merchant holds it, so that no two take one number; and who asks whether
-- a write would succeed writes it.
CREATE TABLE turn (
    holder smallint NOT NULL
);
INSERT INTO turn VALUES (0);

CREATE TABLE merchant (
    merchant_no         bigint PRIMARY KEY,
    merchant_id         text   COLLATE "C" NOT NULL UNIQUE,
    name                text   NOT NULL,
    retired             smallint NOT NULL CHECK (retired IN (0, 1)),
    longest_duration_us bigint NOT NULL CHECK (longest_duration_us >= 0), -- bounds every search for overlaps
    catalogue_revision  bigint NOT NULL, -- rises with each change of services, staff or rooms
    next_no             bigint NOT NULL CHECK (next_no >= 1) -- leases, bookings and events draw from it
) WITH (fillfactor = 50); -- each batch writes next_no: room for the new row beside the old one

CREATE TABLE service (
    merchant_no                          bigint NOT NULL REFERENCES merchant,
    service_no                           bigint NOT NULL CHECK (service_no >= 1),
    service_id                           text   COLLATE "C" NOT NULL,
    retired                              smallint NOT NULL CHECK (retired IN (0, 1)),
    min_advance_booking_s                bigint NOT NULL CHECK (min_advance_booking_s >= 0),
    min_advance_online_canceling_s       bigint CHECK (min_advance_online_canceling_s >= 0),
    one_booking_per_user                 smallint NOT NULL CHECK (one_booking_per_user IN (0, 1)),
    min_booking_buffer_before_end_time_s bigint CHECK (min_booking_buffer_before_end_time_s >= 0),
    PRIMARY KEY (merchant_no, service_no),
    UNIQUE (merchant_no, service_id)
);

CREATE TABLE staff (
    merchant_no bigint NOT NULL REFERENCES merchant,
    staff_no    bigint NOT NULL CHECK (staff_no >= 1),
    staff_id    text   COLLATE "C" NOT NULL,
    PRIMARY KEY (merchant_no, staff_no),
    UNIQUE (merchant_no, staff_id)
);

CREATE TABLE room (
    merchant_no bigint NOT NULL REFERENCES merchant,
    room_no     bigint NOT NULL CHECK (room_no >= 1),
    room_id     text   COLLATE "C" NOT NULL,
    PRIMARY KEY (merchant_no, room_no),
    UNIQUE (merchant_no, room_id)
);

CREATE TABLE slot (
    merchant_no                bigint NOT NULL,
    slot_no                    bigint NOT NULL, -- domain/slot.py: slot_number
    service_no                 bigint NOT NULL,
    start_us                   bigint NOT NULL,
    duration_us                bigint NOT NULL CHECK (duration_us > 0),
    staff_no                   bigint NOT NULL, -- 0: none
    room_no                    bigint NOT NULL, -- 0: none
    party_size                 bigint NOT NULL, -- 0: none
    availability_tag           text   NOT NULL,
    spots_total                bigint NOT NULL CHECK (spots_total >= 0),
    spots_elsewhere            bigint NOT NULL CHECK (spots_elsewhere BETWEEN 0 AND spots_total),
    closed                     smallint NOT NULL CHECK (closed IN (0, 1)),
    asynchronous               smallint NOT NULL CHECK (asynchronous IN (0, 1)),
    first_bookable_us          bigint,
    last_bookable_us           bigint,
    last_online_cancellable_us bigint,
    closed_by_operator         smallint NOT NULL DEFAULT 0 CHECK (closed_by_operator IN (0, 1)),
    PRIMARY KEY (merchant_no, slot_no),
    FOREIGN KEY (merchant_no, service_no) REFERENCES service
);

CREATE TABLE spot (
    merchant_no   bigint NOT NULL,
    slot_no       bigint NOT NULL,
    spot_no       bigint NOT NULL CHECK (spot_no >= 1),
    busy_until_us bigint NOT NULL CHECK (busy_until_us >= 0), -- a lease's expiry, 2^63-1: booked, 0: given back
    holder_no     bigint NOT NULL,                            -- lease_no or booking_no
    start_us      bigint NOT NULL,
    end_us        bigint NOT NULL,
    staff_no      bigint NOT NULL,
    room_no       bigint NOT NULL,
    PRIMARY KEY (merchant_no, slot_no, spot_no),
    CHECK ((holder_no = 0) = (busy_until_us = 0)),
    FOREIGN KEY (merchant_no, slot_no) REFERENCES slot
);

CREATE INDEX spot_by_staff ON spot (merchant_no, staff_no, start_us) WHERE staff_no > 0;
CREATE INDEX spot_by_room ON spot (merchant_no, room_no, start_us) WHERE room_no > 0;

-- The insert itself compares the number with the capacity, whoever writes it (INV-4). Once for a statement, not for each
-- of its rows: a batch inserts all its spots in one.
CREATE FUNCTION spot_within_capacity() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1
        FROM inserted
        JOIN slot ON slot.merchant_no = inserted.merchant_no AND slot.slot_no = inserted.slot_no
        WHERE inserted.spot_no > slot.spots_total - slot.spots_elsewhere
    ) THEN
        RAISE EXCEPTION 'spot_no is above the capacity of its slot' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER spot_within_capacity AFTER INSERT ON spot
REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION spot_within_capacity();

-- What a spot is never changes, only who holds it and until when. A renumbered one could pass the capacity (INV-4).
CREATE FUNCTION spot_keeps_its_number() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a spot keeps its merchant, slot and number' USING ERRCODE = 'check_violation';
END
$$;
CREATE TRIGGER spot_keeps_its_number BEFORE UPDATE OF merchant_no, slot_no, spot_no ON spot
FOR EACH STATEMENT EXECUTE FUNCTION spot_keeps_its_number();

CREATE TABLE lease (
    merchant_no      bigint NOT NULL REFERENCES merchant,
    lease_no         bigint NOT NULL,
    secret           bytea  NOT NULL CHECK (length(secret) = 16),
    state            smallint NOT NULL CHECK (state BETWEEN 1 AND 4), -- domain/lease.py: LeaseState
    expires_us       bigint NOT NULL,
    client_reference text   COLLATE "C" NOT NULL,
    service_id       text   NOT NULL, -- from here: the slot as asked
    start_us         bigint NOT NULL,
    duration_us      bigint NOT NULL,
    availability_tag text   NOT NULL,
    resources_given  smallint NOT NULL CHECK (resources_given IN (0, 1)),
    staff_id         text   NOT NULL,
    room_id          text   NOT NULL,
    party_size       bigint NOT NULL, -- to here
    slot_no          bigint NOT NULL,
    spot_no          bigint NOT NULL,
    cancel_by_us     bigint NOT NULL,
    asynchronous     smallint NOT NULL CHECK (asynchronous IN (0, 1)),
    created_us       bigint NOT NULL,
    PRIMARY KEY (merchant_no, lease_no)
);

-- IS NOT NULL holds for every row, here and below. It keeps the planner from this index where a row is looked up by its
-- number: on an empty table that would cost the same, and the plan would be kept.
CREATE UNIQUE INDEX lease_by_reference ON lease (merchant_no, client_reference) WHERE client_reference IS NOT NULL;
-- The sweep asks every minute which leases have lapsed (docs/decisions/0012).
CREATE INDEX lease_active ON lease (merchant_no, lease_no, expires_us) WHERE state = 1;

CREATE TABLE booking (
    merchant_no        bigint NOT NULL REFERENCES merchant,
    booking_no         bigint NOT NULL,
    secret             bytea  NOT NULL CHECK (length(secret) = 16),
    status             smallint NOT NULL CHECK (status BETWEEN 1 AND 5), -- domain/booking.py: BookingStatus
    revision           bigint NOT NULL CHECK (revision >= 1),
    service_id         text   NOT NULL, -- from here: the slot as asked, where the booking is now
    start_us           bigint NOT NULL,
    duration_us        bigint NOT NULL,
    availability_tag   text   NOT NULL,
    resources_given    smallint NOT NULL CHECK (resources_given IN (0, 1)),
    staff_id           text   NOT NULL,
    room_id            text   NOT NULL,
    party_size         bigint NOT NULL, -- to here
    slot_no            bigint NOT NULL,
    spot_no            bigint NOT NULL,
    created_as         text   NOT NULL, -- JSON: the slot as asked and the status of the first answer
    user_key           text   COLLATE "C" NOT NULL,
    "user"             text   NOT NULL, -- JSON: who books
    payment            text, -- JSON: payment facts
    additional_request text   NOT NULL,
    idempotency_token  text   COLLATE "C" NOT NULL,
    lease_no           bigint, -- NULL: booked directly
    fingerprint        bytea  NOT NULL CHECK (length(fingerprint) = 32),
    cancel_by_us       bigint NOT NULL,
    created_us         bigint NOT NULL,
    PRIMARY KEY (merchant_no, booking_no)
);

CREATE UNIQUE INDEX booking_by_token ON booking (merchant_no, idempotency_token) WHERE idempotency_token IS NOT NULL;
CREATE UNIQUE INDEX booking_by_lease ON booking (merchant_no, lease_no) WHERE lease_no IS NOT NULL; -- INV-5
CREATE INDEX booking_by_user ON booking (user_key, merchant_no, slot_no, status) WHERE user_key IS NOT NULL;

CREATE TABLE event (
    merchant_no bigint NOT NULL REFERENCES merchant,
    event_no    bigint NOT NULL,
    at_us       bigint NOT NULL,
    kind        text   NOT NULL,
    actor       text   NOT NULL,
    booking_no  bigint NOT NULL,
    revision    bigint NOT NULL,
    status      smallint NOT NULL,
    slot_no     bigint NOT NULL,
    spot_no     bigint NOT NULL,
    slot        text   NOT NULL, -- JSON: the slot as asked, after the change
    PRIMARY KEY (merchant_no, event_no)
);

-- Who may call version 3 (domain/credential.py). A password's hash only; a revoked credential is deleted.
CREATE TABLE credential (
    user_name     text   COLLATE "C" NOT NULL PRIMARY KEY,
    password_hash bytea  NOT NULL CHECK (length(password_hash) = 32),
    not_before_us bigint NOT NULL,
    not_after_us  bigint NOT NULL CHECK (not_after_us > not_before_us)
);

-- Who wants the partner's advertising, as Google last said (domain/marketing.py). Personal: nothing of it goes elsewhere.
CREATE TABLE marketing_preference (
    user_id            text   COLLATE "C" NOT NULL PRIMARY KEY CHECK (user_id <> ''),
    "user"             text   NOT NULL,
    receives_marketing smallint NOT NULL CHECK (receives_marketing IN (0, 1)),
    told_us            bigint NOT NULL
);

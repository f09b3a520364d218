-- Two questions went through rows that they did not ask for (docs/decisions/0012-a-small-index-of-active-leases.md).

-- The sweep asks every minute which leases have lapsed. Without this index it walks every lease that is kept, 30 days
-- of them. It holds only the ACTIVE ones, and they come in the order of their key, so that a grant appends to it.
CREATE INDEX lease_active ON lease (merchant_no, lease_no, expires_us) WHERE state = 1;

-- With the status in it the index answers alone whether a user has booked a slot. Without it, and without statistics,
-- SQLite walks every booking of the merchant instead.
DROP INDEX booking_by_user;
CREATE INDEX booking_by_user ON booking (user_key, merchant_no, slot_no, status);

-- What a spot is never changes, only who holds it and until when. A renumbered one could pass the capacity (INV-4).
CREATE TRIGGER spot_keeps_its_number BEFORE UPDATE OF merchant_no, slot_no, spot_no ON spot
BEGIN
    SELECT RAISE(ABORT, 'a spot keeps its merchant, slot and number');
END;

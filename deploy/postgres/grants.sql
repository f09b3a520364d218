-- What the application may do to the ledger's tables (see roles.sql). Run by their owner after each `slotlease migrate`:
--
--   psql "$DATABASE" --set app=slotlease_app -f grants.sql

REVOKE ALL ON ALL TABLES IN SCHEMA public FROM :"app";

GRANT SELECT ON migration, ledger, turn, merchant, service, staff, room, slot, spot, lease, booking, event, credential,
    marketing_preference TO :"app";
GRANT INSERT ON merchant, service, staff, room, slot, spot, lease, booking, event, credential, marketing_preference
    TO :"app";

GRANT UPDATE (holder) ON turn TO :"app";
GRANT UPDATE (name, retired, longest_duration_us, catalogue_revision, next_no) ON merchant TO :"app";
GRANT UPDATE (retired, min_advance_booking_s, min_advance_online_canceling_s, one_booking_per_user,
    min_booking_buffer_before_end_time_s) ON service TO :"app";
GRANT UPDATE (availability_tag, spots_total, spots_elsewhere, closed, asynchronous, first_bookable_us, last_bookable_us,
    last_online_cancellable_us, closed_by_operator) ON slot TO :"app";
GRANT UPDATE (busy_until_us, holder_no) ON spot TO :"app";
GRANT UPDATE (state) ON lease TO :"app";
GRANT UPDATE (status, revision, start_us, duration_us, availability_tag, resources_given, staff_id, room_id, party_size,
    slot_no, spot_no, cancel_by_us) ON booking TO :"app";
GRANT UPDATE ("user", receives_marketing, told_us) ON marketing_preference TO :"app";

-- Leases 30 days after they ended, and passwords that were revoked: nothing else is ever deleted.
GRANT DELETE ON lease, credential TO :"app";

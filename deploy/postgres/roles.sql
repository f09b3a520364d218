-- Who may do what to a ledger in PostgreSQL. Run once, by a superuser, in the ledger's (still empty) database:
--
--   psql "$DATABASE" --set owner=slotlease_owner --set app=slotlease_app -f roles.sql
--
-- Both roles are there already, made with passwords of your own (CREATE ROLE ... LOGIN PASSWORD ...). The owner makes the
-- tables and changes them: only `slotlease migrate` is given its address. Everything else, `serve` first of all, is given
-- the application's, which can keep the ledger and nothing more: no table is its own, nothing that was booked, told or
-- numbered can be deleted or rewritten, and of each row only what may change can be changed. Run grants.sql after each
-- `slotlease migrate`.

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO :"owner";
GRANT USAGE ON SCHEMA public TO :"app";

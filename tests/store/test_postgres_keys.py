"""The tables can be spread over machines by merchant: no key that must be unique spans two of them (DESIGN 3)."""

from __future__ import annotations

from tests.store.postgres_backend import PostgresBackend
from tests.store.postgres_ledger import backend

__all__ = ["backend"]

KEYS = """
    SELECT relation.relname, array_agg(attribute.attname ORDER BY place.place)
    FROM pg_index AS index
    JOIN pg_class AS relation ON relation.oid = index.indrelid
    CROSS JOIN LATERAL unnest(index.indkey) WITH ORDINALITY AS place (attnum, place)
    JOIN pg_attribute AS attribute ON attribute.attrelid = relation.oid AND attribute.attnum = place.attnum
    WHERE index.indisunique AND relation.relnamespace = 'public'::regnamespace
    GROUP BY relation.relname, index.indexrelid
"""
WHOLE_LEDGER = {
    # Who the merchants are is the one thing to be known everywhere; its rows are few and seldom written.
    ("merchant", "merchant_id"),
    # No merchant's: of the ledger, of its callers, of users.
    ("migration", "number"),
    ("credential", "user_name"),
    ("marketing_preference", "user_id"),
}
FOREIGN_KEYS = """
    SELECT relation.relname, attribute.attname
    FROM pg_constraint AS con
    JOIN pg_class AS relation ON relation.oid = con.conrelid
    JOIN pg_attribute AS attribute ON attribute.attrelid = con.conrelid AND attribute.attnum = con.conkey[1]
    WHERE con.contype = 'f'
"""
NOT_PORTABLE = """
    SELECT conname FROM pg_constraint WHERE contype = 'x'
    UNION ALL
    SELECT sequence_name FROM information_schema.sequences
    UNION ALL
    SELECT column_name FROM information_schema.columns
    WHERE table_schema = 'public' AND (data_type LIKE '%range%' OR is_identity = 'YES' OR column_default IS NOT NULL)
      AND column_name <> 'closed_by_operator'
"""


def test_every_primary_and_unique_key_leads_with_the_merchant(backend: PostgresBackend) -> None:
    keys = {(table, tuple(columns)) for table, columns in backend.sql(KEYS)}
    assert len(keys) > 15, "the query finds them"
    others = {(table, *columns) for table, columns in keys if columns[0] != "merchant_no"}
    assert others == WHOLE_LEDGER


def test_every_foreign_key_leads_with_the_merchant(backend: PostgresBackend) -> None:
    keys = backend.sql(FOREIGN_KEYS)
    assert len(keys) > 5
    assert {column for _, column in keys} == {"merchant_no"}


def test_nothing_that_only_postgresql_has_keeps_a_promise(backend: PostgresBackend) -> None:
    """No exclusion constraint, no range, and no sequence: what a batch drew and did not use is drawn again."""
    assert backend.sql(NOT_PORTABLE) == []

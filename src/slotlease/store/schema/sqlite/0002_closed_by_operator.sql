-- An operator's closing is theirs alone: a column of its own, which no import writes, so that the next feed does not
-- open again what the merchant has closed.

ALTER TABLE slot ADD COLUMN closed_by_operator INTEGER NOT NULL DEFAULT 0 CHECK (closed_by_operator IN (0, 1));

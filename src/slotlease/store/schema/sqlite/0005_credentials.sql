-- Who may call version 3 (domain/credential.py). A password's hash only; a revoked credential is deleted.

CREATE TABLE credential (
    user_name     TEXT    NOT NULL PRIMARY KEY,
    password_hash BLOB    NOT NULL CHECK (length(password_hash) = 32),
    not_before_us INTEGER NOT NULL,
    not_after_us  INTEGER NOT NULL CHECK (not_after_us > not_before_us)
) STRICT, WITHOUT ROWID;

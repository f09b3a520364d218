-- Who wants the partner's advertising, as Google last said (domain/marketing.py). Personal: nothing of it goes elsewhere.

CREATE TABLE marketing_preference (
    user_id            TEXT    NOT NULL PRIMARY KEY CHECK (user_id <> ''),
    user               TEXT    NOT NULL,
    receives_marketing INTEGER NOT NULL CHECK (receives_marketing IN (0, 1)),
    told_us            INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

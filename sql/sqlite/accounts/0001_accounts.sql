-- Times are Unix milliseconds.
CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    is_admin INTEGER NOT NULL,
    is_disabled INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- retires_at 0: not replaced yet.
CREATE TABLE signing_keys (
    generation INTEGER NOT NULL PRIMARY KEY,
    kid TEXT NOT NULL UNIQUE,
    pem TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    activates_at INTEGER NOT NULL,
    retires_at INTEGER NOT NULL
) STRICT;

CREATE TABLE login_throttle (
    subject TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    window_started_at INTEGER NOT NULL,
    locked_until INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE INDEX login_throttle_updated_at ON login_throttle (updated_at);

-- Messages: the oldest id first. A taken message has a lease and is invisible until visible_at;
-- a dead one has a dead_reason and waits for an operator. Times are Unix milliseconds.
CREATE TABLE queue_messages (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    queue       TEXT    NOT NULL,
    body        BLOB    NOT NULL,
    traceparent TEXT    NOT NULL,
    visible_at  INTEGER NOT NULL,
    deliveries  INTEGER NOT NULL DEFAULT 0,
    lease       TEXT,
    dead_reason TEXT,
    died_at     INTEGER
) STRICT;
CREATE INDEX queue_messages_live ON queue_messages (queue, id) WHERE dead_reason IS NULL;
CREATE INDEX queue_messages_dead ON queue_messages (queue, id) WHERE dead_reason IS NOT NULL;

-- Events: the last thousand; a subscriber reads on from the seq it has seen.
CREATE TABLE queue_events (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    routing_key TEXT NOT NULL,
    body        BLOB NOT NULL
) STRICT;

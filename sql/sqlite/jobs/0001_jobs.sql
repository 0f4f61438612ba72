-- The record is the JSON text; the columns beside it repeat what is searched for.
CREATE TABLE jobs (
    id TEXT PRIMARY KEY NOT NULL,
    owner TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    state TEXT NOT NULL,
    tag TEXT NOT NULL,
    video_fid TEXT NOT NULL,
    mp3_fid TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    due_reason TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    notice_reason TEXT NOT NULL,
    notice_at INTEGER NOT NULL,
    rev INTEGER NOT NULL,
    record TEXT NOT NULL
);

CREATE UNIQUE INDEX jobs_by_key ON jobs (owner, idempotency_key) WHERE idempotency_key <> '';
CREATE INDEX jobs_by_owner ON jobs (owner, created_at, id);
CREATE INDEX jobs_by_age ON jobs (created_at, id);
CREATE INDEX jobs_by_state ON jobs (state, created_at, id);
CREATE INDEX jobs_by_video ON jobs (video_fid, created_at);
CREATE INDEX jobs_by_mp3 ON jobs (mp3_fid) WHERE mp3_fid <> '';
CREATE INDEX jobs_by_due ON jobs (due_reason, due_at) WHERE due_reason <> '';
CREATE INDEX jobs_by_notice ON jobs (notice_reason, notice_at) WHERE notice_reason <> '';

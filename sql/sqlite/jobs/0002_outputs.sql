-- The further MP3s of jobs that made several; the first one is in jobs.mp3_fid.
CREATE TABLE job_mp3s (
    fid TEXT PRIMARY KEY NOT NULL,
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE INDEX job_mp3s_by_job ON job_mp3s (job_id);

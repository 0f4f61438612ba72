-- Uploads of the same content are answered from the MP3s of the first one: its jobs are found by
-- content, and one MP3 can be named by several jobs.
ALTER TABLE jobs ADD COLUMN sha256 TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN same_as TEXT NOT NULL DEFAULT '';
UPDATE jobs SET sha256 = coalesce(json_extract(record, '$.sha256'), '');
CREATE INDEX jobs_by_content ON jobs (owner, sha256, created_at, id) WHERE sha256 <> '';

-- The further MP3s of jobs that made several, and all of jobs that were made with another's.
DROP INDEX job_mp3s_by_job;
ALTER TABLE job_mp3s RENAME TO old_job_mp3s;
CREATE TABLE job_mp3s (
    fid TEXT NOT NULL,
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    PRIMARY KEY (fid, job_id)
) WITHOUT ROWID;
INSERT INTO job_mp3s (fid, job_id) SELECT fid, job_id FROM old_job_mp3s;
DROP TABLE old_job_mp3s;
CREATE INDEX job_mp3s_by_job ON job_mp3s (job_id);

-- A job that is to be converted after all names no other's MP3s any more.
CREATE TRIGGER job_mp3s_let_go AFTER UPDATE OF same_as ON jobs
WHEN old.same_as <> '' AND new.same_as = ''
BEGIN
    DELETE FROM job_mp3s WHERE job_id = new.id;
END;

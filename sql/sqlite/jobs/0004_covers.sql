-- A picture that came with an upload is found by its id.
ALTER TABLE jobs ADD COLUMN cover_fid TEXT NOT NULL DEFAULT '';
UPDATE jobs SET cover_fid = coalesce(json_extract(record, '$.cover_fid'), '') WHERE json_valid(record);
CREATE INDEX jobs_by_cover ON jobs (cover_fid) WHERE cover_fid <> '';

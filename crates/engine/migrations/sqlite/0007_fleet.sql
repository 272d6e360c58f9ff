-- A run whose owners died again and again is set aside until a person lets it go on.
ALTER TABLE runs ADD COLUMN quarantined_at INTEGER CONSTRAINT a_quarantined_run_is_nobodys CHECK
    (quarantined_at IS NULL OR (status = 'attention' AND owner IS NULL AND wake_at IS NULL));
-- Labels that the run's node has to have; null: none.
ALTER TABLE runs ADD COLUMN requires TEXT CHECK (json_type(requires) = 'object');

-- What nodes are, what they do with runs over which nodes die, and which take nothing more.
ALTER TABLE nodes ADD COLUMN labels TEXT NOT NULL DEFAULT '{}' CHECK (json_type(labels) = 'object');
ALTER TABLE nodes ADD COLUMN capacity INTEGER NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN renewed_at INTEGER NOT NULL DEFAULT 0;
-- After how many take-overs without progress it sets a run aside; null: never.
ALTER TABLE nodes ADD COLUMN quarantine_after INTEGER CHECK (quarantine_after > 0);
-- The last run that it took of which an owner had died before, and until when it takes no other: if
-- the node dies before, that run is to blame and the others that it has are not.
ALTER TABLE nodes ADD COLUMN suspect BLOB;
ALTER TABLE nodes ADD COLUMN suspect_until INTEGER;
-- Who wants it empty; null: nobody.
ALTER TABLE nodes ADD COLUMN draining TEXT;

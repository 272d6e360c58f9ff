-- Large values that events name, kept once per run beside its journal, so that the journal's rows
-- stay small. Written and removed with what names them. With row numbers: in a table that is kept
-- by its key, every search would walk over the values.
CREATE TABLE blobs (
    run_id BLOB NOT NULL,
    hash   BLOB NOT NULL CHECK (length(hash) = 32),
    bytes  BLOB NOT NULL,
    PRIMARY KEY (run_id, hash)
) STRICT;

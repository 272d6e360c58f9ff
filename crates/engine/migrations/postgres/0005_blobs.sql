-- Large values that events name, kept once per run beside its journal, so that the journal's rows
-- stay small. Written and removed with what names them.
CREATE TABLE blobs (
    run_id uuid  NOT NULL,
    hash   bytea NOT NULL CHECK (octet_length(hash) = 32),
    bytes  bytea NOT NULL,
    PRIMARY KEY (run_id, hash)
);

-- The database's clock becomes a row that the test sets.
CREATE TABLE IF NOT EXISTS rackwright_test_clock (id int PRIMARY KEY, now bigint NOT NULL);
INSERT INTO rackwright_test_clock VALUES (0, 0) ON CONFLICT DO NOTHING;
CREATE OR REPLACE FUNCTION rackwright_now() RETURNS bigint LANGUAGE sql VOLATILE
AS $$ SELECT now FROM rackwright_test_clock $$;

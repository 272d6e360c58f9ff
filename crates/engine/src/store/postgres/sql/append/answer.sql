SELECT count(*), CASE WHEN $30 THEN array_agg(run_id) END FROM put

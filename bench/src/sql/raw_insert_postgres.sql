insert into ckpt (wf_id, seq, name, output, at)
select * from unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::bigint[])

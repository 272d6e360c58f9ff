\set w random(1, 1000000000000)
insert into ckpt (wf_id, seq, name, output, at) values ('wf-' || cast(:w as text), 0, 's', '{"wf": "wf-123456", "i": 7, "ok": true, "pad": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}', 1700000000000000);

create table if not exists ckpt (
    wf_id text not null,
    seq int not null,
    name text not null,
    output text not null,
    at bigint not null,
    primary key (wf_id, seq)
)

//! Messages: once, in order, to those who wait for them.

use std::sync::Arc;

use bytes::Bytes;
use rackwright_engine::store::{Append, Outgoing, StoreError};

use crate::bench::{Bench, create, create_owned, each_backend, message, new_run, plain};

each_backend!(
    a_message_that_is_sent_twice_is_one,
    messages_keep_their_order,
    bodies_stay_bytes,
    owners_see_their_mail,
    mail_waits_for_a_run_to_come,
    a_wrong_key_is_refused,
);

async fn a_message_that_is_sent_twice_is_one(bench: Arc<Bench>) {
    let node = bench.join(1).await;
    let (run, sender) = (new_run(), new_run());
    bench.put(&[create_owned(run, &node), create_owned(sender, &node)]).await;
    let twice = [message(run, "a"), message(run, "a"), message(run, "b")];
    bench.store.send(&twice).await.unwrap();
    bench.store.send(&twice).await.unwrap();
    let append = Append { send: twice.to_vec(), ..plain(sender, 1, 1) };
    bench.put(&[append]).await;
    assert_eq!(bench.mail(run).await, ["a", "b"]);
}

async fn messages_keep_their_order(bench: Arc<Bench>) {
    let node = bench.join(1).await;
    let (run, other, sender) = (new_run(), new_run(), new_run());
    bench.put(&[run, other, sender].map(|run| create_owned(run, &node))).await;
    let mut expected = Vec::new();
    for n in 0..40_u64 {
        let keys = [format!("z{}", 100 - n), format!("a{n}")];
        let send: Vec<_> =
            keys.iter().flat_map(|key| [message(run, key), message(other, key)]).collect();
        if n % 2 == 0 {
            bench.store.send(&send).await.unwrap();
        } else {
            bench.put(&[Append { send, ..plain(sender, n / 2 + 1, 1) }]).await;
        }
        expected.extend(keys);
    }
    let rows = bench.store.inbox(&[other, run]).await.unwrap();
    let (first, second) = rows.split_at(80);
    assert!(first.iter().all(|row| row.run == run) && second.iter().all(|row| row.run == other));
    assert!(first.iter().map(|row| &row.dedup).eq(&expected));
    assert!(second.iter().map(|row| &row.dedup).eq(&expected));
    assert!(first.is_sorted_by_key(|row| row.id));
}

async fn bodies_stay_bytes(bench: Arc<Bench>) {
    let run = new_run();
    bench.put(&[create(run)]).await;
    let bodies = [
        Bytes::from_static(b""),
        Bytes::from_static(b"\0\xff\xfe"),
        Bytes::from(vec![b'x'; 1 << 20]),
        Bytes::from("ü"),
    ];
    let messages: Vec<_> = bodies
        .iter()
        .enumerate()
        .map(|(n, body)| Outgoing { to: run, dedup: format!("é{n}"), body: body.clone() })
        .collect();
    bench.store.send(&messages).await.unwrap();
    let rows = bench.store.inbox(&[run]).await.unwrap();
    assert!(rows.iter().map(|row| &row.body).eq(&bodies));
}

async fn owners_see_their_mail(bench: Arc<Bench>) {
    let (one, two) = (bench.join(1).await, bench.join(2).await);
    let (mine, quiet, theirs, free) = (new_run(), new_run(), new_run(), new_run());
    bench.put(&[mine, quiet].map(|run| create_owned(run, &one))).await;
    bench.put(&[create_owned(theirs, &two), create(free)]).await;
    let send = [mine, mine, theirs, free].map(|run| message(run, &format!("{run}")));
    bench.store.send(&send).await.unwrap();
    assert_eq!(bench.store.owned_with_inbox(one.id, 10).await.unwrap(), [mine]);
    assert_eq!(bench.store.owned_with_inbox(two.id, 10).await.unwrap(), [theirs]);
    assert_eq!(bench.store.owned_with_inbox(one.id, 0).await.unwrap(), []);
    assert_eq!(bench.store.inbox(&[quiet]).await.unwrap(), []);
    assert_eq!(bench.store.inbox(&[]).await.unwrap(), []);
}

/// A parent may write to a child whose first row is still on its way.
async fn mail_waits_for_a_run_to_come(bench: Arc<Bench>) {
    let run = new_run();
    bench.store.send(&[message(run, "early")]).await.unwrap();
    bench.put(&[create(run)]).await;
    assert_eq!(bench.mail(run).await, ["early"]);
}

async fn a_wrong_key_is_refused(bench: Arc<Bench>) {
    for key in ["", "\0", &"x".repeat(513)] {
        let error = bench.store.send(&[message(new_run(), key)]).await.unwrap_err();
        assert!(matches!(error, StoreError::Invalid(_)), "{error}");
    }
}

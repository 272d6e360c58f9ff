//! Answers that are lost: PostgreSQL behind a proxy that cuts the line after the server has
//! committed, and a server that throws its clients out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use rackwright_engine::store::{
    Append, AppendOutcome, ClaimScope, PostgresStore, RunStatus, Store, Writer,
};
use sqlx::{Connection, Executor, PgConnection};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
};

use crate::bench::{Backend, Bench, create, create_owned, message, new_run, plain, run, update};

/// Forwards to the server. Once told to, it forwards a request and, when the answer comes, cuts
/// the line instead of handing the answer on.
struct Proxy {
    url: String,
    cut: Arc<AtomicBool>,
    cuts: Arc<AtomicU64>,
}

impl Proxy {
    async fn before(url: &str) -> Self {
        let (start, rest) = url.split_at(url.find("://").unwrap() + 3);
        let (server, database) = rest.split_once('/').unwrap();
        let (user, address) = server.split_once('@').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (cut, cuts) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let proxy = Self {
            url: format!("{start}{user}@127.0.0.1:{port}/{database}"),
            cut: Arc::clone(&cut),
            cuts: Arc::clone(&cuts),
        };
        let address = address.to_owned();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&address).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(forward(from_client, to_server, None));
                let guard = Some((Arc::clone(&cut), Arc::clone(&cuts)));
                tokio::spawn(forward(from_server, to_client, guard));
            }
        });
        proxy
    }

    /// Cuts the line at the next answer.
    fn cut_next(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }
}

async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    cut: Option<(Arc<AtomicBool>, Arc<AtomicU64>)>,
) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if let Some((cut, cuts)) = &cut
            && cut.swap(false, Ordering::SeqCst)
        {
            cuts.fetch_add(1, Ordering::SeqCst);
            return;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn prepared(writer: &mut Box<dyn Writer>) {
    let run = new_run();
    let rounds = [create(run), plain(run, 1, 0)];
    for append in rounds {
        assert_eq!(writer.commit(&[append]).await.unwrap(), [AppendOutcome::Committed]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_whose_answer_is_lost_is_committed_once() {
    run(Backend::Postgres, |bench| async move {
        let proxy = Proxy::before(&bench.url).await;
        let store = PostgresStore::open(&proxy.url).await.unwrap();
        let mut writer = store.writer().await.unwrap();
        let node = bench.join(1).await;
        let (one, two, target) = (new_run(), new_run(), new_run());
        bench.put(&[create_owned(target, &node)]).await;
        let mut keyed = create_owned(two, &node);
        if let Some(new) = &mut keyed.create {
            new.idempotency_key = Some("key".to_owned());
        }
        let sends = |n: u64| vec![message(target, &format!("{n}"))];
        let batches = [
            vec![create_owned(one, &node), Append { send: sends(0), ..keyed }],
            vec![plain(one, 1, 1), plain(two, 1, 1)],
            vec![Append { send: sends(1), ..plain(one, 2, 1) }, plain(two, 2, 1)],
            vec![Append {
                update: Some(update(RunStatus::Completed, None, false)),
                ..plain(one, 3, 1)
            }],
        ];
        for batch in &batches {
            prepared(&mut writer).await;
            proxy.cut_next();
            let outcomes = writer.commit(batch).await.unwrap();
            assert_eq!(outcomes, vec![AppendOutcome::Committed; batch.len()]);
        }
        assert_eq!(proxy.cuts.load(Ordering::SeqCst), 4);
        assert_eq!(bench.seqs(one).await, [0, 1, 2, 3]);
        assert_eq!(bench.seqs(two).await, [0, 1, 2]);
        assert_eq!(bench.mail(target).await, ["0", "1"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_whose_answer_is_lost_is_answered_by_the_next() {
    run(Backend::Postgres, |bench| async move {
        let proxy = Proxy::before(&bench.url).await;
        let store = PostgresStore::open(&proxy.url).await.unwrap();
        let node = bench.join(1).await;
        store.claim(node.id, ClaimScope::All, 10).await.unwrap();
        let run = new_run();
        bench.put(&[create(run)]).await;
        proxy.cut_next();
        let error = store.claim(node.id, ClaimScope::All, 10).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        let record = bench.store.run(run).await.unwrap().unwrap();
        assert_eq!(record.owner, Some(node.id), "the server did claim");
        let claims = store.claim(node.id, ClaimScope::All, 10).await.unwrap();
        assert_eq!(
            claims.iter().map(|claim| (claim.run, claim.epoch)).collect::<Vec<_>>(),
            [(run, 1)]
        );
        assert_eq!(store.claim(node.id, ClaimScope::All, 10).await.unwrap(), []);
    })
    .await;
}

/// Throws every client of this database out, again and again, until told to stop.
async fn throw_out(url: String, stop: Arc<AtomicBool>) -> u64 {
    let mut admin = PgConnection::connect(&url).await.unwrap();
    let mut thrown = 0;
    while !stop.load(Ordering::SeqCst) {
        let statement = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                         WHERE datname = current_database() AND pid <> pg_backend_pid()";
        thrown += admin.execute(statement).await.unwrap().rows_affected();
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
    thrown
}

/// Commits a batch until it is answered, as the runtime does.
async fn insist(writer: &mut Box<dyn Writer>, batch: &[Append]) -> Vec<AppendOutcome> {
    for _ in 0..200 {
        match writer.commit(batch).await {
            Err(error) if error.is_transient() => {}
            outcome => return outcome.unwrap(),
        }
    }
    panic!("no answer after 200 tries");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_throws_its_clients_out_loses_nothing() {
    run(Backend::Postgres, |bench: Arc<Bench>| async move {
        const ROWS: u64 = 250;
        let node = bench.join(1).await;
        let runs: Vec<_> = (0..6).map(|_| new_run()).collect();
        let target = new_run();
        bench.put(&[create_owned(target, &node)]).await;
        bench.put(&runs.iter().map(|run| create_owned(*run, &node)).collect::<Vec<_>>()).await;
        let mut writer = bench.store.writer().await.unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let thrower = tokio::spawn(throw_out(bench.url.clone(), Arc::clone(&stop)));
        for seq in 1..=ROWS {
            let mut batch: Vec<_> = runs.iter().map(|run| plain(*run, seq, 1)).collect();
            if seq % 2 == 0 {
                batch[0].send = vec![message(target, &format!("{seq}"))];
            }
            let outcomes = insist(&mut writer, &batch).await;
            assert_eq!(outcomes, vec![AppendOutcome::Committed; batch.len()], "row {seq}");
        }
        stop.store(true, Ordering::SeqCst);
        assert!(thrower.await.unwrap() > 0);
        for run in &runs {
            assert!(bench.seqs(*run).await.into_iter().eq(0..=ROWS));
        }
        assert_eq!(bench.mail(target).await.len() as u64, ROWS / 2);
    })
    .await;
}

//! What only PostgreSQL does: servers that are wrong, away, or newer.

use rackwright_engine::store::{PostgresStore, StoreError, open};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::bench::{Backend, Bench, create, new_database, new_run, run, server};

async fn refused(url: &str) -> StoreError {
    match PostgresStore::open(url).await {
        Err(error) => error,
        Ok(_) => panic!("{url} was opened"),
    }
}

#[tokio::test]
async fn errors_say_how_to_mend_them() {
    let Some(server) = server() else { return };
    let missing = refused(&format!("{server}/no_such_database")).await;
    assert!(matches!(missing, StoreError::Setup { .. }), "{missing:?}");
    assert!(missing.to_string().contains("createdb"), "{missing}");

    let (scheme, rest) = server.split_once("://").unwrap();
    let host = rest.rsplit('@').next().unwrap();
    let unknown = refused(&format!("{scheme}://nobody_here@{host}/postgres")).await;
    assert!(matches!(unknown, StoreError::Setup { .. }), "{unknown:?}");
    assert!(unknown.to_string().contains("pg_hba.conf"), "{unknown}");

    let wrong = refused("postgres://a:secret@host:notaport/x").await;
    assert!(matches!(wrong, StoreError::Setup { .. }), "{wrong:?}");
    assert!(!format!("{wrong}").contains("secret"), "{wrong}");
}

#[tokio::test]
async fn a_server_that_is_away_may_come_back() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = refused(&format!("postgres://postgres@{address}/postgres")).await;
    assert!(error.is_transient(), "{error:?}");
    let Err(unknown) = open("mysql://root:secret@h/d").await else { panic!("opened") };
    assert_eq!(
        unknown.to_string(),
        "`mysql://root:***@h/d` names no store: expected sqlite:PATH, \
         postgres://USER@HOST/DATABASE or memory:"
    );
}

#[tokio::test]
async fn several_nodes_may_start_on_a_new_database_at_once() {
    let Some(server) = server() else { return };
    let url = new_database(&server).await;
    let open = || {
        let url = url.clone();
        tokio::spawn(async move { PostgresStore::open(&url).await.map(drop) })
    };
    let tasks: Vec<_> = (0..6).map(|_| open()).collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    crate::bench::drop_database(&server, &url).await;
}

#[tokio::test]
async fn tables_of_a_newer_program_are_left_alone() {
    run(Backend::Postgres, |bench| async move {
        let mut admin = PgConnection::connect(&bench.url).await.unwrap();
        let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, \
                     execution_time) VALUES (9999, 'tomorrow', true, '', 0)";
        admin.execute(newer).await.unwrap();
        let error = refused(&bench.url).await;
        assert!(error.to_string().contains("newer than this program"), "{error}");
    })
    .await;
}

/// Appends must probe indexes, also by plans that were made while the tables were empty.
#[tokio::test]
async fn appends_never_scan_a_table() {
    run(Backend::Postgres, |bench: std::sync::Arc<Bench>| async move {
        bench.put(&[create(new_run())]).await;
        let mut admin = PgConnection::connect(&bench.url).await.unwrap();
        admin.execute("SET plan_cache_mode = force_generic_plan").await.unwrap();
        admin.execute("SET enable_seqscan = off").await.unwrap();
        let part = |name: &str| {
            let path = format!("{}/src/store/postgres/sql/append", env!("CARGO_MANIFEST_DIR"));
            std::fs::read_to_string(format!("{path}/{name}.sql")).unwrap()
        };
        // The statement that has all its parts; see `src/store/postgres/statement.rs`.
        let parts = ["held", "made", "put", "changed", "cleared", "read", "sent", "kept"];
        let whole = format!("WITH {}{}", parts.map(part).join(","), part("answer"));
        for (name, text, parameters, last) in
            [("plain", part("plain"), 5, ""), ("whole", whole, 29, BEHIND)]
        {
            let prepare = format!("PREPARE {name} AS {}", without_head(&text));
            admin.execute(AssertSqlSafe(prepare)).await.unwrap();
            let arguments = vec!["'{}'"; parameters].join(", ");
            let explain = AssertSqlSafe(format!("EXPLAIN EXECUTE {name} ({arguments}{last})"));
            let rows = sqlx::raw_sql(explain).fetch_all(&mut admin).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| sqlx::Row::get(row, 0)).collect();
            let plan = plan.join("\n");
            assert!(plan.contains("runs_pkey") && plan.contains("journal_pkey"), "{plan}");
            assert!(!plan.contains("Seq Scan"), "{plan}");
            // An index that is walked from end to end has no condition below it.
            let lines: Vec<_> = plan.lines().collect();
            for pair in lines.windows(2).filter(|pair| pair[0].contains("Index")) {
                let probed = pair.iter().any(|line| line.contains("Index Cond"));
                assert!(probed || pair[0].contains("Cond"), "{}\n{plan}", pair[0]);
            }
        }
    })
    .await;
}

/// The parameters behind the arrays of runs, changes and messages.
const BEHIND: &str = ", false, '{}', '{}', '{}', '{}', '{}'";

/// PREPARE takes a statement, not the comment before it.
fn without_head(text: &str) -> String {
    text.lines().skip_while(|line| line.starts_with("--")).collect::<Vec<_>>().join("\n")
}

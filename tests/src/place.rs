//! Where one scenario keeps its store and its lab.

use std::{
    env,
    path::{Path, PathBuf},
    process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context, Result};
use rackwright_engine::{
    Client,
    store::{self, Store},
};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::{
    book::Book,
    pace::{LIMIT, SPEED},
    process::{Ended, Rackwright},
};

/// The PostgreSQL server that tests use, without a database.
const POSTGRES: &str = "RACKWRIGHT_TEST_POSTGRES";

/// The workflow that provisions all machines.
pub const RACK: &str = "workflows/lab-rack.yaml";

/// Which kind of store a scenario runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A file in the scenario's own directory.
    Sqlite,
    /// A database of the scenario's own, on this server.
    Postgres(String),
}

impl Backend {
    /// PostgreSQL, or nothing where the environment names no server: then the test says so.
    pub fn postgres() -> Option<Self> {
        let server = env::var(POSTGRES).ok();
        if server.is_none() {
            eprintln!("SKIPPED: set {POSTGRES}, or run `cargo xtask test`, which does");
        }
        server.map(|url| Self::Postgres(url.trim_end_matches('/').to_owned()))
    }

    /// For people.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }
}

/// A store and a directory of a scenario's own. [`Place::leave`] removes them; a place that is
/// only dropped removes its directory.
#[derive(Debug)]
pub struct Place {
    dir: TempDir,
    backend: Backend,
    store: String,
}

impl Place {
    /// A new one.
    ///
    /// # Errors
    /// When a directory or a database can't be made.
    pub async fn new(backend: &Backend) -> Result<Self> {
        let dir = TempDir::with_prefix("rackwright-test-")?;
        let store = match backend {
            Backend::Sqlite => format!("sqlite:{}", dir.path().join("rackwright.db").display()),
            Backend::Postgres(server) => {
                static NEXT: AtomicU64 = AtomicU64::new(1);
                let number = NEXT.fetch_add(1, Ordering::Relaxed);
                let name = format!("rackwright_e2e_{}_{number}", process::id());
                administer(server, &format!("CREATE DATABASE {name}")).await?;
                format!("{server}/{name}")
            }
        };
        Ok(Self { dir, backend: backend.clone(), store })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The store's URL.
    pub fn url(&self) -> &str {
        &self.store
    }

    /// Where the lab keeps its files.
    pub fn lab(&self) -> PathBuf {
        self.dir.path().join("lab")
    }

    /// What the lab remembers.
    pub fn book(&self) -> Book {
        Book::new(self.lab())
    }

    /// `rackwright` with these arguments, on this store.
    ///
    /// # Errors
    /// When the program does not build.
    pub fn rackwright(&self, arguments: &[&str]) -> Result<Rackwright> {
        Rackwright::new(self, arguments)
    }

    /// `rackwright run workflows/lab-rack.yaml --lab`, quickly, with more arguments.
    ///
    /// # Errors
    /// When the program does not build.
    pub fn rack(&self, more: &[&str]) -> Result<Rackwright> {
        let lab = self.lab();
        let lab = lab.to_str().context("a path in UTF-8")?;
        let run = ["run", RACK, "--lab", "--lab-speed", SPEED, "--lab-dir", lab];
        self.rackwright(&[&run, more].concat())
    }

    /// `rackwright resume`, until nobody else has a port of the lab.
    ///
    /// # Errors
    /// When it can't be started, or does not end in time.
    pub async fn resume(&self, runs: &[&str]) -> Result<Ended> {
        let begun = Instant::now();
        loop {
            let ended = self.rackwright(&[&["resume"], runs].concat())?.run(LIMIT).await?;
            // Another test's lab goes when that test has ended.
            if !ended.is_kept_out() || begun.elapsed() > LIMIT {
                return Ok(ended);
            }
        }
    }

    /// Looks at the store without being a node.
    ///
    /// # Errors
    /// When it can't be opened.
    pub async fn client(&self) -> Result<Client> {
        let store: Arc<dyn Store> = store::open(&self.store).await?;
        Ok(Client::new(store))
    }

    /// Removes the database, if there is one, and the directory.
    ///
    /// # Errors
    /// When one of them stays.
    pub async fn leave(self) -> Result<()> {
        if let (Backend::Postgres(server), Some((_, name))) =
            (&self.backend, self.store.rsplit_once('/'))
        {
            administer(server, &format!("DROP DATABASE {name} WITH (FORCE)")).await?;
        }
        Ok(self.dir.close()?)
    }

    /// Keeps the directory for a person to look at, and says where it is.
    pub fn keep(self) -> PathBuf {
        self.dir.keep()
    }
}

async fn administer(server: &str, statement: &str) -> Result<()> {
    let mut connection = PgConnection::connect(&format!("{server}/postgres"))
        .await
        .with_context(|| format!("{POSTGRES} names no server that answers"))?;
    connection.execute(AssertSqlSafe(statement.to_owned())).await.context(statement.to_owned())?;
    Ok(connection.close().await?)
}

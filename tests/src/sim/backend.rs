//! The stores under the simulation.

use std::{
    fmt,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context, Result, bail};
use rackwright_engine::{
    store::{MemoryStore, Store},
    testing::{Held, VirtualClock},
};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;

/// A kind of store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// In memory.
    #[default]
    Memory,
    /// SQLite, a file for each seed.
    Sqlite,
    /// PostgreSQL, a database for each seed on the server of `RACKWRIGHT_TEST_POSTGRES`.
    Postgres,
}

impl FromStr for Backend {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "memory" => Ok(Self::Memory),
            "sqlite" => Ok(Self::Sqlite),
            "postgres" => Ok(Self::Postgres),
            _ => bail!("`{name}` is no store: expected memory, sqlite or postgres"),
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        })
    }
}

/// A store for one seed.
pub(super) struct Place {
    pub(super) store: Arc<dyn Store>,
    held: Option<Held>,
    _dir: Option<TempDir>,
    database: Option<(String, String)>,
}

impl Backend {
    /// A new, empty store.
    pub(super) fn place(self, clock: VirtualClock) -> Result<Place> {
        let mut dir = None;
        let mut database = None;
        let url = match self {
            Self::Memory => {
                let store = Arc::new(MemoryStore::with_clock(Arc::new(clock)));
                return Ok(Place { store, held: None, _dir: None, database: None });
            }
            Self::Sqlite => {
                let made = tempfile::tempdir()?;
                let url = format!("sqlite:{}", made.path().join("sim.db").display());
                dir = Some(made);
                url
            }
            Self::Postgres => {
                let server = std::env::var("RACKWRIGHT_TEST_POSTGRES")
                    .context("RACKWRIGHT_TEST_POSTGRES names no server")?;
                let name = new_name();
                admin(&server, format!("CREATE DATABASE {name}"))?;
                let url = format!("{server}/{name}");
                database = Some((server, name));
                url
            }
        };
        let held = Held::open(&url, clock)?;
        Ok(Place { store: held.store(), held: Some(held), _dir: dir, database })
    }
}

impl Place {
    /// Leaves nothing behind. Nothing may use the store any more.
    pub(super) fn leave(self) -> Result<()> {
        drop(self.store);
        drop(self.held);
        match self.database {
            Some((server, name)) => admin(&server, format!("DROP DATABASE {name} WITH (FORCE)")),
            None => Ok(()),
        }
    }
}

fn new_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("rackwright_sim_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst))
}

fn admin(server: &str, statement: String) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut admin = PgConnection::connect(&format!("{server}/postgres")).await?;
        admin.execute(AssertSqlSafe(statement)).await?;
        Ok(())
    })
}

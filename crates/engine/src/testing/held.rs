//! A real database under virtual time: its calls take no time at all.
//!
//! Each call is carried out on another runtime while this thread stands still. So to the nodes it
//! looks like the store in memory, and the same seed leads to the same order of everything.

use std::{
    io,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use futures::future::BoxFuture;
use sqlx::{PgPool, postgres::PgPoolOptions, query, raw_sql};
use thiserror::Error;
use tokio::runtime::{Builder, Handle, Runtime};

use super::{
    VirtualClock,
    around::{Around, Op, Wrapped},
};
use crate::{
    model::Timestamp,
    store::{Clock, ManualClock, PostgresStore, SqliteStore, Store, StoreError},
};

/// Why a database can't be held.
#[derive(Debug, Error)]
pub enum HeldError {
    /// No thread for it.
    #[error("no runtime for the database")]
    Runtime(#[from] io::Error),
    /// The store can't be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The clock of the database could not be replaced.
    #[error("the clock of the database could not be replaced")]
    Clock(#[from] sqlx::Error),
    /// Not a URL of a database.
    #[error("`{0}` names no database: expected sqlite:PATH or postgres://…")]
    Url(String),
}

/// A database under virtual time: use [`Held::store`] inside the [`VirtualTime`](super::VirtualTime)
/// whose clock it was given. The clock of the database is the virtual one, so nothing but tests may
/// ever use it.
pub struct Held {
    store: Arc<dyn Store>,
    runtime: Option<Runtime>,
}

#[derive(Clone)]
enum SetClock {
    Manual(Arc<ManualClock>),
    Postgres(PgPool),
}

#[derive(Clone)]
struct Hold {
    handle: Handle,
    clock: VirtualClock,
    set: SetClock,
}

impl Held {
    /// Opens the database that a URL names (`sqlite:PATH`, `postgres://…`). Its clock is replaced
    /// for good.
    ///
    /// # Errors
    /// [`HeldError`].
    pub fn open(url: &str, clock: VirtualClock) -> Result<Self, HeldError> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let handle = runtime.handle().clone();
        let (store, set): (Arc<dyn Store>, _) = match url.split_once(':') {
            Some(("sqlite", _)) => {
                let manual = Arc::new(ManualClock::new(Timestamp::from_micros(0)));
                let opened = SqliteStore::with_clock(url, Arc::clone(&manual) as Arc<dyn Clock>);
                (Arc::new(stand_still(&handle, opened)?), SetClock::Manual(manual))
            }
            Some(("postgres" | "postgresql", _)) => {
                let (store, pool) = stand_still(&handle, postgres(url))?;
                (Arc::new(store), SetClock::Postgres(pool))
            }
            Some(_) | None => return Err(HeldError::Url(url.to_owned())),
        };
        let hold = Hold { handle, clock, set };
        Ok(Self { store: Arc::new(Wrapped::new(store, hold)), runtime: Some(runtime) })
    }

    /// The store.
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Allowed everywhere, also inside another runtime.
            runtime.shutdown_background();
        }
    }
}

async fn postgres(url: &str) -> Result<(PostgresStore, PgPool), HeldError> {
    let store = PostgresStore::open(url).await?;
    let pool = PgPoolOptions::new().max_connections(1).connect(url).await?;
    raw_sql(include_str!("sql/clock.sql")).execute(&pool).await?;
    Ok((store, pool))
}

impl Hold {
    async fn set_clock(&self, now: Timestamp) -> Result<(), StoreError> {
        match &self.set {
            SetClock::Manual(manual) => manual.set(now),
            SetClock::Postgres(pool) => {
                let set = query(include_str!("sql/set_clock.sql")).bind(now.micros());
                set.execute(pool).await.map_err(|error| StoreError::Refused {
                    doing: "setting the test's clock",
                    source: error.into(),
                })?;
            }
        }
        Ok(())
    }
}

impl Around for Hold {
    /// As in memory, so that the nodes do the same on every store.
    fn writers(&self, _: usize) -> usize {
        1
    }

    fn around<'a, T: Send + 'a>(
        &'a self,
        _: Op<'a>,
        call: BoxFuture<'a, Result<T, StoreError>>,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        Box::pin(async move {
            // Read here: in the database's runtime time is real.
            let now = self.clock.now();
            stand_still(&self.handle, async {
                self.set_clock(now).await?;
                call.await
            })
        })
    }
}

/// Does the work with the help of another runtime, while this thread stands still.
fn stand_still<T>(handle: &Handle, work: impl Future<Output = T>) -> T {
    let _entered = handle.enter();
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    // Without a budget: nobody else can run on this thread meanwhile.
    let mut work = pin!(tokio::task::unconstrained(work));
    loop {
        match work.as_mut().poll(&mut context) {
            Poll::Ready(done) => return done,
            Poll::Pending => thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

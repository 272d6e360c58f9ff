//! Virtual time: it stands while anything can be done, and jumps to the next timer when nothing
//! can.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::{Builder, Runtime},
    time::Instant,
};

use crate::{model::Timestamp, store::Clock};

/// 2026-01-01T00:00:00Z, in microseconds.
const BEGINNING: i64 = 1_767_225_600_000_000;

/// A runtime of one thread whose clock is virtual. Waits of hours pass at once, and the same work
/// is done in the same order each time.
///
/// Work that leaves the thread (a database, a socket) is not waited for: time would jump
/// meanwhile. [`Held`](super::Held) holds time still during a call of a real database.
///
/// ```
/// # use std::time::Duration;
/// use rackwright_engine::testing::VirtualTime;
///
/// let time = VirtualTime::new()?;
/// time.run(async { tokio::time::sleep(Duration::from_secs(86_400)).await });
/// assert_eq!(time.elapsed(), Duration::from_secs(86_400));
/// # Ok::<_, std::io::Error>(())
/// ```
pub struct VirtualTime {
    runtime: Runtime,
    clock: VirtualClock,
}

impl VirtualTime {
    /// A runtime whose time stands at its beginning.
    ///
    /// # Errors
    /// When the system has no resources for one.
    pub fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build()?;
        let entered = runtime.enter();
        let clock = VirtualClock { begun: Instant::now(), jumped: Arc::default() };
        drop(entered);
        Ok(Self { runtime, clock })
    }

    /// Does the work, and whatever it spawned meanwhile, in virtual time.
    pub fn run<F: Future>(&self, work: F) -> F::Output {
        self.runtime.block_on(work)
    }

    /// The clock, for a store: see [`MemoryStore::with_clock`](crate::store::MemoryStore::with_clock).
    pub fn clock(&self) -> VirtualClock {
        self.clock.clone()
    }

    /// How much virtual time has passed since the beginning.
    pub fn elapsed(&self) -> Duration {
        let _entered = self.runtime.enter();
        self.clock.begun.elapsed()
    }
}

/// The database's clock under virtual time. Has to be read on the thread of [`VirtualTime`].
#[derive(Clone, Debug)]
pub struct VirtualClock {
    begun: Instant,
    /// By how many microseconds it has jumped ahead of the nodes' own clocks.
    jumped: Arc<AtomicI64>,
}

impl VirtualClock {
    /// Lets the clock jump ahead, as one does that was set: the nodes' own clocks do not follow.
    pub fn jump(&self, by: Duration) {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.jumped.fetch_add(by, Ordering::SeqCst);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        let jumped = BEGINNING.saturating_add(self.jumped.load(Ordering::SeqCst));
        Timestamp::from_micros(jumped).after(self.begun.elapsed())
    }
}

//! The executor conformance kit: an executor is killed, repeated, cut off and told to stop at each
//! of the calls of its context, and has to keep what it declares.
//!
//! | declared | has to hold |
//! |---|---|
//! | any | once the fence is lost, the device is changed no more |
//! | any | an observation changes nothing |
//! | any | told to stop, it ends soon, unless it is uninterruptible |
//! | `Read` | the device is never changed |
//! | `Idempotent` | broken off anywhere and performed again, the device comes to the same state |
//! | `Verify` | broken off anywhere and observed, it is never done twice, and comes to the same state |

mod probe;
mod trials;

use std::{fmt, sync::Arc};

use futures::future::BoxFuture;
use serde_json::Value;

use crate::step::{Credential, DynExecutor, Executor, erase};

use trials::Trials;

/// What can be seen of a device from outside, not through the executor.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// How often the device was changed, in whatever way: mutating requests.
    pub changes: u64,
    /// How often the action of the step took effect. What must not be repeated blindly may do so
    /// once.
    pub done: u64,
    /// What the device looks like, as far as the step means to change it.
    pub state: Value,
}

/// An executor with a device that nobody has touched, for one trial.
pub struct Rig {
    executor: Arc<dyn DynExecutor>,
    input: Value,
    credentials: Vec<(String, Credential)>,
    look: Box<dyn Fn() -> BoxFuture<'static, Seen> + Send + Sync>,
}

impl Rig {
    /// An executor, its input, and how to look at its device.
    pub fn new<F>(
        executor: impl Executor,
        input: Value,
        look: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Seen> + Send + 'static,
    {
        let look = Box::new(move || Box::pin(look()) as BoxFuture<'static, Seen>);
        Self { executor: erase(executor), input, credentials: Vec::new(), look }
    }

    /// The same for an executor of a [`Registry`](crate::Registry).
    pub fn erased<F>(
        executor: Arc<dyn DynExecutor>,
        input: Value,
        look: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Seen> + Send + 'static,
    {
        let look = Box::new(move || Box::pin(look()) as BoxFuture<'static, Seen>);
        Self { executor, input, credentials: Vec::new(), look }
    }

    /// A credential that the executor finds by its name.
    #[must_use]
    pub fn credential(mut self, name: impl Into<String>, credential: Credential) -> Self {
        self.credentials.push((name.into(), credential));
        self
    }
}

/// What the trials of an executor came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How often it was disturbed.
    pub trials: usize,
    /// How many calls of its context it makes when it is not disturbed.
    pub calls: u32,
    /// How often its observation could not tell: each would be a question to a person.
    pub unknown: usize,
    /// What it does not keep.
    pub violations: Vec<String>,
}

impl Report {
    /// Panics with all violations, if there are any.
    ///
    /// # Panics
    /// If there are any.
    pub fn expect_none(&self) {
        assert!(self.violations.is_empty(), "{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} trials at {} calls, {} could not be told by observation, {} violations",
            self.trials,
            self.calls,
            self.unknown,
            self.violations.len()
        )?;
        self.violations.iter().try_for_each(|violation| write!(f, "\n  {violation}"))
    }
}

/// Tries an executor. `rig` makes a new device, and an executor for it, for each trial; undisturbed,
/// the executor has to succeed with it.
///
/// ```
/// # use rackwright_engine::{Effect, testing::{VirtualTime, conformance::{Rig, Seen, check}}};
/// # use rackwright_engine::testing::{Device, Play, Scripted};
/// # use serde_json::json;
/// let time = VirtualTime::new()?;
/// let report = time.run(check(async || {
///     let device = Device::new();
///     let flash = Scripted::new("x.flash", Effect::Verify, &device)
///         .otherwise(Play::ok(json!("flashed")).save(json!("begun")).write());
///     let look = move || {
///         let (changes, done) = device.total();
///         async move { Seen { changes, done, state: json!(done > 0) } }
///     };
///     Rig::new(flash, json!({}), look)
/// }));
/// report.expect_none();
/// assert!(report.trials > 5);
/// # Ok::<_, std::io::Error>(())
/// ```
pub async fn check<F: Future<Output = Rig>>(rig: impl Fn() -> F) -> Report {
    let mut trials = Trials { make: rig, report: Report::default() };
    trials.all().await;
    trials.report
}

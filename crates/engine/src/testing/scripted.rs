//! Executors that do what a script says.

use std::{collections::BTreeMap, panic, sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{Device, Link, Move, Play, device::Job};
use crate::{
    model::{ErrorClass, StepError},
    step::{Describe, Effect, Executor, Observation, StepContext},
};

/// What an observation of a scripted executor says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Look {
    /// The truth about the device.
    #[default]
    Truth,
    /// Nobody can tell.
    Unknown,
    /// The device does not answer.
    Blind,
}

type Director = Arc<dyn Fn(&StepContext) -> Play + Send + Sync>;
type Looks = Arc<dyn Fn(&StepContext) -> Look + Send + Sync>;

/// An executor that does what a script says, on a [`Device`].
///
/// ```
/// # use serde_json::json;
/// use rackwright_engine::{Effect, ErrorClass, testing::{Device, Play, Scripted}};
///
/// let device = Device::new();
/// let flash = Scripted::new("redfish.flash", Effect::Verify, &device)
///     .at("flash", 1, Play::fail(ErrorClass::UnknownOutcome).write())
///     .otherwise(Play::ok(json!("flashed")).write());
/// ```
#[derive(Clone)]
pub struct Scripted {
    describe: Describe,
    device: Device,
    table: BTreeMap<(String, u32), Play>,
    otherwise: Play,
    director: Option<Director>,
    looks: Looks,
    link: Option<Link>,
}

impl Scripted {
    /// An executor that succeeds at once, changing nothing, until it is told otherwise.
    pub fn new(name: &str, effect: Effect, device: &Device) -> Self {
        Self {
            describe: Describe::new(name, effect).about("Does what a script says"),
            device: device.clone(),
            table: BTreeMap::new(),
            otherwise: Play::ok(Value::Null),
            director: None,
            looks: Arc::new(|_| Look::Truth),
            link: None,
        }
    }

    /// What it does in this attempt of the step at this path.
    #[must_use]
    pub fn at(mut self, path: &str, attempt: u32, play: Play) -> Self {
        self.table.insert((path.to_owned(), attempt), play);
        self
    }

    /// What it does in attempts that [`Scripted::at`] does not name.
    #[must_use]
    pub fn otherwise(mut self, play: Play) -> Self {
        self.otherwise = play;
        self
    }

    /// Asks for each attempt what to do, instead of a table.
    #[must_use]
    pub fn directed(
        mut self,
        director: impl Fn(&StepContext) -> Play + Send + Sync + 'static,
    ) -> Self {
        self.director = Some(Arc::new(director));
        self
    }

    /// What its observations say; the truth otherwise.
    #[must_use]
    pub fn looks(mut self, looks: impl Fn(&StepContext) -> Look + Send + Sync + 'static) -> Self {
        self.looks = Arc::new(looks);
        self
    }

    /// Cancel, drain and shutdown wait for it.
    #[must_use]
    pub fn uninterruptible(mut self) -> Self {
        self.describe = self.describe.uninterruptible();
        self
    }

    /// The node that it runs on: the device then notes a breach when the node writes without the
    /// right to, and faults may meet the executor between its moves.
    #[must_use]
    pub fn on(mut self, link: &Link) -> Self {
        self.link = Some(link.clone());
        self
    }

    fn play(&self, ctx: &StepContext) -> Play {
        if let Some(director) = &self.director {
            return director(ctx);
        }
        let planned = self.table.get(&(ctx.path().to_owned(), ctx.attempt()));
        planned.unwrap_or(&self.otherwise).clone()
    }

    async fn point(&self, name: &'static str) {
        if let Some(link) = &self.link {
            link.point(name).await;
        }
    }

    async fn write(&self, ctx: &StepContext, takes: Duration) -> Result<Job, StepError> {
        self.point("before a write").await;
        // A job that an observation saw under way is carried on, not started again.
        if ctx.saved().is_some_and(|saved| saved.get(JOB).is_some())
            && let Some(job) = self.device.job(ctx)
        {
            return Ok(job);
        }
        ctx.fence()?;
        if let Some(link) = &self.link
            && let Err(breach) = link.right(ctx.run_id()).await
        {
            self.device.breach(format!("{}: {breach}", ctx.path()));
        }
        let job = self.device.write(ctx, self.describe.effect, takes);
        self.point("after a write").await;
        Ok(job)
    }

    async fn make(
        &self,
        ctx: &StepContext,
        next: Move,
        job: &mut Option<Job>,
    ) -> Result<(), StepError> {
        match next {
            Move::Save(progress) => ctx.save(&progress).await?,
            Move::Report(title, percent) => ctx.report(title, percent),
            Move::Wait(time) => ctx.sleep(time).await?,
            Move::Write(takes) => *job = Some(self.write(ctx, takes).await?),
            Move::Hang => std::future::pending().await,
            // Without the message that a panic of a program prints: this one is wanted.
            Move::Panic => panic::resume_unwind(Box::new("the script says so")),
        }
        Ok(())
    }
}

/// What an observation says of a job that is under way.
const JOB: &str = "job";

/// Whether a failure says that nothing was changed.
fn is_known(class: ErrorClass) -> bool {
    match class {
        ErrorClass::Timeout | ErrorClass::UnknownOutcome => false,
        ErrorClass::Transient
        | ErrorClass::Permanent
        | ErrorClass::Unauthorized
        | ErrorClass::Conflict
        | ErrorClass::Cancelled => true,
    }
}

impl Executor for Scripted {
    type Input = Value;
    type Output = Value;

    fn describe(&self) -> Describe {
        self.describe.clone()
    }

    async fn run(&self, ctx: &StepContext, _: Value) -> Result<Value, StepError> {
        self.device.called(ctx);
        let play = self.play(ctx);
        let mut job = None;
        let mut end = play.end;
        for next in play.moves {
            if let Err(error) = self.make(ctx, next, &mut job).await {
                end = Err(error);
                break;
            }
        }
        if let (Err(error), Some(job)) = (&end, job)
            && is_known(error.class)
        {
            // To take it back is a change, too.
            ctx.fence()?;
            self.device.take_back(ctx, job);
        }
        end
    }

    async fn observe(&self, ctx: &StepContext, _: Value) -> Result<Observation, StepError> {
        let job = self.device.look(ctx);
        Ok(match (self.looks)(ctx) {
            Look::Unknown => Observation::Unknown(json!("the script says that nobody can tell")),
            Look::Blind => {
                return Err(StepError::transient("scripted.blind", "the device does not answer"));
            }
            Look::Truth => match job {
                Some(job) if job.is_done() => Observation::Done(json!({ "seen": true })),
                Some(job) => Observation::InProgress(json!({ JOB: job.number })),
                None => Observation::NotDone,
            },
        })
    }
}

//! Executors: typed where they are written, erased where they are called.

use std::{marker::PhantomData, sync::Arc};

use futures::future::BoxFuture;
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Effect, Holding, Observation, StepContext};
use crate::model::{ErrorClass, StepError};

/// What an executor says of itself.
#[derive(Clone, Debug)]
pub struct Describe {
    /// `library.name`.
    pub name: String,
    /// One sentence for the catalogue.
    pub about: String,
    /// What it does to its target.
    pub effect: Effect,
    /// Cancel, drain and shutdown wait for it.
    pub uninterruptible: bool,
    /// It holds revocable things on its target and implements [`Executor::revoke`].
    pub revocable: bool,
}

impl Describe {
    /// A description; add the sentence with [`Describe::about`].
    pub fn new(name: impl Into<String>, effect: Effect) -> Self {
        let (name, about) = (name.into(), String::new());
        Self { name, about, effect, uninterruptible: false, revocable: false }
    }

    /// One sentence for the catalogue.
    #[must_use]
    pub fn about(mut self, about: impl Into<String>) -> Self {
        self.about = about.into();
        self
    }

    /// Cancel, drain and shutdown wait for it.
    #[must_use]
    pub fn uninterruptible(mut self) -> Self {
        self.uninterruptible = true;
        self
    }

    /// It may [`hold`](StepContext::hold) things on its target, and implements
    /// [`Executor::revoke`].
    #[must_use]
    pub fn revocable(mut self) -> Self {
        self.revocable = true;
        self
    }
}

/// The code that performs a task step.
///
/// `run` should stop soon after [`StepContext::cancelled`], and check [`StepContext::fence`]
/// before every request that changes a device. It is called with the same input for every attempt.
pub trait Executor: Send + Sync + 'static {
    /// What `with` is read into. Its schema is checked when a workflow is loaded.
    type Input: DeserializeOwned + JsonSchema + Send;
    /// What later steps see as `steps.ID.output`.
    type Output: Serialize + JsonSchema + Send;

    /// What the executor says of itself.
    fn describe(&self) -> Describe;

    /// Performs the step.
    fn run(
        &self,
        ctx: &StepContext,
        input: Self::Input,
    ) -> impl Future<Output = Result<Self::Output, StepError>> + Send;

    /// Looks at the target after an interrupted attempt. Called for [`Effect::Verify`] only, and
    /// must not change anything.
    fn observe(
        &self,
        ctx: &StepContext,
        input: Self::Input,
    ) -> impl Future<Output = Result<Observation<Self::Output>, StepError>> + Send {
        let _ = (ctx, input);
        async {
            Ok(Observation::Unknown(Value::from("this executor has no way to observe its target")))
        }
    }

    /// Takes away what an attempt that is over, or whose end nobody recorded, held on its target:
    /// deletes the session, removes the lock file. Called before [`Executor::observe`] and before
    /// another attempt, for executors that declare [`Describe::revocable`], once for each holding,
    /// the last one first. Fine with what is gone already: a revoke may be repeated. One that
    /// fails is tried again, and in the end a person is asked.
    ///
    /// This is what closes the gap that [`StepContext::fence`] leaves: a process that was stopped
    /// between its check and its request wakes up with a dead token. A target that has nothing to
    /// revoke (IPMI, a bare SSH command) leaves the gap open: there such a request still takes
    /// effect, however late it is. The executor's documentation has to say so.
    fn revoke(
        &self,
        ctx: &StepContext,
        input: Self::Input,
        holding: &Holding,
    ) -> impl Future<Output = Result<(), StepError>> + Send {
        let _ = (ctx, input);
        let message = format!("`{}` says that it can revoke `{holding}` and does not", ctx.path());
        async move {
            Err(StepError::new("engine.revoke", ErrorClass::Permanent, message)
                .hint("this is a defect of the executor: it has to implement `revoke`"))
        }
    }
}

/// An [`Executor`] behind one type: JSON in, JSON out.
pub trait DynExecutor: Send + Sync + 'static {
    /// What the executor says of itself.
    fn describe(&self) -> &Describe;
    /// The JSON Schema of its input.
    fn input_schema(&self) -> &Schema;
    /// The JSON Schema of its output.
    fn output_schema(&self) -> &Schema;
    /// Performs the step.
    fn run<'a>(
        &'a self,
        ctx: &'a StepContext,
        input: Value,
    ) -> BoxFuture<'a, Result<Value, StepError>>;
    /// Looks at the target after an interrupted attempt.
    fn observe<'a>(
        &'a self,
        ctx: &'a StepContext,
        input: Value,
    ) -> BoxFuture<'a, Result<Observation, StepError>>;
    /// Takes away what an earlier attempt held on its target.
    fn revoke<'a>(
        &'a self,
        ctx: &'a StepContext,
        input: Value,
        holding: &'a Holding,
    ) -> BoxFuture<'a, Result<(), StepError>>;
}

struct Erased<E> {
    executor: E,
    describe: Describe,
    input_schema: Schema,
    output_schema: Schema,
}

/// Erases an executor's types.
pub fn erase<E: Executor>(executor: E) -> Arc<dyn DynExecutor> {
    // Inlined schemas: diagnostics walk them without following references.
    let settings =
        || SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let input_schema = SchemaGenerator::new(settings()).into_root_schema_for::<E::Input>();
    let output_schema =
        SchemaGenerator::new(settings().for_serialize()).into_root_schema_for::<E::Output>();
    Arc::new(Erased { describe: executor.describe(), executor, input_schema, output_schema })
}

fn read<T: DeserializeOwned>(name: &str, input: Value) -> Result<T, StepError> {
    // An absent `with` stands for an empty object.
    let input = if input.is_null() { Value::Object(serde_json::Map::new()) } else { input };
    T::deserialize(input).map_err(|error| {
        StepError::permanent("engine.input", format!("the input of {name} is not valid: {error}"))
            .hint(format!("`rackwright steps {name}` shows the schema"))
    })
}

fn write<T: Serialize>(name: &str, output: &T) -> Result<Value, StepError> {
    serde_json::to_value(output).map_err(|error| {
        StepError::permanent("engine.output", format!("the output of {name} is not JSON: {error}"))
    })
}

impl<E: Executor> DynExecutor for Erased<E> {
    fn describe(&self) -> &Describe {
        &self.describe
    }

    fn input_schema(&self) -> &Schema {
        &self.input_schema
    }

    fn output_schema(&self) -> &Schema {
        &self.output_schema
    }

    fn run<'a>(
        &'a self,
        ctx: &'a StepContext,
        input: Value,
    ) -> BoxFuture<'a, Result<Value, StepError>> {
        Box::pin(async move {
            let input = read(&self.describe.name, input)?;
            write(&self.describe.name, &self.executor.run(ctx, input).await?)
        })
    }

    fn observe<'a>(
        &'a self,
        ctx: &'a StepContext,
        input: Value,
    ) -> BoxFuture<'a, Result<Observation, StepError>> {
        Box::pin(async move {
            let input = read(&self.describe.name, input)?;
            let seen = self.executor.observe(ctx, input).await?;
            seen.try_map(|output| write(&self.describe.name, &output))
        })
    }

    fn revoke<'a>(
        &'a self,
        ctx: &'a StepContext,
        input: Value,
        holding: &'a Holding,
    ) -> BoxFuture<'a, Result<(), StepError>> {
        Box::pin(async move {
            let input = read(&self.describe.name, input)?;
            self.executor.revoke(ctx, input, holding).await
        })
    }
}

/// An executor made of a closure; see [`executor_fn`].
pub struct FnExecutor<F, I, O> {
    describe: Describe,
    run: F,
    types: PhantomData<fn(I) -> O>,
}

/// Makes an executor of an async closure that takes the context and the typed input.
///
/// ```
/// # use rackwright_engine::{Describe, Effect, StepContext, StepError, executor_fn};
/// let double = executor_fn(Describe::new("math.double", Effect::Read), async |_: StepContext, n: u64| {
///     Ok::<_, StepError>(n * 2)
/// });
/// ```
pub fn executor_fn<F, Fut, I, O>(describe: Describe, run: F) -> FnExecutor<F, I, O>
where
    F: Fn(StepContext, I) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, StepError>> + Send,
{
    FnExecutor { describe, run, types: PhantomData }
}

impl<F, Fut, I, O> Executor for FnExecutor<F, I, O>
where
    F: Fn(StepContext, I) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, StepError>> + Send,
    I: DeserializeOwned + JsonSchema + Send + 'static,
    O: Serialize + JsonSchema + Send + 'static,
{
    type Input = I;
    type Output = O;

    fn describe(&self) -> Describe {
        self.describe.clone()
    }

    async fn run(&self, ctx: &StepContext, input: I) -> Result<O, StepError> {
        (self.run)(ctx.clone(), input).await
    }
}

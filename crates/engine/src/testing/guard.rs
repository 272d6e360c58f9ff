//! Executors inside a node that can die.

use std::sync::Arc;

use futures::future::BoxFuture;
use schemars::Schema;
use serde_json::Value;

use super::Link;
use crate::{
    model::StepError,
    step::{Describe, DynExecutor, Holding, Observation, StepContext},
};

/// An executor that is broken off where it stands when its node dies, and that has places where
/// faults may meet it: before it begins and after it has ended.
pub(super) struct Guard {
    pub(super) inner: Arc<dyn DynExecutor>,
    pub(super) link: Link,
}

impl Guard {
    async fn alive<T>(&self, work: impl Future<Output = T> + Send) -> T {
        tokio::select! {
            biased;
            () = self.link.died() => {}
            done = work => return done,
        }
        std::future::pending().await
    }
}

impl DynExecutor for Guard {
    fn describe(&self) -> &Describe {
        self.inner.describe()
    }

    fn input_schema(&self) -> &Schema {
        self.inner.input_schema()
    }

    fn output_schema(&self) -> &Schema {
        self.inner.output_schema()
    }

    fn run<'a>(
        &'a self,
        ctx: &'a StepContext,
        input: Value,
    ) -> BoxFuture<'a, Result<Value, StepError>> {
        Box::pin(self.alive(async move {
            self.link.point("executor begins").await;
            let result = self.inner.run(ctx, input).await;
            self.link.point("executor has ended").await;
            result
        }))
    }

    fn observe<'a>(
        &'a self,
        ctx: &'a StepContext,
        input: Value,
    ) -> BoxFuture<'a, Result<Observation, StepError>> {
        Box::pin(self.alive(async move {
            self.link.point("observation begins").await;
            let seen = self.inner.observe(ctx, input).await;
            self.link.point("observation has ended").await;
            seen
        }))
    }

    fn revoke<'a>(
        &'a self,
        ctx: &'a StepContext,
        input: Value,
        holding: &'a Holding,
    ) -> BoxFuture<'a, Result<(), StepError>> {
        Box::pin(self.alive(async move {
            self.link.point("revoking begins").await;
            let revoked = self.inner.revoke(ctx, input, holding).await;
            self.link.point("revoking has ended").await;
            revoked
        }))
    }
}

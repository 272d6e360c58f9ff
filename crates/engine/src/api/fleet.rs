//! Nodes as people see them.

use super::{Client, EngineError, RunView};
use crate::{
    machine::{StepRef, TaskRef},
    model::RunId,
    runtime::task_name,
    store::{NodeStatus, TaskRecord},
};

impl Client {
    /// The nodes that are known, the living ones and those that died and still own runs.
    ///
    /// # Errors
    /// What the store says.
    pub async fn nodes(&self) -> Result<Vec<NodeStatus>, EngineError> {
        Ok(self.store.nodes().await?)
    }

    /// The calls that are left to workers of pools, of a run or of all, the oldest first.
    ///
    /// # Errors
    /// What the store says.
    pub async fn pool_tasks(
        &self,
        run: Option<RunId>,
        limit: u32,
    ) -> Result<Vec<TaskRecord>, EngineError> {
        Ok(self.store.pools().tasks(run, limit).await?)
    }

    /// Empties a node, by its name, its id or the beginning of its id: from now on it takes nothing
    /// new, each run goes to another node as soon as none of its attempts is under way (nothing is
    /// told to stop), and what is started there is left to others. It stays like that until
    /// [`Client::undrain`]. Returns the nodes: several, if they have one name.
    ///
    /// # Errors
    /// [`EngineError::Refused`] if no living node is called so.
    pub async fn drain(&self, name: &str, by: &str) -> Result<Vec<NodeStatus>, EngineError> {
        self.set_draining(name, Some(by)).await
    }

    /// Lets a node take runs again.
    ///
    /// # Errors
    /// [`EngineError::Refused`] if no living node is called so.
    pub async fn undrain(&self, name: &str) -> Result<Vec<NodeStatus>, EngineError> {
        self.set_draining(name, None).await
    }

    async fn set_draining(
        &self,
        name: &str,
        by: Option<&str>,
    ) -> Result<Vec<NodeStatus>, EngineError> {
        let nodes = self.nodes().await?;
        let alive = || nodes.iter().filter(|it| it.alive);
        let mut named: Vec<_> = alive().filter(|it| it.node.name == name).cloned().collect();
        if named.is_empty() && name.len() >= SHORTEST {
            named =
                alive().filter(|it| it.node.id.to_string().starts_with(name)).cloned().collect();
            if named.len() > 1 {
                let several = format!("the ids of {} nodes begin with `{name}`", named.len());
                return Err(EngineError::Refused(several));
            }
        }
        if named.is_empty() {
            let known: Vec<_> = alive().map(|it| it.node.name.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(EngineError::Refused(format!(
                "no living node is called `{name}`; those that are known: {known}"
            )));
        }
        for status in &named {
            self.store.fleet().set_draining(status.node.id, by).await?;
            // The others learn of it with their next renewal.
            if let Some(here) = self.node.as_ref().filter(|it| it.node() == status.node.id) {
                here.set_draining(by);
            }
        }
        Ok(named)
    }
}

impl RunView {
    /// The path of a call that is left to a pool, by its name in the store.
    pub fn path_of_task(&self, name: &str) -> Option<String> {
        let number: u32 = name.split('/').next()?.parse().ok()?;
        self.state.steps.get(number as usize)?;
        let task = TaskRef::all_of(StepRef(number)).find(|task| task_name(*task) == name)?;
        Some(self.state.task_path(&self.plan, task))
    }
}

/// The shortest beginning of an id that names a node.
const SHORTEST: usize = 4;

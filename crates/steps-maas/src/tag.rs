//! `maas.tag`: puts tags on a machine and takes tags off.

use rackwright_engine::{Describe, Effect, Executor, StepContext, model::StepError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    register::Maas,
    task::{Task, default_credential, unless_cancelled},
};

/// Input of `maas.tag`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TagInput {
    /// System id or host name.
    pub machine: String,
    /// Name of the credential with `url` and `api_key`.
    #[serde(default = "default_credential")]
    pub credential: String,
    /// Tags to put on; those that MAAS does not know are made.
    #[serde(default)]
    pub add: Vec<String>,
    /// Tags to take off.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// Output of `maas.tag`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TagOutput {
    /// MAAS's id.
    pub system_id: String,
    /// The machine's name.
    pub hostname: String,
    /// The machine's tags afterwards.
    pub tags: Vec<String>,
}

/// `maas.tag`.
#[derive(Clone, Debug)]
pub struct Tag(pub Maas);

impl Executor for Tag {
    type Input = TagInput;
    type Output = TagOutput;

    fn describe(&self) -> Describe {
        Describe::new("maas.tag", Effect::Idempotent)
            .about("Puts tags on a machine in MAAS and takes tags off; makes missing tags.")
    }

    async fn run(&self, ctx: &StepContext, input: TagInput) -> Result<TagOutput, StepError> {
        let mut task = Task::start(&self.0, ctx, &input.machine, &input.credential).await?;
        let done = apply(&mut task, &input).await;
        task.end(done)
    }
}

async fn apply(task: &mut Task<'_>, input: &TagInput) -> Result<TagOutput, StepError> {
    check(input)?;
    let machine = task.machine().await?;
    for tag in input.add.iter().filter(|tag| !machine.tag_names.contains(tag)) {
        task.begin(format!("Adding the tag {tag}"));
        ensure(task, tag).await?;
        update(task, tag, "add", &machine.system_id).await?;
    }
    for tag in input.remove.iter().filter(|tag| machine.tag_names.contains(tag)) {
        task.begin(format!("Removing the tag {tag}"));
        update(task, tag, "remove", &machine.system_id).await?;
    }
    task.begin("Checking the tags");
    let after = task.look(&machine.system_id).await?;
    verify(input, &after.tag_names)?;
    let tags = after.tag_names;
    Ok(TagOutput { system_id: after.system_id, hostname: after.hostname, tags })
}

fn check(input: &TagInput) -> Result<(), StepError> {
    let valid = |tag: &str| {
        !tag.is_empty() && tag.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
    };
    let wrong = |message| Err(StepError::permanent("maas.tag_name", message));
    if let Some(tag) = input.add.iter().chain(&input.remove).find(|tag| !valid(tag)) {
        return wrong(format!("`{tag}` can't be a tag"))
            .map_err(|error| error.hint("MAAS's tags have letters, digits, `_` and `-` only"));
    }
    if let Some(tag) = input.add.iter().find(|tag| input.remove.contains(tag)) {
        return wrong(format!("the tag `{tag}` is to be both added and removed"))
            .map_err(|error| error.hint("name it in `add` or in `remove`"));
    }
    Ok(())
}

/// Makes the tag if MAAS does not know it.
async fn ensure(task: &Task<'_>, tag: &str) -> Result<(), StepError> {
    let path = format!("tags/{tag}/");
    let read = || unless_cancelled(task.ctx, task.client.get::<Value>(&path, &[]));
    match read().await? {
        Ok(_) => return Ok(()),
        Err(error) if error.status() == Some(404) => {}
        Err(error) => return Err(error.into()),
    }
    task.ctx.fence()?;
    match task.client.post::<Value>("tags/", &[("name", tag.to_owned())]).await {
        Ok(_) => Ok(()),
        // Two steps may make the same tag at once: what counts is that it is there.
        Err(error) => read().await?.map(|_| ()).map_err(|_| error.into()),
    }
}

async fn update(
    task: &Task<'_>,
    tag: &str,
    action: &'static str,
    system_id: &str,
) -> Result<(), StepError> {
    task.ctx.fence()?;
    let path = format!("tags/{tag}/?op=update_nodes");
    task.client.post::<Value>(&path, &[(action, system_id.to_owned())]).await?;
    Ok(())
}

/// MAAS passes over what it can't do here without a word, so the result is looked at.
fn verify(input: &TagInput, tags: &[String]) -> Result<(), StepError> {
    let missing = input.add.iter().find(|tag| !tags.contains(tag));
    let left = input.remove.iter().find(|tag| tags.contains(tag));
    let (tag, state) = match (missing, left) {
        (Some(tag), _) => (tag, "is missing"),
        (None, Some(tag)) => (tag, "is still there"),
        (None, None) => return Ok(()),
    };
    Err(StepError::transient("maas.tag_lost", format!("the tag `{tag}` {state} afterwards"))
        .hint("somebody else may be tagging the machine; a tag with a definition tags by itself"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(add: &[&str], remove: &[&str]) -> TagInput {
        let own = |tags: &[&str]| tags.iter().map(|&tag| tag.to_owned()).collect();
        let (machine, credential) = ("m".to_owned(), "maas".to_owned());
        TagInput { machine, credential, add: own(add), remove: own(remove) }
    }

    #[test]
    fn names_are_checked_before_anything_is_asked() {
        assert!(check(&input(&["a-b_C3"], &["d"])).is_ok());
        for bad in ["", "a b", "a/../b", "ü"] {
            let error = check(&input(&[bad], &[])).unwrap_err();
            assert_eq!(error.code, "maas.tag_name");
            assert!(check(&input(&[], &[bad])).is_err());
        }
        assert!(check(&input(&["a"], &["a"])).unwrap_err().message.contains("both"));
    }
}

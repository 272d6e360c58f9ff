//! Windows in a plan.

use serde_json::{Value, json};

use super::setting::{SettingPlan, WINDOW_NEEDS};
use crate::{
    expr::{Scope, Template},
    model::{HumanDuration, Setting, StepError, WindowUse},
};

/// The maintenance window in which a step or a run begins.
#[derive(Debug)]
pub struct WindowPlan {
    name: Template,
    needs: SettingPlan<HumanDuration>,
}

impl WindowPlan {
    /// Compiles a window.
    ///
    /// # Errors
    /// What is wrong with one of its templates.
    pub fn compile(window: &WindowUse) -> Result<Self, String> {
        let name = Template::compile(&Value::from(window.name())).map_err(|problems| {
            let texts = problems.into_iter().map(|problem| problem.message);
            format!("`window.name`: {}", texts.collect::<Vec<_>>().join("; "))
        })?;
        let needs = match window.needs() {
            Some(needs) => WINDOW_NEEDS.compile(needs)?,
            None => Setting::Value(HumanDuration::default()),
        };
        Ok(Self { name, needs })
    }

    /// The window, if it is known before any run, and what is needed of it at least.
    pub fn constant(&self) -> Option<(&str, HumanDuration)> {
        let name = self.name.constant()?.as_str()?;
        Some((name, self.needs.value().unwrap_or_default()))
    }

    /// The window's name and how long it has to stay open, in a run.
    ///
    /// # Errors
    /// A template has no value, or one that can't be.
    pub fn eval(&self, scope: &dyn Scope) -> Result<(String, HumanDuration), StepError> {
        let needs = WINDOW_NEEDS.eval(&self.needs, scope)?;
        match self.name.eval(scope)? {
            Value::String(name) => Ok((name, needs)),
            other @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_)) => Err(StepError::permanent(
                "engine.setting",
                format!("`window.name` has to be the name of a window; the template gives {other}"),
            )
            .hint("mend the data that the template reads")
            .details(json!({ "setting": "window.name" }))),
        }
    }
}

//! `rackwright steps`: the catalogue of executors.

use comfy_table::{ContentArrangement, Table, presets};
use rackwright_engine::step::DynExecutor;
use serde_json::json;

use crate::{
    cli::{Common, StepsArguments},
    exit::{Exit, Failure, Outcome},
    home::Home,
    output::Output,
    tree::width,
    workflows,
};

pub(crate) fn steps(common: &Common, arguments: &StepsArguments, output: &Output) -> Outcome<Exit> {
    let home = Home::find(common)?;
    let registry = workflows::registry(workflows::device_types(&home, None)?)?;
    let name = arguments.name.as_deref().unwrap_or_default();
    if let Some(executor) = registry.get(name) {
        show(&**executor, output);
        return Ok(Exit::Completed);
    }
    let found: Vec<_> = registry.iter().filter(|(known, _)| known.starts_with(name)).collect();
    if found.is_empty() {
        let known: Vec<_> = registry.iter().map(|(known, _)| known).collect();
        return Err(Failure::usage(format!("there is no executor `{name}`"))
            .hint(format!("there are: {}", known.join(", "))));
    }
    if output.json() {
        for (_, executor) in found {
            show(&**executor, output);
        }
        return Ok(Exit::Completed);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(width(output));
    table.set_header(["EXECUTOR", "EFFECT", "WHAT IT DOES"]);
    for (name, executor) in found {
        let about = executor.describe();
        table.add_row([name, about.effect.as_str(), &about.about]);
    }
    output.line(table.trim_fmt());
    Ok(Exit::Completed)
}

fn show(executor: &dyn DynExecutor, output: &Output) {
    let about = executor.describe();
    if output.json() {
        output.object(&json!({
            "name": about.name,
            "about": about.about,
            "effect": about.effect,
            "uninterruptible": about.uninterruptible,
            "input": executor.input_schema(),
            "output": executor.output_schema(),
        }));
        return;
    }
    output.line(format_args!("{}  ({})", about.name, about.effect));
    output.line(&about.about);
    output.line(format_args!("\ninput:\n{:#}", executor.input_schema().as_value()));
    output.line(format_args!("\noutput:\n{:#}", executor.output_schema().as_value()));
}

//! `rackwright graph`.

use rackwright_engine::graph::render;

use crate::{
    cli::{Common, GraphArguments, GraphFormat},
    exit::{Exit, Failure, Outcome},
    home::Home,
    output::Output,
    workflows,
};

pub(crate) fn graph(common: &Common, arguments: &GraphArguments, output: &Output) -> Outcome<Exit> {
    let home = Home::find(common)?;
    let registry = workflows::registry(workflows::device_types(&home, None)?)?;
    let bundle = workflows::load(&arguments.file, &registry)
        .map_err(|problems| workflows::invalid(&problems, output))?;
    let root = bundle.root().ok_or_else(|| Failure::usage("the file holds no workflow"))?;
    let format = match arguments.format {
        GraphFormat::Svg => render::Format::Svg,
        GraphFormat::Dot => render::Format::Dot,
        GraphFormat::Mermaid => render::Format::Mermaid,
    };
    output.line(render::render(&root.workflow, format).trim_end());
    Ok(Exit::Completed)
}

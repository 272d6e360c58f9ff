//! `rackwright validate`.

use rackwright_engine::load::Diagnostics;
use serde_json::{Value, json};

use crate::{
    cli::{Common, ValidateArguments},
    exit::{Exit, Outcome},
    home::Home,
    output::Output,
    workflows,
};

pub(crate) fn validate(
    common: &Common,
    arguments: &ValidateArguments,
    output: &Output,
) -> Outcome<Exit> {
    let home = Home::find(common)?;
    let registry = workflows::registry(workflows::device_types(&home, None)?)?;
    let (bundles, problems) = workflows::load_all(&arguments.files, &registry);
    let (valid, wrong) = (bundles.len(), problems.iter().map(Diagnostics::len).sum::<usize>());
    if output.json() {
        for problem in problems.iter().map(Diagnostics::to_json) {
            let Value::Array(list) = problem else { continue };
            for problem in &list {
                output.object(problem);
            }
        }
        let files = arguments.files.len();
        output.object(
            &json!({ "type": "outcome", "files": files, "valid": valid, "problems": wrong }),
        );
    } else {
        for problems in &problems {
            output.note(workflows::invalid(problems, output).message.trim_end());
            output.note("");
        }
        let invalid = arguments.files.len() - valid;
        if invalid == 0 {
            output.line(format_args!("{} valid", files(valid)));
        } else {
            let word = if wrong == 1 { "problem" } else { "problems" };
            output.note(format_args!("{wrong} {word}; {valid} valid, {invalid} invalid"));
        }
    }
    Ok(if problems.is_empty() { Exit::Completed } else { Exit::Usage })
}

fn files(count: usize) -> String {
    if count == 1 { "1 file is".to_owned() } else { format!("{count} files are") }
}

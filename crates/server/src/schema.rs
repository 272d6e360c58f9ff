//! `rackwright schema`.

use rackwright_engine::load;

use crate::{exit::Exit, output::Output};

pub(crate) fn schema(output: &Output) -> Exit {
    let schema = load::schema();
    if output.json() {
        output.object(&schema);
    } else {
        output.line(format_args!("{schema:#}"));
    }
    Exit::Completed
}

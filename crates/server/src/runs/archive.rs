//! `rackwright runs archive`, and reading what it wrote.

use std::{
    fs::{self, File},
    io::{BufReader, BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use rackwright_engine::{
    Client, RunId,
    api::{ArchiveCount, read_archive},
};
use serde_json::json;

use super::find;
use crate::{
    cli::ArchiveArguments,
    exit::{Exit, Failure, Outcome},
    output::Output,
};

pub(super) async fn archive(
    client: &Client,
    arguments: &ArchiveArguments,
    output: &Output,
) -> Outcome<Exit> {
    let file = &arguments.file;
    if file.exists() {
        return Err(Failure::usage(format!("{} is there already", file.display())));
    }
    let roots = chosen(client, arguments).await?;
    if roots.is_empty() {
        output.note("no runs have ended that long ago");
        return Ok(Exit::Completed);
    }
    let count = write(client, &roots, file).await?;
    let removed = if arguments.keep { 0 } else { client.remove(&roots).await? };
    if output.json() {
        let ArchiveCount { families, runs } = count;
        output.object(&json!({
            "type": "archived", "file": file, "families": families, "runs": runs,
            "removed": removed,
        }));
    } else {
        let kept = if arguments.keep { "kept them" } else { "removed them" };
        let whose = if count.runs == 1 { "run" } else { "runs" };
        output.line(format_args!("wrote {} {whose} to {}, {kept}", count.runs, file.display()));
    }
    Ok(Exit::Completed)
}

async fn chosen(client: &Client, arguments: &ArchiveArguments) -> Outcome<Vec<RunId>> {
    if let Some(age) = arguments.older_than {
        let now = client.store().now().await?;
        let workflow = arguments.workflow.as_deref();
        return Ok(client.ended_families(workflow, now.before(age.0)).await?);
    }
    if arguments.runs.is_empty() {
        return Err(Failure::usage("which runs?")
            .hint("name them, or all that ended some time ago: --older-than 90d"));
    }
    let mut roots = Vec::new();
    for name in &arguments.runs {
        roots.push(find(client, name).await?);
    }
    roots.sort_unstable();
    roots.dedup();
    Ok(roots)
}

/// Nothing is removed before the file is whole and on the disk under its name.
async fn write(client: &Client, roots: &[RunId], file: &Path) -> Outcome<ArchiveCount> {
    let part = PathBuf::from(format!("{}.part", file.display()));
    let failed = |error: std::io::Error| {
        Failure::unavailable(format!("can't write {}: {error}", part.display()))
    };
    let mut out = BufWriter::new(File::create_new(&part).map_err(failed)?);
    let written = client.export(roots, &mut out).await;
    let count = match written {
        Ok(count) => count,
        Err(error) => {
            let _ = fs::remove_file(&part);
            return Err(error.into());
        }
    };
    out.flush().map_err(failed)?;
    out.get_ref().sync_all().map_err(failed)?;
    fs::rename(&part, file).map_err(failed)?;
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty());
    let dir = File::open(dir.unwrap_or(Path::new("."))).map_err(failed)?;
    dir.sync_all().map_err(failed)?;
    Ok(count)
}

/// A client of the runs in a file.
pub(super) fn read(file: &Path) -> Outcome<Client> {
    let open = File::open(file)
        .map_err(|error| Failure::usage(format!("can't read {}: {error}", file.display())))?;
    let store = read_archive(BufReader::new(open))
        .map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
    Ok(Client::new(Arc::new(store)))
}

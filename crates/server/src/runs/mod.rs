//! `rackwright runs`: looking at runs and telling them something.

mod answer;
mod archive;
mod find;
mod fork;
mod journal;
mod list;
mod show;
mod stop;
mod tell;

pub(crate) use find::find;
pub(crate) use show::moment;
pub(crate) use tell::{told, who};

use rackwright_engine::Client;

use crate::{
    cli::{Common, KnownRun, ListArguments, RunsCommand},
    exit::{Exit, Failure, Outcome},
    follow::{Ended, follow},
    home::Home,
    logs::Logs,
    output::Output,
    signals::Signals,
};

pub(crate) async fn runs(
    common: &Common,
    command: &RunsCommand,
    output: &Output,
    logs: &Logs,
) -> Outcome<Exit> {
    let client = if let RunsCommand::List(ListArguments { archive: Some(file), .. })
    | RunsCommand::Show(KnownRun { archive: Some(file), .. })
    | RunsCommand::Journal(KnownRun { archive: Some(file), .. }) = command
    {
        archive::read(file)?
    } else {
        Client::new(Home::find(common)?.open().await?)
    };
    let client = client.max_payload(common.max_payload.0);
    match command {
        RunsCommand::List(arguments) => list::list(&client, arguments, output).await,
        RunsCommand::Show(one) => show::show(&client, find(&client, &one.run).await?, output).await,
        RunsCommand::Watch(one) => watch(&client, &one.run, output, logs).await,
        RunsCommand::Journal(one) => {
            journal::journal(&client, find(&client, &one.run).await?, output).await
        }
        RunsCommand::Archive(arguments) => archive::archive(&client, arguments, output).await,
        RunsCommand::Cancel(arguments) => tell::cancel(&client, arguments, output).await,
        RunsCommand::Pause(arguments) => tell::pause(&client, arguments, output).await,
        RunsCommand::Resume(arguments) => tell::resume(&client, arguments, output).await,
        RunsCommand::Stop(arguments) => stop::stop(&client, arguments, output).await,
        RunsCommand::Release(arguments) => tell::release(&client, arguments, output).await,
        RunsCommand::Skip(arguments) => tell::skip(&client, arguments, output).await,
        RunsCommand::MarkDone(arguments) => tell::mark_done(&client, arguments, output).await,
        RunsCommand::Retry(arguments) => fork::retry(&client, arguments, output).await,
        RunsCommand::Fork(arguments) => fork::fork(&client, arguments, output).await,
        RunsCommand::Resolve(arguments) => tell::resolve(&client, arguments, output).await,
        RunsCommand::Signal(arguments) => answer::signal(&client, arguments, output).await,
        RunsCommand::Approve(arguments) => answer::answer(&client, arguments, true, output).await,
        RunsCommand::Reject(arguments) => answer::answer(&client, arguments, false, output).await,
        RunsCommand::ReleaseQuarantine(arguments) => {
            tell::release_quarantine(&client, arguments, output).await
        }
        RunsCommand::OverrideWindow(arguments) => {
            tell::override_window(&client, arguments, output).await
        }
    }
}

/// Shows a run that somebody else carries on.
async fn watch(client: &Client, name: &str, output: &Output, logs: &Logs) -> Outcome<Exit> {
    let run = find(client, name).await?;
    let record = client.record(run).await?;
    if let Some(parent) = record.parent {
        return Err(Failure::usage(format!("run {run} is a child of run {parent}"))
            .hint(format!("watch the whole: rackwright runs watch {}", record.root)));
    }
    let mut signals = Signals::catch()?;
    match follow(client, &[run], None, output, logs, &mut signals).await? {
        Ended::Settled(exit) => Ok(exit),
        Ended::Interrupted => Ok(Exit::Interrupted),
    }
}

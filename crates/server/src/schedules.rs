//! `rackwright schedules`: what starts workflows again and again.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use rackwright_engine::{
    Client, Workflow,
    api::ScheduleInfo,
    calendar::{CatchUp, Cron, Jitter, Overlap, Schedule, ScheduleState, TimeZone},
    load::Bundle,
    model::{HumanDuration, Timestamp},
};
use serde_json::json;

use crate::{
    cli::{Common, label},
    exit::{Exit, Failure, Outcome},
    follow::Clock,
    home::Home,
    inputs,
    nodes::Site,
    output::Output,
    runs::{moment, who},
    workflows,
};

#[derive(Debug, Subcommand)]
pub(crate) enum SchedulesCommand {
    /// Makes a schedule, or writes one anew. Its runs are started by `rackwright node`
    Add(Box<AddArguments>),
    /// Lists the schedules, each with its next time and its last run
    List,
    /// Shows a schedule
    Show(OneSchedule),
    /// Starts nothing more by itself, until it is resumed
    Pause(OneSchedule),
    /// Goes on with the next time from now on
    Resume(OneSchedule),
    /// Asks for a run now
    RunNow(OneSchedule),
    /// Takes a schedule away; its runs go on
    Remove(OneSchedule),
}

#[derive(Debug, Args)]
pub(crate) struct OneSchedule {
    /// Its name
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct AddArguments {
    /// Its name
    pub(crate) name: String,
    /// The workflow file; it is checked and kept
    pub(crate) file: PathBuf,
    /// When, as a cron expression of five fields: "30 2 * * MON-FRI"
    #[arg(long, value_name = "CRON")]
    pub(crate) cron: Cron,
    /// By whose clocks, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub(crate) time_zone: TimeZone,
    /// An input of its runs, as for `rackwright run`
    #[arg(long = "input", short, value_name = "K=V")]
    pub(crate) inputs: Vec<String>,
    /// A YAML or JSON file with inputs; --input wins over it
    #[arg(long, value_name = "FILE")]
    pub(crate) input_file: Option<PathBuf>,
    /// What happens while the previous run has not ended
    #[arg(long, value_enum, default_value_t)]
    pub(crate) overlap: OverlapWord,
    /// What becomes of times at which no node was there: none, last, or the number of those that
    /// are caught up
    #[arg(long, value_name = "WHAT", default_value = "last", value_parser = catch_up)]
    pub(crate) catch_up: CatchUp,
    /// Spreads the starts over so long
    #[arg(long, value_name = "DURATION")]
    pub(crate) jitter: Option<HumanDuration>,
    /// A label that the nodes of its runs have to have; may be repeated
    #[arg(long = "require", value_name = "K=V", value_parser = label)]
    pub(crate) requires: Vec<(String, String)>,
    /// Keeps to this version of the workflow, whatever is deployed later
    #[arg(long)]
    pub(crate) pin: bool,
    /// Begins paused
    #[arg(long)]
    pub(crate) paused: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OverlapWord {
    /// That time is skipped
    #[default]
    Skip,
    /// It waits until the previous run has ended
    Queue,
    /// The previous run is cancelled first
    CancelPrevious,
}

fn catch_up(text: &str) -> Result<CatchUp, String> {
    match text {
        "none" => Ok(CatchUp::None),
        "last" => Ok(CatchUp::Last),
        number => match number.parse() {
            Ok(most) if most > 0 => Ok(CatchUp::All(most)),
            Ok(_) | Err(_) => Err("expected `none`, `last`, or a number from 1".to_owned()),
        },
    }
}

pub(crate) async fn schedules(
    common: &Common,
    command: &SchedulesCommand,
    output: &Output,
) -> Outcome<Exit> {
    let home = Home::find(common)?;
    let client = Client::new(home.open().await?);
    let said = |what: &str, one: &OneSchedule| {
        if output.json() {
            output.object(&json!({ "type": what, "name": one.name }));
        } else {
            output.line(format_args!("schedule {}: {what}", one.name));
        }
        Ok(Exit::Completed)
    };
    match command {
        SchedulesCommand::Add(arguments) => add(&home, &client, arguments, output).await,
        SchedulesCommand::List => list(&client, output).await,
        SchedulesCommand::Show(one) => {
            show(&client.schedule(&one.name).await?, output);
            Ok(Exit::Completed)
        }
        SchedulesCommand::Pause(one) => {
            client.pause_schedule(&one.name).await?;
            said("paused", one)
        }
        SchedulesCommand::Resume(one) => {
            client.resume_schedule(&one.name).await?;
            said("resumed", one)
        }
        SchedulesCommand::RunNow(one) => {
            client.trigger_schedule(&one.name).await?;
            said("asked for a run now", one)
        }
        SchedulesCommand::Remove(one) => {
            if !client.remove_schedule(&one.name).await? {
                return Err(Failure::usage(format!("there is no schedule `{}`", one.name))
                    .hint("`rackwright schedules list` shows their names"));
            }
            said("removed", one)
        }
    }
}

async fn add(
    home: &Home,
    client: &Client,
    arguments: &AddArguments,
    output: &Output,
) -> Outcome<Exit> {
    let device_types = workflows::device_types_beside(&arguments.file);
    let types = workflows::device_types(home, device_types.as_deref())?;
    let bundle = workflows::load(&arguments.file, &workflows::registry(types)?)
        .map_err(|problems| workflows::invalid(&problems, output))?;
    let schedule = schedule(&bundle, arguments, device_types)?;
    keep(client, &bundle).await?;
    client.put_schedule(&arguments.name, &schedule, &who(None)).await?;
    if arguments.paused {
        client.pause_schedule(&arguments.name).await?;
    }
    if output.json() {
        output.object(&json!({ "type": "schedule", "name": arguments.name }));
        return Ok(Exit::Completed);
    }
    let next = schedule.next_after(Clock::read(client).await?.now());
    let next = next.map_or("never".to_owned(), |next| local(next, schedule.time_zone));
    output.line(format_args!("schedule {}: next {next}", arguments.name));
    output.note("its runs are started by a process that goes on: rackwright node");
    Ok(Exit::Completed)
}

fn root(bundle: &Bundle) -> Outcome<&Workflow> {
    let root = bundle.root().ok_or_else(|| Failure::usage("the file holds no workflow"))?;
    Ok(&root.workflow)
}

fn schedule(
    bundle: &Bundle,
    arguments: &AddArguments,
    device_types: Option<PathBuf>,
) -> Outcome<Schedule> {
    let workflow = root(bundle)?;
    let file = arguments.input_file.as_deref().map(Path::new);
    let input = inputs::gather(workflow, file, &arguments.inputs)?;
    let input = inputs::check(workflow, input)?;
    let site = Site { device_types, ..Site::default() };
    let labels = site.labels().into_iter().map(|(name, value)| (name.to_owned(), value));
    let overlap = match arguments.overlap {
        OverlapWord::Skip => Overlap::Skip,
        OverlapWord::Queue => Overlap::Queue,
        OverlapWord::CancelPrevious => Overlap::CancelPrevious,
    };
    Ok(Schedule {
        workflow: workflow.name.clone(),
        version: arguments.pin.then(|| workflow.version()),
        input,
        labels: labels.collect(),
        requires: arguments.requires.iter().cloned().collect(),
        cron: arguments.cron.clone(),
        time_zone: arguments.time_zone,
        overlap,
        catch_up: arguments.catch_up,
        jitter: Jitter(arguments.jitter.unwrap_or_default()),
    })
}

/// Keeps the workflows: whoever starts the runs finds them there.
async fn keep(client: &Client, bundle: &Bundle) -> Outcome<()> {
    for loaded in &bundle.workflows {
        let workflow = &loaded.workflow;
        let (version, text) = (workflow.version(), workflow.canonical());
        client.store().put_definition(version, &workflow.name, &text).await?;
    }
    Ok(())
}

/// A moment by the clocks of a zone.
fn local(at: Timestamp, zone: TimeZone) -> String {
    let local = zone.local(at);
    local.map_or_else(|| moment(at), |it| it.format("%a %Y-%m-%d %H:%M %Z").to_string())
}

async fn list(client: &Client, output: &Output) -> Outcome<Exit> {
    let all = client.schedules().await?;
    if all.is_empty() && !output.json() {
        output.note("there are no schedules: make one with `rackwright schedules add`");
    }
    for info in &all {
        match (&info.schedule, output.json()) {
            (_, true) => output.object(&told(info)),
            (Ok((schedule, state)), false) => {
                output.line(format_args!("{}  {}", info.name, brief(schedule, state)));
            }
            (Err(error), false) => {
                output.line(format_args!("{}  can't be read here: {error}", info.name));
            }
        }
    }
    Ok(Exit::Completed)
}

fn told(info: &ScheduleInfo) -> serde_json::Value {
    let (schedule, state, error) = match &info.schedule {
        Ok((schedule, state)) => (Some(schedule), Some(state), None),
        Err(error) => (None, None, Some(error)),
    };
    let next = state.and_then(|state| state.next.filter(|_| !state.paused));
    json!({
        "name": info.name,
        "schedule": schedule,
        "state": state,
        "error": error,
        "next": next.map(|next| next.to_string()),
        "updated_at": info.updated_at.to_string(),
        "updated_by": info.updated_by,
    })
}

fn brief(schedule: &Schedule, state: &ScheduleState) -> String {
    let mut parts = vec![
        schedule.workflow.clone(),
        format!("{} {}", schedule.cron, schedule.time_zone),
        next(schedule, state),
    ];
    parts.extend(state.last_run.map(|run| format!("last run {run}")));
    if !state.waiting.is_empty() {
        parts.push(format!("{} waiting", state.waiting.len()));
    }
    parts.extend(state.error.as_ref().map(|error| format!("could not start: {error}")));
    parts.join("  ")
}

fn next(schedule: &Schedule, state: &ScheduleState) -> String {
    match state.next {
        _ if state.paused => "paused".to_owned(),
        Some(next) => format!("next {}", local(next, schedule.time_zone)),
        None => "does not come again".to_owned(),
    }
}

fn show(info: &ScheduleInfo, output: &Output) {
    if output.json() {
        return output.object(&told(info));
    }
    let line = |name: &str, value: &str| output.line(format_args!("{name:<9} {value}"));
    line("schedule", &info.name);
    match &info.schedule {
        Ok((schedule, state)) => lines(schedule, state, &line),
        Err(error) => line("error", &format!("can't be read here: {error}")),
    }
    line("written", &format!("{} by {}", moment(info.updated_at), info.updated_by));
}

fn lines(schedule: &Schedule, state: &ScheduleState, line: &dyn Fn(&str, &str)) {
    let version = schedule.version.map(|it| format!("  (version {it:?})")).unwrap_or_default();
    line("workflow", &format!("{}{version}", schedule.workflow));
    line("cron", &format!("{}  {}", schedule.cron, schedule.time_zone));
    line("next", &next(schedule, state));
    let overlap = match schedule.overlap {
        Overlap::Skip => "skip",
        Overlap::Queue => "queue",
        Overlap::CancelPrevious => "cancel the previous run",
    };
    line("overlap", overlap);
    let catch_up = match schedule.catch_up {
        CatchUp::None => "none".to_owned(),
        CatchUp::Last => "the last".to_owned(),
        CatchUp::All(most) => format!("up to {most}"),
    };
    line("catch up", &catch_up);
    if schedule.jitter != Jitter::default() {
        line("jitter", &format!("up to {}", schedule.jitter.0));
    }
    line("started", &format!("{} runs, {} times skipped", state.started, state.skipped));
    if let (Some(run), Some(at)) = (state.last_run, state.last_at) {
        line("last run", &format!("{run}  for {}", local(at, schedule.time_zone)));
    }
    for firing in &state.waiting {
        line("waiting", &local(firing.at, schedule.time_zone));
    }
    if let Some(error) = &state.error {
        line("error", error);
    }
    if !schedule.input.is_null() {
        line("input", &schedule.input.to_string());
    }
}

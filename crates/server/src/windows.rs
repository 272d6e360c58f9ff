//! `rackwright windows`: maintenance windows.

use clap::{Args, Subcommand};
use rackwright_engine::{
    Client,
    api::WindowInfo,
    calendar::{Cron, LocalTime, Opening, Recurrence, Rule, TimeZone, Window},
    model::{HumanDuration, Timestamp},
};
use serde_json::{Value, json};

use crate::{
    cli::Common,
    exit::{Exit, Failure, Outcome},
    follow::Clock,
    home::Home,
    output::Output,
    runs::{moment, who},
};

/// How many openings are shown.
const SHOWN: usize = 3;

#[derive(Debug, Subcommand)]
pub(crate) enum WindowsCommand {
    /// Makes a window, or writes one anew; runs that wait for it look again
    Add(Box<AddArguments>),
    /// Lists the windows, each with its next openings
    List,
    /// Shows a window
    Show(OneWindow),
    /// Takes a window away; steps that wait for it fail
    Remove(OneWindow),
}

#[derive(Debug, Args)]
pub(crate) struct OneWindow {
    /// Its name
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct AddArguments {
    /// Its name, as workflows say it
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) opens: OpensArguments,
    /// The local time of the first opening of --rrule, which also gives the time of day:
    /// 2026-01-10T22:00
    #[arg(long, value_name = "TIME", requires = "rrule")]
    pub(crate) start: Option<LocalTime>,
    /// How long it stays open
    #[arg(long, value_name = "DURATION")]
    pub(crate) duration: HumanDuration,
    /// By whose clocks it opens, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub(crate) time_zone: TimeZone,
    /// A local date on which it does not open; may be repeated
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(crate) exclude: Vec<Value>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// It does not open until it is written anew
    #[arg(long)]
    pub(crate) disabled: bool,
    /// Who makes it [default: the user of this terminal]
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct OpensArguments {
    /// When it opens, as a cron expression of five fields: "0 22 * * SAT"
    #[arg(long, value_name = "CRON")]
    pub(crate) cron: Option<Cron>,
    /// When it opens, as a recurrence rule of RFC 5545: FREQ=MONTHLY;BYDAY=2SA
    #[arg(long, value_name = "RULE", requires = "start")]
    pub(crate) rrule: Option<String>,
}

/// A date as JSON, so that the window reads it.
fn date(text: &str) -> Result<Value, String> {
    let parts: Vec<_> = text.split('-').map(str::len).collect();
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if parts == [4, 2, 2] && digits {
        Ok(Value::from(text))
    } else {
        Err("expected a date such as 2026-12-24".to_owned())
    }
}

pub(crate) async fn windows(
    common: &Common,
    command: &WindowsCommand,
    output: &Output,
) -> Outcome<Exit> {
    let client = Client::new(Home::find(common)?.open().await?);
    let now = Clock::read(&client).await?.now();
    match command {
        WindowsCommand::Add(arguments) => add(&client, arguments, now, output).await,
        WindowsCommand::List => list(&client, now, output).await,
        WindowsCommand::Show(one) => {
            let info = find(&client, &one.name).await?;
            show(&info, now, output);
            Ok(Exit::Completed)
        }
        WindowsCommand::Remove(one) => remove(&client, &one.name, output).await,
    }
}

async fn add(
    client: &Client,
    arguments: &AddArguments,
    now: Timestamp,
    output: &Output,
) -> Outcome<Exit> {
    let opens = match (&arguments.opens.cron, &arguments.opens.rrule, arguments.start) {
        (Some(cron), _, _) => Recurrence::Cron { cron: cron.clone() },
        (None, Some(rule), Some(start)) => {
            Recurrence::Rule(Rule::new(rule, start).map_err(Failure::usage)?)
        }
        (None, _, _) => return Err(Failure::usage("--cron, or --rrule with --start, is missing")),
    };
    let exclude = serde_json::from_value(Value::from(arguments.exclude.clone()))
        .map_err(|error| Failure::usage(format!("--exclude: {error}")))?;
    let window = Window {
        opens,
        duration: arguments.duration,
        time_zone: arguments.time_zone,
        exclude,
        enabled: !arguments.disabled,
        description: arguments.description.clone(),
    };
    let by = who(arguments.by.as_ref());
    let told = client.put_window(&arguments.name, &window, &by).await?;
    if output.json() {
        output.object(&json!({ "type": "window", "name": arguments.name, "told": told }));
        return Ok(Exit::Completed);
    }
    let next = window.openings(now, 1);
    let next = next.first().map_or("never".to_owned(), |opening| local(opening.from, &window));
    output.line(format_args!("window {}: opens next {next}", arguments.name));
    if told > 0 {
        output.line(format_args!("told {told} runs to look again"));
    }
    Ok(Exit::Completed)
}

async fn find(client: &Client, name: &str) -> Outcome<WindowInfo> {
    let mut all = client.windows().await?;
    match all.iter().position(|info| info.name == name) {
        Some(place) => Ok(all.swap_remove(place)),
        None => Err(unknown(name)),
    }
}

fn unknown(name: &str) -> Failure {
    Failure::usage(format!("there is no window `{name}`"))
        .hint("`rackwright windows list` shows their names")
}

async fn remove(client: &Client, name: &str, output: &Output) -> Outcome<Exit> {
    let told = client.remove_window(name).await?.ok_or_else(|| unknown(name))?;
    if output.json() {
        output.object(&json!({ "type": "window_removed", "name": name, "told": told }));
    } else {
        output.line(format_args!("window {name} is gone"));
        if told > 0 {
            output
                .line(format_args!("told {told} runs to look again: those that wait for it fail"));
        }
    }
    Ok(Exit::Completed)
}

async fn list(client: &Client, now: Timestamp, output: &Output) -> Outcome<Exit> {
    let all = client.windows().await?;
    if all.is_empty() && !output.json() {
        output.note("there are no windows: make one with `rackwright windows add`");
    }
    for info in &all {
        if output.json() {
            output.object(&told(info, now));
        } else {
            brief(info, now, output);
        }
    }
    Ok(Exit::Completed)
}

fn told(info: &WindowInfo, now: Timestamp) -> Value {
    let (window, error) = match &info.window {
        Ok(window) => (Some(window), None),
        Err(error) => (None, Some(error)),
    };
    let openings = window.map(|window| window.openings(now, SHOWN)).unwrap_or_default();
    let opening =
        |it: &Opening| json!({ "from": it.from.to_string(), "until": it.until.to_string() });
    json!({
        "name": info.name,
        "window": window,
        "error": error,
        "openings": openings.iter().map(opening).collect::<Vec<_>>(),
        "updated_at": info.updated_at.to_string(),
        "updated_by": info.updated_by,
    })
}

/// When it opens, as one would say it.
fn opens(window: &Window) -> String {
    let when = match &window.opens {
        Recurrence::Cron { cron } => cron.to_string(),
        Recurrence::Rule(rule) => format!("{} from {}", rule.text(), rule.start()),
    };
    format!("{when}  {}  for {}", window.time_zone, window.duration)
}

fn brief(info: &WindowInfo, now: Timestamp, output: &Output) {
    match &info.window {
        Ok(window) => {
            output.line(format_args!("{}  {}", info.name, opens(window)));
            for line in openings(window, now) {
                output.line(format_args!("  {line}"));
            }
        }
        Err(error) => output.line(format_args!("{}  can't be read here: {error}", info.name)),
    }
}

fn openings(window: &Window, now: Timestamp) -> Vec<String> {
    if !window.enabled {
        return vec!["switched off".to_owned()];
    }
    let next = window.openings(now, SHOWN);
    if next.is_empty() {
        return vec!["does not open again".to_owned()];
    }
    let line = |opening: &Opening| {
        let word = if opening.contains(now) { "open " } else { "opens" };
        format!("{word} {} to {}", local(opening.from, window), local(opening.until, window))
    };
    next.iter().map(line).collect()
}

/// A moment by the clocks of the window's zone.
fn local(at: Timestamp, window: &Window) -> String {
    let local = window.time_zone.local(at);
    local.map_or_else(|| moment(at), |it| it.format("%a %Y-%m-%d %H:%M %Z").to_string())
}

fn show(info: &WindowInfo, now: Timestamp, output: &Output) {
    if output.json() {
        return output.object(&told(info, now));
    }
    brief(info, now, output);
    if let Ok(window) = &info.window {
        if let Some(text) = &window.description {
            output.line(format_args!("  {text}"));
        }
        if !window.exclude.is_empty() {
            let dates: Vec<_> = window.exclude.iter().map(ToString::to_string).collect();
            output.line(format_args!("  not on {}", dates.join(", ")));
        }
    }
    output.line(format_args!("  written {} by {}", moment(info.updated_at), info.updated_by));
}

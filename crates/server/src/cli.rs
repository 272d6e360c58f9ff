//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use rackwright_engine::{
    RunStatus,
    model::{HumanDuration, LockPath, MAX_PAYLOAD},
};
use rackwright_lab::Fault;

use crate::{schedules::SchedulesCommand, size::Size, windows::WindowsCommand};

/// Durable workflows for bare metal.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = EXIT_STATUS)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_STATUS: &str = "\
Exit status: 0 completed; 1 a run failed; 2 wrong usage or an invalid file; 3 cancelled; 4 a run \
waits for a person; 5 the store or the network is not available; 130 interrupted";

/// What every command takes.
#[derive(Clone, Debug, Args)]
#[expect(clippy::doc_markdown, reason = "this is the help of a terminal, not Markdown")]
pub(crate) struct Common {
    /// The store: sqlite:PATH or postgres://USER@HOST/DATABASE [default: sqlite:rackwright.db in
    /// the data directory]
    #[arg(
        long,
        value_name = "URL",
        global = true,
        env = "RACKWRIGHT_STORE",
        hide_env_values = true
    )]
    pub(crate) store: Option<String>,
    /// Where the store, labs and credentials are [default: $XDG_DATA_HOME/rackwright or
    /// ~/.local/share/rackwright]
    #[arg(long, value_name = "DIR", global = true, env = "RACKWRIGHT_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The file with the credentials that steps name [default: credentials.toml in the data
    /// directory]
    #[arg(long, value_name = "FILE", global = true, env = "RACKWRIGHT_CREDENTIALS")]
    pub(crate) credentials: Option<PathBuf>,
    /// The largest value that a run records, such as a step's output: bytes, or with KiB or MiB
    #[arg(
        long,
        value_name = "SIZE",
        global = true,
        env = "RACKWRIGHT_MAX_PAYLOAD",
        default_value_t = Size(MAX_PAYLOAD)
    )]
    pub(crate) max_payload: Size,
    /// Serves Prometheus metrics at http://ADDRESS/metrics for as long as this process carries runs
    /// on
    #[arg(long, value_name = "ADDRESS", global = true, env = "RACKWRIGHT_METRICS")]
    pub(crate) metrics: Option<SocketAddr>,
    /// Prints JSON, one object per line
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs a workflow and shows how it goes
    Run(RunArguments),
    /// Says everything that is wrong with workflow files
    Validate(ValidateArguments),
    /// Draws a workflow
    Graph(GraphArguments),
    /// Lists the executors that steps can use, or shows one with its schemas
    Steps(StepsArguments),
    /// Prints the JSON Schema of workflow files, for editors
    Schema,
    /// Looks at runs and tells them something
    Runs {
        #[command(subcommand)]
        command: RunsCommand,
    },
    /// Moves a run to another version of its workflow, if nothing behind it differs
    Migrate(MigrateArguments),
    /// Starts workflows again and again
    Schedules {
        #[command(subcommand)]
        command: SchedulesCommand,
    },
    /// Works until Ctrl-C: carries on the runs of the store and fires schedules. Or looks after nodes
    Node(NodeArguments),
    /// Works until Ctrl-C for pools: makes the calls of steps that are left to them
    Worker(WorkerArguments),
    /// Maintenance windows: when steps and runs that ask for one may begin
    Windows {
        #[command(subcommand)]
        command: WindowsCommand,
    },
    /// Looks at locks and limits: who has them, who waits for them
    Locks {
        #[command(subcommand)]
        command: LocksCommand,
    },
    /// Carries unfinished runs on, until they have ended
    Resume(ResumeArguments),
    /// Serves the lab, a rack of simulated machines, until Ctrl-C
    Lab(LabArguments),
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The workflow file
    pub(crate) file: PathBuf,
    /// An input; its type is that of the workflow's input schema, and k.sub=v sets a nested one
    #[arg(long = "input", short, value_name = "K=V")]
    pub(crate) inputs: Vec<String>,
    /// A YAML or JSON file with inputs; --input wins over it
    #[arg(long, value_name = "FILE")]
    pub(crate) input_file: Option<PathBuf>,
    /// Starts a new lab with N machines and runs the workflow on it
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true)]
    #[expect(
        clippy::option_option,
        reason = "`--lab` and `--lab=N` differ, and both from neither"
    )]
    pub(crate) lab: Option<Option<usize>>,
    #[command(flatten)]
    pub(crate) rack: RackArguments,
    /// A label that the node of the run has to have; may be repeated. A run that this process can't
    /// carry on is left to one that can
    #[arg(long = "require", value_name = "K=V", value_parser = label)]
    pub(crate) requires: Vec<(String, String)>,
    /// Starting again with the same key gives the same run back
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Leaves the run to a process in the background, and prints its id
    #[arg(long)]
    pub(crate) detach: bool,
    /// The process in the background: says its run's id and nothing more
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub(crate) background: bool,
}

/// What rack a lab has.
#[derive(Clone, Debug, Args)]
pub(crate) struct RackArguments {
    /// Goes wrong in the lab: NAME for all machines, NAME@MACHINE for one; may be repeated
    #[arg(long = "lab-fault", value_name = "NAME")]
    pub(crate) faults: Vec<Fault>,
    /// What the lab's machines are made from
    #[arg(long = "lab-seed", value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// How many simulated seconds pass in a real one
    #[arg(long = "lab-speed", value_name = "X", default_value_t = 30.0, value_parser = speed)]
    pub(crate) speed: f64,
    /// Where the lab keeps its files; a rack that is there already is taken as it is
    #[arg(long = "lab-dir", value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed.is_finite() && speed > 0.0 => Ok(speed),
        Ok(_) | Err(_) => Err("expected a number above 0".to_owned()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct MigrateArguments {
    /// The run: its id, the beginning of it, or `last`
    pub(crate) run: String,
    /// The version: the beginning of its hash, `newest`, or a workflow file, which is kept with
    /// that
    #[arg(long, value_name = "VERSION")]
    pub(crate) to: String,
    /// Only says whether it can move, and what would be different
    #[arg(long)]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) said: Said,
}

#[derive(Debug, Args)]
pub(crate) struct ValidateArguments {
    /// Workflow files
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct GraphArguments {
    /// The workflow file
    pub(crate) file: PathBuf,
    /// How it is drawn
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: GraphFormat,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum GraphFormat {
    /// A picture
    #[default]
    Svg,
    /// For Graphviz
    Dot,
    /// For Markdown
    Mermaid,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct NodeArguments {
    #[command(subcommand)]
    pub(crate) command: Option<NodeCommand>,
    /// Its name [default: rackwright]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// What it is, for runs that ask for such a node; may be repeated
    #[arg(long = "label", value_name = "K=V", value_parser = label)]
    pub(crate) labels: Vec<(String, String)>,
    /// How many runs it takes at most
    #[arg(long, value_name = "N")]
    pub(crate) capacity: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct WorkerArguments {
    /// The pool, as steps name it in `pool`; may be repeated
    #[arg(long = "pool", value_name = "NAME", required = true)]
    pub(crate) pools: Vec<String>,
    /// Its name, for people [default: worker-PID]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// How many calls it makes at once
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(crate) slots: usize,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Lists the nodes: what they are, what they have, when they were last heard of
    List,
    /// Empties a node: it takes nothing more, hands its runs over, and ends when it is empty
    Drain(OneNode),
    /// Lets a node that has not ended take runs again
    Undrain(OneNode),
}

#[derive(Debug, Args)]
pub(crate) struct OneNode {
    /// The node: its name, its id or the beginning of its id
    pub(crate) node: String,
}

#[derive(Debug, Args)]
pub(crate) struct StepsArguments {
    /// An executor, or the beginning of its name
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ResumeArguments {
    /// Runs, by id, the beginning of an id, or `last`; all that are unfinished if none is named
    pub(crate) runs: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct LabArguments {
    /// How many machines [default: 8, or as many as the rack has]
    #[arg(value_name = "N")]
    pub(crate) machines: Option<usize>,
    #[command(flatten)]
    pub(crate) rack: RackArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LocksCommand {
    /// Lists what is held or waited for, each with its holders and its line
    List(LocksArguments),
}

#[derive(Debug, Args)]
pub(crate) struct LocksArguments {
    /// Only what stands in the way of this name, such as site/rack4
    pub(crate) name: Option<LockPath>,
    /// At most so many requests
    #[arg(long, default_value_t = 1000)]
    pub(crate) limit: u32,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// Lists runs, the newest first
    List(ListArguments),
    /// Shows a run: its steps, attempts, times, errors and what waits for a person
    Show(KnownRun),
    /// Follows a run that another process carries on
    Watch(OneRun),
    /// Prints what is recorded of a run
    Journal(KnownRun),
    /// Writes runs that have ended to a file, with their child runs, and removes them
    Archive(ArchiveArguments),
    /// Asks a run to stop
    Cancel(OrderArguments),
    /// Lets nothing new start in a run; what runs is finished
    Pause(OrderArguments),
    /// Lets a paused run go on
    Resume(OrderArguments),
    /// Stops runs at once; what they owe waits for `runs release`
    Stop(StopArguments),
    /// Lets a run that was stopped in an emergency meet its obligations
    Release(OrderArguments),
    /// Skips a step that has not begun, waits for its next attempt or for a person
    Skip(SkipArguments),
    /// Says that a step was done by other means
    MarkDone(MarkDoneArguments),
    /// Starts a new run that goes on from where one failed or was cancelled
    Retry(OrderArguments),
    /// Starts a new run that goes on from any step of one that has ended, perhaps with other input
    Fork(ForkArguments),
    /// Decides about a step that waits for a person
    Resolve(ResolveArguments),
    /// Sends a signal to a run
    Signal(SignalArguments),
    /// Says yes to a step that waits for an approval
    Approve(AnswerArguments),
    /// Says no to a step that waits for an approval
    Reject(AnswerArguments),
    /// Lets a run go on that is in quarantine because the nodes that had it died
    ReleaseQuarantine(ReleaseArguments),
    /// Lets a run or a step begin although its maintenance window is not open
    OverrideWindow(OverrideArguments),
}

#[derive(Debug, Args)]
pub(crate) struct OneRun {
    /// The run: its id, the beginning of it, or `last`
    pub(crate) run: String,
}

/// A run that is kept somewhere.
#[derive(Debug, Args)]
pub(crate) struct KnownRun {
    /// The run: its id, the beginning of it, or `last`
    pub(crate) run: String,
    /// A file of `runs archive` that holds it
    #[arg(long, value_name = "FILE")]
    pub(crate) archive: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ArchiveArguments {
    /// The file, JSON lines; it must not be there yet
    pub(crate) file: PathBuf,
    /// Runs, by id, the beginning of an id, or `last`
    pub(crate) runs: Vec<String>,
    /// All runs that ended longer ago than this, such as 90d; 0 for all that have ended
    #[arg(long, value_name = "TIME", conflicts_with = "runs")]
    pub(crate) older_than: Option<HumanDuration>,
    /// Of these only those of this workflow
    #[arg(long, value_name = "NAME", requires = "older_than")]
    pub(crate) workflow: Option<String>,
    /// Removes nothing
    #[arg(long)]
    pub(crate) keep: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Runs of a file of `runs archive`
    #[arg(long, value_name = "FILE")]
    pub(crate) archive: Option<PathBuf>,
    /// Only runs of this status; may be repeated
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Vec<RunStatus>,
    /// Only runs of this workflow
    #[arg(long, value_name = "NAME")]
    pub(crate) workflow: Option<String>,
    /// Only runs that carry this label; may be repeated
    #[arg(long = "label", value_name = "K=V", value_parser = label)]
    pub(crate) labels: Vec<(String, String)>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: u32,
    /// Child runs too
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct OrderArguments {
    /// The run: its id, the beginning of it, or `last`
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) said: Said,
}

/// Who gives an order, and why.
#[derive(Debug, Args)]
pub(crate) struct Said {
    /// Who says it [default: the user of this terminal]
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
    /// Why; it is recorded
    #[arg(long)]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct StopArguments {
    /// The run: its id, the beginning of it, or `last`
    #[arg(required_unless_present = "labels", conflicts_with = "labels")]
    pub(crate) run: Option<String>,
    /// All runs that carry this label; may be repeated: then those that carry all of them
    #[arg(long = "label", value_name = "K=V", value_parser = label)]
    pub(crate) labels: Vec<(String, String)>,
    /// Interrupts what can be interrupted at once; `runs cancel` stops gracefully
    #[arg(long, required = true)]
    pub(crate) emergency: bool,
    #[command(flatten)]
    pub(crate) said: Said,
}

pub(crate) fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("expected NAME=VALUE".to_owned()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct SkipArguments {
    /// The run: its id, the beginning of it, or `last`
    pub(crate) run: String,
    /// The step's path, as `runs show` prints it
    pub(crate) step: String,
    /// Who says it [default: the user of this terminal]
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
    /// Why; it is recorded
    #[arg(long)]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct MarkDoneArguments {
    #[command(flatten)]
    pub(crate) skip: SkipArguments,
    /// The step's output, as JSON
    #[arg(long, value_name = "JSON", default_value = "null")]
    pub(crate) output: String,
}

#[derive(Debug, Args)]
pub(crate) struct ForkArguments {
    /// The run: its id, the beginning of it, or `last`
    pub(crate) run: String,
    /// The path of the first step to perform again, as `runs show` prints it
    #[arg(long, value_name = "STEP")]
    pub(crate) from: String,
    /// Changes an input; the others stay as they were
    #[arg(long = "input", short, value_name = "K=V")]
    pub(crate) inputs: Vec<String>,
    /// A YAML or JSON file with inputs that replace those of the same name; --input wins over it
    #[arg(long, value_name = "FILE")]
    pub(crate) input_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) said: Said,
}

#[derive(Debug, Args)]
pub(crate) struct ResolveArguments {
    /// The run: its id, the beginning of it, or `last`
    pub(crate) run: String,
    /// The step's path, as `runs show` prints it
    pub(crate) step: String,
    /// Who says it [default: the user of this terminal]
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
    /// What becomes of it
    #[arg(value_enum)]
    pub(crate) verdict: VerdictWord,
    /// Why; it is recorded
    #[arg(long)]
    pub(crate) reason: String,
    /// Of a step that is done: its output, as JSON
    #[arg(long, value_name = "JSON")]
    pub(crate) output: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SignalArguments {
    /// The run: its id, the beginning of it, or `last`
    pub(crate) run: String,
    /// The name of the signal
    pub(crate) name: String,
    /// What is sent, as JSON
    #[arg(long, value_name = "JSON")]
    pub(crate) data: Option<String>,
    /// Who sends it [default: the user of this terminal]
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
    /// An id of your own: a second signal of the same id is dropped
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct AnswerArguments {
    /// The run: its id, the beginning of it, or `last`
    pub(crate) run: String,
    /// The path of the step that asks, as `runs show` prints it
    pub(crate) step: String,
    /// Who answers [default: the user of this terminal]
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
    /// Why; it is recorded
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// The hash of what was shown, as `runs show` prints it: refused if something else is shown now
    #[arg(long, value_name = "HASH")]
    pub(crate) shown: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ReleaseArguments {
    /// The run: its id, the beginning of it, or `last`
    pub(crate) run: String,
    /// Who takes the responsibility; it is recorded [default: the user of this terminal]
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
    /// Why; it is recorded
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct OverrideArguments {
    /// The run: its id, the beginning of it, or `last`
    pub(crate) run: String,
    /// The step's path, as `runs show` prints it [default: the run itself, or the only step that
    /// waits for a window]
    pub(crate) step: Option<String>,
    /// Who takes the responsibility; it is recorded [default: the user of this terminal]
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
    /// Why; it is recorded
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VerdictWord {
    /// Perform it again
    Retry,
    /// It is done
    Done,
    /// It failed
    Failed,
}

//! The figures for people and for programs.

use std::{fmt::Write as _, fs, path::Path, thread};

use serde_json::{Value, json};

use super::{
    Store,
    figures::{Figures, Numbers},
    raw::Probe,
    workload::{Scale, Workload},
};
use crate::{cluster::Cluster, shell};

/// Where it was measured.
pub(super) struct Machine {
    cores: usize,
    processor: String,
    kernel: String,
    file_system: String,
    postgres: Option<String>,
}

impl Machine {
    pub(super) fn look(cluster: Option<&Cluster>, place: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let processors = read("/proc/cpuinfo");
        let model =
            processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let mut stat = shell::command("stat");
        stat.args(["--file-system", "--format", "%T"]).arg(place);
        Self {
            cores: thread::available_parallelism().map_or(1, usize::from),
            processor: model.map_or("unknown", |(_, name)| name.trim()).to_owned(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: shell::output(&mut stat).unwrap_or_default().trim().to_owned(),
            postgres: cluster.map(|cluster| cluster.version().to_owned()),
        }
    }
}

/// One JSON object.
pub(super) fn json(
    machine: &Machine,
    scale: Scale,
    repetitions: u32,
    figures: &[Figures],
) -> Value {
    let stores: serde_json::Map<_, _> =
        figures.iter().map(|of| (of.store.name().to_owned(), of.json())).collect();
    json!({
        "machine": {
            "cores": machine.cores,
            "processor": machine.processor,
            "kernel": machine.kernel,
            "file_system": machine.file_system,
            "postgres": machine.postgres,
        },
        "quick": scale == Scale::Quick,
        "repetitions": repetitions,
        "stores": stores,
    })
}

/// Tables: the median over the repetitions, and in brackets their span.
pub(super) fn text(
    machine: &Machine,
    scale: Scale,
    repetitions: u32,
    figures: &[Figures],
) -> String {
    let mut out = Table::default();
    out.line(&format!(
        "{} cores ({}), Linux {}, {}; {repetitions} repetition(s), medians",
        machine.cores, machine.processor, machine.kernel, machine.file_system
    ));
    if machine.file_system == "tmpfs" {
        out.line("The data lay in memory: nothing was durable. Choose a disk by --place.");
    }
    if scale == Scale::Quick {
        out.line("Quick: a tenth of the size, for a look, not for comparison.");
    }
    for of in figures {
        out.line("");
        out.line(&match of.store {
            Store::Sqlite => "SQLite (WAL, synchronous=FULL)".to_owned(),
            Store::Postgres => format!(
                "PostgreSQL {} (fsync=on, synchronous_commit=on)",
                machine.postgres.as_deref().unwrap_or_default()
            ),
        });
        for (probe, numbers) in &of.raw {
            out.row(probe.title(), numbers, "steps_s", "/s", None);
            if *probe == Probe::Single1 {
                out.row("   one commit, p50", numbers, "p50_us", "µs", None);
            }
        }
        for (workload, numbers) in &of.engine {
            engine(&mut out, *workload, numbers, scale);
        }
        for (workload, error) in &of.errors {
            out.line(&format!("  {}: failed: {error}", workload.name().to_uppercase()));
        }
    }
    out.0
}

fn engine(out: &mut Table, workload: Workload, numbers: &Numbers, scale: Scale) {
    let commit = Some(("p50_us_ratio", "× one raw commit"));
    let rate = Some((
        "ratio",
        match workload.reference() {
            Probe::Single1 => "× raw, 1 connection",
            Probe::Single8 | Probe::Batch => "× raw, 8 connections",
        },
    ));
    match workload {
        Workload::W1 => {
            out.row("W1 step after step, p50", numbers, "p50_us", "µs", commit);
            let slow = Some(("p99_us_ratio", "× one raw commit"));
            out.row("W1 step after step, p99", numbers, "p99_us", "µs", slow);
            out.row("W1 step after step", numbers, "steps_s", "steps/s", rate);
        }
        Workload::W2 | Workload::W2Wide | Workload::W2Payload => {
            let runs = workload.total_steps(scale) / 10;
            let what = if workload == Workload::W2Wide {
                "512 in flight"
            } else if workload == Workload::W2Payload {
                "64 in flight, 10 KB"
            } else {
                "64 in flight"
            };
            let title = format!("W2 {runs} runs × 10 steps, {what}");
            out.row(&title, numbers, "steps_s", "steps/s", rate);
        }
        Workload::Nodes2 | Workload::Nodes3 => {
            let nodes = if workload == Workload::Nodes2 { "two" } else { "three" };
            let title = format!("W2 on each of {nodes} nodes");
            out.row(&title, numbers, "steps_s", "steps/s", rate);
        }
        Workload::Filled => {
            out.row("W2 beside a full journal", numbers, "steps_s", "steps/s", rate);
            out.row("   rows of the journal", numbers, "journal_rows", "", None);
            out.row("   on an empty store", numbers, "empty_steps_s", "steps/s", None);
            out.row("   full to empty", numbers, "of_empty", "", None);
        }
        Workload::Parked => {
            out.row("Parked runs", numbers, "parked", "", None);
            out.row("   parked in a second", numbers, "parked_s", "/s", None);
            out.row("   memory while parking", numbers, "parking_rss_mib", "MiB", None);
            out.row("   start-up of a node", numbers, "start_up_s", "s", None);
            out.row("   due runs start late by, p50", numbers, "late_p50_us", "µs", None);
            out.row("   due runs start late by, most", numbers, "late_max_us", "µs", None);
        }
        Workload::W3 | Workload::W3Wide => {
            let title = format!("W3 {} steps in parallel", workload.total_steps(scale));
            out.row(&title, numbers, "steps_s", "steps/s", rate);
        }
        Workload::W4 => {
            out.row("W4 start to first step, p50", numbers, "p50_us", "µs", commit);
        }
        Workload::W5 => {
            out.row("W5 killed half-way, recovered", numbers, "steps_s", "steps/s", rate);
            out.row("   until all complete", numbers, "boot_to_end_s", "s", None);
            out.row("   steps run twice", numbers, "run_twice", "", None);
            out.row("   steps missing", numbers, "missing", "", None);
        }
    }
    out.row("   processor time, engine", numbers, "cpu_engine_s", "s", None);
    out.row("   processor time, database", numbers, "cpu_database_s", "s", None);
    out.row("   peak memory of the engine", numbers, "peak_rss_mib", "MiB", None);
    out.row("   cores used by others", numbers, "foreign_cores", "", None);
}

#[derive(Default)]
struct Table(String);

impl Table {
    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    /// One number with its span, and perhaps its ratio; nothing if it was not measured.
    fn row(
        &mut self,
        title: &str,
        numbers: &Numbers,
        name: &str,
        unit: &str,
        ratio: Option<(&str, &str)>,
    ) {
        let Some(series) = numbers.get(name) else { return };
        let span = format!("[{}–{}]", number(series.min()), number(series.max()));
        let value = number(series.median());
        let mut text = format!("  {title:<40} {value:>10} {unit:<8} {span:<22}");
        if let Some((name, what)) = ratio
            && let Some(series) = numbers.get(name)
        {
            // Writing to a string cannot fail.
            let _ = write!(text, " {:>6.2} {what}", series.median());
        }
        self.line(text.trim_end());
    }
}

/// Three significant digits or more, thousands apart.
fn number(value: f64) -> String {
    if value.abs() < 100.0 {
        let text = format!("{value:.2}");
        return text.strip_suffix(".00").map_or(text.clone(), str::to_owned);
    }
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_readable() {
        let texts = [0.0, 1.234, 99.5, 123.4, 4805.0, 1_234_567.8].map(number);
        assert_eq!(texts, ["0", "1.23", "99.50", "123", "4,805", "1,234,568"]);
    }
}

//! Processor time and memory of other processes, from `/proc`.

use std::{fs, time::Instant};

use rustix::param::clock_ticks_per_second;

/// What had been used at one moment; the difference of two is what was used between them.
pub(super) struct Snapshot {
    at: Instant,
    engine: f64,
    database: f64,
    machine: f64,
    ourselves: f64,
}

/// What was used between two snapshots.
pub(super) struct Used {
    pub(super) elapsed_s: f64,
    pub(super) engine_s: f64,
    pub(super) database_s: f64,
    /// Processor cores that neither the engine, nor the database, nor this harness used.
    pub(super) foreign_cores: f64,
}

impl Snapshot {
    pub(super) fn take(engine: u32, database: Option<u32>) -> Self {
        Self {
            at: Instant::now(),
            engine: cpu_s(engine, 2),
            database: database.map_or(0.0, server_s),
            machine: machine_s(),
            ourselves: cpu_s(std::process::id(), 2),
        }
    }

    pub(super) fn until(&self, end: &Self) -> Used {
        let elapsed_s = end.at.duration_since(self.at).as_secs_f64();
        let engine_s = end.engine - self.engine;
        let database_s = end.database - self.database;
        let ourselves = end.ourselves - self.ourselves;
        let foreign = end.machine - self.machine - engine_s - database_s - ourselves;
        Used { elapsed_s, engine_s, database_s, foreign_cores: (foreign / elapsed_s).max(0.0) }
    }
}

/// The most memory that a process has held so far, in MiB.
pub(super) fn peak_rss_mib(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024.0)
}

/// User and system seconds of the process: 2 numbers; with its reaped children: 4.
fn cpu_s(pid: u32, numbers: usize) -> f64 {
    stat(pid).map_or(0.0, |fields| seconds(fields.iter().skip(11).take(numbers)))
}

/// The fields of `/proc/PID/stat` after the name: the state is 0, the parent 1.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

/// A server with its live children and those that it has reaped.
fn server_s(pid: u32) -> f64 {
    loop {
        let before = cpu_s(pid, 4);
        let children = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| {
            let fields = stat(entry.file_name().to_str()?.parse().ok()?)?;
            let ours = fields.get(1)?.parse() == Ok(pid);
            ours.then(|| seconds(fields.iter().skip(11).take(2)))
        });
        let all = before + children.sum::<f64>();
        // A child that was reaped meanwhile would be counted nowhere: look again.
        if cpu_s(pid, 4) - before < 0.02 {
            return all;
        }
    }
}

/// What all processors have worked for since boot.
fn machine_s() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let first = text.lines().next().unwrap_or_default();
    let fields: Vec<_> = first.split_whitespace().skip(1).take(8).map(str::to_owned).collect();
    let idle = seconds(fields.iter().skip(3).take(2));
    seconds(fields.iter()) - idle
}

/// The sum of numbers in clock ticks.
fn seconds<'a>(ticks: impl Iterator<Item = &'a String>) -> f64 {
    let sum: f64 = ticks.filter_map(|text| text.parse::<f64>().ok()).sum();
    let rate = u32::try_from(clock_ticks_per_second()).unwrap_or(100);
    sum / f64::from(rate)
}

#[cfg(test)]
mod tests {
    use std::{hint::black_box, time::Duration};

    use super::*;

    #[test]
    fn sees_what_this_process_uses() {
        let me = std::process::id();
        let before = Snapshot::take(me, None);
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut sum = 0_u64;
        // The kernel counts in hundredths of a second, and others may use the processors.
        let used = loop {
            for number in 0..100_000 {
                sum = black_box(sum.wrapping_add(number));
            }
            let used = before.until(&Snapshot::take(me, None));
            if used.engine_s > 0.0 {
                break used;
            }
            assert!(Instant::now() < deadline, "no processor time seen");
        };
        assert!(used.elapsed_s > 0.0 && used.elapsed_s < 60.0, "{}", used.elapsed_s);
        assert!(used.engine_s < 60.0, "{}", used.engine_s);
        assert!(used.database_s.abs() < f64::EPSILON, "{}", used.database_s);
        assert!(peak_rss_mib(me).unwrap() > 0.5);
        assert!(peak_rss_mib(0).is_none());
    }
}

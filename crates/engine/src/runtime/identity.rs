//! Who this process is, and whether another one on this machine still lives.

use std::{fs, process};

use super::config::Config;
use crate::{
    model::{NodeId, Timestamp},
    store::NodeRecord,
};

/// A new node for this process.
pub(crate) fn new_node(config: &Config, now: Timestamp, random: u128) -> NodeRecord {
    NodeRecord {
        id: NodeId(crate::model::RunId::from_parts(now, random).0),
        name: config.name.clone(),
        host: host(),
        pid: process::id(),
        started: started(process::id()).unwrap_or(0),
        quarantine_after: config.quarantine_after,
        labels: config.labels.clone(),
        capacity: u32::try_from(config.max_active).unwrap_or(u32::MAX),
    }
}

/// Whether that node ran on this machine, since its last start and in this process namespace, and
/// its process is gone. Only then is it certain that it can't act any more.
pub(crate) fn is_certainly_dead(node: &NodeRecord) -> bool {
    !node.host.is_empty() && node.host == host() && started(node.pid) != Some(node.started)
}

/// The machine, its present boot and the process namespace; empty where that can't be told (then
/// nothing is certain, and leases have to run out).
fn host() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = fs::read_link("/proc/self/ns/pid")
        .map(|link| link.display().to_string())
        .unwrap_or_default();
    if boot.is_empty() || namespace.is_empty() {
        return String::new();
    }
    format!("{} {namespace}", boot.trim())
}

/// When a process started, in clock ticks since boot (proc(5), /proc/PID/stat, field 22), and
/// whether it is still more than a zombie.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command in field 2 may hold blanks and brackets; field 3 follows the last bracket.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    if matches!(fields.first(), Some(&"Z" | &"X")) {
        return None;
    }
    fields.get(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_process_is_not_dead_and_a_gone_one_is() {
        let me = new_node(&Config::default(), Timestamp::from_micros(0), 1);
        assert!(!is_certainly_dead(&me));
        let mut child = process::Command::new("true").spawn().expect("`true` starts");
        let gone = NodeRecord { pid: child.id(), started: 0, ..me.clone() };
        child.wait().expect("`true` ends");
        assert!(is_certainly_dead(&gone));
        assert!(is_certainly_dead(&NodeRecord { started: me.started + 1, ..me.clone() }));
        assert!(!is_certainly_dead(&NodeRecord { host: "elsewhere".into(), pid: 0, ..me }));
    }
}

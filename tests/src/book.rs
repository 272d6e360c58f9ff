//! What the lab remembers: its rack, and every request that it got.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::PathBuf,
};

use anyhow::{Context, Result};
use rackwright_lab::{Rack, Record, Service};

/// The files of a lab.
#[derive(Clone, Debug)]
pub struct Book(PathBuf);

/// A request that changes something, with the executor that makes such requests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// Host name.
    pub machine: String,
    /// The executor.
    pub executor: &'static str,
    /// What was asked, in the words of the record.
    pub what: String,
    /// Whether the lab did it.
    pub done: bool,
}

/// What a machine has come to, without times and without how it came to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// MAAS status number.
    pub status: u8,
    /// How often it began to be commissioned.
    pub commissions: u32,
    /// Tags, pool and zone in MAAS.
    pub tags: BTreeSet<String>,
    /// Pool and zone in MAAS.
    pub place: (String, String),
    /// The BMC's address and gateway.
    pub lan: (String, String),
    /// BIOS settings, those in force and those that the next boot brings.
    pub bios: [BTreeMap<String, String>; 2],
    /// How many imports of settings the BMC took on as jobs.
    pub imports: usize,
}

impl Book {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self(dir)
    }

    /// The rack; none before the lab was served for the first time.
    ///
    /// # Errors
    /// When its file can't be read.
    pub fn rack(&self) -> Result<Option<Rack>> {
        match fs::read(self.0.join("lab.json")) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).context("lab.json")?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// All requests, oldest first.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn records(&self) -> Result<Vec<Record>> {
        Record::read(&self.0).context("the lab's record")
    }

    /// The changes among the requests from this number on.
    ///
    /// # Errors
    /// When the lab's files can't be read.
    pub fn changes(&self, from: usize) -> Result<Vec<Change>> {
        let Some(rack) = self.rack()? else { return Ok(Vec::new()) };
        Ok(self.records()?.iter().skip(from).flat_map(|record| changes(&rack, record)).collect())
    }

    /// How each machine stands, by host name.
    ///
    /// # Errors
    /// When the lab's file can't be read.
    pub fn standing(&self) -> Result<BTreeMap<String, Standing>> {
        let rack = self.rack()?.context("there is no lab.json")?;
        let standing = rack.machines.into_iter().map(|machine| {
            let imports = machine.host.jobs.iter().filter(|job| job.name.contains("Import"));
            let standing = Standing {
                status: machine.status,
                commissions: machine.maas.commissions,
                tags: machine.tags,
                place: (machine.maas.pool, machine.maas.zone),
                lan: (machine.ipmi.address, machine.ipmi.gateway),
                bios: [machine.bios.current, machine.bios.pending],
                imports: imports.count(),
            };
            (machine.hostname, standing)
        });
        Ok(standing.collect())
    }
}

/// What a request changed, for each machine that it was about.
fn changes(rack: &Rack, record: &Record) -> Vec<Change> {
    match record.service {
        Service::Maas => maas(rack, record),
        Service::Ssh => ssh(record).into_iter().collect(),
    }
}

fn done(record: &Record, good: std::ops::Range<u32>) -> bool {
    // Where the client got no answer, it was done all the same.
    record.status.is_none_or(|status| good.contains(&status))
}

fn maas(rack: &Rack, record: &Record) -> Vec<Change> {
    let change = |machine: &str, executor| Change {
        machine: machine.to_owned(),
        executor,
        what: format!("{} {}", record.what, record.form),
        done: done(record, 200..300),
    };
    let (method, path) = record.what.split_once(' ').unwrap_or((&record.what, ""));
    match (&record.machine, method) {
        (_, "GET") => Vec::new(),
        (Some(machine), _) if path.ends_with("op-commission") => {
            vec![change(machine, "maas.commission")]
        }
        (Some(machine), "PUT") => {
            let pool = record.form.contains("pool=");
            vec![change(machine, if pool { "maas.set_pool" } else { "maas.set_zone" })]
        }
        (Some(machine), _) => vec![change(machine, "another change of a machine")],
        // Tags are put on machines by the tag's own address.
        (None, _) => {
            let named = record.form.split('&').filter_map(|field| field.split_once('='));
            named
                .filter(|(name, _)| matches!(*name, "add" | "remove"))
                .filter_map(|(_, id)| Some(&rack.machines[rack.find(id)?]))
                .map(|machine| change(&machine.hostname, "maas.tag"))
                .collect()
        }
    }
}

fn ssh(record: &Record) -> Option<Change> {
    let words: Vec<&str> = record.what.split(' ').filter(|word| !word.is_empty()).collect();
    let command = words.strip_prefix(["sudo", "-n"].as_slice()).unwrap_or(&words);
    let has = |word: &str| command.contains(&word);
    let program = command.first()?.trim_matches('\'').rsplit('/').next()?;
    let executor = match program {
        "racadm" if has("set") => "bios.import",
        "ilorest" if has("load") => "bios.import",
        "conrep" if has("-l") => "bios.import",
        "sum" | "saa" if has("ChangeBiosCfg") => "bios.import",
        // The file that is to be imported; exports are written by the machine itself.
        "PUT" => "bios.import",
        "ipmitool" if has("set") => "ipmi.set_lan",
        _ => return None,
    };
    let machine = record.machine.clone()?;
    Some(Change { machine, executor, what: record.what.clone(), done: done(record, 0..1) })
}

#[cfg(test)]
mod tests {
    use rackwright_engine::model::Timestamp;

    use super::*;

    fn record(service: Service, machine: Option<&str>, what: &str, form: &str) -> Record {
        let (machine, what, form) = (machine.map(Into::into), what.into(), form.into());
        Record { at: Timestamp::from_micros(0), service, machine, what, form, status: Some(0) }
    }

    #[test]
    fn requests_are_told_apart() {
        let rack = Rack::generate(1, 2);
        let id = &rack.machines[1].system_id;
        let machine = Some("srv001");
        for (record, expected) in [
            (record(Service::Maas, machine, "GET /MAAS/api/2.0/machines/x/", ""), None),
            (
                record(Service::Maas, machine, "POST /MAAS/api/2.0/machines/x/op-commission", ""),
                Some(("srv001", "maas.commission")),
            ),
            (
                record(
                    Service::Maas,
                    None,
                    "POST /MAAS/api/2.0/tags/t/op-update_nodes",
                    &format!("add={id}"),
                ),
                Some(("srv002", "maas.tag")),
            ),
            (record(Service::Ssh, machine, "racadm get -t xml -f /tmp/x", ""), None),
            (
                record(Service::Ssh, machine, "sudo -n racadm set -t xml -f /tmp/x", ""),
                Some(("srv001", "bios.import")),
            ),
            (
                record(Service::Ssh, machine, "ipmitool lan set 1 ipaddr 10.0.0.1", ""),
                Some(("srv001", "ipmi.set_lan")),
            ),
            (record(Service::Ssh, machine, "ipmitool lan print 1", ""), None),
        ] {
            let found = changes(&rack, &record);
            let found = found.first().map(|it| (it.machine.as_str(), it.executor));
            assert_eq!(found, expected, "{record:?}");
        }
    }
}

//! The rack in memory and in its file.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rackwright_engine::model::Timestamp;

use crate::{
    Clock, Fault, LabError, LabOptions, Rack,
    rack::MOST,
    record::{Record, Recorder, Service},
};

const FILE: &str = "lab.json";

/// The rack, shared by the services. Cheap to clone.
///
/// Every look brings about first what is due ([`Clock`]). Every change stands in `lab.json`
/// before [`LabState::update`] returns. The file is replaced by renaming and not synced: it
/// survives the process, not the power supply.
#[derive(Clone, Debug)]
pub struct LabState(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    clock: Clock,
    recorder: Recorder,
    rack: Mutex<Rack>,
}

impl LabState {
    /// Reads the rack in the options' directory, or makes one.
    pub(crate) fn open(options: &LabOptions) -> Result<Self, LabError> {
        let path = options.dir.join(FILE);
        let file = |source| LabError::File { path: path.clone(), source };
        fs::create_dir_all(&options.dir).map_err(file)?;
        let mut rack = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| LabError::State { path: path.clone(), source })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => new_rack(options)?,
            Err(error) => return Err(file(error)),
        };
        if let Some(asked) = options.machines.filter(|&asked| asked != rack.machines.len()) {
            return Err(LabError::Size { path, found: rack.machines.len(), asked });
        }
        add_faults(&mut rack, &options.faults)?;
        let recorder = Recorder::open(&options.dir).map_err(file)?;
        let clock = Clock::new(options.time_scale);
        let dir = options.dir.clone();
        Ok(Self(Arc::new(Inner { dir, clock, recorder, rack: Mutex::new(rack) })))
    }

    fn lock(&self) -> MutexGuard<'_, Rack> {
        // A panic in a closure leaves a rack that is as good as the last line it ran.
        self.0.rack.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lab's clock.
    pub fn clock(&self) -> Clock {
        self.0.clock
    }

    /// Where the lab keeps its files.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// Looks at the rack as it is now.
    pub fn read<T>(&self, look: impl FnOnce(&Rack, Timestamp) -> T) -> T {
        let mut rack = self.lock();
        let now = self.0.clock.now();
        rack.settle(now);
        look(&rack, now)
    }

    /// Changes the rack; returns when the change stands in the file.
    ///
    /// # Errors
    /// When the file can't be written; the change holds in memory all the same.
    pub fn update<T>(&self, change: impl FnOnce(&mut Rack, Timestamp) -> T) -> io::Result<T> {
        let mut rack = self.lock();
        let now = self.0.clock.now();
        rack.settle(now);
        let result = change(&mut rack, now);
        replace(&self.0.dir, FILE, &serde_json::to_vec(&*rack)?)?;
        Ok(result)
    }

    /// Writes a request down; call it after the change and before the answer.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn record(
        &self,
        service: Service,
        machine: Option<&str>,
        what: impl Into<String>,
        form: impl Into<String>,
        status: Option<u32>,
    ) -> io::Result<()> {
        self.0.recorder.write(&Record {
            at: self.0.clock.now(),
            service,
            machine: machine.map(str::to_owned),
            what: what.into(),
            form: form.into(),
            status,
        })
    }
}

fn new_rack(options: &LabOptions) -> Result<Rack, LabError> {
    let machines = options.machines.unwrap_or(LabOptions::MACHINES);
    if machines == 0 || machines > MOST {
        return Err(LabError::TooMany { asked: machines, most: MOST });
    }
    let mut rack = Rack::generate(options.seed, machines);
    if let Some(seed) = options.fault_seed {
        rack.add_random_faults(seed);
    }
    if options.commissioned {
        for machine in &mut rack.machines {
            machine.status = 4;
            machine.power.on = true;
        }
    }
    Ok(rack)
}

fn add_faults(rack: &mut Rack, faults: &[Fault]) -> Result<(), LabError> {
    for fault in faults {
        if fault.machine.as_ref().is_some_and(|name| rack.find(name).is_none()) {
            let ends = [rack.machines.first(), rack.machines.last()];
            let known = ends.map(|m| m.map_or("none", |m| m.hostname.as_str())).join(" to ");
            return Err(LabError::NoMachine { fault: fault.to_string(), known });
        }
        rack.faults.insert(fault.clone());
    }
    Ok(())
}

/// Replaces a file whole: readers see the old content or the new, never a part. Only the owner
/// may read it.
pub(crate) fn replace(dir: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let temporary = dir.join(format!(".{name}.new"));
    let mut file = fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(content)?;
    fs::rename(temporary, dir.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(dir: &Path) -> LabOptions {
        LabOptions { machines: Some(3), ..LabOptions::new(dir) }
    }

    #[test]
    fn a_change_is_there_when_the_lab_is_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let state = LabState::open(&options(dir.path())).unwrap();
        state.update(|rack, _| rack.machines[1].status = 2).unwrap();
        let before = state.read(|rack, _| rack.clone());
        let again = LabState::open(&LabOptions::new(dir.path())).unwrap();
        assert_eq!(again.read(|rack, _| rack.clone()), before);
    }

    #[test]
    fn bad_requests_and_files_are_refused_with_a_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let open = |options: LabOptions| LabState::open(&options).unwrap_err().to_string();
        let none = LabOptions { machines: Some(0), ..LabOptions::new(dir.path()) };
        assert!(open(none).contains("1 to 1000 machines"));
        let faults = vec!["ssh_drops@srv009".parse().unwrap()];
        let error = open(LabOptions { faults, ..options(dir.path()) });
        assert!(error.contains("srv001 to srv003"), "{error}");
        LabState::open(&options(dir.path())).unwrap().update(|_, _| ()).unwrap();
        let error = open(LabOptions { machines: Some(4), ..LabOptions::new(dir.path()) });
        assert!(error.contains("has 3 machines, not 4"), "{error}");
        fs::write(dir.path().join(FILE), "{").unwrap();
        assert!(open(options(dir.path())).contains("remove it to begin with a new rack"));
    }
}

//! The lock that lets one process at a time own a database file.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use crate::store::{NodeRecord, StoreError};

/// Held for as long as it lives: the system lets go of it when the process dies, however it dies.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock beside `database`, and writes who holds it.
    pub(super) fn take(database: &Path, node: &NodeRecord) -> Result<Self, StoreError> {
        let path = lock_path(database);
        let setup = |error: io::Error| StoreError::Setup {
            message: format!("the lock file {} can't be used", path.display()),
            source: Some(error.into()),
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(setup)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(database, &mut file)),
            Err(TryLockError::Error(error)) => return Err(setup(error)),
        }
        let holder = format!("process {} ({})", node.pid, node.name);
        file.set_len(0).and_then(|()| file.write_all(holder.as_bytes())).map_err(setup)?;
        Ok(Self { _file: file })
    }
}

fn lock_path(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    path.into()
}

fn held(database: &Path, file: &mut File) -> StoreError {
    let mut holder = String::new();
    let read = file.rewind().and_then(|()| file.take(1024).read_to_string(&mut holder));
    if read.is_err() || holder.is_empty() {
        "another process".clone_into(&mut holder);
    }
    StoreError::Held { path: database.display().to_string(), holder }
}

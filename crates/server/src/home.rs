//! The data directory and what lies in it.

use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rackwright_engine::store::{self, Store};

use crate::{
    cli::Common,
    exit::{Failure, Outcome},
};

const STORE: &str = "rackwright.db";

/// Where this command finds its things.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    dir: PathBuf,
    store: Option<String>,
}

impl Home {
    /// As the command line and the environment say.
    pub(crate) fn find(common: &Common) -> Outcome<Self> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let dir = common
            .data_dir
            .clone()
            .or_else(|| set("XDG_DATA_HOME").map(|base| PathBuf::from(base).join("rackwright")))
            .or_else(|| std::env::home_dir().map(|home| home.join(".local/share/rackwright")))
            .ok_or_else(|| {
                Failure::usage("there is no home directory to keep data in")
                    .hint("name a directory with --data-dir or RACKWRIGHT_DATA_DIR")
            })?;
        let dir = std::path::absolute(&dir).unwrap_or(dir);
        Ok(Self { dir, store: common.store.clone() })
    }

    /// The data directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes a directory and those above it; only the owner may look into new ones, for labs and
    /// stores hold secrets.
    pub(crate) fn make(dir: &Path) -> Outcome<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| {
            Failure::unavailable(format!("can't make the directory {}: {error}", dir.display()))
        })
    }

    /// Opens the store. One that does not exist yet is made.
    pub(crate) async fn open(&self) -> Outcome<Arc<dyn Store>> {
        let url = match &self.store {
            Some(url) if url.starts_with("memory:") => {
                return Err(Failure::usage("a store in memory would end with this process")
                    .hint("use sqlite:PATH or postgres://USER@HOST/DATABASE"));
            }
            Some(url) => url.clone(),
            None => {
                Self::make(&self.dir)?;
                format!("sqlite:{}", self.dir.join(STORE).display())
            }
        };
        Ok(store::open(&url).await?)
    }

    /// A new directory for a lab: the first number that is free.
    pub(crate) fn new_lab(&self) -> Outcome<PathBuf> {
        let labs = self.dir.join("labs");
        Self::make(&labs)?;
        for number in 1..=u32::MAX {
            let dir = labs.join(format!("{number:04}"));
            match fs::DirBuilder::new().mode(0o700).create(&dir) {
                Ok(()) => return Ok(dir),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    let text = format!("can't make the directory {}: {error}", dir.display());
                    return Err(Failure::unavailable(text));
                }
            }
        }
        Err(Failure::unavailable(format!("{} is full", labs.display())))
    }
}

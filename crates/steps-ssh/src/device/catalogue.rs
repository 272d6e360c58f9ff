//! The device types that are known, by name.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use thiserror::Error;

use super::{DeviceType, yaml};

/// The ones that ship.
const BUILT_IN: [(&str, &str); 3] = [
    ("dell-r750.yaml", include_str!("../../../../workflows/device-types/dell-r750.yaml")),
    ("hpe-dl385.yaml", include_str!("../../../../workflows/device-types/hpe-dl385.yaml")),
    ("supermicro-x12.yaml", include_str!("../../../../workflows/device-types/supermicro-x12.yaml")),
];

/// Something wrong with a device type's file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}:{line}:{column}: {message}", file.display())]
pub struct DeviceTypeProblem {
    /// The file.
    pub file: PathBuf,
    /// From 1.
    pub line: u64,
    /// From 1.
    pub column: u64,
    /// What is wrong.
    pub message: String,
}

/// All that is wrong with the files of a directory.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct DeviceTypeProblems(pub Vec<DeviceTypeProblem>);

impl fmt::Display for DeviceTypeProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

/// A name that no device type has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no device type `{name}`")]
pub struct UnknownDeviceType {
    /// The name.
    pub name: String,
    /// The names that exist.
    pub known: Vec<String>,
    /// The one that was probably meant.
    pub nearest: Option<String>,
}

/// The device types that are known, by name. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct DeviceTypes(BTreeMap<String, Arc<DeviceType>>);

impl DeviceTypes {
    /// The ones that ship.
    ///
    /// # Errors
    /// None that a test of this crate would not have shown.
    pub fn built_in() -> Result<Self, DeviceTypeProblems> {
        let mut types = Self::default();
        let mut problems = Vec::new();
        for (file, text) in BUILT_IN {
            types.add(Path::new(file), text, &mut problems);
        }
        types.unless(problems)
    }

    /// These, and those of a directory's `*.yaml` files, which win where the names are equal.
    /// A directory that does not exist adds nothing.
    ///
    /// # Errors
    /// All problems of all files.
    pub fn with_directory(mut self, directory: &Path) -> Result<Self, DeviceTypeProblems> {
        let mut problems = Vec::new();
        let unreadable = |file: &Path, error: &std::io::Error| DeviceTypeProblem {
            file: file.to_owned(),
            line: 1,
            column: 1,
            message: format!("can't be read: {error}"),
        };
        let listing = match std::fs::read_dir(directory) {
            Ok(listing) => listing,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(self),
            Err(error) => return Err(DeviceTypeProblems(vec![unreadable(directory, &error)])),
        };
        let mut files: Vec<PathBuf> = listing
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|e| e == "yaml" || e == "yml"))
            .collect();
        files.sort();
        for file in files {
            match std::fs::read_to_string(&file) {
                Ok(text) => self.add(&file, &text, &mut problems),
                Err(error) => problems.push(unreadable(&file, &error)),
            }
        }
        self.unless(problems)
    }

    /// One that was made in Rust.
    #[must_use]
    pub fn with(mut self, device_type: DeviceType) -> Self {
        self.0.insert(device_type.name.clone(), Arc::new(device_type));
        self
    }

    /// The one of that name.
    ///
    /// # Errors
    /// [`UnknownDeviceType`], with the nearest name.
    pub fn get(&self, name: &str) -> Result<Arc<DeviceType>, UnknownDeviceType> {
        self.0.get(name).cloned().ok_or_else(|| {
            let distance = |known: &&String| strsim::damerau_levenshtein(known, name);
            let nearest = self.0.keys().min_by_key(distance);
            let nearest = nearest.filter(|near| distance(near) <= name.len().max(3) / 3).cloned();
            let known = self.0.keys().cloned().collect();
            UnknownDeviceType { name: name.to_owned(), known, nearest }
        })
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<DeviceType>> {
        self.0.values()
    }

    fn add(&mut self, file: &Path, text: &str, problems: &mut Vec<DeviceTypeProblem>) {
        let mut problem = |line, column, message| {
            problems.push(DeviceTypeProblem { file: file.to_owned(), line, column, message });
        };
        match yaml::read(text) {
            Ok(device_type) => {
                let place = |key: &str| {
                    let line = text.lines().position(|line| line.starts_with(key));
                    line.map_or(1, |line| line as u64 + 1)
                };
                let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
                if device_type.name != stem {
                    let name = &device_type.name;
                    let message = format!("the name is `{name}`, but the file is called `{stem}`");
                    problem(place("name:"), 1, message);
                }
                for message in device_type.contradictions() {
                    problem(place("tool:"), 1, message);
                }
                self.0.insert(device_type.name.clone(), Arc::new(device_type));
            }
            Err(error) => problem(error.line, error.column, error.message),
        }
    }

    fn unless(self, problems: Vec<DeviceTypeProblem>) -> Result<Self, DeviceTypeProblems> {
        if problems.is_empty() { Ok(self) } else { Err(DeviceTypeProblems(problems)) }
    }
}

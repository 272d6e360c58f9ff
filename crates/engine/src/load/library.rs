//! A workflow and all workflows that it calls, found in directories and pinned to each other.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
};

use super::{Diagnostics, Loaded, load_file, words};
use crate::{
    graph::{Catalogue, check},
    model::{Pointer, Problem, Version},
};

/// Where workflows are looked for: beside the file that refers to them, then in directories.
/// `workflow: provision-server` means `provision-server.yaml` or `provision-server.yml`.
#[derive(Clone, Debug, Default)]
pub struct Library {
    directories: Vec<PathBuf>,
}

/// A workflow and what it calls, directly or not.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Each once, those that are called before those that call them; the root is the last. All
    /// references are pinned to versions.
    pub workflows: Vec<Loaded>,
}

impl Bundle {
    /// The workflow that was asked for.
    pub fn root(&self) -> Option<&Loaded> {
        self.workflows.last()
    }

    /// Checks what needs the meaning of the workflows: executors and their inputs, expressions,
    /// the graph.
    ///
    /// # Errors
    /// All that is wrong with any of them.
    pub fn check(&self, catalogue: &dyn Catalogue) -> Result<(), Diagnostics> {
        let find = |name: &str| {
            let mut found = self.workflows.iter().map(|loaded| &loaded.workflow);
            found.find(|workflow| workflow.name == name)
        };
        let mut diagnostics = Diagnostics::default();
        for loaded in &self.workflows {
            let problems = check(&loaded.workflow, catalogue, &find);
            diagnostics.extend(loaded.source.diagnostics(problems));
        }
        if diagnostics.is_empty() { Ok(()) } else { Err(diagnostics) }
    }
}

impl Library {
    /// A library that looks beside the referring file only.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks in this directory too, after those that were named before.
    #[must_use]
    pub fn directory(mut self, path: impl Into<PathBuf>) -> Self {
        self.directories.push(path.into());
        self
    }

    /// Reads a file and all workflows that it calls.
    ///
    /// # Errors
    /// All that is wrong with any of them.
    pub fn load(&self, path: &Path) -> Result<Bundle, Diagnostics> {
        let mut search = Search::new(&self.directories);
        search.file(path);
        search.finish()
    }

    /// Reads all workflows that a workflow calls; `beside` is the directory it stands in.
    ///
    /// # Errors
    /// All that is wrong with any of them.
    pub fn resolve(&self, root: Loaded, beside: Option<&Path>) -> Result<Bundle, Diagnostics> {
        let mut search = Search::new(&self.directories);
        search.workflow(root, beside);
        search.finish()
    }
}

struct Search<'l> {
    directories: &'l [PathBuf],
    /// The files that are being read, each called by the one before.
    open: Vec<(PathBuf, String)>,
    /// Files that were read; `None` if something is wrong with them.
    done: HashMap<PathBuf, Option<Version>>,
    found: Vec<Loaded>,
    diagnostics: Diagnostics,
}

impl<'l> Search<'l> {
    /// Calls of calls beyond this are a mistake, and would end on the stack.
    const DEEPEST: usize = 32;

    fn new(directories: &'l [PathBuf]) -> Self {
        Self {
            directories,
            open: Vec::new(),
            done: HashMap::new(),
            found: Vec::new(),
            diagnostics: Diagnostics::default(),
        }
    }

    fn finish(self) -> Result<Bundle, Diagnostics> {
        if self.diagnostics.is_empty() {
            Ok(Bundle { workflows: self.found })
        } else {
            Err(self.diagnostics)
        }
    }

    /// The version of a file's workflow, which is read if it was not yet.
    fn file(&mut self, path: &Path) -> Option<Version> {
        let identity = identity(path);
        if let Some(version) = self.done.get(&identity) {
            return *version;
        }
        let version = match load_file(path) {
            Ok(loaded) => {
                self.check_name(&loaded, path);
                self.open.push((identity.clone(), loaded.workflow.name.clone()));
                let version = self.workflow(loaded, path.parent());
                self.open.pop();
                version
            }
            Err(problems) => {
                self.diagnostics.extend(problems);
                None
            }
        };
        self.done.insert(identity, version);
        version
    }

    /// A workflow that others call is found by its file's name. The one that was asked for may be
    /// called anything.
    fn check_name(&mut self, loaded: &Loaded, path: &Path) {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        if self.open.is_empty() || stem.as_deref() == Some(&loaded.workflow.name) {
            return;
        }
        let message = format!("the workflow in this file is called `{}`", loaded.workflow.name);
        let problem = Problem::new("name-mismatch", Pointer::root().key("workflow"), message)
            .label(format!("expected `{}`", stem.unwrap_or_default()))
            .help("a workflow that others call has the name of its file");
        self.diagnostics.extend(loaded.source.diagnostics(vec![problem]));
    }

    fn workflow(&mut self, mut loaded: Loaded, beside: Option<&Path>) -> Option<Version> {
        let mut problems = Vec::new();
        let mut complete = true;
        loaded.workflow.visit_calls(
            &mut |at, name, version| match self.reference(at, name, beside) {
                Ok(found) => {
                    complete &= found.is_some();
                    *version = found;
                }
                Err(problem) => problems.push(problem),
            },
        );
        complete &= problems.is_empty();
        self.diagnostics.extend(loaded.source.diagnostics(problems));
        let version = complete.then(|| loaded.workflow.version());
        self.found.push(loaded);
        version
    }

    fn reference(
        &mut self,
        at: &Pointer,
        name: &str,
        beside: Option<&Path>,
    ) -> Result<Option<Version>, Problem> {
        let Some(path) = self.find(name, beside) else {
            return Err(self.missing(at, name, beside));
        };
        let identity = identity(&path);
        if let Some(start) = self.open.iter().position(|(open, _)| *open == identity) {
            let names = self.open[start..].iter().map(|(_, name)| name.as_str());
            let circle: Vec<_> = names.chain([name]).collect();
            let message = format!("a workflow can't call itself: {}", circle.join(" → "));
            return Err(Problem::new("workflow-cycle", at.clone(), message)
                .label("closes the circle")
                .help("repetition inside of a workflow is a `map`"));
        }
        if self.open.len() >= Self::DEEPEST {
            let message = format!("more than {} workflows call each other", Self::DEEPEST);
            return Err(Problem::new("too-deep", at.clone(), message));
        }
        Ok(self.file(&path))
    }

    fn places<'p>(&'p self, beside: Option<&'p Path>) -> impl Iterator<Item = &'p Path> {
        beside.into_iter().chain(self.directories.iter().map(PathBuf::as_path))
    }

    fn find(&self, name: &str, beside: Option<&Path>) -> Option<PathBuf> {
        self.places(beside)
            .flat_map(|directory| ENDINGS.map(|ending| directory.join(format!("{name}.{ending}"))))
            .find(|path| path.is_file())
    }

    fn missing(&self, at: &Pointer, name: &str, beside: Option<&Path>) -> Problem {
        let names: BTreeSet<String> = self.places(beside).flat_map(names_in).collect();
        let problem =
            Problem::new("unknown-workflow", at.clone(), format!("no workflow `{name}` was found"));
        let problem = match words::nearest(name, names.iter().map(String::as_str)) {
            Some(near) => problem.label(format!("did you mean `{near}`?")),
            None => problem.label("not known here"),
        };
        let places: Vec<_> = self
            .places(beside)
            .map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path })
            .map(|path| path.display().to_string())
            .collect();
        problem.help(if places.is_empty() {
            "no directory was given to look in".to_owned()
        } else {
            format!("looked for {name}.yaml and {name}.yml in {}", places.join(", "))
        })
    }
}

const ENDINGS: [&str; 2] = ["yaml", "yml"];

/// The same for all ways to write a path.
fn identity(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// The workflows that a directory seems to hold. One that can't be read holds none.
fn names_in(directory: &Path) -> Vec<String> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known))
        })
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect()
}

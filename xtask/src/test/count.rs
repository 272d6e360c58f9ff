//! How many tests passed and failed, from what the runners report.

use std::{fmt, fs, ops::AddAssign, path::PathBuf};

use crate::workspace;

/// Passed and failed tests.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    passed: u64,
    failed: u64,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl Count {
    /// Reads a line `test result: ok. 3 passed; 0 failed; …`; any other line counts nothing.
    pub(super) fn of_libtest(line: &str) -> Self {
        let Some((_, summary)) = line.split_once("test result: ") else { return Self::default() };
        let before = |word| {
            let (front, _) = summary.split_once(word)?;
            front.split_whitespace().last()?.parse().ok()
        };
        Self { passed: before(" passed").unwrap_or(0), failed: before(" failed").unwrap_or(0) }
    }

    /// Reads the head of a report in the XML of JUnit.
    fn of_junit(xml: &str) -> Self {
        let head = xml.split_once("<testsuites").map_or("", |(_, rest)| rest);
        let head = head.split_once('>').map_or("", |(head, _)| head);
        let number = |name: &str| {
            let (_, rest) = head.split_once(&format!(" {name}=\""))?;
            rest.split_once('"')?.0.parse::<u64>().ok()
        };
        let failed = number("failures").unwrap_or(0) + number("errors").unwrap_or(0);
        Self { passed: number("tests").unwrap_or(0).saturating_sub(failed), failed }
    }
}

/// Nextest's reports, one for each of its profiles.
pub(super) struct Reports(PathBuf);

impl Reports {
    /// Deletes the reports of earlier runs, so that what is there afterwards is this run's.
    pub(super) fn clear() -> Self {
        // Nextest's own store stays in the workspace, wherever cargo builds.
        let reports = Self(workspace::root().join("target/nextest"));
        for path in reports.paths() {
            // One that is gone needs no deleting.
            let _ = fs::remove_file(path);
        }
        reports
    }

    pub(super) fn read(&self) -> Count {
        let mut count = Count::default();
        for xml in self.paths().filter_map(|path| fs::read_to_string(path).ok()) {
            count += Count::of_junit(&xml);
        }
        count
    }

    fn paths(&self) -> impl Iterator<Item = PathBuf> + use<> {
        let profiles = fs::read_dir(&self.0).into_iter().flatten().flatten();
        profiles.map(|profile| profile.path().join("junit.xml"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_summary_of_libtest() {
        let line =
            "test result: FAILED. 31 passed; 2 failed; 1 ignored; 0 measured; 4 filtered out";
        assert_eq!(Count::of_libtest(line), Count { passed: 31, failed: 2 });
        assert_eq!(Count::of_libtest("test a::passed ... ok"), Count::default());
    }

    #[test]
    fn reads_the_head_of_a_junit_report() {
        let xml = r#"<?xml version="1.0"?>
            <testsuites name="run" tests="12" failures="2" errors="1" uuid="x">
                <testsuite tests="99"/></testsuites>"#;
        assert_eq!(Count::of_junit(xml), Count { passed: 9, failed: 3 });
        assert_eq!(Count::of_junit(""), Count::default());
    }
}

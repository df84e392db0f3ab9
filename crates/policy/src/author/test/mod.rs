//! Tests of policies, as `opa test` has them: rules whose names begin with `test_` pass if they are true, those that begin with
//! `todo_test_` are skipped, and `with` puts a mock wherever one is needed.
//!
//! The directory may be a policy set of ours or a library that was written for another product: [`layout`] finds out which files
//! belong together, as that product does. Data documents stand where their folders say, manifests give parameters their defaults,
//! and a file `NAME.mock.json` beside `NAME.rego` holds cases that are tests as well ([`mock`]).
//!
//! Promises: one test never changes another's outcome, and a file that cannot be loaded fails the tests that need it and no others.
//! A test that takes longer than it may is an error, as long as the engine gets to look at the clock.
//!
//! Deliberately absent: a process around it. A test that eats all memory is the author's own.

mod data;
mod layout;
mod mock;
mod references;
mod render;
mod run;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::engine::{FileCoverage, Version};
use tree::Tree;

pub use tree::TreeError;

/// How tests are run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Only tests whose name has this text in it.
    pub only: Option<String>,
    /// How long one test may take.
    pub wall: Duration,
    /// Whether lines that were evaluated are told.
    pub coverage: bool,
    /// The version that files without `import rego.v1` are read as.
    pub version: Version,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            only: None,
            // What the reference implementation gives a test.
            wall: Duration::from_secs(5),
            coverage: false,
            version: Version::Either,
        }
    }
}

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is true.
    Passed,
    /// It is false or undefined.
    Failed,
    /// It could not be evaluated.
    Error,
    /// It is still to be done.
    Skipped,
}

/// One test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Test {
    /// The path of its rule, or of its case: `data.terraform.test_a`, `avmsec/a.mock.json: invalid_b`.
    pub name: String,
    /// The file that has it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, where it did not pass.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What it printed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prints: Vec<String>,
    /// How long it took, in milliseconds.
    pub time_ms: u64,
}

/// Which lines were evaluated.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Coverage {
    /// How many of a hundred.
    pub percent: f64,
    /// By file.
    pub files: Vec<FileCoverage>,
}

/// What came of all tests.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Tests that are true.
    pub passed: usize,
    /// Tests that are not.
    pub failed: usize,
    /// Tests that could not be evaluated.
    pub errors: usize,
    /// Tests that are still to be done.
    pub skipped: usize,
    /// All that were run.
    pub total: usize,
    /// One by one, by file and line.
    pub tests: Vec<Test>,
    /// Which lines were evaluated, if that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// What was passed over, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Report {
    /// Whether every test that was run passed, and there was one.
    pub fn is_passed(&self) -> bool {
        self.total > 0 && self.passed == self.total
    }

    fn of(mut tests: Vec<Test>, covered: Option<Lines>, notes: BTreeSet<String>) -> Report {
        tests.sort_by(|one, other| {
            (&one.file, one.line, &one.name).cmp(&(&other.file, other.line, &other.name))
        });
        let count = |outcome| tests.iter().filter(|it| it.outcome == outcome).count();
        let skipped = count(Outcome::Skipped);
        Report {
            passed: count(Outcome::Passed),
            failed: count(Outcome::Failed),
            errors: count(Outcome::Error),
            skipped,
            total: tests.len() - skipped,
            coverage: covered.map(coverage),
            notes: notes.into_iter().collect(),
            tests,
        }
    }
}

/// Lines by file: those that were evaluated, and those that could have been.
type Lines = BTreeMap<String, (BTreeSet<u32>, BTreeSet<u32>)>;

#[allow(clippy::cast_precision_loss, reason = "a percentage of lines")]
fn coverage(lines: Lines) -> Coverage {
    let mut files = Vec::new();
    let (mut of_all, mut all) = (0, 0);
    for (file, (covered, possible)) in lines {
        let not_covered: BTreeSet<u32> = possible.difference(&covered).copied().collect();
        of_all += covered.len();
        all += covered.len() + not_covered.len();
        files.push(FileCoverage {
            file,
            covered,
            not_covered,
        });
    }
    let percent = if all == 0 {
        100.0
    } else {
        of_all as f64 * 100.0 / all as f64
    };
    Coverage { percent, files }
}

/// Runs the tests of a directory.
///
/// # Errors
///
/// When the directory cannot be read, or has more in it than anybody tests at once.
pub fn run(directory: &Path, options: &Options) -> Result<Report, TreeError> {
    let tree = Tree::read(directory)?;
    let groups = layout::groups(&tree);
    let mut session = run::Session::new(&tree, options);
    let work = || {
        for group in &groups {
            session.group(group);
        }
        mock::cases(&mut session);
    };
    deep(work);
    Ok(session.report())
}

/// A stack for an engine that goes as deep as a policy does.
const STACK_BYTES: usize = 256 << 20;

/// Does it on a thread with a deep stack; if there can be none, here.
fn deep(work: impl FnOnce() + Send) {
    let slot = std::sync::Mutex::new(Some(work));
    let take = || {
        slot.lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take()
    };
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(STACK_BYTES);
        let spawned = builder.spawn_scoped(scope, || {
            if let Some(work) = take() {
                work();
            }
        });
        // Its end is waited for here; what a panic in it left undone stays undone, and the tests that are missing show it.
        if let Ok(thread) = spawned {
            let _ = thread.join();
        }
    });
    if let Some(work) = take() {
        work();
    }
}

//! The language behind one door: sources are loaded, a program is prepared with data, and asked for values.
//!
//! Promises: what [`load`] accepts was parsed, checked and rewritten once, and a [`Prepared`] is cheap to clone, so that one
//! program serves many inputs and many threads. An evaluation ends with a value, with "undefined" (`None`), or with an error that
//! names a code, a file and a line. Documents are parsed straight into the engine's own values and shared by count, never copied.
//!
//! Deliberately absent: limits on memory and on time spent inside a builtin, which only a process of its own can keep; see the worker.

use std::{collections::BTreeSet, fmt, time::Duration};

mod document;
mod regorus;
#[cfg(test)]
mod tests;

pub use self::{document::Document, regorus::Prepared};
pub use crate::load::{Program, load, load_as, load_replacing};

/// A file of Rego: where it was, as authors know it, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The path within the bundle; it is what messages name.
    pub path: String,
    /// The text, whichever version of the language it is written in.
    pub text: String,
}

/// Which version of the language a file without `import rego.v1` is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// As version 1 where that parses, otherwise as version 0.
    #[default]
    Either,
    /// Version 0: rule bodies without `if`, partial sets without `contains`.
    V0,
    /// Version 1.
    V1,
}

/// What is wrong with a file, said when it is published.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Diagnostic {
    /// The file, as [`Source::path`] named it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, in characters.
    pub column: u32,
    /// The rule in which it is, where it is in one.
    pub rule: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub next: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            message,
            next,
            ..
        } = self;
        write!(f, "{file}:{line}:{column}: ")?;
        if let Some(rule) = &self.rule {
            write!(f, "rule {rule}: ")?;
        }
        write!(f, "{message}; {next}")
    }
}

/// A rule of a program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleInfo {
    /// Its package, with dots and without `data.`: `terraform.aws`.
    pub package: String,
    /// Its name within the package, up to the first part that is not constant: `deny`, `allow.read`.
    pub name: String,
    /// The file that has it.
    pub file: String,
    /// The line of its head.
    pub line: u32,
    /// How many arguments it takes; `None` where it is no function.
    pub arity: Option<usize>,
    /// The path to ask for: `data.terraform.aws.deny`, with brackets and quotes where a part is no word.
    pub path: String,
}

/// What an evaluation may use. Memory, and time spent inside a builtin, are kept by the worker's process.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Time on the wall for one evaluation.
    pub wall: Duration,
    /// Whether an error of a builtin fails the evaluation instead of being undefined, as `opa eval --strict-builtin-errors` does.
    pub strict_builtin_errors: bool,
    /// Whether functions that read the world (clock, randomness) answer; otherwise a call of one fails the evaluation.
    pub impure: bool,
    /// What `time.now_ns` answers, so that a verdict can be had again; `None` leaves it to [`Limits::impure`].
    pub now_ns: Option<u64>,
    /// Whether lines that were evaluated are counted.
    pub coverage: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall: Duration::from_secs(10),
            strict_builtin_errors: false,
            impure: false,
            now_ns: None,
            coverage: false,
        }
    }
}

/// Why an evaluation has no answer. Codes are those of the language's reference implementation where it has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("{code}: {message}")]
pub struct EvalError {
    /// `eval_conflict_error`, `eval_type_error`, `eval_builtin_error`, `eval_cancel_error` (time), `eval_internal_error`,
    /// `rego_compile_error`.
    pub code: String,
    /// What happened, with file and line where they are known.
    pub message: String,
}

impl EvalError {
    /// Where it happened, where that is known: file, line, column.
    pub fn location(&self) -> Option<(&str, u32, u32)> {
        let mut parts = self.message.splitn(4, ':');
        let (file, line, column) = (parts.next()?, parts.next()?, parts.next()?);
        Some((file, line.parse().ok()?, column.parse().ok()?))
    }
}

/// What lines of a file were evaluated.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FileCoverage {
    /// The file, as [`Source::path`] named it.
    pub file: String,
    /// Lines that were evaluated, from 1.
    pub covered: BTreeSet<u32>,
    /// Lines that could have been and were not.
    pub not_covered: BTreeSet<u32>,
}

/// What answers: the engine in this process, or another one with the same contract.
pub trait Engine {
    /// The engine and its version, as it stands in verdicts: `regorus 0.14.1`.
    fn name(&self) -> String;

    /// What each path is under this input: `None` where it is undefined.
    fn eval(
        &mut self,
        paths: &[String],
        input: &Document,
    ) -> Result<Vec<Option<serde_json::Value>>, EvalError>;
}

/// The engine that is built in, and its version.
pub const NAME: &str = "regorus 0.14.1";

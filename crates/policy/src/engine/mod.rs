//! The language behind one door: sources are loaded, a program is prepared with data, and asked for values.
//!
//! Promises: what [`load`] accepts was parsed, checked and rewritten once, and a [`Prepared`] is cheap to clone, so that one
//! program serves many inputs and many threads. An evaluation ends with a value, with "undefined" (`None`), or with an error that
//! names a code, a file and a line. Documents are parsed straight into the engine's own values and shared by count, never copied.
//!
//! Deliberately absent: limits on memory and on time spent inside a builtin, which only a process of its own can keep; see the worker.

use std::{collections::BTreeSet, fmt, time::Duration};

mod regorus;

pub use self::regorus::{Document, Prepared};
pub use crate::load::{Program, load};

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
        let Self { file, line, column, message, next, .. } = self;
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
    /// Whether functions that read the world (clock, randomness, network) answer; otherwise they are undefined.
    pub impure: bool,
    /// Whether lines that were evaluated are counted.
    pub coverage: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { wall: Duration::from_secs(10), strict_builtin_errors: false, impure: false, coverage: false }
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
    fn eval(&mut self, paths: &[String], input: &Document) -> Result<Vec<Option<serde_json::Value>>, EvalError>;
}

/// The engine that is built in, and its version.
pub const NAME: &str = "regorus 0.14.1";

/* Signatures of what is re-exported above, for those who write against it:

pub fn load(sources: &[Source]) -> Result<Program, Vec<Diagnostic>>;
pub fn load_as(sources: &[Source], version: Version) -> Result<Program, Vec<Diagnostic>>;   // crate::load::load_as

impl Program {                       // Clone, Send, Sync
    pub fn prepare(&self, data: Document, limits: Limits) -> Result<Prepared, EvalError>;
    pub fn packages(&self) -> BTreeSet<String>;                 // "terraform.aws"
    pub fn rules(&self) -> impl Iterator<Item = &RuleInfo>;     // one per definition (a name can be there more than once)
    pub fn builtins(&self) -> &BTreeSet<String>;                // every builtin that is called anywhere
}

impl Prepared {                      // Clone (cheap), Send
    pub fn set_input(&mut self, input: Document);               // without it the input is undefined
    pub fn eval(&mut self, path: &str) -> Result<Option<serde_json::Value>, EvalError>;     // "data.terraform.deny"; sets come as sorted arrays
    pub fn eval_document(&mut self, path: &str) -> Result<Option<Document>, EvalError>;     // the same, not turned into JSON
    pub fn eval_query(&mut self, query: &str) -> Result<Vec<BTreeMap<String, serde_json::Value>>, EvalError>;   // bindings of each solution
    pub fn coverage(&self) -> Result<Vec<FileCoverage>, EvalError>;                         // Limits::coverage must be on
    pub fn prints(&mut self) -> Vec<String>;                    // what print() said since the last call
}

impl Document {                      // Clone (cheap), Send, Sync, Default = undefined
    pub fn from_json(text: &str) -> Result<Document, EvalError>;
    pub fn from_value(value: serde_json::Value) -> Document;    // for small ones
    pub fn object() -> Document;                                // {}
    pub fn get(&self, path: &[&str]) -> Option<Document>;       // shares, copies nothing
    pub fn with(self, key: &str, value: Document) -> Document;  // one member put or replaced, the rest shared
    pub fn without(self, key: &str) -> Document;
    pub fn entries(&self) -> Vec<(String, Document)>;           // members of an object
    pub fn items(&self) -> Vec<Document>;                       // of an array or a set
    pub fn as_str(&self) -> Option<&str>;  pub fn as_f64(&self) -> Option<f64>;  pub fn as_bool(&self) -> Option<bool>;
    pub fn is_undefined(&self) -> bool;
    pub fn to_value(&self) -> serde_json::Value;
    pub fn merge(self, other: Document) -> Document;            // objects member by member, the other's leaves win
}
*/

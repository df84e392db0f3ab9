//! The language's own conformance suite, run against the whole: loader, engine and builtins.
//!
//! A directory of JSON files, one per folder of the suite, each with cases: modules, data, input, a question, and the answers or the
//! error that the reference implementation gives. A case that wants an error counts only with the wanted code; a builtin that is
//! missing is a failure like any other. Two families are left out on purpose and counted apart ([`EXCLUDED`]).
//!
//! Deliberately absent: the suite itself. It is read from where it is.

mod compare;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::engine::{Document, EvalError, Limits, Source, Version, load_replacing};

/// Folders that are not scored: families that are refused at publish.
pub const EXCLUDED: [&str; 2] = ["graphql", "providers-aws"];

/// The instant of every evaluation: late enough for every token and certificate of the suite that must be valid or over.
const NOW_NS: u64 = 1_767_225_600_000_000_000;
/// A case takes milliseconds; one that takes this long hangs.
const CASE_WALL: Duration = Duration::from_secs(20);
/// Bytes of the stack that cases run on: some nest on purpose.
const STACK_BYTES: usize = 256 << 20;

/// What the suite says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Score {
    /// Cases whose answers are the wanted ones.
    pub passed: usize,
    /// Cases that were run.
    pub total: usize,
    /// Cases that were left out.
    pub excluded: usize,
    /// Cases that failed.
    pub failures: Vec<Failed>,
}

/// A case that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// The file it is in, without its extension.
    pub folder: String,
    /// Its name.
    pub note: String,
    /// Why.
    pub reason: String,
}

/// Why the suite could not be run.
#[derive(Debug, thiserror::Error)]
pub enum Unscored {
    /// The directory or a file in it cannot be read.
    #[error("the suite cannot be read: {0}; name the directory that holds its JSON files")]
    Unread(#[from] std::io::Error),
    /// A file is no suite.
    #[error("{file} is no file of the suite: {message}; give it as it was published")]
    Malformed {
        /// The file.
        file: String,
        /// What is wrong with it.
        message: String,
    },
}

/// Runs the cases of a directory.
pub fn score(directory: &Path) -> Result<Score, Unscored> {
    let mut files = Vec::new();
    for entry in fs_err::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "json") {
            files.push(path);
        }
    }
    files.sort();
    let mut score = Score::default();
    for path in files {
        let folder = path
            .file_stem()
            .map(|it| it.to_string_lossy().into_owned())
            .unwrap_or_default();
        let malformed = |message: String| Unscored::Malformed {
            file: path.display().to_string(),
            message,
        };
        let text = fs_err::read_to_string(&path)?;
        let document = Document::from_json(&text).map_err(|it| malformed(it.to_string()))?;
        let cases = document
            .get(&["cases"])
            .ok_or_else(|| malformed("it has no cases".to_owned()))?
            .items();
        if EXCLUDED.contains(&folder.as_str()) {
            score.excluded += cases.len();
            continue;
        }
        for case in cases {
            score.total += 1;
            match run(&case) {
                Ok(()) => score.passed += 1,
                Err(reason) => score.failures.push(Failed {
                    folder: folder.clone(),
                    note: text_of(&case, "note"),
                    reason,
                }),
            }
        }
    }
    Ok(score)
}

fn text_of(case: &Document, key: &str) -> String {
    case.get(&[key])
        .and_then(|it| it.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// On a stack of its own, and with a panic as a failure.
fn run(case: &Document) -> Result<(), String> {
    let case = case.clone();
    let thread = std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || {
            catch_unwind(AssertUnwindSafe(|| judge(&case)))
                .unwrap_or_else(|_| Err("the engine panicked".to_owned()))
        });
    match thread.map(std::thread::JoinHandle::join) {
        Ok(Ok(result)) => result,
        _ => Err("the case could not be run".to_owned()),
    }
}

fn judge(case: &Document) -> Result<(), String> {
    let answers = answers(case);
    match (case.get(&["want_error_code"]), answers) {
        (Some(code), Err(error)) if code.as_str() == Some(error.code.as_str()) => Ok(()),
        (Some(code), Err(error)) => Err(format!(
            "wanted {}, got {error}",
            code.as_str().unwrap_or_default()
        )),
        (Some(code), Ok(_)) => Err(format!(
            "wanted {}, got an answer",
            code.as_str().unwrap_or_default()
        )),
        // A few cases want an error and leave its code open.
        (None, Err(_)) if case.get(&["want_error"]).is_some() => Ok(()),
        (None, Ok(_)) if case.get(&["want_error"]).is_some() => {
            Err("wanted an error, got an answer".to_owned())
        }
        (None, Err(error)) => Err(error.to_string()),
        (None, Ok(answers)) => match case.get(&["want_result"]) {
            Some(wanted) => {
                compare::answers(&answers, &wanted.items(), is_set(case, "sort_bindings"))
            }
            None => Ok(()),
        },
    }
}

fn is_set(case: &Document, key: &str) -> bool {
    case.get(&[key]).and_then(|it| it.as_bool()) == Some(true)
}

fn answers(case: &Document) -> Result<Vec<compare::Answer>, EvalError> {
    let limits = Limits {
        wall: CASE_WALL,
        strict_builtin_errors: is_set(case, "strict_error"),
        impure: true,
        now_ns: Some(NOW_NS),
        ..Limits::default()
    };
    let modules = case
        .get(&["modules"])
        .map(|it| it.items())
        .unwrap_or_default();
    let sources: Vec<Source> = modules
        .iter()
        .enumerate()
        .map(|(index, it)| Source {
            path: format!("module{index}.rego"),
            text: it.as_str().unwrap_or_default().to_owned(),
        })
        .collect();
    let program = load_replacing(&sources, Version::V1, &std::collections::BTreeSet::new())
        .map_err(|wrong| EvalError {
            code: "rego_compile_error".to_owned(),
            message: wrong
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n"),
        })?;
    let mut prepared = program.prepare(
        case.get(&["data"])
            .filter(|it| !it.entries().is_empty())
            .unwrap_or_default(),
        limits,
    )?;
    if let Some(term) = case.get(&["input_term"]) {
        let input = prepared.eval_document(term.as_str().unwrap_or_default())?;
        prepared.set_input(input.unwrap_or_default());
    } else if let Some(input) = case.get(&["input"]) {
        prepared.set_input(input);
    }
    prepared.eval_bindings(&text_of(case, "query"))
}

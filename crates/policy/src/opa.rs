//! The operator's own `opa` as a second engine: the same request, the same questions, the same judging.
//!
//! It is for those who want the reference implementation's answer, and to compare: [`compare`] says where the two engines differ. The
//! binary is the operator's, so it is trusted as much as the server's own; still it gets an empty environment, a directory of its own,
//! and a limited time, and what goes wrong with it is an error of every policy that it was asked for.
//!
//! Deliberately absent: finding or fetching the binary, and the limits of a [worker](crate::worker). Its documents go through files,
//! as that is how `opa` takes them.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use fs_err as fs;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::assess::evaluate::{self, Questions};
use crate::assess::task::{Event, Found, Rego, Task};
use crate::assess::{Answers, Limits, Request};
use crate::input::Parsed;
use crate::verdict::{Outcome, Verdict};

/// What is read of an answer.
const ANSWER_BYTES_MAX: u64 = 128 << 20;

/// What is shown of an error.
const WORDS_BYTES_MAX: u64 = 4 << 10;

/// How often it is looked whether it ended.
const LOOK: Duration = Duration::from_millis(5);

/// The other engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opa {
    /// The binary.
    pub program: PathBuf,
    /// An existing directory in which files are put for as long as an evaluation takes.
    pub temporary: PathBuf,
    /// The time of one evaluation.
    pub wall: Duration,
}

impl Opa {
    /// What the binary calls itself: `opa 1.2.0`.
    ///
    /// # Errors
    ///
    /// When it does not start, or says something else.
    pub fn version(&self) -> io::Result<String> {
        let output = self.run(&["version".into()], self.temporary.as_path())?;
        let text = String::from_utf8_lossy(&output);
        let line = text.lines().find_map(|line| line.strip_prefix("Version:"));
        let version = line.ok_or_else(|| {
            io::Error::other(format!(
                "{} does not say its version",
                self.program.display()
            ))
        })?;
        Ok(format!("opa {}", version.trim()))
    }

    /// Assesses a request as [`crate::assess::assess`] does, with `opa` for the engine.
    pub fn assess(&self, request: &Request) -> Vec<Verdict> {
        let mut answers = Answers::of(request);
        let engine = match self.version() {
            Ok(version) => version,
            Err(error) => {
                answers.silence = format!("it was not evaluated: {error}");
                return answers.judge(request, "opa");
            }
        };
        let within = Limits {
            wall: self.wall,
            threads: 1,
        };
        let parsed = Parsed::read(&request.input.documents, request.input.context.clone());
        match (Task::new(request, &within), parsed) {
            (Ok(task), Ok(parsed)) => {
                let heard = Mutex::new(Vec::new());
                let hear = |event| {
                    if let Ok(mut heard) = heard.lock() {
                        heard.push(event);
                    }
                };
                evaluate::evaluate_with(&task, &parsed, &hear, &|questions| self.ask(questions));
                let heard: Vec<Event> = heard.into_inner().unwrap_or_default();
                for event in heard {
                    answers.hear(event);
                }
            }
            (Err(error), _) => answers.silence = error.to_string(),
            (_, Err(error)) => answers.silence = error.to_string(),
        }
        answers.judge(request, &engine)
    }

    /// Asks all questions of one program.
    fn ask(&self, questions: &Questions<'_>) -> Result<Vec<Found>, String> {
        let place = Place::new(&self.temporary).map_err(|error| error.to_string())?;
        let answered = self
            .ask_in(questions, &place.0)
            .map_err(|error| error.to_string())?;
        let Answer { result, errors } =
            serde_json::from_slice(&answered).map_err(|error| format!("opa answers {error}"))?;
        if let Some(error) = errors.first() {
            return Err(error.to_string());
        }
        let binding = result.into_iter().next().map(|it| it.bindings);
        let mut found = binding.ok_or("opa gives no answer")?;
        let each = (0..questions.queries.len()).map(|at| match found.remove(&format!("a{at}")) {
            Some(Value::Array(list)) => list
                .into_iter()
                .next()
                .map_or(Found::Undefined, Found::Value),
            _ => Found::Undefined,
        });
        Ok(each.collect())
    }

    fn ask_in(&self, questions: &Questions<'_>, place: &Path) -> io::Result<Vec<u8>> {
        let mut arguments: Vec<String> = ["eval", "--format", "json"].map(String::from).into();
        if questions.rego == Rego::V0 {
            arguments.push("--v0-compatible".into());
        }
        for (at, source) in questions.sources.iter().enumerate() {
            // Messages name the file; the number keeps two of one name apart.
            let path = place.join(format!("{at}")).join(&source.path);
            fs::create_dir_all(path.parent().unwrap_or(place))?;
            fs::write(&path, &source.text)?;
            arguments.extend(["--data".into(), path.to_string_lossy().into_owned()]);
        }
        for (name, document, option) in [
            ("data.json", questions.data, "--data"),
            ("input.json", questions.input, "--input"),
        ] {
            let path = place.join(name);
            fs::write(&path, document.to_json())?;
            arguments.extend([option.into(), path.to_string_lossy().into_owned()]);
        }
        let asked = questions.queries.iter().enumerate();
        let asked: Vec<String> = asked
            .map(|(at, query)| format!("a{at} = [x{at} | x{at} = {query}]"))
            .collect();
        arguments.push(asked.join("; "));
        self.run(&arguments, place)
    }

    /// Runs it, for its time and no longer.
    fn run(&self, arguments: &[String], directory: &Path) -> io::Result<Vec<u8>> {
        let program = self.program.display();
        let mut child = Command::new(&self.program)
            .args(arguments)
            .env_clear()
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))?;
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let until = Instant::now() + self.wall;
        thread::scope(|scope| {
            let output = scope.spawn(|| gather(output, ANSWER_BYTES_MAX));
            let errors = scope.spawn(|| gather(errors, WORDS_BYTES_MAX));
            let status = loop {
                if let Some(status) = child.try_wait()? {
                    break Some(status);
                }
                if Instant::now() >= until {
                    child.kill()?;
                    child.wait()?;
                    break None;
                }
                thread::sleep(LOOK);
            };
            let output = output.join().unwrap_or_default();
            let words = errors.join().unwrap_or_default();
            match status {
                None => Err(io::Error::other(format!(
                    "{program} took longer than {} s",
                    self.wall.as_secs()
                ))),
                // With errors in a policy it ends with 2, and says them in its answer.
                Some(status) if status.success() || output.first() == Some(&b'{') => Ok(output),
                Some(status) => {
                    let words = String::from_utf8_lossy(&words);
                    Err(io::Error::other(format!(
                        "{program}: {status}: {}",
                        words.trim()
                    )))
                }
            }
        })
    }
}

/// Reads to the end, and keeps what may be kept.
fn gather(from: Option<impl Read>, bytes_max: u64) -> Vec<u8> {
    let mut kept = Vec::new();
    if let Some(mut from) = from {
        // What could not be read is missing from the answer, which then cannot be understood.
        let _ = from.by_ref().take(bytes_max).read_to_end(&mut kept);
        let _ = io::copy(&mut from, &mut io::sink());
    }
    kept
}

/// What `opa eval` says.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    result: Vec<Bound>,
    #[serde(default)]
    errors: Vec<Value>,
}

#[derive(Deserialize)]
struct Bound {
    #[serde(default)]
    bindings: BTreeMap<String, Value>,
}

/// A directory that goes away.
struct Place(PathBuf);

impl Place {
    fn new(within: &Path) -> io::Result<Place> {
        for number in 0..u32::MAX {
            let path = within.join(format!("opa-{}-{number}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => {
                    let place = Place(path);
                    // What is put there is nobody else's on the machine.
                    fs::set_permissions(&place.0, Permissions::from_mode(0o700))?;
                    return Ok(place);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("there is no free name"))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Somebody may have taken it away already.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A policy about which the engines do not agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The set.
    pub set: String,
    /// The policy.
    pub policy: String,
    /// What one says: how it ended, and its messages.
    pub one: (Outcome, Vec<String>),
    /// What the other says.
    pub other: (Outcome, Vec<String>),
}

/// Where two engines that were asked the same do not agree. Words of an error are each engine's own, and do not count.
pub fn compare(one: &[Verdict], other: &[Verdict]) -> Vec<Difference> {
    let (one, mut other) = (by_policy(one), by_policy(other));
    let mut differences = Vec::new();
    let nothing = || (Outcome::Error, Vec::new());
    for ((set, policy), said) in one {
        let also = other
            .remove(&(set.clone(), policy.clone()))
            .unwrap_or_else(nothing);
        if said != also {
            differences.push(Difference {
                set,
                policy,
                one: said,
                other: also,
            });
        }
    }
    for ((set, policy), said) in other {
        differences.push(Difference {
            set,
            policy,
            one: nothing(),
            other: said,
        });
    }
    differences
}

type Said = (Outcome, Vec<String>);

fn by_policy(verdicts: &[Verdict]) -> BTreeMap<(String, String), Said> {
    let results = verdicts
        .iter()
        .flat_map(|verdict| verdict.results.iter().map(|it| (verdict.set.clone(), it)));
    results
        .map(|(set, result)| {
            let texts = match result.outcome {
                Outcome::Error => Vec::new(),
                Outcome::Passed | Outcome::Failed => {
                    result.messages.iter().map(|it| it.text.clone()).collect()
                }
            };
            ((set, result.policy.clone()), (result.outcome, texts))
        })
        .collect()
}

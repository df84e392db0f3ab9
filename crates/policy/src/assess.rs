//! Assessing a run: policy sets and an input in, a verdict for each set out.
//!
//! [`assess`] does it in this process, which is for authors with their own policies. What a stranger wrote is assessed by a
//! [worker](crate::worker), with the same [`Request`] and the same verdicts: both are told a [`task::Task`], both evaluate it by
//! [`evaluate`], and both leave judging to [`crate::verdict`]. A worker is not asked what a result weighs: it gives values, and the
//! process that started it makes the verdict of them.
//!
//! Promises: documents are parsed once and shared; each set has an engine of its own, and sets are evaluated in parallel; whatever
//! goes wrong with one policy leaves the others their answers.
//!
//! Deliberately absent: choosing which sets are in force.

mod asked;
pub mod check;
pub(crate) mod evaluate;
mod few;
pub(crate) mod task;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::bundle::{Bundle, Digest};
use crate::input::{Input, Parsed, canonical};
use crate::manifest::{Entity, Level, Manifest, ManifestError, Values};
use crate::verdict::{About, Location, Verdict, judge};
use task::{Event, Said, Task};

/// Opens the digest of a set.
const FORMAT: &str = "statehouse policy set 1";

/// A policy set that is in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    /// Its name in the organization.
    pub name: String,
    /// Its files.
    pub bundle: Arc<Bundle>,
    /// What they say of themselves, with the parameters that the set is given.
    pub manifest: Manifest,
    /// The most that any of its policies can weigh.
    pub level_max: Level,
    /// What does not count.
    pub exceptions: Vec<Exception>,
}

impl Set {
    /// A set as its bundle describes it, with parameters from outside.
    ///
    /// # Errors
    ///
    /// When the bundle cannot be understood, or a parameter is unknown, missing or of another type.
    pub fn new(name: &str, bundle: Arc<Bundle>, parameters: Values) -> Result<Set, ManifestError> {
        let mut manifest = Manifest::read(&bundle)?;
        manifest.give(parameters);
        manifest.parameters()?;
        Ok(Set {
            name: name.to_owned(),
            bundle,
            manifest,
            level_max: Level::HardMandatory,
            exceptions: Vec::new(),
        })
    }

    /// SHA-256 over all that decides beside the input: the bundle, its parameters, the most that it can weigh, and its exceptions.
    pub fn digest(&self) -> Digest {
        let all = json!([
            FORMAT,
            self.name,
            self.bundle.digest(),
            self.manifest.values,
            self.level_max,
            self.exceptions,
        ]);
        Digest::of(canonical(&all).as_bytes())
    }
}

/// Something that a policy objects to and that is allowed for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exception {
    /// The policy.
    pub policy: String,
    /// The resource, with `*` for any letters; empty for an objection that is about none.
    pub address: String,
    /// When it ends, in microseconds since 1970.
    pub until_us: i64,
    /// Why it was made.
    pub reason: String,
}

impl Exception {
    pub(crate) fn holds(&self, policy: &str, address: &str, timestamp_ns: i64) -> bool {
        self.policy == policy
            && timestamp_ns.div_euclid(1_000) < self.until_us
            && matches(&self.address, address)
    }

    pub(crate) fn words(&self) -> String {
        let until = statehouse_model::instant::format(self.until_us);
        let until = until.unwrap_or_else(|| self.until_us.to_string());
        format!("excepted until {until}: {}", self.reason)
    }
}

/// Whether a text is what a pattern with `*` describes. Backs up to the last star only, so that no pattern takes long.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        if let Some(before) = last.replace(part) {
            let Some((_, after)) = rest.split_once(before) else {
                return false;
            };
            rest = after;
        }
    }
    last.map_or(rest.is_empty(), |last| rest.ends_with(last))
}

/// What is to be assessed.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The sets that are in force.
    pub sets: Vec<Set>,
    /// What is judged now. A policy of another entity has no part in it.
    pub entities: Vec<Entity>,
    /// What is judged.
    pub input: Input,
}

/// What evaluating may take inside one process. What a process may take is a matter of [`crate::worker::Limits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time for the policies of one set, kept by the engine between its steps.
    pub wall: Duration,
    /// Sets that are evaluated at once.
    pub threads: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            wall: Duration::from_secs(30),
            threads: 2,
        }
    }
}

/// Assesses a request in this process: nothing stops a policy here that eats memory or ends the process.
pub fn assess(request: &Request, limits: &Limits) -> Vec<Verdict> {
    let mut ledger = Answers::of(request);
    match Task::new(request, limits) {
        Err(error) => ledger.silence = error.to_string(),
        Ok(task) => {
            let answers = Mutex::new(ledger);
            let parsed = Parsed::read(&request.input.documents, request.input.context.clone());
            let hear = |event| {
                let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
                answers.hear(event);
            };
            match parsed {
                Ok(parsed) => evaluate::evaluate(&task, &parsed, &hear),
                Err(error) => hear(Event::Unreadable {
                    message: error.to_string(),
                }),
            }
            ledger = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
        }
    }
    ledger.judge(request, crate::engine::NAME)
}

/// What was heard so far, by set and policy.
pub(crate) struct Answers {
    said: Vec<Vec<Option<Said>>>,
    /// Policies that were begun, and not ended.
    begun: Vec<(usize, usize, Option<Location>)>,
    /// Why whoever said nothing did not.
    pub(crate) silence: String,
}

impl Answers {
    pub(crate) fn of(request: &Request) -> Answers {
        let absent = |entity| (!request.entities.contains(&entity)).then_some(Said::Absent);
        let policies = |set: &Set| {
            set.manifest
                .policies
                .iter()
                .map(|it| absent(it.entity))
                .collect()
        };
        Answers {
            said: request.sets.iter().map(policies).collect(),
            begun: Vec::new(),
            silence: String::from("it was not evaluated"),
        }
    }

    pub(crate) fn hear(&mut self, event: Event) {
        match event {
            Event::Begun {
                set,
                policies,
                location,
            } => {
                // The last word counts: first those of a whole program, then those that are asked for themselves.
                self.begun.retain(|(other, ..)| *other != set);
                let begun = policies.into_iter();
                self.begun
                    .extend(begun.map(|policy| (set, policy, location.clone())));
            }
            Event::Said { set, policy, said } => {
                self.begun.retain(|it| (it.0, it.1) != (set, policy));
                let place = self.said.get_mut(set).and_then(|set| set.get_mut(policy));
                // The first word counts: a worker cannot take one back.
                if let Some(place @ None) = place {
                    *place = Some(said);
                }
            }
            Event::Unreadable { message } => self.silence = message,
            Event::Ended(_) => {}
        }
    }

    /// Gives every policy that was being evaluated this for an answer.
    pub(crate) fn fail_begun(&mut self, words: &str) {
        for (set, policy, location) in std::mem::take(&mut self.begun) {
            let message = words.to_owned();
            let said = Said::Failed { message, location };
            self.hear(Event::Said { set, policy, said });
        }
    }

    /// Whether any policy was being evaluated.
    pub(crate) fn has_begun(&self) -> bool {
        !self.begun.is_empty()
    }

    /// Forgets what was begun, to try again.
    pub(crate) fn forget_begun(&mut self) {
        self.begun.clear();
    }

    /// Whether something was said for this one.
    pub(crate) fn has(&self, set: usize, policy: usize) -> bool {
        let place = self.said.get(set).and_then(|set| set.get(policy));
        place.is_some_and(Option::is_some)
    }

    /// A verdict for each set, by name.
    pub(crate) fn judge(self, request: &Request, engine: &str) -> Vec<Verdict> {
        let (input, circumstances) = request.input.digests();
        let about = About {
            engine,
            input,
            circumstances,
            timestamp_ns: request.input.context.timestamp_ns,
        };
        let silence = &self.silence;
        let pairs = request.sets.iter().zip(self.said);
        let mut verdicts: Vec<Verdict> = pairs
            .map(|(set, said)| judge(set, said, silence, &about))
            .collect();
        verdicts
            .sort_by(|one, other| (&one.set, one.policy_set).cmp(&(&other.set, other.policy_set)));
        verdicts
    }
}

//! Verdicts: what a policy set says of a run, in a form that can be signed.
//!
//! Promises, each of which a test holds:
//!
//! - **It fails closed.** A question whose answer is undefined, an error, of an unknown shape, or not there at all is an error of its
//!   policy, and an error weighs as much as the policy itself. Nothing passes because nothing was said.
//! - **A result can only weigh less** than its policy: a warning is advisory, a message may name a lower level for itself, an exception
//!   lowers to advisory; a higher one is never taken.
//! - **The same answers give the same bytes**: results by name, messages by weight and text, no time and no duration anywhere.
//!
//! Deliberately absent: overrides. Who may say that a run goes on although a policy failed is the server's question; what an override
//! is bound to is [`Message::digest`], [`Verdict::policy_set`] and [`Verdict::input`].

pub(crate) mod shape;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::assess::task::{Answer, Found, Said};
use crate::assess::{Exception, Set};
use crate::bundle::Digest;
use crate::manifest::{Level, Policy, Role};

/// Messages that a result keeps. A person reads a few; the rest is counted.
pub(crate) const MESSAGES_MAX: usize = 1_000;

/// Where something is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Location {
    /// The file, as the bundle names it.
    pub file: String,
    /// The line, from 1; 0 where only the file is known.
    pub line: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.file, self.line)
    }
}

/// How a policy ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It has no objection.
    Passed,
    /// It has one.
    Failed,
    /// It could not say.
    Error,
}

/// What all results of a set come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Summary {
    /// Every policy passed.
    Passed,
    /// There is something to read.
    Advised,
    /// It waits for an override.
    SoftFailed,
    /// It goes no further.
    HardFailed,
}

impl Summary {
    /// Whether the run stops here, for a while or for good.
    pub fn blocks(self) -> bool {
        self >= Summary::SoftFailed
    }
}

impl From<Level> for Summary {
    fn from(level: Level) -> Summary {
        match level {
            Level::Advisory => Summary::Advised,
            Level::SoftMandatory => Summary::SoftFailed,
            Level::HardMandatory => Summary::HardFailed,
        }
    }
}

/// One objection, or what went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// How much it weighs.
    pub level: Level,
    /// In the author's words, without letters that cannot be seen.
    pub text: String,
    /// The resource that it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub address: Option<String>,
    /// The question that it answers.
    pub query: String,
    /// Why it weighs nothing more than advice, where an exception says so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub excepted: Option<String>,
    /// What else the policy said of it.
    #[serde(skip_serializing_if = "Map::is_empty", default)]
    pub metadata: Map<String, Value>,
}

impl Message {
    /// What an override of this message is bound to: its text and its address.
    pub fn digest(&self) -> Digest {
        let address = self.address.as_deref().unwrap_or_default();
        let words = serde_json::json!([self.query, address, self.text]);
        Digest::of(words.to_string().as_bytes())
    }

    fn order(&self) -> impl Ord + use<> {
        let Message {
            level,
            text,
            address,
            query,
            ..
        } = self;
        let metadata = serde_json::to_string(&self.metadata).unwrap_or_default();
        (
            std::cmp::Reverse(*level),
            text.clone(),
            address.clone(),
            query.clone(),
            metadata,
        )
    }
}

/// What one policy says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyResult {
    /// Its name.
    pub policy: String,
    /// Its name for people.
    pub title: String,
    /// How much the result weighs: the policy's own level where it passed.
    pub level: Level,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, heaviest first.
    pub messages: Vec<Message>,
    /// How many more there were.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub messages_left_out: u64,
    /// Where the policy is written.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub location: Option<Location>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What a policy set says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The set's name.
    pub set: String,
    /// All that decides beside the input: bundle, parameters, weight and exceptions; see [`Set::digest`].
    pub policy_set: Digest,
    /// Its files.
    pub bundle: Digest,
    /// What evaluated it.
    pub engine: String,
    /// What was judged, without what changes between a plan and its apply; see [`crate::input::Input::digest`].
    pub input: Digest,
    /// Everything that policies could see; see [`crate::input::Input::digests`].
    pub circumstances: Digest,
    /// What it comes to.
    pub summary: Summary,
    /// What each policy says, by name.
    pub results: Vec<PolicyResult>,
}

impl Verdict {
    /// The bytes that are signed: the same for the same verdict, whichever build wrote them.
    pub fn to_bytes(&self) -> Vec<u8> {
        let value = serde_json::to_value(self).unwrap_or_default();
        crate::input::canonical(&value).into_bytes()
    }
}

/// Which run a verdict is about, and what said it.
pub(crate) struct About<'a> {
    pub(crate) engine: &'a str,
    pub(crate) input: Digest,
    pub(crate) circumstances: Digest,
    /// For exceptions, which end.
    pub(crate) timestamp_ns: i64,
}

/// Judges a set by what its policies said, in the order in which it lists them. Who said nothing failed, for the reason that is given.
pub(crate) fn judge(
    set: &Set,
    said: Vec<Option<Said>>,
    silence: &str,
    about: &About<'_>,
) -> Verdict {
    let mut said = said.into_iter();
    let mut results = Vec::new();
    let mut nothing_asked = Vec::new();
    for policy in &set.manifest.policies {
        let weighing = Weighing {
            set,
            policy,
            timestamp_ns: about.timestamp_ns,
        };
        match said.next().flatten() {
            Some(Said::Absent) => {}
            Some(Said::Answers { answers, .. }) if answers.is_empty() && !policy.named => {
                nothing_asked.push(policy);
            }
            said => results.push(weighing.result(said, silence)),
        }
    }
    if results.is_empty()
        && let Some(&policy) = nothing_asked.first()
    {
        let weighing = Weighing {
            set,
            policy,
            timestamp_ns: about.timestamp_ns,
        };
        results.push(weighing.error("no package of the set has a rule `deny`, `violation` or `warn`; write one, or name the entrypoints in `statehouse.toml`", None));
    }
    results.sort_by(|one, other| one.policy.cmp(&other.policy));
    let weight = |result: &PolicyResult| match result.outcome {
        Outcome::Passed => Summary::Passed,
        Outcome::Failed | Outcome::Error => result.level.into(),
    };
    Verdict {
        set: set.name.clone(),
        policy_set: set.digest(),
        bundle: set.bundle.digest(),
        engine: about.engine.to_owned(),
        input: about.input,
        circumstances: about.circumstances,
        summary: results.iter().map(weight).max().unwrap_or(Summary::Passed),
        results,
    }
}

/// A message that only has its words.
fn message_of(level: Level, text: &str, query: &str) -> Message {
    Message {
        level,
        text: shape::shown(text),
        address: None,
        query: query.to_owned(),
        excepted: None,
        metadata: Map::new(),
    }
}

/// What went wrong, with the place where the policy is written unless the words name its file already.
fn placed(words: &str, location: Option<&Location>) -> String {
    match location {
        Some(location) if !words.contains(&location.file) => format!("{location}: {words}"),
        _ => words.to_owned(),
    }
}

/// One policy and how much it weighs.
struct Weighing<'a> {
    set: &'a Set,
    policy: &'a Policy,
    timestamp_ns: i64,
}

/// What an answer adds to a result.
struct Objection {
    error: bool,
    message: Message,
}

impl Weighing<'_> {
    fn cap(&self) -> Level {
        self.policy.level.min(self.set.level_max)
    }

    fn result(&self, said: Option<Said>, silence: &str) -> PolicyResult {
        let (answers, location) = match said {
            None => return self.error(silence, None),
            Some(Said::Failed { message, location }) => return self.error(&message, location),
            Some(Said::Absent) => return self.error("it was not evaluated", None),
            Some(Said::Answers { answers, location }) => (answers, location),
        };
        if answers.is_empty() {
            let words = "it asks nothing: its packages have no rule that its dialect knows; name its `entrypoints`";
            return self.error(words, location);
        }
        let left_out = answers
            .iter()
            .fold(0_u64, |sum, answer| sum.saturating_add(answer.left_out));
        let objections = answers
            .into_iter()
            .flat_map(|answer| self.objections(answer, location.as_ref()));
        let mut result = self.weigh(objections.collect(), location);
        result.messages_left_out = result.messages_left_out.saturating_add(left_out);
        result
    }

    fn error(&self, words: &str, location: Option<Location>) -> PolicyResult {
        let words = placed(words, location.as_ref());
        let message = message_of(self.cap(), &words, "");
        let objection = Objection {
            error: true,
            message,
        };
        self.weigh(vec![objection], location)
    }

    fn objections(&self, answer: Answer, location: Option<&Location>) -> Vec<Objection> {
        let Answer {
            query,
            role,
            found,
            exempt,
            left_out,
        } = answer;
        let cap = match role {
            Role::Deny | Role::Allow => self.cap(),
            Role::Pending => self.cap().min(Level::SoftMandatory),
            Role::Warn => Level::Advisory,
        };
        let error = |words: String| {
            let message = message_of(cap, &placed(&words, location), &query);
            vec![Objection {
                error: true,
                message,
            }]
        };
        let value = match found {
            Found::Value(value) => value,
            Found::Error(words) => return error(format!("{query}: {words}")),
            Found::Undefined => {
                return error(format!(
                    "{query} is undefined: no rule of it holds; write it so that it has a value when nothing is wrong, such as \
                     `deny contains message if …`"
                ));
            }
        };
        if role == Role::Allow {
            let message = message_of(cap, &format!("{query} is not true"), &query);
            let objection = Objection {
                error: false,
                message,
            };
            return if value == Value::Bool(true) {
                Vec::new()
            } else {
                vec![objection]
            };
        }
        match shape::said(value, &query) {
            Err(words) => error(words),
            // Whoever left something out of it has said something.
            Ok(said) if said.is_empty() && left_out > 0 => {
                error(format!("{query} is without what it is about"))
            }
            Ok(said) => said
                .into_iter()
                .map(|it| self.objection(it, cap, &query, exempt))
                .collect(),
        }
    }

    fn objection(&self, said: shape::Raw, cap: Level, query: &str, exempt: bool) -> Objection {
        let lowered = said.level.map_or(cap, |level| level.min(cap));
        let mut message = Message {
            address: said.address,
            metadata: said.metadata,
            ..message_of(lowered, &said.text, query)
        };
        if exempt {
            message.excepted = Some(String::from("excepted by the policy's own `exception`"));
        }
        if let Some(exception) = self.exception(message.address.as_deref().unwrap_or_default()) {
            message.excepted = Some(exception.words());
        }
        if message.excepted.is_some() {
            message.level = Level::Advisory;
        }
        Objection {
            error: false,
            message,
        }
    }

    fn exception(&self, address: &str) -> Option<&Exception> {
        let policy = &self.policy.name;
        let held = |it: &&Exception| it.holds(policy, address, self.timestamp_ns);
        self.set.exceptions.iter().find(held)
    }

    fn weigh(&self, objections: Vec<Objection>, location: Option<Location>) -> PolicyResult {
        let heaviest = objections.iter().map(|it| it.message.level).max();
        let level = heaviest.unwrap_or(self.cap());
        let error = objections
            .iter()
            .any(|it| it.error && it.message.level == level);
        let outcome = match heaviest {
            None => Outcome::Passed,
            Some(_) if error => Outcome::Error,
            Some(_) => Outcome::Failed,
        };
        let mut messages: Vec<Message> = objections.into_iter().map(|it| it.message).collect();
        messages.sort_by_cached_key(Message::order);
        messages.dedup();
        let left_out = messages.len().saturating_sub(MESSAGES_MAX);
        messages.truncate(MESSAGES_MAX);
        PolicyResult {
            policy: self.policy.name.clone(),
            title: self.policy.title.clone(),
            level,
            outcome,
            messages,
            messages_left_out: left_out as u64,
            location,
        }
    }
}

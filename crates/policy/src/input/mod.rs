//! What policies read: one native document of plan, state, cost and circumstances, and for every other product the view of it that
//! its policies expect.
//!
//! Promises: every large document is parsed once, straight from its text into the engine's values. The native document holds each
//! part under its own name and the keys of the plan at the root, and a [view](Parsed::view) is made by sharing parts, never by copying
//! them: a set of another dialect costs a few small objects. Names that are ours are ours: a plan that has a key `run` or `cost` at
//! its root does not put words into the server's mouth. [`Input::digest`] covers every byte that a policy can see, of documents by the
//! digest of each: they may be elsewhere, and are opened when a worker reads them.
//!
//! Deliberately absent: reading a plan (a policy reads what terraform wrote), and the clock: the time is part of the circumstances, so
//! that a verdict can be made again.

mod context;
#[cfg(test)]
mod tests;
mod text;
mod views;

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

pub use context::{
    Approval, Change, Commit, Context, PROTECTED, Person, Place, PullRequest, Repository, Run,
    RunVariable, Sandbox, Stage, Transition, Workspace, is_protected,
};
pub use text::Text;

use statehouse_confined::Pour;

use crate::bundle::Digest;
use crate::engine::{Document, EvalError};
use crate::manifest::{Dialect, Entity};

/// Opens the digest of an input.
const FORMAT: &[u8] = b"statehouse policy input 2\n";

/// A document that is given as the text that it came in.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// What `show -json` says of a plan.
    Plan,
    /// The state that is judged, as it is stored.
    State,
    /// The state before it.
    StateBefore,
    /// `{currency, monthly_before, monthly_after, monthly_change, monthly_change_percent, resources: [{address, type, monthly_before,
    /// monthly_after}], unpriced: [{address}]}`, all amounts numbers.
    Cost,
}

impl Part {
    /// Its name in the native document, and in the digest.
    pub fn name(self) -> &'static str {
        match self {
            Part::Plan => "plan",
            Part::State => "state",
            Part::StateBefore => "state_before",
            Part::Cost => "cost",
        }
    }
}

/// All that is judged in one run.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// The large documents, as text.
    pub documents: BTreeMap<Part, Text>,
    /// Who, where and how.
    pub context: Context,
    /// Data documents of the organization, each found under `data` by its name. Those of a set lie over them.
    pub data: BTreeMap<String, Value>,
}

impl Input {
    /// The bytes of all large documents.
    pub fn bytes(&self) -> u64 {
        self.documents.values().map(Pour::bytes).sum()
    }

    /// SHA-256 over what is judged: everything that a policy can see beside its own bundle, without the three things that change
    /// between a plan and its apply: who agreed, the time, and the stage. The same at both.
    pub fn digest(&self) -> Digest {
        self.digests().0
    }

    /// [`Input::digest`], and the digest of everything with nothing left out.
    pub fn digests(&self) -> (Digest, Digest) {
        let mut hasher = Sha256::new();
        let add = |hasher: &mut Sha256, name: &str, bytes: &[u8]| {
            for part in [name.as_bytes(), bytes] {
                hasher.update((part.len() as u64).to_be_bytes());
                hasher.update(part);
            }
        };
        hasher.update(FORMAT);
        for (part, text) in &self.documents {
            add(&mut hasher, part.name(), &text.digest().0);
        }
        for (name, value) in &self.data {
            add(
                &mut hasher,
                &format!("data.{name}"),
                canonical(value).as_bytes(),
            );
        }
        let lasting = Context {
            approvals: Vec::new(),
            timestamp_ns: 0,
            stage: Stage::default(),
            ..self.context.clone()
        };
        let [lasting, all] = [&lasting, &self.context].map(|context| {
            let mut hasher = hasher.clone();
            add(
                &mut hasher,
                "context",
                canonical(&context.to_value()).as_bytes(),
            );
            Digest(hasher.finalize().into())
        });
        (lasting, all)
    }
}

/// JSON text with the keys of every object in order, whichever order this build keeps them in.
pub(crate) fn canonical(value: &Value) -> String {
    fn write(value: &Value, out: &mut String) {
        match value {
            Value::Object(members) => {
                let sorted: BTreeMap<_, _> = members.iter().collect();
                let mut before = '{';
                for (key, value) in sorted {
                    out.push(before);
                    before = ',';
                    out.push_str(&Value::String(key.clone()).to_string());
                    out.push(':');
                    write(value, out);
                }
                out.push_str(if before == '{' { "{}" } else { "}" });
            }
            Value::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write(item, out);
                }
                out.push(']');
            }
            scalar => out.push_str(&scalar.to_string()),
        }
    }
    let mut out = String::new();
    write(value, &mut out);
    out
}

/// An input whose documents were read, once.
pub struct Parsed {
    parts: BTreeMap<Part, Document>,
    context: Context,
    native: Document,
}

impl Parsed {
    /// Reads the documents.
    ///
    /// # Errors
    ///
    /// When one is not JSON; the message names it, and the line and column.
    pub fn read(texts: &BTreeMap<Part, Text>, context: Context) -> Result<Parsed, Unreadable> {
        let mut parts = BTreeMap::new();
        for (part, text) in texts {
            let text = text.whole().map_err(|error| no_text(*part, &error))?;
            parts.insert(*part, read(*part, &text)?);
        }
        Ok(Parsed::of(parts, context))
    }

    /// Puts together documents that were read already.
    pub fn of(parts: BTreeMap<Part, Document>, context: Context) -> Parsed {
        let native = views::native(&parts, &context);
        Parsed {
            parts,
            context,
            native,
        }
    }

    /// What a policy of this dialect finds as its input when it judges this entity.
    pub fn view(&self, dialect: Dialect, entity: Entity) -> Document {
        match (dialect, entity) {
            (Dialect::Harness, Entity::Cost) => self.harness_cost(),
            (Dialect::Harness, Entity::State) => self.harness_state(),
            (Dialect::Harness, Entity::Workspace) => self.harness_workspace(),
            _ => self.native.clone(),
        }
    }

    /// Whether what such a policy judges is there at all.
    pub fn has(&self, entity: Entity) -> bool {
        match entity {
            Entity::Plan => self.parts.contains_key(&Part::Plan),
            Entity::State => self.parts.contains_key(&Part::State),
            Entity::Cost => self.parts.contains_key(&Part::Cost),
            Entity::Workspace | Entity::Pipeline => true,
        }
    }

    fn part(&self, part: Part) -> Option<&Document> {
        self.parts.get(&part)
    }
}

/// Reads one document.
pub(crate) fn read(part: Part, text: &str) -> Result<Document, Unreadable> {
    Document::from_json(text).map_err(|error| Unreadable { part, error })
}

/// What stands for a document that is no text.
pub(crate) fn no_text(part: Part, why: &impl std::fmt::Display) -> Unreadable {
    let error = EvalError {
        code: String::from("eval_internal_error"),
        message: why.to_string(),
    };
    Unreadable { part, error }
}

/// A document that is not JSON.
#[derive(Debug, thiserror::Error)]
#[error("the {} cannot be read: {error}", .part.name())]
pub struct Unreadable {
    /// Which.
    pub part: Part,
    /// Why.
    pub error: EvalError,
}

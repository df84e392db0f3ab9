//! What the leaves tell of one thing: a run, a state version, a person.

use crate::canonical::Item;
use crate::leaf::{Actor, Leaf};

/// What one leaf tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Index of the leaf.
    pub leaf: u64,
    /// When, in microseconds since 1970, by the server's clock.
    pub at: i64,
    /// What was done.
    pub action: String,
    /// Kind and id of who did it.
    pub actor: (String, String),
    /// Id of what it was done to.
    pub object: String,
    /// What else is to be known: names and values in canonical JSON, text without its quotes.
    pub facts: Vec<(String, String)>,
}

impl Told {
    /// What a leaf tells, if it is about the thing with this id: done to it, done by it, or named in a fact.
    pub(super) fn about(id: &str, leaf: &Leaf<'_>) -> Option<Self> {
        let is_named = leaf.facts.iter().any(|(_, fact)| fact.text() == Some(id));
        if leaf.object != id && leaf.actor.id != id && !is_named {
            return None;
        }
        let facts = leaf.facts.iter();
        Some(Self {
            leaf: leaf.seq,
            at: leaf.at,
            action: leaf.action.to_string(),
            actor: who(&leaf.actor),
            object: leaf.object.to_string(),
            facts: facts
                .map(|(name, fact)| (name.to_owned(), words(fact)))
                .collect(),
        })
    }
}

fn who(actor: &Actor<'_>) -> (String, String) {
    (actor.kind.to_string(), actor.id.to_string())
}

fn words(fact: &Item<'_>) -> String {
    let json = || String::from_utf8_lossy(&fact.to_bytes()).into_owned();
    fact.text().map_or_else(json, str::to_owned)
}

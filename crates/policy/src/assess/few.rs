//! Long answers: what of one goes on, where it has more elements than anybody reads.
//!
//! A verdict keeps so many messages of a policy, the heaviest first, and counts the rest. What an element weighs beside its policy is
//! decided by two things, the severity that it names and whether an exception is about it. So of each weight as many are kept as a
//! verdict may have, and the rest is counted: judged by those, a policy comes to what it would have come to by all. A plan of which
//! every resource is against a policy then makes an answer of some hundred kilobytes, not one that no worker may say.
//!
//! Promises: the same answer leaves the same elements, the first ones in the engine's order of values; nothing of a weight is left out
//! where less than a verdict's fill of that weight is kept.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::engine::Document;
use crate::manifest::Level;
use crate::verdict::MESSAGES_MAX;
use crate::verdict::shape::{ADDRESSES, shown};

/// What of an answer is judged, and how many elements more there were.
pub(super) fn few(answer: &Document, is_excepted: &dyn Fn(&str) -> bool) -> (Value, u64) {
    if answer.len() <= MESSAGES_MAX {
        return (answer.to_value(), 0);
    }
    let (mut kept, mut left_out) = (Vec::new(), 0);
    let mut counts: BTreeMap<_, usize> = BTreeMap::new();
    for element in answer.distinct() {
        let level = level_of(&element);
        let excepted = is_excepted(&address_of(&element));
        let count = counts.entry((level, excepted)).or_default();
        if *count < MESSAGES_MAX {
            *count += 1;
            kept.push(element.to_value());
        } else {
            left_out += 1;
        }
    }
    (Value::Array(kept), left_out)
}

/// The level that an element names for itself, as a verdict reads it.
fn level_of(element: &Document) -> Option<Level> {
    let severity = element.get(&["severity"])?;
    severity.as_str().and_then(Level::named)
}

/// The resource that it is about, as a verdict reads it; empty where it is about none.
fn address_of(element: &Document) -> String {
    let address = ADDRESSES.iter().find_map(|name| {
        let address = element.get(&[name])?;
        address.as_str().map(shown)
    });
    address.unwrap_or_default()
}

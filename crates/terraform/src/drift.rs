//! What drifted: managed resources that are there otherwise than they were applied, as a plan tells it.
//!
//! A plan that only refreshes says so under `resource_drift`, for managed resources alone: what a data source reads is nobody's to
//! keep. A resource that was changed or is gone has drifted. One that only has another address has not: its configuration
//! moved it, and it stands there with the action `no-op`. Nor has one of which nothing is otherwise but that something empty is
//! spelled otherwise (`null`, `""`, `[]`, `{}`): many providers read it so after they were told it so.
//!
//! What a resource is really like is its provider's word: where that says something else than it was told, without anybody having
//! changed anything, this is drift, too.
//!
//! In the form for the screen values may be hidden, so that nobody can compare them any more. What had drifted is therefore
//! marked there ([`mark`]) before they are.

use serde::Deserialize;
use serde_json::Value;

use crate::deed::Deed;

/// The mode of resources that terraform keeps.
const MANAGED: &str = "managed";
/// Where the form for the screen says whether a resource drifted. Terraform passes over what it does not know.
const MARK: &str = "drifted";

/// A resource that drifted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drifted<'p> {
    /// Its address.
    pub address: &'p str,
    /// What became of it.
    pub deed: Deed,
    /// How it was applied (`before`), and how it is (`after`).
    pub change: &'p Value,
}

impl<'p> Drifted<'p> {
    /// The resource of an entry of `resource_drift`, if it drifted.
    fn of(entry: &'p Value) -> Option<Self> {
        let marked = entry.get(MARK).and_then(Value::as_bool);
        marked
            .or_else(|| has_drifted(entry))
            .filter(|drifted| *drifted)?;
        let change = entry.get("change")?;
        Some(Self {
            address: entry.get("address")?.as_str()?,
            deed: Deed::of(change)?,
            change,
        })
    }

    /// What became of it, a word.
    pub fn word(&self) -> &'static str {
        match self.deed {
            Deed::Delete => "gone",
            _ => "changed",
        }
    }
}

/// What drifted, by a plan's JSON or by its form for the screen.
pub fn drifted(plan: &Value) -> Vec<Drifted<'_>> {
    let all = plan.get("resource_drift").and_then(Value::as_array);
    all.into_iter().flatten().filter_map(Drifted::of).collect()
}

/// Says of each resource of a plan's `resource_drift` whether it drifted, for who will not see all of its values.
pub(crate) fn mark(entries: &mut Value) {
    for entry in entries.as_array_mut().into_iter().flatten() {
        let drifted = has_drifted(entry);
        if let (Some(drifted), Some(members)) = (drifted, entry.as_object_mut()) {
            members.insert(MARK.to_owned(), Value::Bool(drifted));
        }
    }
}

/// Whether an entry of `resource_drift` is a resource that drifted; `None` where it is no such entry.
fn has_drifted(entry: &Value) -> Option<bool> {
    let (mode, change) = (entry.get("mode")?.as_str()?, entry.get("change")?);
    change.get("actions")?.as_array()?;
    let side = |name: &str| change.get(name).unwrap_or(&Value::Null);
    let otherwise = match Deed::of(change) {
        None => false,
        Some(Deed::Update) => !same(side("before"), side("after")),
        Some(_) => true,
    };
    Some(mode == MANAGED && otherwise)
}

/// Whether two values are the same, however what is empty in them is spelled.
pub fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let mut names = one.keys().chain(other.keys());
            names.all(|name| match (one.get(name), other.get(name)) {
                (Some(one), Some(other)) => same(one, other),
                // A key of a map is something, whatever it says.
                (one, other) => one.or(other).is_none_or(Value::is_null),
            })
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        _ => one == other || (is_empty(one) && is_empty(other)),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Why a plan does not say what drifted.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// It is no plan.
    #[error("this is no JSON of a plan: {0}")]
    Odd(#[from] serde_json::Error),
    /// It was not made to its end.
    #[error("the plan was not made to its end")]
    Unfinished,
    /// One of its resources is none.
    #[error("a resource that may have drifted cannot be read")]
    Resource,
}

/// As much of a plan as is needed to count.
#[derive(Deserialize)]
struct Plan {
    #[serde(rename = "format_version")]
    _form: String,
    #[serde(default)]
    errored: bool,
    resource_drift: Option<Vec<Value>>,
}

/// How many resources drifted, by the JSON of a plan. Nothing but that is kept of it: it may be long.
///
/// # Errors
/// [`Unread`]: then nobody knows.
pub fn count(json: &[u8]) -> Result<u64, Unread> {
    let plan: Plan = serde_json::from_slice(json)?;
    if plan.errored {
        return Err(Unread::Unfinished);
    }
    let mut count = 0;
    for entry in plan.resource_drift.iter().flatten() {
        count += u64::from(has_drifted(entry).ok_or(Unread::Resource)?);
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn resource(address: &str, mode: &str, actions: &[&str]) -> Value {
        json!({ "address": address, "mode": mode, "change": { "actions": actions, "before": { "x": 1 }, "after": null } })
    }

    #[test]
    fn what_was_changed_or_is_gone_has_drifted_and_what_moved_has_not() {
        let plan = json!({
            "format_version": "1.2",
            "resource_drift": [
                resource("aws_vpc.changed", "managed", &["update"]),
                resource("aws_vpc.gone", "managed", &["delete"]),
                resource("aws_vpc.moved", "managed", &["no-op"]),
                resource("data.aws_vpc.read", "data", &["update"]),
            ],
            "resource_changes": [resource("aws_vpc.planned", "managed", &["create"])],
        });
        let found = drifted(&plan);
        let told: Vec<_> = found
            .iter()
            .map(|each| (each.address, each.word()))
            .collect();
        assert_eq!(
            told,
            [("aws_vpc.changed", "changed"), ("aws_vpc.gone", "gone")]
        );
        assert_eq!(count(plan.to_string().as_bytes()).unwrap(), 2);
    }

    #[test]
    fn a_plan_without_drift_has_none_and_what_is_no_plan_says_nothing() {
        let none = [
            json!({ "format_version": "1.2" }),
            json!({ "format_version": "1.2", "resource_drift": null, "errored": false }),
            json!({ "format_version": "1.2", "resource_drift": [], "output_changes": { "x": {} } }),
        ];
        for plan in none {
            assert_eq!(count(plan.to_string().as_bytes()).unwrap(), 0, "{plan}");
            assert!(drifted(&plan).is_empty());
        }
        let odd = [
            json!({}),
            json!([]),
            json!({ "format_version": "1.2", "errored": true }),
            json!({ "format_version": "1.2", "resource_drift": [{ "mode": "managed" }] }),
            json!({ "format_version": "1.2", "resource_drift": {} }),
            json!({ "format_version": "1.2", "resource_drift": [null] }),
        ];
        for plan in odd {
            assert!(count(plan.to_string().as_bytes()).is_err(), "{plan}");
            assert!(drifted(&plan).is_empty());
        }
        assert!(count(b"terraform").is_err());
    }

    #[test]
    fn how_something_empty_is_spelled_is_no_drift() {
        let check = |before: Value, after: Value, expected: bool| {
            let told = format!("{before} {after}");
            assert_eq!(same(&before, &after), expected, "{told}");
            assert_eq!(same(&after, &before), expected, "{told}");
        };
        check(
            json!({ "tags": null, "on": true, "text": null }),
            json!({ "tags": {}, "on": true, "text": "" }),
            true,
        );
        check(
            json!({ "rules": [{ "to": null }] }),
            json!({ "rules": [{ "to": [] }] }),
            true,
        );
        check(
            json!({ "tags": { "a": "b" } }),
            json!({ "tags": {} }),
            false,
        );
        check(json!({ "tags": {} }), json!({ "tags": { "a": "" } }), false);
        check(json!({ "size": null }), json!({ "size": 0 }), false);
        check(json!({ "on": null }), json!({ "on": false }), false);
        check(json!({ "list": [] }), json!({ "list": [null] }), false);
    }

    #[test]
    fn what_is_hidden_is_still_known_to_have_drifted_or_not() {
        let entry = |name: &str, before: Value, after: Value| {
            json!({
                "address": name, "mode": "managed",
                "change": {
                    "actions": ["update"], "before": { "secret": before }, "after": { "secret": after },
                    "before_sensitive": { "secret": true }, "after_sensitive": { "secret": true },
                },
            })
        };
        let plan = json!({
            "format_version": "1.2",
            "resource_drift": [
                entry("a.changed", json!({ "k": "old-secret" }), json!({ "k": "new-secret" })),
                entry("a.empty", json!(null), json!({})),
                entry("a.one", json!("old-secret"), json!("new-secret")),
            ],
        });
        assert_eq!(count(plan.to_string().as_bytes()).unwrap(), 2);
        let shown = crate::plan::shown(plan, Value::Null, &crate::plan::Hidden::default());
        assert!(!shown.to_string().contains("-secret"), "{shown}");
        let found = drifted(&shown);
        let told: Vec<_> = found.iter().map(|each| each.address).collect();
        assert_eq!(told, ["a.changed", "a.one"]);
    }
}

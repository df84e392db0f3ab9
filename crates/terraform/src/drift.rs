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
//!
//! Whoever wrote a plan's JSON is not trusted where it is counted ([`count`]): an entry that says something unknown makes nobody
//! know, and one entry at a time is in memory, however many there are.

use std::fmt;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::deed::Deed;

/// The mode of resources that terraform keeps.
const MANAGED: &str = "managed";
/// That of those that it only reads.
const DATA: &str = "data";
/// The one action of a resource of which nothing is otherwise.
const NO_OP: &str = "no-op";
/// Entries that are counted: ten times as many resources as a large workspace has.
const ENTRIES_MAX: usize = 100_000;
/// Longest entry, in bytes. Read, it may take thirty times as much memory; a resource has some thousands.
const ENTRY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest that all entries are together, in bytes. What else a plan says is passed over unread.
const ENTRIES_BYTES_MAX: usize = 64 * 1024 * 1024;
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

/// Whether an entry of `resource_drift` is a resource that drifted; `None` where it is no such entry, or says what is unknown.
pub(crate) fn has_drifted(entry: &Value) -> Option<bool> {
    let is_managed = match entry.get("mode")?.as_str()? {
        MANAGED => true,
        DATA => false,
        _ => return None,
    };
    let change = entry.get("change")?;
    let actions = change.get("actions")?.as_array()?;
    if !actions.iter().all(Value::is_string) {
        return None;
    }
    let side = |name: &str| change.get(name).unwrap_or(&Value::Null);
    let otherwise = match Deed::of(change) {
        Some(Deed::Update) => !same(side("before"), side("after")),
        // Terraform writes `delete` here, and nothing else that does something.
        Some(_) => true,
        None if *actions == [NO_OP] => false,
        None => return None,
    };
    Some(is_managed && otherwise)
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
    /// One of its resources is none, or has something become of it that is unknown.
    #[error("a resource that may have drifted cannot be read")]
    Resource,
    /// It says more than anybody can have meant.
    #[error(
        "more than {ENTRIES_MAX} resources may have drifted, or one takes more than {ENTRY_BYTES_MAX} bytes, or all more than {ENTRIES_BYTES_MAX}"
    )]
    TooMuch,
}

/// As much of a plan as is needed to count.
#[derive(Deserialize)]
struct Plan {
    #[serde(rename = "format_version")]
    _form: String,
    #[serde(default)]
    errored: bool,
    resource_drift: Option<Sum>,
}

/// What the entries of `resource_drift` come to.
#[derive(Default)]
struct Sum {
    entries: usize,
    bytes: usize,
    drifted: u64,
    /// Why it is none: then the entries that follow are not looked at.
    unread: Option<Unread>,
}

impl Sum {
    /// Takes one more entry into account.
    fn add(&mut self, text: &str) -> Result<(), Unread> {
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(text.len());
        let is_long = text.len() > ENTRY_BYTES_MAX || self.bytes > ENTRIES_BYTES_MAX;
        if is_long || self.entries > ENTRIES_MAX {
            return Err(Unread::TooMuch);
        }
        if !text.starts_with('{') {
            return Err(Unread::Resource);
        }
        let entry: Value = serde_json::from_str(text)?;
        self.drifted += u64::from(has_drifted(&entry).ok_or(Unread::Resource)?);
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Sum {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(Self::default())
    }
}

impl<'de> Visitor<'de> for Sum {
    type Value = Self;

    fn expecting(&self, form: &mut fmt::Formatter<'_>) -> fmt::Result {
        form.write_str("a list of resources")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut entries: A) -> Result<Self, A::Error> {
        while let Some(entry) = entries.next_element::<&RawValue>()? {
            if let Err(unread) = self.add(entry.get()) {
                self.unread = Some(unread);
                break;
            }
        }
        // A reader of JSON goes on where the list ends.
        while entries.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self)
    }
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
    let sum = plan.resource_drift.unwrap_or_default();
    match sum.unread {
        Some(unread) => Err(unread),
        None => Ok(sum.drifted),
    }
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

    fn of_entries(entries: &Value) -> Result<u64, Unread> {
        count(
            json!({ "format_version": "1.2", "resource_drift": entries })
                .to_string()
                .as_bytes(),
        )
    }

    #[test]
    fn only_what_did_not_change_by_its_very_word_did_not_drift() {
        let of = |mode: &str, actions: Value| {
            of_entries(&json!([{
                "address": "a.x", "mode": mode,
                "change": { "actions": actions, "before": { "x": 1 }, "after": { "x": 2 } },
            }]))
        };
        for (actions, drifted) in [
            (json!(["no-op"]), 0),
            (json!(["update"]), 1),
            (json!(["delete"]), 1),
            (json!(["create"]), 1),
            (json!(["delete", "create"]), 1),
            (json!(["read"]), 1),
            (json!(["forget"]), 1),
        ] {
            assert_eq!(of(MANAGED, actions.clone()).unwrap(), drifted, "{actions}");
            assert_eq!(of(DATA, actions.clone()).unwrap(), 0, "{actions}");
        }
        for unknown in [
            json!([]),
            json!(["nothing"]),
            json!(["No-op"]),
            json!(["no-op", "no-op"]),
            json!(["no-op", "update"]),
            json!(["no-op", 1]),
            json!(["update", null]),
            json!([["no-op"]]),
            json!("no-op"),
            json!({ "0": "no-op" }),
        ] {
            let read = of(MANAGED, unknown.clone());
            assert!(matches!(read, Err(Unread::Resource)), "{unknown}: {read:?}");
        }
        for mode in ["", "Managed", "ephemeral"] {
            let read = of(mode, json!(["no-op"]));
            assert!(matches!(read, Err(Unread::Resource)), "{mode}: {read:?}");
        }
    }

    #[test]
    fn the_first_entry_that_is_none_ends_the_count_and_the_rest_must_still_be_json() {
        let good = resource("a.x", MANAGED, &["delete"]);
        for odd in [
            json!(0),
            json!(null),
            json!("{}"),
            json!([good]),
            json!(true),
            json!({}),
        ] {
            for entries in [json!([odd]), json!([good, odd, good]), json!([odd, odd])] {
                let read = of_entries(&entries);
                assert!(matches!(read, Err(Unread::Resource)), "{entries}: {read:?}");
            }
        }
        let torn = br#"{"format_version":"1.2","resource_drift":[0,"#;
        assert!(matches!(count(torn), Err(Unread::Odd(_))));
        let twice = br#"{"format_version":"1.2","resource_drift":[],"resource_drift":[]}"#;
        assert!(matches!(count(twice), Err(Unread::Odd(_))));
    }

    #[test]
    fn entries_beyond_reason_are_not_counted() {
        let (good, long) = (
            resource("a.x", MANAGED, &["delete"]).to_string(),
            format!("{{\"x\":\"{}\"}}", "x".repeat(ENTRY_BYTES_MAX)),
        );
        let check = |name: &str, mut sum: Sum, text: &str, fits: bool| {
            let read = sum.add(text);
            assert_eq!(read.is_ok(), fits, "{name}: {read:?}");
            assert!(fits || matches!(read, Err(Unread::TooMuch)), "{name}");
        };
        let of = |entries: usize, bytes: usize| Sum {
            entries,
            bytes,
            ..Sum::default()
        };
        check("the first", of(0, 0), &good, true);
        check("the last", of(ENTRIES_MAX - 1, 0), &good, true);
        check("one more", of(ENTRIES_MAX, 0), &good, false);
        let left = ENTRIES_BYTES_MAX - good.len();
        check("as long as may be", of(1, left), &good, true);
        check("a byte longer", of(1, left + 1), &good, false);
        check("a long one", of(0, 0), &long, false);

        let many = vec![resource("a.x", MANAGED, &["no-op"]); 1000];
        assert_eq!(of_entries(&json!(many)).unwrap(), 0);
        let text = format!(r#"{{"format_version":"1.2","resource_drift":[{long},{good}]}}"#);
        let read = count(text.as_bytes());
        assert!(matches!(read, Err(Unread::TooMuch)), "{read:?}");
        // What is not looked at may be long.
        let text =
            format!(r#"{{"prior_state":{long},"format_version":"1.2","resource_drift":[{good}]}}"#);
        assert_eq!(count(text.as_bytes()).unwrap(), 1);
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

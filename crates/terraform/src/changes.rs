//! What a plan changes, in lines for eyes: each resource with the attributes that are otherwise, and each output.
//!
//! It reads the form for the screen ([`crate::plan::shown`]), in which what is sensitive is hidden already. The page of a run and
//! the command line show the same lines, so that who approves on one sees what they would see on the other. A line is one line:
//! whatever a plan has in its names and values, what controls a terminal or turns the direction of a text is escaped.
//!
//! Deliberately absent: how many lines are shown, which is for who shows them, and HTML.

use serde_json::{Map, Value};

use crate::deed::{Counts, Deed};
use crate::unseen::is_unseen;

/// Longest value that is shown whole, in characters: more than that is not compared by eye on one line.
const VALUE_MAX: usize = 80;
/// What stands for a value that is known only later.
const UNKNOWN: &str = "(known after apply)";
/// What stands for an output that is sensitive before or after.
const SENSITIVE: &str = "(sensitive)";

/// When two values count as the same.
pub type Same = fn(&Value, &Value) -> bool;

/// A resource or an output that is otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// What is done to it.
    pub deed: Deed,
    /// What it is: the address of a resource; the name of an output, with its value before and after.
    pub title: String,
    /// What is otherwise in it, each a line of its own.
    pub details: Vec<String>,
}

/// All that a plan changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// How many resources.
    pub counts: Counts,
    /// The resources, as the plan orders them.
    pub resources: Vec<Changed>,
    /// The outputs. Terraform does not count them.
    pub outputs: Vec<Changed>,
}

impl Changes {
    /// What a plan for the screen changes. What is no plan changes nothing.
    pub fn of(plan: &Value) -> Self {
        let mut found = Self::default();
        let resources = plan.get("resource_changes").and_then(Value::as_array);
        for entry in resources.into_iter().flatten() {
            if let Some(changed) = resource(entry) {
                found.counts.count(changed.deed);
                found.resources.push(changed);
            }
        }
        let outputs = plan.get("output_changes").and_then(Value::as_object);
        for (name, change) in outputs.into_iter().flatten() {
            found.outputs.extend(output(name, change));
        }
        found
    }
}

fn resource(entry: &Value) -> Option<Changed> {
    let change = entry.get("change")?;
    Some(Changed {
        deed: Deed::of(change)?,
        title: plain(entry.get("address").and_then(Value::as_str).unwrap_or("?")),
        details: attributes(change, Value::eq),
    })
}

/// An output: its value on one line or, where it is an object before and after, each member for itself.
fn output(name: &str, change: &Value) -> Option<Changed> {
    let deed = Deed::of(change)?;
    let (from, to) = (change.get("before"), change.get("after"));
    let marked = |mark: &str| change.get(mark) == Some(&Value::Bool(true));
    let hidden = marked("before_sensitive") || marked("after_sensitive");
    let unknown = change.get("after_unknown").is_some_and(is_unknown);
    let is_object = |side: Option<&Value>| side.is_some_and(Value::is_object);
    if !hidden && !unknown && is_object(from) && is_object(to) {
        let mut details = Vec::new();
        differences(name, (from, to), Value::eq, &mut details);
        return Some(Changed {
            deed,
            title: plain(name),
            details,
        });
    }
    let said = |side: Option<&Value>| match side {
        Some(value) if hidden && !value.is_null() => SENSITIVE.to_owned(),
        _ => told(side),
    };
    let after = if unknown {
        UNKNOWN.to_owned()
    } else {
        said(to)
    };
    Some(Changed {
        deed,
        title: format!("{} = {} -> {after}", plain(name), said(from)),
        details: Vec::new(),
    })
}

/// The attributes that are otherwise in the `change` of a resource, each with its value before and after.
pub fn attributes(change: &Value, same: Same) -> Vec<String> {
    let empty = Map::new();
    let side = |name: &str| change.get(name).and_then(Value::as_object);
    let before = side("before").unwrap_or(&empty);
    let after = side("after").unwrap_or(&empty);
    let unknown = side("after_unknown").unwrap_or(&empty);
    let mut names: Vec<&String> = before
        .keys()
        .chain(after.keys())
        .chain(unknown.keys())
        .collect();
    names.sort();
    names.dedup();
    let mut lines = Vec::new();
    for name in names {
        let (from, to) = (before.get(name), after.get(name));
        if unknown.get(name).is_some_and(is_unknown) {
            lines.push(line(name, &told(from), UNKNOWN));
        } else {
            differences(name, (from, to), same, &mut lines);
        }
    }
    lines
}

/// Whether anything in a value is not known yet, by the flags that stand in its place.
fn is_unknown(flags: &Value) -> bool {
    match flags {
        Value::Bool(flag) => *flag,
        Value::Array(items) => items.iter().any(is_unknown),
        Value::Object(members) => members.values().any(is_unknown),
        _ => false,
    }
}

/// What is otherwise in a value: of an object each member for itself.
fn differences(
    name: &str,
    (from, to): (Option<&Value>, Option<&Value>),
    same: Same,
    lines: &mut Vec<String>,
) {
    if let (Some(Value::Object(before)), Some(Value::Object(after))) = (from, to) {
        let mut members: Vec<&String> = before.keys().chain(after.keys()).collect();
        members.sort();
        members.dedup();
        for member in members {
            let path = format!("{name}.{member}");
            let both = (before.get(member), after.get(member));
            differences(&path, both, same, lines);
        }
    } else if !same(from.unwrap_or(&Value::Null), to.unwrap_or(&Value::Null)) {
        lines.push(line(name, &told(from), &told(to)));
    }
}

fn line(name: &str, from: &str, to: &str) -> String {
    format!("    {}: {from} -> {to}", plain(name))
}

fn told(side: Option<&Value>) -> String {
    let whole = side.unwrap_or(&Value::Null).to_string();
    let mut text: String = whole.chars().take(VALUE_MAX).collect();
    if text.len() < whole.len() {
        text.push('…');
    }
    plain(&text)
}

/// The text, with what controls a terminal, is not seen, or turns the direction of what follows escaped.
fn plain(text: &str) -> String {
    let escape = |character: char| {
        if character.is_control() || is_unseen(character) {
            character.escape_default().to_string()
        } else {
            character.to_string()
        }
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::{Hidden, shown};

    #[test]
    fn each_member_that_is_otherwise_stands_for_itself() {
        let change = json!({
            "before": { "name": "a", "tags": { "owner": "ops", "stage": "prod" }, "size": 1, "list": [1], "same": {} },
            "after": { "name": "a", "tags": { "owner": "eve\u{1b}", "stage": "prod", "new": "x" }, "size": null, "list": [2], "same": {} },
            "after_unknown": { "arn": true, "tags": {}, "list": [false], "nested": [{ "id": true }] },
        });
        assert_eq!(
            attributes(&change, Value::eq),
            [
                "    arn: null -> (known after apply)",
                "    list: [1] -> [2]",
                "    nested: null -> (known after apply)",
                "    size: 1 -> null",
                "    tags.new: null -> \"x\"",
                "    tags.owner: \"ops\" -> \"eve\\u001b\"",
            ]
        );
    }

    #[test]
    fn a_value_that_is_long_is_cut_and_one_that_turns_the_text_is_escaped() {
        let change = json!({
            "before": { "long": "", "turns": "" },
            "after": { "long": "x".repeat(VALUE_MAX), "turns": "a\u{202e}b" },
        });
        let cut = format!("    long: \"\" -> \"{}…", "x".repeat(VALUE_MAX - 1));
        assert_eq!(
            attributes(&change, Value::eq),
            [cut.as_str(), "    turns: \"\" -> \"a\\u{202e}b\""]
        );
    }

    /// The titles of the outputs that a plan changes, each with its sign, and their details.
    fn outputs(changes: &Value) -> Vec<String> {
        let plan = json!({ "output_changes": changes });
        let found = Changes::of(&shown(plan, Value::Null, &Hidden::default()));
        assert_eq!(found.counts, Counts::default());
        let mut lines = Vec::new();
        for each in found.outputs {
            lines.push(format!("{} {}", each.deed.sign(), each.title));
            lines.extend(each.details);
        }
        lines
    }

    #[test]
    fn an_output_that_is_otherwise_is_told_with_its_value_before_and_after() {
        let changes = json!({
            "a_gone": { "actions": ["delete"], "before": "y", "after": null, "after_unknown": false },
            "b_new": { "actions": ["create"], "before": null, "after": "z\u{1b}", "after_unknown": false },
            "c_later": { "actions": ["update"], "before": 1, "after_unknown": true },
            "d_object": { "actions": ["update"], "before": { "x": 1, "y": 2 }, "after": { "x": 1, "y": 3 }, "after_unknown": false },
            "e_same": { "actions": ["no-op"], "before": "same", "after": "same", "after_unknown": false },
            "f_odd": 3,
        });
        assert_eq!(
            outputs(&changes),
            [
                "- a_gone = \"y\" -> null",
                "+ b_new = null -> \"z\\u001b\"",
                "~ c_later = 1 -> (known after apply)",
                "~ d_object",
                "    d_object.y: 2 -> 3",
            ]
        );
    }

    #[test]
    fn a_sensitive_output_is_hidden_whatever_it_is() {
        let changes = json!({
            "a": { "actions": ["update"], "before": "old-secret", "after": "new-secret", "before_sensitive": true, "after_sensitive": true },
            "b": { "actions": ["update"], "before": ["old-secret"], "after": ["new-secret"], "before_sensitive": true, "after_sensitive": false },
            "c": { "actions": ["update"], "before": { "x": 41 }, "after": { "x": 42 }, "before_sensitive": false, "after_sensitive": true },
            "d": { "actions": ["delete"], "before": 42, "after": null, "before_sensitive": true, "after_sensitive": false },
        });
        assert_eq!(
            outputs(&changes),
            [
                "~ a = (sensitive) -> (sensitive)",
                "~ b = (sensitive) -> (sensitive)",
                "~ c = (sensitive) -> (sensitive)",
                "- d = (sensitive) -> null",
            ]
        );
    }

    #[test]
    fn a_plan_is_its_resources_with_their_attributes_counted_and_what_is_no_plan_is_nothing() {
        let plan = json!({ "resource_changes": [
            { "address": "terraform_data.a", "change": { "actions": ["update"], "before": { "input": "one-small" }, "after": { "input": "one-huge" } } },
            { "address": "terraform_data.b", "change": { "actions": ["no-op"], "before": { "input": "x" }, "after": { "input": "x" } } },
        ] });
        let found = Changes::of(&plan);
        let changed = Changed {
            deed: Deed::Update,
            title: "terraform_data.a".to_owned(),
            details: vec!["    input: \"one-small\" -> \"one-huge\"".to_owned()],
        };
        assert_eq!(found.resources, [changed]);
        assert_eq!(
            found.counts.to_string(),
            "0 to add, 1 to change, 0 to destroy"
        );
        for odd in [
            json!(null),
            json!([]),
            json!({ "resource_changes": [1, null, { "change": 2 }], "output_changes": [1] }),
        ] {
            assert_eq!(Changes::of(&odd), Changes::default(), "{odd}");
        }
    }
}

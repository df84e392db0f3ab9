//! What a plan changes, for eyes: each resource with its action, and the attributes that are otherwise.

use serde_json::Value;
use statehouse_model::{PlanId, RunId};
use statehouse_terraform::deed::{Counts, Deed};

use super::super::session::{Client, Session};
use crate::failure::{Failure, Result};
use crate::out::{Hue, plain};

/// Longest value that is printed whole.
const VALUE_MAX: usize = 80;

/// The plan of a run for the screen, sensitive values hidden.
pub(in crate::cmd) fn shown(client: &Client, run: &RunId) -> Result<Value> {
    let id = PlanId::from(run);
    let text = client
        .api
        .text(&format!("/api/v2/plans/{id}/json-output-redacted"))?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::failed(format!("the plan cannot be read: {error}")))
}

/// When two values count as the same.
pub(in crate::cmd) type Same = fn(&Value, &Value) -> bool;

/// Prints what the plan of a run changes.
pub(super) fn show(client: &Client, session: &Session, run: &RunId) -> Result {
    let plan = shown(client, run)?;
    if session.out.is_json() {
        return session.out.json(&plan);
    }
    let changes = plan.get("resource_changes").and_then(Value::as_array);
    let changes = changes.cloned().unwrap_or_default();
    let mut lines = Vec::new();
    let mut counts = Counts::default();
    for change in &changes {
        let Some(deed) = Deed::of(&change["change"]) else {
            continue;
        };
        counts.count(deed);
        let address = plain(change["address"].as_str().unwrap_or("?"));
        lines.push(
            session
                .out
                .painted(hue(deed), &format!("{} {address}", deed.sign())),
        );
        lines.extend(attributes(&change["change"], Value::eq));
    }
    lines.push(counts.to_string());
    session.out.text(&format!("{}\n", lines.join("\n")))
}

/// The colour of a change, as terraform has it.
pub(in crate::cmd) fn hue(deed: Deed) -> Hue {
    match deed {
        Deed::Create => Hue::Green,
        Deed::Update | Deed::Replace => Hue::Yellow,
        Deed::Delete => Hue::Red,
        Deed::Read | Deed::Forget => Hue::Bold,
    }
}

/// The attributes that are otherwise, each with its value before and after.
pub(in crate::cmd) fn attributes(change: &Value, same: Same) -> Vec<String> {
    let empty = serde_json::Map::new();
    let side = |name: &str| change[name].as_object().unwrap_or(&empty);
    let (before, after) = (side("before"), side("after"));
    let unknown = change["after_unknown"].as_object().unwrap_or(&empty);
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
            lines.push(line(name, &told(from), "(known after apply)"));
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
    value(side.unwrap_or(&Value::Null))
}

fn value(value: &Value) -> String {
    let text: String = value.to_string().chars().take(VALUE_MAX).collect();
    plain(&text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
}

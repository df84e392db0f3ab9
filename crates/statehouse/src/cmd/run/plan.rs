//! What a plan changes, for eyes: each resource with its action, and the attributes that are otherwise.

use serde_json::Value;
use statehouse_model::{PlanId, RunId};
use statehouse_terraform::deed::{Counts, Deed};

use super::super::session::{Client, Session};
use crate::failure::{Failure, Result};
use crate::out::{Hue, plain};

/// Longest value that is printed whole.
const VALUE_MAX: usize = 80;

/// Prints what the plan of a run changes.
pub(super) fn show(client: &Client, session: &Session, run: &RunId) -> Result {
    let id = PlanId::from(run);
    let text = client
        .api
        .text(&format!("/api/v2/plans/{id}/json-output-redacted"))?;
    let plan: Value = serde_json::from_str(&text)
        .map_err(|error| Failure::failed(format!("the plan cannot be read: {error}")))?;
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
        lines.extend(attributes(&change["change"]));
    }
    lines.push(counts.to_string());
    session.out.text(&format!("{}\n", lines.join("\n")))
}

/// The colour of a change, as terraform has it.
fn hue(deed: Deed) -> Hue {
    match deed {
        Deed::Create => Hue::Green,
        Deed::Update | Deed::Replace => Hue::Yellow,
        Deed::Delete => Hue::Red,
        Deed::Read | Deed::Forget => Hue::Bold,
    }
}

/// The attributes that are otherwise, each with its value before and after.
fn attributes(change: &Value) -> Vec<String> {
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
        let known = |side: &serde_json::Map<String, Value>| side.get(name).map(value);
        let to = if unknown
            .get(name)
            .is_some_and(|flag| *flag != Value::Bool(false))
        {
            Some("(known after apply)".to_owned())
        } else {
            known(after)
        };
        let from = known(before);
        if from != to {
            let [from, to] = [from, to].map(|side| side.unwrap_or_else(|| "null".to_owned()));
            lines.push(format!("    {}: {from} -> {to}", plain(name)));
        }
    }
    lines
}

fn value(value: &Value) -> String {
    let text: String = value.to_string().chars().take(VALUE_MAX).collect();
    plain(&text)
}

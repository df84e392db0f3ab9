//! What a plan changes, for eyes: each resource with its action and the attributes that are otherwise, and each output. The lines
//! are those that the page of a run shows ([`statehouse_terraform::changes`]).

use serde_json::Value;
use statehouse_model::{PlanId, RunId};
use statehouse_terraform::changes::{Changed, Changes};
use statehouse_terraform::deed::Deed;

use super::super::session::{Client, Session};
use crate::failure::{Failure, Result};
use crate::out::Hue;

/// The plan of a run for the screen, sensitive values hidden.
pub(in crate::cmd) fn shown(client: &Client, run: &RunId) -> Result<Value> {
    let id = PlanId::from(run);
    let text = client
        .api
        .text(&format!("/api/v2/plans/{id}/json-output-redacted"))?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::failed(format!("the plan cannot be read: {error}")))
}

/// Prints what the plan of a run changes.
pub(super) fn show(client: &Client, session: &Session, run: &RunId) -> Result {
    let plan = shown(client, run)?;
    if session.out.is_json() {
        return session.out.json(&plan);
    }
    let changes = Changes::of(&plan);
    let mut lines = Vec::new();
    for each in &changes.resources {
        lines.extend(told(session, each));
    }
    if !changes.outputs.is_empty() {
        lines.push("Changes to outputs:".to_owned());
    }
    for each in &changes.outputs {
        lines.extend(told(session, each));
    }
    lines.push(changes.counts.to_string());
    session.out.text(&format!("{}\n", lines.join("\n")))
}

/// The lines of something that is otherwise.
fn told(session: &Session, changed: &Changed) -> Vec<String> {
    let title = format!("{} {}", changed.deed.sign(), changed.title);
    let mut lines = vec![session.out.painted(hue(changed.deed), &title)];
    lines.extend(changed.details.iter().cloned());
    lines
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

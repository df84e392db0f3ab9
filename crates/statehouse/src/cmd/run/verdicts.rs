//! What policies said of a run, in words: each set with its policies, each policy with what it has against the plan.

use serde_json::{Value, json};
use statehouse_model::{PolicyEvaluationId, RunId, TaskStageId};

use super::super::session::{Client, Session};
use crate::client::Resource;
use crate::failure::{Failure, Result};
use crate::out::{Hue, plain};

/// Messages of one policy that are printed.
const MESSAGES_MAX: usize = 20;

/// Arguments of an override.
#[derive(clap::Args)]
pub(in crate::cmd) struct Override {
    /// The run
    run: RunId,
    /// Why it may be applied all the same; stands in the ledger
    #[arg(long)]
    reason: String,
    /// For how long the word is good, a week unless said, and at most
    #[arg(long)]
    hours: Option<u32>,
}

/// Lets the plan of a run pass; the run is answered.
pub(super) fn overrule(client: &Client, said: Override) -> Result<RunId> {
    let stage = TaskStageId::from(&said.run);
    let path = format!("/api/v2/task-stages/{stage}/actions/override");
    let document = json!({ "comment": said.reason, "hours": said.hours });
    client.api.send("POST", &path, &document)?;
    Ok(said.run)
}

/// What each set said of a run; none where they were not asked yet, or have nothing to do with it.
pub(super) fn of(client: &Client, run: &RunId, now: &Resource) -> Result<Vec<Resource>> {
    if !is_judged(now) {
        return Ok(Vec::new());
    }
    let id = PolicyEvaluationId::from(run);
    let path = format!("/api/v2/policy-evaluations/{id}/policy-set-outcomes");
    client.api.list(&path)
}

/// Whether policies said something of a run.
pub(super) fn is_judged(now: &Resource) -> bool {
    !matches!(now.text("policies"), "" | "awaited")
}

/// Prints what they said.
pub(super) fn print(session: &Session, sets: &[Resource]) -> Result {
    let lines: Vec<String> = sets.iter().flat_map(|set| told(session, set)).collect();
    if lines.is_empty() {
        return Ok(());
    }
    session.out.text(&format!("{}\n", lines.join("\n")))
}

fn told(session: &Session, set: &Resource) -> Vec<String> {
    let words = set.text("outcome").replace('-', " ");
    let title = format!("Policy set {}: {words}", set.text("policy-set-name"));
    let hue = match set.text("outcome") {
        "passed" => Hue::Green,
        "advised" => Hue::Yellow,
        _ => Hue::Red,
    };
    let mut lines = vec![session.out.painted(hue, &title)];
    let policies = set.get("outcomes").and_then(Value::as_array);
    for policy in policies.into_iter().flatten() {
        lines.extend(of_policy(policy));
    }
    let overrides = set.get("overrides").and_then(Value::as_array);
    for each in overrides.into_iter().flatten() {
        let word = |name: &str| each[name].as_str().unwrap_or_default();
        lines.push(format!(
            "  let pass by {} until {}",
            plain(match word("actor-name") {
                "" => word("actor"),
                name => name,
            }),
            word("expires-at")
        ));
    }
    lines
}

fn of_policy(policy: &Value) -> Vec<String> {
    let word = |name: &str| plain(policy[name].as_str().unwrap_or_default());
    let mut lines = vec![format!(
        "  {} ({}): {}",
        word("policy_name"),
        word("enforcement_level"),
        word("outcome")
    )];
    let messages = policy["messages"].as_array();
    let messages: Vec<&Value> = messages.into_iter().flatten().collect();
    for message in messages.iter().take(MESSAGES_MAX) {
        let text = plain(message["text"].as_str().unwrap_or_default());
        lines.push(match message["address"].as_str() {
            Some(address) => format!("      {}: {text}", plain(address)),
            None => format!("      {text}"),
        });
    }
    let more = messages.len().saturating_sub(MESSAGES_MAX);
    if more > 0 {
        lines.push(format!("      and {more} more"));
    }
    lines
}

/// The failure of a run that policies hold up or ended, and what next.
pub(super) fn held_up(run: &RunId, now: &Resource) -> Failure {
    match (now.text("stage"), now.text("policies")) {
        ("policy_failed", _) => Failure::failed(format!("{run} is held up by policies")).hint(format!(
            "who holds `policy.override` may let it pass: `statehouse run override {run} --reason …`; else `statehouse run discard {run}`"
        )),
        (_, "soft-failed") => Failure::failed(format!("policies are against the plan of {run}")).hint(
            "it was only looked at; a run that may apply waits for somebody who holds `policy.override`",
        ),
        _ => Failure::failed(format!("{run} is forbidden by policies")).hint(
            "nobody overrides a hard-mandatory policy: change the configuration or the policy set, then start another run",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_printed_with_some_of_its_messages_and_how_many_more() {
        let message = json!({ "text": "is \u{1b}[31mpublic", "address": "aws_s3_bucket.a" });
        let policy = json!({
            "policy_name": "no-public-buckets",
            "enforcement_level": "soft-mandatory",
            "outcome": "failed",
            "messages": vec![message; MESSAGES_MAX + 2],
        });
        let lines = of_policy(&policy);
        assert_eq!(lines.len(), MESSAGES_MAX + 2);
        assert_eq!(
            lines.first().map(String::as_str),
            Some("  no-public-buckets (soft-mandatory): failed")
        );
        assert!(
            lines.iter().all(|line| !line.contains('\u{1b}')),
            "{lines:?}"
        );
        assert_eq!(lines.last().map(String::as_str), Some("      and 2 more"));
    }
}

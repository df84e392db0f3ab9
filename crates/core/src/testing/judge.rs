//! Whatever judges by policies in tests: a bundle is JSON and says itself what it has against a plan.
//!
//! `{"plan": OUTCOME, "apply": OUTCOME, "applied": OUTCOME, "saved": OUTCOME}` with the outcomes of [`Outcome`], `error` for no answer, or `late` for none for want of time; what is not there
//! is as `plan`. A parameter `says` goes over all. `"entities": ["state"]` is what its policy judges, a plan unless that is there. With `"tells": true` its
//! message is what it was given, as JSON; with `"names": TEXT` it is against a workspace of that name alone. `"held": STAGE` is answered then when a test lets it.

#![allow(clippy::unwrap_used, missing_docs)]

use bytes::Bytes;
use serde_json::{Map, Value, json};
use statehouse_ledger::sha256;

use crate::policy::PolicyView;
use crate::policy::judge::{
    Checked, Judge, Judging, Message, Outcome, PolicyResult, Question, Said, Set, Stage,
};
use crate::unsaid::Unsaid;

pub(crate) struct Bench;

/// A bundle that says this of every plan, at either time.
pub(crate) fn says(outcome: &str) -> Bytes {
    json!({ "plan": outcome }).to_string().into()
}

/// A bundle that says one thing of a plan, and another before its apply.
pub(crate) fn turns(plan: &str, apply: &str) -> Bytes {
    json!({ "plan": plan, "apply": apply }).to_string().into()
}

/// A bundle that judges states: nothing is against them before an apply, and this after it.
pub(crate) fn of_states(applied: &str) -> Bytes {
    let bundle = json!({ "plan": "passed", "applied": applied, "entities": ["state"] });
    bundle.to_string().into()
}

/// A bundle that judges workspaces when they are saved.
pub(crate) fn of_workspaces(saved: &str) -> Bytes {
    let bundle = json!({ "plan": "passed", "saved": saved, "entities": ["workspace"] });
    bundle.to_string().into()
}

impl Judge for Bench {
    fn check<'a>(&'a self, archive: Bytes, _: &'a Map<String, Value>) -> Judging<'a, Checked> {
        Box::pin(async move {
            let archive = inner(archive);
            let bundle: Value =
                serde_json::from_slice(&archive).map_err(|error| error.to_string())?;
            let entities = bundle.get("entities").and_then(Value::as_array).cloned();
            let entities = entities.unwrap_or_else(|| vec!["plan".into()]);
            let policies = entities.iter().map(|entity| PolicyView {
                name: "only".to_owned(),
                title: "The only one".to_owned(),
                entity: entity.as_str().unwrap().to_owned(),
                level: "hard-mandatory".to_owned(),
            });
            Ok(Checked {
                digest: sha256(&archive),
                policies: policies.collect(),
                archive,
            })
        })
    }

    fn assess(&self, question: Question) -> Judging<'_, Vec<Said>> {
        Box::pin(async move {
            let is_held = |set: &Set| {
                let bundle: Value = serde_json::from_slice(&set.archive).unwrap();
                bundle["held"] == at(question.stage)
            };
            if question.sets.iter().any(is_held) {
                super::held().await;
            }
            let each = |set| said(set, &question);
            question.sets.iter().map(each).collect()
        })
    }
}

/// What a bundle says that came as an archive: the first file of it that is no test.
fn inner(archive: Bytes) -> Bytes {
    let packed = archive.clone();
    let unpacked = flate2::read::GzDecoder::new(&packed[..]);
    let mut unpacked = tar::Archive::new(unpacked);
    let Ok(mut entries) = unpacked.entries() else {
        return archive;
    };
    match entries.next() {
        Some(Ok(mut file)) => {
            let mut text = Vec::new();
            std::io::Read::read_to_end(&mut file, &mut text).unwrap();
            text.into()
        }
        _ => archive,
    }
}

/// What a question is about, as JSON.
fn told(question: &Question) -> Value {
    let documents = question.documents.iter().map(|(part, document)| {
        let text = String::from_utf8_lossy(&document.whole().unwrap()).into_owned();
        (part.name().to_owned(), Value::from(text))
    });
    json!({
        "stage": question.stage,
        "documents": documents.collect::<Map<String, Value>>(),
        "organization": question.facts.organization,
        "workspace": question.facts.workspace,
        "project": question.facts.project,
        "transition": question.facts.transition,
        "changed-outside": question.facts.changed_outside,
    })
}

/// What a stage is called in a bundle.
fn at(stage: Stage) -> &'static str {
    match stage {
        Stage::Plan => "plan",
        Stage::Apply => "apply",
        Stage::Applied => "applied",
        Stage::Saved => "saved",
    }
}

fn said(set: &Set, question: &Question) -> Result<Said, Unsaid> {
    let bundle: Value = serde_json::from_slice(&set.archive).unwrap();
    let at = at(question.stage);
    let names = bundle.get("names").and_then(Value::as_str);
    let is_another = names.is_some_and(|name| name != question.facts.workspace.name);
    let word = set
        .parameters
        .get("says")
        .or(bundle.get(at))
        .or(bundle.get("plan"));
    let word = if is_another {
        "passed"
    } else {
        word.and_then(Value::as_str).unwrap()
    };
    if word == "error" {
        return Err(Unsaid::Impossible("the worker died".to_owned()));
    }
    if word == "late" {
        return Err(Unsaid::Unanswered("there was no place".to_owned()));
    }
    let outcome: Outcome = serde_json::from_value(word.into()).unwrap();
    let text = match bundle.get("tells") {
        Some(_) => told(question).to_string(),
        None => format!("{} says {word}", set.name),
    };
    let mut input = Vec::new();
    for (part, document) in &question.documents {
        input.extend_from_slice(part.name().as_bytes());
        input.extend_from_slice(&document.whole().unwrap());
    }
    Ok(Said {
        outcome,
        input: sha256(&input),
        engine: "test 1".to_owned(),
        results: vec![PolicyResult {
            policy: "only".to_owned(),
            title: "The only one".to_owned(),
            level: set.enforcement.as_str().to_owned(),
            outcome: if outcome == Outcome::Passed {
                "passed"
            } else {
                "failed"
            }
            .to_owned(),
            messages: vec![Message {
                text,
                address: None,
            }],
        }],
    })
}

//! Whatever judges by policies in tests: a bundle is JSON and says itself what it has against a plan.
//!
//! `{"plan": OUTCOME, "apply": OUTCOME}` with the outcomes of [`Outcome`], or `error` for no answer; `apply` is as `plan` unless it is there.
//! A parameter `says` goes over both.

#![allow(clippy::unwrap_used, missing_docs)]

use bytes::Bytes;
use serde_json::{Map, Value, json};
use statehouse_ledger::sha256;

use crate::policy::PolicyView;
use crate::policy::judge::{
    Checked, Judge, Judging, Message, Outcome, PolicyResult, Question, Said, Set, Stage,
};

pub(crate) struct Bench;

/// A bundle that says this of every plan, at either time.
pub(crate) fn says(outcome: &str) -> Bytes {
    json!({ "plan": outcome }).to_string().into()
}

/// A bundle that says one thing of a plan, and another before its apply.
pub(crate) fn turns(plan: &str, apply: &str) -> Bytes {
    json!({ "plan": plan, "apply": apply }).to_string().into()
}

impl Judge for Bench {
    fn check<'a>(&'a self, archive: Bytes, _: &'a Map<String, Value>) -> Judging<'a, Checked> {
        Box::pin(async move {
            serde_json::from_slice::<Value>(&archive).map_err(|error| error.to_string())?;
            let policy = PolicyView {
                name: "only".to_owned(),
                title: "The only one".to_owned(),
                entity: "plan".to_owned(),
                level: "hard-mandatory".to_owned(),
            };
            Ok(Checked {
                digest: sha256(&archive),
                policies: vec![policy],
                archive,
            })
        })
    }

    fn assess(&self, question: Question) -> Judging<'_, Vec<Said>> {
        Box::pin(async move {
            let Question {
                stage, sets, plan, ..
            } = question;
            sets.iter().map(|set| said(set, stage, &plan)).collect()
        })
    }
}

fn said(set: &Set, stage: Stage, plan: &[u8]) -> Result<Said, String> {
    let bundle: Value = serde_json::from_slice(&set.archive).unwrap();
    let at_apply = bundle.get("apply").filter(|_| stage == Stage::Apply);
    let word = set
        .parameters
        .get("says")
        .or(at_apply)
        .or(bundle.get("plan"));
    let word = word.and_then(Value::as_str).unwrap();
    if word == "error" {
        return Err("the worker died".to_owned());
    }
    let outcome: Outcome = serde_json::from_value(word.into()).unwrap();
    let message = Message {
        text: format!("{} says {word}", set.name),
        address: None,
    };
    Ok(Said {
        outcome,
        input: sha256(plan),
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
            messages: vec![message],
        }],
    })
}

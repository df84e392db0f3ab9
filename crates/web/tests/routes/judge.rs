//! Whatever judges by policies in these tests: a bundle is JSON and says itself what it has against a plan.
//!
//! `{"says": OUTCOME}` with the outcomes of [`Outcome`]; everything else does not judge, and says why. `"entity"` is what it judges, a plan unless said.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use statehouse_core::policy::PolicyView;
use statehouse_core::policy::judge::{
    Checked, Judge, Judging, Message, Outcome, PolicyResult, Question, Said, Set,
};

pub(crate) struct Bench;

/// A bundle that says this of every plan.
pub(crate) fn says(outcome: &str) -> Bytes {
    json!({ "says": outcome }).to_string().into()
}

fn read(archive: &[u8]) -> Result<Outcome, String> {
    let bundle: Value = serde_json::from_slice(archive).map_err(|error| error.to_string())?;
    let outcome = serde_json::from_value(bundle["says"].clone());
    outcome.map_err(|error| format!("says.rego:1:1: {error}"))
}

impl Judge for Bench {
    fn check<'a>(&'a self, archive: Bytes, _: &'a Map<String, Value>) -> Judging<'a, Checked> {
        Box::pin(async move {
            read(&archive)?;
            let bundle: Value =
                serde_json::from_slice(&archive).map_err(|error| error.to_string())?;
            let policy = PolicyView {
                name: "only".to_owned(),
                title: "The only one".to_owned(),
                entity: bundle["entity"].as_str().unwrap_or("plan").to_owned(),
                level: "hard-mandatory".to_owned(),
            };
            Ok(Checked {
                digest: Sha256::digest(&archive).into(),
                policies: vec![policy],
                archive,
            })
        })
    }

    fn assess(&self, question: Question) -> Judging<'_, Vec<Said>> {
        Box::pin(async move {
            let Question {
                sets, documents, ..
            } = question;
            let mut all = Vec::new();
            for document in documents.values() {
                document.pour(&mut all).map_err(|error| error.to_string())?;
            }
            let said = sets.iter().map(|set| said(set, &all));
            Ok(said.collect::<Result<Vec<_>, _>>()?)
        })
    }
}

fn said(set: &Set, documents: &[u8]) -> Result<Said, String> {
    let outcome = read(&set.archive)?;
    let passed = outcome == Outcome::Passed;
    let message = Message {
        text: format!("{} is against it", set.name),
        address: Some("terraform_data.it".to_owned()),
    };
    Ok(Said {
        outcome,
        input: Sha256::digest(documents).into(),
        engine: "test 1".to_owned(),
        results: vec![PolicyResult {
            policy: "only".to_owned(),
            title: "The only one".to_owned(),
            level: set.enforcement.as_str().to_owned(),
            outcome: if passed { "passed" } else { "failed" }.to_owned(),
            messages: if passed { Vec::new() } else { vec![message] },
        }],
    })
}

//! Whatever estimates costs in tests: the overlay says what a plan costs, and the region is its factor.
//!
//! The overlay holds amounts, a line each: `USD 12`. Without one a plan costs a dollar. `die` is no answer, `late` is none for want of time, `late once` the
//! first time. `held` is answered when a test lets it. A file that begins with `bad` does not read.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;
use statehouse_ledger::sha256;

use crate::cost::Kind;
use crate::cost::estimate::{
    Counts, Estimating, Estimator, Figures, Input, Lane, Micro, Own, Place, Question, Said, Total,
    Unsaid,
};

#[derive(Default)]
pub(crate) struct Bench {
    /// How often nobody came to a plan.
    late: AtomicU32,
}

fn input(kind: Kind, text: &'static str) -> Input {
    Input {
        kind,
        name: text.to_owned(),
        bytes: text.into(),
    }
}

impl Estimator for Bench {
    fn own(&self) -> Own {
        Own {
            book: input(Kind::Book, "own book"),
            mapping: input(Kind::Mapping, "own mapping"),
        }
    }

    fn place(&self, _: Lane) -> Estimating<'_, Place> {
        Box::pin(async { Ok(Box::new(()) as Place) })
    }

    fn check(&self, _: Place, input: Input) -> Estimating<'_, String> {
        Box::pin(async move {
            if input.bytes.starts_with(b"bad") {
                let why = format!("{}:1: this is bad", input.name);
                return Err(Unsaid::Impossible(why));
            }
            Ok(format!("{} bytes", input.bytes.len()))
        })
    }

    fn estimate(&self, _: Place, question: Question) -> Estimating<'_, Said> {
        Box::pin(async move {
            match overlay(&question) {
                "held" => super::held().await,
                "late" => return Err(Unsaid::Unanswered("there was no place".to_owned())),
                "late once" if self.late.fetch_add(1, Ordering::Relaxed) == 0 => {
                    return Err(Unsaid::Unanswered("there was no place".to_owned()));
                }
                _ => {}
            }
            said(&question).map_err(Unsaid::Impossible)
        })
    }
}

/// What the overlay says.
fn overlay(question: &Question) -> &str {
    let mut inputs = question.inputs.iter();
    let overlay = inputs.find(|each| each.kind == Kind::Overlay);
    overlay.map_or("USD 1", |each| std::str::from_utf8(&each.bytes).unwrap())
}

fn said(question: &Question) -> Result<Said, String> {
    let text = match overlay(question) {
        "die" => return Err("its process ended by signal 11".to_owned()),
        "held" | "late once" => "USD 4",
        text => text,
    };
    let factor = if question.region.is_some() { 2 } else { 1 };
    let totals = text.lines().map(|line| {
        let (currency, amount) = line.split_once(' ').unwrap();
        let after = amount.parse::<i64>().unwrap() * factor;
        let total = Total {
            before: "0".to_owned(),
            after: after.to_string(),
            after_low: after.to_string(),
            delta: after.to_string(),
            micro: Micro {
                before: 0,
                after: after * 1_000_000,
                delta: after * 1_000_000,
            },
        };
        (currency.to_owned(), total)
    });
    let used: Vec<String> = question
        .inputs
        .iter()
        .map(|each| format!("{} {}", each.name, hex::encode(sha256(&each.bytes))))
        .collect();
    Ok(Said {
        engine: "test 1".to_owned(),
        figures: Figures {
            totals: totals.collect(),
            counts: Counts {
                resources: 2,
                estimated: 1,
                ..Counts::default()
            },
            ..Figures::default()
        },
        resources: Vec::new(),
        policy: json!({ "monthly_after": text }).to_string(),
        document: json!({ "plan": question.plan.bytes(), "date": question.date, "used": used })
            .to_string(),
    })
}

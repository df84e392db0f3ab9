//! Whatever estimates costs in tests: the overlay says what a plan costs, and the region is its factor.
//!
//! The overlay holds amounts, a line each: `USD 12`. Without one a plan costs a dollar. `die` is no answer. A file that begins with `bad` does not read.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use serde_json::json;
use statehouse_ledger::sha256;

use crate::cost::Kind;
use crate::cost::estimate::{
    Counts, Estimating, Estimator, Figures, Input, Micro, Own, Question, Said, Total,
};

pub(crate) struct Bench;

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

    fn check(&self, input: Input) -> Estimating<'_, String> {
        Box::pin(async move {
            if input.bytes.starts_with(b"bad") {
                return Err(format!("{}:1: this is bad", input.name));
            }
            Ok(format!("{} bytes", input.bytes.len()))
        })
    }

    fn estimate(&self, question: Question) -> Estimating<'_, Said> {
        Box::pin(async move { said(&question) })
    }
}

fn said(question: &Question) -> Result<Said, String> {
    let overlay = question
        .inputs
        .iter()
        .find(|each| each.kind == Kind::Overlay);
    let text = overlay.map_or("USD 1", |each| std::str::from_utf8(&each.bytes).unwrap());
    if text == "die" {
        return Err("its process ended by signal 9".to_owned());
    }
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

//! Whatever estimates costs in these tests: the overlay says in its first line what a plan costs, `USD 12`; without one it is a dollar. What begins with
//! `bad` does not read.

use serde_json::json;
use statehouse_core::cost::Kind;
use statehouse_core::cost::estimate::{
    Component, Counts, Estimating, Estimator, Figures, Input, Lane, Micro, Own, Place, Question,
    Resource, Said, Side, Total, Unsaid,
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
            let overlay = question
                .inputs
                .iter()
                .find(|each| each.kind == Kind::Overlay);
            let text = overlay.map_or("USD 1", |each| std::str::from_utf8(&each.bytes).unwrap());
            Ok(said(text))
        })
    }
}

fn side(monthly: &str) -> Side {
    Side {
        quantity: Some("730".to_owned()),
        price: Some("0.01".to_owned()),
        monthly: Some(monthly.to_owned()),
        state: "priced".to_owned(),
        why: "listed".to_owned(),
    }
}

fn said(text: &str) -> Said {
    let (currency, amount) = text.split_once(' ').unwrap();
    let after = amount.trim().parse::<i64>().unwrap();
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
    let component = Component {
        name: "Instance usage".to_owned(),
        unit: "hours".to_owned(),
        before: None,
        after: Some(side(amount)),
        delta: Some(amount.to_owned()),
        currency: Some(currency.to_owned()),
    };
    Said {
        engine: "test 1".to_owned(),
        figures: Figures {
            totals: [(currency.to_owned(), total)].into(),
            counts: Counts {
                resources: 3,
                estimated: 2,
                unsupported: 1,
                priced: 1,
                ..Counts::default()
            },
            book: "own book".to_owned(),
            book_date: "2026-01-01".to_owned(),
            unsupported: [("acme_thing".to_owned(), 1)].into(),
            ..Figures::default()
        },
        resources: vec![Resource {
            address: "aws_instance.web".to_owned(),
            kind: "aws_instance".to_owned(),
            action: "create".to_owned(),
            components: vec![component],
        }],
        policy: json!({ "monthly_after": after }).to_string(),
        document: json!({ "version": "0.2", "totalMonthlyCost": amount }).to_string(),
    }
}

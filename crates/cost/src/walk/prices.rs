//! Prices of one estimate, each looked for once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use rust_decimal::Decimal;

use crate::estimate::Settings;
use crate::price::{Answer, Found, Question};

/// How many answers of a book are kept at a time.
const ANSWERS_MAX: usize = 16_384;

/// An answer of the book: the price, or why there is none.
pub(super) type Priced = Result<Arc<Found>, Arc<str>>;

/// The prices of one estimate: what was asked before is not looked for again.
pub(crate) struct Prices<'s> {
    pub(super) settings: &'s Settings<'s>,
    answers: RefCell<HashMap<String, Priced>>,
    /// The key of the question at hand: its room is used again.
    key: RefCell<String>,
}

impl<'s> Prices<'s> {
    pub(crate) fn new(settings: &'s Settings<'s>) -> Self {
        Self {
            settings,
            answers: RefCell::default(),
            key: RefCell::default(),
        }
    }

    /// The price, by a factor where there is one, or what was looked for.
    pub(super) fn ask(&self, question: &Question<'_>, factor: Option<Decimal>) -> Priced {
        let mut key = self.key.borrow_mut();
        key.clear();
        let family = question.family.unwrap_or_default();
        for text in [question.service, family, question.region] {
            key.push_str(text);
            key.push('\n');
        }
        key.push(if question.elsewhere { 'y' } else { 'n' });
        for (name, value) in &question.attributes {
            for text in [name, "=", value, "\n"] {
                key.push_str(text);
            }
        }
        if let Some(factor) = factor {
            key.push_str(&factor.to_string());
        }
        if let Some(answer) = self.answers.borrow().get(&*key) {
            return answer.clone();
        }
        let answer = match self.settings.book.ask(question) {
            Answer::Found(mut found) => {
                match found.price.checked_mul(factor.unwrap_or(Decimal::ONE)) {
                    Some(price) => {
                        found.price = price;
                        Ok(Arc::new(found))
                    }
                    None => Err(nothing(question).into()),
                }
            }
            Answer::Nothing => Err(nothing(question).into()),
            Answer::Ambiguous(prices) => Err(ambiguous(question, &prices).into()),
        };
        let mut answers = self.answers.borrow_mut();
        if answers.len() >= ANSWERS_MAX {
            answers.clear();
        }
        answers.insert(key.clone(), answer.clone());
        answer
    }
}

/// What is known of a product, where it has a value.
fn shown(attributes: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = attributes
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join(";")
}

fn nothing(question: &Question<'_>) -> String {
    format!(
        "no price for {} in {}: {}",
        question.service,
        place(question.region),
        shown(&question.attributes)
    )
}

fn ambiguous(question: &Question<'_>, prices: &[Decimal]) -> String {
    let all: Vec<String> = prices.iter().map(ToString::to_string).collect();
    format!(
        "{} prices ({}) for {} in {}, and nothing tells them apart: {}",
        prices.len(),
        all.join(", "),
        question.service,
        place(question.region),
        shown(&question.attributes)
    )
}

fn place(region: &str) -> &str {
    if region.is_empty() {
        "an unknown region"
    } else {
        region
    }
}

//! Answers beside the wanted ones.
//!
//! The wanted ones are JSON, so sets stand there as arrays, and keys that are no text as text; the order of answers, and of what is
//! in a set, says nothing.

use std::collections::BTreeMap;

use regorus::Value;

use crate::engine::Document;

/// The variables of an answer.
pub(super) type Answer = BTreeMap<String, Document>;

/// Whether these are the wanted answers; otherwise what they are.
pub(super) fn answers(got: &[Answer], wanted: &[Document], sorted: bool) -> Result<(), String> {
    let mut left: Vec<Vec<(String, Value)>> = got.iter().map(named).collect();
    for answer in wanted {
        let wanted: Vec<(String, Value)> = answer
            .entries()
            .into_iter()
            .map(|(name, it)| (name, it.0))
            .collect();
        let same = |got: &Vec<(String, Value)>| {
            got.len() == wanted.len()
                && got.iter().zip(&wanted).all(|(a, b)| {
                    a.0 == b.0
                        && (same(&a.1, &b.1) || sorted && same(&in_order(&a.1), &in_order(&b.1)))
                })
        };
        match left.iter().position(same) {
            Some(index) => drop(left.swap_remove(index)),
            None => return Err(format!("wanted {}, got {}", answer.to_json(), shown(got))),
        }
    }
    if left.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "wanted {} answers, got {}",
            wanted.len(),
            shown(got)
        ))
    }
}

/// Variables that the question names; those that were made up for it do not count.
fn named(answer: &Answer) -> Vec<(String, Value)> {
    answer
        .iter()
        .filter(|(name, value)| {
            !name.starts_with('_') && !name.contains("__") && !value.is_undefined()
        })
        .map(|(name, value)| (name.clone(), value.0.clone()))
        .collect()
}

fn shown(answers: &[Answer]) -> String {
    let all: Vec<String> = answers
        .iter()
        .map(|it| {
            let members: Vec<String> = it
                .iter()
                .map(|(name, value)| format!("{name}: {}", value.to_json()))
                .collect();
            format!("{{{}}}", members.join(", "))
        })
        .collect();
    format!("[{}]", all.join(", "))
}

fn in_order(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items = items.to_vec();
            items.sort();
            Value::from(items)
        }
        Value::Set(items) => Value::from(items.iter_sorted().cloned().collect::<Vec<_>>()),
        other => other.clone(),
    }
}

fn same(got: &Value, wanted: &Value) -> bool {
    match (got, wanted) {
        (Value::Array(got), Value::Array(wanted)) => {
            got.len() == wanted.len() && got.iter().zip(wanted.iter()).all(|(a, b)| same(a, b))
        }
        (Value::Set(got), Value::Array(wanted)) => {
            got.len() == wanted.len() && got.iter().all(|a| wanted.iter().any(|b| same(a, b)))
        }
        (Value::Object(got), Value::Object(wanted)) => {
            got.len() == wanted.len()
                && got
                    .iter()
                    .all(|(key, a)| wanted.get(&written(key)).is_some_and(|b| same(a, b)))
        }
        _ => got == wanted,
    }
}

/// A key as JSON has it.
fn written(key: &Value) -> Value {
    match key {
        Value::String(_) => key.clone(),
        other => Value::from(other.to_string()),
    }
}

//! Functions of the mapping that need nothing but their arguments.
//!
//! What one of them makes of an unknown argument is unknown, wherever another value of it could make it something else.

use std::rc::Rc;

use rust_decimal::Decimal;

use crate::evaluate::ITEMS_MAX;
use crate::mapping::expression::Function;
use crate::value::Value;

/// Whether both say the same, if that is known. What is left to the provider is as unset.
pub(crate) fn same(one: &Value, other: &Value) -> Option<bool> {
    (!one.has_unknown() && !other.has_unknown()).then(|| one.is_same(other))
}

/// The sum of all, if all are numbers.
pub(crate) fn sum(values: &[Value]) -> Value {
    if let Some(later) = Value::later_of(values) {
        return later;
    }
    values
        .iter()
        .try_fold(Decimal::ZERO, |sum, value| sum.checked_add(value.number()?))
        .map_or(Value::Null, Value::Number)
}

/// Functions of their arguments alone.
pub(crate) fn pure(function: Function, values: &[Value]) -> Value {
    let (first, rest) = values.split_first().unwrap_or((&Value::Null, &[]));
    match function {
        Function::Unknown => Value::Bool(matches!(first, Value::Unknown | Value::Left)),
        Function::Pick => pick(first, rest),
        Function::Min => extreme(values, |a, b| a < b),
        Function::Max => extreme(values, |a, b| a > b),
        // Of all that is left, nothing can be said where an argument is unknown.
        _ if values.contains(&Value::Unknown) => Value::Unknown,
        Function::Absent => Value::Bool(!first.is_known() || first.as_text() == Some("")),
        Function::Known => Value::Bool(first.is_known()),
        Function::Num => rounded(first, Decimal::clone),
        Function::Str => Value::text(&first.to_string()),
        Function::Ceil => rounded(first, Decimal::ceil),
        Function::Floor => rounded(first, Decimal::floor),
        Function::SumOf | Function::Len if *first == Value::Left => Value::Left,
        Function::SumOf => sum(first.items()),
        Function::FirstOf => first.items().first().cloned().unwrap_or_default(),
        Function::Len => match first {
            Value::List(items) => Value::Number(items.len().into()),
            Value::Map(members) => Value::Number(members.len().into()),
            Value::Text(text) => Value::Number(text.len().into()),
            _ => Value::Number(Decimal::ZERO),
        },
        Function::Merge | Function::Entries | Function::Distinct | Function::Concat => {
            of_lists(function, values)
        }
        _ => of_texts(function, first, rest),
    }
}

fn rounded(value: &Value, how: fn(&Decimal) -> Decimal) -> Value {
    if let Some(later) = value.later_number() {
        return later;
    }
    let number = value.number();
    number.map_or(Value::Null, |number| Value::Number(how(&number)))
}

/// The least or the most, if all are numbers: of a list, or of the arguments.
fn extreme(values: &[Value], better: fn(Decimal, Decimal) -> bool) -> Value {
    let all: &[Value] = match values {
        [Value::List(items)] => items,
        _ => values,
    };
    if let Some(later) = Value::later_of(all) {
        return later;
    }
    let mut best: Option<Decimal> = None;
    for value in all {
        let Some(number) = value.number() else {
            return Value::Null;
        };
        if best.is_none_or(|best| better(number, best)) {
            best = Some(number);
        }
    }
    best.map_or(Value::Null, Value::Number)
}

fn pick(key: &Value, rest: &[Value]) -> Value {
    let mut pairs = rest.chunks_exact(2);
    for pair in &mut pairs {
        let [wanted, value] = pair else { continue };
        match same(wanted, key) {
            Some(true) => return value.clone(),
            Some(false) => {}
            None => return Value::Unknown,
        }
    }
    pairs.remainder().first().cloned().unwrap_or_default()
}

fn of_lists(function: Function, values: &[Value]) -> Value {
    let (first, rest) = values.split_first().unwrap_or((&Value::Null, &[]));
    match function {
        Function::Merge => merge(first, rest.first().unwrap_or(&Value::Null)),
        Function::Entries => {
            let entry = |(name, value): &(Rc<str>, Value)| {
                Value::Map(Rc::from([
                    (Rc::from("key"), Value::Text(name.clone())),
                    (Rc::from("value"), value.clone()),
                ]))
            };
            Value::list(first.members().iter().map(entry).collect())
        }
        // How many different ones there are depends on each.
        Function::Distinct if first.has_unknown() => Value::Unknown,
        Function::Distinct => {
            let mut seen: Vec<Value> = Vec::new();
            for item in first.items() {
                if !seen.contains(item) {
                    seen.push(item.clone());
                }
            }
            Value::list(seen)
        }
        _ => {
            let mut all = Vec::new();
            for value in values {
                match value {
                    Value::List(items) => all.extend(items.iter().take(ITEMS_MAX).cloned()),
                    Value::Null | Value::Left => {}
                    one => all.push(one.clone()),
                }
            }
            Value::list(all)
        }
    }
}

/// What one says, and what another says where it is silent.
fn merge(one: &Value, other: &Value) -> Value {
    let single = |value: &Value| match value {
        Value::List(items) => items.first().cloned().unwrap_or_default(),
        value => value.clone(),
    };
    let (one, other) = (single(one), single(other));
    if one == Value::Unknown || other == Value::Unknown {
        return Value::Unknown;
    }
    let mut merged: Vec<(Rc<str>, Value)> = other.members().to_vec();
    for (name, value) in one.members() {
        let silent = value.is_silent();
        match merged.iter_mut().find(|(key, _)| key == name) {
            Some((_, known)) if !silent => *known = value.clone(),
            Some(_) => {}
            None => merged.push((name.clone(), value.clone())),
        }
    }
    Value::Map(merged.into())
}

fn of_texts(function: Function, first: &Value, rest: &[Value]) -> Value {
    let second = rest.first().map(Value::to_string).unwrap_or_default();
    if let Function::Join = function {
        if first.items().contains(&Value::Unknown) {
            return Value::Unknown;
        }
        let texts: Vec<String> = first.items().iter().map(Value::to_string).collect();
        return Value::text(&texts.join(&second));
    }
    if let Function::Starts | Function::Ends = function {
        let text = first.as_text().unwrap_or_default();
        return Value::Bool(match function {
            Function::Starts => text.starts_with(&second),
            _ => text.ends_with(&second),
        });
    }
    if !first.is_known() {
        return first.clone();
    }
    let text = first.to_string();
    match function {
        Function::Lower => Value::text(&text.to_lowercase()),
        Function::Upper => Value::text(&text.to_uppercase()),
        Function::Title => Value::text(&title(&text)),
        Function::Replace => {
            let with = rest.get(1).map(Value::to_string).unwrap_or_default();
            Value::text(&text.replace(&second, &with))
        }
        Function::Split => {
            let parts: Vec<Value> = text.split(&second).map(Value::text).collect();
            match rest.get(1).and_then(Value::number) {
                Some(place) => Value::list(parts).at(place),
                None => Value::list(parts),
            }
        }
        _ => Value::Null,
    }
}

/// Each word with a capital and small letters behind it.
fn title(text: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|c| c.to_uppercase().to_string());
        first.unwrap_or_default() + &letters.as_str().to_lowercase()
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

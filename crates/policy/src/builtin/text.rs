//! Strings: what interpolation becomes, and functions that the engine answers otherwise or not at all.

use regorus::Value;

use super::{Answer, Args, Builtin, Failure};
use crate::load::{
    TEMPLATE,
    print::{EXTRA, PATCHES},
};

pub(super) const ALL: [Builtin; 8] = [
    (TEMPLATE, 1, template),
    (EXTRA, 1, extra),
    (PATCHES, 1, patches),
    ("strings.count", 2, count),
    ("json.is_valid", 1, json_is_valid),
    ("yaml.is_valid", 1, yaml_is_valid),
    ("re_match", 2, re_match),
    ("sanitized", 1, |args| Ok(args.any(0).clone())),
];

/// The pieces of a string with expressions: text, and sets that hold an expression's value or nothing.
fn template(args: &Args<'_>) -> Answer {
    let mut text = String::new();
    for piece in args.array(0)? {
        match piece {
            Value::Set(values) if values.is_empty() => text.push_str("<undefined>"),
            Value::Set(values) if values.len() == 1 => {
                if let Some(value) = values.first() {
                    show(value, true, &mut text);
                }
            }
            Value::Set(_) => return args.fail("an expression in a string has several values"),
            other => show(other, true, &mut text),
        }
    }
    Ok(Value::from(text))
}

/// A value as the language writes it; a string that stands alone without quotes.
pub(super) fn show(value: &Value, alone: bool, text: &mut String) {
    match value {
        Value::String(it) if alone => text.push_str(it),
        Value::Array(items) => show_all("[", items.iter(), "]", text),
        Value::Set(items) if items.is_empty() => text.push_str("set()"),
        Value::Set(items) => show_all("{", items.iter_sorted(), "}", text),
        Value::Object(members) => {
            text.push('{');
            for (index, (key, value)) in members.iter_sorted().enumerate() {
                if index > 0 {
                    text.push_str(", ");
                }
                show(key, false, text);
                text.push_str(": ");
                show(value, false, text);
            }
            text.push('}');
        }
        other => text.push_str(&other.to_string()),
    }
}

fn show_all<'a>(
    open: &str,
    items: impl Iterator<Item = &'a Value>,
    close: &str,
    text: &mut String,
) {
    text.push_str(open);
    for (index, item) in items.enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        show(item, false, text);
    }
    text.push_str(close);
}

/// What stands behind a text whose format has fewer verbs than there are values.
fn extra(args: &Args<'_>) -> Answer {
    let mut text = "%!(EXTRA ".to_owned();
    for (index, value) in args.array(0)?.iter().enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        text.push_str(match value {
            Value::Number(number) if number.is_integer() => "int=",
            Value::Number(_) => "float64=",
            _ => "string=",
        });
        show(value, true, &mut text);
    }
    text.push(')');
    Ok(Value::from(text))
}

/// The patches, unless one moves the whole document: it would be gone before it could be put anywhere. Libraries rely on that being
/// undefined; the engine puts it back.
fn patches(args: &Args<'_>) -> Answer {
    let is_root = |it: &Value| match it {
        Value::Array(path) => path.is_empty(),
        Value::String(path) => path.is_empty() || path.as_ref() == "/",
        _ => false,
    };
    if let Value::Array(patches) = args.any(0)
        && patches
            .iter()
            .any(|it| it["op"] == Value::from("move") && is_root(&it["from"]))
    {
        return args.fail("the whole document cannot be moved");
    }
    Ok(args.any(0).clone())
}

/// The engine panics where what is counted is empty; the answer is the number of letters and one more.
fn count(args: &Args<'_>) -> Answer {
    let (text, part) = (args.text(0)?, args.text(1)?);
    let count = if part.is_empty() {
        text.chars().count() + 1
    } else {
        text.matches(part).count()
    };
    Ok(Value::from(count))
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "it is a builtin, and those may fail"
)]
fn json_is_valid(args: &Args<'_>) -> Answer {
    Ok(Value::from(
        matches!(args.any(0), Value::String(text) if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()),
    ))
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "it is a builtin, and those may fail"
)]
fn yaml_is_valid(args: &Args<'_>) -> Answer {
    Ok(Value::from(
        matches!(args.any(0), Value::String(text) if Value::from_yaml_str(text).is_ok()),
    ))
}

fn re_match(args: &Args<'_>) -> Answer {
    let (pattern, text) = (args.text(0)?, args.text(1)?);
    let regex = regex::RegexBuilder::new(pattern)
        .size_limit(REGEX_BYTES_MAX)
        .build();
    let regex = regex.map_err(|it| Failure::Value(format!("{}: {it}", args.name())))?;
    Ok(Value::from(regex.is_match(text)))
}

/// What a compiled pattern may take; the largest pattern of the public libraries takes a hundredth.
const REGEX_BYTES_MAX: usize = 4 << 20;

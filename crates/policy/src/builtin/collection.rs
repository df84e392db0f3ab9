//! Collections: names of version 0 that libraries still use, and one of the newest.

use std::collections::BTreeSet;

use regorus::Value;

use super::{Answer, Args, Builtin, Failure};

pub(super) const ALL: [Builtin; 11] = [
    ("all", 1, all),
    ("any", 1, any),
    ("set_diff", 2, set_diff),
    ("array.flatten", 1, flatten),
    ("to_number", 1, to_number),
    ("cast_array", 1, cast_array),
    ("cast_set", 1, cast_set),
    ("cast_string", 1, |args| cast(args, "string")),
    ("cast_boolean", 1, |args| cast(args, "boolean")),
    ("cast_null", 1, |args| cast(args, "null")),
    ("cast_object", 1, |args| cast(args, "object")),
];

fn all(args: &Args<'_>) -> Answer {
    Ok(Value::from(
        args.items(0)?
            .into_iter()
            .all(|it| *it == Value::Bool(true)),
    ))
}

fn any(args: &Args<'_>) -> Answer {
    Ok(Value::from(
        args.items(0)?
            .into_iter()
            .any(|it| *it == Value::Bool(true)),
    ))
}

fn set_diff(args: &Args<'_>) -> Answer {
    match (args.any(0), args.any(1)) {
        (Value::Set(one), Value::Set(other)) => Ok(Value::from(
            one.iter()
                .filter(|it| !other.contains(it))
                .cloned()
                .collect::<BTreeSet<_>>(),
        )),
        (Value::Set(_), _) => args.wrong(1, "set"),
        _ => args.wrong(0, "set"),
    }
}

fn flatten(args: &Args<'_>) -> Answer {
    let mut flat = Vec::new();
    for item in args.array(0)? {
        match item {
            Value::Array(inner) => flat.extend(inner.iter().cloned()),
            other => flat.push(other.clone()),
        }
    }
    Ok(Value::from(flat))
}

fn cast_array(args: &Args<'_>) -> Answer {
    Ok(Value::from(
        args.items(0)?.into_iter().cloned().collect::<Vec<_>>(),
    ))
}

fn cast_set(args: &Args<'_>) -> Answer {
    Ok(Value::from(
        args.items(0)?.into_iter().cloned().collect::<BTreeSet<_>>(),
    ))
}

fn cast(args: &Args<'_>, kind: &str) -> Answer {
    if super::kind(args.any(0)) == kind {
        Ok(args.any(0).clone())
    } else {
        args.wrong(0, kind)
    }
}

/// Names of what is no number, which the reference implementation calls the wrong type.
const NO_NUMBERS: [&str; 3] = ["nan", "inf", "infinity"];

fn to_number(args: &Args<'_>) -> Answer {
    match args.any(0) {
        Value::Null => Ok(Value::from(0_u64)),
        Value::Bool(it) => Ok(Value::from(u64::from(*it))),
        number @ Value::Number(_) => Ok(number.clone()),
        Value::String(text) => {
            let bare = text.trim_start_matches(['+', '-']).to_ascii_lowercase();
            if NO_NUMBERS.contains(&bare.as_str()) {
                return Err(Failure::Type(format!("to_number: {text} is no number")));
            }
            let begins = bare.starts_with(|it: char| it.is_ascii_digit() || it == '.');
            match Value::from_numeric_string(text.strip_prefix('+').unwrap_or(text)) {
                Ok(number) if begins => Ok(number),
                _ => args.fail(format!("{text:?} is no number")),
            }
        }
        _ => args.wrong(0, "null, boolean, number or string"),
    }
}

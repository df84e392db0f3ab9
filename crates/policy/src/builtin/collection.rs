//! Collections: names of version 0 that libraries still use, and one of the newest.

use std::collections::BTreeSet;

use regorus::Value;

use super::{Answer, Args, Builtin};

pub(super) const ALL: [Builtin; 10] = [
    ("all", 1, all),
    ("any", 1, any),
    ("set_diff", 2, set_diff),
    ("array.flatten", 1, flatten),
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

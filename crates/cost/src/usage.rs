//! What is used: amounts that no plan says.
//!
//! The form is the one of Infracost's usage files: `version`, `resource_type_default_usage` by type, `resource_usage` by address, where
//! `*` in brackets stands for every instance and `*` elsewhere for any text. Several files can lie over each other: of a house, a
//! project, a workspace. What is nearer to the resource counts more: its address, then a wildcard, then its type, and of two files the
//! later. An amount may be a range, `100..200` or `{min: 100, max: 200}`; the estimate is then one, too. A key that nothing asks for is
//! named, not ignored.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use crate::value::{Value, decimal};

/// A usage file has at most this many bytes.
const BYTES_MAX: usize = 16 << 20;
/// How deep maps nest in one.
const DEPTH_MAX: usize = 16;

/// A usage file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{file}:{line}: {reason}")]
pub struct UsageError {
    /// The file.
    pub file: String,
    /// The line.
    pub line: usize,
    /// What does not fit, and what is expected.
    pub reason: String,
}

/// Which end of a range counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The lower.
    Low,
    /// The upper.
    High,
}

#[derive(Clone, Debug)]
struct Entry {
    pattern: String,
    value: Value,
    place: String,
}

/// What is used.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    types: Vec<Entry>,
    addresses: Vec<Entry>,
    has_ranges: bool,
}

impl Usage {
    /// Reads a file and puts it over what there is.
    pub fn add_file(&mut self, path: &Path) -> Result<(), UsageError> {
        let file = path.display().to_string();
        let text = fs_err::read_to_string(path).map_err(|error| UsageError {
            file: file.clone(),
            line: 0,
            reason: error.to_string(),
        })?;
        self.add(&file, &text)
    }

    /// Reads a text and puts it over what there is.
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), UsageError> {
        if text.len() > BYTES_MAX {
            return Err(refused(
                file,
                0,
                &format!("the file has more than {BYTES_MAX} bytes"),
            ));
        }
        let (root, lines) = parse(file, text)?;
        let known = ["version", "resource_usage", "resource_type_default_usage"];
        if let Some((name, _)) = root
            .members()
            .iter()
            .find(|(name, _)| !known.contains(&&**name))
        {
            let line = lines.get(&**name).copied().unwrap_or(0);
            return Err(refused(
                file,
                line,
                &format!(
                    "{name} is no part of a usage file: known are {}",
                    known.join(", ")
                ),
            ));
        }
        for (section, entries) in [
            ("resource_type_default_usage", &mut self.types),
            ("resource_usage", &mut self.addresses),
        ] {
            for (pattern, value) in root.get(section).members() {
                let line = lines
                    .get(&format!("{section}/{pattern}"))
                    .copied()
                    .unwrap_or(0);
                match value {
                    Value::Null => continue,
                    Value::Map(_) => {}
                    _ => {
                        return Err(refused(
                            file,
                            line,
                            &format!("the usage of {pattern} is keys with amounts, `key: amount`"),
                        ));
                    }
                }
                self.has_ranges |= has_range(value);
                entries.push(Entry {
                    pattern: pattern.to_string(),
                    value: value.clone(),
                    place: format!("{file}:{line}"),
                });
            }
        }
        Ok(())
    }

    /// Whether an amount is a range.
    pub fn has_ranges(&self) -> bool {
        self.has_ranges
    }

    /// The same with one end of each range.
    #[must_use]
    pub fn at(&self, end: End) -> Self {
        let resolve = |entries: &[Entry]| {
            let one = |entry: &Entry| Entry {
                value: resolved(&entry.value, end),
                ..entry.clone()
            };
            entries.iter().map(one).collect()
        };
        Self {
            types: resolve(&self.types),
            addresses: resolve(&self.addresses),
            has_ranges: false,
        }
    }

    /// What a resource uses.
    pub(crate) fn of(&self, address: &str, kind: &str) -> Value {
        let mut merged: Vec<(Rc<str>, Value)> = Vec::new();
        let is_type = |entry: &&Entry| entry.pattern == kind;
        let wildcard =
            |entry: &&Entry| entry.pattern.contains('*') && matches(&entry.pattern, address);
        let exact = |entry: &&Entry| entry.pattern == address;
        let of_type = self.types.iter().chain(&self.addresses).filter(is_type);
        let nearer = self
            .addresses
            .iter()
            .filter(wildcard)
            .chain(self.addresses.iter().filter(exact));
        for entry in of_type.chain(nearer) {
            for (name, value) in entry.value.members() {
                match merged.iter_mut().find(|(key, _)| key == name) {
                    Some((_, known)) => *known = value.clone(),
                    None => merged.push((name.clone(), value.clone())),
                }
            }
        }
        Value::Map(merged.into())
    }

    /// Addresses of a type that exists only here.
    pub(crate) fn addresses_of(&self, kind: &str) -> Vec<String> {
        let prefix = format!("{kind}.");
        self.addresses
            .iter()
            .map(|entry| &entry.pattern)
            .filter(|pattern| pattern.starts_with(&prefix) && !pattern.contains('*'))
            .cloned()
            .collect()
    }

    /// What no resource of a plan uses: addresses that are not there and keys that a type does not know, each with its place.
    pub(crate) fn strange(
        &self,
        addresses: &[(&str, &str)],
        is_known: impl Fn(&str, &str) -> bool,
    ) -> Vec<String> {
        let mut strange = Vec::new();
        for entry in &self.addresses {
            let kind = addresses
                .iter()
                .find(|(address, kind)| entry.pattern == *kind || matches(&entry.pattern, address))
                .map(|(_, kind)| *kind);
            match kind {
                None => strange.push(format!(
                    "{}: no resource of the plan is {}",
                    entry.place, entry.pattern
                )),
                Some(kind) => strange.extend(unknown_keys(entry, kind, &is_known)),
            }
        }
        for entry in &self.types {
            strange.extend(unknown_keys(entry, &entry.pattern, &is_known));
        }
        strange
    }
}

fn unknown_keys(entry: &Entry, kind: &str, is_known: &impl Fn(&str, &str) -> bool) -> Vec<String> {
    entry
        .value
        .members()
        .iter()
        .filter(|(key, _)| !is_known(kind, key))
        .map(|(key, _)| format!("{}: {kind} has no usage key {key}", entry.place))
        .collect()
}

/// Whether a pattern fits an address: a star is any text, in brackets any instance.
fn matches(pattern: &str, address: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| address.strip_prefix(first)) else {
        return false;
    };
    let mut last = None;
    for piece in pieces {
        last = Some(piece);
        match rest.find(piece) {
            Some(at) => rest = rest.get(at + piece.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    match last {
        None => rest.is_empty(),
        Some(piece) => address.ends_with(piece),
    }
}

fn has_range(value: &Value) -> bool {
    match value {
        Value::Text(text) => range(text).is_some(),
        Value::Map(_) if is_range_map(value) => true,
        Value::Map(members) => members.iter().any(|(_, value)| has_range(value)),
        _ => false,
    }
}

fn is_range_map(value: &Value) -> bool {
    let members = value.members();
    members.len() == 2 && value.get("min").number().is_some() && value.get("max").number().is_some()
}

fn range(text: &str) -> Option<(rust_decimal::Decimal, rust_decimal::Decimal)> {
    let (low, high) = text.split_once("..")?;
    let (low, high) = (decimal(low)?, decimal(high)?);
    (low <= high).then_some((low, high))
}

fn resolved(value: &Value, end: End) -> Value {
    match value {
        Value::Text(text) => match range(text) {
            Some((low, high)) => Value::Number(if end == End::Low { low } else { high }),
            None => value.clone(),
        },
        Value::Map(_) if is_range_map(value) => {
            value.get(if end == End::Low { "min" } else { "max" })
        }
        Value::Map(members) => {
            let one = |(name, value): &(Rc<str>, Value)| (name.clone(), resolved(value, end));
            Value::Map(members.iter().map(one).collect())
        }
        other => other.clone(),
    }
}

fn refused(file: &str, line: usize, reason: &str) -> UsageError {
    UsageError {
        file: file.to_owned(),
        line,
        reason: reason.to_owned(),
    }
}

/// The lines of maps two levels deep, by path.
type Lines = BTreeMap<String, usize>;

enum Open {
    Map(Vec<(Rc<str>, Value)>, Option<Rc<str>>),
    List(Vec<Value>),
}

/// Reads YAML, of which JSON is a part.
fn parse(file: &str, text: &str) -> Result<(Value, Lines), UsageError> {
    let mut open: Vec<Open> = Vec::new();
    let (mut root, mut lines) = (Value::Null, Lines::new());
    for event in Parser::new_from_str(text) {
        let (event, span) =
            event.map_err(|error| refused(file, error.marker().line(), &error.to_string()))?;
        let done = match event {
            Event::Scalar(text, style, ..) => Some(scalar(&text, style)),
            Event::MappingStart(..) => {
                open.push(Open::Map(Vec::new(), None));
                None
            }
            Event::SequenceStart(..) => {
                open.push(Open::List(Vec::new()));
                None
            }
            Event::MappingEnd | Event::SequenceEnd => match open.pop() {
                Some(Open::Map(members, _)) => Some(Value::Map(members.into())),
                Some(Open::List(items)) => Some(Value::list(items)),
                None => None,
            },
            Event::Alias(_) => {
                let reason = "aliases are not read: write the amounts out";
                return Err(refused(file, line_of(&span), reason));
            }
            _ => None,
        };
        if open.len() > DEPTH_MAX {
            return Err(refused(
                file,
                line_of(&span),
                &format!("maps nest deeper than {DEPTH_MAX}"),
            ));
        }
        let Some(value) = done else { continue };
        let place = path(&open);
        match open.last_mut() {
            Some(Open::List(items)) => items.push(value),
            Some(Open::Map(members, key @ None)) => {
                let name: Rc<str> = Rc::from(value.to_string());
                if members.iter().any(|(known, _)| *known == name) {
                    return Err(refused(
                        file,
                        line_of(&span),
                        &format!("{name} stands twice"),
                    ));
                }
                if open_depth_is_named(&place) {
                    lines.insert(format!("{place}{name}"), line_of(&span));
                }
                *key = Some(name);
            }
            Some(Open::Map(members, key)) => {
                if let Some(name) = key.take() {
                    members.push((name, value));
                }
            }
            None => root = value,
        }
    }
    match root {
        Value::Map(_) => Ok((root, lines)),
        Value::Null => Ok((Value::Map(Rc::from([])), lines)),
        _ => Err(refused(
            file,
            1,
            "a usage file is keys with values: version, resource_usage",
        )),
    }
}

fn open_depth_is_named(place: &str) -> bool {
    place.matches('/').count() <= 1
}

/// The keys that lead to here, each with a slash.
fn path(open: &[Open]) -> String {
    open.iter()
        .filter_map(|open| match open {
            Open::Map(_, Some(key)) => Some(format!("{key}/")),
            _ => None,
        })
        .collect()
}

fn line_of(span: &Span) -> usize {
    span.start.line()
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::text(text);
    }
    match text {
        "" | "~" | "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        text => decimal(&text.replace('_', "")).map_or_else(|| Value::text(text), Value::Number),
    }
}

#[cfg(test)]
mod tests;

//! A plan for the screen: what terraform's `cloud` block draws a plan from, without a sensitive value in it.
//!
//! The form is that of terraform's own renderer: the changes of `show -json` beside the schemas of `providers schema -json`. What is
//! marked sensitive is replaced by values of the same kind that say nothing but whether something changed: an attribute that changes
//! still changes, and its marks stay, by which the renderer writes `(sensitive value)`. A configuration that does not mark a variable
//! which is sensitive where it is kept gives its value away: that value is [`Hidden`], and taken out of every text that has it.
//!
//! Deliberately absent: everything of a plan that is not drawn (variables, the prior state, the configuration).

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use crate::{drift, literal, weak};

/// The part that tells what changed outside.
const DRIFT: &str = "resource_drift";
/// Parts of a plan that are drawn, each a list or an object of changes.
const DRAWN: [&str; 4] = [
    "resource_changes",
    DRIFT,
    "output_changes",
    "deferred_changes",
];

/// Values that nobody is to see wherever a plan has them, each with what stands in its place.
#[derive(Default)]
pub struct Hidden(Vec<(String, String)>);

impl Hidden {
    /// Hides the value of a variable: the text that it is or, where it is a literal of HCL, every text in it.
    pub fn add(&mut self, name: &str, value: &str, hcl: bool) {
        let value = match hcl.then(|| literal::to_json(value)) {
            Some(Ok(value)) => value,
            _ => Value::String(value.to_owned()),
        };
        self.add_texts(name, &value);
        // What holds another one is looked for first.
        self.0
            .sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
    }

    fn add_texts(&mut self, name: &str, value: &Value) {
        match value {
            Value::String(text) if !text.is_empty() => {
                let instead = format!("(sensitive value of {name})");
                self.0.push((text.clone(), instead));
            }
            Value::Array(items) => items.iter().for_each(|item| self.add_texts(name, item)),
            Value::Object(members) => members.values().for_each(|it| self.add_texts(name, it)),
            _ => {}
        }
    }

    /// Takes the values out of every text. One that is short or common is taken for itself only where it is all of a text.
    fn hide(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.hide_text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.hide(item)),
            Value::Object(members) => members.values_mut().for_each(|it| self.hide(it)),
            _ => {}
        }
    }

    fn hide_text(&self, text: &mut String) {
        if let Some((_, instead)) = self.0.iter().find(|(hidden, _)| hidden == text) {
            instead.clone_into(text);
            return;
        }
        for (hidden, instead) in &self.0 {
            if text.contains(hidden.as_str()) && weak::check(hidden).is_ok() {
                *text = text.replace(hidden.as_str(), instead);
            }
        }
    }
}

/// Whether `show -json` told the same in both. Terraform goes through maps where it writes what an expression refers to, and what is
/// relevant: their order is another each time, and says nothing.
pub fn is_same(mut one: Value, mut other: Value) -> bool {
    for plan in [&mut one, &mut other] {
        if let Some(configuration) = plan.get_mut("configuration") {
            order(configuration);
        }
        if let Some(Value::Array(relevant)) = plan.get_mut("relevant_attributes") {
            relevant.sort_by_cached_key(Value::to_string);
        }
    }
    one == other
}

/// Puts what expressions refer to into one order. A constant is no expression: the order of its lists says something.
fn order(within: &mut Value) {
    match within {
        Value::Array(list) => list.iter_mut().for_each(order),
        Value::Object(members) => {
            for (name, value) in members {
                match (name.as_str(), value) {
                    ("constant_value", _) => {}
                    ("references", Value::Array(list)) if list.iter().all(Value::is_string) => {
                        list.sort_by_cached_key(Value::to_string);
                    }
                    (_, value) => order(value),
                }
            }
        }
        _ => {}
    }
}

/// The plan of `show -json`, for the screen, with the schemas of `providers schema -json`.
pub fn shown(mut plan: Value, mut schemas: Value, hidden: &Hidden) -> Value {
    let mut shown = Map::new();
    let take = |from: &mut Value, name: &str| from.get_mut(name).map(Value::take);
    let pairs = [
        ("plan_format_version", take(&mut plan, "format_version")),
        (
            "provider_format_version",
            take(&mut schemas, "format_version"),
        ),
        ("provider_schemas", take(&mut schemas, "provider_schemas")),
        (
            "relevant_attributes",
            take(&mut plan, "relevant_attributes"),
        ),
    ];
    for (name, value) in pairs {
        shown.insert(name.to_owned(), value.unwrap_or(Value::Null));
    }
    for name in DRAWN {
        let mut changes = take(&mut plan, name).unwrap_or(Value::Null);
        if name == DRIFT {
            drift::mark(&mut changes);
        }
        hide_all(&mut changes, hidden);
        shown.insert(name.to_owned(), changes);
    }
    Value::Object(shown)
}

/// Hides what is sensitive in every change of a list or an object.
fn hide_all(changes: &mut Value, hidden: &Hidden) {
    let each: Box<dyn Iterator<Item = &mut Value>> = match changes {
        Value::Array(list) => Box::new(list.iter_mut()),
        Value::Object(members) => Box::new(members.values_mut()),
        _ => return,
    };
    for one in each {
        // An output is its own change; a resource has one, and a deferred change has a resource.
        let path = ["/resource_change/change", "/change"]
            .into_iter()
            .find(|path| one.pointer(path).is_some());
        match path.and_then(|path| one.pointer_mut(path)) {
            Some(change) => hide(change, hidden),
            None => hide(one, hidden),
        }
    }
}

/// Hides what is sensitive in one change.
fn hide(change: &mut Value, hidden: &Hidden) {
    let Some(change) = change.as_object_mut() else {
        return;
    };
    let mut part = |name: &str| change.get_mut(name).map_or(Value::Null, Value::take);
    let (mut before, mut after) = (part("before"), part("after"));
    let (marks_before, marks_after) = (part("before_sensitive"), part("after_sensitive"));
    hide_pair(&mut before, &mut after, &marks_before, &marks_after);
    hidden.hide(&mut before);
    hidden.hide(&mut after);
    // An id to import, an identity, a path to what is replaced: no mark tells of those.
    change.values_mut().for_each(|rest| hidden.hide(rest));
    let parts = [
        ("before", before),
        ("after", after),
        ("before_sensitive", marks_before),
        ("after_sensitive", marks_after),
    ];
    for (name, value) in parts {
        if let Some(there) = change.get_mut(name) {
            *there = value;
        }
    }
}

/// Hides what either side marks, on both: a value that stops being sensitive was so a moment ago.
fn hide_pair(before: &mut Value, after: &mut Value, marks_before: &Value, marks_after: &Value) {
    if *marks_before == Value::Bool(true) || *marks_after == Value::Bool(true) {
        let same = before == after;
        blank(before, false);
        blank(after, !same);
        return;
    }
    let mut nothing = (Value::Null, Value::Null);
    for key in keys(marks_before).chain(keys(marks_after)) {
        let before = member(before, &key).unwrap_or(&mut nothing.0);
        let after = member(after, &key).unwrap_or(&mut nothing.1);
        let marks = |marks: &Value| match (&key, marks) {
            (Key::Name(name), Value::Object(members)) => members.get(name).cloned(),
            (Key::Index(index), Value::Array(items)) => items.get(*index).cloned(),
            _ => None,
        };
        let none = Value::Bool(false);
        let marks_before = marks(marks_before).unwrap_or(none.clone());
        let marks_after = marks(marks_after).unwrap_or(none);
        hide_pair(before, after, &marks_before, &marks_after);
    }
}

/// A step into a value.
#[derive(Clone, PartialEq, Eq)]
enum Key {
    Name(String),
    Index(usize),
}

fn keys(marks: &Value) -> Box<dyn Iterator<Item = Key> + '_> {
    match marks {
        Value::Object(members) => Box::new(members.keys().cloned().map(Key::Name)),
        Value::Array(items) => Box::new((0..items.len()).map(Key::Index)),
        _ => Box::new(std::iter::empty()),
    }
}

fn member<'v>(value: &'v mut Value, key: &Key) -> Option<&'v mut Value> {
    match (key, value) {
        (Key::Name(name), Value::Object(members)) => members.get_mut(name),
        (Key::Index(index), Value::Array(items)) => items.get_mut(*index),
        _ => None,
    }
}

/// Puts a value of the same kind in the place of one, another one where `other` says so. What is
/// unknown or absent stays so.
fn blank(value: &mut Value, other: bool) {
    match value {
        Value::Null => {}
        Value::Bool(flag) => *flag = other,
        Value::Number(_) => *value = json!(u8::from(other)),
        Value::String(text) => {
            *text = if other {
                "(sensitive, changed)"
            } else {
                "(sensitive)"
            }
            .to_owned();
        }
        // How many there are, and what they are called, is a part of the secret.
        Value::Array(_) => *value = json!([]),
        Value::Object(_) => *value = json!({}),
    }
}

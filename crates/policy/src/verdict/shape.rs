//! The shapes that policies answer in: what each element of an answer says, or that nobody knows.

use serde_json::{Map, Value};
use statehouse_terraform::unseen::is_unseen;

use crate::manifest::Level;

/// A message is for a screen. What is longer is cut.
const TEXT_BYTES_MAX: usize = 4 << 10;

/// What a policy says beside its message; more is dropped.
const METADATA_BYTES_MAX: usize = 4 << 10;

/// Under which names a message stands in an object, in the order in which they count.
const TEXTS: [&str; 3] = ["msg", "message", "reason"];

/// Under which names the resource does.
pub(crate) const ADDRESSES: [&str; 3] = ["address", "resource", "resource_address"];

/// One element of an answer.
#[derive(Debug, PartialEq)]
pub(super) struct Raw {
    pub(super) text: String,
    pub(super) level: Option<Level>,
    pub(super) address: Option<String>,
    pub(super) metadata: Map<String, Value>,
}

/// What an answer says: nothing, or one thing for each objection.
///
/// # Errors
///
/// When it has none of the shapes that mean something. An object of which nobody knows what its members are could be a policy that
/// fails as well as one that passes.
pub(super) fn said(value: Value, query: &str) -> Result<Vec<Raw>, String> {
    match value {
        Value::Array(items) => Ok(items.into_iter().map(element).collect()),
        Value::Bool(false) => Ok(Vec::new()),
        Value::Bool(true) => Ok(vec![plain(format!("{query} is true"))]),
        Value::String(text) => Ok(vec![plain(text)]),
        Value::Object(members) if text_of(&members).is_some() => {
            Ok(vec![element(Value::Object(members))])
        }
        Value::Object(_) => Err(odd(query, "an object without `msg`")),
        Value::Number(_) => Err(odd(query, "a number")),
        Value::Null => Err(odd(query, "null")),
    }
}

fn odd(query: &str, what: &str) -> String {
    format!(
        "{query} is {what}, which means nothing here; make it a set of messages: `deny contains message if …`"
    )
}

fn plain(text: String) -> Raw {
    Raw {
        text,
        level: None,
        address: None,
        metadata: Map::new(),
    }
}

/// Whatever it is, it is an objection: the set would be empty otherwise.
fn element(value: Value) -> Raw {
    match value {
        Value::String(text) => plain(text),
        Value::Object(mut members) => {
            let text = match text_of(&members) {
                Some((name, text)) => {
                    members.remove(name);
                    text
                }
                None => crate::input::canonical(&Value::Object(members.clone())),
            };
            let level = members
                .get("severity")
                .and_then(Value::as_str)
                .and_then(Level::named);
            if level.is_some() {
                members.remove("severity");
            }
            let address = ADDRESSES
                .into_iter()
                .find(|name| members.get(*name).is_some_and(Value::is_string));
            let address = address.and_then(|name| members.remove(name));
            let address = address.as_ref().and_then(Value::as_str).map(shown);
            let length = Value::Object(members.clone()).to_string().len();
            if length > METADATA_BYTES_MAX {
                members = Map::new();
            }
            Raw {
                text,
                level,
                address,
                metadata: members,
            }
        }
        other => plain(crate::input::canonical(&other)),
    }
}

fn text_of(members: &Map<String, Value>) -> Option<(&'static str, String)> {
    TEXTS.into_iter().find_map(|name| {
        let text = members.get(name)?.as_str()?;
        Some((name, text.to_owned()))
    })
}

/// Text as it may be shown to people who decide by it: cut, and without what a terminal obeys or an eye does not see.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(TEXT_BYTES_MAX));
    for letter in text.chars() {
        if out.len() + letter.len_utf8() > TEXT_BYTES_MAX {
            out.push('…');
            break;
        }
        match letter {
            '\n' | '\t' => out.push(letter),
            letter if letter.is_control() || is_unseen(letter) => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}

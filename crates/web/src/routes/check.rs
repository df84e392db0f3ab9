//! What a caller asks of an answer in the query, held against what the route says that it gives.
//!
//! An `include`, a `sort`, a type of `fields` or a page that cannot be given is refused, and the refusal names what can. Everything
//! else in a query is the handler's, or nobody's: clients send parameters that mean nothing here.

use std::collections::BTreeMap;

use axum::extract::Query as Pairs;
use axum::http::Uri;
use serde_json::{Map, Value};

use super::operation::{Gives, Operation};
use crate::openapi::kinds;
use crate::problem::Problem;

/// Longest query: with more, a filter names more than anybody reads.
const QUERY_BYTES_MAX: usize = 16 * 1024;
/// What is told of a word that somebody sent.
const SHOWN_MAX: usize = 64;

/// What is wanted of an answer.
#[derive(Default)]
pub(crate) struct Wanted {
    /// By type of resource, the attributes and relations that are wanted; everything of types that are not here.
    fields: BTreeMap<String, Vec<String>>,
}

impl Wanted {
    /// What `uri` wants of `operation`.
    pub(crate) fn of(operation: &Operation, uri: &Uri) -> Result<Self, Problem> {
        if uri
            .query()
            .is_some_and(|query| query.len() > QUERY_BYTES_MAX)
        {
            let words = format!("the query of an address has at most {QUERY_BYTES_MAX} bytes");
            return Err(Problem::invalid(words));
        }
        let pairs = Pairs::<Vec<(String, String)>>::try_from_uri(uri);
        let Pairs(pairs) = pairs.map_err(|error| Problem::invalid(error.body_text()))?;
        let mut wanted = Self::default();
        for (name, value) in &pairs {
            if name.contains('\0') || value.contains('\0') {
                return Err(Problem::invalid("the query holds the character U+0000"));
            }
            match name.as_str() {
                "include" => included(operation, value)?,
                "sort" => sorted(operation, value)?,
                "page[number]" | "page[size]" if matches!(operation.gives, Gives::Page(_)) => {
                    counted(name, value)?;
                }
                _ => {
                    let kind = name.strip_prefix("fields[");
                    if let Some(kind) = kind.and_then(|rest| rest.strip_suffix(']')) {
                        wanted.fields.insert(kind.to_owned(), fields(kind, value)?);
                    }
                }
            }
        }
        Ok(wanted)
    }

    /// A document with no more than what is wanted.
    pub(crate) fn cut(&self, document: &mut Value) {
        if self.fields.is_empty() {
            return;
        }
        for part in ["data", "included"] {
            match document.get_mut(part) {
                Some(Value::Array(resources)) => {
                    for each in resources {
                        self.cut_one(each);
                    }
                }
                Some(resource) => self.cut_one(resource),
                None => {}
            }
        }
    }

    fn cut_one(&self, resource: &mut Value) {
        let kind = resource
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let Some(wanted) = self.fields.get(kind) else {
            return;
        };
        for part in ["attributes", "relationships"] {
            if let Some(Value::Object(fields)) = resource.get_mut(part) {
                let all = std::mem::take(fields);
                let kept = all.into_iter().filter(|(name, _)| wanted.contains(name));
                *fields = kept.collect::<Map<_, _>>();
            }
        }
    }
}

fn words(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

fn shown(word: &str) -> String {
    word.chars().take(SHOWN_MAX).collect()
}

fn known(words: &[&str]) -> String {
    if words.is_empty() {
        "nothing".to_owned()
    } else {
        words.join(", ")
    }
}

fn included(operation: &Operation, value: &str) -> Result<(), Problem> {
    let takes = |word: &str| {
        let word = word.replace('_', "-");
        [operation.includes, operation.passes]
            .concat()
            .contains(&word.as_str())
    };
    match words(value).find(|word| !takes(word)) {
        None => Ok(()),
        Some(word) => Err(Problem::invalid(format!(
            "`{}` cannot be included here; known: {}",
            shown(word),
            known(operation.includes)
        ))
        .titled("Invalid include parameter")),
    }
}

fn sorted(operation: &Operation, value: &str) -> Result<(), Problem> {
    let by = value.strip_prefix('-').unwrap_or(value);
    if value.is_empty() || operation.sorts.contains(&by) {
        return Ok(());
    }
    let words = if operation.sorts.is_empty() {
        "this cannot be sorted".to_owned()
    } else {
        let all = operation.sorts.join(", ");
        format!(
            "`{}` is nothing to sort by; known: {all}, each with `-` before it for the other direction",
            shown(value)
        )
    };
    Err(Problem::invalid(words))
}

fn counted(name: &str, value: &str) -> Result<(), Problem> {
    let count = value.bytes().all(|byte| byte.is_ascii_digit());
    let something = value.bytes().any(|byte| byte != b'0');
    if value.is_empty() || count && something {
        return Ok(());
    }
    Err(Problem::invalid(format!(
        "`{name}` is a number from 1, and `{}` is none",
        shown(value)
    )))
}

/// The fields of `kind` that are wanted. Ones that it has not are passed over, as the attributes of a client's own.
fn fields(kind: &str, value: &str) -> Result<Vec<String>, Problem> {
    if !kinds::ALL.iter().any(|known| known.name == kind) {
        let names: Vec<&str> = kinds::ALL.iter().map(|kind| kind.name).collect();
        return Err(Problem::invalid(format!(
            "`fields[{}]` names no type of resource; known: {}",
            shown(kind),
            names.join(", ")
        )));
    }
    Ok(words(value).map(str::to_owned).collect())
}

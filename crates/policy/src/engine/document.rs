//! A document: JSON as the engine holds it, parsed once, shared by count.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use regorus::Value;

use super::EvalError;

/// A JSON document, or nothing. Cheap to clone; its parts are shared, never copied.
#[derive(Clone, PartialEq)]
pub struct Document(pub(crate) Value);

impl Default for Document {
    fn default() -> Self {
        Self(Value::Undefined)
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({})", self.0)
    }
}

impl Document {
    /// Reads a text of JSON.
    pub fn from_json(text: &str) -> Result<Self, EvalError> {
        Value::from_json_str(text)
            .map(Self)
            .map_err(|it| unreadable("JSON", &it))
    }

    /// Reads a text of YAML.
    pub fn from_yaml(text: &str) -> Result<Self, EvalError> {
        Value::from_yaml_str(text)
            .map(Self)
            .map_err(|it| unreadable("YAML", &it))
    }

    /// Turns a value that was parsed elsewhere; for small ones, because it copies.
    pub fn from_value(value: serde_json::Value) -> Self {
        Self(Value::from(value))
    }

    /// `{}`
    pub fn object() -> Self {
        Self(Value::new_object())
    }

    /// An array of documents.
    pub fn array(items: Vec<Self>) -> Self {
        Self(Value::from(
            items.into_iter().map(|it| it.0).collect::<Vec<_>>(),
        ))
    }

    /// What is at a path of keys, or of indices in arrays.
    pub fn get(&self, path: &[&str]) -> Option<Self> {
        let mut value = &self.0;
        for step in path {
            value = match value {
                Value::Object(members) => members.get(&Value::from(*step))?,
                Value::Array(items) => items.get(step.parse().ok()?)?,
                _ => return None,
            };
        }
        (*value != Value::Undefined).then(|| Self(value.clone()))
    }

    /// The same with one member put or replaced; what is no object becomes one.
    #[must_use]
    pub fn with(mut self, key: &str, value: Self) -> Self {
        if self.0.as_object().is_err() {
            self = Self::object();
        }
        if let Ok(members) = self.0.as_object_mut() {
            members.insert(Value::from(key), value.0);
        }
        self
    }

    /// The same without a member.
    #[must_use]
    pub fn without(self, key: &str) -> Self {
        let key = Value::from(key);
        match &self.0 {
            Value::Object(members) if members.contains_key(&key) => {
                let kept = members
                    .iter()
                    .filter(|(it, _)| **it != key)
                    .map(|(k, v)| (k.clone(), v.clone()));
                Self(Value::from(kept.collect::<BTreeMap<_, _>>()))
            }
            _ => self,
        }
    }

    /// Both: objects member by member, and where both have something else, the other's.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        match (&self.0, &other.0) {
            (Value::Object(_), Value::Object(members)) => {
                let mut merged = self.clone();
                for (key, value) in members.iter() {
                    let Ok(own) = merged.0.as_object_mut() else {
                        break;
                    };
                    let value = match own.get(key) {
                        Some(before) => Self(before.clone()).merge(Self(value.clone())).0,
                        None => value.clone(),
                    };
                    own.insert(key.clone(), value);
                }
                merged
            }
            (_, Value::Undefined) => self,
            _ => other,
        }
    }

    /// The members of an object, by key; none of anything else.
    pub fn entries(&self) -> Vec<(String, Self)> {
        match &self.0 {
            Value::Object(members) => members
                .iter_sorted()
                .map(|(key, value)| {
                    (
                        key.as_string()
                            .map_or_else(|_| key.to_string(), ToString::to_string),
                        Self(value.clone()),
                    )
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The items of an array or a set; none of anything else.
    pub fn items(&self) -> Vec<Self> {
        match &self.0 {
            Value::Array(items) => items.iter().cloned().map(Self).collect(),
            Value::Set(items) => items.iter_sorted().cloned().map(Self).collect(),
            _ => Vec::new(),
        }
    }

    /// How many items an array or a set has; none has anything else.
    pub fn len(&self) -> usize {
        match &self.0 {
            Value::Array(items) => items.len(),
            Value::Set(items) => items.len(),
            _ => 0,
        }
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The items of an array or a set, each once, in the engine's order of values.
    pub fn distinct(&self) -> Vec<Self> {
        match &self.0 {
            Value::Array(items) => {
                let items: BTreeSet<Value> = items.iter().cloned().collect();
                items.into_iter().map(Self).collect()
            }
            _ => self.items(),
        }
    }

    /// The text, where it is one.
    pub fn as_str(&self) -> Option<&str> {
        self.0.as_string().ok().map(AsRef::as_ref)
    }

    /// The number, where it is one.
    pub fn as_f64(&self) -> Option<f64> {
        self.0.as_f64().ok()
    }

    /// True or false, where it is either.
    pub fn as_bool(&self) -> Option<bool> {
        self.0.as_bool().ok().copied()
    }

    /// Whether there is nothing.
    pub fn is_undefined(&self) -> bool {
        self.0 == Value::Undefined
    }

    /// As compact JSON; sets are sorted arrays, keys that are no text are written as JSON in one.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    /// As a value of JSON; nothing is null.
    pub fn to_value(&self) -> serde_json::Value {
        match &self.0 {
            Value::Undefined | Value::Null => serde_json::Value::Null,
            Value::Bool(it) => (*it).into(),
            Value::String(it) => it.as_ref().into(),
            Value::Number(_) => serde_json::from_str(&self.0.to_string()).unwrap_or_default(),
            Value::Array(_) | Value::Set(_) => self.items().iter().map(Self::to_value).collect(),
            Value::Object(_) => serde_json::Value::Object(
                self.entries()
                    .into_iter()
                    .map(|(key, it)| (key, it.to_value()))
                    .collect(),
            ),
        }
    }
}

fn unreadable(kind: &str, error: &anyhow::Error) -> EvalError {
    EvalError {
        code: "invalid_document".to_owned(),
        message: format!("the document is no {kind}: {error:#}"),
    }
}

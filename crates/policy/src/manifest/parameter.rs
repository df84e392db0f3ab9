//! Parameters: what a policy declares, what it is given, and what it finds.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};

use super::{FILE, Manifest, ManifestError, Policy, key_of};

/// Values by the name of their parameter.
pub type Values = BTreeMap<String, Value>;

/// Types inside types: `map(list(string))` has two.
const DEPTH_MAX: usize = 4;

/// What a parameter takes, in terraform's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `string`
    String,
    /// `number`
    Number,
    /// `bool`
    Bool,
    /// `any`
    Any,
    /// `list(…)`
    List(Box<Kind>),
    /// `map(…)`
    Map(Box<Kind>),
}

impl Kind {
    fn read(text: &str, depth: usize) -> Option<Kind> {
        let text = text.trim();
        let inner = |word: &str| {
            let inner = text
                .strip_prefix(word)?
                .trim()
                .strip_prefix('(')?
                .strip_suffix(')')?;
            let depth = depth.checked_sub(1)?;
            Kind::read(inner, depth).map(Box::new)
        };
        match text {
            "string" => Some(Kind::String),
            "number" => Some(Kind::Number),
            "bool" => Some(Kind::Bool),
            "any" => Some(Kind::Any),
            _ => inner("list")
                .map(Kind::List)
                .or_else(|| inner("map").map(Kind::Map)),
        }
    }

    /// Whether a value has this type.
    pub fn takes(&self, value: &Value) -> bool {
        match (self, value) {
            (Kind::String, Value::String(_))
            | (Kind::Number, Value::Number(_))
            | (Kind::Bool, Value::Bool(_))
            | (Kind::Any, _) => true,
            (Kind::List(kind), Value::Array(items)) => items.iter().all(|item| kind.takes(item)),
            (Kind::Map(kind), Value::Object(items)) => items.values().all(|item| kind.takes(item)),
            _ => false,
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Kind::String => formatter.write_str("string"),
            Kind::Number => formatter.write_str("number"),
            Kind::Bool => formatter.write_str("bool"),
            Kind::Any => formatter.write_str("any"),
            Kind::List(kind) => write!(formatter, "list({kind})"),
            Kind::Map(kind) => write!(formatter, "map({kind})"),
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
        let text = String::deserialize(deserializer)?;
        Kind::read(&text, DEPTH_MAX).ok_or_else(|| {
            de::Error::custom(format!(
                "{text:?} is no type; use string, number, bool, any, list(…) or map(…)"
            ))
        })
    }
}

/// What a policy may be given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// What it is where nobody gives it. Without one it must be given.
    pub default: Option<Value>,
    /// What it is for.
    #[serde(default)]
    pub description: String,
}

/// What stands under `data.parameters`.
pub(super) fn resolve(manifest: &Manifest) -> Result<Map<String, Value>, ManifestError> {
    let mut resolved = Map::new();
    let mut taken = BTreeSet::new();
    for policy in &manifest.policies {
        let values = of(policy, &manifest.values, &mut taken)?;
        resolved.insert(key_of(&policy.name), Value::Object(values));
    }
    let free = manifest
        .policies
        .iter()
        .any(|policy| policy.parameters.is_empty());
    let unknown = manifest
        .values
        .keys()
        .find(|name| !taken.contains(name.as_str()));
    match unknown {
        Some(name) if !free => Err(wrong(format!(
            "no policy of the set has a parameter {name:?}; take it away, or correct its name"
        ))),
        _ => Ok(resolved),
    }
}

fn of<'m>(
    policy: &'m Policy,
    of_set: &'m Values,
    taken: &mut BTreeSet<&'m str>,
) -> Result<Map<String, Value>, ManifestError> {
    let Policy {
        name,
        parameters,
        values,
        ..
    } = policy;
    if parameters.is_empty() {
        let given = of_set.iter().chain(values);
        return Ok(given
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect());
    }
    if let Some(unknown) = values.keys().find(|given| !parameters.contains_key(*given)) {
        return Err(wrong(format!(
            "the policy {name:?} has no parameter {unknown:?}"
        )));
    }
    let mut resolved = Map::new();
    for (parameter, Parameter { kind, default, .. }) in parameters {
        let given = of_set.get_key_value(parameter);
        taken.extend(given.map(|(name, _)| name.as_str()));
        let value = values
            .get(parameter)
            .or(given.map(|(_, value)| value))
            .or(default.as_ref());
        let value = value.ok_or_else(|| {
            wrong(format!(
                "the policy {name:?} needs the parameter {parameter:?} ({kind}); give it a value"
            ))
        })?;
        if !kind.takes(value) {
            return Err(wrong(format!(
                "the parameter {parameter:?} of the policy {name:?} is a {kind}, and {value} is none"
            )));
        }
        resolved.insert(parameter.clone(), value.clone());
    }
    Ok(resolved)
}

fn wrong(message: String) -> ManifestError {
    ManifestError::new(FILE, None, message)
}

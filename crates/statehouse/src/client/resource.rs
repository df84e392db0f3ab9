//! A resource as it came from the server, flattened: its id, its attributes, and the ids of what it refers to.

use serde_json::{Map, Value};

/// One resource of JSON:API.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Resource(Map<String, Value>);

impl Resource {
    /// Reads a resource object. A list of plain values has none.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        let object = value.as_object()?;
        let mut flat = Map::new();
        if let Some(id) = object.get("id") {
            flat.insert("id".to_owned(), id.clone());
        }
        if let Some(attributes) = object.get("attributes").and_then(Value::as_object) {
            flat.extend(attributes.clone());
        }
        if let Some(relationships) = object.get("relationships").and_then(Value::as_object) {
            for (name, relationship) in relationships {
                if let Some(id) = relationship.pointer("/data/id") {
                    flat.insert(name.clone(), id.clone());
                }
                let several = relationship.get("data").and_then(Value::as_array);
                let ids: Vec<Value> = several
                    .into_iter()
                    .flatten()
                    .filter_map(|each| each.get("id").cloned())
                    .collect();
                if !ids.is_empty() {
                    flat.entry(name.clone()).or_insert_with(|| ids.into());
                }
            }
        }
        Some(Self(flat))
    }

    /// A resource of our own.
    pub(crate) fn from_pairs<const N: usize>(pairs: [(&str, Value); N]) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
        )
    }

    /// A value.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// A value that is a text.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// With one value more.
    pub(crate) fn with(mut self, key: &str, value: Value) -> Self {
        self.0.insert(key.to_owned(), value);
        self
    }

    /// Every value, the id first.
    pub(crate) fn pairs(&self) -> Vec<(String, Value)> {
        let mut pairs: Vec<_> = self
            .0
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        pairs.sort_by_key(|(key, _)| key != "id");
        pairs
    }

    /// As one object.
    pub(crate) fn to_json(&self) -> Value {
        Value::Object(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        missing_docs
    )]

    use super::*;
    use serde_json::json;

    #[test]
    fn a_resource_is_flat() {
        let check = |value: Value, expected: Option<Value>| {
            assert_eq!(
                Resource::of(&value).map(|resource| resource.to_json()),
                expected
            );
        };
        check(
            json!({ "id": "ws-1", "type": "workspaces", "attributes": { "name": "a", "lock-id": null },
                    "relationships": { "project": { "data": { "id": "prj-1", "type": "projects" } }, "head": { "data": null } } }),
            Some(json!({ "id": "ws-1", "name": "a", "lock-id": null, "project": "prj-1" })),
        );
        check(
            json!({ "id": "varset-1", "attributes": { "users": 2 },
                    "relationships": { "vars": { "data": [{ "id": "var-1" }, { "id": "var-2" }] }, "users": { "data": [{ "id": "u" }] },
                                       "projects": { "data": [] } } }),
            Some(json!({ "id": "varset-1", "users": 2, "vars": ["var-1", "var-2"] })),
        );
        check(json!("text"), None);
        check(json!({}), Some(json!({})));
    }
}

//! Where a resource is and how large, as its provider or what it is made from says.

use super::World;
use crate::plan::{value_of, without_instances};
use crate::value::Value;

/// How many resources are looked at on the way to a location or a size.
const CHAIN_MAX: usize = 5;

impl World<'_, '_> {
    /// What the provider of a resource is configured with.
    pub(crate) fn provider(&self, at: usize, attribute: &str) -> Value {
        let plain = without_instances(self.address(at));
        let key = self
            .configured
            .resources
            .get(&plain)
            .and_then(|(key, _)| key.as_deref());
        let short = self.kind(at).split('_').next().unwrap_or_default();
        let place = (key.unwrap_or(short).to_owned(), attribute.to_owned());
        if let Some(value) = self.provided.borrow().get(&place) {
            return value.clone();
        }
        let value = self.configured_with(key, short, attribute);
        self.provided.borrow_mut().insert(place, value.clone());
        value
    }

    fn configured_with(&self, key: Option<&str>, short: &str, attribute: &str) -> Value {
        let last = key.and_then(|key| key.rsplit(':').next());
        let raw = [key, last, Some(short)]
            .into_iter()
            .flatten()
            .find_map(|key| self.configured.providers.get(key));
        let expression = value_of(raw.copied()).get(attribute);
        let constant = expression.get("constant_value");
        if constant.is_known() {
            return constant;
        }
        for reference in expression.get("references").items() {
            if let Some(name) = reference
                .as_text()
                .and_then(|text| text.strip_prefix("var."))
            {
                let raw = self.configured.variables.get(name).copied();
                let value = value_of(raw);
                if value.is_known() {
                    return value;
                }
            }
        }
        Value::Null
    }

    /// Where a resource is, for providers whose resources say so themselves or through what they belong to.
    pub(crate) fn location(&self, at: usize, parents: &[&str], depth: usize) -> Value {
        match self.attribute(at, "location") {
            Value::Text(text) if self.addressed(&text).is_none() => {
                return Value::text(&text.to_lowercase().replace(' ', ""));
            }
            Value::Unknown => return Value::Unknown,
            _ => {}
        }
        let parents_of = parents.iter().filter_map(|attribute| {
            let parent = self.any_reference(at, attribute)?;
            (parent != at).then_some(parent)
        });
        for parent in parents_of {
            if depth >= CHAIN_MAX {
                self.be_cut(&format!(
                    "its location is more than {CHAIN_MAX} resources away"
                ));
                return Value::Null;
            }
            let place = self.location(parent, parents, depth + 1);
            if place != Value::Null {
                return place;
            }
        }
        Value::Null
    }

    fn any_reference(&self, at: usize, attribute: &str) -> Option<usize> {
        let named = self.attribute(at, attribute).single_text();
        named
            .as_deref()
            .and_then(|text| self.addressed(text))
            .or_else(|| {
                self.targets(at, attribute)
                    .iter()
                    .find_map(|target| self.instance(at, target, named.as_deref()))
            })
    }

    /// How large the disk, image or snapshot is that one is made from, through as many as it takes.
    pub(crate) fn size_of(&self, at: usize, depth: usize) -> Value {
        const KINDS: [&str; 3] = [
            "google_compute_disk",
            "google_compute_image",
            "google_compute_snapshot",
        ];
        for attribute in [
            "source_disk",
            "source_image",
            "source_snapshot",
            "image",
            "snapshot",
        ] {
            let Some(source) = self.reference(at, attribute, &KINDS) else {
                continue;
            };
            for size in ["size", "disk_size_gb"] {
                let value = self.attribute(source, size);
                if matches!(value, Value::Unknown | Value::Left) {
                    return value;
                }
                if let Some(number) = value.number() {
                    return Value::Number(number);
                }
            }
            if depth >= CHAIN_MAX {
                self.be_cut(&format!("its size is more than {CHAIN_MAX} resources away"));
                return Value::Null;
            }
            let further = self.size_of(source, depth + 1);
            if further != Value::Null {
                return further;
            }
        }
        Value::Null
    }
}

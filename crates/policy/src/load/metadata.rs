//! Annotations: what `rego.metadata.rule()` and `rego.metadata.chain()` answer.
//!
//! The answers depend on where the call stands, so they are worked out here and stand in the rule as constants.

use std::collections::BTreeMap;

use regorus::Value;

use super::{
    ast::{Annotation, Module, Rule},
    names::{Path, path_of},
};

/// Annotations of a program that are not a single rule's.
#[derive(Debug, Default)]
pub(crate) struct Annotations {
    packages: BTreeMap<Path, Value>,
    documents: BTreeMap<Path, Value>,
}

impl Annotations {
    pub(crate) fn collect(modules: &[Module]) -> Self {
        let mut annotations = Self::default();
        for module in modules {
            for value in module
                .annotations
                .iter()
                .filter(|it| it.line < module.at.line)
                .filter_map(|it| read(it, "package"))
            {
                annotations.packages.insert(module.package.clone(), value);
            }
            for rule in &module.rules {
                for value in of_rule(rule, "document") {
                    annotations
                        .documents
                        .insert(path_of(&module.package, rule), value);
                }
            }
        }
        annotations
    }

    /// What `rego.metadata.rule()` is in this rule.
    pub(crate) fn rule(rule: &Rule) -> Value {
        of_rule(rule, "rule")
            .last()
            .unwrap_or_else(Value::new_object)
    }

    /// What `rego.metadata.chain()` is in this rule: its own, its document's, its package's and those above.
    pub(crate) fn chain(&self, package: &[String], rule: &Rule) -> Value {
        let path = path_of(package, rule);
        let mut chain = vec![link(&path, of_rule(rule, "rule").last())];
        if let Some(document) = self.documents.get(&path) {
            chain.push(link(&path, Some(document.clone())));
        }
        for length in (1..=package.len()).rev() {
            let Some((above, _)) = package.split_at_checked(length) else {
                continue;
            };
            let Some(value) = self.packages.get(above) else {
                continue;
            };
            if length == package.len() || scope(value) == Some("subpackages") {
                chain.push(link(above, Some(value.clone())));
            }
        }
        Value::from(chain)
    }
}

fn link(path: &[String], annotations: Option<Value>) -> Value {
    let path = Value::from(
        path.iter()
            .map(|it| Value::from(it.as_str()))
            .collect::<Vec<_>>(),
    );
    let mut link = BTreeMap::from([(Value::from("path"), path)]);
    if let Some(annotations) = annotations {
        link.insert(Value::from("annotations"), annotations);
    }
    Value::from(link)
}

fn of_rule<'a>(rule: &'a Rule, wanted: &'a str) -> impl DoubleEndedIterator<Item = Value> + 'a {
    rule.annotations
        .iter()
        .filter_map(|it| read(it, "rule"))
        .filter(move |it| scope(it) == Some(wanted))
}

fn scope(value: &Value) -> Option<&str> {
    value
        .as_object()
        .ok()?
        .get(&Value::from("scope"))?
        .as_string()
        .ok()
        .map(AsRef::as_ref)
}

/// A block as a value, with the scope that it has where it says none.
fn read(annotation: &Annotation, scope: &str) -> Option<Value> {
    let value = Value::from_yaml_str(&annotation.yaml).ok()?;
    let mut read = BTreeMap::new();
    for (key, value) in value.as_object().ok()?.iter() {
        let value = match key.as_string().map(AsRef::as_ref) {
            Ok("authors") => each(value, author),
            Ok("related_resources") => each(value, |text| {
                Value::from(BTreeMap::from([(Value::from("ref"), Value::from(text))]))
            }),
            _ => value.clone(),
        };
        read.insert(key.clone(), value);
    }
    read.entry(Value::from("scope"))
        .or_insert_with(|| Value::from(scope));
    Some(Value::from(read))
}

fn each(value: &Value, read: impl Fn(&str) -> Value) -> Value {
    let Ok(items) = value.as_array() else {
        return value.clone();
    };
    Value::from(
        items
            .iter()
            .map(|it| {
                it.as_string()
                    .map_or_else(|_| it.clone(), |text| read(text))
            })
            .collect::<Vec<_>>(),
    )
}

/// `A Name <a@b>`
fn author(text: &str) -> Value {
    let (name, mail) = match text
        .trim()
        .strip_suffix('>')
        .and_then(|it| it.split_once('<'))
    {
        Some((name, mail)) => (name.trim(), Some(mail)),
        None => (text.trim(), None),
    };
    let mut author = BTreeMap::new();
    if !name.is_empty() {
        author.insert(Value::from("name"), Value::from(name));
    }
    if let Some(mail) = mail {
        author.insert(Value::from("email"), Value::from(mail));
    }
    Value::from(author)
}

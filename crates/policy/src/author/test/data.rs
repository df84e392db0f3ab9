//! Data documents of a group: each at the path of its folder, as `opa test DIR` puts them, and the parameters that manifests declare.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::layout::{Group, is_within};
use super::mock;
use super::tree::{Tree, folder_of};
use crate::bundle::{Bundle, Limits};
use crate::engine::Document;
use crate::manifest::{FILE, Manifest, key_of};

/// What a group finds under `data`, beside its packages. What could not be used is noted.
pub(super) fn of(tree: &Tree, group: &Group, notes: &mut BTreeSet<String>) -> Document {
    let wanted = wanted(tree, group);
    let mut data = Value::Object(Map::new());
    if wanted.is_empty() {
        return Document::from_value(data);
    }
    for (path, text) in &tree.documents {
        let Some(inner) = within(path, &group.base) else {
            continue;
        };
        if mock::policy_of(tree, path).is_some() {
            continue;
        }
        let folder = folder_of(inner).replace('/', ".");
        if !folder.is_empty()
            && !wanted
                .iter()
                .any(|it| is_within(it, &folder) || is_within(&folder, it))
        {
            continue;
        }
        match read(path, text) {
            Ok(Value::Object(members)) => {
                let members = Value::Object(members);
                let put = folder_of(inner).rsplit('/').filter(|it| !it.is_empty());
                let document = put.fold(members, |inner, name| {
                    Value::Object(Map::from_iter([(name.to_owned(), inner)]))
                });
                if let Err(at) = merge(&mut data, document, "data") {
                    notes.insert(format!("{path}: another document has {at} as well; what it says there was passed over"));
                }
            }
            Ok(_) => {}
            Err(why) => {
                notes.insert(format!("{path}: {why}; it was passed over"));
            }
        }
    }
    if wanted.iter().any(|it| is_within(it, "parameters")) {
        let parameters = parameters(tree, notes);
        // What a document says of a parameter lies over its default.
        let mut all = Value::Object(Map::from_iter([("parameters".to_owned(), parameters)]));
        overlay(&mut all, data);
        data = all;
    }
    Document::from_value(data)
}

/// Paths that files of the group refer to and that are no package.
fn wanted(tree: &Tree, group: &Group) -> BTreeSet<String> {
    let modules = || {
        group
            .modules
            .iter()
            .filter_map(|place| tree.modules.get(*place))
    };
    let packages: BTreeSet<&str> = modules().map(|it| it.package.as_str()).collect();
    let mut wanted = BTreeSet::new();
    for module in modules() {
        for path in &module.references.paths {
            if !packages.iter().any(|package| is_within(path, package)) {
                wanted.insert(path.clone());
            }
        }
    }
    wanted
}

/// A path from a folder, if it is in there.
fn within<'p>(path: &'p str, base: &str) -> Option<&'p str> {
    if base.is_empty() {
        return Some(path);
    }
    path.strip_prefix(base)?.strip_prefix('/')
}

fn read(path: &str, text: &str) -> Result<Value, String> {
    if path
        .rsplit_once('.')
        .is_some_and(|(_, ending)| ending == "json")
    {
        return serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"));
    }
    let document = Document::from_yaml(text).map_err(|error| format!("it is not YAML: {error}"))?;
    Ok(document.to_value())
}

/// Puts one document into another; the place where both have something, if there is one.
fn merge(into: &mut Value, from: Value, at: &str) -> Result<(), String> {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            let mut merged = Ok(());
            for (key, value) in from {
                match into.get_mut(&key) {
                    Some(there) => merged = merge(there, value, &format!("{at}.{key}")).and(merged),
                    None => {
                        into.insert(key, value);
                    }
                }
            }
            merged
        }
        (into, from) if *into == from => Ok(()),
        _ => Err(at.to_owned()),
    }
}

/// Puts one document over another.
fn overlay(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                overlay(under.entry(key).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}

/// The defaults and values of all parameters that manifests of the directory declare, by policy.
fn parameters(tree: &Tree, notes: &mut BTreeSet<String>) -> Value {
    let mut all = Map::new();
    let ours = tree
        .manifests
        .iter()
        .filter(|(path, _)| path.rsplit('/').next() == Some(FILE));
    for (path, text) in ours {
        let files = [(FILE.to_owned(), text.clone().into_bytes())];
        let manifest = Bundle::from_files(files, &Limits::default())
            .map_err(|error| error.to_string())
            .and_then(|bundle| Manifest::read(&bundle).map_err(|error| error.to_string()));
        let manifest = match manifest {
            Ok(manifest) => manifest,
            Err(why) => {
                notes.insert(format!("{path}: {why}"));
                continue;
            }
        };
        for policy in manifest.policies {
            let defaults = policy.parameters.iter();
            let mut values: Map<String, Value> = defaults
                .filter_map(|(name, it)| Some((name.clone(), it.default.clone()?)))
                .collect();
            let is_declared = |name: &String| {
                policy.parameters.is_empty() || policy.parameters.contains_key(name)
            };
            let given = manifest
                .values
                .iter()
                .filter(|(name, _)| is_declared(name))
                .chain(&policy.values);
            values.extend(given.map(|(name, value)| (name.clone(), value.clone())));
            all.insert(key_of(&policy.name), Value::Object(values));
        }
    }
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_merged_until_they_contradict_each_other() {
        let mut data = json!({"a": {"b": 1}});
        assert_eq!(
            merge(&mut data, json!({"a": {"c": 2}, "d": 3}), "data"),
            Ok(())
        );
        assert_eq!(merge(&mut data, json!({"a": {"b": 1}}), "data"), Ok(()));
        assert_eq!(
            merge(&mut data, json!({"a": {"b": 9, "e": 4}}), "data"),
            Err("data.a.b".to_owned())
        );
        assert_eq!(data, json!({"a": {"b": 1, "c": 2, "e": 4}, "d": 3}));
    }
}

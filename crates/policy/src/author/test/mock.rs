//! Cases beside a policy: `NAME.mock.json` for `NAME.rego`, as the tests of Azure's library have them.
//!
//! Under `mock` stands an input by the name of each case. One whose name begins with `invalid` must be denied, every other one must not;
//! or there are two objects of cases, `valid` and `invalid`. What denies is what Conftest takes for denying: rules that are called
//! `deny` or `violation`, alone or with something behind, less those that `exception` names.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde_json::{Map, Value};

use super::layout::{Group, of_policy};
use super::run::{Session, document};
use super::tree::{Module, Tree};
use super::{Outcome, Test};
use crate::engine::{EvalError, Prepared};
use crate::load::Program;

/// What tells an input from an object of cases.
const PLAN_KEYS: [&str; 6] = [
    "resource_changes",
    "configuration",
    "terraform_version",
    "planned_values",
    "output_changes",
    "format_version",
];

/// An input, and whether it must be denied.
#[derive(Debug, PartialEq)]
struct Case {
    name: String,
    input: Value,
    is_denied: bool,
}

/// Runs the cases of every policy that has some.
pub(super) fn cases(session: &mut Session<'_>) {
    let tree = session.tree;
    for (path, text) in &tree.documents {
        let Some((place, module)) = policy_of(tree, path) else {
            continue;
        };
        let cases = match read(text) {
            Ok(cases) => cases,
            Err(why) => {
                session.add(test(path, "all", (Outcome::Error, why), 0));
                continue;
            }
        };
        let group = Group {
            modules: of_policy(tree, place),
            tests: BTreeSet::new(),
            base: module.folder().to_owned(),
        };
        let prepared = session.prepare(&group);
        for case in cases {
            let name = format!("{path}: {}", case.name);
            if !session.is_wanted(&name) {
                continue;
            }
            let start = Instant::now();
            let outcome = match &prepared {
                Err(why) => (Outcome::Error, why.clone()),
                Ok((program, prepared)) => {
                    let mut prepared = prepared.clone();
                    prepared.set_input(document(case.input));
                    let outcome = judged(denials(program, &mut prepared), case.is_denied);
                    session.cover(&prepared);
                    outcome
                }
            };
            let time_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
            session.add(test(path, &case.name, outcome, time_ms));
        }
    }
}

/// The policy that the cases of a document are for. Where tests beside it say what is expected of them, they are only a document.
pub(super) fn policy_of<'t>(tree: &'t Tree, path: &str) -> Option<(usize, &'t Module)> {
    let policy = format!("{}.rego", path.strip_suffix(".mock.json")?);
    let place = tree
        .modules
        .binary_search_by(|it| it.path.as_str().cmp(&policy))
        .ok()?;
    let module = tree.modules.get(place)?;
    let is_read = tree.modules.iter().any(|it| {
        let refers = |path: &String| path == "mock" || path.starts_with("mock.");
        it.folder() == module.folder() && it.references.paths.iter().any(refers)
    });
    (!is_read).then_some((place, module))
}

fn test(path: &str, case: &str, (outcome, message): (Outcome, String), time_ms: u64) -> Test {
    Test {
        name: format!("{path}: {case}"),
        file: path.to_owned(),
        line: 1,
        outcome,
        message,
        prints: Vec::new(),
        time_ms,
    }
}

fn judged(denials: Result<Vec<String>, EvalError>, is_denied: bool) -> (Outcome, String) {
    match (denials, is_denied) {
        (Err(error), _) => (Outcome::Error, error.to_string()),
        (Ok(denials), true) if denials.is_empty() => {
            (Outcome::Failed, "nothing denies it".to_owned())
        }
        (Ok(denials), false) if !denials.is_empty() => {
            (Outcome::Failed, format!("denied by {}", denials.join(", ")))
        }
        _ => (Outcome::Passed, String::new()),
    }
}

/// The rules that deny the input.
fn denials(program: &Program, prepared: &mut Prepared) -> Result<Vec<String>, EvalError> {
    let mut excepted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let rules: BTreeSet<(String, String, String)> = program
        .rules()
        .filter(|it| it.arity.is_none())
        .map(|it| (it.package.clone(), it.name.clone(), it.path.clone()))
        .collect();
    for (package, name, path) in &rules {
        if name == "exception" {
            let value = prepared.eval(path)?.unwrap_or_default();
            excepted
                .entry(package.clone())
                .or_default()
                .extend(texts(&value));
        }
    }
    let mut denials = Vec::new();
    for (package, name, path) in rules {
        let Some(about) = denied_about(&name) else {
            continue;
        };
        if excepted.get(&package).is_some_and(|it| it.contains(about)) {
            continue;
        }
        let is_denying = match prepared.eval(&path)? {
            Some(Value::Array(items)) => !items.is_empty(),
            Some(Value::Object(members)) => !members.is_empty(),
            Some(Value::Bool(denies)) => denies,
            Some(_) => true,
            None => false,
        };
        if is_denying {
            denials.push(path);
        }
    }
    Ok(denials)
}

/// What stands behind `deny_` or `violation_` in the name of a rule; nothing where that is all of it.
fn denied_about(name: &str) -> Option<&str> {
    let rest = name
        .strip_prefix("deny")
        .or_else(|| name.strip_prefix("violation"))?;
    if rest.is_empty() {
        return Some(rest);
    }
    let about = rest.strip_prefix('_')?;
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!about.is_empty() && about.chars().all(is_word)).then_some(about)
}

/// Every text in lists within a list.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

fn read(text: &str) -> Result<Vec<Case>, String> {
    let document: Value =
        serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
    let mocks = document.get("mock").and_then(Value::as_object);
    let mocks =
        mocks.ok_or("it has no object `mock`; put an input there for each case, by its name")?;
    let mut cases = Vec::new();
    for (key, is_denied) in [("valid", false), ("invalid", true)] {
        match mocks.get(key).and_then(Value::as_object) {
            Some(input) if PLAN_KEYS.iter().any(|key| input.contains_key(*key)) => {
                cases.push(Case {
                    name: key.to_owned(),
                    input: Value::Object(input.clone()),
                    is_denied,
                });
            }
            Some(within) => cases.extend(named(within, is_denied, |_| true)),
            None => cases.extend(named(mocks, is_denied, |name| {
                name.starts_with("invalid") == is_denied && name != "valid" && name != "invalid"
            })),
        }
    }
    Ok(cases)
}

fn named(
    inputs: &Map<String, Value>,
    is_denied: bool,
    is_meant: impl Fn(&str) -> bool,
) -> Vec<Case> {
    let meant = inputs.iter().filter(|(name, _)| is_meant(name));
    meant
        .map(|(name, input)| Case {
            name: name.clone(),
            input: input.clone(),
            is_denied,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_found_in_both_forms() {
        let cases = [
            (
                r#"{"mock": {"default": {}, "invalid_a": {}, "b": {}}}"#,
                vec![("b", false), ("default", false), ("invalid_a", true)],
            ),
            (
                r#"{"mock": {"valid": {"a": {}}, "invalid": {"b": {}}}}"#,
                vec![("a", false), ("b", true)],
            ),
            (
                r#"{"mock": {"valid": {"resource_changes": []}, "invalid_b": {}}}"#,
                vec![("invalid_b", true), ("valid", false)],
            ),
        ];
        for (text, expected) in cases {
            let mut found: Vec<_> = read(text)
                .unwrap()
                .into_iter()
                .map(|it| (it.name, it.is_denied))
                .collect();
            found.sort();
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(name, denied)| (name.to_owned(), denied))
                .collect();
            assert_eq!(found, expected, "{text}");
        }
        assert!(read("{}").is_err());
    }

    #[test]
    fn rules_that_deny_are_told_by_their_names() {
        let cases = [
            ("deny", Some("")),
            ("deny_a_1", Some("a_1")),
            ("violation", Some("")),
            ("denyall", None),
            ("warn", None),
            ("deny_", None),
        ];
        for (name, about) in cases {
            assert_eq!(denied_about(name), about, "{name}");
        }
    }
}

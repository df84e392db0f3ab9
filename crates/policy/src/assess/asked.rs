//! What policies are asked, and what an answer is: the names of rules that a dialect knows, and the order of questions.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Exception;
use super::few::few;
use super::task::{Answer, Found, TaskPolicy};
use crate::engine::{Document, Program, RuleInfo};
use crate::manifest::{Dialect, Entrypoint, Role};
use crate::verdict::Location;

/// What a policy is asked, and where it is written.
pub(super) struct Asked<'a> {
    pub(super) policy: &'a TaskPolicy,
    pub(super) entrypoints: Vec<Entrypoint>,
    /// Where conftest looks for rules that do not count.
    exceptions: Vec<String>,
    /// What does not count of what it says, and when that is asked.
    pub(super) excepted: (Vec<Exception>, i64),
    pub(super) location: Option<Location>,
}

pub(super) fn asked_of<'a>(policy: &'a TaskPolicy, program: &Program) -> Asked<'a> {
    let packages: BTreeSet<&str> = policy.packages.iter().map(String::as_str).collect();
    let rules: Vec<&RuleInfo> = program
        .rules()
        .filter(|rule| {
            rule.arity.is_none()
                && (packages.is_empty() || packages.contains(rule.package.as_str()))
        })
        .collect();
    let mut entrypoints = policy.entrypoints.clone();
    if entrypoints.is_empty() {
        let known = rules.iter().filter_map(|rule| {
            let role = role_of(policy.dialect, &rule.name)?;
            Some(Entrypoint {
                query: rule.path.clone(),
                role,
            })
        });
        let known: BTreeSet<Entrypoint> = known.collect();
        entrypoints = known.into_iter().collect();
    }
    let written = |query: &str| program.rules().find(|rule| rule.path == query);
    let location = entrypoints.iter().find_map(|it| written(&it.query));
    let exception =
        |rule: &&&RuleInfo| policy.dialect == Dialect::Conftest && rule.name == "exception";
    let exceptions: BTreeSet<String> = rules
        .iter()
        .filter(exception)
        .map(|rule| rule.path.clone())
        .collect();
    Asked {
        policy,
        entrypoints,
        exceptions: exceptions.into_iter().collect(),
        excepted: (Vec::new(), 0),
        location: location.map(|rule| Location {
            file: rule.file.clone(),
            line: rule.line,
        }),
    }
}

/// What a rule of this name means to a dialect, if anything.
fn role_of(dialect: Dialect, name: &str) -> Option<Role> {
    let is = |word: &str| name == word;
    let begins = |word: &str| {
        name.strip_prefix(word)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    };
    match dialect {
        Dialect::Native | Dialect::Conftest | Dialect::Hcp
            if begins("deny") || begins("violation") =>
        {
            Some(Role::Deny)
        }
        Dialect::Native | Dialect::Conftest | Dialect::Hcp if begins("warn") => Some(Role::Warn),
        Dialect::Native | Dialect::Conftest | Dialect::Hcp => None,
        _ if is("deny") => Some(Role::Deny),
        Dialect::Spacelift | Dialect::Env0 if is("warn") => Some(Role::Warn),
        Dialect::Env0 if is("pending") => Some(Role::Pending),
        _ => None,
    }
}

/// Every question, policy by policy.
pub(super) fn queries<'a>(asked: &'a [Asked<'_>]) -> Vec<&'a str> {
    let of = |it: &'a Asked<'_>| {
        let entrypoints = it.entrypoints.iter().map(|it| it.query.as_str());
        entrypoints.chain(it.exceptions.iter().map(String::as_str))
    };
    asked.iter().flat_map(of).collect()
}

/// What was found under a path, by our own engine or by another one.
pub(super) enum Held {
    /// As our engine holds it.
    Document(Document),
    Found(Found),
}

impl Held {
    fn whole(self) -> Found {
        match self {
            Held::Document(document) => Found::Value(document.to_value()),
            Held::Found(found) => found,
        }
    }
}

/// What was found for [`queries`], policy by policy.
pub(super) fn in_turn(
    asked: &[Asked<'_>],
    found: impl IntoIterator<Item = Held>,
) -> Vec<Vec<Answer>> {
    let mut found = found.into_iter();
    let mut next = |_: &str| found.next().unwrap_or(Held::Found(Found::Undefined));
    asked.iter().map(|it| answers(it, &mut next)).collect()
}

/// An answer for each question, and which of them the policy itself takes back.
pub(super) fn answers(asked: &Asked<'_>, find: &mut dyn FnMut(&str) -> Held) -> Vec<Answer> {
    let (exceptions, timestamp_ns) = &asked.excepted;
    let is_excepted = |address: &str| {
        let mut all = exceptions.iter();
        all.any(|it| it.holds(&asked.policy.name, address, *timestamp_ns))
    };
    let answer = |Entrypoint { query, role }: &Entrypoint| {
        let (found, left_out) = match find(query) {
            Held::Document(document) => {
                let (value, left_out) = few(&document, &is_excepted);
                (Found::Value(value), left_out)
            }
            Held::Found(found) => (found, 0),
        };
        Answer {
            query: query.clone(),
            role: *role,
            found,
            exempt: false,
            left_out,
        }
    };
    let mut answers: Vec<Answer> = asked.entrypoints.iter().map(answer).collect();
    for query in &asked.exceptions {
        let package = query.strip_suffix("exception").unwrap_or(query);
        let names = match find(query).whole() {
            Found::Value(value) => names_in(&value),
            // Without an exception everything counts.
            Found::Undefined | Found::Error(_) => continue,
        };
        for answer in &mut answers {
            let rule = answer.query.strip_prefix(package).unwrap_or_default();
            let name = ["deny", "violation"]
                .iter()
                .find_map(|word| rule.strip_prefix(word));
            let name = name.map(|rest| rest.strip_prefix('_').unwrap_or(rest));
            answer.exempt |= name.is_some_and(|name| names.contains(name));
        }
    }
    answers
}

/// The names in a set of lists of names.
fn names_in(value: &Value) -> BTreeSet<String> {
    let lists = value.as_array().into_iter().flatten();
    let names = lists.flat_map(|list| list.as_array().into_iter().flatten());
    names
        .filter_map(Value::as_str)
        .map(ToOwned::to_owned)
        .collect()
}

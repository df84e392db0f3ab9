//! Looking at a set before it is published: whether it loads, and whether there is what it asks for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Set;
use super::asked::asked_of;
use super::evaluate::{data_of, load};
use super::task::{self, TaskPolicy, TaskSet};
use crate::engine::{Diagnostic, Program};
use crate::manifest::Entrypoint;
use crate::verdict::Location;

/// Looks at a set in this process, which is for authors with their own; see [`crate::worker::Workers::check`] for others.
///
/// # Errors
///
/// What is wrong, by file and line.
pub fn check_set(set: &Set) -> Result<Vec<Described>, Vec<Diagnostic>> {
    let whole =
        task::whole(set).map_err(|error| vec![wrong(error.to_string(), "correct the manifest")])?;
    let Checked { wrong, policies } = check(&whole);
    if wrong.is_empty() {
        Ok(policies)
    } else {
        Err(wrong)
    }
}

/// What is wrong with a set as a whole.
pub(super) fn wrong(message: String, next: &str) -> Diagnostic {
    Diagnostic {
        file: String::from(crate::manifest::FILE),
        line: 1,
        column: 1,
        rule: None,
        message,
        next: next.to_owned(),
    }
}

/// What a policy asks, as it was found when its set was published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Described {
    /// The policy.
    pub policy: String,
    /// Its questions. One that was only found in a package and asks nothing is no policy.
    pub entrypoints: Vec<Entrypoint>,
    /// Where it is written.
    pub location: Option<Location>,
}

/// What is wrong with a set, and what is in it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Checked {
    pub(crate) wrong: Vec<Diagnostic>,
    pub(crate) policies: Vec<Described>,
}

/// Loads a set with its data, and looks whether there is what it asks for.
pub(crate) fn check(set: &TaskSet) -> Checked {
    let mut checked = Checked::default();
    if let Err(message) = data_of(&BTreeMap::new(), set) {
        checked.wrong.push(wrong(message, "correct the document"));
    }
    let mut programs: BTreeMap<&[String], Vec<&TaskPolicy>> = BTreeMap::new();
    for policy in &set.policies {
        programs.entry(&policy.files).or_default().push(policy);
    }
    for (files, policies) in programs {
        match load(set, files) {
            Ok(program) => check_program(&program, &policies, &mut checked),
            Err(diagnostics) => checked.wrong.extend(diagnostics),
        }
    }
    checked.wrong.sort_by(|one, other| {
        (&one.file, one.line, one.column).cmp(&(&other.file, other.line, other.column))
    });
    checked.wrong.dedup();
    checked
        .policies
        .sort_by(|one, other| one.policy.cmp(&other.policy));
    if checked.wrong.is_empty() && checked.policies.iter().all(|it| it.entrypoints.is_empty()) {
        let words = String::from("no package of the set has a rule `deny`, `violation` or `warn`");
        checked.wrong.push(wrong(
            words,
            "write one, or name the entrypoints in `statehouse.toml`",
        ));
    }
    checked
}

fn check_program(program: &Program, policies: &[&TaskPolicy], checked: &mut Checked) {
    let below = |path: &str, query: &str| {
        path.strip_prefix(query)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    for policy in policies {
        let asked = asked_of(policy, program);
        for Entrypoint { query, .. } in &policy.entrypoints {
            if !program
                .rules()
                .any(|rule| below(&rule.path, query) || below(query, &rule.path))
            {
                let words = format!(
                    "the policy {:?} asks for {query}, and there is no such rule",
                    policy.name
                );
                checked
                    .wrong
                    .push(wrong(words, "write the rule, or correct the entrypoint"));
            }
        }
        checked.policies.push(Described {
            policy: policy.name.clone(),
            entrypoints: asked.entrypoints,
            location: asked.location,
        });
    }
}

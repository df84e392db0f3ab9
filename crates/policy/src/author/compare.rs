//! Our engine beside the operator's own `opa`: the same policies, the same input, the same judging, and where the two do not agree.
//!
//! It is for whoever brings policies that were written for `opa` and wants to know, before they judge anything, that they mean the same here. What one of
//! the engines could not evaluate is told with its own words; that neither could is agreement, and is counted apart.

use std::fmt;

use serde::Serialize;

use super::check::{self, CheckError, Question};
use crate::assess::{self, Limits};
use crate::opa::{self, Opa};
use crate::verdict::{Outcome, Verdict};

/// Messages that are shown of one policy and one engine.
const MESSAGES_SHOWN: usize = 20;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// Our engine, and the other.
    pub engines: [String; 2],
    /// Policies that were asked.
    pub policies: usize,
    /// Those that neither engine could evaluate.
    pub unevaluated: usize,
    /// Those about which they do not agree.
    pub differences: Vec<Difference>,
}

/// A policy about which they do not agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The set.
    pub set: String,
    /// The policy.
    pub policy: String,
    /// What our engine says.
    pub here: Said,
    /// What the other says.
    pub there: Said,
}

/// What an engine says of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Said {
    /// How it ended.
    pub outcome: Outcome,
    /// Its messages, or what went wrong.
    pub messages: Vec<String>,
}

/// Why nothing was compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// What is to be judged, or by what, cannot be read.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// The other engine does not start.
    #[error("{error}; name the binary of Open Policy Agent")]
    Opa {
        /// Why.
        error: std::io::Error,
    },
}

/// Has both engines judge, and compares.
///
/// # Errors
///
/// When a file cannot be read, or the other engine does not start. That a policy fails, or cannot be evaluated, is an answer.
pub fn compare(question: &Question, opa: &Opa) -> Result<Compared, CompareError> {
    let request = check::request(question)?;
    opa.version().map_err(|error| CompareError::Opa { error })?;
    let here = assess::assess(&request, &Limits::default());
    let there = opa.assess(&request);
    let differences = opa::compare(&here, &there)
        .into_iter()
        .map(|each| Difference {
            here: said(&here, &each.set, &each.policy),
            there: said(&there, &each.set, &each.policy),
            set: each.set,
            policy: each.policy,
        });
    let engine = |verdicts: &[Verdict]| {
        let first = verdicts.first();
        first.map(|it| it.engine.clone()).unwrap_or_default()
    };
    let results = || {
        here.iter()
            .flat_map(|set| set.results.iter().map(move |it| (set, it)))
    };
    let neither = results().filter(|(set, result)| {
        result.outcome == Outcome::Error
            && said(&there, &set.set, &result.policy).outcome == Outcome::Error
    });
    Ok(Compared {
        engines: [engine(&here), engine(&there)],
        policies: results().count(),
        unevaluated: neither.count(),
        differences: differences.collect(),
    })
}

fn said(verdicts: &[Verdict], set: &str, policy: &str) -> Said {
    let set = verdicts.iter().find(|it| it.set == set);
    let result = set.and_then(|set| set.results.iter().find(|it| it.policy == policy));
    match result {
        None => Said {
            outcome: Outcome::Error,
            messages: vec![String::from("it says nothing")],
        },
        Some(result) => Said {
            outcome: result.outcome,
            messages: result.messages.iter().map(|it| it.text.clone()).collect(),
        },
    }
}

impl Compared {
    /// Whether they agree about every policy.
    pub fn agrees(&self) -> bool {
        self.differences.is_empty()
    }
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [here, there] = &self.engines;
        for each in &self.differences {
            writeln!(f, "differs: {} in {}", each.policy, each.set)?;
            for (engine, said) in [(here, &each.here), (there, &each.there)] {
                let word = match said.outcome {
                    Outcome::Passed => "passes",
                    Outcome::Failed => "fails",
                    Outcome::Error => "cannot evaluate it",
                };
                writeln!(f, "    {engine} {word}")?;
                for message in said.messages.iter().take(MESSAGES_SHOWN) {
                    writeln!(f, "        - {}", message.replace('\n', " "))?;
                }
                let more = said.messages.len().saturating_sub(MESSAGES_SHOWN);
                if more > 0 {
                    writeln!(f, "        and {more} more")?;
                }
            }
        }
        let agreed = self.policies.saturating_sub(self.differences.len());
        write!(
            f,
            "{agreed} of {} policies mean the same to {here} and {there}",
            self.policies
        )?;
        if self.unevaluated > 0 {
            write!(f, "; {} of them neither could evaluate", self.unevaluated)?;
        }
        writeln!(f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(missing_docs)]

    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::time::Duration;

    use fs_err as fs;

    use super::*;

    const PLAN: &str = r#"{"format_version": "1.2", "resource_changes": [{"address": "a.b"}]}"#;
    const POLICY: &str =
        "package p\nimport rego.v1\ndeny contains r.address if some r in input.resource_changes\n";

    /// Compares with a program that answers this to every question.
    fn check(answer: &str) -> (Compared, String) {
        let place = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = place.path().join(name);
            fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).unwrap();
            fs::write(&path, text).unwrap();
            path
        };
        let program = write(
            "opa",
            &format!(
                "#!/bin/sh\nif [ \"$1\" = version ]; then echo 'Version: 9.9.9'; exit 0; fi\n{answer}\n"
            ),
        );
        fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        write("set/p.rego", POLICY);
        let question = Question {
            plan: Some(write("plan.json", PLAN)),
            policies: vec![place.path().join("set")],
            ..Question::default()
        };
        let opa = Opa {
            program,
            temporary: place.path().to_owned(),
            wall: Duration::from_secs(5),
        };
        let compared = compare(&question, &opa).unwrap();
        let shown = compared.to_string();
        (compared, shown)
    }

    #[test]
    fn engines_that_say_the_same_agree() {
        let (compared, shown) =
            check("echo '{\"result\": [{\"bindings\": {\"a0\": [[\"a.b\"]]}}]}'");
        assert!(compared.agrees(), "{shown}");
        assert_eq!((compared.policies, compared.unevaluated), (1, 0));
        assert!(
            shown.starts_with("1 of 1 policies mean the same to "),
            "{shown}"
        );
        assert!(shown.contains("opa 9.9.9"), "{shown}");
    }

    #[test]
    fn what_differs_is_told_by_policy_and_engine() {
        let (compared, shown) = check("echo '{\"result\": [{\"bindings\": {\"a0\": [[]]}}]}'");
        assert!(!compared.agrees());
        let [difference] = compared.differences.as_slice() else {
            panic!("{compared:?}")
        };
        assert_eq!(difference.here.outcome, Outcome::Failed);
        assert_eq!(difference.here.messages, ["a.b"]);
        assert_eq!(difference.there.outcome, Outcome::Passed);
        assert!(
            shown.contains("- a.b") && shown.contains("opa 9.9.9 passes"),
            "{shown}"
        );
    }

    #[test]
    fn what_the_other_engine_cannot_evaluate_differs_and_says_why() {
        let (compared, shown) = check("echo 'rego_unsafe_var_error: no' >&2; exit 1");
        assert!(!compared.agrees());
        assert_eq!(compared.differences[0].there.outcome, Outcome::Error);
        assert!(shown.contains("rego_unsafe_var_error"), "{shown}");
    }

    #[test]
    fn a_program_that_does_not_start_is_no_engine() {
        let place = tempfile::tempdir().unwrap();
        let set = place.path().join("p.rego");
        fs::write(&set, POLICY).unwrap();
        let plan = place.path().join("plan.json");
        fs::write(&plan, PLAN).unwrap();
        let question = Question {
            plan: Some(plan),
            policies: vec![place.path().to_owned()],
            ..Question::default()
        };
        let opa = Opa {
            program: place.path().join("none"),
            temporary: place.path().to_owned(),
            wall: Duration::from_secs(5),
        };
        let error = compare(&question, &opa).unwrap_err();
        assert!(error.to_string().contains("none"), "{error}");
    }
}

//! A plan judged by policies before anybody publishes them.
//!
//! What the server does after a plan is done here with files: the plan as `show -json` tells it, a state, a cost, and the circumstances
//! as far as they are given; a directory or an archive with policies, or policies of the starter library by name. The answer is the
//! verdicts that a run would get, with every error of a policy counted as its failure.
//!
//! Deliberately absent: overrides and exceptions, which are the server's, and a process around it: these are the author's own policies.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;
use serde::Serialize;

use crate::assess::{self, Request, Set, check::check_set};
use crate::bundle::{self, Bundle, BundleError};
use crate::engine::Diagnostic;
use crate::input::{Context, Input, Part, Text};
use crate::library;
use crate::manifest::{Entity, ExpandError, FILE, Level, ManifestError, Values, expand};
use crate::verdict::{Outcome, PolicyResult, Summary, Verdict};

/// Messages that are shown of one policy before the rest is counted.
const MESSAGES_SHOWN: usize = 20;

/// What is judged, and by what.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The plan, as JSON.
    pub plan: Option<PathBuf>,
    /// The state after the change.
    pub state: Option<PathBuf>,
    /// What it will cost.
    pub cost: Option<PathBuf>,
    /// Who, where and how: a JSON object with the members of [`Context`].
    pub context: Option<PathBuf>,
    /// Policy sets: directories, or archives that end in `.tar.gz` or `.tgz`.
    pub policies: Vec<PathBuf>,
    /// Policies of the library by name; `all` stands for every one.
    pub library: Vec<String>,
    /// Parameters of all sets: a JSON object.
    pub parameters: Option<PathBuf>,
}

/// Why nothing was judged.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A file cannot be read; the error names it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A file is something else than it must be.
    #[error("{}: {why}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why, and what to do.
        why: String,
    },
    /// A policy set is none.
    #[error("{set}: {error}")]
    Bundle {
        /// Which.
        set: String,
        /// What is wrong with it.
        error: BundleError,
    },
    /// What a policy set says of itself is wrong.
    #[error("{set}: {error}")]
    Manifest {
        /// Which.
        set: String,
        /// What is wrong.
        error: ManifestError,
    },
    /// Policies cannot be loaded.
    #[error("{set}: {}", .wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Policies {
        /// Which.
        set: String,
        /// Where, and what.
        wrong: Vec<Diagnostic>,
    },
    /// There is nothing to judge, or nothing to judge by.
    #[error("{0}")]
    Nothing(&'static str),
}

/// What policies say of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// What it comes to.
    pub summary: Summary,
    /// What each set says.
    pub verdicts: Vec<Verdict>,
}

/// Judges.
///
/// # Errors
///
/// When a file cannot be read or understood, or a policy cannot be loaded. That a policy fails is an answer, not an error.
pub fn check(question: &Question) -> Result<Checked, CheckError> {
    let request = request(question)?;
    for set in &request.sets {
        check_set(set).map_err(|wrong| CheckError::Policies {
            set: set.name.clone(),
            wrong,
        })?;
    }
    let verdicts = assess::assess(&request, &assess::Limits::default());
    let summary = verdicts
        .iter()
        .map(|it| it.summary)
        .max()
        .unwrap_or(Summary::Passed);
    Ok(Checked { summary, verdicts })
}

/// What is asked, with all files read.
///
/// # Errors
///
/// As [`check`].
pub fn request(question: &Question) -> Result<Request, CheckError> {
    let mut documents: BTreeMap<Part, Text> = BTreeMap::new();
    let parts = [
        (Part::Plan, &question.plan),
        (Part::State, &question.state),
        (Part::Cost, &question.cost),
    ];
    for (part, path) in parts {
        if let Some(path) = path {
            documents.insert(part, fs::read_to_string(path)?.into());
        }
    }
    let mut entities = Vec::new();
    for (part, entity) in [
        (Part::Plan, Entity::Plan),
        (Part::State, Entity::State),
        (Part::Cost, Entity::Cost),
    ] {
        if documents.contains_key(&part) {
            entities.push(entity);
        }
    }
    let context: Context = match &question.context {
        Some(path) => {
            entities.push(Entity::Workspace);
            json(
                path,
                "give an object such as {\"workspace\": {\"name\": \"a\"}}",
            )?
        }
        None => Context::default(),
    };
    if entities.is_empty() {
        return Err(CheckError::Nothing(
            "there is nothing to judge; give a plan, a state, a cost or the circumstances",
        ));
    }
    let parameters: Values = match &question.parameters {
        Some(path) => json(path, "give an object with a member for each parameter")?,
        None => Values::new(),
    };
    let sets = sets(question, &parameters)?;
    if sets.is_empty() {
        return Err(CheckError::Nothing(
            "there is nothing to judge by; name a directory with policies, or policies of the library",
        ));
    }
    Ok(Request {
        sets,
        entities,
        input: Input {
            documents,
            context,
            data: BTreeMap::new(),
        },
    })
}

fn json<T: serde::de::DeserializeOwned>(path: &Path, next: &str) -> Result<T, CheckError> {
    let text = fs::read_to_string(path)?;
    serde_json::from_str(&text).map_err(|error| CheckError::File {
        path: path.to_owned(),
        why: format!("{error}; {next}"),
    })
}

fn sets(question: &Question, parameters: &Values) -> Result<Vec<Set>, CheckError> {
    let mut sets = Vec::new();
    for path in &question.policies {
        let name = path.display().to_string();
        let bundle = read(path).map_err(|error| CheckError::Bundle {
            set: name.clone(),
            error,
        })?;
        sets.push(set(&name, bundle, parameters)?);
    }
    if !question.library.is_empty() {
        let name = "library";
        let bundle = of_library(&question.library).map_err(|error| CheckError::Bundle {
            set: name.to_owned(),
            error,
        })?;
        sets.push(set(name, bundle, parameters)?);
    }
    Ok(sets)
}

/// A policy set as a directory or an archive has it.
///
/// # Errors
///
/// When it cannot be read, or is more than a set may be.
pub fn read(path: &Path) -> Result<Bundle, BundleError> {
    let limits = bundle::Limits::default();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.ends_with(".tar.gz") || name.ends_with(".tgz") {
        return Bundle::read_archive(fs::File::open(path)?, &limits);
    }
    Bundle::read_directory(path, &limits)
}

/// A policy set that only takes policies of the library.
fn of_library(names: &[String]) -> Result<Bundle, BundleError> {
    let mut text = String::from("name = \"library\"\n");
    let all: Vec<String> = library::all().iter().map(library::Starter::name).collect();
    let names = if names.iter().any(|it| it == "all") {
        &all
    } else {
        names
    };
    for name in names {
        let name = serde_json::Value::from(name.as_str());
        text.extend(["\n[[use]]\npolicy = ", &name.to_string(), "\n"]);
    }
    Bundle::from_files(
        [(FILE.to_owned(), text.into_bytes())],
        &bundle::Limits::default(),
    )
}

fn set(name: &str, bundle: Bundle, parameters: &Values) -> Result<Set, CheckError> {
    let manifest = |error| CheckError::Manifest {
        set: name.to_owned(),
        error,
    };
    let bundle = expand(bundle, library::files).map_err(|error| match error {
        ExpandError::Manifest(error) => manifest(error),
        ExpandError::Bundle(error) => CheckError::Bundle {
            set: name.to_owned(),
            error,
        },
    })?;
    Set::new(name, Arc::new(bundle), parameters.clone()).map_err(manifest)
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counts = [0; 3];
        for verdict in &self.verdicts {
            for result in &verdict.results {
                match result.outcome {
                    Outcome::Passed => counts[0] += 1,
                    Outcome::Failed => counts[1] += 1,
                    Outcome::Error => counts[2] += 1,
                }
                if result.outcome != Outcome::Passed {
                    show(result, f)?;
                }
            }
        }
        let [passed, failed, errors] = counts;
        write!(f, "{passed} policies passed, {failed} failed")?;
        if errors > 0 {
            write!(f, ", {errors} could not say")?;
        }
        writeln!(f, ": {}", words(self.summary))
    }
}

fn show(result: &PolicyResult, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let word = match (result.outcome, result.level) {
        (Outcome::Error, _) => "error",
        (_, Level::Advisory) => "advice",
        (_, Level::SoftMandatory) => "soft failure",
        (_, Level::HardMandatory) => "hard failure",
    };
    write!(f, "{word}: {}", result.policy)?;
    if result.title != result.policy {
        write!(f, ": {}", result.title)?;
    }
    writeln!(f)?;
    for message in result.messages.iter().take(MESSAGES_SHOWN) {
        for (at, line) in message.text.lines().enumerate() {
            let mark = if at == 0 { '-' } else { ' ' };
            writeln!(f, "    {mark} {line}")?;
        }
    }
    let shown = result.messages.len().min(MESSAGES_SHOWN);
    let more =
        result.messages_left_out + u64::try_from(result.messages.len() - shown).unwrap_or_default();
    if more > 0 {
        writeln!(f, "    and {more} more")?;
    }
    Ok(())
}

fn words(summary: Summary) -> &'static str {
    match summary {
        Summary::Passed => "the run goes on",
        Summary::Advised => "the run goes on, and there is something to read",
        Summary::SoftFailed => "the run waits for an override",
        Summary::HardFailed => "the run stops",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = r#"{"format_version": "1.2", "terraform_version": "1.11.4", "resource_changes": [{
        "address": "aws_s3_bucket_acl.a", "mode": "managed", "type": "aws_s3_bucket_acl", "name": "a",
        "change": {"actions": ["create"], "before": null, "after": {"acl": "public-read"}, "after_unknown": {}}}]}"#;

    /// Judges the plan with these files as a policy set, and gives the summary and what a person sees.
    fn check_files(
        files: &[(&str, &str)],
        library: &[&str],
    ) -> Result<(Summary, String), CheckError> {
        let directory = tempfile::tempdir().unwrap();
        let plan = directory.path().join("plan.json");
        fs::write(&plan, PLAN).unwrap();
        let policies = directory.path().join("policies");
        for (path, text) in files {
            fs::create_dir_all(&policies).unwrap();
            fs::write(policies.join(path), text).unwrap();
        }
        let question = Question {
            plan: Some(plan),
            policies: if files.is_empty() {
                Vec::new()
            } else {
                vec![policies]
            },
            library: library.iter().map(|it| (*it).to_owned()).collect(),
            ..Question::default()
        };
        check(&question).map(|it| (it.summary, it.to_string()))
    }

    #[test]
    fn a_policy_of_the_library_judges_by_its_name() {
        let (summary, told) = check_files(&[], &["aws-s3-acl", "aws-imdsv2"]).unwrap();
        assert_eq!(summary, Summary::HardFailed);
        assert_eq!(
            told,
            "hard failure: aws-s3-acl: S3 buckets have no public ACL\n    \
             - aws_s3_bucket_acl.a: the ACL public-read lets strangers in; use private\n\
             1 policies passed, 1 failed: the run stops\n"
        );
    }

    #[test]
    fn a_set_can_give_policies_of_the_library_parameters_and_another_level() {
        let with = |level: &str, denied: &str| {
            let text = format!(
                "name = \"mine\"\n[[use]]\npolicy = \"aws-s3-acl\"\nlevel = \"{level}\"\nparameters = {{ denied = [\"{denied}\"] }}\n"
            );
            check_files(&[(FILE, &text)], &[]).unwrap().0
        };
        assert_eq!(with("advisory", "public-read"), Summary::Advised);
        assert_eq!(with("soft-mandatory", "public-read"), Summary::SoftFailed);
        assert_eq!(with("hard-mandatory", "private"), Summary::Passed);
    }

    /// Files, policies of the library, and words of the error.
    type Wrong<'c> = (&'c [(&'c str, &'c str)], &'c [&'c str], &'c str);

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let cases: [Wrong<'_>; 4] = [
            (
                &[(
                    "a.rego",
                    "package main\n\nimport rego.v1\n\ndeny contains \"x\" if {\n",
                )],
                &[],
                "a.rego:",
            ),
            (
                &[(FILE, "[[use]]\npolicy = \"no-such-policy\"\n")],
                &[],
                "no-such-policy",
            ),
            (&[], &["allowed-regions"], "regions"),
            (&[], &[], "nothing to judge by"),
        ];
        for (files, library, words) in cases {
            let error = check_files(files, library).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
